"""Replicate's official client works against the sandbox, and verifies its webhooks."""

from __future__ import annotations

import io
import json
from typing import Any

import httpx
import pytest
from PIL import Image
from replicate.client import Client
from replicate.exceptions import ReplicateError
from replicate.prediction import Prediction
from replicate.webhook import InvalidSignatureError, Webhooks, WebhookSigningSecret

from infra.sandbox.providers import replicate as protocol
from infra.sandbox.providers.replicate_models import NSFW, SENSITIVE, VERSIONS
from tests.integration.sandbox.support import Received, SandboxControl, WebhookReceiver, probe, until

P_IMAGE = "prunaai/p-image"
SDXL = f"stability-ai/sdxl:{VERSIONS['stability-ai/sdxl']}"


def ended(client: Client, model: str, **inputs: Any) -> Any:
    if ":" in model:
        prediction = client.predictions.create(version=model, input=inputs)
    else:
        prediction = client.models.predictions.create(model, input=inputs)
    prediction.wait()
    return prediction


def picture(url: str) -> Image.Image:
    return Image.open(io.BytesIO(httpx.get(url).raise_for_status().content))


@pytest.mark.parametrize(("ratio", "size"), [("1:1", (1024, 1024)), ("9:16", (768, 1376))])
def test_a_picture(replicate_client: Client, control: SandboxControl, ratio: str, size: tuple[int, int]) -> None:
    prediction = ended(replicate_client, P_IMAGE, prompt="a red fox", aspect_ratio=ratio, seed=7)
    assert (prediction.status, prediction.model, prediction.error) == ("succeeded", P_IMAGE, None)
    assert isinstance(prediction.output, str)
    assert picture(prediction.output).size == size
    assert prediction.input == {"prompt": "a red fox", "aspect_ratio": ratio, "seed": 7}
    assert prediction.metrics is not None
    assert 0 < prediction.metrics["predict_time"] < prediction.metrics["total_time"]
    assert prediction.progress is not None
    assert prediction.progress.percentage == 1.0
    assert prediction.created_at < prediction.started_at < prediction.completed_at
    [call] = control.calls(method="POST")
    assert (call["provider"], call["paid"], call["prompt"]) == ("replicate", True, "a red fox")


def test_run_waits_for_the_output(replicate_client: Client) -> None:
    """The client makes a file of an https address; of another it gives the address."""
    output = replicate_client.run(P_IMAGE, input={"prompt": "a red fox"})
    assert isinstance(output, str)
    assert picture(output).format == "JPEG"


def test_it_repeats_by_seed(replicate_client: Client) -> None:
    def made(seed: int) -> bytes:
        return httpx.get(ended(replicate_client, P_IMAGE, prompt="a fox", seed=seed).output).content

    assert made(1) == made(1) != made(2)


def test_edits(replicate_client: Client) -> None:
    source = ended(replicate_client, P_IMAGE, prompt="a fox", aspect_ratio="3:4").output
    matched = ended(replicate_client, "prunaai/p-image-edit", prompt="make it blue", images=[source])
    assert picture(matched.output).size == (896, 1184)
    asked = ended(replicate_client, "prunaai/p-image-edit", prompt="blue", images=[source] * 8, aspect_ratio="3:2")
    assert picture(asked.output).size == (1248, 832)


@pytest.mark.parametrize(("sound", "draft"), [(True, False), (False, True)])
def test_a_video(replicate_client: Client, sound: bool, draft: bool) -> None:
    source = ended(replicate_client, P_IMAGE, prompt="a fox").output
    prediction = ended(
        replicate_client,
        "prunaai/p-video",
        prompt="it runs",
        image=source,
        duration=2,
        aspect_ratio="9:16",
        draft=draft,
        save_audio=sound,
    )
    found = probe(httpx.get(prediction.output).content)
    assert (found.width, found.height, found.frames) == (720, 1280, 48)
    assert (found.audio_seconds is not None) is sound


@pytest.mark.parametrize("version", [SDXL, VERSIONS["stability-ai/sdxl"]])
def test_a_community_model_by_version(replicate_client: Client, version: str) -> None:
    prediction: Any = replicate_client.predictions.create(
        version=version, input={"prompt": "a fox", "width": 512, "height": 768, "num_outputs": 2}
    )
    prediction.wait()
    assert (prediction.model, prediction.version) == ("stability-ai/sdxl", VERSIONS["stability-ai/sdxl"])
    assert [picture(url).size for url in prediction.output] == [(512, 768)] * 2
    assert prediction.output[0] != prediction.output[1]


def test_get_and_cancel(replicate_client: Client, control: SandboxControl) -> None:
    control.arm("never_finish", "replicate")
    prediction: Any = replicate_client.models.predictions.create(P_IMAGE, input={"prompt": "an endless fox"})
    assert prediction.status == "starting"
    until(lambda: replicate_client.predictions.get(prediction.id).status == "processing", "it runs")
    prediction.cancel()
    assert prediction.status == "canceled"
    assert prediction.completed_at
    ready = ended(replicate_client, P_IMAGE, prompt="a fox")
    ready.cancel()
    assert ready.status == "succeeded"


@pytest.mark.parametrize(("model", "error"), [(P_IMAGE, SENSITIVE), (SDXL, NSFW)])
def test_filtered(replicate_client: Client, control: SandboxControl, model: str, error: str) -> None:
    control.arm("filtered", "replicate")
    prediction = ended(replicate_client, model, prompt="a fox")
    assert (prediction.status, prediction.error, prediction.output) == ("failed", error, None)
    assert control.paid() == 1


def test_failed(replicate_client: Client, control: SandboxControl) -> None:
    control.arm("fail_after_accept", "replicate")
    prediction = ended(replicate_client, P_IMAGE, prompt="a fox")
    assert prediction.status == "failed"
    assert prediction.error


@pytest.mark.parametrize(("model", "nothing"), [(P_IMAGE, None), (SDXL, [])])
def test_nothing_made(replicate_client: Client, control: SandboxControl, model: str, nothing: list[str] | None) -> None:
    control.arm("empty_output", "replicate")
    prediction = ended(replicate_client, model, prompt="a fox")
    assert (prediction.status, prediction.output) == ("succeeded", nothing)


@pytest.mark.parametrize(
    ("url", "error"),
    [("{sandbox}/files/no-such-file.png", "download"), ("{sandbox}/health", "load")],
)
def test_sources_that_are_no_use(replicate_client: Client, sandbox_url: str, url: str, error: str) -> None:
    image = url.format(sandbox=sandbox_url)
    prediction = ended(replicate_client, "prunaai/p-image-edit", prompt="blue", images=[image])
    assert prediction.status == "failed"
    assert prediction.error is not None
    assert prediction.error.startswith("Input validation error: images: ")
    assert error in prediction.error


@pytest.mark.parametrize(
    ("model", "inputs", "field"),
    [
        (P_IMAGE, {}, "input.prompt"),
        (P_IMAGE, {"prompt": "fox", "aspect_ratio": "7:1"}, "input.aspect_ratio"),
        ("prunaai/p-image-edit", {"prompt": "fox", "images": []}, "input.images"),
        ("prunaai/p-image-edit", {"prompt": "fox", "images": ["https://x.test/a.png"] * 9}, "input.images"),
        ("prunaai/p-video", {"prompt": "fox", "duration": 16}, "input.duration"),
        (SDXL, {"prompt": "fox", "num_outputs": 5}, "input.num_outputs"),
    ],
)
def test_invalid_inputs(
    replicate_client: Client, control: SandboxControl, model: str, inputs: dict[str, Any], field: str
) -> None:
    with pytest.raises(ReplicateError) as refused:
        ended(replicate_client, model, **inputs)
    assert refused.value.status == 422
    assert refused.value.title
    assert field in (refused.value.detail or "")
    assert control.paid() == 0


@pytest.mark.parametrize(("fault", "status"), [("refuse", 402), ("rate_limit", 429), ("server_error", 500)])
def test_not_accepted(replicate_client: Client, control: SandboxControl, fault: str, status: int) -> None:
    control.arm(fault, "replicate")
    with pytest.raises(ReplicateError) as refused:
        ended(replicate_client, P_IMAGE, prompt="a fox")
    assert refused.value.status == status
    assert refused.value.detail
    assert control.paid() == 0


@pytest.mark.parametrize("model", ["nobody/nothing", "stability-ai/sdxl", "stability-ai/sdxl:other", "nobody/x:1"])
def test_unknown_models(replicate_client: Client, model: str) -> None:
    """A community model is called by version alone."""
    with pytest.raises(ReplicateError) as refused:
        ended(replicate_client, model, prompt="a fox")
    assert refused.value.status == 404


def test_without_a_key(sandbox_url: str) -> None:
    url = f"{sandbox_url}/replicate/v1"
    for method, path in (
        ("POST", "/predictions"),
        ("POST", "/models/prunaai/p-image/predictions"),
        ("GET", "/predictions/x"),
        ("POST", "/predictions/x/cancel"),
        ("GET", "/webhooks/default/secret"),
    ):
        assert httpx.request(method, url + path, json={}).status_code == 401


def test_predictions_of_others_are_unknown(replicate_client: Client, fal_http: httpx.Client) -> None:
    of_fal = fal_http.post("/fal-ai/nano-banana", json={"prompt": "a fox"}).json()["request_id"]
    for prediction_id in ("nobody", of_fal):
        with pytest.raises(ReplicateError) as refused:
            replicate_client.predictions.get(prediction_id)
        assert refused.value.status == 404


class TestWebhooks:
    def start(self, client: Client, webhooks: WebhookReceiver, **more: Any) -> Prediction:
        given: dict[str, Any] = {"webhook": f"{webhooks.url}/hook", "webhook_events_filter": ["completed"], **more}
        return client.models.predictions.create(P_IMAGE, input={"prompt": "a fox"}, **given)

    def valid(self, secret: WebhookSigningSecret, received: Received) -> bool:
        try:
            Webhooks.validate(headers=received.headers, body=received.body.decode(), secret=secret, tolerance=300)
        except InvalidSignatureError:
            return False
        return True

    def test_signed_as_the_client_verifies(self, replicate_client: Client, webhooks: WebhookReceiver) -> None:
        prediction = self.start(replicate_client, webhooks)
        [received] = webhooks.wait_for(1)
        secret = replicate_client.webhooks.default.secret()
        assert secret.key.startswith("whsec_")
        assert self.valid(secret, received)
        prediction.reload()
        told = json.loads(received.body)
        assert (told["id"], told["status"], told["output"]) == (prediction.id, "succeeded", prediction.output)
        received.body = received.body.replace(b"succeeded", b"suckseeded")
        assert not self.valid(secret, received)

    def test_a_forger_does_not_know_the_key(
        self, replicate_client: Client, control: SandboxControl, webhooks: WebhookReceiver
    ) -> None:
        control.arm("forged_webhook", "replicate")
        self.start(replicate_client, webhooks)
        secret = replicate_client.webhooks.default.secret()
        assert [self.valid(secret, one) for one in webhooks.wait_for(2)] == [False, True]

    def test_failures_are_told_too_until_somebody_listens(
        self, replicate_client: Client, control: SandboxControl, webhooks: WebhookReceiver
    ) -> None:
        control.arm("fail_after_accept", "replicate")
        webhooks.statuses = [500, 302]
        self.start(replicate_client, webhooks)
        received = webhooks.wait_for(3)
        assert {json.loads(one.body)["status"] for one in received} == {"failed"}

    def test_only_what_was_asked_for(
        self, replicate_client: Client, control: SandboxControl, webhooks: WebhookReceiver
    ) -> None:
        silent = self.start(replicate_client, webhooks, webhook_events_filter=["start"])
        silent.wait()
        told = self.start(replicate_client, webhooks)
        webhooks.wait_for(1)
        assert [json.loads(one.body)["id"] for one in webhooks.received] == [told.id]
        assert control.job_by_id(silent.id)["webhooks"] == []


def test_data_is_removed_after_an_hour(replicate_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    prediction = ended(replicate_client, P_IMAGE, prompt="a fox")
    monkeypatch.setattr(protocol, "DATA_KEPT_SECONDS", -1)
    answer = replicate_client._request("GET", f"/v1/predictions/{prediction.id}").json()
    assert (answer["data_removed"], answer["status"]) == (True, "succeeded")
    assert (answer["output"], answer["input"], answer["logs"]) == (None, {}, "")
