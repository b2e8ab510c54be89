"""Rendered files and the URLs they are served from, as a provider's CDN does."""

from __future__ import annotations

import asyncio
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

from infra.sandbox.answers import BrokenOff, NoAnswer, huge
from infra.sandbox.faults import Fault, Faults, Moment
from infra.sandbox.hostile import ANSWERS
from infra.sandbox.render.media import Media

NOT_FOUND = "No such file, or it has expired."
_REFUSALS = {"refuse": 403, "rate_limit": 429, "server_error": 500}
_SPOILED = frozenset({"html", "drip", "redirect"})


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

    def __init__(self, base_url: str, faults: Faults, stopping: asyncio.Event) -> None:
        self._base_url = base_url
        self._stopping = stopping
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
        return self.answer(request.path_params["name"])

    def answer(self, name: str) -> Response:
        """The file of a name, as its faults leave it; providers that ask for a key serve it by their own paths."""
        stored = self._files.get(name)
        if stored is None or stored.fault == "expired_output_url":
            return PlainTextResponse(NOT_FOUND, 404)
        if stored.fault == "huge_output":
            return huge(stored.path.read_bytes(), stored.media_type)
        struck = self._faults.take(Moment.SUBMISSION, stored.provider, f"/files/{stored.name}", explicit=True)
        if struck is not None and (answer := self._struck(struck)) is not None:
            return answer
        if self._faults.take(Moment.DOWNLOAD, stored.provider, stored.text):
            return BrokenOff(stored.path.read_bytes(), media_type=stored.media_type)
        media_type = "text/html" if stored.fault == "wrong_content_type" else stored.media_type
        return FileResponse(stored.path, media_type=media_type)

    def _struck(self, fault: Fault) -> Response | None:
        """The answer to a download as a fault of other calls leaves it; None for one that needs JSON to be told."""
        if fault.name in _REFUSALS:
            return PlainTextResponse(fault.name, _REFUSALS[fault.name])
        if fault.name == "accept_then_timeout":
            return NoAnswer(fault.hang_seconds, self._stopping)
        return ANSWERS[fault.name](Response(), self._stopping) if fault.name in _SPOILED else None

    def close(self) -> None:
        """Deletes every file."""
        self._files.clear()
        self._folder.cleanup()
