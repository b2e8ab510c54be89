"""Log lines carry the ids of what they are about, and only those; a measurement is one line."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from gateway import telemetry


@pytest.fixture
def lines() -> Iterator[Any]:
    """Reads the lines that were logged."""
    stream = io.StringIO()
    handler = telemetry.logger.registered_handler
    before, level = handler.stream, telemetry.logger.log_level
    handler.stream = stream
    telemetry.logger.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    telemetry.forget()
    telemetry.logger.setLevel(level)
    handler.stream = before


def test_bound_ids_stand_on_every_line_until_they_are_forgotten(lines: Any) -> None:
    telemetry.bind(request_id="req", project_id="demo", attempt_id=None)
    telemetry.logger.info("one")
    telemetry.bind(generation_id="gen")
    telemetry.logger.info("two", extra={"model": "nano-banana"})
    telemetry.forget()
    telemetry.logger.info("three")
    one, two, three = lines()
    assert (one["request_id"], one["project_id"]) == ("req", "demo")
    assert {"attempt_id", "generation_id"}.isdisjoint(one)
    assert (two["request_id"], two["generation_id"], two["model"]) == ("req", "gen", "nano-banana")
    assert set(telemetry.IDS).isdisjoint(three)
    assert "model" not in three


def test_a_step_names_its_generation_and_nothing_after_it(lines: Any) -> None:
    with telemetry.step("gen_1"):
        telemetry.bind(attempt_id="att_1", provider="fal")
        telemetry.logger.info("inside")
    telemetry.logger.info("after")
    inside, after = lines()
    assert (inside["generation_id"], inside["attempt_id"], inside["provider"]) == ("gen_1", "att_1", "fal")
    assert set(telemetry.IDS).isdisjoint(after)


def test_a_step_that_fails_is_over_too(lines: Any) -> None:
    with pytest.raises(RuntimeError), telemetry.step("gen_1"):
        raise RuntimeError
    telemetry.logger.info("after")
    assert "generation_id" not in lines()[0]


def test_lines_are_json_with_utc_times(lines: Any) -> None:
    telemetry.logger.info("Fußgänger")
    (line,) = lines()
    assert (line["message"], line["level"]) == ("Fußgänger", "INFO")
    assert line["timestamp"].endswith(("+00:00", "Z"))


def test_a_measurement_is_one_line_with_units_and_dimensions(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "false")
    telemetry.measure({"GenerationsCompleted": 1, "SettledMicros": 672_000, "TotalSeconds": 1.5}, model="nano-banana")
    (line,) = capsys.readouterr().out.splitlines()
    written = json.loads(line)
    (directive,) = written["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Museway"
    assert {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]} == {
        "GenerationsCompleted": "Count",
        "SettledMicros": "Count",
        "TotalSeconds": "Seconds",
    }
    assert written["model"] == "nano-banana"
    assert written["SettledMicros"] == [672_000]
    assert any("model" in dimensions for dimensions in directive["Dimensions"])
