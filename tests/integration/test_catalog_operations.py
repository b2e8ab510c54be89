"""The catalog while it is running: published, compared, rolled back; functions follow without a deployment."""

import base64
import json
import subprocess
import sys
import zlib
from typing import Any

import pytest
from botocore.client import BaseClient

from gateway import catalog, operator, tables
from gateway.catalog.compiling import compile_documents
from infra import catalog as checkout
from tests.integration.world import COMPILED, World
from tests.unit.gateway.fox import ROW, Changed, book, family, setting, written

FIRST = catalog.version_of(COMPILED)
RISEN = setting(*ROW, "rate", to="0.2")


def admin(museway: World, action: str, **request: Any) -> dict[str, Any]:
    answer: dict[str, Any] = museway._call("admin", {"action": action} | request)
    return answer


def packed(*changed: Changed) -> str:
    """The fox's documents as the command line sends them."""
    return packing(documents(*changed))


def documents(*changed: Changed) -> dict[str, Any]:
    """The fox's family, and the providers of the checkout."""
    described = {name: one for name, one in checkout.documents().items() if name.startswith("providers/")}
    return {**described, "fox.yaml": family(*changed)}


def packing(documents: Any) -> str:
    """Any JSON as documents are sent."""
    return base64.b64encode(zlib.compress(json.dumps(documents).encode())).decode()


def version(*changed: Changed) -> str:
    return catalog.version_of(compile_documents(documents(*changed), None))


def publish(museway: World, *changed: Changed) -> dict[str, Any]:
    return admin(museway, "catalog.publish", documents=packed(*changed))


def stored(museway: World) -> list[str]:
    """The catalog's table, but for contents that nothing names."""
    items = museway.dynamodb.scan(TableName="catalog")["Items"]
    return sorted(json.dumps(item, sort_keys=True) for item in items if not item["pk"]["S"].startswith("VERSION#"))


@pytest.fixture
def follows(museway: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The world, whose containers look at the head by its virtual clock."""
    museway.clock.sleep(1000)
    monkeypatch.setattr(catalog, "time", museway.clock)
    catalog.forget()
    return museway


def price_micros(museway: World, model: str = "fox-1") -> int | None:
    """What ten seconds of the fox cost, as a caller sees it; None while there is no such model."""
    status, answer, _ = museway.request("POST", "/v1/estimate", {"model": model, "prompt": "x", "seconds": 10})
    return int(answer["expected_micros"]) if status == 200 else None


def test_functions_follow_a_publication_and_a_rollback_within_a_minute(follows: World) -> None:
    assert price_micros(follows) is None
    publish(follows)
    assert price_micros(follows) is None
    follows.clock.sleep(60)
    assert price_micros(follows) == 1_000_000
    publish(follows, RISEN)
    follows.clock.sleep(59)
    assert price_micros(follows) == 1_000_000
    follows.clock.sleep(1)
    assert price_micros(follows) == 2_000_000
    admin(follows, "catalog.rollback")
    follows.clock.sleep(60)
    assert price_micros(follows) == 1_000_000


def test_a_container_reads_the_head_once_a_minute_and_a_version_once(
    follows: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[str] = []
    call = BaseClient._make_api_call

    def counted(client: Any, operation: str, arguments: Any) -> Any:
        # The health of offers is read at a pace of its own.
        if arguments.get("TableName") == "catalog" and arguments.get("Key", {}).get("pk") not in (
            None,
            {"S": "HEALTH"},
        ):
            reads.append(arguments["Key"]["pk"]["S"])
        return call(client, operation, arguments)

    def read_in_three_minutes() -> list[str]:
        reads.clear()
        for _ in range(18):
            assert follows.request("GET", "/v1/pricing", key=None)[0] == 200
            follows.clock.sleep(10)
        return list(reads)

    publish(follows)
    monkeypatch.setattr(BaseClient, "_make_api_call", counted)
    chunk = f"VERSION#{version()}"
    assert read_in_three_minutes() == ["HEAD", chunk, "HEAD", "HEAD"]
    assert read_in_three_minutes() == ["HEAD"] * 3


def test_a_publication_says_what_it_changed(museway: World) -> None:
    first = publish(museway)
    assert {**first, "changes": None} == {
        "catalog_version": version(),
        "previous_version": FIRST,
        "models": 1,
        "changes": None,
    }
    removed = [change for change in first["changes"] if change["sentence"].startswith("removed model")]
    assert len(removed) == len(COMPILED["models"])
    assert publish(museway, RISEN) == {
        "catalog_version": version(RISEN),
        "previous_version": version(),
        "models": 1,
        "changes": [
            {
                "about": "fox-1",
                "part": "price_books",
                "sentence": "fox-1: row one: $0.1 -> $0.2 per second of video (+100.0 %), at once",
                "breaking": True,
            }
        ],
    }


def test_publishing_again_changes_nothing(museway: World) -> None:
    publish(museway)
    before = stored(museway)
    again = publish(museway)
    assert (again["catalog_version"], again["previous_version"], again["changes"]) == (version(), version(), [])
    assert stored(museway) == before


def test_what_the_checkout_packs_is_what_is_published(museway: World, tmp_path: Any) -> None:
    written(tmp_path, book("2027-01-01", rate="0.3"))
    answer = admin(museway, "catalog.publish", documents=checkout.packed(tmp_path))
    assert answer["catalog_version"] == version(book("2027-01-01", rate="0.3"))


def test_the_shipped_catalog_is_the_same_by_either_way(museway: World) -> None:
    answer = admin(museway, "catalog.publish", documents=checkout.packed())
    assert (answer["catalog_version"], answer["previous_version"], answer["changes"]) == (FIRST, FIRST, [])


@pytest.mark.parametrize("action", ["catalog.publish", "catalog.diff"])
def test_a_broken_catalog_is_refused_with_every_fault(museway: World, action: str) -> None:
    before = stored(museway)
    documents = {
        "a.yaml": family(setting(*ROW, "rate", to="-1"), setting("colour", to="red")),
        "b.yaml": family(setting("offers", 0, "provider", to="acme"), model_id="fox-2"),
    }
    answer = admin(museway, action, documents=packing(documents))
    assert answer["error"] == "broken_catalog"
    assert "museway admin catalog check" in answer["hint"]
    assert [(fault["document"], fault["path"][-1]) for fault in answer["faults"]] == [
        ("a.yaml", "rate"),
        ("a.yaml", "colour"),
        ("b.yaml", 0),
    ]
    assert stored(museway) == before


def test_a_catalog_without_a_price_today_is_refused(museway: World) -> None:
    before = stored(museway)
    answer = publish(museway, setting("price_books", 0, "effective_from", to="2099-01-01"))
    assert answer["error"] == "broken_catalog"
    assert "fox-1 has no price" in answer["message"]
    assert stored(museway) == before


@pytest.mark.parametrize(
    "documents",
    [{"fox.yaml": {}}, 5, "", "not base64!", "AAAA", packing([]), packing("x"), packed()[:-8]],
)
def test_documents_that_are_none_are_refused(museway: World, documents: Any) -> None:
    before = stored(museway)
    answer = admin(museway, "catalog.publish", documents=documents)
    assert (answer["error"], answer["field"]) == ("invalid_request", "documents")
    assert stored(museway) == before


def test_documents_that_unpack_to_too_much_are_refused(museway: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operator, "DOCUMENTS_BYTES_MAX", 1000)
    answer = admin(museway, "catalog.publish", documents=packing({"a.yaml": "x" * 1000}))
    assert (answer["error"], answer["field"]) == ("invalid_request", "documents")


@pytest.mark.parametrize("action", ["catalog.publish", "catalog.rollback"])
def test_a_lost_race_is_a_conflict_and_changes_nothing(
    museway: World, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    publish(museway)
    stale = tables.CatalogHead.find()
    publish(museway, RISEN)
    before = stored(museway)
    with monkeypatch.context() as raced:
        raced.setattr(tables.CatalogHead, "find", lambda: stale)
        request = {"documents": packed(setting("name", to="Vixen"))} if action == "catalog.publish" else {}
        answer = admin(museway, action, **request)
    assert answer["error"] == "catalog_moved"
    assert "nothing was changed" in answer["message"]
    assert stored(museway) == before


def test_a_rollback_says_what_it_changes_back(museway: World) -> None:
    publish(museway)
    publish(museway, RISEN)
    assert admin(museway, "catalog.rollback") == {
        "from_version": version(RISEN),
        "to_version": version(),
        "models": 1,
        "changes": [
            {
                "about": "fox-1",
                "part": "price_books",
                "sentence": "fox-1: row one: $0.2 -> $0.1 per second of video (-50.0 %), at once",
                "breaking": False,
            }
        ],
    }
    named = admin(museway, "catalog.rollback", version=version(RISEN))
    assert (named["from_version"], named["to_version"]) == (version(), version(RISEN))
    again = admin(museway, "catalog.rollback", version=version(RISEN))
    assert (again["from_version"], again["to_version"], again["changes"]) == (version(RISEN), version(RISEN), [])


def lose(museway: World, lost: str) -> None:
    key = {"pk": {"S": f"VERSION#{lost}"}, "sk": {"S": "CHUNK#000"}}
    museway.dynamodb.delete_item(TableName="catalog", Key=key)


@pytest.mark.moto
def test_a_version_that_cannot_be_read_is_not_gone_back_to(museway: World) -> None:
    publish(museway)
    lose(museway, FIRST)
    before = stored(museway)
    assert admin(museway, "catalog.rollback")["error"] == "unavailable"
    assert admin(museway, "catalog.rollback", version=FIRST)["error"] == "unavailable"
    assert admin(museway, "catalog.rollback", version="nothing")["error"] == "not_found"
    assert stored(museway) == before


@pytest.mark.moto
def test_a_version_that_is_lost_stops_no_publication(museway: World) -> None:
    publish(museway)
    lose(museway, version())
    answer = publish(museway, RISEN)
    assert (answer["catalog_version"], answer["changes"]) == (version(RISEN), None)


def test_an_older_releases_catalog_that_cannot_be_compared_stops_no_publication(museway: World) -> None:
    head = tables.CatalogHead.find()
    assert head is not None
    tables.CatalogChunk.save_all(head.version, [packing({"models": [{"id": "fox-1", "rows": []}]})])
    answer = publish(museway)
    assert (answer["catalog_version"], answer["changes"]) == (version(), None)


def test_versions_are_listed_newest_first(museway: World) -> None:
    museway.clock.sleep(60)
    publish(museway)
    items = admin(museway, "catalog.versions")["items"]
    assert [(item["version"], item["current"], item["models"], item["replaced"]) for item in items] == [
        (version(), True, 1, FIRST),
        (FIRST, False, len(COMPILED["models"]), None),
    ]


def test_versions_and_documents_are_compared(museway: World) -> None:
    publish(museway)
    later = book("2027-01-01", rate="0.2")
    answer = admin(museway, "catalog.diff", documents=packed(later))
    assert (answer["from_version"], answer["to_version"]) == (version(), version(later))
    assert [change["sentence"] for change in answer["changes"]] == [
        "fox-1: row one: $0.1 -> $0.2 per second of video (+100.0 %), from 2027-01-01",
        "fox-1: a price book starts on 2027-01-01",
    ]
    assert admin(museway, "catalog.diff", documents=packed())["changes"] == []
    back = admin(museway, "catalog.diff", from_version=version(), to_version=FIRST)
    assert (back["from_version"], back["to_version"]) == (version(), FIRST)
    assert len([change for change in back["changes"] if change["part"] == "models"]) == len(COMPILED["models"]) + 1
    assert admin(museway, "catalog.diff", from_version="nothing", documents=packed())["error"] == "not_found"
    assert admin(museway, "catalog.diff", from_version=5, documents=packed())["field"] == "from_version"


@pytest.mark.parametrize("module", ["pydantic", "gateway.catalog.compiling", "gateway.catalog.changes"])
def test_the_admin_function_starts_without_what_only_some_actions_need(module: str) -> None:
    script = f"import sys, functions.admin.handler; sys.exit({module!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
