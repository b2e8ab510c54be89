"""What all items share: keys, conditional writes, pages of an index, one connection."""

import base64
import json
from collections.abc import Sequence
from functools import cache
from typing import Any, Self

from pynamodb.attributes import UnicodeAttribute
from pynamodb.connection import Connection, TableConnection
from pynamodb.exceptions import PutError, UpdateError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.models import Model

from gateway.config import settings
from gateway.errors import InvalidField

_POSITION = ("pk", "sk", "listed_at")
"""What an item's place in a listing is made of, besides the listing itself."""


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


def page(
    index: Any, key: str, limit: int, cursor: str | None, span: tuple[str, str] | None = None
) -> tuple[list[Any], str | None]:
    """A page of an index's partition, newest first, and the cursor of the next page."""
    start = None if cursor is None else _start(index, key, cursor)
    if start and span and not span[0] <= start["listed_at"]["S"] <= span[1]:
        raise InvalidField("'cursor' belongs to a listing of another time.", field="cursor")
    condition = type(index).listed_at.between(*span) if span else None
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
