"""ElevenLabs' official client works against the sandbox, its errors come out as its own, and it signs as we verify."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from elevenlabs import VoiceSettings
from elevenlabs.client import ElevenLabs
from elevenlabs.core.api_error import ApiError
from elevenlabs.core.request_options import RequestOptions
from elevenlabs.errors import BadRequestError, UnprocessableEntityError

from gateway import signatures
from gateway.provider import ForgedWebhook
from tests.integration.sandbox.support import SandboxControl, probe

RACHEL = "21m00Tcm4TlvDq8ikWAM"
SENTENCE = "The quick brown fox jumps over the lazy dog. "
ONCE = RequestOptions(max_retries=0)
SECRET = "wsec_of_the_operator"


def spoken(client: ElevenLabs, text: str = SENTENCE, voice_id: str = RACHEL, **more: Any) -> bytes:
    return b"".join(client.text_to_speech.convert(voice_id, text=text, request_options=ONCE, **more))


def status_of(error: ApiError) -> str:
    told: str = error.body["detail"]["status"]
    return told


@pytest.mark.parametrize(
    ("output_format", "codec"), [("mp3_44100_128", "mp3float"), ("mp3_22050_32", "mp3float"), ("opus_48000_64", "opus")]
)
def test_speech(eleven_labs: ElevenLabs, control: SandboxControl, output_format: str, codec: str) -> None:
    found = probe(spoken(eleven_labs, model_id="eleven_v3", output_format=output_format))
    assert found.codecs == (codec,)
    assert found.audio_seconds == pytest.approx(len(SENTENCE) / 15, abs=0.1)
    [call] = control.calls()
    assert (call["provider"], call["paid"], call["prompt"]) == ("elevenlabs", True, SENTENCE)


def test_speech_has_voices_and_settings(eleven_labs: ElevenLabs) -> None:
    other = "JBFqnCBsd6RMkjVDRZzb"
    assert spoken(eleven_labs) == spoken(eleven_labs) != spoken(eleven_labs, voice_id=other)
    fast = probe(spoken(eleven_labs, voice_settings=VoiceSettings(speed=1.2, stability=0.5)))
    assert fast.audio_seconds == pytest.approx(len(SENTENCE) / 15 / 1.2, abs=0.1)


def test_streamed_speech(eleven_labs: ElevenLabs) -> None:
    stream: Iterator[bytes] = eleven_labs.text_to_speech.stream(RACHEL, text=SENTENCE, output_format="mp3_44100_128")
    assert b"".join(stream) == spoken(eleven_labs, output_format="mp3_44100_128")


def test_bare_samples(eleven_labs: ElevenLabs) -> None:
    samples = spoken(eleven_labs, output_format="pcm_16000")
    assert len(samples) / 2 / 16_000 == pytest.approx(len(SENTENCE) / 15, abs=0.01)


def test_music(eleven_labs: ElevenLabs, control: SandboxControl) -> None:
    song = b"".join(eleven_labs.music.compose(prompt="calm rain", music_length_ms=4000, model_id="music_v1"))
    assert probe(song).audio_seconds == pytest.approx(4, abs=0.1)
    streamed = b"".join(eleven_labs.music.stream(prompt="calm rain", music_length_ms=4000, model_id="music_v1"))
    assert streamed == song
    assert control.paid(provider="elevenlabs") == 2


@pytest.mark.parametrize(("seconds", "made"), [(1.5, 1.5), (None, 5)])
def test_sound_effects(eleven_labs: ElevenLabs, seconds: float | None, made: float) -> None:
    sound = eleven_labs.text_to_sound_effects.convert(text="a door", duration_seconds=seconds, prompt_influence=0.5)
    assert probe(b"".join(sound)).audio_seconds == pytest.approx(made, abs=0.1)


def test_whose_key_it_is(eleven_labs: ElevenLabs, control: SandboxControl) -> None:
    assert eleven_labs.user.get().subscription.character_limit == 100_000
    assert control.paid() == 0


@pytest.mark.parametrize(
    "act",
    [
        lambda client: spoken(client, text=""),
        lambda client: spoken(client, output_format="wav_44100"),
        lambda client: spoken(client, voice_settings=VoiceSettings(speed=2)),
        lambda client: b"".join(client.music.compose(request_options=ONCE)),
        lambda client: b"".join(client.music.compose(prompt="x", music_length_ms=2999, request_options=ONCE)),
        lambda client: b"".join(
            client.text_to_sound_effects.convert(text="x", duration_seconds=31, request_options=ONCE)
        ),
    ],
)
def test_invalid_requests(eleven_labs: ElevenLabs, control: SandboxControl, act: Callable[[ElevenLabs], bytes]) -> None:
    with pytest.raises(UnprocessableEntityError) as refused:
        act(eleven_labs)
    [first, *_] = refused.value.body["detail"]
    assert set(first) == {"loc", "msg", "type"}
    assert control.paid() == 0


def test_an_unknown_voice(eleven_labs: ElevenLabs) -> None:
    with pytest.raises(ApiError) as refused:
        spoken(eleven_labs, voice_id="Aria")
    assert (refused.value.status_code, status_of(refused.value)) == (400, "voice_not_found")


def test_without_a_key(sandbox_url: str, control: SandboxControl) -> None:
    for method, path in (("POST", f"text-to-speech/{RACHEL}"), ("POST", "music"), ("GET", "user")):
        answer = httpx.request(method, f"{sandbox_url}/elevenlabs/v1/{path}")
        assert (answer.status_code, answer.json()["detail"]["status"]) == (401, "invalid_api_key")
    assert control.paid() == 0


@pytest.mark.parametrize(
    ("fault", "status", "code", "paid"),
    [
        ("refuse", 401, "quota_exceeded", 0),
        ("rate_limit", 429, "too_many_concurrent_requests", 0),
        ("server_error", 500, "internal_server_error", 0),
        ("filtered", 400, "bad_prompt", 0),
        ("fail_after_accept", 500, "internal_server_error", 1),
    ],
)
def test_faults_with_words(
    eleven_labs: ElevenLabs, control: SandboxControl, fault: str, status: int, code: str, paid: int
) -> None:
    control.arm(fault, "elevenlabs")
    with pytest.raises(ApiError) as refused:
        spoken(eleven_labs)
    assert (refused.value.status_code, status_of(refused.value), control.paid()) == (status, code, paid)
    assert control.armed() == []


@pytest.mark.parametrize("fault", ["accept_then_timeout", "never_finish", "truncated_output"])
def test_faults_without_an_answer(eleven_labs: ElevenLabs, control: SandboxControl, fault: str) -> None:
    control.arm(fault, "elevenlabs", seconds=0.1)
    with pytest.raises(httpx.RemoteProtocolError):
        spoken(eleven_labs)
    assert control.paid() == 1


def test_faults_of_what_comes(eleven_labs: ElevenLabs, sandbox_url: str, control: SandboxControl) -> None:
    whole = spoken(eleven_labs)
    for fault in ("empty_output", "bad_json", "expired_output_url", "slow"):
        control.arm(fault, "elevenlabs", seconds=0.3)
    assert spoken(eleven_labs) == b""
    assert len(control.armed()) == 1
    control.reset()
    control.arm("bad_json", "elevenlabs")
    assert spoken(eleven_labs) == whole[: len(whole) * 2 // 3]
    control.arm("slow", "elevenlabs", seconds=0.3)
    began = time.monotonic()
    assert spoken(eleven_labs) == whole
    assert time.monotonic() - began >= 0.3
    url, headers = f"{sandbox_url}/elevenlabs/v1/text-to-speech/{RACHEL}", {"xi-api-key": "k"}
    for fault, media_type in (("wrong_content_type", "text/html; charset=utf-8"), ("huge_output", "audio/mpeg")):
        control.arm(fault, "elevenlabs")
        with httpx.stream("POST", url, headers=headers, json={"text": SENTENCE}) as answer:
            assert answer.headers["content-type"] == media_type
            assert next(answer.iter_bytes())[:3] == whole[:3]
            assert (int(answer.headers["content-length"]) > 10**10) == (fault == "huge_output")


def signed(body: str, at: int, secret: str = SECRET) -> str:
    return f"t={at},v0={hmac.new(secret.encode(), f'{at}.{body}'.encode(), hashlib.sha256).hexdigest()}"


def verify(body: str, header: str) -> None:
    headers = {"elevenlabs-signature": header}
    signatures.verify("time_and_body", SECRET, headers, body.encode(), "", time.time())


def test_we_verify_webhooks_as_its_client_does(eleven_labs: ElevenLabs) -> None:
    body, now = json.dumps({"type": "speech_to_text_transcription", "data": {"a": "ü"}}), int(time.time())
    for at in (now, now - 1700):
        assert eleven_labs.webhooks.construct_event(body, signed(body, at), SECRET) == json.loads(body)
        verify(body, signed(body, at))
    for header in (signed(body, now - 1900), signed(body, now, "another"), f"t={now}", f"v0={signed(body, now)}", ""):
        with pytest.raises(BadRequestError):
            eleven_labs.webhooks.construct_event(body, header, SECRET)
        with pytest.raises(ForgedWebhook):
            verify(body, header)
