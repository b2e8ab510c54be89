"""Probes bytes as a server would give them, and remembers what was asked for."""

from dataclasses import dataclass, field

from gateway import media, probe

HEAD_BYTES = 64 * 1024


@dataclass
class Reads:
    """A file that is read in pieces: `asked` are the (start, length) of the pieces."""

    data: bytes = field(repr=False)
    asked: list[tuple[int, int]] = field(default_factory=list)

    def __call__(self, start: int, length: int) -> bytes:
        self.asked.append((start, length))
        return self.data[start : start + length]

    @property
    def total_bytes(self) -> int:
        return sum(length for _, length in self.asked)


def probed(data: bytes, media_type: str | None = None, head_bytes: int = HEAD_BYTES) -> tuple[probe.Facts, Reads]:
    """The facts of a file and the reads that they took, besides its first bytes."""
    reads = Reads(data)
    sniffed = media_type or media.sniff(data)
    assert sniffed is not None
    return probe.measure(sniffed, len(data), reads, data[:head_bytes]), reads


def facts_of(data: bytes, media_type: str | None = None) -> probe.Facts:
    return probed(data, media_type)[0]


def replaced(data: bytes, after: bytes, skip: int, new: bytes, which: int = 0) -> bytes:
    """The file with some bytes exchanged: those `skip` after the end of a mark, its `which`th occurrence."""
    at = -1
    for _ in range(which + 1):
        at = data.index(after, at + 1)
    at += len(after) + skip
    return data[:at] + new + data[at + len(new) :]
