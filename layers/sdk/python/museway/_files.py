"""Local files: their media type, and finding the ones that stand where a URL is expected."""

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from mimetypes import guess_type
from pathlib import Path
from typing import Any

from museway.errors import InvalidRequest

# The media types of the catalog's inputs and outputs, spelled out: the system's own table differs by machine.
_MEDIA_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".mp4": "video/mp4",
    ".mov": "video/quicktime",
    ".webm": "video/webm",
    ".mp3": "audio/mpeg",
    ".wav": "audio/wav",
    ".m4a": "audio/mp4",
    ".ogg": "audio/ogg",
    ".flac": "audio/flac",
}
_PATH_LENGTH_MAX = 4096


@dataclass(frozen=True, slots=True)
class LocalFile:
    """Something to upload: a file on disk, or bytes already in memory."""

    source: Path | bytes
    filename: str
    content_type: str
    size_bytes: int


def media_type(filename: str) -> str:
    """The media type that a file's name implies; `application/octet-stream` when it implies none."""
    known = _MEDIA_TYPES.get(os.path.splitext(filename)[1].lower())
    return known or guess_type(filename)[0] or "application/octet-stream"


def local_file(source: str | Path | bytes, filename: str | None = None) -> LocalFile:
    """Describe a file to upload. Bytes need a `filename`, which gives them their type.

    Raises InvalidRequest when the file is not there, or bytes come without a name.
    """
    if isinstance(source, bytes):
        if not filename:
            raise InvalidRequest(
                "Bytes were given without a filename.",
                code="filename_required",
                hint='Pass filename="picture.png", so that their type is known.',
                fields={"field": "filename"},
            )
        return LocalFile(source, filename, media_type(filename), len(source))
    path = Path(os.path.expanduser(source))
    if not path.is_file():
        raise InvalidRequest(
            f"There is no file {str(path)!r}.",
            code="file_not_found",
            hint="Check the path; it is taken from the current directory.",
        )
    name = filename or path.name
    return LocalFile(path, name, media_type(name), path.stat().st_size)


def sha256_of(path: Path) -> str | None:
    """The digest of a file's content in hex; None when there is no such file."""
    if not path.exists():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def with_files_replaced(inputs: Mapping[str, Any], replace: Callable[[LocalFile], str]) -> dict[str, Any]:
    """The inputs with each local file, at any depth, exchanged for what `replace` answers.

    A local file is any `Path`, and a string that names an existing file where a URL is expected (under a name
    that ends with `url` or `urls`). Raises InvalidRequest for a `Path` without a file, and for such a string
    that names something other than media: inputs often come from elsewhere, and a string must not be able to
    send a private file away.
    """

    def visit(value: Any, name: str) -> Any:
        if isinstance(value, Path):
            return replace(local_file(value))
        if isinstance(value, str):
            return replace(_named_by_string(value, name)) if _is_local(value, name) else value
        if isinstance(value, Mapping):
            return {key: visit(item, str(key)) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [visit(item, name) for item in value]
        return value

    return {key: visit(item, str(key)) for key, item in inputs.items()}


def _is_local(value: str, name: str) -> bool:
    if not name.lower().endswith(("url", "urls")) or "://" in value or value.startswith("data:"):
        return False
    try:
        return 0 < len(value) <= _PATH_LENGTH_MAX and os.path.isfile(os.path.expanduser(value))
    except ValueError:
        return False


def _named_by_string(value: str, name: str) -> LocalFile:
    found = local_file(value)
    if found.content_type.partition("/")[0] not in {"image", "video", "audio"}:
        raise InvalidRequest(
            f"{name} names a local file that is not an image, a video or audio: {value!r}.",
            code="not_media",
            hint="Pass a URL, or pathlib.Path(...) to upload this very file.",
            fields={"field": name},
        )
    return found
