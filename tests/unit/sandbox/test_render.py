"""Rendering: exact shapes, the same bytes for the same order in any process, another picture for another order."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import av
import pytest
from PIL import Image

from infra.sandbox.render.audio import MusicOrder, SpeechOrder, play, speak, speech_seconds
from infra.sandbox.render.image import ImageOrder, decode_image
from infra.sandbox.render.media import Order
from infra.sandbox.render.video import VideoOrder

ROOT = Path(__file__).parents[3]
IMAGE = ImageOrder("a red fox", 320, 200)
VIDEO = VideoOrder("a red fox", 160, 90, 1.0, audio=True)
MUSIC = MusicOrder("slow jazz", 1.5)
SPEECH = SpeechOrder("Hello there.", "alloy")


@pytest.mark.parametrize("order", [IMAGE, VIDEO, MUSIC, SPEECH])
def test_an_order_is_rendered_to_the_same_bytes(order: Order) -> None:
    assert order.render() == order.render()


@pytest.mark.parametrize(
    ("order", "other"),
    [
        (IMAGE, replace(IMAGE, seed=1)),
        (IMAGE, replace(IMAGE, prompt="a red fax")),
        (VIDEO, replace(VIDEO, seed=1)),
        (MUSIC, replace(MUSIC, prompt="fast jazz")),
        (SPEECH, replace(SPEECH, voice="onyx")),
        (SPEECH, replace(SPEECH, text="Hello these.")),
    ],
)
def test_another_order_gives_other_bytes(order: Order, other: Order) -> None:
    assert order.render().content != other.render().content


def test_another_process_renders_the_same() -> None:
    script = (
        "import hashlib; from infra.sandbox.render.image import ImageOrder;"
        "print(hashlib.sha256(ImageOrder('a red fox', 320, 200).render().content).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == hashlib.sha256(IMAGE.render().content).hexdigest()


@pytest.mark.parametrize("size", [(16, 16), (1, 400), (400, 1), (1023, 517)])
@pytest.mark.parametrize("prompt", ["", "a", "word " * 200, "x" * 5000, "灯台 🦊", "\n\t "])
def test_any_prompt_fits_any_picture(size: tuple[int, int], prompt: str) -> None:
    media = ImageOrder(prompt, *size).render()
    assert Image.open(io.BytesIO(media.content)).size == size == (media.width, media.height)


def test_the_prompt_is_written_into_the_picture() -> None:
    plain = decode_image(ImageOrder("", 320, 200).render().content)
    assert (255, 255, 255) not in set(plain.crop((0, 150, 320, 200)).get_flattened_data())
    written = decode_image(IMAGE.render().content)
    assert (255, 255, 255) in set(written.crop((0, 150, 320, 200)).get_flattened_data())


@pytest.mark.parametrize("seconds", [0.01, 1.0, 2.5])
@pytest.mark.parametrize("audio", [True, False])
def test_video_lengths(seconds: float, audio: bool) -> None:
    content = VideoOrder("a red fox", 160, 90, seconds, audio).render().content
    with av.open(io.BytesIO(content), "r") as media:
        frames = len(list(media.decode(video=0)))
        assert len(media.streams.audio) == int(audio)
        assert media.duration is not None
        assert media.duration / av.time_base == pytest.approx(frames / 24, abs=0.001)
    assert frames == max(1, round(seconds * 24))


def test_a_video_moves() -> None:
    with av.open(io.BytesIO(replace(VIDEO, audio=False).render().content), "r") as media:
        pictures = [bytes(frame.planes[0]) for frame in media.decode(video=0)]
    assert len(set(pictures)) > 5


@pytest.mark.parametrize("seconds", [0.05, 3.0, 31.7])
def test_music_lengths(seconds: float) -> None:
    samples = play("slow jazz", seconds, 0)
    assert len(samples) == round(seconds * 44_100)
    assert abs(samples[-1]) < 50
    assert max(map(abs, samples)) > 1000 or seconds < 0.1


@pytest.mark.parametrize("text", ["a", "Hello there.", "灯台です", "12345", "The end. " * 40])
@pytest.mark.parametrize("speed", [0.25, 1.0, 4.0])
def test_speech_lengths(text: str, speed: float) -> None:
    samples = speak(text, "alloy", speed)
    assert len(samples) == round(speech_seconds(text, speed) * 24_000)
    assert speech_seconds(text, speed) == pytest.approx(max(0.2, len(text) / 15 / speed))
    assert max(map(abs, samples)) > 500


def test_speech_pauses_between_words() -> None:
    samples = speak("aaaa    aaaa", "alloy", 1.0)
    third = len(samples) // 3
    assert max(map(abs, samples[third : 2 * third])) == 0
    assert max(map(abs, samples[:third])) > 5000


def test_only_pictures_are_decoded() -> None:
    with pytest.raises(OSError, match="cannot identify"):
        decode_image(b"<html>no picture</html>")
