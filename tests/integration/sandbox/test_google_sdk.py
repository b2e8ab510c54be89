"""Google's official client works against the sandbox.

Of Veo it asks for operations and fetches files; since 3.0 it no longer submits videos or Imagen's pictures to this
API, so their requests are made by hand, in the form that its 1.50 sent.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from google import genai
from google.genai import errors, types
from PIL import Image

from infra.sandbox.providers.google import WITHHELD_PICTURE, WITHHELD_VIDEO
from tests.integration.sandbox.support import SandboxControl, probe, until

NANO, NANO_PRO, TTS, LYRIA, TEXT = (
    *("gemini-2.5-flash-image", "gemini-3-pro-image", "gemini-3.8-flash-tts", "lyria-3-clip-preview"),
    "gemini-3.8-flash",
)
IMAGEN, VEO = "imagen-4.0-generate-001", "veo-3.1-generate-001"
NO_PICTURE = {"inlineData": {"mimeType": "image/png", "data": "eA=="}}
SPOKEN = types.GenerateContentConfig(
    response_modalities=["AUDIO"],
    speech_config=types.SpeechConfig(
        voice_config=types.VoiceConfig(prebuilt_voice_config=types.PrebuiltVoiceConfig(voice_name="Kore"))
    ),
)


@pytest.fixture
def client(sandbox_url: str) -> Iterator[genai.Client]:
    """Google's own client, which tries nothing again unless it is told to."""
    options = types.HttpOptions(base_url=f"{sandbox_url}/google")
    with genai.Client(api_key="sandbox-key", http_options=options) as client:
        yield client


@pytest.fixture
def http(sandbox_url: str) -> Iterator[httpx.Client]:
    """The API as plain HTTP."""
    headers = {"x-goog-api-key": "sandbox-key"}
    with httpx.Client(base_url=f"{sandbox_url}/google/v1beta", headers=headers, timeout=60) as client:
        yield client


def drawn(client: genai.Client, model: str = NANO, contents: Any = "a red fox", **image: Any) -> Any:
    config = types.GenerateContentConfig(response_modalities=["IMAGE"], image_config=types.ImageConfig(**image))
    return client.models.generate_content(model=model, contents=contents, config=config)


def blob(response: Any) -> Any:
    (part,) = response.parts
    return part.inline_data


def filmed(client: genai.Client, http: httpx.Client, **parameters: Any) -> Any:
    body = {"instances": [{"prompt": "a fox runs"}], "parameters": {"durationSeconds": 4, **parameters}}
    name = http.post(f"/models/{VEO}:predictLongRunning", json=body).raise_for_status().json()["name"]
    found: list[types.GenerateVideosOperation] = [types.GenerateVideosOperation(name=name)]

    def is_done() -> bool:
        found.append(client.operations.get(found[-1]))
        return bool(found[-1].done)

    until(is_done, "the video is made", 60)
    return found[-1]


def test_models(client: genai.Client) -> None:
    assert f"models/{NANO}" in [model.name for model in client.models.list()]


@pytest.mark.parametrize(
    ("model", "image", "size", "tokens"),
    [
        (NANO, {}, (1024, 1024), 1290),
        (NANO, {"aspect_ratio": "16:9"}, (1360, 768), 1290),
        (NANO_PRO, {"aspect_ratio": "1:1", "image_size": "2K"}, (2048, 2048), 1120),
        ("gemini-3.1-flash-image", {"image_size": "512"}, (512, 512), 747),
    ],
)
def test_a_picture(
    client: genai.Client, control: SandboxControl, model: str, image: dict[str, Any], size: tuple[int, int], tokens: int
) -> None:
    response = drawn(client, model, **image)
    found = blob(response)
    assert found.mime_type == "image/jpeg"
    assert Image.open(io.BytesIO(found.data)).size == size
    assert (response.model_version, response.candidates[0].finish_reason) == (model, types.FinishReason.STOP)
    usage = response.usage_metadata
    (made,) = usage.candidates_tokens_details
    assert (made.modality, made.token_count) == (types.MediaModality.IMAGE, tokens)
    thoughts = usage.thoughts_token_count or 0
    assert usage.total_token_count == usage.prompt_token_count + usage.candidates_token_count + thoughts
    [call] = control.calls(method="POST")
    assert (call["provider"], call["paid"], call["prompt"]) == ("google", True, "a red fox")


def test_an_edit_has_the_shape_of_its_source(client: genai.Client) -> None:
    first = blob(drawn(client, aspect_ratio="9:16"))
    source = types.Part.from_bytes(data=first.data, mime_type=first.mime_type)
    response = drawn(client, contents=["make it blue", source])
    width, height = Image.open(io.BytesIO(blob(response).data)).size
    assert height > width
    given = {one.modality: one.token_count for one in response.usage_metadata.prompt_tokens_details}
    assert given[types.MediaModality.IMAGE] == 258


def test_words_come_with_the_picture_unless_they_are_not_asked_for(client: genai.Client) -> None:
    response = client.models.generate_content(model=NANO, contents="a fox")
    assert response.text
    assert any(part.inline_data for part in response.parts or [])


def test_speech_is_bare_samples(client: genai.Client) -> None:
    response = client.models.generate_content(model=TTS, contents="Hello there, old fox.", config=SPOKEN)
    found = blob(response)
    assert found.mime_type == "audio/L16;codec=pcm;rate=24000"
    assert len(found.data) / 2 / 24_000 == pytest.approx(21 / 15, abs=0.1)
    usage = response.usage_metadata
    assert usage is not None
    assert usage.candidates_token_count == pytest.approx(25 * 21 / 15, abs=2)


def test_a_dialogue(client: genai.Client) -> None:
    voices = [
        types.SpeakerVoiceConfig(
            speaker=name,
            voice_config=types.VoiceConfig(prebuilt_voice_config=types.PrebuiltVoiceConfig(voice_name=voice)),
        )
        for name, voice in (("Ann", "Kore"), ("Bob", "Puck"))
    ]
    speech = types.SpeechConfig(multi_speaker_voice_config=types.MultiSpeakerVoiceConfig(speaker_voice_configs=voices))
    config = types.GenerateContentConfig(response_modalities=["AUDIO"], speech_config=speech)
    response = client.models.generate_content(model=TTS, contents="Ann: Hello.\nBob: Good day.", config=config)
    assert len(blob(response).data) > 24_000


def test_music(client: genai.Client) -> None:
    config = types.GenerateContentConfig(response_modalities=["AUDIO", "TEXT"])
    response = client.models.generate_content(model=LYRIA, contents="a calm song", config=config)
    words, song = response.parts or []
    assert words.text
    assert song.inline_data is not None
    assert song.inline_data.mime_type == "audio/mpeg"
    assert probe(song.inline_data.data or b"").audio_seconds == pytest.approx(30, abs=0.2)


def test_text(client: genai.Client) -> None:
    config = types.GenerateContentConfig(system_instruction="Be kind.", seed=7)
    whole = client.models.generate_content(model=TEXT, contents="Of foxes.", config=config)
    assert "Of foxes." in (whole.text or "")
    pieces = list(client.models.generate_content_stream(model=TEXT, contents="Of foxes.", config=config))
    assert len(pieces) > 2
    assert "".join(piece.text or "" for piece in pieces) == whole.text
    assert pieces[-1].usage_metadata == whole.usage_metadata
    short = client.models.generate_content(
        model=TEXT, contents="Of foxes.", config=types.GenerateContentConfig(max_output_tokens=70)
    )
    assert (short.candidates or [])[0].finish_reason == types.FinishReason.MAX_TOKENS
    assert len(short.text or "") == 24


def test_a_video(client: genai.Client, http: httpx.Client, control: SandboxControl) -> None:
    operation = filmed(client, http, aspectRatio="9:16")
    assert operation.error is None
    (video,) = operation.response.generated_videos
    name = video.video.uri.partition("/v1beta/")[2].partition(":")[0]
    found = probe(client.files.download(file=name))
    assert (found.width, found.height, found.frames) == (720, 1280, 96)
    assert found.audio_seconds == pytest.approx(4, abs=0.1)
    assert control.paid() == 1


def test_a_videos_file_wants_the_key(client: genai.Client, http: httpx.Client) -> None:
    uri = filmed(client, http).response.generated_videos[0].video.uri
    assert httpx.get(uri).status_code == 403
    assert http.get(uri).headers["content-type"] == "video/mp4"
    assert http.get(uri.partition("?")[0]).status_code == 404
    assert http.get(uri.replace("/files/", "/files/0")).status_code == 404


def test_frames_and_references(client: genai.Client, http: httpx.Client, control: SandboxControl) -> None:
    picture = {"bytesBase64Encoded": base64.b64encode(blob(drawn(client)).data).decode(), "mimeType": "image/jpeg"}
    control.arm("never_finish", "google", times=0)
    reference = {"image": picture, "referenceType": "asset"}

    def status(parameters: dict[str, Any], **instance: Any) -> int:
        body = {"instances": [{"prompt": "it runs", **instance}], "parameters": parameters}
        return http.post(f"/models/{VEO}:predictLongRunning", json=body).status_code

    assert status({"durationSeconds": 4}, image=picture, lastFrame=picture) == 200
    assert status({}, referenceImages=[reference] * 3) == 200
    assert status({}, lastFrame=picture) == 400
    assert status({}, referenceImages=[reference] * 4) == 400
    assert status({"durationSeconds": 4}, referenceImages=[reference]) == 400
    assert status({"durationSeconds": 6, "resolution": "1080p"}) == 400


def test_withheld(client: genai.Client, http: httpx.Client, control: SandboxControl) -> None:
    """Nothing of it is an error, wherever it is told."""
    control.arm("filtered", "google", times=0)
    picture = drawn(client)
    assert (picture.parts, picture.candidates[0].finish_reason) == (None, types.FinishReason.IMAGE_SAFETY)
    speech = client.models.generate_content(model=TTS, contents="Hello.", config=SPOKEN)
    assert speech.prompt_feedback is not None
    assert speech.prompt_feedback.block_reason == types.BlockedReason.PROHIBITED_CONTENT
    text = client.models.generate_content(model=TEXT, contents="Hello.")
    assert (text.candidates or [])[0].finish_reason == types.FinishReason.SAFETY
    operation = filmed(client, http)
    assert operation.error is None
    assert operation.response.rai_media_filtered_count == 1
    assert operation.response.rai_media_filtered_reasons == [WITHHELD_VIDEO]
    assert operation.response.generated_videos is None


def test_nothing_made(client: genai.Client, http: httpx.Client, control: SandboxControl) -> None:
    control.arm("empty_output", "google", times=0)
    assert drawn(client).candidates[0].finish_reason == types.FinishReason.NO_IMAGE
    spoken = client.models.generate_content(model=TTS, contents="Hello.", config=SPOKEN)
    assert (spoken.candidates or [])[0].finish_reason == types.FinishReason.OTHER
    assert client.models.generate_content(model=TEXT, contents="Hello.").text is None
    assert filmed(client, http).response.generated_videos is None
    assert http.post(f"/models/{IMAGEN}:predict", json={"instances": [{"prompt": "x"}]}).json() == {}


def test_failed(client: genai.Client, http: httpx.Client, control: SandboxControl) -> None:
    control.arm("fail_after_accept", "google", times=0)
    with pytest.raises(errors.ServerError) as broken:
        drawn(client)
    assert (broken.value.code, broken.value.status) == (500, "INTERNAL")
    operation = filmed(client, http)
    assert operation.error["code"] == 13
    assert control.paid() == 2


def test_imagen(http: httpx.Client, control: SandboxControl) -> None:
    def predicted(**parameters: Any) -> Any:
        body = {"instances": [{"prompt": "a fox"}], "parameters": parameters}
        return http.post(f"/models/{IMAGEN}:predict", json=body).raise_for_status().json()["predictions"]

    found = predicted(sampleCount=2, aspectRatio="3:4")
    pictures = [base64.b64decode(one["bytesBase64Encoded"]) for one in found]
    assert pictures[0] != pictures[1]
    assert {Image.open(io.BytesIO(one)).size for one in pictures} == {(880, 1184)}
    control.arm("filtered", "google", times=2)
    assert predicted() == [{}]
    assert predicted(includeRaiReason=True) == [{"raiFilteredReason": WITHHELD_PICTURE}]


@pytest.mark.parametrize(
    ("fault", "kind", "code", "status"),
    [
        ("refuse", errors.ClientError, 403, "PERMISSION_DENIED"),
        ("rate_limit", errors.ClientError, 429, "RESOURCE_EXHAUSTED"),
        ("server_error", errors.ServerError, 500, "INTERNAL"),
    ],
)
def test_not_accepted(
    client: genai.Client, control: SandboxControl, fault: str, kind: type[errors.APIError], code: int, status: str
) -> None:
    control.arm(fault, "google")
    with pytest.raises(kind) as refused:
        drawn(client)
    assert (refused.value.code, refused.value.status) == (code, status)
    assert refused.value.message
    assert control.paid() == 0


@pytest.mark.parametrize(
    ("model", "image"),
    [(NANO, {"aspect_ratio": "7:1"}), (NANO, {"image_size": "4K"}), (NANO_PRO, {"image_size": "512"})],
)
def test_invalid_inputs(client: genai.Client, control: SandboxControl, model: str, image: dict[str, Any]) -> None:
    with pytest.raises(errors.ClientError) as refused:
        drawn(client, model, **image)
    assert (refused.value.code, refused.value.status) == (400, "INVALID_ARGUMENT")
    assert control.paid() == 0


@pytest.mark.parametrize(
    ("call", "body", "status"),
    [
        (f"{NANO}:generateContent", {"contents": [{"parts": [{"text": "x"}]}], "n": 2}, 400),
        (f"{NANO}:generateContent", {"contents": []}, 400),
        (f"{NANO}:generateContent", {"contents": [{"parts": [NO_PICTURE]}]}, 400),
        (f"{TTS}:generateContent", {"contents": [{"parts": [{"text": "x"}]}]}, 400),
        (f"{VEO}:predictLongRunning", {"instances": []}, 400),
        (f"{VEO}:predictLongRunning", {"instances": [{"prompt": "x"}], "parameters": {"generateAudio": False}}, 400),
        (f"{NANO}:predict", {}, 404),
        ("gemini-3-pro-image-preview:generateContent", {}, 404),
        ("veo-3.0-generate-001:predictLongRunning", {}, 404),
    ],
)  # fmt: skip
def test_what_google_does_not_know(
    http: httpx.Client, control: SandboxControl, call: str, body: dict[str, Any], status: int
) -> None:
    answer = http.post(f"/models/{call}", json=body)
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"code", "message", "status"}
    assert control.paid() == 0


def test_unknown_videos(client: genai.Client) -> None:
    with pytest.raises(errors.ClientError) as refused:
        client.operations.get(types.GenerateVideosOperation(name=f"models/{VEO}/operations/nobody"))
    assert refused.value.code == 404


def test_without_a_key(sandbox_url: str) -> None:
    url = f"{sandbox_url}/google/v1beta"
    for method, path in (
        ("GET", "/models"),
        ("POST", f"/models/{NANO}:generateContent"),
        ("GET", f"/models/{VEO}/operations/x"),
        ("GET", "/files/x:download"),
    ):
        answer = httpx.request(method, url + path, json={})
        assert (answer.status_code, answer.json()["error"]["status"]) == (403, "PERMISSION_DENIED")
