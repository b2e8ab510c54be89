"""A file read in pieces, as few and as small as can be, and what is found in it.

Every bound on hostile files is kept here, so that no parser can forget one: bytes, reads, and steps of loops.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

Read = Callable[[int, int], bytes]
"""(start, length) -> the bytes there, fewer or none where they cannot be had."""

BYTES_MAX = 8 * 1024 * 1024
READS_MAX = 11
STEPS_MAX = 20_000
AHEAD_BYTES = 64 * 1024
"""One read is a round trip to a server, which takes as long as this many bytes do."""
AHEAD_BYTES_MAX = 1024 * 1024
SECONDS_MAX = 10_000_000
SIDE_MAX = 1_000_000
RATE_MAX = 100_000


class Unreadable(Exception):
    """A format's promise is not kept, or following it would pass a bound. Does not leave this package."""


@dataclass(frozen=True)
class Facts:
    """What a file tells of itself; None where its format or the file does not tell, or cannot be believed.

    Width and height are pixels as they are shown, after any rotation by quarters. Duration and frame rate are
    of the pictures where there are some, else of the sound, and rounded to thousandths.
    """

    width: int | None = None
    height: int | None = None
    duration_seconds: Decimal | None = None
    frame_rate: Decimal | None = None
    """Frames per second, the mean when it varies."""
    channels: int | None = None
    """Of the first sound track."""
    has_video: bool | None = None
    has_audio: bool | None = None


class File:
    """A view of a file that fetches what is asked for, and a little more, and keeps it."""

    def __init__(self, size_bytes: int, read: Read, first_bytes: bytes = b"") -> None:
        self.size_bytes = size_bytes
        self._read = read
        self._pieces = [(0, first_bytes[:size_bytes])]
        self._bytes_left = BYTES_MAX
        self._reads_left = READS_MAX
        self._steps_left = STEPS_MAX
        self._ahead_bytes = AHEAD_BYTES
        self._last_end: int | None = None

    def at(self, start: int, length: int) -> bytes:
        """Exactly these bytes. Raises `Unreadable`."""
        self.step()
        if start < 0 or length < 0 or start + length > self.size_bytes:
            raise Unreadable
        for index, (begin, data) in enumerate(self._pieces):
            if not begin <= start <= begin + len(data):
                continue
            known_end = begin + len(data)
            if start + length > known_end:
                more = self._fetch(known_end, start + length - known_end)
                self._pieces[index] = (begin, data + more)
            return self._pieces[index][1][start - begin : start - begin + length]
        self._pieces.append((start, self._fetch(start, length)))
        return self._pieces[-1][1][:length]

    def unpack(self, form: str, start: int) -> tuple[Any, ...]:
        """The values of a `struct` format at a place. Raises `Unreadable`."""
        return struct.unpack(form, self.at(start, struct.calcsize(form)))

    def tail(self, length: int) -> tuple[int, bytes]:
        """The last bytes, or all when there are fewer, and where they start. Raises `Unreadable`."""
        start = max(0, self.size_bytes - length)
        return start, self.at(start, self.size_bytes - start)

    def step(self) -> None:
        """Count one turn of a loop. Raises `Unreadable` when a file makes us do too many."""
        self._steps_left -= 1
        if self._steps_left < 0:
            raise Unreadable

    def _fetch(self, start: int, length: int) -> bytes:
        # A file that is read straight on, or nearly so, is read in growing pieces.
        is_near = self._last_end is not None and 0 <= start - self._last_end < AHEAD_BYTES
        self._ahead_bytes = min(2 * self._ahead_bytes, AHEAD_BYTES_MAX) if is_near else AHEAD_BYTES
        wanted = min(max(length, self._ahead_bytes), self.size_bytes - start, self._bytes_left)
        if wanted < length or not self._reads_left:
            raise Unreadable
        self._reads_left -= 1
        self._bytes_left -= wanted
        data = self._read(start, wanted)[:wanted]
        self._last_end = start + len(data)
        if len(data) < length:
            raise Unreadable
        return data


def seconds(value: Fraction | None) -> Decimal | None:
    """A duration to the millisecond; None when there is none or it is absurd."""
    return _thousandths(value, SECONDS_MAX)


def per_second(value: Fraction | None) -> Decimal | None:
    """A rate to the thousandth; None when there is none or it is absurd."""
    return _thousandths(value, RATE_MAX)


def _thousandths(value: Fraction | None, most: int) -> Decimal | None:
    rounded = round(value * 1000) if value is not None and value <= most else 0
    return Decimal(rounded).scaleb(-3) if rounded > 0 else None


def sides(width: int, height: int, *, turned: bool = False) -> tuple[int, int]:
    """Width and height as shown: exchanged when the picture is turned by a quarter.

    Raises `Unreadable` when they are absurd.
    """
    if not (0 < width <= SIDE_MAX and 0 < height <= SIDE_MAX):
        raise Unreadable
    return (height, width) if turned else (width, height)
