"""BytePlus's official client works against the sandbox's ModelArk: videos as tasks, pictures, errors by their class."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from byteplussdkarkruntime import Ark
from byteplussdkarkruntime import _exceptions as errors
from PIL import Image

from tests.integration.sandbox.support import SandboxControl, WebhookReceiver, first_frame_colour, probe, until

FILM = {"model": "dreamina-seedance-2-0-260128", "resolution": "480p", "ratio": "16:9", "duration": 4}
DRAWN = {"model": "seedream-4-0-250828", "size": "1024x1024"}


@pytest.fixture
def ark(sandbox_url: str) -> Iterator[Any]:
    client = Ark(api_key="sandbox-key", base_url=f"{sandbox_url}/ark/api/v3", max_retries=0)
    yield client
    client.close()


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def ended(ark: Any, task_id: str) -> Any:
    until(lambda: ark.content_generation.tasks.get(task_id=task_id).status not in {"queued", "running"}, "it ends")
    return ark.content_generation.tasks.get(task_id=task_id)


def content_of(task: Any) -> bytes:
    return httpx.get(task.content.video_url).raise_for_status().content


def test_a_video(ark: Any, control: SandboxControl, webhooks: WebhookReceiver) -> None:
    made = ark.content_generation.tasks.create(content=[text("a fox")], callback_url=webhooks.url, **FILM)
    assert made.id.startswith("cgt-")
    task = ended(ark, made.id)
    assert (task.status, task.model, task.duration, task.ratio) == ("succeeded", FILM["model"], 4, "16:9")
    found = probe(content_of(task))
    assert (found.height, found.frames) == (480, 96)
    assert found.audio_seconds is not None
    assert task.usage.completion_tokens == found.width * 480 * 96 // 1024
    [call] = control.calls(method="POST")
    assert (call["provider"], call["paid"], call["prompt"]) == ("ark", True, "a fox")
    [received] = webhooks.wait_for(1)
    told = json.loads(received.body)
    assert (told["id"], told["status"]) == (made.id, "succeeded")
    assert made.id in {item.id for item in ark.content_generation.tasks.list(page_size=50).items}


def test_first_and_last_frame(ark: Any) -> None:
    blue = io.BytesIO()
    Image.new("RGB", (320, 480), (0, 0, 200)).save(blue, "PNG")
    url = "data:image/png;base64," + base64.b64encode(blue.getvalue()).decode()
    frames = [{"type": "image_url", "image_url": {"url": url}, "role": role} for role in ("first_frame", "last_frame")]
    asked = FILM | {"ratio": "adaptive", "generate_audio": False}
    task = ended(ark, ark.content_generation.tasks.create(content=[text("it turns"), *frames], **asked).id)
    content = content_of(task)
    found = probe(content)
    assert (found.width, found.height, found.audio_seconds) == (480, 720, None)
    assert first_frame_colour(content)[2] > 150


def test_only_what_is_queued_is_cancelled(ark: Any, control: SandboxControl) -> None:
    tasks = ark.content_generation.tasks
    control.arm("slow", "ark", seconds=30)
    queued = tasks.create(content=[text("a queued fox")], **FILM).id
    tasks.delete(task_id=queued)
    assert tasks.get(task_id=queued).status == "cancelled"
    control.arm("never_finish", "ark")
    running = tasks.create(content=[text("an endless fox")], **FILM).id
    until(lambda: tasks.get(task_id=running).status == "running", "it runs")
    with pytest.raises(errors.ArkConflictError):
        tasks.delete(task_id=running)
    tasks.delete(task_id=queued)
    with pytest.raises(errors.ArkNotFoundError):
        tasks.get(task_id=queued)


@pytest.mark.parametrize(
    ("fault", "code"),
    [("filtered", "OutputVideoSensitiveContentDetected"), ("fail_after_accept", "InternalServiceError")],
)
def test_a_failed_task_is_no_error_of_http(ark: Any, control: SandboxControl, fault: str, code: str) -> None:
    control.arm(fault, "ark")
    task = ended(ark, ark.content_generation.tasks.create(content=[text("a fox")], **FILM).id)
    assert (task.status, task.error.code) == ("failed", code)


def test_pictures(ark: Any, control: SandboxControl) -> None:
    made = ark.images.generate(prompt="a fox", response_format="b64_json", **DRAWN)
    picture = Image.open(io.BytesIO(base64.b64decode(made.data[0].b64_json)))
    assert (picture.format, picture.size, made.data[0].size) == ("JPEG", (1024, 1024), "1024x1024")
    assert made.usage.generated_images == 1
    at_url = ark.images.generate(prompt="a fox", **DRAWN).data[0].url
    assert Image.open(io.BytesIO(httpx.get(at_url).content)).size == (1024, 1024)
    edited = ark.images.generate(prompt="blue", image=[at_url, at_url], **DRAWN | {"size": "1K"})
    assert edited.data[0].size == "1024x1024"
    assert control.paid(provider="ark") == 3


def test_errors_have_their_classes(ark: Any, control: SandboxControl) -> None:
    for fault, kind in (
        ("refuse", errors.ArkPermissionDeniedError),
        ("rate_limit", errors.ArkRateLimitError),
        ("server_error", errors.ArkInternalServerError),
        ("filtered", errors.ArkBadRequestError),
    ):
        control.arm(fault, "ark")
        with pytest.raises(kind) as raised:
            ark.images.generate(prompt="a fox", **DRAWN)
        assert raised.value.code
    with pytest.raises(errors.ArkBadRequestError) as invalid:
        ark.content_generation.tasks.create(content=[text("a fox")], **FILM | {"duration": 99})
    assert invalid.value.code == "InvalidParameter"
    with pytest.raises(errors.ArkNotFoundError):
        ark.images.generate(prompt="a fox", model="no-such-model")
    assert control.paid() == 0
