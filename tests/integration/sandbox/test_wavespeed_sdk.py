"""WaveSpeed's official client works against the sandbox; only its base URL is another."""

from __future__ import annotations

import hashlib
import hmac
import io
import json

import httpx
import pytest
import wavespeed
from PIL import Image

from infra.sandbox.providers.wavespeed import FILTERED
from tests.integration.sandbox.support import Received, SandboxControl, WebhookReceiver, probe, until

IMAGE = "google/nano-banana-pro/text-to-image"
VIDEO = "kwaivgi/kling-v3.0-std/text-to-video"
KEY = {"Authorization": "Bearer sandbox-key"}


@pytest.fixture
def client(sandbox_url: str) -> wavespeed.Client:
    return wavespeed.Client(api_key="sandbox-key", base_url=f"{sandbox_url}/wavespeed", retry_interval=0.01)


def picture(url: str) -> Image.Image:
    return Image.open(io.BytesIO(httpx.get(url).raise_for_status().content))


@pytest.mark.parametrize("sync", [False, True])
def test_run(client: wavespeed.Client, control: SandboxControl, sync: bool) -> None:
    given = {"prompt": "a red fox", "aspect_ratio": "16:9"}
    result = client.run(IMAGE, given, poll_interval=0.02, enable_sync_mode=sync)
    assert [picture(url).size for url in result["outputs"]] == [(1376, 768)]
    [call] = control.calls(method="POST")
    assert (call["provider"], call["paid"], call["prompt"]) == ("wavespeed", True, "a red fox")


@pytest.mark.parametrize("sound", [True, False])
def test_a_video_with_and_without_sound(client: wavespeed.Client, sound: bool) -> None:
    given = {"prompt": "a fox", "duration": 3, "aspect_ratio": "9:16", "sound": sound}
    found = probe(httpx.get(client.run(VIDEO, given, poll_interval=0.05)["outputs"][0]).content)
    assert (found.width, found.height, round(found.container_seconds)) == (720, 1280, 3)
    assert (found.audio_seconds is not None) is sound


def test_an_output_is_edited(client: wavespeed.Client) -> None:
    made = client.run(IMAGE, {"prompt": "a fox", "aspect_ratio": "3:4"}, poll_interval=0.02)["outputs"]
    edited = client.run("google/nano-banana-2/edit", {"prompt": "blue", "images": made}, poll_interval=0.02)
    assert picture(edited["outputs"][0]).size == (896, 1200)


def test_submitted_and_asked_for_later(client: wavespeed.Client) -> None:
    task_id, _ = client._submit(IMAGE, {"prompt": "a fox"})
    assert task_id is not None
    until(lambda: client.get_result(task_id)["data"]["status"] == "completed", "it ends")
    data = client.get_result(task_id)["data"]
    assert (data["id"], data["model"], len(data["outputs"]), data["has_nsfw_contents"]) == (task_id, IMAGE, 1, [False])
    assert data["urls"]["get"].endswith(f"/{task_id}/result")
    assert data["timings"]["inference"] > 0


@pytest.mark.parametrize(
    ("fault", "error"), [("fail_after_accept", "The runner stopped unexpectedly."), ("filtered", FILTERED)]
)
def test_a_task_that_failed(client: wavespeed.Client, control: SandboxControl, fault: str, error: str) -> None:
    """It is answered with 200, in the body too."""
    control.arm(fault, "wavespeed")
    result = client.run_no_throw(IMAGE, {"prompt": "a fox"}, poll_interval=0.02)
    assert (result["status"], result["outputs"]) == ("failed", None)
    assert error in result["error"]
    answered = client.get_result(result["task_id"])
    assert (answered["code"], answered["data"]["status"]) == (200, "failed")
    assert control.paid() == 1


def test_nothing_made(client: wavespeed.Client, control: SandboxControl) -> None:
    control.arm("empty_output", "wavespeed")
    assert client.run(IMAGE, {"prompt": "a fox"}, poll_interval=0.02) == {"outputs": []}


@pytest.mark.parametrize(("fault", "status"), [("refuse", 402), ("rate_limit", 429), ("server_error", 500)])
def test_not_accepted(client: wavespeed.Client, control: SandboxControl, fault: str, status: int) -> None:
    """The client sends a submission once, whatever comes."""
    control.arm(fault, "wavespeed")
    with pytest.raises(RuntimeError, match=f"HTTP {status}"):
        client.run(IMAGE, {"prompt": "a fox"}, max_retries=2)
    assert (control.paid(), len(control.calls(method="POST"))) == (0, 1)


def test_an_answer_that_never_comes(client: wavespeed.Client, control: SandboxControl) -> None:
    control.arm("accept_then_timeout", "wavespeed")
    with pytest.raises(RuntimeError, match="may already have been created"):
        client.run(IMAGE, {"prompt": "a fox"}, max_retries=2, timeout=0.5)
    assert (control.paid(), len(control.calls(method="POST"))) == (1, 1)


def test_a_question_is_asked_again(client: wavespeed.Client, control: SandboxControl) -> None:
    control.arm("server_error", "wavespeed", times=2, match="/predictions/")
    assert len(client.run(IMAGE, {"prompt": "a fox"}, poll_interval=0.02)["outputs"]) == 1


@pytest.mark.parametrize(
    ("model", "given", "status"),
    [(IMAGE, {"prompt": "a fox", "resolution": "9k"}, 400), (IMAGE, {}, 400), ("nobody/nothing", {}, 404)],
)
def test_what_is_refused(client: wavespeed.Client, model: str, given: dict[str, str], status: int) -> None:
    with pytest.raises(RuntimeError, match=f"HTTP {status}"):
        client.run(model, given)


def test_without_a_key(sandbox_url: str) -> None:
    url = f"{sandbox_url}/wavespeed/api/v3"
    assert httpx.post(f"{url}/{IMAGE}", json={}).status_code == 401
    for path in ("predictions/x/result", "predictions/x", "balance", "webhook/secret"):
        assert httpx.get(f"{url}/{path}").status_code == 401


class TestWebhooks:
    """Signed as https://wavespeed.ai/docs/verify-webhooks has it; the client has no helper for that."""

    def start(self, sandbox_url: str, webhooks: WebhookReceiver) -> str:
        url = f"{sandbox_url}/wavespeed/api/v3/{IMAGE}"
        answered = httpx.post(url, params={"webhook": f"{webhooks.url}/hook"}, json={"prompt": "a fox"}, headers=KEY)
        return str(answered.json()["data"]["id"])

    def is_valid(self, sandbox_url: str, received: Received) -> bool:
        told = httpx.get(f"{sandbox_url}/wavespeed/api/v3/webhook/secret", headers=KEY).json()
        key = told["data"]["secret"].removeprefix("whsec_").encode()
        signed = f"{received.headers['webhook-id']}.{received.headers['webhook-timestamp']}.".encode() + received.body
        return received.headers["webhook-signature"] == f"v3,{hmac.new(key, signed, hashlib.sha256).hexdigest()}"

    def test_signed(self, sandbox_url: str, webhooks: WebhookReceiver) -> None:
        task_id = self.start(sandbox_url, webhooks)
        [received] = webhooks.wait_for(1)
        assert self.is_valid(sandbox_url, received)
        told = json.loads(received.body)
        assert (told["id"], told["status"], len(told["outputs"])) == (task_id, "completed", 1)

    def test_a_forger_does_not_know_the_key(
        self, sandbox_url: str, control: SandboxControl, webhooks: WebhookReceiver
    ) -> None:
        control.arm("forged_webhook", "wavespeed")
        self.start(sandbox_url, webhooks)
        assert [self.is_valid(sandbox_url, one) for one in webhooks.wait_for(2)] == [False, True]
