"""The projects table: `PROJECT#<id> / PROJECT` and `KEY#<key_id> / KEY`."""

from collections.abc import Iterator
from typing import Self

from pynamodb.attributes import JSONAttribute, NumberAttribute, UnicodeAttribute

from gateway.tables.items import Item, TableNamed


class Project(Item):
    """A tenant and its plan."""

    class Meta(metaclass=TableNamed):
        setting = "projects_table"

    project_id = UnicodeAttribute()
    name = UnicodeAttribute()
    margin_bps = NumberAttribute(default=0)
    platform_fee_bps = NumberAttribute(default=0)
    shard_count = NumberAttribute(default=1)
    shards_ever = NumberAttribute(null=True)
    currency = UnicodeAttribute(default="USD")
    spending_limit = JSONAttribute(null=True)
    created_at = UnicodeAttribute()

    @classmethod
    def find(cls, project_id: str) -> Self | None:
        """The project of an id."""
        return cls.find_at(f"PROJECT#{project_id}", "PROJECT")

    @classmethod
    def every(cls) -> Iterator[Self]:
        """All projects, by a scan: for the reconciler and the operator, never for a request."""
        return cls.scan(filter_condition=cls.sk == "PROJECT")


class ApiKey(Item):
    """An API key; only its hash is here."""

    class Meta(metaclass=TableNamed):
        setting = "projects_table"

    key_id = UnicodeAttribute()
    project_id = UnicodeAttribute()
    name = UnicodeAttribute()
    secret_sha256 = UnicodeAttribute()
    scopes = JSONAttribute()
    created_at = UnicodeAttribute()
    revoked_at = UnicodeAttribute(null=True)

    @classmethod
    def find(cls, key_id: str) -> Self | None:
        """The key of an id."""
        return cls.find_at(f"KEY#{key_id}", "KEY")
