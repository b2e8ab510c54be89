"""The boxes that ISO media files (MP4, MOV, M4A, AVIF, HEIC) are made of: ISO/IEC 14496-12, 4.2."""

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.probe.reading import File, Unreadable


@dataclass(frozen=True)
class Box:
    """Where a box lies: from `start` to `end`, its content from `body` on."""

    kind: bytes
    start: int
    body: int
    end: int


def boxes(file: File, start: int, end: int) -> Iterator[Box]:
    """The boxes between two places, in order. Raises `Unreadable` when one does not fit in."""
    while start + 8 <= end:
        size, kind = file.unpack(">I4s", start)
        body = start + 8
        if size == 1:
            (size,) = file.unpack(">Q", body)
            body += 8
        elif size == 0:  # to the end
            size = end - start
        if size < body - start or start + size > end:
            raise Unreadable
        yield Box(kind, start, body, start + size)
        start += size


def children(file: File, parent: Box, *kinds: bytes) -> list[Box]:
    """The boxes of these kinds directly in another."""
    return [box for box in boxes(file, parent.body, parent.end) if box.kind in kinds]


def find(file: File, parent: Box, *path: bytes) -> Box | None:
    """The first box at a path of kinds, one within the other. Looks no further than that box."""
    for kind in path:
        found = next((box for box in boxes(file, parent.body, parent.end) if box.kind == kind), None)
        if found is None:
            return None
        parent = found
    return parent


def need(file: File, parent: Box, *path: bytes) -> Box:
    """As `find`. Raises `Unreadable` when there is none."""
    found = find(file, parent, *path)
    if found is None:
        raise Unreadable
    return found


def version_of(file: File, box: Box) -> tuple[int, int]:
    """Version and flags of a full box."""
    (word,) = file.unpack(">I", box.body)
    return word >> 24, word & 0xFFFFFF


def table(file: File, box: Box, start: int, form_bytes: int, count: int, bytes_max: int) -> bytes:
    """The rows of a table within a box. Raises `Unreadable` when they do not fit in or are too many."""
    if start + count * form_bytes > box.end or count * form_bytes > bytes_max:
        raise Unreadable
    return file.at(start, count * form_bytes)
