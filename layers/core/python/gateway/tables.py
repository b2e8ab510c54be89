"""The four tables as PynamoDB models, and the one way to write to several of them at once.

Nothing outside this module imports pynamodb. Writes that belong together go through `transaction()`;
its commit says which labelled condition failed, so that callers can tell *already done* from *lost a race*.

    catalog    VERSION#<v> / CHUNK#nnn        HEAD / HEAD
    projects   PROJECT#<id> / PROJECT         KEY#<key_id> / KEY
    jobs       GENERATION#<id> / GENERATION   GENERATION#<id> / ATTEMPT#nnn
    ledger     BALANCE#<project>#<shard> / BALANCE   HOLD#<generation> / HOLD
               ENTRY#<id> / ENTRY                    RECORD#<generation> / RECORD
"""

import base64
import json
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Self, TypeVar

from pynamodb.attributes import JSONAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.connection import Connection, TableConnection
from pynamodb.exceptions import PutError, TransactWriteError, UpdateError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex, KeysOnlyProjection
from pynamodb.models import Model

from gateway.config import settings
from gateway.errors import InvalidField, Unavailable

CONFLICT_RETRIES_MAX = 8
"""A transaction that met another on the same item is safe to repeat: every write in it is conditional."""

_POSITION = ("pk", "sk", "listed_at")
"""What an item's place in a listing is made of, besides the listing itself."""

M = TypeVar("M", bound="Item")


class ConditionFailed(Exception):
    """A conditional write found another state than it assumed; `labels` names the writes concerned."""

    def __init__(self, labels: frozenset[str]) -> None:
        super().__init__(f"condition failed: {', '.join(sorted(labels))}")
        self.labels = labels


class _TableNamed(type):
    """Gives `Meta.table_name` when it is asked for, so that importing this module reads no environment."""

    setting: str

    @property
    def table_name(cls) -> str:
        return str(getattr(settings(), cls.setting))


@cache
def connection() -> Connection:
    """The one connection of this container; its client is shared by all models."""
    return Connection()


class Item(Model):
    """What all items share: a partition key and a sort key."""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)

    @classmethod
    def _get_connection(cls) -> TableConnection:
        # PynamoDB would make a botocore client per model; making one costs 60 ms of a cold start.
        table = super()._get_connection()
        table.connection._client = connection().client
        return table

    @classmethod
    def find_at(cls, pk: str, sk: str) -> Self | None:
        """The item, read consistently, or None."""
        try:
            return cls.get(pk, sk, consistent_read=True)
        except cls.DoesNotExist:
            return None

    def insert(self) -> bool:
        """Write the item if there is none of its key yet; False when there was one."""
        try:
            self.save(condition=type(self).pk.does_not_exist())
        except PutError as error:
            if error.cause_response_code != "ConditionalCheckFailedException":
                raise
            return False
        return True

    def change(self, actions: Sequence[Action], condition: Condition | None = None) -> bool:
        """Update the item (which must exist) under a condition; False when the condition failed."""
        exists = type(self).pk.exists()
        try:
            self.update(list(actions), condition=exists if condition is None else exists & condition)
        except UpdateError as error:
            if error.cause_response_code != "ConditionalCheckFailedException":
                raise
            return False
        return True


class CatalogChunk(Item):
    """A piece of one published version of the catalog."""

    class Meta(metaclass=_TableNamed):
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

    class Meta(metaclass=_TableNamed):
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
        else:
            previous = head.previous if head.version == version else head.version
            moved = head.change(
                [cls.version.set(version), cls.previous.set(previous), cls.chunk_count.set(chunk_count)],
                condition=cls.version == head.version,
            )
        if not moved:
            raise ConditionFailed(frozenset({"head"}))


class Project(Item):
    """A tenant and its plan."""

    class Meta(metaclass=_TableNamed):
        setting = "projects_table"

    project_id = UnicodeAttribute()
    name = UnicodeAttribute()
    margin_bps = NumberAttribute(default=0)
    platform_fee_bps = NumberAttribute(default=0)
    shard_count = NumberAttribute(default=1)
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

    class Meta(metaclass=_TableNamed):
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


class ByProject(GlobalSecondaryIndex[Any]):  # type: ignore[no-untyped-call]
    """Generations of a project, newest last."""

    class Meta:
        index_name = "by_project"
        projection = AllProjection()

    project_id = UnicodeAttribute(hash_key=True)
    listed_at = UnicodeAttribute(range_key=True)


class OpenWork(GlobalSecondaryIndex[Any]):  # type: ignore[no-untyped-call]
    """What somebody must look at, at a time: sparse, because `work` is removed when nothing is left to do."""

    class Meta:
        index_name = "open_work"
        projection = KeysOnlyProjection()

    work = UnicodeAttribute(hash_key=True)
    due_at = NumberAttribute(range_key=True)


class Generation(Item):
    """One call to one model: what was asked, at what price, and how it ended."""

    class Meta(metaclass=_TableNamed):
        setting = "jobs_table"

    generation_id = UnicodeAttribute()
    project_id = UnicodeAttribute()
    key_id = UnicodeAttribute()
    session_id = UnicodeAttribute(null=True)
    request_id = UnicodeAttribute()
    model = UnicodeAttribute()
    kind = UnicodeAttribute()
    status = UnicodeAttribute()
    fingerprint = JSONAttribute()
    metadata = JSONAttribute(null=True)
    warnings = JSONAttribute(null=True)
    output_path = UnicodeAttribute(null=True)
    output_url_path = UnicodeAttribute(null=True)
    offers = JSONAttribute()
    quote = JSONAttribute()
    shard = NumberAttribute()
    held_micros = NumberAttribute()
    estimated_time_seconds = NumberAttribute()
    await_seconds = NumberAttribute()
    deadline_at = NumberAttribute()
    attempt_no = NumberAttribute(default=0)
    restart_no = NumberAttribute(default=0)
    progress = NumberAttribute(default=0)
    outputs = JSONAttribute(null=True)
    billed_micros = NumberAttribute(null=True)
    error = JSONAttribute(null=True)
    created_at = UnicodeAttribute()
    completed_at = UnicodeAttribute(null=True)
    listed_at = UnicodeAttribute()
    work = UnicodeAttribute(null=True)
    due_at = NumberAttribute(null=True)

    by_project = ByProject()
    open_work = OpenWork()

    @classmethod
    def find(cls, generation_id: str) -> Self | None:
        """The generation of an id."""
        return cls.find_at(f"GENERATION#{generation_id}", "GENERATION")

    @classmethod
    def page_of_project(cls, project_id: str, limit: int, cursor: str | None) -> tuple[list[Self], str | None]:
        """A page of a project's generations, newest first, and the next page's cursor."""
        return _page(cls.by_project, project_id, limit, cursor)

    @classmethod
    def due(cls, work: str, until_seconds: float, limit: int) -> list[str]:
        """Ids of generations that want attention by a time, longest due first."""
        found = cls.open_work.query(work, cls.due_at <= until_seconds, limit=limit)
        return [item.pk.removeprefix("GENERATION#") for item in found]


class Attempt(Item):
    """One submission of a generation to one offer, written before the POST."""

    class Meta(metaclass=_TableNamed):
        setting = "jobs_table"

    generation_id = UnicodeAttribute()
    attempt_no = NumberAttribute()
    provider = UnicodeAttribute()
    offer_id = UnicodeAttribute()
    status = UnicodeAttribute()
    callback_sha256 = UnicodeAttribute()
    task_token = UnicodeAttribute(null=True)
    reference = JSONAttribute(null=True)
    signalled_at = UnicodeAttribute(null=True)
    staged = JSONAttribute(null=True)
    metrics = JSONAttribute(null=True)
    error = JSONAttribute(null=True)
    started_at = UnicodeAttribute()
    accepted_at = UnicodeAttribute(null=True)
    finished_at = UnicodeAttribute(null=True)
    ended_at = UnicodeAttribute(null=True)

    @classmethod
    def find(cls, generation_id: str, attempt_no: int) -> Self | None:
        """One attempt of a generation."""
        return cls.find_at(f"GENERATION#{generation_id}", f"ATTEMPT#{attempt_no:03}")

    @classmethod
    def all_of(cls, generation_id: str) -> list[Self]:
        """Every attempt of a generation, first to last."""
        key = f"GENERATION#{generation_id}"
        return list(cls.query(key, cls.sk.startswith("ATTEMPT#"), consistent_read=True))


class Listing(GlobalSecondaryIndex[Any]):  # type: ignore[no-untyped-call]
    """Entries, records and open holds of a project, oldest first; the partition carries the shard number."""

    class Meta:
        index_name = "listing"
        projection = AllProjection()

    listing = UnicodeAttribute(hash_key=True)
    listed_at = UnicodeAttribute(range_key=True)


class Balance(Item):
    """One shard of a project's money. granted = available + held + spent, at every moment."""

    class Meta(metaclass=_TableNamed):
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

    class Meta(metaclass=_TableNamed):
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

    class Meta(metaclass=_TableNamed):
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

    class Meta(metaclass=_TableNamed):
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
    return _page(model.by_listing, listing, limit, cursor, span)


def _page(
    index: Any, key: str, limit: int, cursor: str | None, span: tuple[str, str] | None = None
) -> tuple[list[Any], str | None]:
    start = None if cursor is None else _start(index, key, cursor)
    if start and span and not span[0] <= start["listed_at"]["S"] <= span[1]:
        raise InvalidField("'cursor' belongs to a listing of another time.", field="cursor")
    condition = index.listed_at.between(*span) if span else None
    found = index.query(key, condition, scan_index_forward=False, limit=limit, last_evaluated_key=start)
    items = list(found)
    return items, _cursor(found.last_evaluated_key) if len(items) == limit else None


def _cursor(last: Any) -> str | None:
    """Where a page ended, without the partition: a cursor leads nowhere but on in its own listing."""
    if not last:
        return None
    position = [last[name]["S"] for name in _POSITION]
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


def _start(index: Any, key: str, cursor: str) -> dict[str, Any]:
    """The key to go on after. Raises InvalidField for a cursor that no page of a listing ended with."""
    try:
        position = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, RecursionError):
        position = None
    whole = isinstance(position, list) and len(position) == len(_POSITION)
    if not whole or not all(isinstance(part, str) and part for part in position):
        raise InvalidField("'cursor' is not one that this listing gave.", field="cursor")
    names = (index._hash_key_attribute().attr_name, *_POSITION)
    return {name: {"S": text} for name, text in zip(names, (key, *position), strict=True)}


class Transaction:
    """Writes that all happen or all do not. Every write carries a label and usually a condition."""

    def __init__(self) -> None:
        self._puts: list[tuple[str, dict[str, Any]]] = []
        self._updates: list[tuple[str, dict[str, Any]]] = []

    def insert(self, label: str, item: Item) -> None:
        """Write an item that must not exist yet."""
        arguments = item.get_save_kwargs_from_instance(condition=type(item).pk.does_not_exist())
        self._puts.append((label, arguments))

    def update(self, label: str, item: Item, actions: Sequence[Action], condition: Condition) -> None:
        """Change an item that must fulfil the condition."""
        arguments = item.get_update_kwargs_from_instance(actions=list(actions), condition=condition)
        self._updates.append((label, arguments))

    def commit(self) -> None:
        """Write. Raises ConditionFailed with the labels concerned; conflicts are retried, then Unavailable."""
        for attempt in range(CONFLICT_RETRIES_MAX + 1):
            try:
                self._write()
                return
            except TransactWriteError as error:
                codes = [reason.code if reason else None for reason in error.cancellation_reasons]
                labels = [label for label, _ in (*self._puts, *self._updates)]
                failed = frozenset(
                    label for label, code in zip(labels, codes, strict=False) if code == "ConditionalCheckFailed"
                )
                if failed:
                    raise ConditionFailed(failed) from error
                if "TransactionConflict" not in codes and not _passing(error):
                    raise
                time.sleep(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311 - jitter, not a secret
        raise Unavailable("The account is busy; nothing was changed.")

    def _write(self) -> None:
        connection().transact_write_items(
            condition_check_items=[],
            delete_items=[],
            put_items=[arguments for _, arguments in self._puts],
            update_items=[arguments for _, arguments in self._updates],
        )


def _passing(error: TransactWriteError) -> bool:
    return error.cause_response_code in {
        "TransactionInProgressException",
        "ProvisionedThroughputExceededException",
        "ThrottlingException",
    }


@contextmanager
def transaction() -> Iterator[Transaction]:
    """Collect writes and commit them at the end of the block; nothing is written when the block raises."""
    writes = Transaction()
    yield writes
    writes.commit()


__all__ = [
    "ApiKey", "Attempt", "Balance", "CatalogChunk", "CatalogHead", "ConditionFailed", "Entry",
    "Generation", "Hold", "Project", "Record", "Transaction", "page_of_listing", "transaction",
]  # fmt: skip
