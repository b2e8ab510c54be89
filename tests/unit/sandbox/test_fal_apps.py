"""fal's apps: each renders what it promises from its least input, and refuses what fal refuses."""

from __future__ import annotations

import asyncio
import base64
import functools
import io
from collections.abc import Callable, Iterator
from typing import Any

import av
import pytest
from PIL import Image
from pydantic import ValidationError

from infra.sandbox.faults import Faults
from infra.sandbox.files import Files
from infra.sandbox.jobs import Cause, JobError
from infra.sandbox.providers.fal_apps import APPS
from infra.sandbox.providers.fal_apps.base import App, OneOf
from infra.sandbox.render.media import Media
from infra.sandbox.render.video import VideoOrder
from infra.sandbox.sources import Sources
from infra.sandbox.studio import Studio

KLING_3 = "fal-ai/kling-video/v3/standard"
MOTION = f"{KLING_3}/motion-control"
SHORTEST = {
    "duration": ("2", "3", "4", "4s", "5", "6", "8s"),
    "resolution": ("0.5K", "1k", "1K", "480p", "720p"),
    "image_size": ("square", "1024x1024"),
}
"""The first word that the app allows is taken, so that the whole list renders fast."""


def data_uri(content: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


@functools.cache
def picture_url(width: int = 96, height: int = 64) -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (200, 30, 40)).save(buffer, "PNG")
    return data_uri(buffer.getvalue(), "image/png")


@functools.cache
def clip_url(seconds: float = 0.5, audio: bool = True) -> str:
    return data_uri(VideoOrder("waves", 64, 36, seconds, audio).render().content, "video/mp4")


REQUIRED: dict[str, Any] = {
    "prompt": "waves at night",
    "text": "Hello there.",
    "inputs": [{"text": "Hello.", "voice": "Aria"}, {"text": "Hi.", "voice": "Roger"}],
    "lyrics_prompt": "[Verse] La la la la",
    "character_orientation": "video",
}


def least_input(app: type[App]) -> dict[str, Any]:
    """What the app requires, and the shortest and smallest it offers."""
    given: dict[str, Any] = {}
    for name, field in app.model_fields.items():
        words = next((mark.words for mark in field.metadata if isinstance(mark, OneOf)), ())
        if name in SHORTEST and words:
            given[name] = next(word for word in SHORTEST[name] if word in words)
        elif name == "image_size":
            given[name] = {"width": 1024, "height": 1024} if app.__name__.startswith("GptImage") else "square"
        elif name == "video_url" and field.is_required():
            given[name] = clip_url()
        elif field.is_required() and name.endswith("_urls"):
            given[name] = [picture_url()]
        elif field.is_required() and name.endswith("_url"):
            given[name] = picture_url()
        elif field.is_required():
            given[name] = REQUIRED[name]
    lengths = {"music_length_ms": 3000, "seconds_total": 1, "duration_seconds": 0.5, "is_instrumental": True}
    given |= {name: value for name, value in lengths.items() if name in app.model_fields}
    if "prompt" in app.model_fields:
        given["prompt"] = REQUIRED["prompt"]
    return given


Make = Callable[[str, dict[str, Any]], list[Media]]


@pytest.fixture(scope="module")
def made() -> Iterator[Make]:
    """What an app renders of an input, its sources fetched; equal orders are rendered once for all tests."""

    async def make(app_id: str, inputs: dict[str, Any]) -> list[Media]:
        app = APPS[app_id].model_validate(inputs)
        found = await sources.fetch(app.sources())
        return [await studio.render(order) for order in app.orders(found)]

    with asyncio.Runner() as runner:
        studio = Studio()
        sources = Sources(studio)
        yield lambda app_id, inputs: runner.run(make(app_id, inputs))
        runner.run(sources.close())
        studio.close()


@pytest.fixture(scope="module")
def files() -> Iterator[Files]:
    kept = Files("http://files.test", Faults(), asyncio.Event())
    yield kept
    kept.close()


def output(app_id: str, inputs: dict[str, Any], media: list[Media], files: Files) -> dict[str, Any]:
    stored = [files.put(one, "fal", "") for one in media]
    return APPS[app_id].model_validate(inputs).output(stored)


def shape(media: Media) -> tuple[int, int, float, bool]:
    """Width, height, seconds and whether there is sound, of the video as it decodes."""
    with av.open(io.BytesIO(media.content), "r") as opened:
        track = opened.streams.video[0]
        frames = sum(1 for _ in opened.decode(video=0))
        assert track.average_rate is not None
        return track.width, track.height, float(frames / track.average_rate), bool(opened.streams.audio)


@pytest.mark.parametrize("app_id", sorted(APPS))
def test_every_app_renders_what_it_promises(made: Make, app_id: str, files: Files) -> None:
    app, inputs = APPS[app_id], least_input(APPS[app_id])
    media = made(app_id, inputs)
    assert media
    for one in media:
        kind, _, _ = one.media_type.partition("/")
        assert kind == app.kind.removesuffix("s")
        if kind == "image":
            with Image.open(io.BytesIO(one.content)) as picture:
                assert picture.size == (one.width, one.height)
        else:
            with av.open(io.BytesIO(one.content), "r") as opened:
                assert opened.duration is not None
                assert one.duration_seconds == pytest.approx(opened.duration / av.time_base, abs=0.1)
                assert bool(opened.streams.video) == (kind == "video")
    answer = output(app_id, inputs, media, files)[app.kind]
    urls = [file["url"] for file in (answer if app.kind == "images" else [answer])]
    assert all(url.startswith("http://files.test/") for url in urls)
    assert len(urls) == len(media)


@pytest.mark.parametrize("app_id", sorted(APPS))
def test_an_app_that_made_nothing_says_so(app_id: str) -> None:
    app = APPS[app_id].model_validate(least_input(APPS[app_id]))
    assert not app.output([])[app.kind]


@pytest.mark.parametrize("app_id", sorted(APPS))
def test_a_word_that_is_not_allowed_is_refused(app_id: str) -> None:
    app, inputs = APPS[app_id], least_input(APPS[app_id])
    marked = [name for name, field in app.model_fields.items() if any(isinstance(m, OneOf) for m in field.metadata)]
    for name in marked:
        with pytest.raises(ValidationError) as refused:
            app.model_validate({**inputs, name: "no such word"})
        assert (refused.value.errors()[0]["loc"], refused.value.errors()[0]["type"]) == ((name,), "literal_error")
    for name in [name for name, field in app.model_fields.items() if field.is_required()]:
        with pytest.raises(ValidationError) as missing:
            app.model_validate({other: value for other, value in inputs.items() if other != name})
        assert missing.value.errors()[0]["type"] == "missing"


@pytest.mark.parametrize(
    ("app_id", "inputs", "pixels"),
    [
        ("fal-ai/nano-banana-pro", {"aspect_ratio": "16:9", "resolution": "2K"}, (2752, 1536)),
        ("fal-ai/nano-banana-2", {"aspect_ratio": "1:8", "resolution": "0.5K"}, (192, 1536)),
        ("fal-ai/nano-banana-2/edit", {"image_urls": [picture_url(160, 90)]}, (1376, 768)),
        ("openai/gpt-image-2", {"image_size": {"width": 1920, "height": 1088}}, (1920, 1088)),
        ("fal-ai/gpt-image-1.5/edit", {"image_urls": [picture_url(60, 90)]}, (1024, 1536)),
        ("fal-ai/bytedance/seedream/v4/text-to-image", {"image_size": "landscape_16_9"}, (1280, 720)),
        ("fal-ai/bytedance/seedream/v4.5/text-to-image", {}, (2048, 2048)),
        ("bytedance/seedream/v5/lite/text-to-image", {"image_size": "square_hd"}, (1920, 1920)),
        ("bytedance/seedream/v5/pro/text-to-image", {"image_size": {"width": 4096, "height": 4096}}, (2048, 2048)),
        ("fal-ai/flux-2", {"image_size": {"width": 640, "height": 512}}, (640, 512)),
        ("fal-ai/flux-2-pro/edit", {"image_urls": [picture_url(100, 100)]}, (1024, 1024)),
        ("fal-ai/fast-sdxl", {}, (1024, 1024)),
        ("xai/grok-imagine-image", {"aspect_ratio": "16:9", "resolution": "1k"}, (1360, 768)),
        ("fal-ai/kling-image/v3/text-to-image", {"aspect_ratio": "1:1", "resolution": "2K"}, (2048, 2048)),
        ("fal-ai/imagen4/preview/ultra", {"aspect_ratio": "9:16"}, (768, 1408)),
        ("fal-ai/recraft/v4/text-to-image", {"image_size": {"width": 600, "height": 300}}, (600, 300)),
    ],
)
def test_pictures_have_the_pixels_asked(
    made: Make, app_id: str, inputs: dict[str, Any], pixels: tuple[int, int]
) -> None:
    [media] = made(app_id, {"prompt": "waves at night", **inputs})
    assert (media.width, media.height) == pixels


@pytest.mark.parametrize(
    ("app_id", "inputs", "count"),
    [
        ("fal-ai/bytedance/seedream/v4/text-to-image", {"num_images": 2, "max_images": 3, "image_size": "square"}, 6),
        ("fal-ai/kling-image/o3/text-to-image", {"result_type": "series", "series_amount": 3, "num_images": 2}, 3),
        ("fal-ai/kling-image/o3/text-to-image", {"num_images": 2, "series_amount": 3}, 2),
        ("xai/grok-imagine-image", {"num_images": 4}, 4),
    ],
)
def test_as_many_pictures_as_asked_all_different(made: Make, app_id: str, inputs: dict[str, Any], count: int) -> None:
    media = made(app_id, {"prompt": "waves at night", **inputs})
    assert len({one.content for one in media}) == len(media) == count


@pytest.mark.parametrize(
    ("app_id", "inputs", "expected"),
    [
        (f"{KLING_3}/text-to-video", {"duration": "3"}, (1280, 720, 3, True)),
        (f"{KLING_3}/text-to-video", {"duration": "3", "generate_audio": False}, (1280, 720, 3, False)),
        (f"{KLING_3}/image-to-video", {"start_image_url": picture_url(90, 60), "duration": "3"}, (1080, 720, 3, True)),
        ("fal-ai/kling-video/v3/4k/text-to-video", {"aspect_ratio": "1:1", "duration": "3"}, (2160, 2160, 3, True)),
        ("fal-ai/kling-video/v2.5-turbo/pro/text-to-video", {"aspect_ratio": "9:16"}, (1080, 1920, 5, False)),
        ("fal-ai/wan-25-preview/text-to-video", {"resolution": "480p"}, (854, 480, 5, True)),
        ("fal-ai/bytedance/seedance/v1/pro/fast/text-to-video", {"num_frames": 29, "resolution": "480p"}, None),
        ("bytedance/seedance-2.0/text-to-video", {"duration": "15", "resolution": "1080p"}, (1920, 1080, 15, True)),
        ("fal-ai/veo3.1/lite", {"duration": "4s", "generate_audio": False}, (1280, 720, 4, False)),
        ("xai/grok-imagine-video/text-to-video", {"duration": 1, "resolution": "480p"}, (854, 480, 1, True)),
        ("fal-ai/sora-2/text-to-video", {"duration": 12}, (1280, 720, 12, True)),
        ("fal-ai/minimax/hailuo-2.3/standard/text-to-video", {}, (1366, 768, 6, False)),
    ],
)
def test_videos_have_the_shape_asked(
    made: Make, app_id: str, inputs: dict[str, Any], expected: tuple[Any, ...] | None
) -> None:
    [media] = made(app_id, {"prompt": "waves at night", **inputs})
    assert shape(media) == (expected or (854, 480, pytest.approx(29 / 24), False))


def test_shots_add_up_and_stand_for_the_prompt(made: Make) -> None:
    shots = [{"prompt": "a fox", "duration": "1"}, {"prompt": "a hen", "duration": "2"}]
    [media] = made(f"{KLING_3}/text-to-video", {"multi_prompt": shots, "generate_audio": False})
    assert shape(media) == (1280, 720, 3, False)
    for refused in (
        {"multi_prompt": shots, "prompt": "a fox"},
        {},
        {"multi_prompt": [{"prompt": "a fox", "duration": "15"}, {"prompt": "a hen", "duration": "1"}]},
    ):
        with pytest.raises(ValidationError):
            APPS[f"{KLING_3}/text-to-video"].model_validate(refused)


@pytest.mark.parametrize(
    ("inputs", "seconds", "sound"),
    [
        ({"video_url": clip_url(1.5)}, 1.5, True),
        ({"video_url": clip_url(1.5), "keep_original_sound": False}, 1.5, False),
        ({"video_url": clip_url(1.5, audio=False)}, 1.5, False),
        ({"video_url": clip_url(11, audio=False)}, 11, False),
        ({"video_url": clip_url(11, audio=False), "character_orientation": "image"}, 10, False),
    ],
)
def test_a_motion_lasts_as_long_as_its_reference(
    made: Make, inputs: dict[str, Any], seconds: float, sound: bool
) -> None:
    given = {"image_url": picture_url(90, 90), "character_orientation": "video", **inputs}
    [media] = made(MOTION, given)
    assert shape(media) == (720, 720, seconds, sound)


def test_a_reference_that_is_no_video_fails_the_job(made: Make) -> None:
    inputs = {"image_url": picture_url(), "video_url": picture_url(), "character_orientation": "video"}
    with pytest.raises(JobError) as failed:
        made(MOTION, inputs)
    assert (failed.value.cause, failed.value.field) == (Cause.UNREADABLE_SOURCE, "video_url")


def test_elements_are_fetched(made: Make) -> None:
    element = {"frontal_image_url": "data:,no picture", "reference_image_urls": [picture_url()]}
    inputs = {"prompt": "a fox", "start_image_url": picture_url(), "elements": [element]}
    with pytest.raises(JobError) as failed:
        made(f"{KLING_3}/image-to-video", inputs)
    assert failed.value.field == "elements"


@pytest.mark.parametrize(
    ("app_id", "inputs", "rate_hz", "seconds"),
    [
        ("fal-ai/elevenlabs/music", {"music_length_ms": 3000, "output_format": "mp3_22050_32"}, 22_050, 3),
        ("fal-ai/elevenlabs/music", {"music_length_ms": 3000, "output_format": "opus_48000_64"}, 48_000, 3),
        ("fal-ai/minimax/speech-2.8-hd", {"prompt": "Hello there. " * 4}, 32_000, 52 / 15),
        (
            "fal-ai/minimax/speech-2.8-hd",
            {"prompt": "Hello there. " * 4, "voice_setting": {"speed": 2}, "audio_setting": {"format": "flac"}},
            32_000,
            26 / 15,
        ),
        ("fal-ai/lyria2", {}, 48_000, 30),
        ("fal-ai/gemini-tts", {"prompt": "Hello there. ", "output_format": "wav"}, 24_000, 13 / 15),
        ("fal-ai/stable-audio-25/text-to-audio", {"seconds_total": 2}, 44_100, 2),
    ],
)
def test_sound_has_the_length_and_rate_asked(
    made: Make, app_id: str, inputs: dict[str, Any], rate_hz: int, seconds: float
) -> None:
    [media] = made(app_id, {"prompt": "waves at night", **inputs})
    with av.open(io.BytesIO(media.content), "r") as opened:
        track = opened.streams.audio[0]
        assert track.rate == rate_hz
        assert sum(frame.samples for frame in opened.decode(audio=0)) / rate_hz == pytest.approx(seconds, abs=0.06)


def test_a_plan_of_music_is_as_long_as_its_sections(made: Make) -> None:
    section = {"section_name": "Verse", "lines": [], "positive_local_styles": [], "negative_local_styles": []}
    sections = [{**section, "duration_ms": 3000}, {**section, "duration_ms": 4000}]
    plan = {"positive_global_styles": ["jazz"], "negative_global_styles": [], "sections": sections}
    [media] = made("fal-ai/elevenlabs/music", {"composition_plan": plan, "output_format": "mp3_22050_32"})
    assert media.duration_seconds == 7


def test_what_the_answers_say_besides(made: Make, files: Files) -> None:
    def answer(app_id: str, **inputs: Any) -> dict[str, Any]:
        inputs["prompt"] = "a fox"
        return output(app_id, inputs, made(app_id, inputs), files)

    assert answer("fal-ai/minimax/speech-2.8-hd")["duration_ms"] == round(5 / 15 * 1000)
    flux = answer("fal-ai/flux-2", image_size={"width": 512, "height": 512}, seed=7)
    assert (flux["seed"], flux["prompt"], flux["has_nsfw_concepts"]) == (7, "a fox", [False])
    assert (flux["images"][0]["width"], flux["images"][0]["height"]) == (512, 512)
    [ideogram] = answer("fal-ai/ideogram/v3", image_size="square")["images"]
    assert "width" not in ideogram
    grok = answer("xai/grok-imagine-video/text-to-video", duration=1, resolution="480p")["video"]
    assert (grok["width"], grok["height"], grok["duration"], grok["num_frames"]) == (854, 480, 1.0, 24)


@pytest.mark.parametrize(
    ("app_id", "inputs"),
    [
        ("openai/gpt-image-2", {"image_size": {"width": 1000, "height": 1000}}),
        ("openai/gpt-image-2", {"image_size": {"width": 512, "height": 512}}),
        ("openai/gpt-image-2", {"image_size": {"width": 3840, "height": 1024}}),
        ("openai/gpt-image-2", {"image_size": {"width": 3840, "height": 3840}}),
        ("fal-ai/flux-2", {"image_size": {"width": 256, "height": 1024}}),
        ("bytedance/seedance-2.0/reference-to-video", {"audio_urls": ["https://files.test/a.mp3"]}),
        ("fal-ai/elevenlabs/music", {"composition_plan": {}, "music_length_ms": 3000}),
        ("fal-ai/minimax-music/v2.6", {}),
        ("fal-ai/sora-2/text-to-video", {"duration": 5}),
    ],
)
def test_inputs_that_do_not_go_together_are_refused(app_id: str, inputs: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        APPS[app_id].model_validate({"prompt": "waves at night", **inputs})
