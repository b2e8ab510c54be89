"""fal's official client works against the sandbox, and what it gets is real media of the asked shape."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import fal_client
import fal_client.client
import httpx
import pytest
from PIL import Image

from tests.integration.sandbox.support import Probe, SandboxControl, first_frame_colour, last_frame_colour, probe

RED = (200, 30, 40)
BLUE = (30, 40, 200)


def download(described: dict[str, Any]) -> bytes:
    answer = httpx.get(described["url"])
    assert answer.status_code == 200
    assert answer.headers["content-type"] == described["content_type"]
    assert len(answer.content) == described["file_size"] == int(answer.headers["content-length"])
    return answer.content


def picture_url(colour: tuple[int, int, int], width: int = 64, height: int = 64) -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(buffer, "PNG")
    return fal_client.encode(buffer.getvalue(), "image/png")


def red_picture_url(width: int = 64, height: int = 64) -> str:
    return picture_url(RED, width, height)


def video(fal: fal_client.SyncClient, app: str, **inputs: Any) -> tuple[Probe, bytes]:
    content = download(fal.subscribe(app, {"prompt": "waves at night", **inputs})["video"])
    return probe(content), content


def test_submit_status_result(fal: fal_client.SyncClient, control: SandboxControl) -> None:
    control.speed(0.3)
    handle = fal.submit("fal-ai/nano-banana", {"prompt": "a red fox"})
    seen = list(handle.iter_events(with_logs=True, interval=0.02))
    kinds = [type(status) for status in seen]
    assert set(kinds) == {fal_client.Queued, fal_client.InProgress, fal_client.Completed}
    final = seen[-1]
    assert isinstance(final, fal_client.Completed)
    assert final.error is None
    assert final.logs
    assert final.logs[-1]["message"] == "Finished."
    assert final.metrics["inference_time"] >= 0.3
    result = handle.get()
    assert Image.open(io.BytesIO(download(result["images"][0]))).size == (1024, 1024)
    assert control.paid(provider="fal") == 1


def test_handle_from_the_application_and_id_alone(fal: fal_client.SyncClient) -> None:
    handle = fal.submit("openai/gpt-image-2/edit", {"prompt": "fox", "image_urls": [red_picture_url()]})
    assert isinstance(fal.status("openai/gpt-image-2/edit", handle.request_id), fal_client.Status)
    assert fal.result("openai/gpt-image-2/edit", handle.request_id)["images"]


def test_cancel(fal: fal_client.SyncClient, control: SandboxControl) -> None:
    control.speed(60)
    handle = fal.submit("fal-ai/nano-banana", {"prompt": "never to be seen"})
    handle.cancel()
    status = handle.status()
    assert isinstance(status, fal_client.Completed)
    assert status.error_type == "client_cancelled"
    with pytest.raises(fal_client.client.FalClientHTTPError) as too_late:
        handle.cancel()
    assert too_late.value.response.json() == {"status": "ALREADY_COMPLETED"}


def test_async_client(sandbox_url: str, fal: fal_client.SyncClient) -> None:
    async def subscribe() -> dict[str, Any]:
        client = fal_client.AsyncClient(key="sandbox-key")
        result: dict[str, Any] = await client.subscribe("fal-ai/elevenlabs/tts/eleven-v3", {"text": "Hello."})
        await (await client._client).aclose()
        return result

    assert download(asyncio.run(subscribe())["audio"])


@pytest.mark.parametrize(
    ("app", "inputs", "size"),
    [
        ("fal-ai/nano-banana", {"aspect_ratio": "16:9"}, (1344, 768)),
        ("fal-ai/nano-banana", {"aspect_ratio": "9:16", "output_format": "jpeg"}, (768, 1344)),
        ("openai/gpt-image-2", {}, (1024, 768)),
        ("openai/gpt-image-2", {"image_size": "portrait_16_9", "quality": "low"}, (576, 1024)),
        ("openai/gpt-image-2", {"image_size": {"width": 1920, "height": 1088}}, (1920, 1088)),
    ],
)
def test_pictures(fal: fal_client.SyncClient, app: str, inputs: dict[str, Any], size: tuple[int, int]) -> None:
    described = fal.subscribe(app, {"prompt": "a red fox", **inputs})["images"][0]
    picture = Image.open(io.BytesIO(download(described)))
    assert picture.size == size == (described["width"], described["height"])
    assert picture.format == inputs.get("output_format", "png").upper()
    assert described["content_type"] == f"image/{inputs.get('output_format', 'png')}"


def test_several_pictures_differ_and_repeat(fal: fal_client.SyncClient) -> None:
    inputs = {"prompt": "a red fox", "num_images": 3, "seed": 7}
    first, second = (
        [download(image) for image in fal.subscribe("fal-ai/nano-banana", inputs)["images"]] for _ in range(2)
    )
    assert len(set(first)) == 3
    assert first == second


@pytest.mark.parametrize("app", ["fal-ai/nano-banana/edit", "openai/gpt-image-2/edit"])
def test_edits_show_their_sources(fal: fal_client.SyncClient, app: str) -> None:
    inputs = {"prompt": "a red fox", "image_urls": [red_picture_url(), red_picture_url()]}
    content = download(fal.subscribe(app, inputs)["images"][0])
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    assert picture.getpixel((picture.width // 10, picture.height // 10)) == RED


def test_an_edit_takes_the_shape_of_its_source(fal: fal_client.SyncClient) -> None:
    inputs = {"prompt": "a red fox", "image_urls": [red_picture_url(1600, 900)]}
    described = fal.subscribe("fal-ai/nano-banana/edit", inputs)["images"][0]
    assert (described["width"], described["height"]) == (1344, 768)


@pytest.mark.parametrize(
    ("inputs", "size", "seconds", "sound"),
    [
        ({"duration": "4", "generate_audio": False, "resolution": "480p"}, (854, 480), 4, False),
        ({"duration": "5", "aspect_ratio": "9:16", "resolution": "480p"}, (480, 854), 5, True),
        ({"duration": "4", "aspect_ratio": "1:1"}, (720, 720), 4, True),
        ({"resolution": "480p"}, (854, 480), 5, True),
    ],
)
def test_seedance(
    fal: fal_client.SyncClient, inputs: dict[str, Any], size: tuple[int, int], seconds: float, sound: bool
) -> None:
    found, _ = video(fal, "bytedance/seedance-2.0/fast/text-to-video", **inputs)
    assert (found.width, found.height) == size
    assert found.frames_per_second == 24
    assert found.frames == 24 * seconds
    assert found.container_seconds == pytest.approx(seconds, abs=0.001)
    assert found.codecs == (("h264", "aac") if sound else ("h264",))
    assert found.audio_seconds == (pytest.approx(seconds, abs=0.05) if sound else None)


def test_kling_durations_and_sound(fal: fal_client.SyncClient) -> None:
    app = "fal-ai/kling-video/v3/standard/text-to-video"
    silent, content = video(fal, app, duration="3", aspect_ratio="9:16", generate_audio=False)
    assert (silent.width, silent.height, silent.frames) == (720, 1280, 72)
    assert silent.audio_seconds is None
    assert video(fal, app, duration="3", aspect_ratio="9:16", generate_audio=False)[1] == content
    loud, _ = video(fal, app, duration="3", aspect_ratio="1:1")
    assert loud.audio_seconds == pytest.approx(3, abs=0.05)


@pytest.mark.parametrize(
    ("app", "field"),
    [
        ("fal-ai/kling-video/v3/standard/image-to-video", "image_url"),
        ("fal-ai/kling-video/v3/standard/image-to-video", "start_image_url"),
        ("bytedance/seedance-2.0/fast/image-to-video", "image_url"),
    ],
)
def test_a_video_begins_with_the_picture_given(fal: fal_client.SyncClient, app: str, field: str) -> None:
    inputs = {field: red_picture_url(), "duration": "4", "generate_audio": False}
    _, content = video(fal, app, **inputs)
    assert all(abs(a - b) <= 6 for a, b in zip(first_frame_colour(content), RED, strict=True))


def test_a_seedance_video_takes_the_shape_of_its_picture(fal: fal_client.SyncClient) -> None:
    inputs = {"image_url": red_picture_url(300, 400), "resolution": "480p", "duration": "4"}
    found, _ = video(fal, "bytedance/seedance-2.0/fast/image-to-video", **inputs)
    assert (found.width, found.height) == (480, 640)


def test_references_may_be_of_every_kind(fal: fal_client.SyncClient, sandbox_url: str) -> None:
    inputs = {
        "image_urls": [red_picture_url()],
        "video_urls": [f"{sandbox_url}/health"],
        "resolution": "480p",
        "duration": "4",
    }
    found, _ = video(fal, "bytedance/seedance-2.0/fast/reference-to-video", **inputs)
    assert found.frames == 96


def test_a_picture_of_the_sandbox_is_fetched_over_http(fal: fal_client.SyncClient) -> None:
    source = fal.subscribe("fal-ai/nano-banana", {"prompt": "a red fox", "aspect_ratio": "16:9"})["images"][0]
    inputs = {"image_url": source["url"], "resolution": "480p", "duration": "4"}
    assert video(fal, "bytedance/seedance-2.0/fast/image-to-video", **inputs)[0].frames == 96


def test_a_motion_follows_a_video_of_the_sandbox(fal: fal_client.SyncClient) -> None:
    reference = fal.subscribe("xai/grok-imagine-video/text-to-video", {"prompt": "waves", "duration": 2})["video"]
    inputs = {
        "image_url": red_picture_url(300, 400),
        "video_url": reference["url"],
        "character_orientation": "image",
    }
    handle = fal.submit("fal-ai/kling-video/v3/standard/motion-control", inputs)
    found = probe(download(handle.get()["video"]))
    assert (found.width, found.height, found.frames) == (720, 960, 48)
    assert found.audio_seconds == pytest.approx(2, abs=0.05)
    final = handle.status()
    assert isinstance(final, fal_client.Completed)
    assert final.metrics["inference_time"] > 0


def test_a_video_ends_with_the_last_picture_given(fal: fal_client.SyncClient) -> None:
    inputs = {"first_frame_url": red_picture_url(), "last_frame_url": picture_url(BLUE)}
    _, content = video(fal, "fal-ai/veo3.1/lite/first-last-frame-to-video", **inputs)
    assert all(abs(a - b) <= 6 for a, b in zip(first_frame_colour(content), RED, strict=True))
    assert all(abs(a - b) <= 6 for a, b in zip(last_frame_colour(content), BLUE, strict=True))


def test_music_and_speech(fal: fal_client.SyncClient) -> None:
    music = fal.subscribe("fal-ai/elevenlabs/music", {"prompt": "slow jazz", "music_length_ms": 12_500})["audio"]
    assert music["content_type"] == "audio/mpeg"
    assert probe(download(music)).audio_seconds == pytest.approx(12.5, abs=0.05)
    text = "The quick brown fox jumps over the lazy dog. " * 2
    spoken = fal.subscribe("fal-ai/elevenlabs/tts/eleven-v3", {"text": text, "voice": "Aria"})["audio"]
    assert probe(download(spoken)).audio_seconds == pytest.approx(len(text) / 15, abs=0.05)


@pytest.mark.parametrize(
    ("url", "kind"), [("http://127.0.0.1:9/a.png", "file_download_error"), ("{health}", "image_load_error")]
)
def test_a_source_that_is_no_picture_fails_the_job(
    fal: fal_client.SyncClient, sandbox_url: str, control: SandboxControl, url: str, kind: str
) -> None:
    inputs = {"prompt": "waves", "image_url": url.format(health=f"{sandbox_url}/health")}
    handle = fal.submit("bytedance/seedance-2.0/fast/image-to-video", inputs)
    with pytest.raises(fal_client.client.FalClientHTTPError) as failed:
        handle.get()
    assert failed.value.status_code == 422
    [error] = failed.value.response.json()["detail"]
    assert (error["type"], error["loc"]) == (kind, ["body", "image_url"])
    assert control.paid() == 1


def test_the_client_retries_a_rate_limit_by_itself(fal: fal_client.SyncClient, control: SandboxControl) -> None:
    control.arm("rate_limit", "fal")
    assert fal.subscribe("fal-ai/nano-banana", {"prompt": "a red fox"})["images"]
    assert [call["status"] for call in control.calls(method="POST")] == [429, 200]
    assert control.paid() == 1
