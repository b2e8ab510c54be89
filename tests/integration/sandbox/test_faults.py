"""Every fault, at both providers, as the table in infra/sandbox/faults.py says."""

from __future__ import annotations

import base64
import io
import time
from typing import Any

import httpx
import pytest
from PIL import Image

from infra.sandbox.faults import MOMENTS
from infra.sandbox.hostile import INTERNALS, PRIVATE_URL
from tests.integration.sandbox.support import SandboxControl, WebhookReceiver, probe, until

NANO = "/fal-ai/nano-banana"
IMAGES = "/images/generations"
SPEECH = "/audio/speech"


@pytest.fixture
def openai_http(sandbox_url: str) -> Any:
    headers = {"Authorization": "Bearer sk-sandbox"}
    with httpx.Client(base_url=f"{sandbox_url}/openai/v1", headers=headers, timeout=30) as client:
        yield client


def draw(openai_http: httpx.Client, prompt: str = "a fox", **more: Any) -> httpx.Response:
    return openai_http.post(IMAGES, json={"model": "gpt-image-2", "prompt": prompt, "quality": "low"}, **more)


def speak(openai_http: httpx.Client, text: str = "Hello there, fox.") -> httpx.Response:
    return openai_http.post(SPEECH, json={"model": "tts-1", "voice": "alloy", "input": text})


def result(fal_http: httpx.Client, app: str = NANO, **inputs: Any) -> httpx.Response:
    accepted = fal_http.post(app, json={"prompt": "a fox", **inputs})
    assert accepted.status_code == 200
    until(lambda: fal_http.get(accepted.json()["status_url"]).status_code == 200, "the job completes")
    return fal_http.get(accepted.json()["response_url"])


def output_url(fal_http: httpx.Client) -> str:
    url: str = result(fal_http).json()["images"][0]["url"]
    return url


@pytest.mark.parametrize(("fault", "status"), [("refuse", 403), ("rate_limit", 429), ("server_error", 500)])
def test_not_accepted(
    fal_http: httpx.Client, openai_http: httpx.Client, control: SandboxControl, fault: str, status: int
) -> None:
    control.arm(fault, "fal")
    control.arm(fault, "openai")
    fal = fal_http.post(NANO, json={"prompt": "a fox"})
    assert fal.status_code == status
    assert isinstance(fal.json()["detail"], str)
    openai = draw(openai_http)
    assert openai.status_code == status
    assert set(openai.json()["error"]) == {"message", "type", "param", "code"}
    assert {fal.headers.get("retry-after"), openai.headers.get("retry-after")} == {"1" if status == 429 else None}
    assert control.paid() == 0
    assert [call["status"] for call in control.calls()] == [status, status]
    assert control.armed() == []
    assert draw(openai_http).status_code == 200


def test_accepted_and_never_answered_at_fal(
    fal_http: httpx.Client, control: SandboxControl, webhooks: WebhookReceiver
) -> None:
    control.arm("accept_then_timeout", "fal")
    params = {"fal_webhook": webhooks.url}
    with pytest.raises(httpx.ReadTimeout):
        fal_http.post(NANO, params=params, json={"prompt": "a hidden fox"}, timeout=0.3)
    webhooks.wait_for(1)
    [call] = control.calls()
    assert (call["paid"], call["accepted"], call["status"]) == (True, True, None)
    assert call["request_id"] == control.job("a hidden fox")["request_id"]


def test_the_connection_is_dropped_in_the_end(
    fal_http: httpx.Client, openai_http: httpx.Client, control: SandboxControl
) -> None:
    control.arm("accept_then_timeout", times=2, seconds=0.2)
    with pytest.raises(httpx.RemoteProtocolError):
        fal_http.post(NANO, json={"prompt": "a fox"})
    with pytest.raises(httpx.RemoteProtocolError):
        draw(openai_http)
    assert control.paid() == 2


def test_accepted_and_never_answered_at_openai(openai_http: httpx.Client, control: SandboxControl) -> None:
    control.arm("accept_then_timeout", "openai")
    control.arm("never_finish", "openai", match="silent")
    for prompt in ("a fox", "a silent fox"):
        with pytest.raises(httpx.ReadTimeout):
            draw(openai_http, prompt, timeout=0.5)
    assert control.paid(provider="openai") == 2


def test_bad_json(fal_http: httpx.Client, openai_http: httpx.Client, control: SandboxControl) -> None:
    control.arm("bad_json", times=2)
    for answer in (fal_http.post(NANO, json={"prompt": "a cut fox"}), draw(openai_http)):
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
            answer.json()
    assert control.paid() == 2
    control.wait_finished("a cut fox")


def test_slow(fal_http: httpx.Client, openai_http: httpx.Client, control: SandboxControl) -> None:
    control.arm("slow", times=2, seconds=0.4)
    result(fal_http)
    [job] = [job for job in control.jobs() if job["finished_at"]][-1:]
    assert job["finished_at"] - job["accepted_at"] >= 0.4
    began = time.monotonic()
    assert draw(openai_http).status_code == 200
    assert time.monotonic() - began >= 0.4


def test_never_finish(fal_http: httpx.Client, control: SandboxControl, webhooks: WebhookReceiver) -> None:
    control.arm("never_finish", "fal", match="endless")
    accepted = fal_http.post(NANO, params={"fal_webhook": webhooks.url}, json={"prompt": "endless at fal"}).json()
    until(lambda: control.job("endless at fal")["state"] == "running", "the job runs")
    result(fal_http)
    assert fal_http.get(accepted["status_url"]).json()["status"] == "IN_PROGRESS"
    assert webhooks.received == []
    assert control.paid() == 2
    assert fal_http.put(accepted["cancel_url"]).status_code == 202


def test_fail_after_accept(fal_http: httpx.Client, openai_http: httpx.Client, control: SandboxControl) -> None:
    control.arm("fail_after_accept", times=2)
    accepted = fal_http.post(NANO, json={"prompt": "a fox"}).json()
    until(lambda: fal_http.get(accepted["status_url"]).status_code == 200, "the job completes")
    status = fal_http.get(accepted["status_url"]).json()
    assert (status["status"], status["error_type"]) == ("COMPLETED", "runner_server_error")
    assert status["error"]
    failed = fal_http.get(accepted["response_url"])
    assert (failed.status_code, failed.headers["x-fal-error-type"]) == (500, "runner_server_error")
    assert draw(openai_http).status_code == 500
    assert control.paid() == 2


def test_filtered(fal_http: httpx.Client, openai_http: httpx.Client, control: SandboxControl) -> None:
    control.arm("filtered", times=2)
    accepted = fal_http.post(NANO, json={"prompt": "a fox"}).json()
    until(lambda: fal_http.get(accepted["status_url"]).status_code == 200, "the job completes")
    assert fal_http.get(accepted["status_url"]).json()["error"] is None
    blocked = fal_http.get(accepted["response_url"])
    assert blocked.status_code == 422
    assert blocked.json()["detail"][0]["type"] == "content_policy_violation"
    refused = draw(openai_http)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "moderation_blocked")
    assert (control.paid(provider="fal"), control.paid(provider="openai")) == (1, 0)


@pytest.mark.parametrize(
    ("app", "inputs", "empty"),
    [
        (NANO, {}, {"images": [], "description": ""}),
        ("/fal-ai/kling-video/v3/standard/text-to-video", {}, {"video": None}),
        ("/fal-ai/elevenlabs/music", {}, {"audio": None}),
    ],
)
def test_empty_output_at_fal(
    fal_http: httpx.Client, control: SandboxControl, app: str, inputs: Any, empty: dict[str, Any]
) -> None:
    control.arm("empty_output")
    answer = result(fal_http, app, **inputs)
    assert (answer.status_code, answer.json()) == (200, empty)


def test_empty_output_at_openai(openai_http: httpx.Client, control: SandboxControl) -> None:
    control.arm("empty_output", times=2)
    assert draw(openai_http).json()["data"] == []
    spoken = speak(openai_http)
    assert (spoken.status_code, spoken.content) == (200, b"")
    assert control.paid() == 2


def test_expired_output_url(fal_http: httpx.Client, control: SandboxControl) -> None:
    control.arm("expired_output_url", "fal")
    expired, good = output_url(fal_http), output_url(fal_http)
    assert [httpx.get(expired).status_code for _ in range(2)] == [404, 404]
    assert httpx.get(good).status_code == 200


def test_truncated_output(fal_http: httpx.Client, openai_http: httpx.Client, control: SandboxControl) -> None:
    url = output_url(fal_http)
    whole = httpx.get(url).content
    control.arm("truncated_output", "fal")
    received: list[bytes] = []
    with httpx.stream("GET", url) as answer:
        assert int(answer.headers["content-length"]) == len(whole)
        with pytest.raises(httpx.RemoteProtocolError):
            received.extend(answer.iter_raw())
    assert b"".join(received) == whole[: len(whole) // 2]
    assert httpx.get(url).content == whole
    control.arm("truncated_output", "openai", times=2)
    encoded = draw(openai_http).json()["data"][0]["b64_json"]
    with pytest.raises(OSError, match="truncated"):
        Image.open(io.BytesIO(base64.b64decode(encoded))).load()
    with pytest.raises(httpx.RemoteProtocolError):
        speak(openai_http)


def test_wrong_content_type(fal_http: httpx.Client, openai_http: httpx.Client, control: SandboxControl) -> None:
    control.arm("wrong_content_type", times=3)
    answer = httpx.get(output_url(fal_http))
    assert answer.headers["content-type"].startswith("text/html")
    assert Image.open(io.BytesIO(answer.content)).format == "PNG"
    encoded = draw(openai_http).json()
    assert encoded["output_format"] == "png"
    assert Image.open(io.BytesIO(base64.b64decode(encoded["data"][0]["b64_json"]))).format == "JPEG"
    spoken = speak(openai_http)
    assert spoken.headers["content-type"].startswith("text/html")
    assert probe(spoken.content).audio_seconds


def test_huge_output(fal_http: httpx.Client, openai_http: httpx.Client, control: SandboxControl) -> None:
    control.arm("huge_output", times=3)
    with httpx.stream("GET", output_url(fal_http)) as answer:
        assert int(answer.headers["content-length"]) == 64 * 1024**3
        received = 0
        for piece in answer.iter_raw():
            received += len(piece)
            if received > 20_000_000:
                break
    body = {"model": "tts-1", "voice": "alloy", "input": "Hello."}
    with openai_http.stream("POST", SPEECH, json=body) as answer:
        assert int(answer.headers["content-length"]) == 64 * 1024**3
    with openai_http.stream("POST", IMAGES, json={"model": "gpt-image-2", "prompt": "a fox"}) as answer:
        assert int(answer.headers["content-length"]) == 64 * 1024**3
    # The sandbox has noticed that its clients left, and answers as before.
    assert draw(openai_http).status_code == 200


def test_times(openai_http: httpx.Client, control: SandboxControl) -> None:
    control.arm("server_error", times=2)
    assert [draw(openai_http).status_code for _ in range(3)] == [500, 500, 200]
    for endless in (0, None):
        control.arm("server_error", "openai", times=endless)
        assert [draw(openai_http).status_code for _ in range(3)] == [500, 500, 500]
        control.arm("none", "fal")
        assert len(control.armed()) == 1
        control.arm("none", "openai")
        assert draw(openai_http).status_code == 200


def test_several_faults_for_different_matches(
    fal_http: httpx.Client, openai_http: httpx.Client, control: SandboxControl
) -> None:
    control.arm("rate_limit", match="wolf")
    control.arm("server_error", "openai", match="bear")
    control.arm("refuse", match="seedance")
    assert draw(openai_http, "a fox").status_code == 200
    assert draw(openai_http, "a bear").status_code == 500
    assert fal_http.post(NANO, json={"prompt": "a wolf"}).status_code == 429
    seedance = "/bytedance/seedance-2.0/fast/text-to-video"
    assert fal_http.post(seedance, json={"prompt": "a fox"}).status_code == 403
    assert control.armed() == []


def test_faults_of_different_moments_strike_together(fal_http: httpx.Client, control: SandboxControl) -> None:
    control.arm("expired_output_url")
    control.arm("slow", seconds=0.2)
    control.arm("bad_json")
    fal_http.post(NANO, json={"prompt": "an unlucky fox"})
    control.wait_finished("an unlucky fox")
    assert control.armed() == []


def test_a_refused_submission_leaves_the_later_faults_armed(fal_http: httpx.Client, control: SandboxControl) -> None:
    control.arm("filtered")
    control.arm("server_error")
    assert fal_http.post(NANO, json={"prompt": "a fox"}).status_code == 500
    assert [fault["fault"] for fault in control.armed()] == ["filtered"]
    assert result(fal_http).status_code == 422


def test_queue_calls_are_struck_by_a_match_of_their_path_only(fal_http: httpx.Client, control: SandboxControl) -> None:
    accepted = fal_http.post(NANO, json={"prompt": "a fox"}).json()
    until(lambda: control.job_by_id(accepted["request_id"])["state"] == "finished", "the job finishes")
    control.arm("server_error", "fal")
    control.arm("rate_limit", "fal", match="nano-banana")
    assert fal_http.get(accepted["status_url"]).status_code == 200
    control.arm("refuse", "fal", match="/status")
    assert fal_http.get(accepted["response_url"]).status_code == 200
    assert fal_http.get(accepted["status_url"]).status_code == 403
    control.arm("bad_json", "fal", match="/requests/")
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        fal_http.get(accepted["status_url"]).json()
    control.arm("slow", "fal", match="/requests/", seconds=0.3)
    began = time.monotonic()
    assert fal_http.get(accepted["response_url"]).status_code == 200
    assert time.monotonic() - began >= 0.3


def test_hostile_answers_to_accepted_submissions(
    fal_http: httpx.Client, openai_http: httpx.Client, control: SandboxControl
) -> None:
    def fal() -> httpx.Response:
        return fal_http.post(NANO, json={"prompt": "a fox"})

    control.arm("html", times=2)
    for answer in (fal(), draw(openai_http)):
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert INTERNALS in answer.text
    control.arm("wrong_type", times=3)
    assert isinstance(fal().json()["request_id"], list)
    assert isinstance(draw(openai_http).json()["data"], dict)
    assert speak(openai_http).json() == [INTERNALS]
    control.arm("redirect", times=2)
    for answer in (fal(), draw(openai_http)):
        assert (answer.status_code, answer.headers["location"]) == (302, PRIVATE_URL)
    control.arm("surplus_outputs", "openai", times=2)
    assert len(draw(openai_http).json()["data"]) == 3
    assert speak(openai_http).headers["content-type"] == "audio/mpeg"
    control.arm("unknown_status", "fal")
    assert fal().json()["status"] == "reticulating"
    for fault in ("drip", "huge_answer"):
        control.arm(fault, "fal")
        with fal_http.stream("POST", NANO, json={"prompt": "a fox"}) as endless:
            pieces = endless.iter_raw()
            assert [next(pieces), next(pieces)]
    assert control.armed() == []
    assert control.paid() == len(control.calls())


def test_hostile_answers_to_calls_about_a_job(fal_http: httpx.Client, control: SandboxControl) -> None:
    accepted = fal_http.post(NANO, json={"prompt": "a fox"}).json()
    until(lambda: fal_http.get(accepted["status_url"]).status_code == 200, "the job completes")
    control.arm("unknown_status", "fal", match="/status")
    control.arm("surplus_outputs", "fal", match=accepted["request_id"])
    assert fal_http.get(accepted["status_url"]).json()["status"] == "reticulating"
    assert len(fal_http.get(accepted["response_url"]).json()["images"]) == 3


def test_hostile_downloads(fal_http: httpx.Client, control: SandboxControl) -> None:
    url = output_url(fal_http)
    for fault, status in (
        ("refuse", 403),
        ("rate_limit", 429),
        ("server_error", 500),
        ("redirect", 302),
        ("html", 200),
    ):
        control.arm(fault, "fal", match="/files/")
        assert httpx.get(url).status_code == status
    control.arm("accept_then_timeout", "fal", match="/files/", seconds=0.1)
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(url)
    control.arm("drip", "fal", match="/files/")
    with httpx.stream("GET", url) as endless:
        assert next(endless.iter_raw()) == b" "
    assert httpx.get(url).headers["content-type"] == "image/png"


def test_every_fault_is_tested_here_or_with_fals_webhooks() -> None:
    webhooks = {"lost_webhook", "duplicate_webhook", "forged_webhook"}
    tested = {
        "refuse", "rate_limit", "server_error", "accept_then_timeout", "bad_json", "slow", "never_finish",
        "fail_after_accept", "filtered", "empty_output", "expired_output_url", "truncated_output",
        "wrong_content_type", "huge_output", "html", "wrong_type", "drip", "redirect", "huge_answer",
        "surplus_outputs", "unknown_status",
    }  # fmt: skip
    assert set(MOMENTS) == tested | webhooks
