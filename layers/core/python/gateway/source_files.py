"""Media of callers that a provider takes inside the call: fetched from their URLs before anything is paid."""

import time
from dataclasses import dataclass, field
from io import BytesIO

from gateway import media, url_guard
from gateway.errors import SourceRefused
from gateway.nondelivery import NonDelivery
from gateway.provider import Refused

BYTES_MAX = 25_000_000


@dataclass(frozen=True)
class SourceFile:
    """A source as it was found, with the type that its content has."""

    content: bytes = field(repr=False)
    media_type: str


class SourceFiles:
    """The sources of one call. Fetching gets a third of its time: a paid call that starts too late ends uncertain."""

    def __init__(self, timeout_seconds: float) -> None:
        self._deadline = time.monotonic() + timeout_seconds / 3

    def image(self, url: str) -> SourceFile:
        """One picture through the URL guard. Raises `SourceRefused`."""
        buffer = BytesIO()
        seconds = self._deadline - time.monotonic()
        url_guard.download(url, buffer, max_bytes=BYTES_MAX, timeout_seconds=seconds)
        content = buffer.getvalue()
        media_type = media.sniff(content[: media.SNIFF_BYTES])
        if media_type is None or media.kind_of(media_type) != "image":
            raise SourceRefused("A source is not an image.", code="source_not_media")
        return SourceFile(content, media_type)


def refused(refusal: SourceRefused) -> Refused:
    """A call that is not made for its sources. Providers that fetch them themselves may reach what we cannot."""
    unreachable = refusal.error_code == "source_unreachable"
    return Refused(NonDelivery.INVALID_INPUTS, refusal.message, retryable=unreachable)
