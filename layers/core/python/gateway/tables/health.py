"""How offers do, in the catalog table: `HEALTH#<shard> / <minute>#<offer>#<parameters>#<bin>`, one counter each, and
`HEALTH / SNAPSHOT`, which is drawn from them."""

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

from pynamodb.attributes import JSONAttribute, NumberAttribute, UnicodeAttribute

from gateway.tables.items import Item, TableNamed
from gateway.tables.packed import PackedJSONAttribute

SHARDS = 4
"""Partitions that share the counting; each takes 1,000 attempts a second."""


class OutcomeCount(Item):
    """Attempts of one offer that ended alike within one minute, as far as one shard was told of them."""

    class Meta(metaclass=TableNamed):
        setting = "catalog_table"

    attempts = NumberAttribute()
    expires_at = NumberAttribute()
    """In seconds since the epoch; DynamoDB deletes it some time after."""

    @classmethod
    def add(cls, key: str, expires_at_seconds: int) -> None:
        """Count one attempt, on a shard at random: none is a hot item."""
        shard = random.randrange(SHARDS)  # noqa: S311 - not a secret
        counter = cls(f"HEALTH#{shard}", key)
        counter.update(actions=[cls.attempts.add(1), cls.expires_at.set(expires_at_seconds)])

    @classmethod
    def since(cls, first_key: str) -> Iterator[Self]:
        """The counters of all shards from a key on."""
        for shard in range(SHARDS):
            yield from cls.query(f"HEALTH#{shard}", cls.sk >= first_key)


class HealthSnapshot(Item):
    """How every offer does, and which changes of it have not been told yet."""

    class Meta(metaclass=TableNamed):
        setting = "catalog_table"

    version = NumberAttribute()
    """Counts its changes: who writes has read the one before."""
    made_at = UnicodeAttribute()
    offers = PackedJSONAttribute()
    untold = JSONAttribute()

    @classmethod
    def find(cls) -> Self | None:
        """The snapshot, or None before the first."""
        return cls.find_at("HEALTH", "SNAPSHOT")

    @classmethod
    def replace(
        cls, read: Self | None, offers: Mapping[str, Any], untold: Sequence[Mapping[str, Any]], made_at: str
    ) -> Self | None:
        """Write the snapshot that follows the one that was read; None when another one came first."""
        facts: dict[str, Any] = {"made_at": made_at, "offers": dict(offers), "untold": list(untold)}
        if read is None:
            first = cls("HEALTH", "SNAPSHOT", version=1, **facts)
            return first if first.insert() else None
        version = int(read.version)
        actions = [getattr(cls, name).set(value) for name, value in facts.items()]
        is_next = read.change([*actions, cls.version.set(version + 1)], condition=cls.version == version)
        return read if is_next else None

    def note_told(self) -> None:
        """Nothing of this snapshot is left to be told; one that followed it speaks for itself."""
        self.change([type(self).untold.set([])], condition=type(self).version == int(self.version))
