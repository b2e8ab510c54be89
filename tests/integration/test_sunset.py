"""Models end: notice for 90 days, then a refusal that names the successor and the difference in price."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.integration.world import World

SPEECH = {"model": "openai/tts-1", "prompt": "Hello."}
WARNING = "'openai/tts-1' is served until 2027-01-06; its successor is 'elevenlabs/eleven-v3'."


def turn_to(museway: World, day: datetime) -> None:
    museway.clock.seconds += (day - museway.clock.now()).total_seconds()


def status_of(museway: World, model: str) -> str:
    return museway.request("GET", f"/v1/models/{model}", key=None)[1]["status"]


@pytest.mark.parametrize("path", ["/v1/estimate", "/v1/generate/media"])
def test_a_retired_model_names_its_successor_and_what_the_call_costs_there(museway: World, path: str) -> None:
    before = museway.totals()
    status, body, _ = museway.request("POST", path, {"model": "sora-2", "prompt": "a fox", "duration": "10s"})
    assert (status, body["error"], body["retired_on"]) == (410, "model_retired", "2026-09-24")
    assert (body["successor"], body["price_micros"], body["successor_price_micros"]) == (
        "veo3-1-fast", 1_000_000, 1_200_000,
    )  # fmt: skip
    assert body["price_difference_micros"] == 200_000
    assert museway.totals() == before
    assert museway._generations() == []


@pytest.mark.parametrize(
    ("given", "known"),
    [({"duration": "7s"}, {"price_micros": None, "successor_price_micros": 1_200_000}),
     ({"prompt": None, "duration": "10s"}, {"price_micros": None, "successor_price_micros": None})],
)  # fmt: skip
def test_a_call_that_one_of_them_does_not_take_has_no_difference(
    museway: World, given: dict[str, Any], known: dict[str, Any]
) -> None:
    status, body, _ = museway.request("POST", "/v1/estimate", {"model": "sora-2", "prompt": "a fox"} | given)
    assert (status, body["successor"], body.get("price_difference_micros")) == (410, "veo3-1-fast", None)
    assert {name: body.get(name) for name in known} == known


def test_notice_is_given_on_every_answer_for_ninety_days(museway: World) -> None:
    museway.provider.extension, museway.provider.script = "mp3", "deliver_at_once"
    assert museway.request("POST", "/v1/estimate", SPEECH)[1]["warnings"] == [WARNING]
    _, accepted, _ = museway.request("POST", "/v1/generate/media", SPEECH)
    assert accepted["warnings"] == [WARNING]
    museway.settle_down()
    assert museway.generation(accepted["generation_id"])["warnings"] == [WARNING]
    assert museway.request("POST", "/v1/estimate", {"model": "nano-banana", "prompt": "x"})[1]["warnings"] == []
    # 90 days before 2027-03-15, and the day before that.
    turn_to(museway, datetime(2026, 12, 14, 23, 59, 59, tzinfo=UTC))
    assert status_of(museway, "nano-banana") == "active"
    turn_to(museway, datetime(2026, 12, 15, tzinfo=UTC))
    assert status_of(museway, "nano-banana") == "ending"
    assert museway.request("POST", "/v1/estimate", {"model": "nano-banana", "prompt": "x"})[1]["warnings"]


def test_a_model_ends_at_midnight_and_what_was_accepted_before_is_finished(museway: World) -> None:
    museway.provider.extension, museway.provider.script = "mp3", "deliver_at_once"
    turn_to(museway, datetime(2027, 1, 5, 23, 59, 59, tzinfo=UTC))
    assert status_of(museway, "openai/tts-1") == "ending"
    _, accepted, _ = museway.request("POST", "/v1/generate/media", SPEECH)
    turn_to(museway, datetime(2027, 1, 6, tzinfo=UTC))
    assert status_of(museway, "openai/tts-1") == "retired"
    status, body, _ = museway.request("POST", "/v1/generate/media", SPEECH)
    assert (status, body["error"], body["successor"]) == (410, "model_retired", "elevenlabs/eleven-v3")
    museway.settle_down()
    assert museway.generation(accepted["generation_id"])["status"] == "completed"
