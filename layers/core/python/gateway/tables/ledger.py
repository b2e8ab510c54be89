"""The ledger table.

`BALANCE#<project>#<shard> / BALANCE`, `HOLD#<generation> / HOLD`, `ENTRY#<id> / ENTRY`,
`RECORD#<generation> / RECORD`, `SPENDING#<scope> / SPENDING`.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Self

from pynamodb.attributes import JSONAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex

from gateway.tables.items import Item, TableNamed


class Listing(GlobalSecondaryIndex[Any]):  # type: ignore[no-untyped-call]
    """Entries, records and open holds of a project, oldest first; the partition carries the shard number."""

    class Meta:
        index_name = "listing"
        projection = AllProjection()

    listing = UnicodeAttribute(hash_key=True)
    listed_at = UnicodeAttribute(range_key=True)


class BySession(GlobalSecondaryIndex[Any]):  # type: ignore[no-untyped-call]
    """Records of one session of a project, oldest first; sparse, since most calls name no session."""

    class Meta:
        index_name = "by_session"
        projection = AllProjection()

    session = UnicodeAttribute(hash_key=True)
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
    def all_of(cls, project_id: str, shards: int) -> list[Self]:
        """Every shard's balance, in order; one that was never used is empty.

        At one moment where writers leave one. Else each is consistent by itself, and a levelling that is made in
        between may be seen in one shard and not in the other.
        """
        keys = [(f"BALANCE#{project_id}#{shard:03}", "BALANCE") for shard in range(shards)]
        together = cls.at_one_moment(keys) if shards > 1 else [cls.find_at(*keys[0])]
        if together is None:
            found = {one.pk: one for one in cls.find_many(keys)}
            together = [found.get(pk) for pk, _ in keys]
        return [one or cls(*key) for one, key in zip(together, keys, strict=True)]


class Hold(Item):
    """Credits reserved for one generation."""

    class Meta(metaclass=TableNamed):
        setting = "ledger_table"

    generation_id = UnicodeAttribute()
    project_id = UnicodeAttribute()
    shard = NumberAttribute()
    amount_micros = NumberAttribute()
    charged_micros = NumberAttribute(null=True)
    refunded_micros = NumberAttribute(null=True)
    counters = JSONAttribute(null=True)
    batch_id = UnicodeAttribute(null=True)
    key_id = UnicodeAttribute(null=True)
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
    moves = JSONAttribute(null=True)
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
    session = UnicodeAttribute(null=True)

    by_listing = Listing()
    by_session = BySession()

    @classmethod
    def find(cls, generation_id: str) -> Self | None:
        """The record of a generation."""
        return cls.find_at(f"RECORD#{generation_id}", "RECORD")


class Spending(Item):
    """What was held or spent under one limit, by UTC day, by month and in all.

    One attribute a period (`d2026-11-21`, `m2026-11`, `total`): adding to one that is not there yet starts it at
    nothing, so that a new day needs no reset and a late settlement finds the day that its hold was counted in.
    """

    class Meta(metaclass=TableNamed):
        setting = "ledger_table"

    since = UnicodeAttribute(null=True)
    """From when on holds count themselves."""
    based_at = UnicodeAttribute(null=True)
    base_micros = NumberAttribute(null=True)
    """What was spent before, and when it was added."""

    @classmethod
    def key(cls, counter_id: str) -> Self:
        """The (unread) counter, to write to."""
        return cls(f"SPENDING#{counter_id}", "SPENDING")

    @classmethod
    def counted(cls, counter_id: str) -> dict[str, int]:
        """Micros by period; empty for one that never counted."""
        raw = cls._get_connection().get_item(f"SPENDING#{counter_id}", "SPENDING", consistent_read=True)
        numbers = {name: int(value["N"]) for name, value in raw.get("Item", {}).items() if "N" in value}
        numbers.pop("base_micros", None)
        return numbers

    @staticmethod
    def add(periods: Iterable[str], amount_micros: int) -> list[Action]:
        """Count an amount in each period; one that is negative gives back."""
        return [NumberAttribute(attr_name=period).add(amount_micros) for period in periods]

    @classmethod
    def at_most(cls, highest_micros: Mapping[str, int]) -> Condition | None:
        """That each period's count is at most so much (or not begun); None when nothing is bounded."""
        condition: Condition | None = None
        for period, most_micros in highest_micros.items():
            counted = NumberAttribute(attr_name=period)
            one = counted.does_not_exist() | (counted <= most_micros)
            condition = one if condition is None else condition & one
        return condition
