"""What is only known once the media of a request were looked at: their kind, format, size and length."""

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol

from gateway.errors import SourceRefused
from gateway.limits import Input, Limits, Media
from gateway.limits.requests import Source

Measured = Mapping[str, tuple[Decimal | None, ...]]
"""The seconds of each input's media, in order; None for one whose length could not be read."""


class Looked(Protocol):
    """What looking at a medium found; None where it does not tell."""

    @property
    def kind(self) -> str:
        """Image, video or audio."""
        ...

    @property
    def media_type(self) -> str:
        """By content."""
        ...

    @property
    def bytes(self) -> int:
        """Of the whole file."""
        ...

    @property
    def width(self) -> int | None:
        """In pixels."""
        ...

    @property
    def height(self) -> int | None:
        """In pixels."""
        ...

    @property
    def duration_seconds(self) -> Decimal | None:
        """To the millisecond."""
        ...


def checked(limits: Limits, found: Sequence[tuple[Source, Looked]]) -> Measured:
    """Hold what was found to the limits; gives what was measured.

    Raises SourceRefused naming the field and which of its URLs (`url_index`): `source_not_media` for a wrong kind
    or format, `source_too_large`, `source_too_small`, `source_too_long` (one file, or all of an input together).
    """
    inputs = limits.media_inputs()
    measured: dict[str, tuple[Decimal | None, ...]] = {}
    numbers: Counter[str] = Counter()
    for source, looked in found:
        if media := inputs[source.input].media:
            _check_one(media, source, looked, {"field": source.field, "url_index": numbers[source.field]})
        numbers[source.field] += 1
        measured[source.input] = (*measured.get(source.input, ()), looked.duration_seconds)
    for name, seconds in measured.items():
        _check_total(inputs[name], seconds, next(source.field for source, _ in found if source.input == name))
    return measured


def _check_one(media: Media, source: Source, looked: Looked, where: Mapping[str, Any]) -> None:
    if looked.kind != media.kind:
        message = f"'{source.field}' must be {media.kind}; a given URL holds {looked.kind}."
        raise SourceRefused(message, code="source_not_media", **where)
    if media.formats and looked.media_type not in media.formats:
        message = f"This model does not take {looked.media_type} here."
        raise SourceRefused(message, code="source_not_media", allowed=list(media.formats), **where)
    if media.bytes_max is not None and looked.bytes > media.bytes_max:
        message = f"The {media.kind} has {looked.bytes:,} bytes; this model takes {media.bytes_max:,} at most."
        raise SourceRefused(message, code="source_too_large", max_bytes=media.bytes_max, **where)
    side = min(looked.width or 0, looked.height or 0)
    if media.side_min_px and 0 < side < media.side_min_px:
        message = f"The {media.kind} is {looked.width} x {looked.height} pixels; each side needs {media.side_min_px}."
        raise SourceRefused(message, code="source_too_small", **where)
    seconds = looked.duration_seconds
    if media.seconds_max is not None and seconds is not None and seconds > media.seconds_max:
        message = f"The {media.kind} lasts {seconds} s; this model takes {media.seconds_max} s at most."
        raise SourceRefused(message, code="source_too_long", max_seconds=str(media.seconds_max), **where)


def _check_total(item: Input, seconds: Sequence[Decimal | None], field: str) -> None:
    if item.media is None or item.media.total_seconds_max is None:
        return
    most, total = item.media.total_seconds_max, sum((one for one in seconds if one is not None), Decimal(0))
    if total > most:
        message = f"The {item.media.kind} sources last {total} s together; this model takes {most} s at most."
        raise SourceRefused(message, code="source_too_long", max_seconds=str(most), field=field)
