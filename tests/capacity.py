"""Write units of DynamoDB: what a write costs, by the items before and after it. One module for every suite.

Sizes are those of the developer guide, "DynamoDB item sizes and formats"; the doubling of transactions is of "DynamoDB
transactions: how it works"; what an index costs is of "Write capacity considerations" of global secondary indexes.
Items are as the wire has them: `{"pk": {"S": "..."}, ...}`.
"""

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from infra.manifest import TABLES, Index

UNIT_BYTES = 1024
KEYS = ("pk", "sk")
INDEXES = {table.name: table.indexes for table in TABLES}
WRITING = {"TransactWriteItems", "BatchWriteItem", "PutItem", "UpdateItem", "DeleteItem"}

Item = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Write:
    """One item that was written, or checked in a transaction, and what that costs."""

    step: str
    """Which step wrote it; none for what is written in passing."""
    item: str
    """The kind of item: what its sort key begins with, or its partition key where that is no word."""
    units: int
    index_units: int
    is_transactional: bool


class Meter:
    """Notes what the requests write that pass through it, with `read` to look items up by table and key."""

    def __init__(self, read: Callable[[str, Item], Item | None]) -> None:
        self.writes: list[Write] = []
        self._read = read
        self._steps = [""]
        self._items: dict[tuple[str, str], Item | None] = {}
        """What was seen last. Every write passes here, so it is still so."""

    @contextmanager
    def during(self, step: str) -> Iterator[None]:
        """What is written meanwhile belongs to a step."""
        self._steps.append(step)
        try:
            yield
        finally:
            self._steps.pop()

    def passes(self, operation: str, body: str | bytes, send: Callable[[], Any]) -> Any:
        """Send a request of DynamoDB and note what it writes; answers as `send` does."""
        named = list(_named(operation, json.loads(body))) if operation in WRITING else []
        before = [self._known(table, key) for table, key in named]
        answer = send()
        for (table, key), old in zip(named, before, strict=True):
            new = self._items[_place(table, key)] = self._read(table, key)
            self.writes.append(
                Write(
                    self._steps[-1],
                    _kind(key),
                    write_units(old, new, is_transactional=operation == "TransactWriteItems"),
                    sum(index_units(index, old, new) for index in INDEXES[table]),
                    operation == "TransactWriteItems",
                )
            )
        return answer

    def _known(self, table: str, key: Item) -> Item | None:
        place = _place(table, key)
        if place not in self._items:
            self._items[place] = self._read(table, key)
        return self._items[place]


def item_bytes(item: Item) -> int:
    """An item's size: the names of its attributes and their values."""
    return sum(len(name.encode()) + value_bytes(value) for name, value in item.items())


def value_bytes(value: Mapping[str, Any]) -> int:
    """A value's size, without its attribute's name. Raises ValueError for a type that there is not."""
    [(type_, content)] = value.items()
    match type_:
        case "S":
            return len(content.encode())
        case "N":
            return _number_bytes(content)
        case "B":
            return _binary_bytes(content)
        case "NULL" | "BOOL":
            return 1
        case "L":
            return 3 + sum(1 + value_bytes(one) for one in content)
        case "M":
            return 3 + sum(1 + len(name.encode()) + value_bytes(one) for name, one in content.items())
        case "SS" | "NS" | "BS":
            return sum(value_bytes({type_[0]: one}) for one in content)
    raise ValueError(f"{type_} is no type of DynamoDB")


def write_units(before: Item | None, after: Item | None, *, is_transactional: bool) -> int:
    """Of the table itself: the larger of the item before and after counts, and a transaction twice."""
    return _units(before, after) * (2 if is_transactional else 1)


def index_units(index: Index, before: Item | None, after: Item | None) -> int:
    """Of one index, which is written behind the table, one unit per KB of its entry: to put, change or remove it.

    An entry whose key changes is removed and put; one that stays as it is costs nothing.
    """
    old, new = _entry(index, before), _entry(index, after)
    if old == new:
        return 0
    moves = old is not None and new is not None and any(old[key] != new[key] for key in (index.partition, index.sort))
    return _units(old, None) + _units(new, None) if moves else _units(old, new)


def _units(before: Item | None, after: Item | None) -> int:
    return max(1, *(-(-item_bytes(item or {}) // UNIT_BYTES) for item in (before, after)))


def _entry(index: Index, item: Item | None) -> Item | None:
    """What an index keeps of an item, if it has the index's key."""
    if item is None or not {index.partition, index.sort} <= item.keys():
        return None
    kept = {*KEYS, index.partition, index.sort}
    return {name: value for name, value in item.items() if name in kept} if index.keys_only else item


def _number_bytes(text: str) -> int:
    """A byte per two significant digits and one more; another for the sign."""
    digits = re.sub(r"[eE].*|[-+.]", "", text).strip("0")
    return (len(digits) + 1) // 2 + 1 + text.startswith("-")


def _binary_bytes(content: bytes | str) -> int:
    return len(base64.b64decode(content) if isinstance(content, str) else content)


def _named(operation: str, asked: Mapping[str, Any]) -> Iterator[tuple[str, Item]]:
    """The table and the key of each item that a request writes, or checks in a transaction."""
    actions = [asked]
    if operation == "TransactWriteItems":
        actions = [action for one in asked["TransactItems"] for action in one.values()]
    elif operation == "BatchWriteItem":
        actions = [
            {"TableName": table, **action}
            for table, requests in asked["RequestItems"].items()
            for request in requests
            for action in request.values()
        ]
    for action in actions:
        named = action.get("Key") or action["Item"]
        yield action["TableName"], {name: named[name] for name in KEYS}


def _place(table: str, key: Item) -> tuple[str, str]:
    return table, json.dumps(key, sort_keys=True)


def _kind(key: Item) -> str:
    in_partition, sorted_by = (key[name]["S"].partition("#")[0] for name in KEYS)
    return str(sorted_by if sorted_by.replace("_", "").isalpha() else in_partition)
