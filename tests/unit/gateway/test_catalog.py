"""The catalog in memory and in its table: looked at once a minute, picked up anew, never lost to a bad version."""

import copy
import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from gateway import catalog, config, ids, tables
from gateway.errors import BadRequest, Conflict, NotFound, Unavailable
from tests.unit.gateway.shipped import COMPILED

CHANGED = copy.deepcopy(COMPILED)
CHANGED["models"][0]["name"] = "Renamed"
THIRD = COMPILED | {"models": COMPILED["models"][:-1]}
FIRST_VERSION, SECOND_VERSION, THIRD_VERSION = (catalog.version_of(one) for one in (COMPILED, CHANGED, THIRD))


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds


class Store:
    """The catalog's table, and how often its head was looked at."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.client = boto3.client("dynamodb")
        self.looks = 0
        self.client.create_table(
            TableName="catalog",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            BillingMode="PAY_PER_REQUEST",
        )
        find = tables.CatalogHead.find

        def looked() -> Any:
            self.looks += 1
            return find()

        monkeypatch.setattr(tables.CatalogHead, "find", looked)

    def items(self) -> dict[tuple[str, str], dict[str, Any]]:
        return {(item["pk"]["S"], item["sk"]["S"]): item for item in self.client.scan(TableName="catalog")["Items"]}

    def told(self) -> dict[tuple[str, str], dict[str, Any]]:
        """What says which versions there are and which is current: everything but their contents."""
        return {place: item for place, item in self.items().items() if not place[0].startswith("VERSION#")}

    def lose(self, version: str) -> None:
        self.client.delete_item(TableName="catalog", Key=key(f"VERSION#{version}", "CHUNK#000"))

    def spoil(self, version: str, text: str) -> None:
        item = key(f"VERSION#{version}", "CHUNK#000") | {"text": {"S": text}}
        self.client.put_item(TableName="catalog", Item=item)


def key(pk: str, sk: str) -> dict[str, dict[str, str]]:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(catalog, "time", made)
    return made


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Iterator[Store]:
    for name, value in {
        "CATALOG_TABLE": "catalog",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)
    config.settings.cache_clear()
    catalog.forget()
    with mock_aws():
        yield Store(monkeypatch)
    catalog.forget()
    config.settings.cache_clear()


def test_what_is_published_is_what_is_read(store: Store) -> None:
    version = catalog.publish(COMPILED).to_version
    found = catalog.current()
    assert found.version == version
    assert found == catalog.from_compiled(version, COMPILED)


def test_publishing_again_changes_nothing(store: Store) -> None:
    version = catalog.publish(COMPILED).to_version
    before = store.items()
    assert catalog.publish(copy.deepcopy(COMPILED)) == catalog.Move(version, version)
    assert store.items() == before


def test_the_head_remembers_the_version_before(store: Store) -> None:
    first, second = catalog.publish(COMPILED).to_version, catalog.publish(CHANGED).to_version
    assert first != second
    head = store.items()["HEAD", "HEAD"]
    assert (head["version"]["S"], head["previous"]["S"]) == (second, first)
    catalog.publish(CHANGED)
    assert store.items()["HEAD", "HEAD"] == head


def test_a_publication_that_raced_another_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog.publish(COMPILED)
    stale = tables.CatalogHead.find()
    catalog.publish(CHANGED)
    before = store.told()
    monkeypatch.setattr(tables.CatalogHead, "find", lambda: stale)
    for lost in ({**COMPILED, "models": COMPILED["models"][:3]}, COMPILED | {"families": {}}):
        with pytest.raises(Conflict) as caught:
            catalog.publish(lost)
        assert (caught.value.status, caught.value.error_code) == (409, "catalog_moved")
        assert "versions" in caught.value.error_hint
    assert store.told() == before


def test_a_large_catalog_is_kept_in_several_chunks(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "CHUNK_BYTES", 100)
    version = catalog.publish(COMPILED).to_version
    assert int(store.items()["HEAD", "HEAD"]["chunk_count"]["N"]) > 10
    assert catalog.current() == catalog.from_compiled(version, COMPILED)


def test_the_head_is_looked_at_once_a_minute(store: Store, clock: Clock) -> None:
    catalog.publish(COMPILED)
    store.looks = 0
    first = catalog.current()
    for seconds in (0, 30, 29.9):
        clock.seconds += seconds
        assert catalog.current() is first
    assert store.looks == 1
    clock.seconds += 0.2
    assert catalog.current() is first
    assert catalog.current() is first
    assert store.looks == 2


def test_a_new_version_is_picked_up_within_a_minute(store: Store, clock: Clock) -> None:
    old = catalog.publish(COMPILED).to_version
    assert catalog.current().version == old
    new = catalog.publish(CHANGED).to_version
    assert catalog.current().version == old
    clock.seconds += 60
    found = catalog.current()
    assert found.version == new
    assert found.models[CHANGED["models"][0]["id"]].name == "Renamed"


def test_without_a_publication_there_is_no_catalog(store: Store) -> None:
    with pytest.raises(Unavailable, match="No catalog"):
        catalog.current()
    catalog.publish(COMPILED)
    assert catalog.current().models


UNREADABLE = ["", "not base64!", "AAAA", "eJyrrgUAAXUA+Q==", "eJzLycxLBQAGCAIW"]
"""Nothing, no base64, nothing compressed, an empty object, a word."""


@pytest.mark.parametrize("text", UNREADABLE)
def test_an_unreadable_version_is_unavailable(store: Store, text: str) -> None:
    store.spoil(catalog.publish(COMPILED).to_version, text)
    with pytest.raises(Unavailable, match="cannot be read") as caught:
        catalog.current()
    assert (caught.value.status, caught.value.error_hint) == (503, "Publish the catalog again.")


def test_an_incomplete_version_is_unavailable_until_it_is_published_again(store: Store) -> None:
    store.lose(catalog.publish(COMPILED).to_version)
    with pytest.raises(Unavailable, match="incomplete"):
        catalog.current()
    catalog.publish(COMPILED)
    assert catalog.current().models


def test_a_container_serves_on_what_it_has_while_the_current_version_is_broken(store: Store, clock: Clock) -> None:
    old = catalog.publish(COMPILED).to_version
    catalog.current()
    new = catalog.publish(CHANGED).to_version
    store.lose(new)
    clock.seconds += 60
    store.looks = 0
    assert catalog.current().version == old
    assert catalog.current().version == old
    assert store.looks == 1
    catalog.publish(CHANGED)
    clock.seconds += 60
    assert catalog.current().version == new


# Versions.


@pytest.fixture
def moments(monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute passes between any two looks at the time."""
    minutes = itertools.count()
    monkeypatch.setattr(ids, "now", lambda: datetime(2026, 11, 21, tzinfo=UTC) + timedelta(minutes=next(minutes)))


def current() -> str:
    catalog.forget()
    return catalog.current().version


@pytest.mark.usefixtures("moments")
def test_every_version_is_listed_newest_first(store: Store) -> None:
    assert catalog.versions() == []
    for compiled in (COMPILED, CHANGED, THIRD):
        catalog.publish(compiled)
    found = catalog.versions()
    assert [(one["version"], one["replaced"], one["current"]) for one in found] == [
        (THIRD_VERSION, SECOND_VERSION, True),
        (SECOND_VERSION, FIRST_VERSION, False),
        (FIRST_VERSION, None, False),
    ]
    assert [one["models"] for one in found] == [len(one["models"]) for one in (THIRD, CHANGED, COMPILED)]
    stamps = [one["published_at"] for one in found]
    assert stamps == sorted(stamps, reverse=True)
    assert ids.moment(stamps[0]).year == 2026


@pytest.mark.usefixtures("moments")
def test_what_is_published_again_is_the_newest_and_replaces_what_was_current(store: Store) -> None:
    catalog.publish(COMPILED)
    catalog.publish(CHANGED)
    assert catalog.publish(COMPILED) == catalog.Move(SECOND_VERSION, FIRST_VERSION)
    newest, older = catalog.versions()
    assert (newest["version"], newest["replaced"], newest["current"]) == (FIRST_VERSION, SECOND_VERSION, True)
    assert (older["version"], older["current"]) == (SECOND_VERSION, False)


def test_a_rollback_goes_to_what_was_replaced(store: Store) -> None:
    for compiled in (COMPILED, CHANGED, THIRD):
        catalog.publish(compiled)
    assert catalog.rollback() == catalog.Move(THIRD_VERSION, SECOND_VERSION)
    assert current() == SECOND_VERSION
    # Once more goes on back, and not to what was just left.
    assert catalog.rollback() == catalog.Move(SECOND_VERSION, FIRST_VERSION)
    with pytest.raises(NotFound, match="nothing to go back to"):
        catalog.rollback()
    assert current() == FIRST_VERSION


def test_after_a_rollback_and_a_publication_the_way_back_is_to_what_was_current(store: Store) -> None:
    catalog.publish(COMPILED)
    catalog.publish(CHANGED)
    catalog.rollback()
    catalog.publish(THIRD)
    assert catalog.rollback() == catalog.Move(THIRD_VERSION, FIRST_VERSION)


def test_any_version_can_be_gone_to_by_name(store: Store) -> None:
    for compiled in (COMPILED, CHANGED, THIRD):
        catalog.publish(compiled)
    assert catalog.rollback(FIRST_VERSION) == catalog.Move(THIRD_VERSION, FIRST_VERSION)
    assert catalog.rollback(THIRD_VERSION) == catalog.Move(FIRST_VERSION, THIRD_VERSION)
    before = store.items()
    assert catalog.rollback(THIRD_VERSION) == catalog.Move(THIRD_VERSION, THIRD_VERSION)
    assert store.items() == before
    assert store.items()["HEAD", "HEAD"]["previous"]["S"] == FIRST_VERSION


def test_what_was_never_published_cannot_be_gone_to(store: Store) -> None:
    with pytest.raises(NotFound, match="No catalog has been published yet"):
        catalog.rollback()
    catalog.publish(COMPILED)
    before = store.items()
    with pytest.raises(NotFound, match="There is no version 'nothing'"):
        catalog.rollback("nothing")
    assert store.items() == before


@pytest.mark.parametrize("text", [None, *UNREADABLE])
def test_a_version_that_cannot_be_read_is_not_gone_to(store: Store, text: str | None) -> None:
    catalog.publish(COMPILED)
    catalog.publish(CHANGED)
    store.lose(FIRST_VERSION) if text is None else store.spoil(FIRST_VERSION, text)
    before = store.items()
    with pytest.raises(Unavailable):
        catalog.rollback()
    assert store.items() == before
    assert current() == SECOND_VERSION


def test_a_rollback_that_raced_a_publication_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog.publish(COMPILED)
    catalog.publish(CHANGED)
    stale = tables.CatalogHead.find()
    catalog.publish(THIRD)
    before = store.items()
    with monkeypatch.context() as raced:
        raced.setattr(tables.CatalogHead, "find", lambda: stale)
        with pytest.raises(Conflict, match="came between"):
            catalog.rollback()
    assert store.items() == before
    assert current() == THIRD_VERSION


def test_the_first_publication_can_be_raced_too(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog.publish(COMPILED)
    before = store.told()
    with monkeypatch.context() as raced:
        raced.setattr(tables.CatalogHead, "find", lambda: None)
        with pytest.raises(Conflict):
            catalog.publish(CHANGED)
    assert store.told() == before


def without_price(compiled: dict[str, Any]) -> None:
    compiled["models"][0]["price_books"][0]["effective_from"] = "2099-01-01T00:00:00+00:00"


def without_meter(compiled: dict[str, Any]) -> None:
    compiled["models"][0]["meters"] = {}


def without_offers(compiled: dict[str, Any]) -> None:
    del compiled["models"][0]["offers"]


def without_models(compiled: dict[str, Any]) -> None:
    compiled["models"] = []


@pytest.mark.parametrize("break_it", [without_price, without_meter, without_offers, without_models])
def test_what_cannot_be_served_cannot_be_published(store: Store, break_it: Callable[[dict[str, Any]], None]) -> None:
    catalog.publish(COMPILED)
    before, broken = store.items(), copy.deepcopy(CHANGED)
    break_it(broken)
    with pytest.raises(BadRequest) as caught:
        catalog.publish(broken)
    assert caught.value.error_code == "broken_catalog"
    assert store.items() == before


def test_what_a_version_holds_can_be_asked_for(store: Store) -> None:
    with pytest.raises(NotFound, match="No catalog"):
        catalog.compiled_of()
    catalog.publish(COMPILED)
    catalog.publish(CHANGED)
    assert catalog.compiled_of() == (SECOND_VERSION, CHANGED)
    assert catalog.compiled_of(FIRST_VERSION) == (FIRST_VERSION, COMPILED)
    with pytest.raises(NotFound, match="no version"):
        catalog.compiled_of("nothing")
    store.lose(FIRST_VERSION)
    with pytest.raises(Unavailable):
        catalog.compiled_of(FIRST_VERSION)
