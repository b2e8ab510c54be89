"""A model as a person writes it: names that resolve, media that fit, anchors that are only referred to."""

from typing import Any

import pytest

from gateway.catalog.compiling import compile_documents
from tests.unit.gateway.faults import faults
from tests.unit.gateway.fox import OFFER, Changed, compiled, family, rows, setting, without

RULE: dict[str, Any] = {"code": "c", "field": "f", "when": {}, "require": {"tier": "low"}, "message": "m"}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (setting("colour", to="red"), "colour: Extra inputs are not permitted"),
        (without("name"), "name: Field required"),
        (setting("id", to="Fox 1"), "id: String should match pattern"),
        (setting("kind", to="smell"), "kind"),
        (setting("generation_types", to=["text-to-smell"]), "generation_types"),
        (setting("capabilities", to={}), "capabilities"),
        (setting("price_books", to=[]), "price_books"),
        (setting("offers", to=[]), "offers"),
        (setting("fields", to={"look": "styel"}), "'styel' is used but is not one of the inputs"),
        (setting("fields", to={"tier": "style"}), "['tier'] is an input"),
        (setting("fields", to={"model": "style"}), "['model'] is ours and cannot be an input"),
        (setting("rules", to=[RULE | {"when": {"tierr": "low"}}]), "'tierr' is used"),
        (setting("rules", to=[RULE | {"require": {"tier": "top"}}]), "'tier' is never 'top'"),
        (setting("references", to=[{"text": "promt", "entries": "images", "key": "k"}]), "'promt' is used"),
        (rows({"tiers": "high"}, {}), "'tiers' is used but is not one of the inputs"),
        (rows({"tier": "top"}, {}), "'tier' is never 'top'"),
        (rows({"seconds": {"above": 3}}, {}), "the condition on 'seconds' cannot be {'above': 3}"),
        (rows({"tier": {"gt": 3}}, {}), "'tier' has no range"),
        (rows({"seconds": {"count": {"gt": 1}}}, {}), "'seconds' has no count"),
        (rows({"generation_type": "text-to-image"}, {}), "the model never does 'text-to-image'"),
        (setting(*OFFER, "request", to={"cases": [{"when": {"tier": "top"}, "send": {}}]}), "'tier' is never 'top'"),
        (setting("video_audio", to=None), "says what its `video_audio` is"),
        (setting("video_audio", to="toggle_via_sound_param"), "toggle_via_sound_param means a `sound` parameter"),
        (setting("sources", 0, "into", to="img"), "'img' is used"),
        (setting("sources", 0, "into", to="prompt"), "'prompt' is no place for a source of kind image"),
        (setting("sources", 0, "kind", to="video"), "'images' is no place for a source of kind video"),
        (setting("sources", 0, "counts", to={"text-to-video": [0, 5]}), "'images' has room for 4 sources"),
        (setting("sources", 0, "counts", to={"image-to-video": [1, 2]}), "which the model does not do"),
        (setting("meters", "seconds", to={"sum_of": ["minutes"]}), "is made of the unknown ['minutes']"),
        (setting("meters", "seconds", to={"sum_of": ["seconds"]}), "a meter is made of itself"),
        (setting("price_books", 0, "rows", 0, "meter", to="minutes"), "row 'one' uses the unknown meter"),
        (
            lambda model: model["price_books"].append(model["price_books"][0]),
            "two price books start on the same day",
        ),
    ],
)
def test_a_fault_is_named(change: Changed, fault: str) -> None:
    found = faults(change)
    assert any(fault in line for line in found), found


def test_what_is_shared_is_only_referred_to() -> None:
    assert compile_documents({"fox.yaml": family() | {"shared": {"anything": ["at", "all"]}}}, None) == compiled()


@pytest.mark.parametrize("contents", [None, [], "fox", {"family": "fox", "models": []}, {"models": []}])
def test_what_is_no_family(contents: Any) -> None:
    from gateway.catalog.compiling import BrokenCatalog

    with pytest.raises(BrokenCatalog):
        compile_documents({"empty.yaml": contents}, None)
