"""Providers with several wires, chosen by how an endpoint begins: ModelArk's and xAI's descriptions against theirs."""

import base64
import json
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from gateway import transport
from gateway.catalog.shapes.providers import ProviderShape
from gateway.provider import (
    Accepted,
    Failed,
    Finished,
    ForgedWebhook,
    MediaBytes,
    MediaUrl,
    Provider,
    Refused,
    Running,
    Submission,
    Uncertain,
)
from gateway.providers import ApiKey, Description
from gateway.providers.http import adapter
from tests.unit.gateway.shipped import COMPILED

TASKS, PICTURES, CLIPS = "contents/generations/tasks", "images/generations", "videos/generations"
HOOK = "https://museway.test/v1/callbacks/ark/gen_1/token"
PICTURE = base64.b64encode(b"picture").decode()


def made(name: str) -> Provider:
    wires = COMPILED["providers"][name]["wires"]
    return adapter(Description(name, name, f"https://{name}.test", wires=wires), lambda: ApiKey("secret-key"))


def submission(endpoint: str, **body: Any) -> Submission:
    return Submission("gen_1-1", endpoint, {"model": "m", "prompt": "a fox", **body}, HOOK, 10)


def exchanged(act: Any, body: Any, status: int = 200) -> tuple[Any, list[httpx.Request]]:
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(status, content=body if isinstance(body, bytes) else json.dumps(body).encode())

    with transport.use(httpx.MockTransport(answer)):
        return act(), requests


def sent(name: str, endpoint: str, body: Any, status: int = 200, **inputs: Any) -> tuple[Any, httpx.Request]:
    outcome, [request] = exchanged(lambda: made(name).submit(submission(endpoint, **inputs)), body, status)
    return outcome, request


def polled(name: str, endpoint: str, body: Any, status: int = 200) -> tuple[Any, httpx.Request]:
    reference = {"endpoint": endpoint, "task_id": "t/1", "request_id": "r-1"}
    outcome, [request] = exchanged(lambda: made(name).poll(reference), body, status)
    return outcome, request


def test_each_endpoint_speaks_its_own_wire() -> None:
    job, request = sent("ark", TASKS, {"id": "cgt-1"})
    assert job == Accepted({"endpoint": TASKS, "task_id": "cgt-1"})
    assert (request.method, str(request.url)) == ("POST", f"https://ark.test/{TASKS}")
    picture, request = sent("ark", PICTURES, {"data": [{"b64_json": PICTURE}], "usage": {"generated_images": 1}})
    assert isinstance(picture, Finished)
    assert (picture.outputs, picture.metrics) == ((MediaBytes(b"picture"),), {"generated_images": 1})
    assert request.headers["authorization"] == "Bearer secret-key"


def test_what_a_video_is_made_of_is_one_list() -> None:
    _, request = sent(
        "ark",
        TASKS,
        {"id": "cgt-1"},
        first_frame="http://a.test/1.png",
        reference_images=["http://a.test/2.png"],
        reference_videos=["http://a.test/3.mp4"],
        reference_audios=["http://a.test/4.mp3"],
        generate_audio=False,
        seed=None,
    )
    assert json.loads(request.content) == {
        "model": "m",
        "content": [
            {"type": "text", "text": "a fox"},
            {"type": "image_url", "image_url": {"url": "http://a.test/1.png"}, "role": "first_frame"},
            {"type": "image_url", "image_url": {"url": "http://a.test/2.png"}, "role": "reference_image"},
            {"type": "video_url", "video_url": {"url": "http://a.test/3.mp4"}, "role": "reference_video"},
            {"type": "audio_url", "audio_url": {"url": "http://a.test/4.mp3"}, "role": "reference_audio"},
        ],
        "generate_audio": False,
        "callback_url": HOOK,
    }


def test_a_task_is_polled_by_its_id_and_counts_its_tokens() -> None:
    answer = {"status": "succeeded", "content": {"video_url": "https://a.test/1.mp4"}}
    done, request = polled("ark", TASKS, answer | {"usage": {"completion_tokens": 108900}})
    assert (request.method, str(request.url)) == ("GET", f"https://ark.test/{TASKS}/t%2F1")
    assert (done.outputs, done.usage) == ((MediaUrl("https://a.test/1.mp4"),), {"media_output_tokens": 108900})


@pytest.mark.parametrize(
    ("state", "error", "code", "retryable"),
    [
        ("failed", {"code": "SensitiveContentDetected", "message": "no"}, "moderated_output", False),
        ("failed", {"code": "InputTextSensitiveContentDetected", "message": "no"}, "moderated_input", False),
        ("failed", {"code": "InternalServiceError"}, "provider_error", True),
        ("expired", None, "provider_error", True),
        ("cancelled", None, "provider_error", True),
    ],
)
def test_a_failed_task_is_told_with_200(state: str, error: Any, code: str, retryable: bool) -> None:
    failed, _ = polled("ark", TASKS, {"status": state, "error": error})
    assert isinstance(failed, Failed)
    assert (failed.code, failed.retryable) == (code, retryable)


def test_a_task_is_cancelled_by_its_wire_and_a_picture_is_not() -> None:
    ark = made("ark")
    cancelled, [request] = exchanged(lambda: ark.cancel({"endpoint": TASKS, "task_id": "t-1"}), {})
    assert (cancelled, request.method, str(request.url)) == (True, "DELETE", f"https://ark.test/{TASKS}/t-1")
    assert exchanged(lambda: ark.cancel({"endpoint": TASKS, "task_id": "t-1"}), {}, 409)[0] is False
    assert exchanged(lambda: ark.cancel({"endpoint": PICTURES, "task_id": "t-1"}), {}) == (False, [])


def test_callbacks_belong_to_the_one_wire_that_has_them() -> None:
    assert made("ark").webhook_reference({}, b'{"id": "cgt-1", "status": "running"}') == {"task_id": "cgt-1"}
    with pytest.raises(ForgedWebhook):
        made("ark").webhook_reference({}, b"{}")


@pytest.mark.parametrize(
    ("inputs", "extra"),
    [
        ({}, {}),
        ({"image": "http://a.test/1.png"}, {"image": {"url": "http://a.test/1.png", "type": "image_url"}}),
        ({"images": ["http://a.test/1.png"]}, {"images": [{"url": "http://a.test/1.png", "type": "image_url"}]}),
    ],
)
def test_pictures_that_are_edited_are_objects(inputs: dict[str, Any], extra: dict[str, Any]) -> None:
    _, request = sent("xai", "images/edits", {"data": []}, n=2, **inputs)
    assert json.loads(request.content) == {
        "model": "m", "prompt": "a fox", "n": 2, "response_format": "b64_json", **extra,
    }  # fmt: skip


def test_what_moderation_withheld_is_not_delivered() -> None:
    some, _ = sent(
        "xai",
        PICTURES,
        {
            "data": [{"b64_json": PICTURE}, {"b64_json": PICTURE, "respect_moderation": False}],
            "usage": {"cost_in_usd_ticks": 200000000},
        },
    )
    assert (some.outputs, some.cost_usd) == ((MediaBytes(b"picture"),), "0.02")
    none, _ = sent("xai", PICTURES, {"data": [{"b64_json": PICTURE, "respect_moderation": False}]})
    assert isinstance(none, Failed)
    assert (none.code, none.retryable) == ("moderated_output", False)
    video = {"status": "done", "video": {"url": "https://a.test/1.mp4", "respect_moderation": False}}
    withheld, _ = polled("xai", CLIPS, video)
    assert isinstance(withheld, Failed)
    assert withheld.code == "moderated_output"


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (202, b"", Running(None)),
        (202, {"status": "pending", "progress": 33}, Running(33)),
        (200, {"status": "pending"}, Running(None)),
        (200, b"", Uncertain),
        (200, {"video": {"url": "https://a.test/1.mp4"}}, Finished((MediaUrl("https://a.test/1.mp4"),))),
        (200, {"status": "failed", "error": {"code": "x", "message": "no"}}, Failed),
        (200, {"status": "expired"}, Failed),
        (404, {"error": "no"}, Failed),
    ],
)
def test_where_a_video_stands(status: int, body: Any, outcome: Any) -> None:
    found, request = polled("xai", CLIPS, body, status)
    assert str(request.url) == "https://xai.test/videos/r-1"
    if isinstance(outcome, type):
        assert isinstance(found, outcome)
    elif isinstance(outcome, Finished):
        assert found.outputs == outcome.outputs
    else:
        assert found == outcome


@pytest.mark.parametrize("body", [{"error": {"message": "no"}}, {"code": "x", "error": "no"}])
def test_errors_of_both_forms_are_read(body: Any) -> None:
    refused, _ = sent("xai", CLIPS, body, 400)
    assert refused == Refused("invalid_inputs", "xai: no", retryable=False)


WIRE = {"submit": {"path": "/x"}, "outputs": {"at": "x"}, "error": {"message": "x"}}


@pytest.mark.parametrize(
    "described",
    [
        {"adapter": "http"},
        {"adapter": "http", "wire": {**WIRE, "webhook": {"dialect": "token"}}, "account_webhooks": True},
        {"adapter": "http", "wire": WIRE, "wires": {"x/": WIRE}},
        {"adapter": "fal", "wires": {"x/": WIRE}},
        {"adapter": "http", "wires": {one: {**WIRE, "webhook": {"dialect": "token"}} for one in ("x/", "y/")}},
    ],
)
def test_what_describes_no_provider(described: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ProviderShape.model_validate(
            {"provider": "x", "name": "X", "base_url": "https://x.test", "source": "x", **described}
        )
