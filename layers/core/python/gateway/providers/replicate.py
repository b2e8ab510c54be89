"""Replicate's predictions: create, get, cancel, and webhooks signed by the Standard Webhooks scheme.

Wire: the `replicate` package; https://replicate.com/docs/reference/http. A prediction's data is removed an hour
after it ended (https://replicate.com/docs/topics/predictions/data-retention).
"""

import json
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from gateway import signatures, transport
from gateway.nondelivery import NonDelivery
from gateway.provider import (
    Accepted,
    Failed,
    Finished,
    ForgedWebhook,
    MediaUrl,
    PollOutcome,
    Provider,
    Refused,
    Running,
    Submission,
    SubmitOutcome,
    Uncertain,
)
from gateway.providers import Description, KeySource, answered, brief, is_under, no_key, quantities, refused, send_once
from gateway.signing_keys import SigningKeys

ASK_SECONDS = 15.0
ANSWER_BYTES_MAX = 4 * 1024 * 1024
_DIALECT = "standard"
_PROGRESS = re.compile(r"^\s*(\d{1,3})%\s*\|", re.MULTILINE)
# How models word it: the checker of the Stable Diffusion family, and the E005 of hosted ones. There is no code field.
_MODERATED = ("nsfw content detected", "flagged as sensitive", "(e005)")
_INVALID_INPUT = "input validation error"


class Replicate(Provider):
    """Predictions of official models (`owner/name`), and of a version of any other (`owner/name:version`)."""

    name = "replicate"

    def __init__(self, description: Description, api_key: KeySource) -> None:
        self._base_url = description.base_url
        self._api_key = api_key
        self._signing_keys = SigningKeys(description.signer, _DIALECT)

    def submit(self, submission: Submission) -> SubmitOutcome:
        """Create one prediction. There are no idempotency keys: one that may have been created is `Uncertain`.

        That includes every 5xx, of which Replicate does not say whether a prediction was created.
        """
        headers = self._headers()
        if headers is None:
            return no_key("Replicate")
        if submission.webhook_url:
            self._signing_keys.note(lambda: self._signing_key(headers))
        path, body = _creation(submission)
        answer = send_once(
            "Replicate",
            lambda: transport.request(
                "POST",
                f"{self._base_url}/{path}",
                headers=headers,
                json=body,
                timeout_seconds=submission.timeout_seconds,
                max_bytes=ANSWER_BYTES_MAX,
            ),
        )
        if not isinstance(answer, transport.Answer):
            return answer
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
        self._signing_keys.verify(lambda key: signatures.verify(_DIALECT, key, headers, body, "", time.time()))
        try:
            told = json.loads(body)
        except (ValueError, RecursionError):
            raise ForgedWebhook("not readable") from None
        prediction_id = told.get("id") if isinstance(told, dict) else None
        if not isinstance(prediction_id, str) or not prediction_id:
            raise ForgedWebhook("names no prediction")
        return {"prediction_id": prediction_id}

    def _signing_key(self, headers: Mapping[str, str]) -> str:
        """The account's key for webhooks, as Replicate tells it. Raises what the wire raises."""
        url = f"{self._base_url}/webhooks/default/secret"
        answer = transport.request("GET", url, headers=headers, timeout_seconds=5.0, max_bytes=64 * 1024)
        return str(answered(answer).get("key"))

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
    return refused("Replicate", answer.status, problem.get("detail") or problem.get("title"))


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
