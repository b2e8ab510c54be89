"""The ledger table.

`BALANCE#<project>#<shard> / BALANCE`, `HOLD#<generation> / HOLD`, `ENTRY#<id> / ENTRY`,
`RECORD#<generation> / RECORD`.
"""

from typing import Any, Self

from pynamodb.attributes import JSONAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex

from gateway.tables.items import Item, TableNamed, page


class Listing(GlobalSecondaryIndex[Any]):  # type: ignore[no-untyped-call]
    """Entries, records and open holds of a project, oldest first; the partition carries the shard number."""

    class Meta:
        index_name = "listing"
        projection = AllProjection()

    listing = UnicodeAttribute(hash_key=True)
    listed_at = UnicodeAttribute(range_key=True)


class Balance(Item):
    """One shard of a project's money. granted = available + held + spent, at every moment."""

    class Meta(metaclass=TableNamed):
        setting = "ledger_table"

    granted_micros = NumberAttribute(default=0)
    available_micros = NumberAttribute(default=0)
    held_micros = NumberAttribute(default=0)
    spent_micros = NumberAttribute(default=0)

    @classmethod
    def key(cls, project_id: str, shard: int) -> Self:
        """The (unread) balance item of a project's shard, to write to."""
        return cls(f"BALANCE#{project_id}#{shard:03}", "BALANCE")

    @classmethod
    def find(cls, project_id: str, shard: int) -> Self | None:
        """A shard's balance, or None before the first grant."""
        return cls.find_at(f"BALANCE#{project_id}#{shard:03}", "BALANCE")


class Hold(Item):
    """Credits reserved for one generation."""

    class Meta(metaclass=TableNamed):
        setting = "ledger_table"

    generation_id = UnicodeAttribute()
    project_id = UnicodeAttribute()
    shard = NumberAttribute()
    amount_micros = NumberAttribute()
    status = UnicodeAttribute()
    expires_at = NumberAttribute()
    created_at = UnicodeAttribute()
    closed_at = UnicodeAttribute(null=True)
    listing = UnicodeAttribute(null=True)
    listed_at = UnicodeAttribute(null=True)

    by_listing = Listing()

    @classmethod
    def key(cls, generation_id: str) -> Self:
        """The (unread) hold of a generation, to write to."""
        return cls(f"HOLD#{generation_id}", "HOLD")

    @classmethod
    def find(cls, generation_id: str) -> Self | None:
        """The hold of a generation."""
        return cls.find_at(f"HOLD#{generation_id}", "HOLD")


class Entry(Item):
    """One movement of money, immutable."""

    class Meta(metaclass=TableNamed):
        setting = "ledger_table"

    entry_id = UnicodeAttribute()
    project_id = UnicodeAttribute()
    shard = NumberAttribute()
    type = UnicodeAttribute()
    amount_micros = NumberAttribute()
    generation_id = UnicodeAttribute(null=True)
    note = UnicodeAttribute(null=True)
    created_at = UnicodeAttribute()
    listing = UnicodeAttribute()
    listed_at = UnicodeAttribute()

    by_listing = Listing()

    @classmethod
    def find(cls, entry_id: str) -> Self | None:
        """The entry of an id."""
        return cls.find_at(f"ENTRY#{entry_id}", "ENTRY")


class Record(Item):
    """One BillingRecord, immutable; `body` is exactly what is shown, exported and verified."""

    class Meta(metaclass=TableNamed):
        setting = "ledger_table"

    body = JSONAttribute()
    amount_micros = NumberAttribute()
    listing = UnicodeAttribute()
    listed_at = UnicodeAttribute()

    by_listing = Listing()

    @classmethod
    def find(cls, generation_id: str) -> Self | None:
        """The record of a generation."""
        return cls.find_at(f"RECORD#{generation_id}", "RECORD")


def page_of_listing(
    model: type[Entry] | type[Record] | type[Hold],
    listing: str,
    limit: int,
    cursor: str | None,
    since: str | None = None,
    until: str | None = None,
) -> tuple[list[Any], str | None]:
    """A page of a ledger listing, newest first, between two timestamps (until is exclusive)."""
    span = (since or "0", until or "9") if since or until else None
    return page(model.by_listing, listing, limit, cursor, span)
