"""One version of the catalog in memory: models are found, families are not models, offers and models end."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from gateway import catalog
from gateway.errors import UnknownModel, VariantRequired
from tests.unit.gateway.fox import compiled, second_offer, setting
from tests.unit.gateway.shipped import SNAPSHOT


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
        "available_variants": list(SNAPSHOT.families["seedance-2-fast"]),
    }


@pytest.mark.parametrize(
    ("model", "inputs", "endpoint"),
    [
        ("nano-banana", {}, "fal-ai/nano-banana"),
        ("nano-banana", {"image_urls": []}, "fal-ai/nano-banana"),
        ("nano-banana", {"image_urls": ["https://a/b.png"]}, "fal-ai/nano-banana/edit"),
        ("gpt-image-2", {"image_urls": ["https://a/b.png"]}, "openai/gpt-image-2/edit"),
        ("seedance-2-fast-480p", {"image_urls": []}, "bytedance/seedance-2.0/fast/text-to-video"),
        (
            "seedance-2-fast-480p",
            {"image_urls": ["https://a/b"], "generation_type": "image-to-video"},
            "bytedance/seedance-2.0/fast/image-to-video",
        ),
        ("openai/tts-1", {}, "audio/speech"),
    ],
)
def test_the_endpoint_follows_from_the_inputs(model: str, inputs: dict[str, Any], endpoint: str) -> None:
    assert SNAPSHOT.model(model).offers[0].endpoint(inputs) == endpoint


def fox(*changed: Any) -> catalog.Model:
    snapshot = catalog.from_compiled("v", compiled(*changed) | {"families": {}})
    return snapshot.model("fox-1")


def ending(on: str, offer: int = 0) -> Any:
    return setting("offers", offer, "sunset_at", to=on)


def test_a_model_without_an_end() -> None:
    model, now = fox(), datetime(2099, 1, 1, tzinfo=UTC)
    assert (model.ends_on, model.is_ending(now)) == (None, False)
    assert len(model.live_offers(now)) == 1


@pytest.mark.parametrize(
    ("now", "is_ending", "is_alive"),
    [
        (datetime(2026, 9, 24, 23, 59, tzinfo=UTC), False, True),
        (datetime(2026, 9, 25, tzinfo=UTC), True, True),
        (datetime(2026, 12, 23, 23, 59, 59, tzinfo=UTC), True, True),
        (datetime(2026, 12, 24, tzinfo=UTC), True, False),
        # The day is UTC's, wherever the clock stands.
        (datetime(2026, 12, 24, 8, tzinfo=timezone(timedelta(hours=9))), True, True),
    ],
)
def test_a_model_ends_with_its_only_offer(now: datetime, is_ending: bool, is_alive: bool) -> None:
    model = model_ending("2026-12-24")
    assert model.ends_on == date(2026, 12, 24)
    assert (model.is_ending(now), bool(model.live_offers(now))) == (is_ending, is_alive)


def model_ending(*days: str) -> catalog.Model:
    """The fox, whose offers end on these days. Not checked: it names no successor."""
    family = compiled(second_offer) if len(days) > 1 else compiled()
    for number, day in enumerate(days):
        family["models"][0]["offers"][number]["sunset_at"] = day
    return catalog.from_compiled("v", family).model("fox-1")


def test_a_model_lives_as_long_as_its_last_offer() -> None:
    model = model_ending("2026-12-24", "2027-03-01")
    assert model.ends_on == date(2027, 3, 1)
    live = model.live_offers(datetime(2027, 1, 1, tzinfo=UTC))
    assert [offer.provider for offer in live] == ["openai"]
    assert fox(second_offer, ending("2026-12-24")).ends_on is None


def test_an_offer_serves_what_it_says() -> None:
    always, lows = fox(second_offer, setting("offers", 1, "when", to={"tier": "low"})).offers
    served = [(always.serves({"tier": tier}), lows.serves({"tier": tier})) for tier in ("low", "high")]
    assert served == [(True, True), (True, False)]
