"""The catalog table: `VERSION#<v> / CHUNK#nnn` and `HEAD / HEAD`."""

from collections.abc import Sequence
from typing import Self

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from gateway.errors import Unavailable
from gateway.tables.items import Item, TableNamed
from gateway.tables.transactions import ConditionFailed


class CatalogChunk(Item):
    """A piece of one published version of the catalog."""

    class Meta(metaclass=TableNamed):
        setting = "catalog_table"

    text = UnicodeAttribute()

    @classmethod
    def save_all(cls, version: str, texts: Sequence[str]) -> None:
        """Write a version's chunks. They are named by their contents, so a repeat writes the same."""
        for number, text in enumerate(texts):
            cls(f"VERSION#{version}", f"CHUNK#{number:03}", text=text).save()

    @classmethod
    def all_of(cls, version: str, count: int) -> list[str]:
        """A version's chunks in order."""
        found = [cls.find_at(f"VERSION#{version}", f"CHUNK#{number:03}") for number in range(count)]
        if None in found:
            raise Unavailable("The published catalog is incomplete.", hint="Publish the catalog again.")
        return [chunk.text for chunk in found if chunk]


class CatalogHead(Item):
    """Names the current version."""

    class Meta(metaclass=TableNamed):
        setting = "catalog_table"

    version = UnicodeAttribute()
    previous = UnicodeAttribute(null=True)
    chunk_count = NumberAttribute()

    @classmethod
    def find(cls) -> Self | None:
        """The head, or None before the first publication."""
        return cls.find_at("HEAD", "HEAD")

    @classmethod
    def move_to(cls, version: str, chunk_count: int) -> None:
        """Make a version current, unless another publication moved the head meanwhile (ConditionFailed)."""
        head = cls.find()
        if head is None:
            moved = cls("HEAD", "HEAD", version=version, chunk_count=chunk_count).insert()
        elif (head.version, int(head.chunk_count)) == (version, chunk_count):
            return
        else:
            previous = head.previous if head.version == version else head.version
            moved = head.change(
                [cls.version.set(version), cls.previous.set(previous), cls.chunk_count.set(chunk_count)],
                condition=cls.version == head.version,
            )
        if not moved:
            raise ConditionFailed(frozenset({"head"}))
