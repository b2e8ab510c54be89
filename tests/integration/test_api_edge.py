"""The edge of the API: headers of every answer, failures without insides, pages, logs and metrics."""

import base64
import importlib
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway import ledger, tables, telemetry, views
from gateway.provider import ForgedWebhook
from infra import manifest
from infra.openapi import text as openapi_text
from tests.integration.world import PROJECT, World

CANARY = "fox-of-many-colours"


def test_every_route_answers_with_its_request_id_and_its_overhead(museway: World) -> None:
    for route in manifest.ROUTES:
        path = re.sub(r"\{.*?\}", "nothing", route.path)
        for key in ("", None):
            answer = museway.answer(route.method, path, {} if route.method == "POST" else None, key=key)
            assert re.fullmatch(r"req-\d+", answer["headers"]["x-request-id"]), route
            assert re.fullmatch(r"\d+\.\d", answer["headers"]["x-gateway-overhead-ms"]), route
            if answer["statusCode"] >= 400:
                assert json.loads(answer["body"])["request_id"] == answer["headers"]["x-request-id"]
            if key is None and not route.public_because:
                assert answer["statusCode"] == 401


def test_a_failure_of_ours_shows_nothing_of_our_insides(museway: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError(f"{CANARY} at /var/task/gateway/ledger.py")

    monkeypatch.setattr(ledger, "totals", broken)
    answer = museway.answer("GET", "/v1/balance")
    body = json.loads(answer["body"])
    assert answer["statusCode"] == 500
    assert set(body) == {"error", "message", "hint", "request_id"}
    assert body["error"] == "internal_error"
    assert body["request_id"] == answer["headers"]["x-request-id"]
    for inside in (CANARY, "Traceback", "RuntimeError", "/var/task", ".py"):
        assert inside not in json.dumps(answer)


def test_a_failure_of_one_request_leaves_no_ids_for_the_next(museway: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(views, "generations", lambda *_: 1 / 0)
        assert museway.request("GET", "/v1/generations")[0] == 500
    assert not set(telemetry.IDS) & set(telemetry.logger.get_current_keys())


def test_bodies_may_come_in_base64(museway: World) -> None:
    body = {"model": "nano-banana", "prompt": "ein Füchslein 🦊"}
    encoded = base64.b64encode(json.dumps(body, ensure_ascii=False).encode()).decode()
    answer = museway.answer("POST", "/v1/generate/media", encoded, base64_encoded=True)
    assert answer["statusCode"] == 202
    [generation] = museway._generations()
    order = tables.Order.find(generation["generation_id"]["S"])
    assert "Füchslein 🦊" in order.offers[0]["body"]["prompt"]


@pytest.mark.parametrize("body", ["%%%", base64.b64encode(b"\xff\xfe{").decode()])
def test_bytes_that_are_no_text_are_refused(museway: World, body: str) -> None:
    answer = museway.answer("POST", "/v1/generate/media", body, base64_encoded=True)
    assert (answer["statusCode"], json.loads(answer["body"])["field"]) == (422, "body")


def test_the_megabyte_is_counted_in_bytes_of_the_body_itself(museway: World) -> None:
    def sent(size: int) -> Any:
        raw = json.dumps({"model": "nano-banana", "prompt": "x"}).encode()
        return museway.answer(
            "POST", "/v1/estimate", base64.b64encode(raw + b" " * (size - len(raw))).decode(), base64_encoded=True
        )

    assert sent(1_000_000)["statusCode"] == 200
    assert sent(1_000_001)["statusCode"] == 413


def test_health_tells_versions(museway: World) -> None:
    status, body, _ = museway.request("GET", "/health", key=None)
    _, models, _ = museway.request("GET", "/v1/models", key=None)
    assert status == 200
    assert body["status"] == "ok"
    assert body["catalog_version"] == models["catalog_version"]
    assert body["stage"] == "test"
    version = re.search(r'^version = "(.*)"$', Path("pyproject.toml").read_text(), re.MULTILINE)
    assert version
    assert body["version"] == version[1]


def test_the_documentation_is_served(museway: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    docs = importlib.import_module("functions.docs.handler")
    copy = tmp_path / "openapi.json"
    copy.write_text(openapi_text())
    monkeypatch.setattr(docs, "OPENAPI", copy)
    docs._page.cache_clear()

    document = museway.answer("GET", "/openapi.json", key=None)
    assert document["statusCode"] == 200
    assert json.loads(document["body"])["openapi"].startswith("3.1")
    paths = {route.path for route in manifest.ROUTES if not route.path.startswith(("/v1/callbacks", "/docs", "/open"))}
    described = {
        path.replace("{model_id}", "{model_id+}").replace("{session_id}/cost", "{session_id+}")
        for path in json.loads(document["body"])["paths"]
    }
    assert described >= paths - {"/health"}

    page = museway.answer("GET", "/docs", key=None)
    assert page["statusCode"] == 200
    assert "text/html" in str(page["headers"])
    assert "/v1/generate/media" in page["body"]
    assert not re.search(r"<(script|link)[^>]+(src|href)=\"https?://", page["body"])  # nothing from elsewhere


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Everything that is logged from INFO on."""
    written, shown = io.StringIO(), telemetry.logger.registered_handler
    monkeypatch.setattr(shown, "stream", written)
    levels = telemetry.logger.log_level, shown.level
    telemetry.logger.setLevel("INFO")
    shown.setLevel("INFO")
    yield written
    shown.setLevel(levels[1])
    telemetry.logger.setLevel(levels[0])


def logged(lines: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def test_log_lines_lead_from_a_request_to_its_attempt_and_back(museway: World, lines: io.StringIO) -> None:
    museway.provider.seconds = 5.0
    status, body, headers = museway.request("POST", "/v1/generate/media", {"model": "nano-banana", "prompt": CANARY})
    assert status == 202
    museway.settle_down()
    found = logged(lines)
    generation_id = body["generation_id"]
    of_generation = [line for line in found if line.get("generation_id") == generation_id]
    assert {line["project_id"] for line in of_generation} == {PROJECT}
    steps = {
        "generation submitted", "execution started", "attempt submitted", "callback received", "provider finished",
        "outputs collected", "generation completed", "end announced",
    }  # fmt: skip
    assert {line["message"] for line in of_generation} == steps
    for line in of_generation:
        if line["message"] in steps - {"callback received"}:
            assert line["request_id"] == headers["x-request-id"], line
        if line["message"] not in {"generation submitted", "execution started"}:
            assert line["attempt_id"] == f"{generation_id}-1", line
    assert all("generation_id" not in line for line in found if line["message"] == "reconciled")


@pytest.mark.parametrize("script", ["deliver", "fail", "refuse", "lose_answer", "deliver_nothing", "never_finish"])
def test_no_log_line_holds_a_secret(
    museway: World, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    museway.provider.script = script
    source = f"http://files.test/a.png?X-Amz-Signature={CANARY}"
    edit = {"generation_type": "image-to-image", "source_media_urls": [source]}
    body = {"model": "nano-banana", "prompt": CANARY, "metadata": {"a": CANARY}} | edit
    generation_id = museway.request("POST", "/v1/generate/media", body)[1]["generation_id"]
    museway.settle_down()
    museway.request("GET", f"/v1/generations/{generation_id}")
    # Refused at every stage, and failing on our side.
    museway.request("POST", "/v1/generate/media", body | {"model": CANARY})
    museway.request("POST", "/v1/generate/media", body | {"source_media_urls": f"https://10.0.0.1/{CANARY}"})
    museway.request("POST", "/v1/generate/media", body | {"aspect_ratio": CANARY})
    museway.request("POST", "/v1/generate/media", '{"prompt": "' + CANARY)
    museway.request("GET", "/v1/balance", key=museway.api_key[:-1])

    def forged(*_: Any) -> None:
        raise ForgedWebhook("bad signature")

    monkeypatch.setattr(museway.provider, "webhook_reference", forged)
    if submission := museway.provider.submissions.get(f"{generation_id}-1"):
        callback = str(submission.webhook_url).removeprefix("https://museway.test")
        assert museway.request("POST", callback, {"prompt": CANARY}, key=None)[0] == 401
        assert callback.rsplit("/", 1)[1] not in lines.getvalue()
    monkeypatch.setattr(ledger, "totals", lambda *_: 1 / 0)
    assert museway.request("GET", "/v1/balance")[0] == 500

    assert len(logged(lines)) > 10
    for secret in (CANARY, museway.api_key, museway.api_key[15:47], "X-Amz-Signature", "Bearer"):
        assert secret not in lines.getvalue()


@pytest.fixture
def metrics(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """The metric lines written since it was last asked: name, value, unit and dimensions."""
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "false")

    def read() -> list[tuple[str, float, str, dict[str, str]]]:
        found = []
        for line in capsys.readouterr().out.splitlines():
            if "_aws" not in line:
                continue
            blob = json.loads(line)
            [directive] = blob["_aws"]["CloudWatchMetrics"]
            assert directive["Namespace"] == "Museway"
            [dimensions] = directive["Dimensions"]
            for metric in directive["Metrics"]:
                value = blob[metric["Name"]]
                assert not isinstance(value, str)
                values = value if isinstance(value, list) else [value]
                found += [(metric["Name"], one, metric["Unit"], {d: blob[d] for d in dimensions}) for one in values]
        return found

    return read


def values(found: Any, name: str) -> list[float]:
    return [value for metric, value, _, _ in found if metric == name]


def test_a_generation_is_counted_from_submit_to_settle(museway: World, metrics: Any) -> None:
    museway.generate(num_images=2)
    submitted = metrics()
    assert values(submitted, "GenerationsSubmitted") == [1]
    assert values(submitted, "HeldMicros") == [78_000]
    museway.settle_down()
    done = metrics()
    assert values(done, "GenerationsCompleted") == [1]
    assert values(done, "SettledMicros") == [39_000]  # one of two was delivered
    seconds = [(name, unit) for name, _, unit, _ in done if name.endswith("Seconds")]
    assert len(seconds) == 4
    assert {unit for _, unit in seconds} == {"Seconds"}
    assert all(dimensions["service"] for *_, dimensions in submitted + done)
    assert {dimensions.get("model") for name, *_, dimensions in done if name == "SettledMicros"} == {"nano-banana"}


def test_phases_add_up_to_the_whole(museway: World, metrics: Any) -> None:
    museway.clock.sleep(3)
    museway.provider.seconds = 20.0
    museway.generate()
    museway.clock.sleep(7)
    museway.settle_down()
    phases = {
        dimensions.get("phase") or name: value for name, value, _, dimensions in metrics() if name.endswith("Seconds")
    }
    whole = max(phases.values())
    assert whole >= 27
    assert sum(phases.values()) == pytest.approx(2 * whole, abs=0.01)


@pytest.mark.parametrize(
    ("script", "reason"), [("fail", "provider_error"), ("refuse", "invalid_inputs"), ("never_finish", "provider_lost")]
)
def test_a_failure_is_counted_with_its_reason_and_what_was_released(
    museway: World, metrics: Any, script: str, reason: str
) -> None:
    museway.provider.script = script
    museway.generate()
    museway.settle_down()
    found = metrics()
    assert [(value, d["reason"]) for name, value, _, d in found if name == "GenerationsFailed"] == [(1, reason)]
    assert values(found, "ReleasedMicros") == [39_000]
    assert values(found, "GenerationsCompleted") == []


def test_refused_keys_and_failures_of_ours_are_counted(
    museway: World, metrics: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    museway.request("GET", "/v1/balance", key=None)
    assert values(metrics(), "KeysRefused") == [1]
    monkeypatch.setattr(ledger, "totals", lambda *_: 1 / 0)
    museway.request("GET", "/v1/balance")
    [(_, value, _, dimensions)] = [m for m in metrics() if m[0] == "UnexpectedFailures"]
    assert (value, dimensions["error"]) == (1, "ZeroDivisionError")


def test_a_replay_and_a_refusal_are_not_counted_as_submitted(museway: World, metrics: Any) -> None:
    body = {"model": "nano-banana", "prompt": "x"}
    for _ in range(3):
        museway.request("POST", "/v1/generate/media", body, headers={"Idempotency-Key": "k"})
    museway.request("POST", "/v1/generate/media", {"model": "nano-banana"})
    found = metrics()
    assert values(found, "GenerationsSubmitted") == [1]
    assert sum(values(found, "HeldMicros")) == 39_000
