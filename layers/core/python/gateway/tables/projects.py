"""The projects table.

`PROJECT#<id> / PROJECT`, `KEY#<key_id> / KEY`, and for each key `PROJECT#<id> / KEY#<created_at>#<key_id>`,
which lists it. `PROJECT#<id> / ROUTER#<name>` is a saved router, `ROUTER_VERSION#<name>#nnnnnn` what it ever was,
`ROUTER_REQUEST#<digest>` which one an Idempotency-Key has made.
`PROVIDER_KEY#<project_id>#<provider> / PROVIDER_KEY` stands apart from the project, whose item more may read.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Self

from pynamodb.attributes import JSONAttribute, NumberAttribute, UnicodeAttribute

from gateway import ids
from gateway.tables.items import Item, TableNamed, page_of_partition


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
    alerts = JSONAttribute(null=True)
    alerted = JSONAttribute(null=True)
    """What the project was told, so that it is told once."""
    provider_keys = JSONAttribute(null=True)
    """The providers that it has a key of its own at, each with what may be shown of the key."""
    created_at = UnicodeAttribute()

    @property
    def own_providers(self) -> frozenset[str]:
        """The providers that it has a key of its own at."""
        return frozenset(self.provider_keys or {})

    @classmethod
    def find(cls, project_id: str) -> Self | None:
        """The project of an id."""
        return cls.find_at(f"PROJECT#{project_id}", "PROJECT")

    @classmethod
    def every(cls) -> Iterator[Self]:
        """All projects, by a scan: for the reconciler and the operator, never for a request."""
        return cls.scan(filter_condition=cls.sk == "PROJECT")


class ProviderKey(Item):
    """A project's own key at a provider, encrypted. One that was deleted has no ciphertext."""

    class Meta(metaclass=TableNamed):
        setting = "projects_table"

    ciphertext = UnicodeAttribute(null=True)
    """Of KMS, in base64."""

    @classmethod
    def of(cls, project_id: str, provider: str) -> Self:
        """The (unread) place of a key."""
        return cls(f"PROVIDER_KEY#{project_id}#{provider}", "PROVIDER_KEY")

    @classmethod
    def find(cls, project_id: str, provider: str) -> Self | None:
        """A project's key at a provider, if there ever was one."""
        return cls.find_at(f"PROVIDER_KEY#{project_id}#{provider}", "PROVIDER_KEY")


class ApiKey(Item):
    """An API key; only its hash is here."""

    class Meta(metaclass=TableNamed):
        setting = "projects_table"

    key_id = UnicodeAttribute()
    project_id = UnicodeAttribute()
    name = UnicodeAttribute()
    secret_sha256 = UnicodeAttribute()
    scopes = JSONAttribute()
    spending_limit = JSONAttribute(null=True)
    fingerprint = JSONAttribute(null=True)
    """Digests of what was asked for; a repeat is held against them."""
    alerted = JSONAttribute(null=True)
    """What was told of this key's limit."""
    created_at = UnicodeAttribute()
    expires_at = UnicodeAttribute(null=True)
    revoked_at = UnicodeAttribute(null=True)

    @classmethod
    def find(cls, key_id: str) -> Self | None:
        """The key of an id."""
        return cls.find_at(f"KEY#{key_id}", "KEY")

    @classmethod
    def page_of_project(cls, project_id: str, limit: int, cursor: str | None) -> tuple[list[Self], str | None]:
        """A page of at most 100 of a project's keys, newest first, and the cursor of the next page."""
        listed, following = page_of_partition(ListedKey, f"PROJECT#{project_id}", "KEY#", limit, cursor)
        found = {key.key_id: key for key in cls.find_many((f"KEY#{item.key_id}", "KEY") for item in listed)}
        return [found[item.key_id] for item in listed], following


class ListedKey(Item):
    """A key's place in the list of its project's keys."""

    class Meta(metaclass=TableNamed):
        setting = "projects_table"

    key_id = UnicodeAttribute()
    ends_at = UnicodeAttribute(null=True)
    """When it expires, or was revoked."""

    @classmethod
    def of(cls, key: ApiKey) -> Self:
        """The place of a key, written together with it."""
        sk = f"KEY#{key.created_at}#{key.key_id}"
        return cls(f"PROJECT#{key.project_id}", sk, key_id=key.key_id, ends_at=key.expires_at)

    @classmethod
    def count_live(cls, project_id: str, now: str) -> int:
        """How many of a project's keys are neither revoked nor expired. A query over all that it ever had."""
        is_live = cls.ends_at.does_not_exist() | (cls.ends_at > now)
        return cls.count(f"PROJECT#{project_id}", cls.sk.startswith("KEY#"), is_live, consistent_read=True)


class Router(Item):
    """A saved router as it is now."""

    class Meta(metaclass=TableNamed):
        setting = "projects_table"

    name = UnicodeAttribute()
    version = NumberAttribute()
    wish = JSONAttribute()
    created_at = UnicodeAttribute()
    changed_at = UnicodeAttribute()
    deleted_at = UnicodeAttribute(null=True)
    """It stays, so that another of its name goes on counting versions."""

    @classmethod
    def find(cls, project_id: str, name: str) -> Self | None:
        """A project's router of a name, deleted or not."""
        return cls.find_at(f"PROJECT#{project_id}", f"ROUTER#{name}")

    @classmethod
    def all_of(cls, project_id: str) -> list[Self]:
        """A project's routers by name, those that are deleted too."""
        return list(cls.query(f"PROJECT#{project_id}", cls.sk.startswith("ROUTER#"), consistent_read=True))


class RouterRequest(Item):
    """Which router an Idempotency-Key has made, and of what request."""

    class Meta(metaclass=TableNamed):
        setting = "projects_table"

    name = UnicodeAttribute()
    version = NumberAttribute()
    fingerprint = JSONAttribute()
    """A digest by field: what differs can be named, never shown."""

    @classmethod
    def of(cls, project_id: str, idempotency_key: str, name: str, asked: Mapping[str, Any]) -> Self:
        """A request to make a router, not written yet; `asked` are all of its fields."""
        fingerprint = {field: ids.digest(value) for field, value in asked.items()}
        sk = ids.derived("request", project_id, idempotency_key)
        return cls(f"PROJECT#{project_id}", f"ROUTER_REQUEST#{sk}", name=name, fingerprint=fingerprint)

    def stored(self) -> Self | None:
        """The first request under its key."""
        return self.find_at(self.pk, self.sk)


class RouterVersion(Item):
    """What a saved router was at one time; never changed."""

    class Meta(metaclass=TableNamed):
        setting = "projects_table"

    wish = JSONAttribute()
    created_at = UnicodeAttribute()

    @classmethod
    def of(cls, router: Router) -> Self:
        """What a router is now, written together with it."""
        sk = f"ROUTER_VERSION#{router.name}#{int(router.version):06}"
        return cls(router.pk, sk, wish=router.wish, created_at=router.changed_at)

    @classmethod
    def find(cls, project_id: str, name: str, version: int) -> Self | None:
        """One version of a router, also of one that is deleted."""
        return cls.find_at(f"PROJECT#{project_id}", f"ROUTER_VERSION#{name}#{version:06}")
