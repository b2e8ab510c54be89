"""The catalog in memory and in its table: looked at once a minute, picked up anew, never lost to a bad version."""

import copy
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from gateway import catalog, config, tables
from gateway.errors import Unavailable, UnknownModel, VariantRequired
from tests.unit.gateway.shipped import COMPILED, SNAPSHOT

CHANGED = copy.deepcopy(COMPILED)
CHANGED["models"][0]["name"] = "Renamed"


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


# In memory.


def test_a_model_is_found_by_its_id() -> None:
    assert SNAPSHOT.model("kuaishou/kling-v3-i2v").name == "Kling 3.0 image to video"


@pytest.mark.parametrize(
    ("asked", "nearest"),
    [
        ("nano-bananna", "nano-banana"),
        ("kuaishou/kling-v3-t2vv", "kuaishou/kling-v3-t2v"),
        ("gpt-image2", "gpt-image-2"),
        ("tts-1", "openai/tts-1"),
    ],
)
def test_an_unknown_model_names_the_nearest(asked: str, nearest: str) -> None:
    with pytest.raises(UnknownModel) as caught:
        SNAPSHOT.model(asked)
    assert caught.value.fields["nearest"][0] == nearest
    assert (caught.value.status, caught.value.fields["field"]) == (400, "model")


@pytest.mark.parametrize("asked", ["", "zzzzzzzzzzzz", "x" * 100_000])
def test_an_unknown_model_like_nothing_we_have(asked: str) -> None:
    with pytest.raises(UnknownModel) as caught:
        SNAPSHOT.model(asked)
    assert caught.value.fields["nearest"] == []
    assert len(caught.value.message) < 200


def test_a_family_label_asks_for_a_variant() -> None:
    with pytest.raises(VariantRequired) as caught:
        SNAPSHOT.model("seedance-2-fast")
    assert caught.value.body() | {"hint": ""} == {
        "error": "variant_required",
        "message": "'seedance-2-fast' is a family; name one of its variants.",
        "hint": "",
        "family": "seedance-2-fast",
        "available_variants": ["seedance-2-fast-480p"],
    }


@pytest.mark.parametrize(
    ("model", "inputs", "endpoint"),
    [
        ("nano-banana", {}, "fal-ai/nano-banana"),
        ("nano-banana", {"image_urls": []}, "fal-ai/nano-banana"),
        ("nano-banana", {"image_urls": ["https://a/b.png"]}, "fal-ai/nano-banana/edit"),
        ("gpt-image-2", {"image_urls": ["https://a/b.png"]}, "openai/gpt-image-2/edit"),
        ("seedance-2-fast-480p", {"image_url": ""}, "bytedance/seedance-2.0/fast/text-to-video"),
        ("seedance-2-fast-480p", {"image_url": "https://a/b"}, "bytedance/seedance-2.0/fast/image-to-video"),
        ("openai/tts-1", {}, "audio/speech"),
    ],
)
def test_the_endpoint_follows_from_the_inputs(model: str, inputs: dict[str, Any], endpoint: str) -> None:
    assert SNAPSHOT.model(model).offers[0].endpoint(inputs) == endpoint


# In the table.


def test_what_is_published_is_what_is_read(store: Store) -> None:
    version = catalog.publish(COMPILED)
    found = catalog.current()
    assert found.version == version
    assert found == catalog.from_compiled(version, COMPILED)


def test_publishing_again_changes_nothing(store: Store) -> None:
    version = catalog.publish(COMPILED)
    before = store.items()
    assert catalog.publish(copy.deepcopy(COMPILED)) == version
    assert store.items() == before


def test_the_head_remembers_the_version_before(store: Store) -> None:
    first, second = catalog.publish(COMPILED), catalog.publish(CHANGED)
    assert first != second
    head = store.items()["HEAD", "HEAD"]
    assert (head["version"]["S"], head["previous"]["S"]) == (second, first)
    catalog.publish(CHANGED)
    assert store.items()["HEAD", "HEAD"] == head


def test_a_publication_that_raced_another_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog.publish(COMPILED)
    stale = tables.CatalogHead.find()
    newer = catalog.publish(CHANGED)
    monkeypatch.setattr(tables.CatalogHead, "find", lambda: stale)
    with pytest.raises(tables.ConditionFailed):
        catalog.publish({**COMPILED, "models": COMPILED["models"][:3]})
    assert store.items()["HEAD", "HEAD"]["version"]["S"] == newer


def test_a_large_catalog_is_kept_in_several_chunks(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "CHUNK_BYTES", 100)
    version = catalog.publish(COMPILED)
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
    old = catalog.publish(COMPILED)
    assert catalog.current().version == old
    new = catalog.publish(CHANGED)
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
    store.spoil(catalog.publish(COMPILED), text)
    with pytest.raises(Unavailable, match="cannot be read") as caught:
        catalog.current()
    assert (caught.value.status, caught.value.error_hint) == (503, "Publish the catalog again.")


def test_an_incomplete_version_is_unavailable_until_it_is_published_again(store: Store) -> None:
    store.lose(catalog.publish(COMPILED))
    with pytest.raises(Unavailable, match="incomplete"):
        catalog.current()
    catalog.publish(COMPILED)
    assert catalog.current().models


def test_a_container_serves_on_what_it_has_while_the_current_version_is_broken(store: Store, clock: Clock) -> None:
    old = catalog.publish(COMPILED)
    catalog.current()
    new = catalog.publish(CHANGED)
    store.lose(new)
    clock.seconds += 60
    store.looks = 0
    assert catalog.current().version == old
    assert catalog.current().version == old
    assert store.looks == 1
    catalog.publish(CHANGED)
    clock.seconds += 60
    assert catalog.current().version == new
