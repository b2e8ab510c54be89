"""OpenAI's images, speech and chat: synchronous calls that answer with the output itself.

Wire: the `openai` package's types; image errors carry `code: moderation_blocked`. There are no jobs to ask
about, no cancellation, no idempotency keys and no webhooks for these endpoints.
"""

import base64
import binascii
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

from gateway import media, source_files, transport
from gateway.errors import SourceRefused
from gateway.nondelivery import NonDelivery
from gateway.provider import (
    Failed,
    Finished,
    ForgedWebhook,
    MediaBytes,
    MediaUrl,
    PollOutcome,
    Quantity,
    Refused,
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
    no_key,
    object_in,
    objects_in,
    quantities,
    refused,
    send_once,
    tokens,
)

SPEECH, EDITS, CHAT = "audio/speech", "images/edits", "chat/completions"
SOURCES_MAX = 16
_SPEECH_WITH_USAGE = "gpt-4o-mini-tts"
_EVENTS = "text/event-stream"
_FILE_FIELDS = ("image", "mask")
_MODERATION_CODES = frozenset({"moderation_blocked", "content_policy_violation"})

Part = tuple[str, tuple[str, bytes, str]]


class OpenAI:
    """`images/generations`, `images/edits` (source URLs become uploaded files), `audio/speech`, `chat/completions`."""

    name = "openai"

    def __init__(self, description: Description, api_key: KeySource) -> None:
        self._base_url = description.base_url
        self._api_key = api_key

    def submit(self, submission: Submission) -> SubmitOutcome:
        """Make the call and wait for its output. What may have been made and did not arrive is `Uncertain`."""
        key = self._api_key()
        if key is None:
            return no_key("OpenAI")
        deadline = time.monotonic() + submission.timeout_seconds
        try:
            carried = _carried(submission)
        except SourceRefused as refusal:
            return source_files.refused(refusal)
        return self._send(submission, key, carried, deadline - time.monotonic())

    def poll(self, reference: Mapping[str, str]) -> PollOutcome:  # noqa: ARG002
        """There is nothing to ask: an answer that was lost cannot be found again, nor the call repeated."""
        return Failed(
            NonDelivery.PROVIDER_LOST, "OpenAI's answer did not arrive and cannot be asked for.", retryable=False
        )

    def cancel(self, reference: Mapping[str, str]) -> bool:  # noqa: ARG002
        """OpenAI cannot cancel these calls."""
        return False

    def webhook_reference(self, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:  # noqa: ARG002
        """OpenAI sends no webhooks for these endpoints, so whoever calls is not OpenAI."""
        raise ForgedWebhook("OpenAI does not call back for these calls")

    def _send(
        self, submission: Submission, key: ApiKey, carried: transport.Body, timeout_seconds: float
    ) -> SubmitOutcome:
        answer = send_once(
            "OpenAI",
            lambda: transport.request(
                "POST",
                f"{self._base_url}/{submission.endpoint}",
                headers={"authorization": f"Bearer {key.value}"},
                timeout_seconds=timeout_seconds,
                **carried,
            ),
            answers_result=True,
        )
        if not isinstance(answer, transport.Answer):
            return answer
        if answer.status >= 500:
            return Uncertain(f"OpenAI answered with status {answer.status}.")
        if answer.status >= 300:
            return _refused(answer)
        return {SPEECH: _speech, CHAT: _chat}.get(submission.endpoint, _images)(answer)


def _carried(submission: Submission) -> transport.Body:
    """The call's body: JSON, or for edits a form with the source files in it. Raises `SourceRefused`."""
    if submission.endpoint == SPEECH and str(submission.body.get("model")).startswith(_SPEECH_WITH_USAGE):
        # Billed by tokens, which only the stream tells; the older models (by characters) refuse to stream.
        return {"json": {"stream_format": "sse", **submission.body}}
    if submission.endpoint == CHAT:
        return {"json": _conversation(submission.body)}
    if submission.endpoint != EDITS:
        return {"json": dict(submission.body)}
    form = {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in submission.body.items()
        if name not in _FILE_FIELDS and value is not None
    }
    sources = source_files.SourceFiles(submission.timeout_seconds)
    parts: list[Part] = []
    for name in _FILE_FIELDS:
        given = submission.body.get(name)
        urls = given if isinstance(given, list) else [given] if given else []
        if len(urls) > SOURCES_MAX:
            raise SourceRefused(f"OpenAI takes at most {SOURCES_MAX} images.", code="source_too_large")
        field = f"{name}[]" if len(urls) > 1 else name
        parts += [_part(field, number, sources.image(url)) for number, url in enumerate(urls)]
    return {"data": form, "files": parts}


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
