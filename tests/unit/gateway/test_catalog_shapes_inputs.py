"""Inputs, sources and rules as a person writes them."""

import pytest

from tests.unit.gateway.faults import faults
from tests.unit.gateway.fox import Changed, compiled, setting

SECONDS = ("inputs", "seconds")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (setting("inputs", "x", to={"type": "smell"}), "type"),
        (setting("inputs", "x", to={"colour": "red"}), "colour: Extra inputs are not permitted"),
        (setting("inputs", "x", to={"type": "media"}), "says which `media` it takes"),
        (setting("inputs", "x", to={"media": "image"}), "says which `media` it takes"),
        (setting("inputs", "x", to={"type": "media", "media": "smell"}), "media"),
        (setting("inputs", "x", to={"type": "objects"}), "has `entries`"),
        (setting("inputs", "x", to={"type": "size"}), "has `presets`"),
        (setting("inputs", "x", to={"type": "seconds"}), "has an `enum`, or a `minimum` and a `maximum`"),
        (setting("inputs", "x", to={"type": "seconds", "enum": [4.5]}), "seconds are whole"),
        (setting("inputs", "x", to={"type": "objects", "entries": {"a": {}}, "one_of": ["b"]}), "which is no entry"),
        (setting("inputs", "x", to={"enum": ["a"], "aliases": {"b": "c"}}), "an alias stands for a value of the enum"),
        (setting(*SECONDS, "default", to=16), "the default 16 is out of range"),
        (setting(*SECONDS, "default", to="5"), "the default '5' is not of type integer"),
        (setting("inputs", "tier", "default", to="top"), "the default 'top' is not in the enum"),
        (
            setting("inputs", "x", to={"type": "size", "presets": {"a": [1, 1]}, "default": "b"}),
            "the default 'b' is no preset",
        ),
        (setting("sources", 0, "counts", to={"text-to-video": [3, 1]}), "counts are [fewest, most]"),
        (setting("rules", 0, "code", to="Not a code"), "code"),
        (setting("rules", 0, "require", to={}), "require"),
    ],
)
def test_a_fault_is_named(change: Changed, fault: str) -> None:
    found = faults(change)
    assert any(fault in line for line in found), found


def test_a_kind_alone_stands_for_what_is_usual() -> None:
    media = compiled()["models"][0]["inputs"]["image"]["media"]
    assert media == {
        "kind": "image",
        "formats": ["image/jpeg", "image/png", "image/webp"],
        "bytes_max": 10_000_000,
    }
    smaller = setting("inputs", "image", "media", to={"kind": "image", "bytes_max": 5})
    assert compiled(smaller)["models"][0]["inputs"]["image"]["media"] == media | {"bytes_max": 5}
