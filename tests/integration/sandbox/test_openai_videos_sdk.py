"""OpenAI's official client makes videos at the sandbox, downloads them and unwraps the webhooks that tell of them."""

from __future__ import annotations

import io
from typing import Any

import openai
import pytest
from PIL import Image

from tests.integration.sandbox.support import SandboxControl, WebhookReceiver, first_frame_colour, probe

# The package says of each method that the API has ended; what it sends is as it was.
pytestmark = pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")
FILM: Any = {"model": "sora-2", "prompt": "a fox", "seconds": "4", "size": "1280x720"}


def test_a_video_to_the_end(open_ai: openai.OpenAI, control: SandboxControl) -> None:
    video = open_ai.videos.create_and_poll(**FILM, poll_interval_ms=20)
    assert (video.status, video.progress, video.seconds, video.size) == ("completed", 100, "4", "1280x720")
    assert video.completed_at is not None
    assert video.expires_at is not None
    assert video.expires_at > video.completed_at
    found = probe(open_ai.videos.download_content(video.id).read())
    assert (found.width, found.height, found.frames) == (1280, 720, 96)
    assert control.paid() == 1
    assert open_ai.videos.delete(video.id).deleted
    with pytest.raises(openai.NotFoundError):
        open_ai.videos.retrieve(video.id)


def test_a_first_picture(open_ai: openai.OpenAI) -> None:
    blue = io.BytesIO()
    Image.new("RGB", (1280, 720), (0, 0, 200)).save(blue, "PNG")
    asked = FILM | {"input_reference": ("blue.png", blue.getvalue(), "image/png")}
    video = open_ai.videos.create_and_poll(**asked, poll_interval_ms=20)
    assert first_frame_colour(open_ai.videos.download_content(video.id).read())[2] > 150


def test_there_is_no_content_before_the_end(open_ai: openai.OpenAI, control: SandboxControl) -> None:
    control.arm("never_finish", "openai")
    video = open_ai.videos.create(**FILM)
    assert video.status == "queued"
    with pytest.raises(openai.NotFoundError, match="not ready yet"):
        open_ai.videos.download_content(video.id)


@pytest.mark.parametrize(("fault", "code"), [("filtered", "moderation_blocked"), ("fail_after_accept", "server_error")])
def test_what_failed_says_why(open_ai: openai.OpenAI, control: SandboxControl, fault: str, code: str) -> None:
    control.arm(fault, "openai")
    video = open_ai.videos.create_and_poll(**FILM, poll_interval_ms=20)
    assert video.status == "failed"
    assert video.error is not None
    assert video.error.code == code


def test_errors_have_their_classes(open_ai: openai.OpenAI, control: SandboxControl) -> None:
    for fault, kind in (
        ("refuse", openai.PermissionDeniedError),
        ("rate_limit", openai.RateLimitError),
        ("server_error", openai.InternalServerError),
    ):
        control.arm(fault, "openai")
        with pytest.raises(kind):
            open_ai.videos.create(**FILM)
    with pytest.raises(openai.BadRequestError) as invalid:
        open_ai.videos.create(**FILM | {"seconds": "5"})
    assert invalid.value.param == "seconds"
    assert control.paid() == 0


def test_webhooks_are_unwrapped(open_ai: openai.OpenAI, control: SandboxControl, webhooks: WebhookReceiver) -> None:
    asked: Any = {"name": "videos", "event_types": ["video.completed", "video.failed"]}
    secret = open_ai.webhooks.create(url=f"{webhooks.url}/v1/callbacks/openai", **asked).signing_secret
    control.arm("forged_webhook", "openai")
    video = open_ai.videos.create(**FILM)
    forged, true = webhooks.wait_for(2)
    event: Any = open_ai.webhooks.unwrap(true.body.decode(), true.headers, secret=secret)
    assert (event.type, event.data.id) == ("video.completed", video.id)
    with pytest.raises(openai.InvalidWebhookSignatureError):
        open_ai.webhooks.unwrap(forged.body.decode(), forged.headers, secret=secret)
    control.arm("filtered", "openai")
    open_ai.videos.create(**FILM)
    failed: Any = open_ai.webhooks.unwrap(
        webhooks.wait_for(3)[2].body.decode(), webhooks.received[2].headers, secret=secret
    )
    assert failed.type == "video.failed"
