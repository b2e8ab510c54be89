"""How long a run takes is learned from runs like it; the catalog's figure stands until there are enough."""

from datetime import timedelta

import pytest

from gateway import durations, ids
from gateway.pricing import Quote, Terms
from tests.integration.world import COMPILED, World

KLING = {"model": "kuaishou/kling-v3-t2v", "prompt": "a fox", "duration": 5}
FALLBACK_SECONDS = next(one["estimated_time_seconds"] for one in COMPILED["models"] if one["id"] == KLING["model"])


def estimate(museway: World, **given: object) -> tuple[int, str, int]:
    durations.forget()
    status, body, _ = museway.request("POST", "/v1/estimate", KLING | given)
    assert status == 200
    return body["estimated_time_seconds"], body["confidence"], body["sample_size"]


def run(museway: World, times: int, seconds: float, **given: object) -> None:
    museway.provider.extension, museway.provider.seconds = "mp4", seconds
    for _ in range(times):
        museway.generate(**(KLING | given))
        museway.settle_down()


def test_before_any_run_the_catalog_speaks(museway: World) -> None:
    assert estimate(museway) == (FALLBACK_SECONDS, "low", 0)


def test_runs_with_the_same_parameters_count(museway: World) -> None:
    run(museway, 4, seconds=20)
    assert estimate(museway) == (FALLBACK_SECONDS, "low", 0)
    run(museway, 1, seconds=20)
    seconds, confidence, sample_size = estimate(museway)
    assert (confidence, sample_size) == ("medium", 5)
    assert seconds == pytest.approx(20, rel=0.25)
    # Another length has no runs of its own, so the model's count, with little confidence.
    assert estimate(museway, duration=15) == (seconds, "low", 5)
    # Another model has learned nothing from it.
    assert estimate(museway, model="kuaishou/kling-v3-pro-t2v")[2] == 0


def test_many_runs_make_sure_and_old_ones_fade(museway: World) -> None:
    quote = Quote((), Terms(), "v1", {})
    for _ in range(30):
        durations.observe("some/model", quote, 60, ids.now())
    for seconds in (1, 3600):
        durations.observe("some/model", quote, seconds, ids.now())
    found = durations.estimate("some/model", quote, fallback_seconds=7)
    assert (found.confidence, found.sample_size) == ("high", 32)
    assert found.seconds == pytest.approx(60, rel=0.1)
    museway.clock.sleep(timedelta(weeks=3).total_seconds())
    durations.forget()
    assert durations.estimate("some/model", quote, fallback_seconds=7) == durations.Estimate(7, "low", 0)


def test_a_count_that_fails_does_not_undo_the_bill(museway: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durations, "observe", lambda *_: 1 / 0)
    generation_id = museway.generate()
    museway.settle_down()
    assert museway.generation(generation_id)["status"] == "completed"
    assert museway.violations(at_rest=True) == []
