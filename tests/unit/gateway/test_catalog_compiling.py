"""From documents to what is published: parsed YAML and JSON give the same, and every fault is listed."""

import json
import re
from datetime import UTC, date, datetime
from typing import Any

import pytest

from gateway import catalog
from gateway.catalog.compiling import BrokenCatalog, compile_documents
from gateway.pricing import Terms
from tests.unit.gateway.fox import OFFER, ROW, book, compiled, family, second_offer, setting


def test_dates_may_be_dates_or_text() -> None:
    as_date = family(setting("price_books", 0, "effective_from", to=date(2026, 1, 1)))
    assert compile_documents({"fox.yaml": as_date}, None) == compiled()
    as_date = family(second_offer, setting(*OFFER, "sunset_at", to=date(2026, 12, 24)))
    as_text = compiled(second_offer, setting(*OFFER, "sunset_at", to="2026-12-24"))
    assert compile_documents({"fox.yaml": as_date}, None) == as_text


def test_what_is_compiled_is_plain_json() -> None:
    whole = compiled(second_offer, book("2026-12-01"))
    assert json.loads(json.dumps(whole)) == whole


def test_the_order_of_documents_makes_no_difference() -> None:
    first, second = ("a.yaml", family()), ("b.yaml", family(model_id="fox-2"))
    assert compile_documents(dict([first, second]), None) == compile_documents(dict([second, first]), None)


def test_every_fault_of_every_document_is_listed() -> None:
    documents = {
        "a.yaml": family(setting("kind", to="smell"), setting("colour", to="red")),
        "b.yaml": family(setting(*OFFER, "provider", to="acme"), model_id="fox-2"),
        "c.yaml": None,
    }
    with pytest.raises(BrokenCatalog) as caught:
        compile_documents(documents, {"fal"})
    assert [(fault.document, fault.path) for fault in caught.value.faults] == [
        ("a.yaml", ("models", 0, "kind")),
        ("a.yaml", ("models", 0, "colour")),
        ("c.yaml", ()),
        ("b.yaml", ("models", 0, "offers", 0)),
    ]
    assert str(caught.value).count("\n") == 3


@pytest.mark.parametrize("documents", [{}, {"fox.yaml": {}}, {"fox.yaml": []}, {"fox.yaml": "fox"}])
def test_what_is_no_catalog(documents: dict[str, Any]) -> None:
    with pytest.raises(BrokenCatalog):
        compile_documents(documents, None)


def test_providers_are_only_checked_where_they_are_known() -> None:
    documents = {"fox.yaml": family(setting(*OFFER, "provider", to="acme"))}
    assert compile_documents(documents, None)
    with pytest.raises(BrokenCatalog, match="there is no provider 'acme'"):
        compile_documents(documents, {"fal"})


def test_a_price_book_is_named_by_its_day_and_contents() -> None:
    def version(*changed: Any) -> str:
        return str(compiled(*changed)["models"][0]["price_books"][0]["version"])

    first = version()
    assert re.fullmatch(r"2026-01-01-[0-9a-f]{12}", first)
    assert version(setting("name", to="Renamed")) == first
    others = {version(setting(*ROW, "rate", to="0.11")), version(setting("meters", "seconds", "divide_by", to=10))}
    assert len(others | {first}) == 3


def test_a_book_that_starts_later_is_not_used_before() -> None:
    model = catalog.from_compiled("v", compiled(book("2026-12-01", rate="0.2"))).model("fox-1")
    inputs = {"seconds": 10}
    assert model.quote(inputs, datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC), Terms()).expected_micros == 1_000_000
    assert model.quote(inputs, datetime(2026, 12, 1, tzinfo=UTC), Terms()).expected_micros == 2_000_000


def test_offers_have_distinct_ids() -> None:
    offers = compiled(second_offer)["models"][0]["offers"]
    assert [offer["offer_id"] for offer in offers] == ["fox-1@fal", "fox-1@openai-2"]


def test_a_family_with_variants_is_a_label() -> None:
    assert compiled()["families"] == {}
    labelled = compile_documents({"fox.yaml": family() | {"variant_required": True}}, None)
    assert labelled["families"] == {"fox": ["fox-1"]}
