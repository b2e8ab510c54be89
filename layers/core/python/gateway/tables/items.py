"""What all items share: keys, conditional writes, pages of an index, one connection."""

import base64
import random
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from heapq import merge
from typing import Any, Self

from pynamodb.attributes import UnicodeAttribute
from pynamodb.connection import Connection, TableConnection
from pynamodb.exceptions import PutError, TransactGetError, UpdateError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.models import Model

from gateway.config import settings
from gateway.errors import InvalidField, Unavailable

_POSITION = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z#[!-~]+")
"""An item's place in a listing: when it was made, and its id."""
_FIRST, _LAST = "0", "9"
"""Before and after every place."""
_PAGE_SIZE = 500
PAUSE_SECONDS, PAUSE_SECONDS_MAX = 0.02, 0.1
WRITE_TRIES_MAX = 12
PASSING = frozenset(
    {
        "TransactionConflict",
        "TransactionInProgressException",
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "ThrottlingError",
        "ThrottlingException",
        "RequestLimitExceeded",
    }
)
"""Reasons of DynamoDB that pass, of one item or of the whole transaction: nothing was read or written."""


class TableNamed(type):
    """Gives `Meta.table_name` when it is asked for, so that importing this module reads no environment."""

    setting: str

    @property
    def table_name(cls) -> str:
        """The deployed name of the table, from the settings."""
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

    def reread(self) -> Self:
        """The item as it is stored now; it must be there."""
        self.refresh(consistent_read=True)
        return self

    @classmethod
    def at_one_moment(cls, keys: Sequence[tuple[str, str]]) -> list[Self | None] | None:
        """Items as they stood together at one moment (at most 100), None for each that is not there.

        None while writers leave no such moment, which on a busy account is the rule.
        """
        wanted = [cls.get_operation_kwargs_from_class(pk, sk) for pk, sk in keys]
        try:
            answers = connection().transact_get_items(wanted)["Responses"]
        except TransactGetError as error:
            if error.cause_response_code not in {"TransactionCanceledException", *PASSING}:
                raise
            return None
        return [cls.from_raw_data(one["Item"]) if one.get("Item") else None for one in answers]

    @classmethod
    def find_many(cls, keys: Iterable[tuple[str, str]]) -> list[Self]:
        """Those of the items that are there, read consistently, in no order."""
        return list(cls.batch_get(keys, consistent_read=True))

    def insert(self) -> bool:
        """Write the item if there is none of its key yet; False when there was one."""
        return _written(lambda: self.save(condition=type(self).pk.does_not_exist()))

    def change(self, actions: Sequence[Action], condition: Condition | None = None) -> bool:
        """Update the item (which must exist) under a condition; False when the condition failed."""
        exists = type(self).pk.exists()
        return _written(
            lambda: self.update(list(actions), condition=exists if condition is None else exists & condition)
        )


def pause(attempt: int) -> None:
    """Wait a moment before the next try, longer after each, at random: those who met once should not meet again."""
    time.sleep(random.uniform(0, min(PAUSE_SECONDS_MAX, PAUSE_SECONDS * 2**attempt)))  # noqa: S311 - not a secret


def _written(write: Callable[[], object]) -> bool:
    """Make a conditional write; False when its condition failed. One that met a transaction is tried again."""
    for attempt in range(WRITE_TRIES_MAX):
        try:
            write()
        except (PutError, UpdateError) as error:
            if error.cause_response_code == "ConditionalCheckFailedException":
                return False
            if error.cause_response_code != "TransactionConflictException":
                raise
            pause(attempt)
        else:
            return True
    raise Unavailable("The item is busy; nothing was changed.")


def page(
    index: Any, partitions: Sequence[str], limit: int, cursor: str | None, span: tuple[str, str] | None = None
) -> tuple[list[Any], str | None]:
    """A page of a listing that lies in some partitions of an index, newest first, and the next page's cursor."""
    low, high = span or (_FIRST, _LAST)
    position = None if cursor is None else _position(cursor)
    if position is not None and not low <= position <= high:
        raise InvalidField("'cursor' belongs to a listing of another time.", field="cursor")
    within = type(index).listed_at.between(low, position or high)
    # One more than is shown says whether there is a next page; another may be the former page's last.
    wanted = limit + 2
    found = [index.query(one, within, scan_index_forward=False, limit=wanted) for one in partitions]
    newest = merge(*found, key=lambda item: item.listed_at, reverse=True)
    items = [item for item, _ in zip((i for i in newest if i.listed_at != position), range(limit + 1), strict=False)]
    return items[:limit], _cursor(items[limit - 1].listed_at) if len(items) > limit else None


def listed(index: Any, partitions: Sequence[str], span: tuple[str, str] | None = None) -> Iterator[Any]:
    """Everything of a listing, oldest first, read as it is taken. `span` is two positions, the second exclusive."""
    low, high = span or (_FIRST, _LAST)
    within = type(index).listed_at.between(low, high)
    found = [index.query(one, within, page_size=_PAGE_SIZE) for one in partitions]
    return (item for item in merge(*found, key=lambda item: item.listed_at) if item.listed_at != high)


def page_of_partition(
    model: type[Item], pk: str, prefix: str, limit: int, cursor: str | None
) -> tuple[list[Any], str | None]:
    """A page of a partition's items whose sort keys are a prefix and a position, newest first, and the next cursor."""
    start: dict[str, Any] | None = None
    if cursor is not None:
        start = {"pk": {"S": pk}, "sk": {"S": prefix + _position(cursor)}}
    found = model.query(
        pk,
        model.sk.startswith(prefix),
        consistent_read=True,
        scan_index_forward=False,
        # One more than is shown says whether there is a next page.
        limit=limit + 1,
        last_evaluated_key=start,
    )
    items = list(found)
    return items[:limit], _cursor(items[limit - 1].sk.removeprefix(prefix)) if len(items) > limit else None


def unchanged(attribute: Any, value: Any) -> Condition:
    """Whether an attribute still is what was read (None: not there)."""
    still: Condition = attribute.does_not_exist() if value is None else attribute == value
    return still


def _cursor(position: str) -> str:
    """Where a page ended, without the partition: a cursor leads nowhere but on in its own listing."""
    return base64.urlsafe_b64encode(position.encode()).decode().rstrip("=")


def _position(cursor: str) -> str:
    """The place to go on after. Raises InvalidField for a cursor that no page of a listing ended with."""
    try:
        position = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except ValueError:
        position = ""
    if not _POSITION.fullmatch(position):
        raise InvalidField("'cursor' is not one that this listing gave.", field="cursor")
    return position
