"""Bringing a finished attempt's outputs home: copy, hash, look inside, thumbnail, into the project's drive.

An output counts only when its bytes are here and are media, or text where text was asked for. What a provider
calls done but cannot be opened is not delivered, and not billed.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import jmespath

from gateway import drive, media, tables, telemetry
from gateway.errors import SourceRefused
from gateway.nondelivery import NonDelivery
from gateway.provider import Finished, MediaObject, MediaUrl

BYTES_MAX = 450_000_000
"""One output at a time lies in the function's temporary storage, which holds 512 MB."""
DOWNLOAD_SECONDS = 240
TEXT_BYTES_SHOWN_MAX = 32 * 1024
"""As JSON. A generation is one item of the store (400 KB), and 100 of them one answer of a function (6 MB)."""
EXPIRED_STATUSES = frozenset({401, 403, 404, 410})


class Undelivered(Exception):
    """Nothing usable came: a typed reason for the generation."""

    def __init__(self, code: NonDelivery, message: str, *, retryable: bool = True) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable


def delivered(finished: Finished, output_url_path: str | None) -> Sequence[MediaUrl | MediaObject]:
    """The outputs that a provider's answer names; `output_url_path` (JMESPath) points at them when given."""
    if output_url_path is None:
        return [item for item in finished.outputs if isinstance(item, MediaUrl | MediaObject)]
    try:
        found = jmespath.search(output_url_path, finished.raw)
    except jmespath.exceptions.JMESPathError:
        found = None
    urls = found if isinstance(found, list) else [found]
    return [MediaUrl(url) for url in urls if isinstance(url, str)]


def collect(
    generation: tables.Generation, order: tables.Order, attempt: tables.Attempt, ask_again: Callable[[], Finished]
) -> list[dict[str, Any]]:
    """Copy an attempt's outputs into the drive and describe them. Running it again overwrites the same files.

    `ask_again` reads the provider's result, with fresh URLs. Raises Undelivered when no output is usable.
    Other failures (a broken connection) pass through: trying again may help.
    """
    with TemporaryDirectory() as folder:
        if attempt.staged:
            fetchers = [_from_staging(item["key"]) for item in attempt.staged]
        else:
            count = len(delivered(ask_again(), order.output_url_path))
            fetchers = [_from_provider(number, ask_again, order.output_url_path) for number in range(count)]
        collected: list[dict[str, Any]] = []
        refused: list[Undelivered] = []
        for number, fetch in enumerate(fetchers):
            try:
                path, facts = _usable(fetch, Path(folder) / str(number), cast("media.Kind", generation.kind))
            except Undelivered as error:
                refused.append(error)
                telemetry.logger.warning("output unusable", extra={"number": number, "code": error.code})
                continue
            shown = sum(_json_bytes(one["text"]) for one in collected)
            drive_path = _drive_path(generation.generation_id, order.output_path, len(collected), facts)
            collected.append(_keep(generation.project_id, drive_path, path, facts, TEXT_BYTES_SHOWN_MAX - shown))
            path.unlink()
    if not collected:
        raise (
            refused[0] if refused else Undelivered(NonDelivery.EMPTY_OUTPUT, "The provider finished without an output.")
        )
    return collected


def _from_staging(key: str) -> Callable[[Path], None]:
    def fetch(path: Path) -> None:
        with path.open("wb") as file:
            drive.fetch_staged(key, file)

    return fetch


def _from_provider(
    number: int, ask_again: Callable[[], Finished], output_url_path: str | None
) -> Callable[[Path], None]:
    def fetch(path: Path) -> None:
        # Brings the HTTP client, which the steps that fetch nothing need not load.
        from gateway import url_guard

        named = delivered(ask_again(), output_url_path)
        if number >= len(named):
            raise Undelivered(NonDelivery.EXPIRED_OUTPUT, "The provider no longer names this output.")
        output = named[number]
        with path.open("wb") as file:
            if isinstance(output, MediaObject):
                drive.fetch_staged(output.key, file)
            else:
                url_guard.download(output.url, file, max_bytes=BYTES_MAX, timeout_seconds=DOWNLOAD_SECONDS)

    return fetch


def _usable(fetch: Callable[[Path], None], path: Path, kind: media.Kind) -> tuple[Path, media.Facts]:
    """Fetch and look inside; a second fetch when the first was broken or its URL had expired."""
    for last in (False, True):
        try:
            fetch(path)
            facts = media.inspect(path, expected_kind=kind)
        except media.UnusableOutput as error:
            if last:
                raise Undelivered(
                    NonDelivery.PROVIDER_ERROR, f"The provider's output cannot be used. {error}"
                ) from error
        except SourceRefused as error:
            if error.error_code == "source_too_large":
                raise Undelivered(NonDelivery.PROVIDER_ERROR, "The provider's output is too large.") from error
            expired = error.fields.get("upstream_status") in EXPIRED_STATUSES
            if last and expired:
                raise Undelivered(NonDelivery.EXPIRED_OUTPUT, "The output could no longer be fetched.") from error
            if last:
                raise
        else:
            return path, facts
    raise AssertionError("unreachable")


def _keep(project_id: str, drive_path: str, path: Path, facts: media.Facts, text_bytes: int) -> dict[str, Any]:
    """Put a file and what is made of it into the drive; a text of at most `text_bytes` is told as well."""
    with path.open("rb") as file:
        drive.put_file(project_id, drive_path, file, _content_type(facts))
    thumbnail_path = optimized_path = None
    if thumbnail := media.thumbnail(path, facts):
        thumbnail_path = f"{drive_path}.thumbnail.jpg"
        drive.put_file(project_id, thumbnail_path, thumbnail, "image/jpeg")
    if optimized := media.optimized(path, facts):
        optimized_path = f"{drive_path}.optimized.webp"
        drive.put_file(project_id, optimized_path, *optimized)
    return {
        "drive_path": drive_path,
        "thumbnail_path": thumbnail_path,
        "optimized_path": optimized_path,
        "media_type": facts.media_type,
        "width": facts.width,
        "height": facts.height,
        "duration_seconds": facts.duration_seconds,
        "has_audio": facts.has_audio,
        "bytes": facts.bytes,
        "sha256": facts.sha256,
        "text": _text(path, facts, text_bytes),
    }


def _text(path: Path, facts: media.Facts, bytes_max: int) -> str | None:
    """A text as it is, when it is short enough to be shown: a part of it could be taken for the whole."""
    if facts.kind != "text" or facts.bytes > bytes_max:
        return None
    text = path.read_bytes().decode()
    return text if _json_bytes(text) <= bytes_max else None


def _json_bytes(text: str | None) -> int:
    return 0 if text is None else len(json.dumps(text))


def _content_type(facts: media.Facts) -> str:
    """What browsers are told of a file; without a word on its encoding they guess."""
    return f"{facts.media_type}; charset=utf-8" if facts.kind == "text" else facts.media_type


def _drive_path(generation_id: str, output_path: str | None, number: int, facts: media.Facts) -> str:
    """Where an output goes: the asked path (numbered from the second on), else one of the generation's own.

    The extension follows the content: seed 001 warns that models answer other formats than one expects.
    """
    extension = media.EXTENSIONS[facts.media_type]
    if not output_path:
        return f"media/{generation_id}-{number}{extension}"
    asked = Path(output_path)
    suffix = asked.suffix or extension
    return str(asked.with_name(f"{asked.stem}{f'-{number}' if number else ''}{suffix}"))
