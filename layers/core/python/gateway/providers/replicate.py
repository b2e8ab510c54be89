"""Replicate's predictions: create, get, cancel, and webhooks signed by the Standard Webhooks scheme.

Wire: the `replicate` package; https://replicate.com/docs/reference/http. A prediction's data is removed an hour
after it ended (https://replicate.com/docs/topics/predictions/data-retention).

Signatures are verified with the standard library: a dozen lines, where the `standardwebhooks` package would be one
more dependency in the layer of every function. The key to verify with costs the API key, which the function that
the internet may call does not get: whoever submits notes the signing key, and `callbacks` finds it.
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from gateway import telemetry, transport
from gateway.nondelivery import NonDelivery
from gateway.provider import (
    Accepted,
    Failed,
    Finished,
    ForgedWebhook,
    MediaUrl,
    PollOutcome,
    Refused,
    Running,
    Submission,
    SubmitOutcome,
    Uncertain,
)
from gateway.providers import KeySource, answered, brief, is_under, quantities
from gateway.tables.jobs import SigningKey

ASK_SECONDS = 15.0
ANSWER_BYTES_MAX = 4 * 1024 * 1024
WEBHOOK_LEEWAY_SECONDS = 300
KEY_NOTED_SECONDS = 3600.0
KEY_READ_PAUSE_SECONDS = 60.0
_KEY_PREFIX = "whsec_"
_PROGRESS = re.compile(r"^\s*(\d{1,3})%\s*\|", re.MULTILINE)
# How models word it: the checker of the Stable Diffusion family, and the E005 of hosted ones. There is no code field.
_MODERATED = ("nsfw content detected", "flagged as sensitive", "(e005)")
_INVALID_INPUT = "input validation error"


class Replicate:
    """Predictions of official models (`owner/name`), and of a version of any other (`owner/name:version`)."""

    name = "replicate"

    def __init__(self, base_url: str, api_key: KeySource) -> None:
        self._base_url = base_url
        self._api_key = api_key
        self._signing_key = _SigningKey(f"{base_url}/webhooks/default/secret")

    def submit(self, submission: Submission) -> SubmitOutcome:
        """Create one prediction. There are no idempotency keys: one that may have been created is `Uncertain`.

        That includes every 5xx, of which Replicate does not say whether a prediction was created.
        """
        headers = self._headers()
        if headers is None:
            return Refused(NonDelivery.PROVIDER_AUTH, "There is no usable key for Replicate.", retryable=True)
        if submission.webhook_url:
            self._signing_key.note(headers)
        path, body = _creation(submission)
        try:
            answer = transport.request(
                "POST",
                f"{self._base_url}/{path}",
                headers=headers,
                json=body,
                timeout_seconds=submission.timeout_seconds,
                max_bytes=ANSWER_BYTES_MAX,
            )
        except transport.NeverSent:
            return Refused(NonDelivery.PROVIDER_UNAVAILABLE, "Replicate could not be reached.", retryable=True)
        except transport.NoAnswer:
            return Uncertain("Replicate took the request and did not answer.")
        if 300 <= answer.status < 500:
            return _refused(answer)
        prediction = answered(answer)
        if answer.status >= 500 or not isinstance(prediction.get("id"), str):
            return Uncertain(f"Replicate answered with status {answer.status} and no prediction.")
        given = prediction.get("urls")
        urls = {f"{name}_url": url for name, url in given.items()} if isinstance(given, dict) else {}
        ours = {n: urls[n] for n in ("get_url", "cancel_url") if is_under(self._base_url, urls.get(n))}
        return Accepted({"prediction_id": prediction["id"], **ours})

    def poll(self, reference: Mapping[str, str]) -> PollOutcome:
        """The prediction's state, with its outputs once it has succeeded. Needs `prediction_id` only."""
        answer = self._ask("GET", reference, "get_url", "")
        if answer is None:
            return Uncertain("Replicate did not answer.")
        if answer.status == 404:
            return Failed(NonDelivery.PROVIDER_LOST, "Replicate does not know the prediction.", retryable=False)
        prediction = answered(answer) if answer.status == 200 else {}
        match prediction.get("status"):
            case "starting" | "processing":
                return Running(_progress(prediction.get("logs")))
            case "succeeded":
                return _succeeded(prediction)
            case "failed":
                return _failed(str(prediction.get("error") or "no reason was given"))
            case "canceled":
                return Failed(NonDelivery.PROVIDER_ERROR, "Replicate: the prediction was cancelled.", retryable=True)
            case "aborted":
                return Failed(
                    NonDelivery.PROVIDER_ERROR, "Replicate: the prediction did not start in time.", retryable=True
                )
        return Uncertain(f"Replicate answered with status {answer.status} and no state.")

    def cancel(self, reference: Mapping[str, str]) -> bool:
        """Ask Replicate to stop the prediction. One that has ended stays as it is."""
        answer = self._ask("POST", reference, "cancel_url", "/cancel")
        state = answered(answer).get("status") if answer is not None and answer.status < 300 else None
        return state in ("starting", "processing", "canceled", "aborted")

    def webhook_reference(self, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        """Verify the signature over the body; gives `prediction_id`."""
        message_id, timestamp, signatures = (
            headers.get(f"webhook-{one}", "") for one in ("id", "timestamp", "signature")
        )
        if not message_id or not (timestamp.isascii() and timestamp.isdigit()):
            raise ForgedWebhook("no id or timestamp")
        if abs(time.time() - int(timestamp[:12])) > WEBHOOK_LEEWAY_SECONDS:
            raise ForgedWebhook("too old, or from the future")
        self._signing_key.verify(signatures, f"{message_id}.{timestamp}.".encode() + body)
        try:
            told = json.loads(body)
        except (ValueError, RecursionError):
            raise ForgedWebhook("not readable") from None
        prediction_id = told.get("id") if isinstance(told, dict) else None
        if not isinstance(prediction_id, str) or not prediction_id:
            raise ForgedWebhook("names no prediction")
        return {"prediction_id": prediction_id}

    def _headers(self) -> dict[str, str] | None:
        key = self._api_key()
        return {"authorization": f"Bearer {key.value}"} if key else None

    def _ask(self, method: str, reference: Mapping[str, str], what: str, suffix: str) -> transport.Answer | None:
        """Call one of a prediction's URLs; None when there was no answer, or nothing to ask about."""
        headers, prediction_id = self._headers(), reference.get("prediction_id")
        url = reference[what] if is_under(self._base_url, reference.get(what)) else None
        if url is None and prediction_id:
            url = f"{self._base_url}/predictions/{quote(prediction_id, safe='')}{suffix}"
        if headers is None or url is None:
            return None
        try:
            return transport.request(
                method, url, headers=headers, timeout_seconds=ASK_SECONDS, max_bytes=ANSWER_BYTES_MAX
            )
        except transport.WireError:
            return None


def _creation(submission: Submission) -> tuple[str, dict[str, Any]]:
    """Where a prediction is created, and with which body."""
    body: dict[str, Any] = {"input": dict(submission.body)}
    if submission.webhook_url:
        body |= {"webhook": submission.webhook_url, "webhook_events_filter": ["completed"]}
    if ":" in submission.endpoint:
        return "predictions", {"version": submission.endpoint, **body}
    return f"models/{submission.endpoint}/predictions", body


def _refused(answer: transport.Answer) -> Refused:
    """An explicit status below 500, with a problem (RFC 7807) that says why: nothing was created."""
    problem = answered(answer)
    match answer.status:
        case 401 | 402 | 403:
            return Refused(
                NonDelivery.PROVIDER_AUTH, "Replicate does not accept our account for this model.", retryable=True
            )
        case 429:
            return Refused(NonDelivery.RATE_LIMITED, "Replicate limits our rate.", retryable=True)
        case 400 | 413 | 422:
            message = problem.get("detail") or problem.get("title") or "the inputs were refused"
            return Refused(NonDelivery.INVALID_INPUTS, brief(f"Replicate: {message}"), retryable=False)
    return Refused(NonDelivery.PROVIDER_UNAVAILABLE, f"Replicate answered with status {answer.status}.", retryable=True)


def _succeeded(prediction: Mapping[str, Any]) -> PollOutcome:
    output = prediction.get("output")
    if not output and prediction.get("data_removed"):
        return Failed(NonDelivery.EXPIRED_OUTPUT, "Replicate no longer has the output.", retryable=True)
    told = prediction.get("metrics")
    metrics = told if isinstance(told, dict) else {}
    return Finished(
        tuple(MediaUrl(url) for url in dict.fromkeys(_urls(output))),
        metrics=metrics,
        raw=prediction,
        usage=quantities(compute_seconds=metrics.get("predict_time")),
    )


def _urls(output: Any) -> Iterator[str]:
    """The URLs of an output: one, a list, or an object that names them."""
    if isinstance(output, str):
        if output.startswith(("https://", "http://")):
            yield output
    elif isinstance(output, list | dict):
        for one in output.values() if isinstance(output, dict) else output:
            yield from _urls(one)


def _failed(error: str) -> Failed:
    """A failure is a text alone; its wording is all there is to tell them apart."""
    message, words = brief(f"Replicate: {error}"), error.lower()
    if any(told in words for told in _MODERATED):
        return Failed(NonDelivery.MODERATED_OUTPUT, message, retryable=False)
    if words.startswith(_INVALID_INPUT):
        return Failed(NonDelivery.INVALID_INPUTS, message, retryable=False)
    return Failed(NonDelivery.PROVIDER_ERROR, message, retryable=True)


def _progress(logs: object) -> int | None:
    """The last percentage of a progress bar in the logs, which is where models show how far they are."""
    found = _PROGRESS.findall(logs) if isinstance(logs, str) else []
    return min(int(found[-1]), 100) if found else None


class _SigningKey:
    """The account's key for webhooks: noted hourly by whoever submits, read by whoever is called back."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._note_again_at = float("-inf")
        self._key: bytes | None = None
        self._read_at = float("-inf")

    def note(self, headers: Mapping[str, str]) -> None:
        """Fetch the key and keep it where callbacks finds it. Without it jobs go on, and are polled."""
        if time.monotonic() < self._note_again_at:
            return
        self._note_again_at = time.monotonic() + KEY_READ_PAUSE_SECONDS
        try:
            answer = transport.request("GET", self._url, headers=headers, timeout_seconds=5.0, max_bytes=64 * 1024)
            key = answered(answer).get("key") if answer.status == 200 else None
            if _decoded(key) is None:
                raise ValueError(f"status {answer.status}")
            SigningKey.note(Replicate.name, str(key))
        except Exception as error:
            # Nothing is paid yet, and an exception here would make this attempt an uncertain one.
            telemetry.logger.error("webhook key not noted", extra={"reason": type(error).__name__})
            return
        self._note_again_at = time.monotonic() + KEY_NOTED_SECONDS

    def verify(self, signatures: str, message: bytes) -> None:
        """Raises `ForgedWebhook` unless one of the signatures (`v1,<base64>`, by blanks) is the message's.

        A key that does not fit is read again, once a minute at most: it may have been changed.
        """
        if self._fits(signatures, message):
            return
        if time.monotonic() - self._read_at >= KEY_READ_PAUSE_SECONDS:
            self._read_at = time.monotonic()
            noted = SigningKey.of(Replicate.name)
            self._key = _decoded(noted.key) if noted else None
            if self._fits(signatures, message):
                return
        raise ForgedWebhook("the signature does not verify" if self._key else "no key to verify with")

    def _fits(self, signatures: str, message: bytes) -> bool:
        if self._key is None:
            return False
        right = base64.b64encode(hmac.new(self._key, message, hashlib.sha256).digest())
        given = (one.removeprefix("v1,").encode() for one in signatures.split() if one.startswith("v1,"))
        return any(hmac.compare_digest(right, one) for one in given)


def _decoded(key: object) -> bytes | None:
    """The bytes of a key `whsec_<base64>`; None for anything else."""
    if not isinstance(key, str) or not key.startswith(_KEY_PREFIX):
        return None
    try:
        return base64.b64decode(key.removeprefix(_KEY_PREFIX), validate=True) or None
    except binascii.Error:
        return None
