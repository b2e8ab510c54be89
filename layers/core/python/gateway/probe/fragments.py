"""MP4 in fragments: `moof` boxes, each with the times of its own samples (ISO/IEC 14496-12, 8.8 and 8.16).

An index (`sidx` before the fragments, or `mfra` at the very end) says where the last ones lie, so that those
between need not be read. What counts is what the last fragments say, not what the index says.
"""

import struct
from dataclasses import dataclass

from gateway.probe.boxes import Box, boxes, children, find, need, table, version_of
from gateway.probe.reading import AHEAD_BYTES, File, Unreadable

TABLE_BYTES_MAX = 1024 * 1024
SHORT_BYTES = 8 * AHEAD_BYTES
"""A file up to this size is gone through from one end to the other."""


@dataclass
class Span:
    """What is known of one track's fragments, in the track's ticks."""

    begin: int
    end: int | None
    """None when the last fragment was not reached."""
    samples: int = 0
    """Of the fragments that were read, as `ticks`."""
    ticks: int = 0


def announced_ticks(file: File, extends: Box) -> int | None:
    """The duration that `mehd` announces, in the movie's ticks."""
    header = find(file, extends, b"mehd")
    if header is None:
        return None
    (ticks,) = file.unpack(">Q" if version_of(file, header)[0] else ">I", header.body + 4)
    return int(ticks)


def spans(file: File, moov: Box, extends: Box) -> dict[int, Span]:
    """What the first and the last fragments tell, by track; nothing where there are none."""
    defaults = dict(file.unpack(">I4xI", box.body + 4) for box in children(file, extends, b"trex"))
    found: dict[int, Span] = {}
    try:
        indexed = []
        for box in boxes(file, moov.end, file.size_bytes):
            if box.kind == b"sidx":
                indexed += _last_of_index(file, box)
            if box.kind == b"moof":
                _take_in(file, box, defaults, found)
                is_long = file.size_bytes > SHORT_BYTES
                start = min(indexed or _last_of_table(file), default=0) if is_long else 0
                if start > box.end:
                    _forget_ends(found)
                for later in boxes(file, max(start, box.end), file.size_bytes):
                    if later.kind == b"moof":
                        _take_in(file, later, defaults, found)
                break
    except Unreadable:  # the end is not to be had; what was seen stays true
        _forget_ends(found)
    return found


def _forget_ends(found: dict[int, Span]) -> None:
    for span in found.values():
        span.end = None


def _take_in(file: File, moof: Box, defaults: dict[int, int], found: dict[int, Span]) -> None:
    for run in children(file, moof, b"traf"):
        header = need(file, run, b"tfhd")
        _, flags = version_of(file, header)
        (track,) = file.unpack(">I", header.body + 4)
        sample_ticks = defaults.get(track, 0)
        if flags & 0x8:
            at = header.body + 8 + (8 if flags & 0x1 else 0) + (4 if flags & 0x2 else 0)
            (sample_ticks,) = file.unpack(">I", at)
        samples, ticks = 0, 0
        for box in children(file, run, b"trun"):
            more = _samples_of(file, box, sample_ticks)
            samples, ticks = samples + more[0], ticks + more[1]
        time = find(file, run, b"tfdt")
        begin = found[track].end if track in found else 0
        if time is not None:
            (begin,) = file.unpack(">Q" if version_of(file, time)[0] else ">I", time.body + 4)
        if begin is None:
            raise Unreadable
        span = found.setdefault(track, Span(begin, begin))
        # The time to the next fragment is truer than the last sample's duration, which live encoders guess.
        span.ticks += ticks if span.end is None else max(0, begin + ticks - span.end)
        span.end = max(span.end or 0, begin + ticks)
        span.samples += samples


def _samples_of(file: File, box: Box, sample_ticks: int) -> tuple[int, int]:
    """Samples of a `trun` and their ticks together."""
    _, flags = version_of(file, box)
    (count,) = file.unpack(">I", box.body + 4)
    if not flags & 0x100:
        return count, count * sample_ticks
    start = box.body + 8 + 4 * (flags & 0x1) + (flags & 0x4)
    form = ">I" + "4x" * (flags >> 9 & 0x7).bit_count()
    rows = table(file, box, start, struct.calcsize(form), count, TABLE_BYTES_MAX)
    return count, sum(ticks for (ticks,) in struct.iter_unpack(form, rows))


def _last_of_index(file: File, box: Box) -> list[int]:
    """Where the last part begins that a `sidx` lists, if any."""
    is_long = version_of(file, box)[0] > 0
    (offset,) = file.unpack(">Q" if is_long else ">I", box.body + (20 if is_long else 16))
    at = box.body + (28 if is_long else 20)
    (count,) = file.unpack(">2xH", at)
    rows = table(file, box, at + 4, 12, count, TABLE_BYTES_MAX)
    sizes = [size & 0x7FFFFFFF for (size,) in struct.iter_unpack(">I8x", rows)]
    return [box.end + offset + sum(sizes[:-1])] if sizes else []


def _last_of_table(file: File) -> list[int]:
    """Where the last fragment of each track begins by an `mfra`; the box at its end says how long it is."""
    _, data = file.tail(AHEAD_BYTES)
    size, kind = struct.unpack(">I4s", data[-4:] + data[-12:-8]) if len(data) >= 16 else (0, b"")
    if kind != b"mfro" or not 16 <= size <= len(data):
        return []
    offsets: list[int] = []
    for whole in boxes(file, file.size_bytes - size, file.size_bytes):
        for box in children(file, whole, b"tfra"):
            is_long = version_of(file, box)[0] > 0
            lengths, count = file.unpack(">II", box.body + 8)
            row_bytes = (16 if is_long else 8) + sum((lengths >> shift & 3) + 1 for shift in (4, 2, 0))
            at = box.body + 16 + (count - 1) * row_bytes
            if count and at + row_bytes <= box.end:
                offsets += file.unpack(">8xQ" if is_long else ">4xI", at)
    return offsets
