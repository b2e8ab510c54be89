"""fal.ai's queue: submit, status, result, cancel, and webhooks signed with ED25519.

Wire: https://fal.ai/docs/api-reference/inference-api, https://docs.fal.ai/model-endpoints/webhooks; errors:
https://fal.ai/docs/model-apis/errors (models') and .../request-errors (the queue's).
"""

import base64
import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from gateway import transport
from gateway.config import settings
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

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ASK_SECONDS = 15.0
ANSWER_BYTES_MAX = 4 * 1024 * 1024
WEBHOOK_LEEWAY_SECONDS = 300
KEYS_KEPT_SECONDS = 24 * 3600
KEYS_READ_PAUSE_SECONDS = 60
_PATHS = {"status_url": "/status", "response_url": "", "cancel_url": "/cancel"}
# Where models put what they made (seen in fal-ai/fal-js' endpoint types); anything else may echo the input.
_OUTPUT_FIELDS = (
    *("images", "image", "videos", "video"),
    *("audio", "audios", "audio_file", "audio_url", "output", "outputs", "file"),
)
_NAMESPACES = frozenset({"workflows", "comfy"})
# Errors that models list in `detail` although the inputs are not at fault.
_MODEL_TROUBLES = frozenset(
    {
        "internal_server_error",
        "generation_timeout",
        "downstream_service_error",
        "downstream_service_unavailable",
    }
)


class Fal(Provider):
    """The queue API. A job's status URL is the truth; a webhook only says that it is worth asking."""

    name = "fal"

    def __init__(self, description: Description, api_key: KeySource) -> None:
        self._base_url = description.base_url
        self._api_key = api_key
        self._signing_keys = _SigningKeys()

    def submit(self, submission: Submission) -> SubmitOutcome:
        """Queue one job. fal knows no idempotency keys: what may have been queued is `Uncertain`.

        That includes every 5xx: fal documents what its queue does about failing runners, and nothing of a
        submit that fails, so such a job may exist. Its webhook, if it does, names it.
        """
        headers = self._headers()
        if headers is None:
            return no_key("fal")
        url = f"{self._base_url}/{submission.endpoint}"
        if submission.webhook_url:
            url += "?" + urlencode({"fal_webhook": submission.webhook_url})
        answer = send_once(
            "fal",
            lambda: transport.request(
                "POST",
                url,
                # Falling back is our decision; fal's own ten retries would only delay it.
                headers={**headers, "x-fal-no-retry": "1"},
                # With `sync_mode` fal answers the media itself instead of URLs, which no webhook could carry.
                json={name: value for name, value in submission.body.items() if name != "sync_mode"},
                timeout_seconds=submission.timeout_seconds,
                max_bytes=ANSWER_BYTES_MAX,
            ),
        )
        if not isinstance(answer, transport.Answer):
            return answer
        if 300 <= answer.status < 500:
            return _refused(answer)
        accepted = answered(answer)
        if answer.status >= 500 or not isinstance(accepted.get("request_id"), str):
            return Uncertain(f"fal answered the submit with status {answer.status} and no request id.")
        urls = {name: accepted[name] for name in _PATHS if is_under(self._base_url, accepted.get(name))}
        return Accepted({"request_id": accepted["request_id"], "endpoint": submission.endpoint, **urls})

    def poll(self, reference: Mapping[str, str]) -> PollOutcome:
        """The job's state, and its result once it is completed. Needs `request_id` and `endpoint` only."""
        answer = self._ask("GET", reference, "status_url")
        if answer is None:
            return Uncertain("fal did not answer.")
        if answer.status == 404:
            return Failed(NonDelivery.PROVIDER_LOST, "fal does not know the job.", retryable=False)
        state = answered(answer) if answer.status in (200, 202) else {}
        match state.get("status"):
            case "IN_QUEUE" | "IN_PROGRESS":
                return Running()
            case "COMPLETED":
                return _ended(state, self._ask("GET", reference, "response_url"))
        return Uncertain(f"fal answered with status {answer.status} and no state.")

    def cancel(self, reference: Mapping[str, str]) -> bool:
        """Ask fal to stop the job. One that is already running may still complete."""
        answer = self._ask("PUT", reference, "cancel_url")
        return answer is not None and answered(answer).get("status") in ("CANCELLATION_REQUESTED", "OK")

    def webhook_reference(self, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        """Verify fal's signature over the body; gives `request_id`."""
        names = ("request-id", "user-id", "timestamp", "signature")
        request_id, user_id, timestamp, signature = (headers.get(f"x-fal-webhook-{one}", "") for one in names)
        if not (timestamp.isascii() and timestamp.isdigit()):
            raise ForgedWebhook("no timestamp")
        if abs(time.time() - int(timestamp[:12])) > WEBHOOK_LEEWAY_SECONDS:
            raise ForgedWebhook("too old, or from the future")
        message = "\n".join((request_id, user_id, timestamp, hashlib.sha256(body).hexdigest()))
        try:
            self._signing_keys.verify(bytes.fromhex(signature), message.encode())
            told = json.loads(body)
        except (ValueError, RecursionError):
            raise ForgedWebhook("not readable") from None
        if not isinstance(told, dict) or not request_id or told.get("request_id") != request_id:
            raise ForgedWebhook("body and signature name different requests")
        return {"request_id": request_id}

    def _headers(self) -> dict[str, str] | None:
        key = self._api_key()
        return {"authorization": f"Key {key.value}"} if key else None

    def _ask(self, method: str, reference: Mapping[str, str], what: str) -> transport.Answer | None:
        """Call one of a job's URLs; None when there was no answer, or nothing to ask about."""
        headers, url = self._headers(), self._job_url(reference, what)
        if headers is None or url is None:
            return None
        try:
            return transport.request(
                method, url, headers=headers, timeout_seconds=ASK_SECONDS, max_bytes=ANSWER_BYTES_MAX
            )
        except transport.WireError:
            return None

    def _job_url(self, reference: Mapping[str, str], what: str) -> str | None:
        """The URL that fal gave for a job, or the one that its pattern gives when there is none."""
        if is_under(self._base_url, reference.get(what)):
            return reference[what]
        request_id, endpoint = reference.get("request_id"), reference.get("endpoint")
        if not request_id or not endpoint:
            return None
        parts = endpoint.split("/")
        # Job URLs name the app alone, without the endpoint's sub-path.
        app = "/".join(parts[: 3 if parts[0] in _NAMESPACES else 2])
        return f"{self._base_url}/{app}/requests/{quote(request_id, safe='')}{_PATHS[what]}"


def _refused(answer: transport.Answer) -> Refused:
    """A submit that fal turned down by an explicit status below 500: nothing was queued."""
    if answer.status not in (400, 413, 422):
        return refused("fal", answer.status, None)
    failed = _model_error(answer)
    moderated = failed.code in {NonDelivery.MODERATED_INPUT, NonDelivery.MODERATED_OUTPUT}
    code = NonDelivery.MODERATED_INPUT if moderated else NonDelivery.INVALID_INPUTS
    return Refused(code, failed.message, retryable=False)


def _ended(state: Mapping[str, Any], result: transport.Answer | None) -> PollOutcome:
    """What became of a completed job. A failed one is COMPLETED too; its error may stand in either answer."""
    told = state.get("error")
    failed = Failed(NonDelivery.PROVIDER_ERROR, brief(f"fal: {told}"), retryable=True) if told else None
    if result is None:
        return failed or Uncertain("fal did not give the result.")
    if result.status == 200:
        return failed or _finished(state, result)
    if result.status in (400, 413, 422):
        return _model_error(result)
    if result.status in (404, 410) and not failed:
        return Failed(NonDelivery.EXPIRED_OUTPUT, "fal no longer has the result.", retryable=True)
    detail = answered(result).get("detail")
    if result.status >= 500 and detail and not failed:
        # The result's address repeats the status of the model; without its body it may be the queue's own.
        return Failed(NonDelivery.PROVIDER_ERROR, brief(f"fal: {detail}"), retryable=True)
    return failed or Uncertain(f"fal gave no result but status {result.status}.")


def _model_error(answer: transport.Answer) -> Failed:
    """A model's refusal: `{"detail": [{"loc": [...], "msg": "...", "type": "..."}]}`."""
    detail = answered(answer).get("detail")
    errors = [one for one in detail if isinstance(one, dict)] if isinstance(detail, list) else []
    first = errors[0] if errors else {"msg": detail or "the inputs were refused"}
    place = ".".join(str(part) for part in first.get("loc") or () if part != "body")
    message = brief(f"fal: {place + ': ' if place else ''}{first.get('msg')}")
    kinds = {str(one.get("type")) for one in errors}
    if "content_policy_violation" in kinds:
        # `loc` names the input at fault; a check of what was made has none to name.
        code = NonDelivery.MODERATED_INPUT if place else NonDelivery.MODERATED_OUTPUT
        return Failed(code, message, retryable=False)
    if "no_media_generated" in kinds:
        return Failed(NonDelivery.EMPTY_OUTPUT, message, retryable=True)
    if kinds & _MODEL_TROUBLES:
        return Failed(NonDelivery.PROVIDER_ERROR, message, retryable=True)
    return Failed(NonDelivery.INVALID_INPUTS, message, retryable=False)


def _finished(state: Mapping[str, Any], result: transport.Answer) -> PollOutcome:
    raw = answered(result)
    told = state.get("metrics")
    metrics = told if isinstance(told, dict) else {}
    outputs = tuple(_outputs(raw))
    # Models with a safety checker deliver a black picture and say so beside it.
    flags = raw.get("has_nsfw_concepts")
    if isinstance(flags, list) and len(flags) == len(outputs) and any(flags):
        outputs = tuple(one for one, flagged in zip(outputs, flags, strict=True) if not flagged)
        if not outputs:
            return Failed(NonDelivery.MODERATED_OUTPUT, "fal's safety checker withheld the output.", retryable=False)
    usage = quantities(compute_seconds=metrics.get("inference_time"))
    return Finished(outputs, metrics=metrics, raw=raw, usage=usage)


def _outputs(raw: Mapping[str, Any]) -> Iterator[MediaUrl]:
    for name in _OUTPUT_FIELDS:
        found = raw.get(name)
        for item in found if isinstance(found, list) else [found]:
            url = item.get("url") if isinstance(item, dict) else item
            if isinstance(url, str) and url.startswith(("https://", "http://")):
                yield MediaUrl(url, item.get("content_type") if isinstance(item, dict) else None)


class _SigningKeys:
    """fal's public keys: kept for a day, and read again (once a minute at most) when none fits a signature."""

    def __init__(self) -> None:
        self._keys: list[Ed25519PublicKey] = []
        self._read_at = float("-inf")
        self._tried_at = float("-inf")

    def verify(self, signature: bytes, message: bytes) -> None:
        """Raises `ForgedWebhook` when no key verifies the signature."""
        now = time.monotonic()
        if now - self._read_at > KEYS_KEPT_SECONDS:
            self._keys = []
        if self._fits(signature, message):
            return
        if now - self._tried_at >= KEYS_READ_PAUSE_SECONDS:
            self._tried_at = now
            self._read(now)
            if self._fits(signature, message):
                return
        raise ForgedWebhook("no key verifies the signature" if self._keys else "no keys to verify with")

    def _fits(self, signature: bytes, message: bytes) -> bool:
        from cryptography.exceptions import InvalidSignature

        for key in self._keys:
            try:
                key.verify(signature, message)
            except InvalidSignature:
                continue
            return True
        return False

    def _read(self, now: float) -> None:
        """Fetch the key set; what cannot be fetched or read leaves the keys as they are."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            answer = transport.request("GET", settings().fal_jwks_url, timeout_seconds=5.0, max_bytes=1024 * 1024)
        except transport.WireError:
            return
        found = answered(answer).get("keys") if answer.status == 200 else None
        keys = []
        for one in found if isinstance(found, list) else []:
            try:
                padded = str(one["x"]) + "=="  # base64 takes more padding than it needs, not less
                keys.append(Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(padded)))
            except (KeyError, TypeError, ValueError):
                continue  # a key of another kind
        if keys:
            self._keys, self._read_at = keys, now
