"""The last proof: what cannot be read or priced now is named by its model."""

from datetime import UTC, datetime
from typing import Any

import pytest

from gateway import catalog
from gateway.catalog import proof
from tests.unit.gateway.fox import compiled, setting, without

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def test_a_sound_catalog_has_no_fault() -> None:
    assert proof.faults_of("v", compiled(), NOW) == {}


def test_a_price_that_only_starts_later_is_none() -> None:
    assert proof.faults_of("v", compiled(), datetime(2025, 12, 31, tzinfo=UTC)) == {
        "fox-1": "has no price: no price book is in force yet"
    }


@pytest.mark.parametrize("broken", [{}, {"models": [{}], "families": {}}, {"models": None, "families": {}}])
def test_what_cannot_be_read(broken: dict[str, Any]) -> None:
    (fault,) = proof.faults_of("v", broken, NOW).values()
    assert fault.startswith("cannot be read: ")


def test_a_catalog_without_models() -> None:
    assert proof.faults_of("v", {"models": [], "families": {}}, NOW) == {proof.WHOLE: "has no model"}


def inputs_of(*changed: Any) -> dict[str, Any]:
    return proof.plain_inputs(catalog.from_compiled("v", compiled(*changed)).model("fox-1"))


def required(kind: str, **fields: Any) -> Any:
    return setting("inputs", "given", to={"type": kind, "required": True} | fields)


@pytest.mark.parametrize(
    ("changed", "value"),
    [
        (required("text"), "text"),
        (required("text", enum=["b", "a"]), "b"),
        (required("integer", minimum=3, maximum=9), 3),
        (required("number", minimum=0.5), 0.5),
        (required("boolean"), False),
        (required("media", media="image"), "https://example.com/media"),
        (required("media_list", media="image", min_items=2, max_items=4), ["https://example.com/media"] * 2),
        (required("objects", entries={"text": {"required": True}, "n": {"type": "integer", "default": 4}}),
         [{"n": 4, "text": "text"}]),
        (required("size", presets={"square": [512, 512]}, minimum=64, maximum=2048), "square"),
    ],
)  # fmt: skip
def test_what_is_required_is_given_in_the_least_form(changed: Any, value: Any) -> None:
    assert inputs_of(changed)["given"] == value


def test_defaults_and_the_fewest_sources_are_given() -> None:
    fewest = setting("sources", 0, "counts", to={"text-to-video": [2, 4]})
    assert inputs_of(fewest) == {
        "prompt": "text",
        "tier": "low",
        "loud": False,
        "seconds": 5,
        "speed": 1,
        "images": ["https://example.com/media"] * 2,
        "generation_type": "text-to-video",
    }
    single = (
        without("sources"),
        setting("sources", to=[{"kind": "image", "into": ["image"], "counts": {"text-to-video": [1, 1]}}]),
    )
    assert inputs_of(*single)["image"] == "https://example.com/media"


def test_a_sum_is_that_of_its_entries() -> None:
    shots = setting("inputs", "shots", to={
        "type": "objects", "required": True, "min_items": 2, "max_items": 5,
        "entries": {"length": {"type": "integer", "minimum": 1, "maximum": 20, "required": True}},
    })  # fmt: skip
    total = setting("inputs", "total", to={"type": "seconds", "enum": [10, 15], "sum_of": ["shots", "length"]})
    assert inputs_of(shots, total)["shots"] == [{"length": 9}, {"length": 1}]
