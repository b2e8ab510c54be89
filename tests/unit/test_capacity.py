"""Sizes and units as the developer guide has them, and every write of a request counted."""

import json
from typing import Any

import pytest

from infra.manifest import Index
from tests.capacity import Item, Meter, index_units, item_bytes, value_bytes, write_units

LISTING = Index("listing", "listing", "listed_at")
WORK = Index("open_work", "work", "due_at", sort_is_number=True, keys_only=True)


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ({"S": ""}, 0),
        ({"S": "fox"}, 3),
        ({"S": "狐"}, 3),
        ({"N": "0"}, 1),
        ({"N": "7"}, 2),
        ({"N": "12"}, 2),
        ({"N": "123"}, 3),
        ({"N": "-123"}, 4),
        ({"N": "1000000"}, 2),
        ({"N": "0.039"}, 2),
        ({"N": "1.5E+10"}, 2),
        ({"NULL": True}, 1),
        ({"BOOL": False}, 1),
        ({"B": "Zm94"}, 3),
        ({"B": b"fox"}, 3),
        ({"L": []}, 3),
        ({"L": [{"S": "fox"}, {"N": "12"}]}, 3 + (1 + 3) + (1 + 2)),
        ({"M": {}}, 3),
        ({"M": {"name": {"S": "fox"}}}, 3 + (1 + 4 + 3)),
        ({"L": [{"M": {"a": {"L": [{"BOOL": True}]}}}]}, 3 + 1 + 3 + 1 + 1 + 3 + 1 + 1),
        ({"SS": ["fox", "fish"]}, 7),
    ],
)
def test_a_value_has_its_size(value: dict[str, Any], size: int) -> None:
    assert value_bytes(value) == size


def test_a_type_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="Z is no type"):
        value_bytes({"Z": "fox"})


def test_an_item_is_its_names_and_values() -> None:
    assert item_bytes({"pk": {"S": "HOLD#1"}, "größe": {"N": "42"}}) == (2 + 6) + (7 + 2)


def of_bytes(size: int, **more: dict[str, Any]) -> Item:
    """An item of so many bytes."""
    item = {"pk": {"S": "P"}, "sk": {"S": "S"}, **more}
    return item | {"text": {"S": "x" * (size - item_bytes(item) - 4)}}


@pytest.mark.parametrize(("size", "units"), [(100, 1), (1024, 1), (1025, 2), (3000, 3)])
def test_a_write_costs_by_the_kilobyte_and_twice_in_a_transaction(size: int, units: int) -> None:
    assert write_units(None, of_bytes(size), is_transactional=False) == units
    assert write_units(None, of_bytes(size), is_transactional=True) == 2 * units


def test_the_larger_item_counts() -> None:
    small, large = of_bytes(100), of_bytes(2000)
    assert write_units(small, large, is_transactional=True) == 4
    assert write_units(large, small, is_transactional=True) == 4
    assert write_units(large, None, is_transactional=False) == 2
    # The condition of a write that never was is looked up all the same.
    assert write_units(None, None, is_transactional=False) == 1


def listed(at: str, size: int = 100) -> Item:
    return of_bytes(size, listing={"S": "demo"}, listed_at={"S": at})


@pytest.mark.parametrize(
    ("before", "after", "units"),
    [
        (None, listed("1"), 1),
        (None, listed("1", 1025), 2),
        (None, of_bytes(100), 0),
        (None, of_bytes(100, listing={"S": "demo"}), 0),
        (of_bytes(100), listed("1"), 1),
        (listed("1"), of_bytes(100), 1),
        (listed("1", 1025), None, 2),
        (listed("1"), listed("1"), 0),
        (listed("1"), listed("1", 1025), 2),
        (listed("1"), listed("2"), 2),
        (listed("1"), listed("2", 1025), 3),
    ],
)
def test_an_index_costs_what_changes_in_it(before: Item | None, after: Item | None, units: int) -> None:
    assert index_units(LISTING, before, after) == units


def test_an_index_of_keys_is_written_only_when_its_keys_change() -> None:
    def due(at: str, size: int) -> Item:
        return of_bytes(size, work={"S": "open#1"}, due_at={"N": at})

    assert index_units(WORK, None, due("1", 5000)) == 1
    assert index_units(WORK, due("1", 5000), due("1", 200)) == 0
    assert index_units(WORK, due("1", 5000), due("2", 5000)) == 2
    assert index_units(WORK, due("1", 5000), of_bytes(100)) == 1


class Table:
    """Items by key, and the requests that change them."""

    def __init__(self, **items: Item) -> None:
        self.items = dict(items)
        self.meter = Meter(lambda _, key: self.items.get(key["pk"]["S"]))

    def send(self, operation: str, body: dict[str, Any], **after: Item | None) -> list[tuple[str, int, int]]:
        self.meter.writes.clear()
        self.meter.passes(operation, json.dumps(body), lambda: self.items.update(after))
        return [(write.item, write.units, write.index_units) for write in self.meter.writes]


def key(pk: str, sk: str = "HOLD") -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def test_all_that_a_transaction_touches_is_counted() -> None:
    table = Table(b=of_bytes(1500), c=listed("1"))
    actions = [
        {"Put": {"TableName": "ledger", "Item": {**key("a", "ENTRY"), "more": {"S": "x"}}}},
        {"Update": {"TableName": "ledger", "Key": key("b", "BALANCE")}},
        {"Delete": {"TableName": "ledger", "Key": key("c", "2026-11-16#1")}},
        {"ConditionCheck": {"TableName": "jobs", "Key": key("d", "GENERATION")}},
    ]
    found = table.send("TransactWriteItems", {"TransactItems": actions}, a=listed("1"), b=of_bytes(100), c=None)
    assert found == [("ENTRY", 2, 1), ("BALANCE", 4, 0), ("c", 2, 1), ("GENERATION", 2, 0)]
    assert all(write.is_transactional for write in table.meter.writes)


def test_single_and_batched_writes_are_counted_once() -> None:
    table = Table()
    assert table.send("UpdateItem", {"TableName": "jobs", "Key": key("a")}, a=of_bytes(1025)) == [("HOLD", 2, 0)]
    assert table.send("PutItem", {"TableName": "jobs", "Item": key("a")}, a=of_bytes(10)) == [("HOLD", 2, 0)]
    requests = {"jobs": [{"PutRequest": {"Item": key("b")}}, {"DeleteRequest": {"Key": key("a")}}]}
    found = table.send("BatchWriteItem", {"RequestItems": requests}, a=None, b=of_bytes(10))
    assert found == [("HOLD", 1, 0), ("HOLD", 1, 0)]
    assert table.send("GetItem", {"TableName": "jobs", "Key": key("a")}) == []
    assert not any(write.is_transactional for write in table.meter.writes)


def test_a_write_belongs_to_the_innermost_step() -> None:
    table = Table()
    asked = json.dumps({"TableName": "jobs", "Key": key("a")})
    with table.meter.during("settle"):
        table.meter.passes("UpdateItem", asked, lambda: None)
        with table.meter.during("inner"):
            table.meter.passes("UpdateItem", asked, lambda: None)
    table.meter.passes("UpdateItem", asked, lambda: None)
    assert [write.step for write in table.meter.writes] == ["settle", "inner", ""]
