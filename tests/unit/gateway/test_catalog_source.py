"""The shipped catalog is sound, and a source that is not is refused with its file and its fault."""

import copy
import itertools
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway import catalog, limits, pricing, providers, templates
from gateway.catalog.source import MODELS_DIRECTORY, CatalogError, compile_catalog
from gateway.pricing import Terms
from tests.unit.gateway.shipped import COMPILED, NOW, SNAPSHOT

PNG = "https://example.com/a.png"
MODELS = list(SNAPSHOT.models.values())
each_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.model_id)


# What ships.


def test_compiling_is_deterministic_and_plain_json() -> None:
    assert compile_catalog() == COMPILED
    assert json.loads(json.dumps(COMPILED)) == COMPILED
    assert catalog.from_compiled("v", json.loads(json.dumps(COMPILED))) == catalog.from_compiled("v", COMPILED)


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
        assert offer.provider in providers.BASE_URLS
        assert 0 < offer.typical_seconds < offer.deadline_seconds
    assert len({offer.offer_id for offer in model.offers}) == len(model.offers)


@each_model
def test_every_rate_and_offer_says_where_it_stands(model: catalog.Model) -> None:
    (source,) = (item for item in COMPILED["models"] if item["id"] == model.model_id)
    assert all(book["source"] for book in source["price_books"])
    assert all(offer["source"] and offer["cost_basis"] for offer in source["offers"])


def legal_inputs(model: catalog.Model) -> Iterator[dict[str, Any]]:
    """Every combination of the inputs that prices and endpoints depend on, at all choices and edges."""
    whens = [item.when for offer in model.offers for item in (*offer.endpoints, *offer.request.cases)]
    names = sorted(model.inputs_priced | {name for when in whens for name in when})
    choices = [choices_of(model.limits.inputs[name]) for name in names]
    for values in itertools.product(*choices):
        given = {name: value for name, value in zip(names, values, strict=True) if value is not None}
        required = {name: stand_in(item) for name, item in model.limits.inputs.items() if item.required}
        yield required | given


def choices_of(item: limits.Input) -> list[Any]:
    absent = [] if item.required else [None]
    if item.enum:
        return [*absent, *item.enum]
    if item.type == "boolean":
        return [*absent, True, False]
    if item.type == "integer":
        low, high = int(item.minimum or 0), int(item.maximum or 0)
        return [*absent, *(range(low, high + 1) if high - low < 20 else (low, low + 1, high - 1, high))]
    return [*absent, stand_in(item)]


def stand_in(item: limits.Input) -> Any:
    return {"media": PNG, "media_list": [PNG], "text": "a fox"}[item.type]


@each_model
def test_every_legal_input_has_a_price_an_endpoint_and_a_body(model: catalog.Model) -> None:
    count = 0
    for inputs in legal_inputs(model):
        try:
            found = limits.from_native(model.limits, inputs, model.inputs_priced)
        except limits.BadRequest as refused:
            if refused.error_code not in {rule.code for rule in model.limits.rules}:
                raise
            continue
        count += 1
        priced = model.quote(found.inputs, NOW, Terms())
        assert priced.expected_micros > 0
        assert {line.unit for line in priced.lines} <= pricing.UNITS
        assert json.loads(json.dumps(priced.to_dict())) == priced.to_dict()
        for offer in model.offers:
            assert offer.endpoint(found.inputs)
            assert "prompt" in templates.render(offer.request, found.inputs) or "prompt" not in found.inputs
    assert count


@each_model
def test_typed_requests_reach_every_generation_type(model: catalog.Model) -> None:
    for name in model.limits.generation_types:
        counts = [(source.kind, source.counts.get(name, (0, 0))) for source in model.limits.sources]
        for number in range(3):
            urls = [
                f"https://example.com/{n}.png" for _, (low, high) in counts for n in range((low, high, low)[number])
            ]
            request = {"prompt": "a fox", "generation_type": name, "source_media_urls": urls}
            found = limits.from_typed(model.limits, request)
            assert len(found.media) == len(urls)
            assert model.quote(found.inputs, NOW, Terms()).expected_micros > 0


# What is refused.

SOUND: dict[str, Any] = {
    "family": "fox",
    "models": [
        {
            "id": "fox-1",
            "name": "Fox",
            "kind": "video",
            "modes": ["video"],
            "capabilities": {},
            "generation_types": ["text-to-video"],
            "estimated_time_seconds": 30,
            "inputs": {
                "prompt": {"required": True},
                "tier": {"enum": ["low", "high"], "default": "low"},
                "sound": {"type": "boolean", "default": False},
                "seconds": {"type": "integer", "minimum": 3, "maximum": 15, "default": 5},
                "speed": {"type": "number", "minimum": 0.5, "maximum": 2, "default": 1},
                "style": {},
                "loop": {"type": "boolean"},
                "image": {"type": "media"},
                "images": {"type": "media_list", "max_items": 4},
            },
            "meters": {"seconds": {"input": "seconds"}},
            "price_books": [
                {
                    "effective_from": "2026-01-01",
                    "source": "a list",
                    "rows": [
                        {"row_id": "one", "unit": "call", "rate": "0.1", "meter": "seconds", "modality": "video"}
                    ],
                }
            ],
            "offers": [
                {
                    "provider": "fal",
                    "endpoints": [{"endpoint": "fal-ai/fox"}],
                    "webhook": True,
                    "typical_seconds": 30,
                    "deadline_seconds": 300,
                    "cost_basis": "list",
                    "source": "a list",
                }
            ],
        }
    ],
}  # fmt: skip


def written(directory: Path, change: Callable[[dict[str, Any]], object] | None = None, name: str = "fox.yaml") -> Path:
    """A directory with the sound source in it, changed."""
    family = copy.deepcopy(SOUND)
    if change is not None:
        change(family["models"][0])
    (directory / name).write_text(yaml.safe_dump(family))
    return directory


def faults(directory: Path) -> list[str]:
    with pytest.raises(CatalogError) as caught:
        compile_catalog(directory)
    return str(caught.value).splitlines()


def rows(*whens: dict[str, Any], **fields: Any) -> Callable[[dict[str, Any]], None]:
    """Replace the table by rows with these conditions, named 0, 1, ..."""

    def change(model: dict[str, Any]) -> None:
        book = model["price_books"][0]
        plain = {key: value for key, value in book["rows"][0].items() if key != "row_id"} | fields
        book["rows"] = [{"row_id": str(number), "when": when} | plain for number, when in enumerate(whens)]

    return change


def setting(*path: str | int, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(model: dict[str, Any]) -> None:
        item: Any = model
        for part in path[:-1]:
            item = item[part]
        item[path[-1]] = to

    return change


ROW = ("price_books", 0, "rows", 0)
OFFER = ("offers", 0)


def test_the_sound_source_is_sound(tmp_path: Path) -> None:
    assert [model["id"] for model in compile_catalog(written(tmp_path))["models"]] == ["fox-1"]


@pytest.mark.parametrize(
    "whens",
    [
        ({"tier": "high"}, {"tier": "low"}),
        ({"tier": ["high", "low"]},),
        ({"sound": True}, {"sound": False}),
        ({"seconds": {"lt": 5}}, {"seconds": {"gte": 5, "lte": 10}}, {"seconds": {"gt": 10}}),
        ({"seconds": [3, 4]}, {"seconds": {"gt": 4}}),
        ({"speed": {"lt": 1}}, {"speed": {"gte": 1}}),
        ({"style": "flat"}, {}),
        ({"loop": True}, {}),
        ({"image": {"present": True}}, {"image": {"present": False}}),
        ({"images": {"count": {"lte": 1}}}, {"images": {"count": {"gt": 1}}}),
        ({"tier": "high", "sound": True}, {"tier": "high"}, {"sound": True}, {}),
    ],
)
def test_a_table_that_covers_everything_passes(tmp_path: Path, whens: tuple[dict[str, Any], ...]) -> None:
    compile_catalog(written(tmp_path, rows(*whens)))


@pytest.mark.parametrize(
    ("whens", "example"),
    [
        (({"tier": "high"},), "{'tier': 'low'}"),
        (({"sound": True},), "{'sound': False}"),
        (({"loop": True}, {"loop": False}), "{'loop': None}"),
        (({"seconds": {"lt": 5}}, {"seconds": {"gt": 5}}), "{'seconds': 5}"),
        (({"seconds": [3, 15]},), "{'seconds': 4}"),
        (({"seconds": {"lte": 8}}, {"seconds": {"gte": 12}}), "{'seconds': 9}"),
        (({"speed": {"lt": 1}}, {"speed": {"gt": 1}}), "{'speed': 1}"),
        (({"speed": {"lte": 1}}, {"speed": {"gte": 1.5}}), "{'speed': 1.25}"),
        (({"style": ["flat", "deep"]},), "{'style': None}"),
        (({"style": {"present": False}}, {"style": "flat"}), "{'style': 'flatx'}"),
        (({"image": {"present": True}},), "{'image': None}"),
        (({"images": {"count": {"lte": 3}}},), "{'images': ["),
        (({"tier": "high"}, {"sound": True}), "{'sound': False, 'tier': 'low'}"),
    ],
)
def test_an_input_without_a_row_is_named(tmp_path: Path, whens: tuple[dict[str, Any], ...], example: str) -> None:
    found = faults(written(tmp_path, rows(*whens)))
    assert any(fault.startswith(f"fox.yaml: fox-1: no price row for {example}") for fault in found), found


@pytest.mark.parametrize(
    "whens",
    [
        ({}, {"tier": "high"}),
        ({"tier": ["low", "high"]}, {}),
        ({"seconds": {"gte": 3}}, {"seconds": {"gt": 10}}),
        ({"sound": True}, {"sound": False}, {"tier": "low"}),
    ],
)
def test_a_row_that_is_never_hit_is_named(tmp_path: Path, whens: tuple[dict[str, Any], ...]) -> None:
    last = len(whens) - 1
    assert faults(written(tmp_path, rows(*whens))) == [f"fox.yaml: fox-1: price row '{last}' can never be hit"]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (setting(*ROW, "meter", to="minutes"), "unknown meter 'minutes'"),
        (setting(*ROW, "rate", to=0.1), "rate: Input should be a valid string"),
        (setting(*ROW, "rate", to="0.1e3"), "rate: String should match"),
        (setting(*ROW, "rate", to="-0.1"), "rate: String should match"),
        (setting(*ROW, "rate", to=".1"), "rate: String should match"),
        (setting(*ROW, "unit", to="minute"), "unit 'minute' is not one of"),
        (setting(*ROW, "round_up_to", to=0), "round_up_to"),
        (setting(*ROW, "minimum", to=-1), "minimum"),
        (setting(*ROW, "ratte", to="0.1"), "ratte: Extra inputs are not permitted"),
        (setting("colour", to="red"), "colour: Extra inputs are not permitted"),
        (setting("price_books", to=[]), "price_books"),
        (setting("offers", to=[]), "offers"),
        (setting("kind", to="smell"), "kind"),
        (setting("generation_types", to=["text-to-smell"]), "generation_types"),
        (setting(*OFFER, "endpoints", 0, "when", to={"tier": "low"}), "last endpoint must be unconditional"),
        (setting(*OFFER, "endpoints", to=[]), "endpoints"),
        (setting(*OFFER, "deadline_seconds", to=0), "deadline_seconds"),
        (setting(*OFFER, "request", to={"drop": ["tierr"]}), "'tierr' is used but is not one of the inputs"),
        (setting(*OFFER, "request", to={"rename": {"tierr": "x"}}), "'tierr' is used"),
        (setting(*OFFER, "request", to={"text": ["second"]}), "'second' is used"),
        (setting(*OFFER, "request", to={"cases": [{"when": {"tier": "top"}, "send": {}}]}), "'tier' is never 'top'"),
        (setting("fields", to={"sound": "audio"}), "'audio' is used"),
        (setting("sources", to=[{"kind": "image", "into": "img", "counts": {}}]), "'img' is used"),
        (setting("meters", "seconds", to={"input": "second"}), "'second' is used"),
        (setting("meters", "chars", to={"length_of": "text"}), "'text' is used"),
        (setting("meters", "seconds", "divide_by", to=0), "divide_by"),
        (setting("meters", "seconds", "divide_by", to=60), "divided by 60 is no exact decimal"),
        (setting("meters", "chars", to={"length_of": "images"}), "'images', which is no text"),
        (setting("meters", "seconds", to={"input": "tier"}), "needs a number"),
        (setting("inputs", "seconds", to={"type": "integer", "maximum": 15, "default": 5}), "minimum >= 0 and maximum"),
        (setting("inputs", "seconds", "minimum", to=-1), "minimum >= 0 and maximum"),
        (setting("inputs", "seconds", "maximum", to=None), "minimum >= 0 and maximum"),
        (setting("inputs", "seconds", "default", to=None), "'seconds', which may be absent"),
        (setting("inputs", "seconds", "default", to=16), "the default 16 is out of range"),
        (setting("inputs", "tier", "default", to="top"), "the default 'top' is not in the enum"),
        (rows({"tiers": "high"}, {}), "'tiers' is used but is not one of the inputs"),
        (rows({"tier": "top"}, {}), "'tier' is never 'top'"),
        (rows({"seconds": {"above": 3}}, {}), "the condition on 'seconds' cannot be {'above': 3}"),
        (rows({"tier": {"gt": 3}}, {}), "'tier' has no range"),
        (rows({"seconds": {"count": {"gt": 1}}}, {}), "'seconds' has no count"),
        (
            setting("rules", to=[{"code": "c", "field": "f", "when": {"tierr": "low"}, "require": {}, "message": "m"}]),
            "'tierr' is used",
        ),
        (lambda model: model["price_books"].append(model["price_books"][0]), "two price books start on the same day"),
        (lambda model: model.pop("name"), "name: Field required"),
    ],
)  # fmt: skip
def test_a_fault_is_named_with_its_file(tmp_path: Path, change: Callable[[dict[str, Any]], object], fault: str) -> None:
    found = faults(written(tmp_path, change))
    assert all(line.startswith("fox.yaml: ") for line in found)
    assert any(fault in line for line in found), found


@pytest.mark.parametrize(
    "contents", [b"models: [", b"\tfamily: fox", b"a: b: c", b"\xff\xfe\x00fox", b"family: !!python/object:os.x {}"]
)
def test_what_is_not_yaml(tmp_path: Path, contents: bytes) -> None:
    (tmp_path / "torn.yaml").write_bytes(contents)
    (fault,) = faults(tmp_path)
    assert fault.startswith("torn.yaml: is not YAML: ")


@pytest.mark.parametrize("contents", ["", "- a\n- b\n", "fox", "family: fox\nmodels: []\n"])
def test_yaml_that_is_no_family(tmp_path: Path, contents: str) -> None:
    (tmp_path / "empty.yaml").write_text(contents)
    assert all(fault.startswith("empty.yaml: ") for fault in faults(tmp_path))


def test_an_id_that_is_used_twice_names_both_files(tmp_path: Path) -> None:
    written(tmp_path)
    written(tmp_path, name="other.yaml")
    assert faults(tmp_path) == ["other.yaml: 'fox-1' is already defined in fox.yaml"]


def test_a_family_label_is_no_models_id(tmp_path: Path) -> None:
    family = copy.deepcopy(SOUND) | {"family": "fox-1", "variant_required": True}
    (tmp_path / "fox.yaml").write_text(yaml.safe_dump(family))
    assert faults(tmp_path) == ["fox.yaml: 'fox-1' is already defined in fox.yaml"]


def test_every_fault_of_every_file_is_listed(tmp_path: Path) -> None:
    written(tmp_path, rows({"tier": "high"}), name="a.yaml")
    written(tmp_path, setting("kind", to="smell"), name="b.yaml")
    (tmp_path / "c.yaml").write_text("models: [")
    assert [fault.split(":")[0] for fault in faults(tmp_path)] == ["a.yaml", "b.yaml", "c.yaml"]


def test_nothing_to_compile(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path)
    assert fault.startswith("no model in ")


# What compiling adds.


def test_a_price_book_is_named_by_its_day_and_contents(tmp_path: Path) -> None:
    def version() -> str:
        return compile_catalog(tmp_path)["models"][0]["price_books"][0]["version"]

    written(tmp_path)
    first = version()
    assert re.fullmatch(r"2026-01-01-[0-9a-f]{12}", first)
    written(tmp_path, setting("name", to="Renamed"))
    assert version() == first
    written(tmp_path, setting(*ROW, "rate", to="0.11"))
    assert version() != first
    written(tmp_path, setting("meters", "seconds", "divide_by", to=10))
    assert version() != first


def test_a_book_that_starts_later_is_not_used_before(tmp_path: Path) -> None:
    def add_later(model: dict[str, Any]) -> None:
        later = copy.deepcopy(model["price_books"][0]) | {"effective_from": "2026-12-01"}
        later["rows"][0]["rate"] = "0.2"
        model["price_books"].append(later)

    model = catalog.from_compiled("v", compile_catalog(written(tmp_path, add_later))).model("fox-1")
    inputs = {"seconds": 10}
    assert model.quote(inputs, datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC), Terms()).expected_micros == 1_000_000
    assert model.quote(inputs, datetime(2026, 12, 1, tzinfo=UTC), Terms()).expected_micros == 2_000_000


def test_offers_have_distinct_ids(tmp_path: Path) -> None:
    compiled = compile_catalog(written(tmp_path, lambda model: model["offers"].append(model["offers"][0])))
    assert [offer["offer_id"] for offer in compiled["models"][0]["offers"]] == ["fox-1@fal", "fox-1@fal-2"]
