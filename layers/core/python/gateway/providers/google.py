"""Google's Gemini API: pictures, speech, music and text in one call, Imagen's predictions, and Veo's videos as jobs.

An endpoint is `MODEL:METHOD`, with one of `generateContent`, `predict`, `predictLongRunning`. Bodies are flat, in
Google's own words; what is not among them is not sent. Sources are addresses, and are sent as what is found there.
Wire: the `google-genai` package's types, and those of its 1.50 for Imagen and Veo, which later ones do not call; what
is unverified is said where it stands. There is no cancellation, and there are no idempotency keys.
"""

import base64
import binascii
import re
import time
import wave
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from typing import Any

from gateway import media, source_files, transport
from gateway.errors import SourceRefused
from gateway.nondelivery import NonDelivery
from gateway.provider import (
    Accepted,
    Failed,
    Finished,
    ForgedWebhook,
    MediaBytes,
    MediaUrl,
    PollOutcome,
    Provider,
    Quantity,
    Refused,
    Running,
    Submission,
    SubmitOutcome,
    Uncertain,
)
from gateway.providers import (
    ApiKey,
    Description,
    KeySource,
    answered,
    brief,
    count,
    is_under,
    no_key,
    object_in,
    objects_in,
    refused,
    send_once,
    tokens,
)

GENERATE, PREDICT, LONG_RUNNING = "generateContent", "predict", "predictLongRunning"
ASK_SECONDS = 15.0
JOB_BYTES_MAX = 4 * 1024 * 1024
PCM_RATE_HZ = 24_000
SOURCES_MAX = 14  # of Gemini 3's pictures

_GENERATION = ("responseModalities", "temperature", "topP", "seed", "maxOutputTokens")
_IMAGE = ("aspectRatio", "imageSize")
_PICTURES = ("sampleCount", "aspectRatio", "personGeneration")
_VIDEOS = ("aspectRatio", "resolution", "durationSeconds", "negativePrompt", "personGeneration", "seed")
_OPERATION = re.compile(r"models/[\w.-]+/operations/[\w.-]+")
_PCM = re.compile(r"audio/(?:L16|pcm)\b", re.IGNORECASE)
_PCM_RATE = re.compile(r"rate=(\d{4,6})\b")
_WITHHELD = frozenset(
    {
        *("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "ESCALATION", "MODEL_ARMOR"),
        *("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION"),
    }
)
"""Why a candidate is withheld, of the package's `FinishReason`. `NO_IMAGE`, `OTHER` and the rest: nothing was made."""
# How refusals of prompts are worded where there is no code for them (unverified).
_MODERATED = ("responsible ai", "usage guidelines", "safety settings", "prohibited use")
_ACCOUNT_TROUBLES = ("API_KEY_INVALID", "FAILED_PRECONDITION")


class Google(Provider):
    """One adapter for the three methods. Only a video is a job: the rest answer with what they made."""

    name = "google"

    def __init__(self, description: Description, api_key: KeySource) -> None:
        self._base_url = description.base_url
        self._api_key = api_key

    def submit(self, submission: Submission) -> SubmitOutcome:
        """Make the call. What may have been made, and did not arrive, is `Uncertain`."""
        key = self._api_key()
        if key is None:
            return no_key("Google")
        deadline = time.monotonic() + submission.timeout_seconds
        method = submission.endpoint.rpartition(":")[2]
        try:
            sources = source_files.SourceFiles(submission.timeout_seconds)
            body = _WRITERS[method](submission.body, sources)
        except SourceRefused as refusal:
            return source_files.refused(refusal)
        answer = send_once(
            "Google",
            lambda: transport.request(
                "POST",
                f"{self._base_url}/models/{submission.endpoint}",
                headers=_headers(key),
                json=body,
                timeout_seconds=deadline - time.monotonic(),
            ),
            answers_result=method != LONG_RUNNING,
        )
        if not isinstance(answer, transport.Answer):
            return answer
        if answer.status >= 500:
            return _broken(answer, method)
        if answer.status >= 300:
            return _refused(answer)
        told = answered(answer)
        if method == LONG_RUNNING:
            return _started(told)
        return _predicted(told) if method == PREDICT else _generated(told, submission.body)

    def poll(self, reference: Mapping[str, str]) -> PollOutcome:
        """A video's state. Of the other calls, an answer that was lost cannot be asked for, nor the call repeated."""
        operation = reference.get("operation")
        if not operation:
            lost = "Google's answer did not arrive and cannot be asked for."
            return Failed(NonDelivery.PROVIDER_LOST, lost, retryable=False)
        key = self._api_key()
        if key is None:
            return Uncertain("There is no usable key for Google.")
        try:
            url = f"{self._base_url}/{operation}"
            answer = transport.request(
                "GET", url, headers=_headers(key), timeout_seconds=ASK_SECONDS, max_bytes=JOB_BYTES_MAX
            )
        except transport.WireError:
            return Uncertain("Google did not answer.")
        if answer.status == 404:
            return Failed(NonDelivery.PROVIDER_LOST, "Google does not know the job.", retryable=False)
        told = answered(answer)
        if answer.status != 200 or told.get("name") != operation:
            return Uncertain(f"Google answered with status {answer.status} and no state.")
        return self._ended(told, key) if told.get("done") is True else Running()

    def cancel(self, reference: Mapping[str, str]) -> bool:  # noqa: ARG002
        """Google cancels none of these calls."""
        return False

    def webhook_reference(self, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:  # noqa: ARG002
        """How Google signs is unverified, so none is asked for, and whoever calls is not Google."""
        raise ForgedWebhook("Google is not asked to call back")

    def _ended(self, told: Mapping[str, Any], key: ApiKey) -> PollOutcome:
        """A video that is done, has failed or was withheld, which is told neither by `error` nor by the state."""
        if error := object_in(told, "error"):
            return _failed(error)
        response = object_in(object_in(told, "response"), "generateVideoResponse")
        videos = (object_in(sample, "video").get("uri") for sample in objects_in(response, "generatedSamples"))
        outputs = tuple(
            MediaUrl(uri, "video/mp4", _headers(key) if is_under(self._base_url, uri) else {})
            for uri in videos
            if isinstance(uri, str)
        )
        if not outputs and count(response.get("raiMediaFilteredCount")):
            reasons = response.get("raiMediaFilteredReasons")
            said = reasons[0] if isinstance(reasons, list) and reasons else "the video was withheld"
            return Failed(NonDelivery.MODERATED_OUTPUT, brief(f"Google: {said}"), retryable=False)
        return Finished(outputs, raw=told)


def _headers(key: ApiKey) -> dict[str, str]:
    return {"x-goog-api-key": key.value}


def _contents(body: Mapping[str, Any], sources: source_files.SourceFiles) -> dict[str, Any]:
    """The body of `generateContent`. Raises `SourceRefused`.

    How speech is to sound is said before what is to be said: there is no field for it (unverified).
    """
    text = "\n\n".join(str(body[name]) for name in ("style_instructions", "prompt") if body.get(name))
    files = [sources.image(url) for url in _urls(body.get("images"))]
    inline = [{"inlineData": {"mimeType": file.media_type, "data": _base64(file)}} for file in files]
    config = _named(_GENERATION, body)
    if image := _named(_IMAGE, body):
        config["imageConfig"] = image
    if speaking := objects_in(body, "speakers"):
        speakers = [{"speaker": one.get("speaker_id"), "voiceConfig": _voice(one.get("voice"))} for one in speaking]
        config["speechConfig"] = {"multiSpeakerVoiceConfig": {"speakerVoiceConfigs": speakers}}
    elif body.get("voice"):
        config["speechConfig"] = {"voiceConfig": _voice(body["voice"])}
    asked: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": text}, *inline]}]}
    if body.get("system"):
        asked["systemInstruction"] = {"parts": [{"text": body["system"]}]}
    return {**asked, "generationConfig": config} if config else asked


def _voice(name: object) -> dict[str, Any]:
    return {"prebuiltVoiceConfig": {"voiceName": name}}


def _pictures(body: Mapping[str, Any], sources: source_files.SourceFiles) -> dict[str, Any]:  # noqa: ARG001
    """The body of Imagen's `predict`. Why something was withheld is told only to whoever asks."""
    parameters = _named(_PICTURES, body) | {"includeRaiReason": True}
    return {"instances": [{"prompt": body.get("prompt", "")}], "parameters": parameters}


def _video(body: Mapping[str, Any], sources: source_files.SourceFiles) -> dict[str, Any]:
    """The body of Veo's: `image` and `lastFrame` are a video's ends, `referenceImages` what it shows."""

    def sent(url: str) -> dict[str, str]:
        file = sources.image(url)
        return {"bytesBase64Encoded": _base64(file), "mimeType": file.media_type}

    instance: dict[str, Any] = {"prompt": body.get("prompt", "")}
    for name in ("image", "lastFrame"):
        if url := body.get(name):
            instance[name] = sent(url)
    if references := _urls(body.get("referenceImages")):
        instance["referenceImages"] = [{"image": sent(url), "referenceType": "asset"} for url in references]
    return {"instances": [instance], "parameters": _named(_VIDEOS, body)}


_WRITERS = {GENERATE: _contents, PREDICT: _pictures, LONG_RUNNING: _video}


def _named(names: Iterable[str], body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: body[name] for name in names if body.get(name) is not None}


def _urls(given: Any) -> list[str]:
    """The addresses of a list, or of one alone. Raises `SourceRefused` for more than Google takes."""
    urls = given if isinstance(given, list) else [given] if given else []
    if len(urls) > SOURCES_MAX:
        raise SourceRefused(f"Google takes at most {SOURCES_MAX} images.", code="source_too_large")
    return urls


def _base64(file: source_files.SourceFile) -> str:
    return base64.b64encode(file.content).decode()


def _refused(answer: transport.Answer) -> Refused:
    """An explicit status below 500: nothing was begun."""
    error = object_in(answered(answer), "error")
    message = error.get("message")
    if _is_moderated(message):
        return Refused(NonDelivery.MODERATED_INPUT, brief(f"Google: {message}"), retryable=False)
    reasons = {str(one.get("reason")) for one in objects_in(error, "details")} | {str(error.get("status"))}
    # A key that is none, and a country or an account that may not, are answered 400 (unverified).
    status = 403 if not reasons.isdisjoint(_ACCOUNT_TROUBLES) else answer.status
    return refused("Google", status, message)


def _broken(answer: transport.Answer, method: str) -> Failed | Uncertain:
    """An error of Google's own, in its words, is not charged (https://ai.google.dev/gemini-api/docs/billing).

    That page speaks of tokens, so of a prediction it proves nothing, and an answer of a proxy's proves nothing at all.
    """
    error = object_in(answered(answer), "error")
    if method == GENERATE and error.get("code") == answer.status:
        return Failed(NonDelivery.PROVIDER_ERROR, brief(f"Google: {error.get('message')}"), retryable=True)
    return Uncertain(f"Google answered with status {answer.status}.")


def _failed(error: Mapping[str, Any]) -> Failed:
    """A job's error, with a code of google.rpc.Code: 3 is an argument that cannot be used."""
    message = brief(f"Google: {error.get('message') or 'no reason was given'}")
    if _is_moderated(error.get("message")):
        return Failed(NonDelivery.MODERATED_INPUT, message, retryable=False)
    if error.get("code") == 3:
        return Failed(NonDelivery.INVALID_INPUTS, message, retryable=False)
    return Failed(NonDelivery.PROVIDER_ERROR, message, retryable=True)


def _is_moderated(message: object) -> bool:
    return any(mark in str(message).lower() for mark in _MODERATED)


def _started(told: Mapping[str, Any]) -> Accepted | Uncertain:
    operation = told.get("name")
    if isinstance(operation, str) and _OPERATION.fullmatch(operation):
        return Accepted({"operation": operation})
    return Uncertain("Google took the request and named no job.")


def _predicted(told: Mapping[str, Any]) -> Finished | Failed:
    """Imagen's pictures; of one that was withheld there is only the reason."""
    found = objects_in(told, "predictions")
    outputs = tuple(_decoded((one.get("bytesBase64Encoded"), one.get("mimeType")) for one in found))
    withheld = [str(one["raiFilteredReason"]) for one in found if one.get("raiFilteredReason")]
    if withheld and not outputs:
        return Failed(NonDelivery.MODERATED_OUTPUT, brief(f"Google: {withheld[0]}"), retryable=False)
    return Finished(outputs)


def _generated(told: Mapping[str, Any], body: Mapping[str, Any]) -> Finished | Failed:
    """What the candidates hold, or why they hold nothing, which is told at 200 as well."""
    feedback = object_in(told, "promptFeedback")
    if feedback.get("blockReason"):
        said = feedback.get("blockReasonMessage") or f"the prompt was blocked: {feedback['blockReason']}"
        return Failed(NonDelivery.MODERATED_INPUT, brief(f"Google: {said}"), retryable=False)
    modalities = body.get("responseModalities")
    wants_media = isinstance(modalities, list) and modalities != ["TEXT"]
    outputs: list[MediaBytes] = []
    endings: list[str] = []
    for candidate in objects_in(told, "candidates"):
        ending = str(candidate.get("finishReason"))
        # What a model draws or writes while it thinks is no output.
        parts = [one for one in objects_in(object_in(candidate, "content"), "parts") if not one.get("thought")]
        made = [] if ending in _WITHHELD else list(_media(parts) if wants_media else _text(parts))
        outputs += made
        endings += [] if made else [ending]
    if endings and not outputs:
        withheld = next((one for one in endings if one in _WITHHELD), None)
        if withheld:
            said = f"Google: what was made is withheld: {withheld}"
            return Failed(NonDelivery.MODERATED_OUTPUT, said, retryable=False)
        return Failed(NonDelivery.EMPTY_OUTPUT, f"Google ended with {brief(endings[0])}.", retryable=True)
    usage = object_in(told, "usageMetadata")
    metrics = {"usage": usage, "request_id": told.get("responseId"), "model": told.get("modelVersion")}
    return Finished(
        tuple(outputs),
        metrics={name: value for name, value in metrics.items() if value},
        raw={name: value for name, value in told.items() if name != "candidates"},
        usage=_usage(usage, makes_media=wants_media),
    )


def _media(parts: Iterable[Mapping[str, Any]]) -> Iterator[MediaBytes]:
    data = (object_in(part, "inlineData") for part in parts)
    for one in _decoded((found.get("data"), found.get("mimeType")) for found in data):
        yield _as_wave(one) if one.media_type and _PCM.match(one.media_type) else one


def _text(parts: Iterable[Mapping[str, Any]]) -> Iterator[MediaBytes]:
    text = "".join(part["text"] for part in parts if isinstance(part.get("text"), str))
    if text.strip():
        yield MediaBytes(text.encode(errors="replace"), media.TEXT_TYPE)


def _decoded(encoded: Iterable[tuple[Any, Any]]) -> Iterator[MediaBytes]:
    """Media of base64 and its type; what is no base64 is none."""
    for data, media_type in encoded:
        if not isinstance(data, str) or not data:
            continue
        try:
            yield MediaBytes(base64.b64decode(data, validate=True), str(media_type) if media_type else None)
        except binascii.Error:
            continue


def _as_wave(sound: MediaBytes) -> MediaBytes:
    """Bare samples as a file that can be played: 16 bits, mono, little-endian, as Google's examples save them."""
    rate = _PCM_RATE.search(sound.media_type or "")
    file = BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(int(rate[1]) if rate else PCM_RATE_HZ)
        wav.writeframes(sound.data)
    return MediaBytes(file.getvalue(), "audio/wav")


def _usage(usage: Mapping[str, Any], *, makes_media: bool) -> dict[str, Quantity]:
    """What was cached is inside the prompt's count; thoughts and what tools brought stand beside the others."""
    made = count(usage.get("candidatesTokenCount"))
    by_kind = objects_in(usage, "candidatesTokensDetails")
    thoughts = count(usage.get("thoughtsTokenCount"))
    return tokens(
        usage,
        given=count(usage.get("promptTokenCount")) + count(usage.get("toolUsePromptTokenCount")),
        given_media=_of_media(objects_in(usage, "promptTokensDetails")),
        cached=count(usage.get("cachedContentTokenCount")),
        cached_media=_of_media(objects_in(usage, "cacheTokensDetails")),
        made=made + thoughts,
        made_media=_of_media(by_kind) if by_kind or not makes_media else made,
    )


def _of_media(details: Iterable[Mapping[str, Any]]) -> int:
    return sum(
        count(one.get("tokenCount"))
        for one in details
        if one.get("modality") not in (None, "TEXT", "MODALITY_UNSPECIFIED")
    )
