"""OpenAI's official client works against the sandbox, and its errors come out as the client's own."""

from __future__ import annotations

import base64
import io
import random
import wave
from typing import Any, cast

import httpx
import openai
import pytest
from openai.types import ImagesResponse
from PIL import Image

from tests.integration.sandbox.support import SandboxControl, probe

SENTENCE = "The quick brown fox jumps over the lazy dog. " * 3


def decoded(answer: ImagesResponse, index: int = 0) -> Image.Image:
    assert answer.data is not None
    return Image.open(io.BytesIO(base64.b64decode(answer.data[index].b64_json or "")))


def noise_png() -> bytes:
    """A file full of every byte, line ends and dashes included."""
    buffer = io.BytesIO()
    Image.frombytes("RGB", (64, 64), random.Random(1).randbytes(64 * 64 * 3)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("size", "quality", "output_format", "tokens"),
    [
        ("1024x1024", "low", "png", 272),
        ("1536x1024", "medium", "jpeg", 1584),
        ("1024x1536", "high", "webp", 6240),
        ("2048x1152", "low", "png", 612),
        ("auto", "auto", "png", 1056),
    ],
)
def test_pictures(
    open_ai: openai.OpenAI, control: SandboxControl, size: Any, quality: Any, output_format: Any, tokens: int
) -> None:
    answer = open_ai.images.generate(
        model="gpt-image-2", prompt="a red fox", size=size, quality=quality, output_format=output_format
    )
    picture = decoded(answer)
    asked = "1024x1024" if size == "auto" else size
    assert f"{picture.width}x{picture.height}" == answer.size == asked
    assert picture.format == output_format.upper()
    assert answer.output_format == output_format
    assert answer.quality == ("medium" if quality == "auto" else quality)
    assert answer.usage is not None
    assert answer.usage.output_tokens == tokens
    assert answer.usage.input_tokens == answer.usage.input_tokens_details.text_tokens == 3
    assert answer.usage.total_tokens == tokens + 3
    [call] = control.calls()
    assert (call["provider"], call["paid"], call["prompt"]) == ("openai", True, "a red fox")


def test_several_pictures_differ_and_repeat(open_ai: openai.OpenAI) -> None:
    first, second = (open_ai.images.generate(model="gpt-image-2", prompt="a fox", n=2) for _ in range(2))
    assert first.data is not None
    assert first.data[0] != first.data[1]
    assert first.data == second.data
    assert first.usage is not None
    assert first.usage.output_tokens == 2 * 1056


@pytest.mark.parametrize("several", [False, True])
def test_edits(open_ai: openai.OpenAI, several: bool) -> None:
    sources = [("a.png", noise_png()), ("b.png", noise_png())]
    answer = open_ai.images.edit(
        model="gpt-image-2", image=sources if several else sources[0], prompt="make it blue", n=2, size="1536x1024"
    )
    assert answer.data is not None
    assert len(answer.data) == 2
    assert decoded(answer).size == (1536, 1024)
    assert answer.usage is not None
    assert answer.usage.input_tokens_details.image_tokens == (2 if several else 1) * 323


@pytest.mark.parametrize(
    ("response_format", "codec"),
    [("mp3", "mp3float"), ("opus", "opus"), ("aac", "aac"), ("flac", "flac"), ("wav", "pcm_s16le")],
)
def test_speech_formats(open_ai: openai.OpenAI, response_format: Any, codec: str) -> None:
    answer = open_ai.audio.speech.create(model="tts-1", voice="alloy", input=SENTENCE, response_format=response_format)
    found = probe(answer.content)
    assert found.codecs == (codec,)
    assert found.audio_seconds == pytest.approx(len(SENTENCE) / 15, abs=0.08)
    assert answer.response.headers["content-type"] == (
        "audio/mpeg" if response_format == "mp3" else f"audio/{response_format}"
    )


def test_speech_speed_and_raw_samples(open_ai: openai.OpenAI, control: SandboxControl) -> None:
    fast = open_ai.audio.speech.create(
        model="gpt-4o-mini-tts", voice="nova", input=SENTENCE, response_format="pcm", speed=2.0
    )
    assert len(fast.content) / 2 / 24_000 == pytest.approx(len(SENTENCE) / 30, abs=0.001)
    plain = open_ai.audio.speech.create(model="tts-1", voice="nova", input=SENTENCE, response_format="wav")
    with wave.open(io.BytesIO(plain.content)) as file:
        assert file.getnframes() / file.getframerate() == pytest.approx(len(SENTENCE) / 15, abs=0.001)
    assert control.calls()[0]["prompt"] == SENTENCE


def test_voices_differ_and_repeat(open_ai: openai.OpenAI) -> None:
    def spoken(voice: Any) -> bytes:
        return open_ai.audio.speech.create(model="tts-1", voice=voice, input="Hello there.").content

    assert spoken("alloy") == spoken("alloy") != spoken("onyx")


def test_streamed_speech(open_ai: openai.OpenAI) -> None:
    with open_ai.audio.speech.with_streaming_response.create(model="tts-1", voice="ash", input="Hi.") as answer:
        assert probe(b"".join(answer.iter_bytes())).audio_seconds


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"model": "gpt-image-2"}, "prompt", "missing_required_parameter"),
        ({"model": "gpt-image-2", "prompt": "fox", "size": "1000x1000"}, "size", "invalid_value"),
        ({"model": "gpt-image-2", "prompt": "fox", "size": "4096x1024"}, "size", "invalid_value"),
        ({"model": "gpt-image-2", "prompt": "fox", "quality": "best"}, "quality", "invalid_value"),
        ({"model": "gpt-image-2", "prompt": "fox", "n": 11}, "n", "invalid_value"),
        ({"model": "no-such-model", "prompt": "fox"}, "model", "invalid_value"),
    ],
)
def test_invalid_requests(
    open_ai: openai.OpenAI, control: SandboxControl, body: dict[str, Any], param: str, code: str
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        open_ai.post("/images/generations", body=body, cast_to=ImagesResponse)
    error = cast("dict[str, Any]", refused.value.body)
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, code)
    assert error["message"]
    assert control.paid() == 0


def test_invalid_edits(open_ai: openai.OpenAI, sandbox_url: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        open_ai.images.edit(model="gpt-image-2", image=("a.png", b"not a picture"), prompt="fox")
    assert refused.value.code == "invalid_image_file"
    headers = {"Authorization": "Bearer sk"}
    url = f"{sandbox_url}/openai/v1/images/edits"
    assert httpx.post(url, headers=headers, json={}).status_code == 400
    without = httpx.post(url, headers=headers, files={"prompt": (None, "fox")})
    assert without.json()["error"]["param"] == "image"


def test_too_long_to_speak(open_ai: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        open_ai.audio.speech.create(model="tts-1", voice="alloy", input="a" * 4097)
    assert refused.value.param == "input"


def test_without_a_key(sandbox_url: str, control: SandboxControl) -> None:
    for path in ("images/generations", "images/edits", "audio/speech"):
        answer = httpx.post(f"{sandbox_url}/openai/v1/{path}", headers={"Authorization": "Key x"}, json={})
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "invalid_api_key"
    assert control.paid() == 0
