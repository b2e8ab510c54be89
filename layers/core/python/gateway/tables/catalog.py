"""The catalog: `VERSION#<v> / CHUNK#nnn` and `/ PROVIDERS`, `VERSIONS / <v>` for each version, and `HEAD / HEAD`."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.expressions.update import Action

from gateway.errors import Unavailable
from gateway.tables.items import Item, TableNamed
from gateway.tables.packed import PackedJSONAttribute
from gateway.tables.transactions import transaction

_VERSIONS = "VERSIONS"


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


class CatalogProviders(Item):
    """The providers as one published version describes them: what steps need of a catalog, apart from its models."""

    class Meta(metaclass=TableNamed):
        setting = "catalog_table"

    descriptions = PackedJSONAttribute()

    @classmethod
    def of(cls, version: str) -> Self | None:
        """A version's providers; None of a version that was published without."""
        return cls.find_at(f"VERSION#{version}", "PROVIDERS")

    @classmethod
    def keep(cls, version: str, descriptions: Mapping[str, Any]) -> None:
        """Write a version's providers. A repeat writes the same."""
        cls(f"VERSION#{version}", "PROVIDERS", descriptions=descriptions).save()


class CatalogVersion(Item):
    """One published version: when it was published, in how many chunks it lies, and what it replaced."""

    class Meta(metaclass=TableNamed):
        setting = "catalog_table"

    published_at = UnicodeAttribute()
    chunk_count = NumberAttribute()
    models = NumberAttribute()
    replaced = UnicodeAttribute(null=True)
    """The version that was current when this one was published."""

    @classmethod
    def find(cls, version: str) -> Self | None:
        """A version that was published, or None."""
        return cls.find_at(_VERSIONS, version)

    @classmethod
    def newest_first(cls) -> list[Self]:
        """Every version that was ever published."""
        found = list(cls.query(_VERSIONS, consistent_read=True))
        return sorted(found, key=lambda item: str(item.published_at), reverse=True)


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
    def publish(cls, head: Self | None, version: str, chunk_count: int, models: int, published_at: str) -> bool:
        """Note a version and make it current, both or neither; False when it is current already.

        `head` is what was current when the publication began. Raises ConditionFailed when it is so no more.
        """
        known = CatalogVersion.find(version)
        again = head is not None and head.version == version
        if head is not None and again and known is not None and int(head.chunk_count) == chunk_count:
            return False
        # Published once more while it is current, it replaces nothing new.
        before = known.replaced if known is not None and again else head.version if head is not None else None
        replaced = None if before == version else before
        noted = CatalogVersion(
            _VERSIONS,
            version,
            published_at=published_at,
            chunk_count=chunk_count,
            models=models,
            replaced=replaced,
        )
        with transaction() as writes:
            if known is None:
                writes.insert("version", noted)
            else:
                actions = [
                    CatalogVersion.published_at.set(published_at),
                    CatalogVersion.chunk_count.set(chunk_count),
                    CatalogVersion.replaced.set(replaced) if replaced else CatalogVersion.replaced.remove(),
                ]
                writes.update("version", known, actions, CatalogVersion.pk.exists())
            if head is None:
                writes.insert("head", cls("HEAD", "HEAD", version=version, chunk_count=chunk_count))
            else:
                writes.update("head", head, cls._to(head, version, chunk_count), cls.version == head.version)
        return True

    @classmethod
    def go_back(cls, head: Self, target: CatalogVersion) -> bool:
        """Make a published version current; False when another publication moved the head meanwhile."""
        actions = cls._to(head, str(target.sk), int(target.chunk_count))
        return head.change(actions, condition=cls.version == head.version)

    @classmethod
    def _to(cls, head: Self, version: str, chunk_count: int) -> list[Action]:
        moved: list[Action] = [cls.version.set(version), cls.chunk_count.set(chunk_count)]
        return moved if head.version == version else [*moved, cls.previous.set(head.version)]
