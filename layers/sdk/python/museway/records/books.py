"""What records and entries say of the same names, brought together on disk: what is doubled, missing or unequal.

Each record and each entry is one row of a temporary SQLite file, in the order of reading; sorted by name, they are
read back. Memory does not grow with their number.
"""

import sqlite3
from collections.abc import Iterator
from itertools import groupby
from operator import attrgetter
from typing import Final, NamedTuple

from museway.records.differences import Difference
from museway.records.source import Source

RECORD, SETTLE, REFUND, OTHER = range(4)
"""What a row is: a record, or an entry of one of three kinds."""
_ROWS_AT_ONCE: Final = 500
_CACHE_KIB: Final = 1024
_SCHEMA: Final = f"""
    PRAGMA temp_store = FILE;
    PRAGMA cache_size = -{_CACHE_KIB};
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    CREATE TABLE rows (kind INTEGER, name BLOB, generation BLOB, source INTEGER, position INTEGER, amount INTEGER);
"""


class _Row(NamedTuple):
    """`name` is the record's id or the entry's; what is malformed is None."""

    kind: int
    name: bytes | None
    generation: bytes | None
    source: int
    position: int
    amount_micros: int | None

    @property
    def what(self) -> str:
        """As people are told of it."""
        return "record" if self.kind == RECORD else "entry"


class Books:
    """Collects records and entries; `differences` then holds them against each other. To be closed."""

    def __init__(self) -> None:
        # The empty name is a file of SQLite's own in the temporary folder, gone when it is closed.
        self._store = sqlite3.connect("", isolation_level=None)
        self._store.executescript(_SCHEMA)
        self._store.execute("BEGIN")
        self._sources: list[Source] = []
        self._pending: list[tuple[int, bytes | None, bytes | None, int, int, int | None]] = []
        self.earlier_refunds_micros = 0
        """Refunds of charges that lie before what was read; known once `differences` has been gone through."""

    def close(self) -> None:
        """Remove what was collected."""
        self._store.close()

    def open_source(self, source: Source) -> int:
        """The number by which rows tell their file."""
        self._sources.append(source)
        return len(self._sources) - 1

    def add(
        self,
        kind: int,
        name: str | None,
        generation_id: str | None,
        source: int,
        position: int,
        amount_micros: int | None,
    ) -> None:
        """A record or an entry; None stands for what is malformed in it, and there is nothing to hold that against."""
        self._pending.append((kind, _bytes(name), _bytes(generation_id), source, position, amount_micros))
        if len(self._pending) == _ROWS_AT_ONCE:
            self._flush()

    def differences(self) -> Iterator[Difference]:
        """Whatever is there twice, or in one book and not in the other, or with another amount."""
        self._flush()
        yield from self._doubled_names()
        rows = self._store.execute(
            "SELECT * FROM rows WHERE generation IS NOT NULL AND kind <> ? ORDER BY generation, kind, source, position",
            [OTHER],
        )
        for _, of_one in groupby(map(_Row._make, rows), key=attrgetter("generation")):
            yield from self._of_generation(of_one)

    def _flush(self) -> None:
        self._store.executemany("INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?)", self._pending)
        self._pending.clear()

    def _doubled_names(self) -> Iterator[Difference]:
        rows = self._store.execute(
            "SELECT * FROM rows WHERE name IN (SELECT name FROM rows GROUP BY kind = ?1, name HAVING count(*) > 1)"
            " ORDER BY kind = ?1, name, source, position",
            [RECORD],
        )
        first: _Row | None = None
        for row in map(_Row._make, rows):
            if first is None or row.name != first.name or row.what != first.what:
                first = row
                continue
            found = f"{_text(row.name)}, which {self._place(first)} has already"
            yield self._difference(row, f"{row.what}_id", "given once", found)

    def _of_generation(self, rows: Iterator[_Row]) -> Iterator[Difference]:
        """The rows of one generation: records, then settles, then refunds."""
        first: dict[int, _Row] = {}
        refunded_micros, refund = 0, None
        for row in rows:
            if row.kind == REFUND:
                refunded_micros, refund = refunded_micros + (row.amount_micros or 0), row
            elif (former := first.setdefault(row.kind, row)) is not row:
                once = "billed once" if row.kind == RECORD else "settled once"
                found = f"{_text(row.generation)}, which {self._place(former)} has already"
                yield self._difference(row, "generation_id", once, found)
        record, settle = first.get(RECORD), first.get(SETTLE)
        yield from self._of_pair(record, settle)
        if refund is not None:
            yield from self._of_refunds(settle or record, refund, refunded_micros)

    def _of_pair(self, record: _Row | None, settle: _Row | None) -> Iterator[Difference]:
        if record is not None and settle is not None:
            charged, settled = record.amount_micros, settle.amount_micros
            if charged is not None and settled is not None and charged != settled:
                expected = f"{charged}, as {self._place(record)} has it"
                yield self._difference(settle, "amount_micros", expected, str(settled))
        elif record is not None and self._sources[record.source].is_paired:
            expected = f"an entry of {record.amount_micros} in the ledger"
            yield self._difference(record, "settle", expected, "missing")
        elif settle is not None and self._sources[settle.source].is_paired:
            yield self._difference(settle, "record", f"a record of {settle.amount_micros}", "missing")

    def _of_refunds(self, charge: _Row | None, refund: _Row, refunded_micros: int) -> Iterator[Difference]:
        if charge is None and not self._sources[refund.source].is_whole:
            self.earlier_refunds_micros += refunded_micros
            return
        charged_micros = 0 if charge is None else charge.amount_micros
        if charge is None or (charged_micros is not None and refunded_micros > charged_micros):
            expected = f"at most {charged_micros}, the charge" if charge else "of a generation that was charged"
            yield self._difference(refund, "refunded_micros", expected, str(refunded_micros))

    def _difference(self, row: _Row, field: str, expected: str, found: str) -> Difference:
        generation_id = None if row.generation is None else _text(row.generation)
        file = self._sources[row.source].file
        return Difference(row.position, generation_id, field, expected, found, row.what, file)

    def _place(self, row: _Row) -> str:
        file = self._sources[row.source].file
        return f"{row.what} {row.position}" + (f" of {file}" if file else "")


def _bytes(name: str | None) -> bytes | None:
    # JSON can hold half a surrogate pair, which is no UTF-8.
    return None if name is None else name.encode("utf-8", "surrogatepass")


def _text(name: bytes | None) -> str:
    return (name or b"").decode("utf-8", "surrogatepass")
