"""Media that a request points at: is it there, is it media, of which kind, and how large?

Only the beginning of each is fetched, through the URL guard. What a source is called or declared to be
does not matter; its content does.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass

from gateway import media, url_guard
from gateway.errors import SourceRefused

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
    """A source as its content shows it."""

    url: str
    kind: media.Kind
    media_type: str
    bytes: int


def probe_sources(
    urls: Sequence[str],
    field: str,
    *,
    max_bytes_by_kind: Mapping[media.Kind, int] = BYTES_MAX_BY_KIND,
    timeout_seconds: float = PROBE_SECONDS,
) -> list[Source]:
    """Look at every URL, several at a time, and answer what is there, in the order given.

    Raises `SourceRefused` for the first URL in that order which is unsafe (`unsafe_url`), cannot be fetched
    (`source_unreachable`), is too large (`source_too_large`) or not media (`source_not_media`); its fields
    `field` and `url_index` say which.
    """
    if not urls:
        return []

    def probe(index: int, url: str) -> Source:
        where = {"field": field, "url_index": index}
        return _probe(url, where, {**BYTES_MAX_BY_KIND, **max_bytes_by_kind}, timeout_seconds)

    with ThreadPoolExecutor(max_workers=min(CONCURRENCY, len(urls))) as pool:
        # Each thread gets the caller's context, so that its log lines carry the request's ids.
        found = [pool.submit(copy_context().run, probe, index, url) for index, url in enumerate(urls)]
        return [one.result() for one in found]


def _probe(
    url: str, where: url_guard.Where, max_bytes_by_kind: Mapping[media.Kind, int], timeout_seconds: float
) -> Source:
    head = url_guard.fetch_head(url, max_bytes=HEAD_BYTES, timeout_seconds=timeout_seconds, where=where)
    media_type = media.sniff(head.data)
    if media_type is None:
        raise SourceRefused("The URL holds no image, video or audio file.", code="source_not_media", **where)
    kind = media.kind_of(media_type)
    max_bytes = max_bytes_by_kind[kind]
    size = head.total_bytes
    if size is None:
        size = _count(url, max_bytes, where, timeout_seconds)
    if size > max_bytes:
        raise SourceRefused(
            f"The {kind} is larger than {max_bytes:,} bytes.",
            code="source_too_large",
            max_bytes=max_bytes,
            **where,
        )
    return Source(url, kind, media_type, size)


class _Nowhere:
    """A file that forgets what is written to it."""

    def write(self, data: bytes) -> int:
        return len(data)


def _count(url: str, max_bytes: int, where: url_guard.Where, timeout_seconds: float) -> int:
    """The size of a source whose server does not tell it, by reading it through."""
    return url_guard.download(url, _Nowhere(), max_bytes=max_bytes, timeout_seconds=timeout_seconds, where=where).bytes
