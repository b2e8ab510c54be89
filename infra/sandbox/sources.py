"""Media that a request refers to: really fetched, as a provider would."""

from __future__ import annotations

import base64
import binascii
import functools
from dataclasses import dataclass

import httpx

from infra.sandbox.jobs import Cause, JobError
from infra.sandbox.render.image import decode_image
from infra.sandbox.studio import Studio

SOURCE_BYTES_MAX = 100 * 1024 * 1024
FETCH_TIMEOUT_SECONDS = 20.0


@dataclass(frozen=True)
class Source:
    """A URL in an input field; only a picture is decoded, other media just have to be there."""

    field: str
    url: str
    is_picture: bool = True


class Sources:
    """Fetches sources over HTTP; `data:` URIs are read in place."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._http = httpx.AsyncClient(timeout=FETCH_TIMEOUT_SECONDS, follow_redirects=True, trust_env=False)

    async def pictures(self, sources: list[Source]) -> tuple[bytes, ...]:
        """The content of the pictures among the sources; raises JobError for any that is unusable."""
        pictures: list[bytes] = []
        for source in sources:
            content = _from_data_uri(source) if source.url.startswith("data:") else await self._fetch(source)
            if source.is_picture:
                await self._check_picture(source, content)
                pictures.append(content)
        return tuple(pictures)

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

    async def _check_picture(self, source: Source, content: bytes) -> None:
        try:
            await self._studio.run(functools.partial(decode_image, content))
        except (OSError, ValueError, SyntaxError) as error:
            message = "Failed to load the image. Check that the file is a picture."
            raise JobError(Cause.UNREADABLE_SOURCE, message, field=source.field, value=source.url) from error


def _from_data_uri(source: Source) -> bytes:
    head, _, encoded = source.url.partition(",")
    try:
        return base64.b64decode(encoded, validate=True) if head.endswith(";base64") else encoded.encode()
    except binascii.Error as error:
        raise _unreachable(source, "The data URI is not valid base64.") from error


def _unreachable(source: Source, message: str) -> JobError:
    return JobError(Cause.UNREACHABLE_SOURCE, message, field=source.field, value=source.url)
