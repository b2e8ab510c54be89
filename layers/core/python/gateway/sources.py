"""Media that a request points at: is it there, is it media, of which kind, how large, how long?

Only the beginning of each is fetched, and what its format needs besides, through the URL guard. What a source
is called or declared to be does not matter; its content does.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from decimal import Decimal

from gateway import media, probe, url_guard
from gateway.errors import SourceRefused
from gateway.telemetry import logger

HEAD_BYTES = 64 * 1024
PROBE_SECONDS = 10.0
CONCURRENCY = 8
BYTES_MAX_BY_KIND: Mapping[media.Kind, int] = {
    "image": 10_000_000,
    "video": 100_000_000,
    "audio": 20_000_000,
}


@dataclass(frozen=True)
class Source:
    """A source as its content shows it. What its format does not tell, or could not be read, is None."""

    url: str
    kind: media.Kind
    """A film's container that holds nothing but sound is audio."""
    media_type: str
    """By the first bytes; such a container's is still `video/...`."""
    bytes: int
    width: int | None = None
    """Pixels as shown, as `height`."""
    height: int | None = None
    duration_seconds: Decimal | None = None
    """To the millisecond; None for images."""
    frame_rate: Decimal | None = None
    """Frames per second, to the thousandth."""
    channels: int | None = None
    """Of the sound, a film's too."""


def probe_sources(
    urls: Sequence[str],
    field: str,
    *,
    max_bytes_by_kind: Mapping[media.Kind, int] = BYTES_MAX_BY_KIND,
    timeout_seconds: float = PROBE_SECONDS,
) -> list[Source]:
    """Look at every URL once, several at a time, and answer what is there, in the order given.

    `timeout_seconds` is for each source, whatever it takes. Raises `SourceRefused` for the first URL in that
    order which is unsafe (`unsafe_url`), cannot be fetched (`source_unreachable`), is too large
    (`source_too_large`) or not media (`source_not_media`); its fields `field` and `url_index` say which.
    A server that gives the beginning and then no more is no refusal: the facts are None.
    """
    if not urls:
        return []

    def look(index: int, url: str) -> Source:
        where = {"field": field, "url_index": index}
        return _look(url, where, {**BYTES_MAX_BY_KIND, **max_bytes_by_kind}, timeout_seconds)

    first_index = {url: urls.index(url) for url in urls}
    with ThreadPoolExecutor(max_workers=min(CONCURRENCY, len(first_index))) as pool:
        # Each thread gets the caller's context, so that its log lines carry the request's ids.
        found = {url: pool.submit(copy_context().run, look, index, url) for url, index in first_index.items()}
        return [found[url].result() for url in urls]


def _look(
    url: str, where: url_guard.Where, max_bytes_by_kind: Mapping[media.Kind, int], timeout_seconds: float
) -> Source:
    resource = url_guard.Resource(url, timeout_seconds=timeout_seconds, where=where)
    head = resource.head(HEAD_BYTES)
    media_type = media.sniff(head.data)
    if media_type is None:
        raise SourceRefused("The URL holds no image, video or audio file.", code="source_not_media", **where)
    kind = media.kind_of(media_type)
    size = head.total_bytes
    if size is None:
        size = resource.count(max_bytes_by_kind[kind])
    _require_size(size, kind, max_bytes_by_kind, where)
    facts = probe.measure(media_type, size, _reader(resource), head.data)
    if kind == "video" and facts.has_audio and not facts.has_video:
        kind = "audio"
        _require_size(size, kind, max_bytes_by_kind, where)
    logger.debug("source probed", extra={"requests": resource.requests, "bytes_read": resource.bytes_read})
    return Source(
        url=url,
        kind=kind,
        media_type=media_type,
        bytes=size,
        width=facts.width,
        height=facts.height,
        duration_seconds=facts.duration_seconds,
        frame_rate=facts.frame_rate,
        channels=facts.channels,
    )


def _require_size(
    size: int, kind: media.Kind, max_bytes_by_kind: Mapping[media.Kind, int], where: url_guard.Where
) -> None:
    max_bytes = max_bytes_by_kind[kind]
    if size > max_bytes:
        raise SourceRefused(
            f"The {kind} is larger than {max_bytes:,} bytes.",
            code="source_too_large",
            max_bytes=max_bytes,
            **where,
        )


def _reader(resource: url_guard.Resource) -> probe.Read:
    """Reads on in a source; nothing when that fails, which is no reason to refuse it, unless it is unsafe."""

    def read(start: int, length: int) -> bytes:
        try:
            return resource.read(start, length)
        except SourceRefused as refusal:
            if refusal.error_code == "unsafe_url":
                raise
            return b""

    return read
