"""fal's wire form where the client does not show it, and its webhooks as fal documents their verification."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from typing import Any

import httpx
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.integration.sandbox.support import Received, SandboxControl, WebhookReceiver, until

APP = "/fal-ai/nano-banana"
EDIT = "/fal-ai/nano-banana/edit"


def signature_is_valid(jwks: dict[str, Any], webhook: Received) -> bool:
    """The steps of https://docs.fal.ai/model-endpoints/webhooks."""
    header = {name: webhook.headers[f"x-fal-webhook-{name}"] for name in ("request-id", "user-id", "timestamp")}
    assert abs(time.time() - int(header["timestamp"])) <= 300
    message = "\n".join((*header.values(), hashlib.sha256(webhook.body).hexdigest())).encode()
    signature = bytes.fromhex(webhook.headers["x-fal-webhook-signature"])
    for key in jwks["keys"]:
        x = base64.urlsafe_b64decode(key["x"] + "=" * (-len(key["x"]) % 4))
        try:
            Ed25519PublicKey.from_public_bytes(x).verify(signature, message)
        except InvalidSignature:
            continue
        return True
    return False


@pytest.fixture
def jwks(sandbox_url: str) -> dict[str, Any]:
    keys: dict[str, Any] = httpx.get(f"{sandbox_url}/fal/.well-known/jwks.json").json()
    return keys


def submit(fal_http: httpx.Client, prompt: str, webhooks: WebhookReceiver | None = None) -> dict[str, Any]:
    params = {"fal_webhook": f"{webhooks.url}/hook?token=abc"} if webhooks else {}
    answer = fal_http.post(APP, params=params, json={"prompt": prompt})
    assert answer.status_code == 200
    accepted: dict[str, Any] = answer.json()
    return accepted


def test_the_answer_to_a_submission(fal_http: httpx.Client, sandbox_url: str, control: SandboxControl) -> None:
    source = "data:image/png;base64," + "AAAA"
    answer = fal_http.post(EDIT, json={"prompt": "a fox", "image_urls": [source]})
    accepted = answer.json()
    url = f"{sandbox_url}/fal/fal-ai/nano-banana/requests/{accepted['request_id']}"
    assert accepted == {
        "status": "IN_QUEUE",
        "queue_position": 0,
        "request_id": accepted["request_id"],
        "gateway_request_id": accepted["request_id"],
        "response_url": url,
        "status_url": f"{url}/status",
        "cancel_url": f"{url}/cancel",
    }
    assert answer.headers["x-fal-request-id"] == accepted["request_id"]
    [call] = control.calls()
    assert call["path"] == f"/fal{EDIT}"
    assert call["request_id"] == accepted["request_id"]
    assert call["prompt"] == "a fox"
    assert abs(call["at"] - time.time()) < 30


def test_status_codes_along_a_job(fal_http: httpx.Client, control: SandboxControl) -> None:
    control.speed(0.4)
    accepted = submit(fal_http, "a fox")
    seen: list[tuple[int, str]] = []

    def finished() -> bool:
        answer = fal_http.get(accepted["status_url"])
        assert answer.json()["logs"] is None
        seen.append((answer.status_code, answer.json()["status"]))
        return seen[-1][1] == "COMPLETED"

    early = fal_http.get(accepted["response_url"])
    assert (early.status_code, early.json()) == (400, {"detail": "Request is still in progress"})
    until(finished, "the job completes")
    assert set(seen) == {(202, "IN_QUEUE"), (202, "IN_PROGRESS"), (200, "COMPLETED")}
    with_logs = fal_http.get(accepted["status_url"], params={"logs": 1}).json()
    assert with_logs["logs"]
    assert fal_http.get(accepted["response_url"]).status_code == 200


@pytest.mark.parametrize("authorization", [None, "Bearer sandbox-key", "Key"])
def test_without_a_key(sandbox_url: str, control: SandboxControl, authorization: str | None) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    for method, path in (("POST", APP), ("GET", f"{APP}/requests/x"), ("PUT", f"{APP}/requests/x/cancel")):
        answer = httpx.request(method, f"{sandbox_url}/fal{path}", headers=headers)
        assert answer.status_code == 401
        assert isinstance(answer.json()["detail"], str)
    assert control.paid() == 0


@pytest.mark.parametrize(
    ("app", "body", "loc", "kind"),
    [
        (APP, {}, ["body", "prompt"], "missing"),
        (APP, {"prompt": ""}, ["body", "prompt"], "string_too_short"),
        (APP, {"prompt": "a fox", "aspect_ratio": "7:5"}, ["body", "aspect_ratio"], "literal_error"),
        (EDIT, {"prompt": "a fox"}, ["body", "image_urls"], "missing"),
        ("/fal-ai/elevenlabs/tts/eleven-v3", {"prompt": "a fox"}, ["body", "text"], "missing"),
        ("/fal-ai/elevenlabs/music", {"prompt": "x", "music_length_ms": 10}, ["body", "music_length_ms"], None),
        ("/fal-ai/kling-video/v3/standard/text-to-video", {"prompt": "x", "duration": 5}, ["body", "duration"], None),
        ("/fal-ai/kling-video/v3/standard/image-to-video", {"prompt": "x"}, ["body", "start_image_url"], "missing"),
        ("/fal-ai/veo3.1/fast", {"prompt": "x", "duration": "5s"}, ["body", "duration"], "literal_error"),
        ("/fal-ai/kling-video/v3/turbo/pro/text-to-video", {"duration": "5"}, ["body"], "value_error"),
        ("/fal-ai/minimax/speech-2.8-hd", {"text": "x"}, ["body", "prompt"], "missing"),
        (APP, [1], ["body"], None),
        (APP, {"self": 1, "num_images": "x", "prompt": "a fox"}, ["body", "num_images"], "int_parsing"),
    ],
)
def test_invalid_inputs(
    fal_http: httpx.Client, control: SandboxControl, app: str, body: Any, loc: list[str], kind: str | None
) -> None:
    answer = fal_http.post(app, json=body)
    assert answer.status_code == 422
    [error] = answer.json()["detail"]
    assert error["loc"] == loc
    assert error["msg"]
    assert kind in (None, error["type"])
    assert control.paid() == 0
    assert control.calls()[0]["accepted"] is False


def test_what_does_not_exist(fal_http: httpx.Client) -> None:
    unknown = fal_http.post("/fal-ai/no-such-model", json={"prompt": "a fox"})
    assert (unknown.status_code, unknown.json()) == (
        404,
        {"detail": 'Application "fal-ai/no-such-model" not found'},
    )
    accepted = submit(fal_http, "a fox")
    elsewhere = accepted["status_url"].replace("nano-banana", "nano")
    assert fal_http.get(elsewhere).status_code == 404
    cancelled = fal_http.put(f"{APP}/requests/none/cancel")
    assert (cancelled.status_code, cancelled.json()) == (404, {"status": "NOT_FOUND"})


def test_cancel(fal_http: httpx.Client, control: SandboxControl, webhooks: WebhookReceiver) -> None:
    control.speed(60)
    accepted = submit(fal_http, "a cancelled fox", webhooks)
    answer = fal_http.put(accepted["cancel_url"])
    assert (answer.status_code, answer.json()) == (202, {"status": "CANCELLATION_REQUESTED"})
    assert control.job("a cancelled fox")["failure"] == "cancelled"
    assert fal_http.get(accepted["response_url"]).status_code == 499
    assert webhooks.received == []


def test_a_webhook_is_signed_as_fal_signs(
    fal_http: httpx.Client, webhooks: WebhookReceiver, jwks: dict[str, Any]
) -> None:
    accepted = submit(fal_http, "a fox", webhooks)
    [webhook] = webhooks.wait_for(1)
    assert webhook.path == "/hook?token=abc"
    assert signature_is_valid(jwks, webhook)
    assert webhook.headers["x-fal-webhook-request-id"] == accepted["request_id"]
    event = json.loads(webhook.body)
    assert event == {
        "request_id": accepted["request_id"],
        "gateway_request_id": accepted["request_id"],
        "status": "OK",
        "payload": fal_http.get(accepted["response_url"]).json(),
    }
    webhook.body = webhook.body.replace(b"OK", b"KO")
    assert not signature_is_valid(jwks, webhook)


def test_the_webhook_of_a_failed_job(
    fal_http: httpx.Client, control: SandboxControl, webhooks: WebhookReceiver
) -> None:
    control.arm("filtered", match="bad fox")
    submit(fal_http, "a bad fox", webhooks)
    [webhook] = webhooks.wait_for(1)
    event = json.loads(webhook.body)
    assert (event["status"], event["error"]) == ("ERROR", "Invalid status code: 422")
    assert event["payload"]["detail"][0]["type"] == "content_policy_violation"


def test_a_webhook_is_tried_again_until_acknowledged(
    fal_http: httpx.Client, control: SandboxControl, webhooks: WebhookReceiver
) -> None:
    webhooks.statuses = [500, 302]
    submit(fal_http, "a patient fox", webhooks)
    first, second, third = webhooks.wait_for(3)
    assert first.body == second.body == third.body
    until(lambda: len(control.job("a patient fox")["webhooks"]) == 3, "three deliveries")
    assert [d["status"] for d in control.job("a patient fox")["webhooks"]] == [500, 302, 200]


def test_lost_webhook(fal_http: httpx.Client, control: SandboxControl, webhooks: WebhookReceiver) -> None:
    control.arm("lost_webhook", "fal")
    accepted = submit(fal_http, "a lost fox", webhooks)
    until(lambda: control.armed() == [], "the fault is used up")
    submit(fal_http, "a found fox", webhooks)
    [webhook] = webhooks.wait_for(1)
    assert json.loads(webhook.body)["request_id"] != accepted["request_id"]
    assert fal_http.get(accepted["response_url"]).status_code == 200


def test_duplicate_webhook(
    fal_http: httpx.Client, control: SandboxControl, webhooks: WebhookReceiver, jwks: dict[str, Any]
) -> None:
    control.arm("duplicate_webhook", "fal")
    submit(fal_http, "a double fox", webhooks)
    first, second = webhooks.wait_for(2)
    assert first.body == second.body
    assert signature_is_valid(jwks, first)
    assert signature_is_valid(jwks, second)


def test_forged_webhook(
    fal_http: httpx.Client, control: SandboxControl, webhooks: WebhookReceiver, jwks: dict[str, Any]
) -> None:
    control.arm("forged_webhook", "fal")
    accepted = submit(fal_http, "a forged fox", webhooks)
    forged, true = webhooks.wait_for(2)
    assert not signature_is_valid(jwks, forged)
    assert forged.headers["x-fal-webhook-request-id"] == accepted["request_id"]
    assert json.loads(forged.body)["status"] == "OK"
    assert signature_is_valid(jwks, true)


def test_forged_and_lost_webhook(
    fal_http: httpx.Client, control: SandboxControl, webhooks: WebhookReceiver, jwks: dict[str, Any]
) -> None:
    control.arm("forged_webhook", "fal")
    control.arm("lost_webhook", "fal")
    submit(fal_http, "a fox to nobody", webhooks)
    until(lambda: control.armed() == [], "both faults are used up")
    submit(fal_http, "the next fox", webhooks)
    forged, true = webhooks.wait_for(2)
    assert not signature_is_valid(jwks, forged)
    assert signature_is_valid(jwks, true)
    assert [d["kind"] for d in control.job("a fox to nobody")["webhooks"]] == ["forged"]
