"""A file of records or of ledger entries: where it lies, and what is read beside it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

Place = Path | BinaryIO
"""Where a file lies, or the stream itself."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file of records or of entries.

    `file` names it in differences, empty when it is the only one. `is_paired`: the ledger of these records, or
    the records of this ledger, are read too, so that one without the other is a difference. `is_whole`: what is
    read begins with the first entry there ever was, so that each refund's charge must be among it.
    """

    place: Place
    file: str = ""
    is_paired: bool = False
    is_whole: bool = True

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """The file as a stream; raises OSError when it cannot be opened. A stream stays open."""
        if isinstance(self.place, Path):
            with self.place.open("rb") as stream:
                yield stream
        else:
            yield self.place


def shown_place(place: Place) -> str:
    """A place, as people are told of it."""
    return str(place) if isinstance(place, Path) else "stdin"
