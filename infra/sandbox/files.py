"""Rendered files and the URLs they are served from, as a provider's CDN does."""

from __future__ import annotations

import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

from infra.sandbox.answers import BrokenOff, huge
from infra.sandbox.faults import Faults, Moment
from infra.sandbox.render.media import Media

NOT_FOUND = "No such file, or it has expired."


@dataclass(frozen=True)
class StoredFile:
    """A file with a URL; `text` is the prompt and path that faults are matched with."""

    name: str
    url: str
    path: Path
    size_bytes: int
    media_type: str
    width: int | None
    height: int | None
    duration_seconds: float | None
    provider: str
    text: str
    fault: str | None


class Files:
    """Files in a temporary folder that goes with the process."""

    def __init__(self, base_url: str, faults: Faults) -> None:
        self._base_url = base_url
        self._faults = faults
        self._folder = tempfile.TemporaryDirectory(prefix="museway-sandbox-")
        self._files: dict[str, StoredFile] = {}

    def put(self, media: Media, provider: str, text: str) -> StoredFile:
        """Stores a file under a new URL; an armed output fault is used up by it and stays with it."""
        name = f"{uuid.uuid4().hex}.{media.extension}"
        fault = self._faults.take(Moment.OUTPUT, provider, text)
        path = Path(self._folder.name) / name
        path.write_bytes(media.content)
        stored = StoredFile(
            name=name,
            url=f"{self._base_url}/files/{name}",
            path=path,
            size_bytes=len(media.content),
            media_type=media.media_type,
            width=media.width,
            height=media.height,
            duration_seconds=media.duration_seconds,
            provider=provider,
            text=text,
            fault=fault.name if fault else None,
        )
        self._files[name] = stored
        return stored

    async def serve(self, request: Request) -> Response:
        """`GET /files/{name}`, with Range, ETag and HEAD; 404 for an unknown or expired file."""
        return self.answer(self._files.get(request.path_params["name"]))

    def answer(self, stored: StoredFile | None) -> Response:
        """A file, as its faults leave it; 404 for none."""
        if stored is None or stored.fault == "expired_output_url":
            return PlainTextResponse(NOT_FOUND, 404)
        if stored.fault == "huge_output":
            return huge(stored.path.read_bytes(), stored.media_type)
        if self._faults.take(Moment.DOWNLOAD, stored.provider, stored.text):
            return BrokenOff(stored.path.read_bytes(), media_type=stored.media_type)
        media_type = "text/html" if stored.fault == "wrong_content_type" else stored.media_type
        return FileResponse(stored.path, media_type=media_type)

    def close(self) -> None:
        """Deletes every file."""
        self._files.clear()
        self._folder.cleanup()
