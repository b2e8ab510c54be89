"""BillingRecords in the formats that they leave in, line by line. Pure: no I/O, no clock.

    for line in FORMATS["focus"].lines(records, names):
        write(line.encode())

A format takes records one at a time and keeps none, so any number streams in constant memory. Each line is text
with its own end of line; where a format has a header it is the first, also when there are no records.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Protocol

from gateway.exports import csv, focus, jsonl


class Lines(Protocol):
    """Records as lines; `names` are the display names of projects and keys by their ids, as far as they are known."""

    def __call__(
        self, records: Iterable[Mapping[str, Any]], names: Mapping[str, str] | None = None, /
    ) -> Iterator[str]:
        """The header, where there is one, and then the records."""


@dataclass(frozen=True)
class Format:
    """One way to write records; encode its lines as UTF-8."""

    suffix: str
    """What a file's name ends with, after its dot."""
    media_type: str
    has_header: bool
    """Whether the first line names the columns and is no record."""
    lines: Lines


FORMATS: Final[Mapping[str, Format]] = MappingProxyType(
    {
        "jsonl": Format("jsonl", "application/x-ndjson", has_header=False, lines=jsonl.lines),
        "csv": Format("csv", "text/csv; charset=utf-8; header=present", has_header=True, lines=csv.lines),
        "focus": Format("focus.csv", "text/csv; charset=utf-8; header=present", has_header=True, lines=focus.lines),
    }
)
"""The formats that a caller may ask for, by name."""
