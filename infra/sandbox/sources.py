"""Media that a request refers to: really fetched, as a provider would."""

from __future__ import annotations

import base64
import binascii
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import httpx

from infra.sandbox.jobs import Cause, JobError
from infra.sandbox.render.image import decode_image
from infra.sandbox.render.video import Clip, read_clip
from infra.sandbox.studio import Studio

T = TypeVar("T")
SOURCE_BYTES_MAX = 100 * 1024 * 1024
FETCH_TIMEOUT_SECONDS = 20.0


@dataclass(frozen=True)
class Source:
    """A URL in an input field; a picture is decoded, a clip's length is read, other media just have to be there."""

    field: str
    url: str
    is_picture: bool = True
    is_clip: bool = False


@dataclass(frozen=True)
class Found:
    """What was behind an input's sources, in their order; pictures with the field that named them."""

    named_pictures: tuple[tuple[str, bytes], ...] = ()
    clips: tuple[Clip, ...] = ()

    @property
    def pictures(self) -> tuple[bytes, ...]:
        """Every picture."""
        return tuple(content for _, content in self.named_pictures)

    def picture(self, field: str) -> bytes | None:
        """The field's first picture, if it has one."""
        return next((content for name, content in self.named_pictures if name == field), None)


class Sources:
    """Fetches sources over HTTP; `data:` URIs are read in place."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._http = httpx.AsyncClient(timeout=FETCH_TIMEOUT_SECONDS, follow_redirects=True, trust_env=False)

    async def fetch(self, sources: list[Source]) -> Found:
        """The pictures and clips among the sources; raises JobError for any source that is unusable."""
        pictures: list[tuple[str, bytes]] = []
        clips: list[Clip] = []
        for source in sources:
            content = _from_data_uri(source) if source.url.startswith("data:") else await self._fetch(source)
            if source.is_picture:
                await self._read(source, functools.partial(decode_image, content), "picture")
                pictures.append((source.field, content))
            elif source.is_clip:
                clips.append(await self._read(source, functools.partial(read_clip, content), "video"))
        return Found(tuple(pictures), tuple(clips))

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def _fetch(self, source: Source) -> bytes:
        content = bytearray()
        try:
            async with self._http.stream("GET", source.url) as response:
                response.raise_for_status()
                async for piece in response.aiter_bytes():
                    content += piece
                    if len(content) > SOURCE_BYTES_MAX:
                        raise _unreachable(source, f"The file is larger than {SOURCE_BYTES_MAX} bytes.")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _unreachable(source, "Failed to download the file. Check that the URL is reachable.") from error
        return bytes(content)

    async def _read(self, source: Source, read: Callable[[], T], kind: str) -> T:
        try:
            return await self._studio.run(read)
        except (OSError, ValueError, SyntaxError) as error:
            message = f"Failed to load the {kind}. Check that the file is a {kind}."
            raise JobError(Cause.UNREADABLE_SOURCE, message, field=source.field, value=source.url) from error


def _from_data_uri(source: Source) -> bytes:
    head, _, encoded = source.url.partition(",")
    try:
        return base64.b64decode(encoded, validate=True) if head.endswith(";base64") else encoded.encode()
    except binascii.Error as error:
        raise _unreachable(source, "The data URI is not valid base64.") from error


def _unreachable(source: Source, message: str) -> JobError:
    return JobError(Cause.UNREACHABLE_SOURCE, message, field=source.field, value=source.url)
