"""Files of records and of ledger entries gone through once, in constant memory, and what they come to."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from museway.records.bill import check_record
from museway.records.books import OTHER, RECORD, REFUND, SETTLE, Books
from museway.records.differences import Difference
from museway.records.entry import check_entry
from museway.records.reading import Broken, UnreadableRecords, objects
from museway.records.shapes import is_count
from museway.records.source import Source, shown_place

_KINDS: Final = {"settle": SETTLE, "refund": REFUND}


@dataclass(frozen=True, slots=True)
class Scope:
    """What a manifest says of all that is in its export: the project and the UTC day; None where it does not."""

    project_id: str | None = None
    day: str | None = None

    def check(self, item: Mapping[str, Any]) -> list[tuple[str, str, str]]:
        """What lies outside, as (field, expected, found); malformed values are found elsewhere."""
        findings = []
        if self.project_id is not None and (project_id := _text(item, "project_id")) not in (None, self.project_id):
            findings.append(("project_id", self.project_id, str(project_id)))
        if self.day is not None and not (created_at := _text(item, "created_at") or self.day).startswith(self.day):
            findings.append(("created_at", f"on {self.day}", created_at))
        return findings


EVERYTHING: Final = Scope()


@dataclass(slots=True)
class Totals:
    """What was read; `entries` is None where no ledger was.

    `has_earlier_days`: the first manifest names one before it. `earlier_refunds_micros` is that part of the
    refunds whose charges lie before what was read: they could not be held against them. Malformed amounts, which
    are differences, count nothing.
    """

    days: int = 0
    has_earlier_days: bool = False
    records: int = 0
    amount_micros: int = 0
    loss_micros: int = 0
    entries: int | None = None
    settled_micros: int = 0
    refunded_micros: int = 0
    earlier_refunds_micros: int = 0
    differences: int = 0

    @property
    def spent_micros(self) -> int:
        """What was paid in the end, as the ledger has it."""
        return self.settled_micros - self.refunded_micros


@dataclass(slots=True)
class Sums:
    """What one file comes to."""

    items: int = 0
    amount_micros: int = 0
    loss_micros: int = 0
    settled_micros: int = 0
    refunded_micros: int = 0


class Audit:
    """One run over any number of files: each difference is handed to `found` as it comes. To be closed."""

    def __init__(self, found: Callable[[Difference], None]) -> None:
        self._found = found
        self._books = Books()
        self.totals = Totals()

    def close(self) -> None:
        """Remove what was collected."""
        self._books.close()

    def report(self, difference: Difference) -> None:
        """Count a difference and hand it on."""
        self.totals.differences += 1
        self._found(difference)

    def report_file(self, file: str, field: str, expected: str, found: str) -> None:
        """Report a difference of a whole file."""
        self.report(Difference(0, None, field, expected, found, "file", file))

    def records(self, source: Source, scope: Scope = EVERYTHING) -> Sums:
        """Recompute each record of a file. Raises UnreadableRecords for what is no export, OSError."""
        sums, number = Sums(), self._books.open_source(source)
        for position, record in self._items(source, sums):
            generation_id, amount_micros = _text(record, "generation_id"), _amount(record, "amount_micros")
            for field, expected, found in check_record(record) + scope.check(record):
                self.report(Difference(position, generation_id, field, expected, found, "record", source.file))
            sums.amount_micros += amount_micros or 0
            sums.loss_micros += _amount(record, "loss_micros") or 0
            self._books.add(RECORD, _text(record, "record_id"), generation_id, number, position, amount_micros)
        self.totals.records += sums.items
        self.totals.amount_micros += sums.amount_micros
        self.totals.loss_micros += sums.loss_micros
        return sums

    def entries(self, source: Source, scope: Scope = EVERYTHING) -> Sums:
        """Check each ledger entry of a file. Raises UnreadableRecords for what is no export, OSError."""
        sums, number = Sums(), self._books.open_source(source)
        for position, entry in self._items(source, sums):
            generation_id, amount_micros = _text(entry, "generation_id"), _amount(entry, "amount_micros")
            for field, expected, found in check_entry(entry) + scope.check(entry):
                self.report(Difference(position, generation_id, field, expected, found, "entry", source.file))
            kind = _KINDS.get(_text(entry, "type") or "", OTHER)
            sums.settled_micros += (amount_micros or 0) if kind == SETTLE else 0
            sums.refunded_micros += (amount_micros or 0) if kind == REFUND else 0
            self._books.add(kind, _text(entry, "entry_id"), generation_id, number, position, amount_micros)
        self.totals.entries = (self.totals.entries or 0) + sums.items
        self.totals.settled_micros += sums.settled_micros
        self.totals.refunded_micros += sums.refunded_micros
        return sums

    def compare(self, records: Sums, ledger: Sums, file: str) -> None:
        """Hold the sum of records against the settles of their ledger, `file`."""
        if records.amount_micros != ledger.settled_micros:
            expected = f"{records.amount_micros}, the sum of the records"
            self.report_file(file, "settled_micros", expected, str(ledger.settled_micros))

    def finish(self) -> Totals:
        """Hold everything that was read against each other, and answer what it comes to."""
        for difference in self._books.differences():
            self.report(difference)
        self.totals.earlier_refunds_micros = self._books.earlier_refunds_micros
        return self.totals

    def _items(self, source: Source, sums: Sums) -> Iterator[tuple[int, dict[str, Any]]]:
        """The objects of a file and their positions; what cannot be read is reported and passed over."""
        try:
            with source.open() as stream:
                for position, item in enumerate(objects(stream), 1):
                    if isinstance(item, Broken):
                        file, found = source.file, item.found
                        self.report(Difference(item.position, None, "", "a JSON object", found, item.kind, file))
                        continue
                    sums.items += 1
                    yield position, item
        except UnreadableRecords as error:
            raise UnreadableRecords(error.reason, shown_place(source.place)) from None


def _text(item: Mapping[str, Any], name: str) -> str | None:
    value = item.get(name)
    return value if isinstance(value, str) else None


def _amount(item: Mapping[str, Any], name: str) -> int | None:
    value = item.get(name)
    return value if is_count(value) else None
