"""OpenAI's images, speech and chat: synchronous calls that answer with the output itself. Its videos are jobs.

Wire: the `openai` package's types; errors of moderation carry `code: moderation_blocked`. There are no idempotency keys
and no cancellation. Webhooks tell of videos alone, and go to the account's address.
"""

import base64
import binascii
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from gateway import media, signatures, source_files, transport
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
    api_key,
    brief,
    count,
    no_key,
    object_in,
    objects_in,
    quantities,
    refused,
    send_once,
    tokens,
)
from gateway.signing_keys import SigningKeys

SPEECH, EDITS, CHAT, VIDEOS = "audio/speech", "images/edits", "chat/completions", "videos"
SOURCES_MAX = 16
_SPEECH_WITH_USAGE = "gpt-4o-mini-tts"
_EVENTS = "text/event-stream"
_FILE_FIELDS = ("image", "mask", "input_reference")
ASK_SECONDS = 15.0
JOB_BYTES_MAX = 1024 * 1024
_DIALECT = "standard"
_MODERATION_CODES = frozenset({"moderation_blocked", "content_policy_violation"})

Part = tuple[str, tuple[str | None, bytes, str | None]]


class OpenAI(Provider):
    """`images/generations`, `images/edits`, `audio/speech`, `chat/completions`, `videos`; source URLs are uploaded."""

    name = "openai"

    def __init__(self, description: Description, key: KeySource) -> None:
        self._base_url = description.base_url
        self._api_key = key
        self._signing_keys = SigningKeys(self.name, _DIALECT)

    def submit(self, submission: Submission) -> SubmitOutcome:
        """Make the call, and wait for its output or its job. What may have been made and did not arrive is
        `Uncertain`."""
        key = self._api_key()
        if key is None:
            return no_key("OpenAI")
        if submission.endpoint == VIDEOS and (kept := api_key(f"{self.name}_webhook")):
            self._signing_keys.note(lambda: kept.value)
        deadline = time.monotonic() + submission.timeout_seconds
        try:
            carried = _carried(submission)
        except SourceRefused as refusal:
            return source_files.refused(refusal)
        return self._send(submission, key, carried, deadline - time.monotonic())

    def poll(self, reference: Mapping[str, str]) -> PollOutcome:
        """A video's state. Of the other calls there is nothing to ask: a lost answer cannot be found again."""
        video_id = reference.get("video_id")
        if not video_id:
            lost = "OpenAI's answer did not arrive and cannot be asked for."
            return Failed(NonDelivery.PROVIDER_LOST, lost, retryable=False)
        key, url = self._api_key(), f"{self._base_url}/{VIDEOS}/{quote(video_id, safe='')}"
        if key is None:
            return Uncertain("There is no usable key for OpenAI.")
        try:
            answer = transport.request(
                "GET", url, headers=_headers(key), timeout_seconds=ASK_SECONDS, max_bytes=JOB_BYTES_MAX
            )
        except transport.WireError:
            return Uncertain("OpenAI did not answer.")
        if answer.status == 404:
            return Failed(NonDelivery.PROVIDER_LOST, "OpenAI does not know the video.", retryable=False)
        told = answered(answer) if answer.status == 200 else {}
        # Its content is under our own base URL, which the key is for.
        return _video(told, MediaUrl(f"{url}/content", "video/mp4", _headers(key), _time(told.get("expires_at"))))

    def cancel(self, reference: Mapping[str, str]) -> bool:  # noqa: ARG002
        """OpenAI cannot cancel these calls."""
        return False

    def webhook_reference(self, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        """Verify a callback of the account; gives the video that it is about, and nothing for what is about none."""
        self._signing_keys.verify(
            lambda key: signatures.verify(_DIALECT, key, headers, body, job_id="", now_seconds=time.time())
        )
        try:
            event = json.loads(body)
        except (ValueError, RecursionError):
            raise ForgedWebhook("not readable") from None
        if not isinstance(event, dict) or not str(event.get("type")).startswith("video."):
            return {}
        video_id = object_in(event, "data").get("id")
        return {"video_id": video_id} if isinstance(video_id, str) else {}

    def _send(
        self, submission: Submission, key: ApiKey, carried: transport.Body, timeout_seconds: float
    ) -> SubmitOutcome:
        is_job = submission.endpoint == VIDEOS
        answer = send_once(
            "OpenAI",
            lambda: transport.request(
                "POST",
                f"{self._base_url}/{submission.endpoint}",
                headers=_headers(key),
                timeout_seconds=timeout_seconds,
                **carried,
            ),
            answers_result=not is_job,
        )
        if not isinstance(answer, transport.Answer):
            return answer
        if answer.status >= 500:
            return Uncertain(f"OpenAI answered with status {answer.status}.")
        if answer.status >= 300:
            return _refused(answer)
        if is_job:
            video_id = answered(answer).get("id")
            named = isinstance(video_id, str) and bool(video_id)
            reference = {"endpoint": VIDEOS, "video_id": str(video_id)}
            return Accepted(reference) if named else Uncertain("OpenAI took the request and named no video.")
        return {SPEECH: _speech, CHAT: _chat}.get(submission.endpoint, _images)(answer)


def _headers(key: ApiKey) -> dict[str, str]:
    return {"authorization": f"Bearer {key.value}"}


def _carried(submission: Submission) -> transport.Body:
    """The call's body: JSON, or for edits and videos a form with the source files in it. Raises `SourceRefused`."""
    if submission.endpoint == SPEECH and str(submission.body.get("model")).startswith(_SPEECH_WITH_USAGE):
        # Billed by tokens, which only the stream tells; the older models (by characters) refuse to stream.
        return {"json": {"stream_format": "sse", **submission.body}}
    if submission.endpoint == CHAT:
        return {"json": _conversation(submission.body)}
    if submission.endpoint not in {EDITS, VIDEOS}:
        return {"json": dict(submission.body)}
    sources = source_files.SourceFiles(submission.timeout_seconds)
    # Fields are parts like the files: a form without any file would be sent as another type.
    parts: list[Part] = [
        (name, (None, (str(value).lower() if isinstance(value, bool) else str(value)).encode(), None))
        for name, value in submission.body.items()
        if name not in _FILE_FIELDS and value is not None
    ]
    for name in _FILE_FIELDS:
        given = submission.body.get(name)
        urls = given if isinstance(given, list) else [given] if given else []
        if len(urls) > SOURCES_MAX:
            raise SourceRefused(f"OpenAI takes at most {SOURCES_MAX} images.", code="source_too_large")
        field = f"{name}[]" if len(urls) > 1 else name
        parts += [_part(field, number, sources.image(url)) for number, url in enumerate(urls)]
    return {"files": parts}


def _conversation(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a chat: `system` and `prompt` are its messages, unless it brings `messages` of its own."""
    if "messages" in body:
        return dict(body)
    roles = {"system": "system", "prompt": "user"}
    messages = [{"role": role, "content": body[name]} for name, role in roles.items() if body.get(name)]
    return {**{name: value for name, value in body.items() if name not in roles}, "messages": messages}


def _part(field: str, number: int, file: source_files.SourceFile) -> Part:
    name = f"{field.removesuffix('[]')}-{number}{media.EXTENSIONS[file.media_type]}"
    return field, (name, file.content, file.media_type)


def _refused(answer: transport.Answer) -> Refused:
    """An explicit status below 500: nothing was made, or what was made was blocked and is not charged."""
    error = _error(answer)
    if error.get("code") in _MODERATION_CODES:
        # Without a word on the stage it is the prompt that was looked at.
        made = object_in(error, "moderation_details").get("moderation_stage") == "output"
        code = NonDelivery.MODERATED_OUTPUT if made else NonDelivery.MODERATED_INPUT
        return Refused(code, brief(f"OpenAI: {error.get('message')}"), retryable=False)
    return refused("OpenAI", answer.status, error.get("message"))


def _error(answer: transport.Answer) -> Mapping[str, Any]:
    """The `error` object of an answer; empty when there is none."""
    return object_in(answered(answer), "error")


def _video(told: Mapping[str, Any], content: MediaUrl) -> PollOutcome:
    """Where a video stands; `content` is where it is when it is done."""
    error = object_in(told, "error")
    match told.get("status"):
        case "queued" | "in_progress":
            progress = told.get("progress")
            return Running(min(max(progress, 0), 100) if type(progress) is int else None)
        case "completed" if content.expires_at_seconds is not None and content.expires_at_seconds < time.time():
            return Failed(NonDelivery.EXPIRED_OUTPUT, "OpenAI no longer has the video.", retryable=True)
        case "completed":
            return Finished((content,), raw=told)
        case "failed" if error.get("code") in _MODERATION_CODES:
            return Failed(NonDelivery.MODERATED_OUTPUT, brief(f"OpenAI: {error.get('message')}"), retryable=False)
        case "failed":
            said = error.get("message") or error.get("code") or "no reason was given"
            return Failed(NonDelivery.PROVIDER_ERROR, brief(f"OpenAI: {said}"), retryable=True)
    return Uncertain("OpenAI answered without the video's state.")


def _time(told: object) -> float | None:
    return float(told) if isinstance(told, int | float) and not isinstance(told, bool) else None


def _chat(answer: transport.Answer) -> Finished | Failed:
    """What was written, a text for each choice. One that was filtered or declined is none."""
    told = answered(answer)
    usage = object_in(told, "usage")
    texts: list[str] = []
    withheld: list[str] = []
    for choice in objects_in(told, "choices"):
        message = object_in(choice, "message")
        text, refusal = message.get("content"), message.get("refusal")
        if refusal or choice.get("finish_reason") == "content_filter":
            withheld.append(brief(f"OpenAI: {refusal or 'the text was withheld by the content filter'}"))
        elif isinstance(text, str) and text.strip():
            texts.append(text)
    if withheld and not texts:
        return Failed(NonDelivery.MODERATED_OUTPUT, withheld[0], retryable=False)
    return Finished(
        tuple(MediaBytes(text.encode(errors="replace"), media.TEXT_TYPE) for text in texts),
        metrics=_metrics(answer) | ({"usage": usage} if usage else {}),
        raw={name: value for name, value in told.items() if name != "choices"},
        usage=_chat_usage(usage),
    )


def _chat_usage(usage: Mapping[str, Any]) -> dict[str, Quantity]:
    """Pictures, sound and what was cached are inside `prompt_tokens`; reasoning is inside `completion_tokens`."""
    given, made = object_in(usage, "prompt_tokens_details"), object_in(usage, "completion_tokens_details")
    return tokens(
        usage,
        given=count(usage.get("prompt_tokens")),
        given_media=count(given.get("image_tokens")) + count(given.get("audio_tokens")),
        cached=count(given.get("cached_tokens")),
        made=count(usage.get("completion_tokens")),
        made_media=count(made.get("audio_tokens")),
    )


def _speech(answer: transport.Answer) -> Finished:
    """Speech is the body itself, without a word on usage; or it comes in events, the last of which tells it."""
    declared = answer.headers.get("content-type", "")
    if not declared.startswith(_EVENTS) and not answer.body.startswith(b"data:"):
        outputs = (MediaBytes(answer.body, declared or None),) if answer.body else ()
        return Finished(outputs, metrics=_metrics(answer))
    try:
        events = list(_events(answer.body))
        sound = b"".join(base64.b64decode(one["audio"]) for one in events if one.get("type") == "speech.audio.delta")
    except (binascii.Error, KeyError, TypeError, ValueError):
        return Finished((), metrics=_metrics(answer))
    done = next((one for one in events if one.get("type") == "speech.audio.done"), None)
    # Without its last event the stream has ended early, and so has the sentence.
    outputs = (MediaBytes(sound),) if sound and done else ()
    usage = object_in(done or {}, "usage")
    return Finished(
        outputs,
        metrics=_metrics(answer) | ({"usage": usage} if usage else {}),
        usage=quantities(input_tokens=usage.get("input_tokens"), media_output_tokens=usage.get("output_tokens")),
    )


def _events(body: bytes) -> Iterator[Mapping[str, Any]]:
    """The JSON objects of a server-sent event stream (one `data:` line each). Raises `ValueError`."""
    for line in body.decode().splitlines():
        told = line.removeprefix("data:").strip()
        if line.startswith("data:") and told != "[DONE]":
            found = json.loads(told)
            if isinstance(found, dict):
                yield found


def _images(answer: transport.Answer) -> Finished:
    """Images as base64. A complete answer that names none means that the call is over and made nothing."""
    told = answered(answer)
    items = objects_in(told, "data")
    declared = f"image/{told['output_format']}" if told.get("output_format") else None
    raw = {**told, "data": [{k: v for k, v in one.items() if k != "b64_json"} for one in items]}
    usage = object_in(told, "usage")
    found = (_image(one, declared) for one in items)
    return Finished(
        tuple(one for one in found if one),
        metrics=_metrics(answer) | ({"usage": usage} if usage else {}),
        raw=raw,
        usage=_images_usage(usage),
    )


def _images_usage(usage: Mapping[str, Any]) -> dict[str, Quantity]:
    """`input_tokens` holds text and pictures, cached or not; `output_tokens` is pictures, and seldom words."""
    given, made = object_in(usage, "input_tokens_details"), object_in(usage, "output_tokens_details")
    total = count(usage.get("output_tokens"))
    return tokens(
        usage,
        given=count(usage.get("input_tokens")),
        given_media=count(given.get("image_tokens")),
        cached=count(given.get("cached_tokens")),
        made=total,
        made_media=total - min(count(made.get("text_tokens")), total),
    )


def _image(item: Mapping[str, Any], declared: str | None) -> MediaBytes | MediaUrl | None:
    if item.get("b64_json"):
        try:
            return MediaBytes(base64.b64decode(item["b64_json"], validate=True), declared)
        except (binascii.Error, ValueError, TypeError):
            return None
    return MediaUrl(item["url"], declared) if isinstance(item.get("url"), str) else None


def _metrics(answer: transport.Answer) -> dict[str, Any]:
    """OpenAI's own id of the call, by which its support finds it, and its time."""
    names = {"x-request-id": "request_id", "openai-processing-ms": "processing_ms"}
    return {ours: answer.headers[theirs] for theirs, ours in names.items() if theirs in answer.headers}
