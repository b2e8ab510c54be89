"""How long runs took, in the catalog table: `DURATIONS#<model> / <week>#<parameters>#<bin>`, one counter each."""

from collections.abc import Iterator
from typing import Self

from pynamodb.attributes import NumberAttribute

from gateway.tables.items import Item, TableNamed


class DurationCount(Item):
    """Runs of one model with the same parameters, in one week, that took about the same time."""

    class Meta(metaclass=TableNamed):
        setting = "catalog_table"

    runs = NumberAttribute()

    @classmethod
    def add(cls, model_id: str, key: str) -> None:
        """Count one run. Counters are many and each is rarely written: none is a hot item."""
        cls(f"DURATIONS#{model_id}", key).update(actions=[cls.runs.add(1)])

    @classmethod
    def since(cls, model_id: str, first_key: str) -> Iterator[Self]:
        """A model's counters from a key on."""
        return cls.query(f"DURATIONS#{model_id}", cls.sk >= first_key)
