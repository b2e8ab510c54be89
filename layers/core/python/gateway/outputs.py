"""Bringing a finished attempt's outputs home: copy, hash, look inside, thumbnail, into the project's drive.

An output counts only when its bytes are here and are media, or text where text was asked for. What a provider
calls done but cannot be opened is not delivered, and not billed.
"""

import hashlib
import json
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, Protocol, cast

import jmespath

from gateway import drive, jobs, media, tables, telemetry
from gateway.errors import SourceRefused
from gateway.nondelivery import NonDelivery
from gateway.provider import Finished, MediaObject, MediaUrl

BYTES_MAX = 1_000_000_000
"""Of one output."""
TOGETHER_BYTES_MAX = 2_000_000_000
"""Of a generation's outputs, which lie in the function's temporary storage beside one rendition of the largest."""
OUTPUTS_MAX = 32
"""More than any model makes at once; a provider's list is read no further."""
FETCH_SECONDS = 240
"""For all outputs; the rest of the function's time is for looking inside and storing."""
TEXT_BYTES_SHOWN_MAX = 32 * 1024
"""As JSON. A generation is one item of the store (400 KB), and 100 of them one answer of a function (6 MB)."""
EXPIRED_STATUSES = frozenset({401, 403, 404, 410})
_NEVER_FETCHED = {
    "source_too_large": "The provider's output is too large.",
    "unsafe_url": "The provider's output lies at an address that nothing is fetched from.",
}
"""Refusals that another try would only repeat."""


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
    # The expression is the caller's: only what the provider itself names as an output is fetched with its headers.
    named = {item.url: item for item in finished.outputs if isinstance(item, MediaUrl)}
    return [named.get(url, MediaUrl(url)) for url in urls if isinstance(url, str)]


def collect(
    generation: tables.Generation, order: tables.Order, attempt: tables.Attempt, ask_again: Callable[[], Finished]
) -> list[dict[str, Any]]:
    """Copy an attempt's outputs into the drive and describe them. Running it again overwrites the same files.

    `ask_again` reads the provider's result, with fresh URLs. Of more outputs than were asked for only as many are
    delivered: a caller who asked for one gets one, and nothing is given away that was not paid.
    Raises Undelivered when no output is usable. Other failures (a broken connection) pass through: trying again may
    help.
    """
    places = _Staged(attempt.staged) if attempt.staged else _AtProvider(ask_again, order.output_url_path)
    wanted = min(int(jobs.offer_of(order, attempt)["outputs"]), OUTPUTS_MAX)
    with TemporaryDirectory() as folder:
        fetched = _fetched(places, wanted, Path(folder), cast("media.Kind", generation.kind))
        collected: list[dict[str, Any]] = []
        for path, facts in fetched:
            shown = sum(_json_bytes(one["text"]) for one in collected)
            drive_path = _drive_path(generation.generation_id, order.output_path, len(collected), facts)
            collected.append(_keep(generation.project_id, drive_path, path, facts, TEXT_BYTES_SHOWN_MAX - shown))
            path.unlink()
    return collected


class _Places(Protocol):
    """Where an attempt's outputs are, by their numbers."""

    def urgent_first(self) -> list[int]:
        """The numbers, in the order in which to fetch them."""
        ...

    def fetch(self, number: int, file: "_Hashed", max_bytes: int, ends_at: float, *, again: bool) -> None:
        """Write an output to `file`. Raises Undelivered, SourceRefused."""
        ...


class _Staged:
    """Outputs that came inside the provider's answer."""

    def __init__(self, staged: list[dict[str, Any]]) -> None:
        self._keys = [item["key"] for item in staged]

    def urgent_first(self) -> list[int]:
        return list(range(len(self._keys)))

    def fetch(self, number: int, file: "_Hashed", max_bytes: int, ends_at: float, *, again: bool) -> None:  # noqa: ARG002
        for chunk in drive.staged(self._keys[number]):
            file.write(chunk)


class _AtProvider:
    """Outputs that the provider names. Fresh URLs are asked for when an output cannot be fetched from its first."""

    def __init__(self, ask_again: Callable[[], Finished], output_url_path: str | None) -> None:
        self._ask_again = ask_again
        self._output_url_path = output_url_path
        self._named = self._ask()

    def urgent_first(self) -> list[int]:
        """Those that expire come first, the soonest before all."""
        ends = [_expires_at_seconds(one) for one in self._named]
        return sorted(range(len(ends)), key=lambda number: ends[number])

    def fetch(self, number: int, file: "_Hashed", max_bytes: int, ends_at: float, *, again: bool) -> None:
        # Brings the HTTP client, which the steps that fetch nothing need not load.
        from gateway import url_guard

        if again:
            self._named = self._ask()
        if number >= len(self._named):
            raise Undelivered(NonDelivery.EXPIRED_OUTPUT, "The provider no longer names this output.")
        seconds, output = ends_at - time.monotonic(), self._named[number]
        if isinstance(output, MediaObject):
            for chunk in drive.staged(output.key):
                file.write(chunk)
            return
        url_guard.download(output.url, file, max_bytes=max_bytes, timeout_seconds=seconds, headers=output.headers)

    def _ask(self) -> Sequence[MediaUrl | MediaObject]:
        return delivered(self._ask_again(), self._output_url_path)[:OUTPUTS_MAX]


def _expires_at_seconds(output: MediaUrl | MediaObject) -> float:
    told = None if isinstance(output, MediaObject) else output.expires_at_seconds
    return math.inf if told is None else told


class _Hashed:
    """A file that is hashed while it is written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self._digest.update(data)
        return self._file.write(data)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


def _fetched(places: _Places, wanted: int, folder: Path, kind: media.Kind) -> list[tuple[Path, media.Facts]]:
    """The usable outputs as files, at most as many as are wanted, in the provider's order. Raises Undelivered."""
    usable: dict[int, tuple[Path, media.Facts]] = {}
    refused: list[Undelivered] = []
    numbers = places.urgent_first()
    ends_at = time.monotonic() + FETCH_SECONDS
    bytes_left = TOGETHER_BYTES_MAX
    for tried, number in enumerate(numbers):
        if len(usable) == wanted:
            telemetry.logger.warning("more outputs than were asked for", extra={"outputs": len(numbers)})
            break
        path = folder / str(number)
        # Each gets its share of the time, so that one which drips leaves some to the others.
        now = time.monotonic()
        share_ends_at = now + (ends_at - now) / min(wanted - len(usable), len(numbers) - tried)
        try:
            facts = _usable(places, number, path, kind, min(BYTES_MAX, bytes_left), share_ends_at)
        except Undelivered as error:
            path.unlink(missing_ok=True)
            refused.append(error)
            telemetry.logger.warning("output unusable", extra={"number": number, "code": error.code})
        else:
            usable[number] = path, facts
            bytes_left -= facts.bytes
    if not usable:
        raise (
            refused[0] if refused else Undelivered(NonDelivery.EMPTY_OUTPUT, "The provider finished without an output.")
        )
    return [usable[number] for number in sorted(usable)]


def _usable(places: _Places, number: int, path: Path, kind: media.Kind, max_bytes: int, ends_at: float) -> media.Facts:
    """Fetch and look inside; a second fetch when the first was broken or its URL had expired."""
    for last in (False, True):
        try:
            with path.open("wb") as file:
                hashed = _Hashed(file)
                places.fetch(number, hashed, max_bytes, ends_at, again=last)
            return media.inspect(path, expected_kind=kind, sha256=hashed.sha256)
        except media.UnusableOutput as error:
            if last:
                raise Undelivered(
                    NonDelivery.PROVIDER_ERROR, f"The provider's output cannot be used. {error}"
                ) from error
        except SourceRefused as error:
            if error.error_code in _NEVER_FETCHED:
                raise Undelivered(NonDelivery.PROVIDER_ERROR, _NEVER_FETCHED[error.error_code]) from error
            if time.monotonic() >= ends_at:
                raise Undelivered(NonDelivery.PROVIDER_ERROR, "The provider's output came too slowly.") from error
            expired = error.fields.get("upstream_status") in EXPIRED_STATUSES
            if last and expired:
                raise Undelivered(NonDelivery.EXPIRED_OUTPUT, "The output could no longer be fetched.") from error
            if last:
                raise
    raise AssertionError("unreachable")


def _keep(project_id: str, drive_path: str, path: Path, facts: media.Facts, text_bytes: int) -> dict[str, Any]:
    """Put a file and what is made of it into the drive; a text of at most `text_bytes` is told as well."""
    drive.put_file(project_id, drive_path, path, _content_type(facts))
    thumbnail_path = optimized_path = None
    if thumbnail := media.thumbnail(path, facts):
        thumbnail_path = f"{drive_path}.thumbnail.jpg"
        drive.put_bytes(project_id, thumbnail_path, thumbnail, "image/jpeg")
    rendition = path.with_suffix(".optimized")
    if media_type := media.optimize(path, facts, rendition):
        optimized_path = f"{drive_path}.optimized{media.EXTENSIONS[media_type]}"
        drive.put_file(project_id, optimized_path, rendition, media_type)
        rendition.unlink()
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
