"""What only shows across shapes: inputs without a price, rows that nothing hits, names that lead nowhere."""

from collections.abc import Callable
from typing import Any

import pytest

from gateway.catalog.checks import Fault
from gateway.catalog.compiling import BrokenCatalog, compile_documents
from tests.unit.gateway.faults import faults
from tests.unit.gateway.fox import OFFER, TIERS, Changed, compiled, family, rows, second_offer, setting


def test_the_sound_source_is_sound() -> None:
    assert [model["id"] for model in compiled()["models"]] == ["fox-1"]


@pytest.mark.parametrize(
    "whens",
    [
        ({"tier": "high"}, {"tier": "low"}),
        ({"tier": ["high", "low"]},),
        ({"loud": True}, {"loud": False}),
        ({"seconds": {"lt": 5}}, {"seconds": {"gte": 5, "lte": 10}}, {"seconds": {"gt": 10}}),
        ({"seconds": [3, 4]}, {"seconds": {"gt": 4}}),
        ({"speed": {"lt": 1}}, {"speed": {"gte": 1}}),
        ({"style": "flat"}, {}),
        ({"loop": True}, {}),
        ({"image": {"present": True}}, {"image": {"present": False}}),
        ({"images": {"count": {"lte": 1}}}, {"images": {"count": {"gt": 1}}}),
        ({"tier": "high", "loud": True}, {"tier": "high"}, {"loud": True}, {}),
    ],
)
def test_a_table_that_covers_everything_passes(whens: tuple[dict[str, Any], ...]) -> None:
    assert compiled(rows(*whens))


@pytest.mark.parametrize(
    ("whens", "example"),
    [
        (({"tier": "high"},), "'tier': 'low'"),
        (({"loud": True},), "{'loud': False}"),
        (({"loop": True}, {"loop": False}), "{'loop': None}"),
        (({"seconds": {"lt": 5}}, {"seconds": {"gt": 5}}), "{'seconds': 5}"),
        (({"seconds": [3, 15]},), "{'seconds': 4}"),
        (({"seconds": {"lte": 8}}, {"seconds": {"gte": 12}}), "{'seconds': 9}"),
        (({"speed": {"lt": 1}}, {"speed": {"gt": 1}}), "{'speed': 1}"),
        (({"speed": {"lte": 1}}, {"speed": {"gte": 1.5}}), "{'speed': 1.25}"),
        (({"style": ["flat", "deep"]},), "'style': None"),
        (({"style": {"present": False}}, {"style": "flat"}), "'style': 'flatx'"),
        (({"image": {"present": True}},), "{'image': None}"),
        (({"images": {"count": {"lte": 3}}},), "'images': ["),
        (({"tier": "high"}, {"loud": True}), "{'loud': False, 'style': None, 'tier': 'low'}"),
    ],
)
def test_an_input_without_a_row_is_named(whens: tuple[dict[str, Any], ...], example: str) -> None:
    found = faults(rows(*whens))
    assert any(fault.startswith("fox-1: no price row for ") and example in fault for fault in found), found


def test_many_inputs_without_a_row_are_named_by_a_few() -> None:
    found = faults(rows({"tier": "high", "loud": True, "loop": True, "style": "flat", "speed": {"gt": 1}}))
    assert len(found) == 6
    assert found[-1].startswith("fox-1: no price row for ")
    assert found[-1].endswith(" more combinations")


@pytest.mark.parametrize(
    "whens",
    [
        ({}, {"tier": "high"}),
        ({"tier": ["low", "high"]}, {}),
        ({"seconds": {"gte": 3}}, {"seconds": {"gt": 10}}),
        ({"loud": True}, {"loud": False}, {"tier": "low"}),
    ],
)
def test_a_row_that_is_never_hit_is_named(whens: tuple[dict[str, Any], ...]) -> None:
    last = len(whens) - 1
    assert faults(rows(*whens)) == [f"fox-1: price row '{last}' can never be hit"]


def test_a_rule_rules_out_what_needs_no_row() -> None:
    # The low tier has no style, so a row for it could never be hit.
    styled = rows({"tier": "low", "style": "flat"}, {"tier": "low"}, {"tier": "high"})
    assert faults(styled) == ["fox-1: price row '0' can never be hit"]


def costs(*whens: dict[str, Any], **fields: Any) -> Changed:
    """Give the offer a table of what its provider asks, with rows of these conditions."""
    row = {"unit": "video_second", "rate": "0.05", "meter": "seconds", "modality": "video"} | fields
    listed = [{"row_id": str(number), "when": when} | row for number, when in enumerate(whens)]
    return setting(*OFFER, "costs", to=[{"effective_from": "2026-01-01", "source": "a list", "rows": listed}])


def test_what_a_provider_asks_covers_everything_that_its_offer_serves() -> None:
    assert faults(costs({"tier": "high"})) == ["fox-1: no price row for {'style': None, 'tier': 'low'}"]
    assert faults(costs({}, {"tier": "low"})) == ["fox-1: price row '1' can never be hit"]
    assert compiled(costs(*TIERS))

    def partly(model: dict[str, Any]) -> None:
        model["offers"].insert(0, model["offers"][0] | {"provider": "openai", "when": {"tier": "high"}})
        costs({"tier": "high"})(model)

    assert compiled(partly)


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        (costs({}, meter="minutes"), "row '0' uses the unknown meter 'minutes'"),
        (costs({"mood": "dark"}), "'mood' is used but is not one of the inputs"),
    ],
)
def test_what_a_provider_asks_is_said_in_the_models_own_words(changed: Changed, fault: str) -> None:
    assert fault in faults(changed)[0]


def test_an_endpoint_that_is_never_called_is_named() -> None:
    endpoints = [{"endpoint": "a", "when": {"tier": [*("low", "high")]}}, {"endpoint": "b"}]
    assert faults(setting(*OFFER, "endpoints", to=endpoints)) == ["fox-1: endpoint 'b' can never be called"]


def test_conditions_over_too_much_are_a_fault_of_their_model() -> None:
    wide = {f"w{number}": {"enum": list("abcdefgh"), "default": "a"} for number in range(6)}

    def change(model: dict[str, Any]) -> None:
        model["inputs"] |= wide
        rows(dict.fromkeys(wide, "a"), {})(model)

    (fault,) = faults(change)
    assert "more than 50000 combinations" in fault


def broken(**documents: Any) -> list[Fault]:
    with pytest.raises(BrokenCatalog) as caught:
        compile_documents({f"{name}.yaml": one for name, one in documents.items()}, {"fal"})
    return caught.value.faults


def test_an_id_that_is_used_twice_names_both_documents() -> None:
    assert broken(fox=family(), other=family()) == [
        Fault("other.yaml", ("models", 0, "id"), "'fox-1' is already defined in fox.yaml")
    ]


def test_a_family_label_is_no_models_id() -> None:
    (fault,) = broken(fox=family() | {"family": "fox-1", "variant_required": True})
    assert fault.message == "'fox-1' is already defined in fox.yaml"


def test_a_provider_must_be_one_that_can_be_called() -> None:
    assert broken(fox=family(setting(*OFFER, "provider", to="acme"))) == [
        Fault("fox.yaml", ("models", 0, "offers", 0), "fox-1: there is no provider 'acme'")
    ]


END = setting(*OFFER, "sunset_at", to="2026-12-24")
SUCCESSOR = setting("successor", to="fox-2")


def image(model: dict[str, Any]) -> None:
    """Make an image model of it."""
    model |= {"kind": "image", "video_audio": None}


@pytest.mark.parametrize(
    ("first", "second", "fault"),
    [
        ((END,), (), "every offer ends, so a `successor` must be named"),
        ((SUCCESSOR,), None, "the successor 'fox-2' is not another model of the catalog"),
        ((setting("successor", to="fox-1"),), (), "the successor 'fox-1' is not another model of the catalog"),
        ((SUCCESSOR,), (image,), "the successor 'fox-2' makes image"),
        (
            (END, SUCCESSOR),
            (END, setting("successor", to="fox-1")),
            "the successor 'fox-2' ends on 2026-12-24, not after 2026-12-24",
        ),
    ],
)
def test_a_model_that_ends_leads_on(
    first: tuple[Callable[[dict[str, Any]], object], ...], second: Any, fault: str
) -> None:
    documents = {"fox": family(*first)} | ({} if second is None else {"other": family(*second, model_id="fox-2")})
    assert broken(**documents)[0].message == f"fox-1: {fault}"


def test_a_successor_that_may_stand_in_a_broken_document_is_not_missed() -> None:
    found = broken(fox=family(SUCCESSOR), other=family(setting("kind", to="smell"), model_id="fox-2"))
    assert [fault.document for fault in found] == ["other.yaml"]


def test_a_model_without_an_end_may_still_name_one_to_prefer() -> None:
    documents = {"a.yaml": family(SUCCESSOR), "b.yaml": family(rows(*TIERS), model_id="fox-2")}
    assert len(compile_documents(documents, {"fal"})["models"]) == 2


@pytest.mark.parametrize(
    "changes",
    [
        (setting(*OFFER, "when", to={"tier": "low"}),),
        (second_offer, END, setting("offers", 1, "when", to={"tier": "low"})),
    ],
)
def test_every_request_is_served_until_the_model_ends(changes: tuple[Changed, ...]) -> None:
    assert "fox-1: no offer serves every request until the model ends" in faults(*changes)


def test_an_offer_may_serve_some_requests() -> None:
    found = compiled(second_offer, setting("offers", 1, "when", to={"tier": "low"}))["models"][0]["offers"]
    assert [offer.get("when") for offer in found] == [None, {"tier": "low"}]
