"""Reference rates, in the catalog table: `FX / <date>`, one item for each date of publication, written once."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Self

from pynamodb.attributes import JSONAttribute, UnicodeAttribute

from gateway.tables.items import Item, TableNamed

_PARTITION = "FX"


class ReferenceRates(Item):
    """The rates of one date: how much of each currency one euro is, as exact text."""

    class Meta(metaclass=TableNamed):
        setting = "catalog_table"

    rates = JSONAttribute()
    stored_at = UnicodeAttribute()

    @classmethod
    def of(cls, day: date, rates: Mapping[str, str], stored_at: str) -> Self:
        """The item of a date, not yet written."""
        return cls(_PARTITION, day.isoformat(), rates=dict(rates), stored_at=stored_at)

    @classmethod
    def between(cls, first: date, last: date) -> Iterator[Self]:
        """The dates from `first` to `last`, both included, newest first; one that was just written may be missing."""
        span = cls.sk.between(first.isoformat(), last.isoformat())
        return cls.query(_PARTITION, span, scan_index_forward=False)
