"""Amazon Bedrock, for which an AWS account is all that is needed: the function's own role signs.

On a project's own account its Bedrock API key is the bearer token, and the role signs nothing.

    converse/MODEL       text; `system` and `prompt` are its conversation unless it brings `messages`
    invoke/MODEL         pictures as base64; one that was filtered is answered 200 too
    async-invoke/MODEL   a job that writes its output into our bucket, which must lie in the region of the address; on
                         our own account alone, as another's may not write there

Wire: botocore's model of bedrock-runtime 2023-09-30; pictures: the user guide's page of Stable Image Core. Calls are
signed by botocore and sent by our own wire, which alone can say of a call without an answer whether it has left.
"""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from gateway import aws, media, transport
from gateway.config import settings
from gateway.nondelivery import NonDelivery
from gateway.provider import (
    Accepted,
    Failed,
    Finished,
    ForgedWebhook,
    MediaBytes,
    MediaObject,
    PollOutcome,
    Provider,
    Quantity,
    Refused,
    Running,
    Submission,
    SubmitOutcome,
    Uncertain,
    staged_under,
)
from gateway.providers import Description, KeySource, answered, brief, no_key, quantities, refused, send_once

NAME = "Amazon Bedrock"
CONVERSE, INVOKE, ASYNC_INVOKE = "converse", "invoke", "async-invoke"
ASK_SECONDS = 15.0
ANSWER_BYTES_MAX = 4 * 1024 * 1024
_WITHHELD_TEXT = ("guardrail_intervened", "content_filtered")
_ENDED = frozenset({"ModelTimeoutException", "ModelErrorException"})
"""Statuses of 4xx all the same: the model was at it, and made nothing."""
_REFUSED = {
    "ServiceQuotaExceededException": NonDelivery.RATE_LIMITED,
    "ModelNotReadyException": NonDelivery.PROVIDER_UNAVAILABLE,
}


class Bedrock(Provider):
    """Models of Bedrock, at the address and in the region that the catalog names."""

    name = "bedrock"

    def __init__(self, description: Description, api_key: KeySource) -> None:
        self._base_url = description.base_url
        self._own_key = api_key if description.account else None

    def submit(self, submission: Submission) -> SubmitOutcome:
        """Make the call, or start the job. What may have been made and did not arrive is `Uncertain`."""
        operation, _, model = submission.endpoint.partition("/")
        if operation == ASYNC_INVOKE and self._own_key:
            text = f"{NAME} can make this only on the deployment's own account."
            return Refused(NonDelivery.PROVIDER_AUTH, text, retryable=True)
        if operation == ASYNC_INVOKE:
            return self._start(submission, model)
        body = _conversation(submission.body) if operation == CONVERSE else dict(submission.body)
        path = f"model/{quote(model, safe='')}/{operation}"
        answer = self._send(path, body, submission.timeout_seconds, answers_result=True)
        if not isinstance(answer, transport.Answer):
            return answer
        if answer.status >= 500:
            return Uncertain(f"{NAME} answered with status {answer.status}.")
        if answer.status >= 400:
            return _refused(answer)
        return _conversed(answer) if operation == CONVERSE else _pictures(answer)

    def poll(self, reference: Mapping[str, str]) -> PollOutcome:
        """A job's state, and where its output lies. Other calls have none, so what they did not answer is lost."""
        if not reference.get("invocation_arn"):
            lost = f"{NAME}'s answer did not arrive and cannot be asked for."
            return Failed(NonDelivery.PROVIDER_LOST, lost, retryable=False)
        answer = self._ask(f"{ASYNC_INVOKE}/{quote(reference['invocation_arn'], safe='')}")
        if answer is None:
            return Uncertain(f"{NAME} did not answer.")
        if answer.status == 404:
            return Failed(NonDelivery.PROVIDER_LOST, f"{NAME} does not know the job.", retryable=False)
        job = answered(answer) if answer.status == 200 else {}
        match job.get("status"):
            case "InProgress":
                return Running()
            case "Completed":
                return Finished(tuple(_written(job, reference.get("output_uri", ""))))
            case "Failed":
                message = brief(f"{NAME}: {job.get('failureMessage') or 'no reason was given'}")
                return Failed(NonDelivery.PROVIDER_ERROR, message, retryable=True)
        return Uncertain(f"{NAME} answered with status {answer.status} and no state.")

    def cancel(self, reference: Mapping[str, str]) -> bool:  # noqa: ARG002
        """Bedrock cannot cancel."""
        return False

    def webhook_reference(self, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:  # noqa: ARG002
        """Bedrock sends no webhooks, so whoever calls is not Bedrock."""
        raise ForgedWebhook("Bedrock does not call back")

    def _start(self, submission: Submission, model: str) -> SubmitOutcome:
        """Start a job under the attempt's token.

        Bedrock starts no second job under a token that it knows, so here, and nowhere else, a call whose answer got
        lost is made once more: it is answered with the same job. Anything else that the second call is told says
        nothing about the first.
        """
        output_uri = f"s3://{settings().drive_bucket}/{staged_under(submission.attempt_id)}"
        body = {
            "clientRequestToken": submission.attempt_id,
            "modelId": model,
            "modelInput": dict(submission.body),
            "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": output_uri}},
        }
        first = self._started(body, submission.timeout_seconds / 2)
        if not isinstance(first, Uncertain):
            return first
        second = self._started(body, submission.timeout_seconds / 2)
        return second if isinstance(second, Accepted) else first

    def _started(self, body: Mapping[str, Any], timeout_seconds: float) -> SubmitOutcome:
        answer = self._send(ASYNC_INVOKE, body, timeout_seconds)
        if not isinstance(answer, transport.Answer):
            return answer
        if 400 <= answer.status < 500 and _kind(answer) != "ConflictException":
            return _refused(answer)
        arn = answered(answer).get("invocationArn")
        if answer.status >= 400 or not isinstance(arn, str) or not arn:
            return Uncertain(f"{NAME} answered with status {answer.status} and no job.")
        return Accepted({"invocation_arn": arn, "output_uri": body["outputDataConfig"]["s3OutputDataConfig"]["s3Uri"]})

    def _send(
        self, path: str, body: Mapping[str, Any], timeout_seconds: float, *, answers_result: bool = False
    ) -> transport.Answer | Refused | Finished | Uncertain:
        """Make a paid call, once."""
        url, content = f"{self._base_url}/{path}", json.dumps(body).encode()
        headers = self._authorized("POST", url, {"content-type": "application/json"}, content)
        if headers is None:
            return no_key(NAME)
        return send_once(
            NAME,
            lambda: transport.request("POST", url, headers=headers, content=content, timeout_seconds=timeout_seconds),
            answers_result=answers_result,
        )

    def _authorized(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes = b""
    ) -> dict[str, str] | None:
        """A call's headers; None when there is nothing to authorize it with."""
        if self._own_key is None:
            return aws.signed("bedrock", method, url, headers, content)
        key = self._own_key()
        return {**headers, "authorization": f"Bearer {key.value}"} if key else None

    def _ask(self, path: str) -> transport.Answer | None:
        """Ask about a job; None when there was no answer."""
        url = f"{self._base_url}/{path}"
        headers = self._authorized("GET", url, {})
        if headers is None:
            return None
        try:
            return transport.request(
                "GET", url, headers=headers, timeout_seconds=ASK_SECONDS, max_bytes=ANSWER_BYTES_MAX
            )
        except transport.WireError:
            return None


def _kind(answer: transport.Answer) -> str:
    """The error's name; AWS may add an address to it, after a colon."""
    return answer.headers.get("x-amzn-errortype", "").partition(":")[0]


def _refused(answer: transport.Answer) -> Refused | Failed:
    """An explicit status below 500: nothing was begun, or it has ended without a result."""
    kind, told = _kind(answer), answered(answer)
    message = told.get("message") or told.get("Message") or kind
    if kind in _ENDED:
        return Failed(NonDelivery.PROVIDER_ERROR, brief(f"{NAME}: {message}"), retryable=True)
    if kind in _REFUSED:
        return Refused(_REFUSED[kind], brief(f"{NAME}: {message}"), retryable=True)
    return refused(NAME, answer.status, message)


def _conversation(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a conversation: `system` and `prompt` become what Bedrock calls them."""
    rest = {name: value for name, value in body.items() if name not in {"system", "prompt"}}
    if body.get("prompt"):
        rest.setdefault("messages", [{"role": "user", "content": [{"text": body["prompt"]}]}])
    return rest | ({"system": [{"text": body["system"]}]} if body.get("system") else {})


def _conversed(answer: transport.Answer) -> Finished | Failed:
    """What was written. One that was withheld is none."""
    told = answered(answer)
    if told.get("stopReason") in _WITHHELD_TEXT:
        withheld = f"{NAME}: the text was withheld ({told['stopReason']})"
        return Failed(NonDelivery.MODERATED_OUTPUT, withheld, retryable=False)
    output, usage = told.get("output"), told.get("usage")
    message = output.get("message") if isinstance(output, dict) else None
    blocks = message.get("content") if isinstance(message, dict) else None
    pieces = [one.get("text") for one in blocks if isinstance(one, dict)] if isinstance(blocks, list) else []
    text = "".join(one for one in pieces if isinstance(one, str))
    return Finished(
        (MediaBytes(text.encode(errors="replace"), media.TEXT_TYPE),) if text.strip() else (),
        metrics=_metrics(answer) | ({"usage": usage} if isinstance(usage, dict) else {}),
        raw={name: value for name, value in told.items() if name != "output"},
        usage=_usage(usage) if isinstance(usage, dict) else {},
    )


def _usage(usage: Mapping[str, Any]) -> dict[str, Quantity]:
    """`inputTokens` holds neither what was read from the cache nor what was written to it, which is input as well."""
    given = quantities(told=usage.get("inputTokens"), kept=usage.get("cacheWriteInputTokens"))
    return {
        **({"input_tokens": int(given["told"]) + int(given.get("kept", 0))} if "told" in given else {}),
        **quantities(
            cached_input_tokens=usage.get("cacheReadInputTokens"),
            output_tokens=usage.get("outputTokens"),
        ),
    }


def _pictures(answer: transport.Answer) -> Finished | Failed:
    """Pictures as base64; each has a reason if it was withheld."""
    told = answered(answer)
    listed, reasons = (told.get(name) for name in ("images", "finish_reasons"))
    images = listed if isinstance(listed, list) else []
    why = [one if isinstance(one, str) else "" for one in reasons] if isinstance(reasons, list) else []
    kept = [one for number, one in enumerate(images) if number >= len(why) or not why[number]]
    outputs = tuple(_decoded(kept))
    if not outputs and any(why):
        return _withheld(next(filter(None, why)))
    raw = {name: value for name, value in told.items() if name != "images"}
    return Finished(outputs, metrics=_metrics(answer), raw=raw)


def _decoded(images: list[Any]) -> Iterator[MediaBytes]:
    for one in images:
        try:
            content = base64.b64decode(one, validate=True)
        except (binascii.Error, TypeError, ValueError):
            continue
        if content:
            yield MediaBytes(content)


def _withheld(why: str) -> Failed:
    """Stability's words: `Filter reason: prompt`, `... input image`, `... output image`, or `Inference error`."""
    message, words = brief(f"{NAME}: {why}"), why.lower()
    if "filter" not in words:
        return Failed(NonDelivery.PROVIDER_ERROR, message, retryable=True)
    code = NonDelivery.MODERATED_OUTPUT if "output" in words else NonDelivery.MODERATED_INPUT
    return Failed(code, message, retryable=False)


def _written(job: Mapping[str, Any], output_uri: str) -> Iterator[MediaObject]:
    """The job's output, if it lies where we had it put: the job names the folder, the file is always called alike.

    https://github.com/awsdocs/aws-doc-sdk-examples (Nova Reel): `output.mp4` under the `s3Uri` that the job names.
    """
    config = job.get("outputDataConfig")
    place = config.get("s3OutputDataConfig") if isinstance(config, dict) else None
    uri = str(place.get("s3Uri")).rstrip("/") if isinstance(place, dict) else ""
    if output_uri and (uri == output_uri or uri.startswith(f"{output_uri}/")):
        yield MediaObject(f"{uri.removeprefix('s3://').partition('/')[2]}/output.mp4")


def _metrics(answer: transport.Answer) -> dict[str, Any]:
    """AWS's id of the call, by which its support finds it."""
    request_id = answer.headers.get("x-amzn-requestid")
    return {"request_id": request_id} if request_id else {}
