"""Rows as RFC 4180 text, one by one: commas, CRLF, quotes only where they are needed, nothing for no value."""

import csv
from collections.abc import Iterable, Iterator, Sequence

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet may take for the start of a formula (OWASP, "CSV Injection"), also in full width."""

Cell = str | int | None


class _Returning:
    """A file that gives back what is written to it: `csv` writes each row with one call and passes its answer on."""

    def write(self, text: str) -> str:
        return text


def lines(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[str]:
    """The header and each row as a line of its own; a quoted cell may hold line breaks of its own."""
    writer = csv.writer(_Returning(), lineterminator="\r\n")
    yield writer.writerow(header)
    for row in rows:
        yield writer.writerow(row)


def reads_as_formula(text: str) -> bool:
    """Whether a spreadsheet that opens the file may compute the cell instead of showing it."""
    return text.startswith(FORMULA_STARTS)
