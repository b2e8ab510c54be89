"""The catalog that ships: every file is in it, every legal input has a price, an endpoint and a body."""

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from gateway import catalog, limits, pricing, templates
from gateway.catalog import proof
from gateway.catalog.source import MODELS_DIRECTORY, compile_catalog
from gateway.errors import GatewayError
from gateway.limits.requests import EXTENSIONS, from_native, from_typed
from gateway.pricing import Terms
from infra import catalog as checkout
from tests.unit.gateway.shipped import COMPILED, NOW, SNAPSHOT

COMBINATIONS_MAX = 500
MODELS = list(SNAPSHOT.models.values())
each_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.model_id)


@each_model
def test_how_many_outputs_are_asked_for_is_known(model: catalog.Model) -> None:
    """Whatever lets a caller ask for several is counted: what comes beyond is the provider's mistake."""
    usual = {name: one.default for name, one in model.limits.inputs.items() if one.default is not None}
    counting = {"num_images", "max_images", "num_outputs", "n"} & set(model.limits.inputs)
    several = [name for name in counting if model.limits.inputs[name].maximum != 1]
    for name in several:
        assert pricing.outputs_of(model.meters, {**usual, name: 3}) == 3
    assert pricing.outputs_of(model.meters, usual) == 1


def test_compiling_is_deterministic_and_plain_json() -> None:
    assert compile_catalog() == COMPILED
    assert json.loads(json.dumps(COMPILED)) == COMPILED
    assert catalog.from_compiled("v", json.loads(json.dumps(COMPILED))) == catalog.from_compiled("v", COMPILED)


def test_it_passes_the_operators_check() -> None:
    report = checkout.check(now=NOW)
    assert report["faults"] == []
    assert report["summary"]["models"] == len(MODELS)


def test_every_source_file_is_in_it() -> None:
    written = [yaml.safe_load(path.read_text()) for path in MODELS_DIRECTORY.glob("*.yaml")]
    assert {model["id"] for family in written for model in family["models"]} == set(SNAPSHOT.models)
    labels = {family["family"] for family in written if family.get("variant_required")}
    assert set(SNAPSHOT.families) == labels
    for label, variants in SNAPSHOT.families.items():
        assert label not in SNAPSHOT.models
        assert set(variants) <= set(SNAPSHOT.models)


@each_model
def test_every_model_has_an_offer_of_a_provider_that_we_know(model: catalog.Model) -> None:
    assert model.offers
    for offer in model.offers:
        assert offer.provider in COMPILED["providers"]
        assert 0 < offer.typical_seconds < offer.deadline_seconds
    assert len({offer.offer_id for offer in model.offers}) == len(model.offers)


@each_model
def test_every_rate_and_offer_says_where_it_stands(model: catalog.Model) -> None:
    (source,) = (item for item in COMPILED["models"] if item["id"] == model.model_id)
    assert all(book["source"] for book in source["price_books"])
    assert all(offer["source"] and offer["cost_basis"] for offer in source["offers"])


def legal_inputs(model: catalog.Model) -> Iterator[dict[str, Any]]:
    """Combinations of the inputs that prices and endpoints depend on, at all choices and edges."""
    whens = [item.when for offer in model.offers for item in (*offer.endpoints, *offer.request.cases)]
    asked = model.inputs_priced | {name for when in whens for name in when}
    names = sorted(asked & set(model.limits.inputs))
    plain = {name: value for name, value in proof.plain_inputs(model).items() if name in model.limits.inputs}
    choices = [choices_of(model.limits.inputs[name]) for name in names]
    for values in itertools.islice(itertools.product(*choices), COMBINATIONS_MAX):
        given = {name: value for name, value in zip(names, values, strict=True) if value is not None}
        yield plain | given
    yield plain


def choices_of(item: limits.Input) -> list[Any]:
    absent = [] if item.required else [None]
    if item.enum:
        return [*absent, *item.enum]
    if item.type == "boolean":
        return [*absent, True, False]
    if item.type in {"integer", "seconds"}:
        low, high = int(item.minimum or 0), int(item.maximum or 0)
        return [*absent, *(range(low, high + 1) if high - low < 20 else (low, low + 1, high - 1, high))]
    return [*absent, stand_in(item)]


def stand_in(item: limits.Input) -> Any:
    url = f"https://example.com/a.{EXTENSIONS[item.media.kind][0]}" if item.media else ""
    return {
        "media": url,
        "media_list": [url] * max(item.min_items, 1),
        "objects": None,
        "size": next(iter(item.presets), None),
        "number": float(item.minimum or 1),
    }.get(item.type, "a fox")


@each_model
def test_every_legal_input_has_a_price_an_endpoint_and_a_body(model: catalog.Model) -> None:
    count = 0
    for inputs in legal_inputs(model):
        try:
            found = from_native(model.limits, inputs, model.inputs_priced)
        except GatewayError:
            continue  # not legal together: a rule, or media that the generation type does not take
        count += 1
        priced = model.quote(found.inputs, NOW, Terms())
        assert priced.maximum_micros >= priced.expected_micros >= 0
        assert priced.maximum_micros > 0
        assert {line.unit for line in priced.lines} <= pricing.UNITS
        assert json.loads(json.dumps(priced.to_dict())) == priced.to_dict()
        for offer in model.offers:
            assert offer.endpoint(found.inputs)
            assert json.dumps(templates.render(offer.request, found.inputs))
    assert count


@each_model
def test_typed_requests_reach_every_generation_type(model: catalog.Model) -> None:
    plain = {name: value for name, value in proof.plain_inputs(model).items() if name in model.limits.inputs}
    placed = {name for source in model.limits.sources for name in source.into}
    for name in model.limits.generation_types:
        counts = [(source.kind, source.count(name)) for source in model.limits.sources]
        urls = [
            f"https://example.com/{number}.{EXTENSIONS[kind][0]}" for kind, (low, _) in counts for number in range(low)
        ]
        request = {key: value for key, value in plain.items() if key not in placed}
        found = from_typed(model.limits, request | {"generation_type": name, "source_media_urls": urls})
        assert found.inputs["generation_type"] == name
        assert model.quote(found.inputs, NOW, Terms()).maximum_micros > 0


def test_every_unit_prices_something_that_is_served() -> None:
    used = {
        part.unit
        for model in SNAPSHOT.models.values()
        if model.live_offers(NOW)
        for row in pricing.book_at(model.price_books, NOW).rows
        for part in row.components
    }
    assert used == pricing.UNITS
