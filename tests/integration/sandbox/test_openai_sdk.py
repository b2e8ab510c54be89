"""OpenAI's official client works against the sandbox, and its errors come out as the client's own."""

from __future__ import annotations

import base64
import io
import json
import random
import wave
from typing import Any, cast

import httpx
import openai
import pytest
from openai.types import ImagesResponse
from openai.types.chat import ChatCompletion
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
    ("model", "words"), [("gpt-image-1.5", 60), ("gpt-image-1-mini", 0), ("gpt-image-2", 0), ("gpt-image-2.5", 0)]
)
def test_every_image_model_tells_its_usage(open_ai: openai.OpenAI, model: str, words: int) -> None:
    drawn = open_ai.images.generate(model=model, prompt="a red fox", quality="low")
    edited = open_ai.images.edit(model=model, prompt="make it blue", image=("a.png", noise_png()), quality="low")
    for answer, pictures in ((drawn, 0), (edited, 323)):
        usage = answer.usage
        assert usage is not None
        assert usage.output_tokens_details is not None
        assert (usage.output_tokens_details.image_tokens, usage.output_tokens_details.text_tokens) == (272, words)
        assert usage.output_tokens == 272 + words
        assert usage.input_tokens_details.image_tokens == pictures
        assert usage.total_tokens == usage.input_tokens + usage.output_tokens


def events_of(answer: Any) -> list[dict[str, Any]]:
    return [json.loads(line.removeprefix("data: ")) for line in answer.iter_lines() if line]


def test_speech_in_events(open_ai: openai.OpenAI) -> None:
    whole = open_ai.audio.speech.create(model="gpt-4o-mini-tts", voice="ash", input=SENTENCE)
    with open_ai.audio.speech.with_streaming_response.create(
        model="gpt-4o-mini-tts", voice="ash", input=SENTENCE, instructions="Whisper.", stream_format="sse"
    ) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        *deltas, done = events_of(answer)
    assert len(deltas) > 1
    assert {one["type"] for one in deltas} == {"speech.audio.delta"}
    assert b"".join(base64.b64decode(one["audio"]) for one in deltas) == whole.content
    assert done["type"] == "speech.audio.done"
    seconds = len(SENTENCE) / 15
    assert done["usage"]["output_tokens"] == pytest.approx(seconds * 1250 / 60, abs=2)
    assert done["usage"]["input_tokens"] == (len(SENTENCE) + len("Whisper.") + 3) // 4
    assert done["usage"]["total_tokens"] == done["usage"]["input_tokens"] + done["usage"]["output_tokens"]


@pytest.mark.parametrize("model", ["tts-1", "tts-1-hd"])
def test_older_voices_do_not_stream_events(open_ai: openai.OpenAI, model: str) -> None:
    assert probe(open_ai.audio.speech.create(model=model, voice="ash", input="Hi.").content).audio_seconds
    with pytest.raises(openai.BadRequestError) as refused:
        open_ai.audio.speech.create(model=model, voice="ash", input="Hi.", stream_format="sse")
    assert refused.value.param == "stream_format"


def chat(open_ai: openai.OpenAI, prompt: str = "Write about a fox.", **more: Any) -> ChatCompletion:
    messages: list[Any] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": prompt}]
    answer: ChatCompletion = open_ai.chat.completions.create(**{"model": "gpt-4.1-mini", "messages": messages, **more})
    return answer


def test_a_chat(open_ai: openai.OpenAI, control: SandboxControl) -> None:
    answer = chat(open_ai)
    [choice] = answer.choices
    assert (choice.finish_reason, choice.message.role, choice.message.refusal) == ("stop", "assistant", None)
    assert "Write about a fox." in (choice.message.content or "")
    usage = answer.usage
    assert usage is not None
    assert usage.prompt_tokens == (len("system: Be brief.\nuser: Write about a fox.") + 3) // 4
    assert usage.completion_tokens == (len(choice.message.content or "") + 3) // 4
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert usage.completion_tokens_details is not None
    assert usage.completion_tokens_details.reasoning_tokens == 0
    [call] = control.calls()
    assert (call["paid"], call["prompt"]) == (True, "Write about a fox.")


def test_chats_repeat_by_seed(open_ai: openai.OpenAI) -> None:
    def text(**more: Any) -> str | None:
        return chat(open_ai, **more).choices[0].message.content

    assert text(seed=1) == text(seed=1)
    assert len({text(seed=1), text(seed=2), text(), text(model="gpt-4o")}) == 4
    several = chat(open_ai, n=3)
    assert len({choice.message.content for choice in several.choices}) == 3


def test_a_chat_of_at_most_so_many_tokens(open_ai: openai.OpenAI) -> None:
    answer = chat(open_ai, max_completion_tokens=20)
    assert answer.choices[0].finish_reason == "length"
    assert len(answer.choices[0].message.content or "") == 80
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 20


@pytest.mark.parametrize("model", ["gpt-5-mini", "gpt-6.1-sol", "o3"])
def test_a_chat_that_thinks(open_ai: openai.OpenAI, model: str) -> None:
    usage = chat(open_ai, model=model).usage
    assert usage is not None
    assert usage.completion_tokens_details is not None
    thought = usage.completion_tokens_details.reasoning_tokens or 0
    assert 64 <= thought < usage.completion_tokens
    nothing_left = chat(open_ai, model=model, max_completion_tokens=64)
    assert nothing_left.choices[0].message.content == ""
    assert nothing_left.choices[0].finish_reason == "length"


def test_a_long_conversation_is_cached(open_ai: openai.OpenAI) -> None:
    def cached(prompt: str) -> int | None:
        usage = chat(open_ai, prompt).usage
        assert usage is not None
        assert usage.prompt_tokens_details is not None
        return usage.prompt_tokens_details.cached_tokens

    long = "A fox that is told of at length. " * 200
    assert [cached(long), cached(long)] == [0, len(long) // 4 // 128 * 128]
    assert [cached("short"), cached("short")] == [0, 0]


@pytest.mark.parametrize(("fault", "reason"), [("filtered", "content_filter"), ("empty_output", "stop")])
def test_a_chat_without_words(open_ai: openai.OpenAI, control: SandboxControl, fault: str, reason: str) -> None:
    control.arm(fault, "openai")
    [choice] = chat(open_ai).choices
    assert (choice.message.content, choice.finish_reason) == ("", reason)
    assert control.paid() == 1


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"model": "gpt-image-2"}, "model"),
        ({"model": "gpt-4o-mini-tts"}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "fox", "content": "Hi."}]}, "messages.0.role"),
        ({"max_completion_tokens": 0}, "max_completion_tokens"),
        ({"temperature": 3}, "temperature"),
    ],
)
def test_invalid_chats(open_ai: openai.OpenAI, control: SandboxControl, more: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        chat(open_ai, **more)
    assert refused.value.param == param
    assert control.paid() == 0


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"model": "gpt-image-1.5", "prompt": "fox", "size": "2048x1152"}, "size", "invalid_value"),
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
    for path in ("images/generations", "images/edits", "audio/speech", "chat/completions"):
        answer = httpx.post(f"{sandbox_url}/openai/v1/{path}", headers={"Authorization": "Key x"}, json={})
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "invalid_api_key"
    assert control.paid() == 0
