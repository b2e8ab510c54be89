"""Any provider whose protocol the catalog describes: `wire` in `gateway/catalog/providers/`, and no code.

Calls are filled in from templates, answers are read by JMESPath. An answer is never trusted to have the shape that it
should have: what is not found is not there, and a job whose state cannot be read is asked about again.
"""

import base64
import binascii
import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import quote, urlencode

import jmespath
from jmespath import functions

from gateway import signatures, transport
from gateway.money import exact
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
    Refused,
    Running,
    Submission,
    SubmitOutcome,
    Uncertain,
)
from gateway.providers import (
    REASONS,
    ApiKey,
    Description,
    KeySource,
    api_key,
    brief,
    no_key,
    quantities,
    refused,
    send_once,
    status_meant,
)
from gateway.signing_keys import SigningKeys

ASK_SECONDS = 15.0
ANSWER_BYTES_MAX = 4 * 1024 * 1024
RESULT_BYTES_MAX = 64 * 1024 * 1024
"""Of an answer with media in it."""
_HOLE = re.compile(r"\{(\w+)\}")
_MODERATED = frozenset({NonDelivery.MODERATED_INPUT, NonDelivery.MODERATED_OUTPUT})


class _Functions(functions.Functions):  # type: ignore[misc]
    """What JMESPath lacks to read answers."""

    @functions.signature({"types": ["string", "null"]})  # type: ignore[untyped-decorator]
    def _func_from_json(self, text: str | None) -> Any:
        """The value of a JSON text; null when it is none."""
        try:
            return None if text is None else json.loads(text)
        except (ValueError, RecursionError):
            return None


_OPTIONS = jmespath.Options(custom_functions=_Functions())


def adapter(description: Description, key: KeySource) -> Provider:
    """The adapter of a described provider, whether it has one wire or several."""
    return ByEndpoint(description, key) if description.wires else Http(description, key)


class ByEndpoint(Provider):
    """A provider with several wires: how an endpoint begins says which is spoken."""

    def __init__(self, description: Description, key: KeySource) -> None:
        self.name = description.provider
        self._spoken = {
            beginning: Http(replace(description, wire=wire, wires={}), key)
            for beginning, wire in description.wires.items()
        }
        called_back = (beginning for beginning, wire in description.wires.items() if "webhook" in wire)
        self._called_back = self._spoken[next(called_back, next(iter(self._spoken)))]

    def submit(self, submission: Submission) -> SubmitOutcome:
        """Send the one POST of the endpoint's wire."""
        return self._of(submission.endpoint).submit(submission)

    def find(self, attempt_id: str, endpoint: str) -> Mapping[str, str]:
        """The reference of an attempt's job, asked as its endpoint asks."""
        return self._of(endpoint).find(attempt_id, endpoint)

    def poll(self, reference: Mapping[str, str]) -> PollOutcome:
        """The job's state, asked as its endpoint asks."""
        return self._of(reference["endpoint"]).poll(reference)

    def cancel(self, reference: Mapping[str, str]) -> bool:
        """Ask for the job to be stopped, where its wire has a call for that."""
        return self._of(reference["endpoint"]).cancel(reference)

    def webhook_reference(self, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        """Verify a callback by the one wire that has any."""
        return self._called_back.webhook_reference(headers, body)

    def _of(self, endpoint: str) -> "Http":
        return next(one for beginning, one in self._spoken.items() if endpoint.startswith(beginning))


class Http(Provider):
    """A provider by its description. Reads of a job's state are repeatable; the submission is sent once."""

    def __init__(self, description: Description, key: KeySource) -> None:
        self.name = description.provider
        self._said = description.name
        self._base_url = description.base_url
        self._wire = description.wire
        self._api_key = key
        self._webhook: Mapping[str, Any] = self._wire.get("webhook", {"dialect": signatures.UNSIGNED})
        self._signing_keys = SigningKeys(description.signer, self._webhook["dialect"])

    def submit(self, submission: Submission) -> SubmitOutcome:
        """Send the one POST; every 5xx, and every answer that names no job, is `Uncertain`."""
        key, call = self._api_key(), self._wire["submit"]
        if key is None:
            return no_key(self._said)
        if submission.webhook_url and self._webhook["dialect"] != signatures.UNSIGNED:
            self._signing_keys.note(lambda: self._signing_key(key))
        names: dict[str, Any] = {"endpoint": submission.endpoint, "input": dict(submission.body)}
        names |= {"webhook_url": submission.webhook_url, "attempt_id": submission.attempt_id}
        names |= _placed(call, names)
        if missing := [name for name in _holes(call, submission.endpoint)[0] if not _part(names.get(name))]:
            return Refused(NonDelivery.INVALID_INPUTS, f"{self._said} needs '{missing[0]}'.", retryable=False)
        answer = send_once(
            self._said,
            lambda: transport.request(
                "POST",
                self._url(call, names),
                headers=self._headers(call, key),
                json=_without_nothing(found(call.get("body", "input"), names)),
                timeout_seconds=submission.timeout_seconds,
                max_bytes=ANSWER_BYTES_MAX if call.get("reference") else RESULT_BYTES_MAX,
            ),
            answers_result=not call.get("reference"),
        )
        if not isinstance(answer, transport.Answer):
            return answer
        told = _told(answer)
        status = self._status(answer, told)
        if isinstance(status, NonDelivery) or 300 <= status < 500:
            return self._refused(status, told)
        if status >= 500:
            return Uncertain(f"{self._said} answered with status {status}.")
        if not call.get("reference"):
            return self._finished(answer, told)
        reference = self._reference(submission.endpoint, told)
        if not reference:
            return Uncertain(f"{self._said} answered with status {status} and no job.")
        return Accepted(reference)

    def find(self, attempt_id: str, endpoint: str) -> Mapping[str, str]:
        """The job that was begun under an attempt's id, where the provider has a call that knows those."""
        call = self._wire.get("find")
        answer = self._ask(call, {"endpoint": endpoint, "attempt_id": attempt_id}) if call else None
        told = _told(answer) if answer else None
        return self._reference(endpoint, told) if answer and self._status(answer, told) == 200 else {}

    def poll(self, reference: Mapping[str, str]) -> PollOutcome:
        """The job's state, and its outputs once it is finished. What has no jobs has lost what it did not answer."""
        if "poll" not in self._wire:
            lost = f"{self._said}'s answer did not arrive and cannot be asked for."
            return Failed(NonDelivery.PROVIDER_LOST, lost, retryable=False)
        answer = self._ask(self._wire["poll"], reference)
        if answer is None:
            return Uncertain(f"{self._said} did not answer.")
        told = _told(answer)
        status = self._status(answer, told)
        if status == 404:
            return Failed(NonDelivery.PROVIDER_LOST, f"{self._said} does not know the job.", retryable=False)
        states = self._wire["state"]
        state = _text(found(states["at"], told)) if status in {200, 201, 202} else ""
        # 202 is HTTP's own word for not yet; xAI's may have no body.
        if state in states["running"] or (status == 202 and not state):
            return Running(_progress(found(self._wire.get("progress"), told)))
        if state in states["finished"]:
            return self._finished(answer, told)
        if state in states["failed"]:
            return self._failed(told)
        if state in states.get("lost", ()):
            return Failed(NonDelivery.PROVIDER_ERROR, f"{self._said}: the job ended as {state}.", retryable=True)
        return Uncertain(f"{self._said} answered with status {status} and no state.")

    def cancel(self, reference: Mapping[str, str]) -> bool:
        """Ask for the job to be stopped, where the provider has a call for that."""
        call = self._wire.get("cancel")
        answer = self._ask(call, reference) if call else None
        if call is None or answer is None or answer.status >= 300:
            return False
        return bool(found(call["promised"], _told(answer)))

    def webhook_reference(self, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        """Verify the callback in the provider's dialect; gives what it tells of the job's reference."""
        try:
            told = json.loads(body)
        except (ValueError, RecursionError):
            raise ForgedWebhook("not readable") from None
        places = self._webhook.get("reference", {})
        reference = {name: _text(found(place, told)) for name, place in places.items()}
        if not all(reference.values()):
            raise ForgedWebhook("names no job")
        job_id, dialect = next(iter(reference.values()), ""), self._webhook["dialect"]
        if dialect != signatures.UNSIGNED:
            self._signing_keys.verify(lambda key: signatures.verify(dialect, key, headers, body, job_id, time.time()))
        return reference

    def _reference(self, endpoint: str, told: Any) -> dict[str, str]:
        """What polling a job needs, from the answer of a submission; empty where that names no job."""
        named = {name: _text(found(place, told)) for name, place in self._wire["submit"]["reference"].items()}
        known = {name: one for name, one in named.items() if one}
        return {"endpoint": endpoint, **known} if next(iter(named.values())) else {}

    def _ask(self, call: Mapping[str, Any], reference: Mapping[str, str]) -> transport.Answer | None:
        """Make a call about a job; None when there was no answer, or nothing to ask about."""
        key = self._api_key()
        if key is None or not self._knows(call, reference):
            return None
        try:
            return transport.request(
                call.get("method", "GET"),
                self._url(call, reference),
                headers=self._headers(call, key),
                timeout_seconds=ASK_SECONDS,
                max_bytes=RESULT_BYTES_MAX if self._wire["outputs"].get("form", "url") != "url" else ANSWER_BYTES_MAX,
            )
        except transport.WireError:
            return None

    def _knows(self, call: Mapping[str, Any], reference: Mapping[str, str]) -> bool:
        in_path, in_query = _holes(call)
        return all(reference.get(name) for name in (*in_path, *in_query))

    def _url(self, call: Mapping[str, Any], names: Mapping[str, Any]) -> str:
        """A call's address. An endpoint is the catalog's own text and may have slashes; anything else may not."""

        def part(hole: re.Match[str]) -> str:
            if hole[1] == "endpoint":
                return _HOLE.sub(part, quote(_text(names["endpoint"]), safe="/:{}"))
            return quote(_part(names.get(hole[1])), safe="")

        query = {name: _filled(text, names) for name, text in call.get("query", {}).items()}
        query = {name: text for name, text in query.items() if text}
        return self._base_url + _HOLE.sub(part, call["path"]) + (f"?{urlencode(query)}" if query else "")

    def _headers(self, call: Mapping[str, Any], key: ApiKey) -> dict[str, str]:
        given = {**self._wire.get("headers", {}), **call.get("headers", {})}
        return {name: text.replace("{key}", key.value) for name, text in given.items()}

    def _signing_key(self, key: ApiKey) -> str:
        """The account's key for webhooks: as the provider tells it, else as the operator keeps it beside the API key.

        Raises what the wire raises, and LookupError where there is none.
        """
        call = self._webhook.get("key")
        if call is None:
            kept = api_key(f"{self.name}_webhook")
            signing_key = kept.value if kept else ""
        else:
            headers = self._headers(call, key)
            answer = transport.request(
                "GET", self._url(call, {}), headers=headers, timeout_seconds=5.0, max_bytes=64 * 1024
            )
            signing_key = _text(found(call["at"], _told(answer)))
        if not signing_key:
            raise LookupError("no key for webhooks")
        return signing_key

    def _status(self, answer: transport.Answer, told: Any) -> int | NonDelivery:
        """An answer's status, or why it is a refusal; some providers answer 200 and say otherwise in the body."""
        described = self._wire.get("status")
        if not described or answer.status >= 300:
            return answer.status
        return status_meant(described.get("of", {}), _text(found(described["at"], told)), answer.status)

    def _refused(self, status: int | NonDelivery, told: Any) -> Refused:
        message, reason = self._error(told)
        if reason is not None:
            code = NonDelivery.MODERATED_INPUT if reason in _MODERATED else reason
            return Refused(code, message, retryable=code.another_offer is True)
        if isinstance(status, NonDelivery):
            return Refused(status, message, retryable=status.another_offer is True)
        return refused(self._said, status, found(self._wire["error"]["message"], told))

    def _failed(self, told: Any) -> Failed:
        message, reason = self._error(told)
        code = reason or NonDelivery.PROVIDER_ERROR
        return Failed(code, message, retryable=code.another_offer is not False and code != NonDelivery.INVALID_INPUTS)

    def _error(self, told: Any) -> tuple[str, NonDelivery | None]:
        """What went wrong, in the provider's words and, where they are known, as the reason that they mean."""
        described = self._wire["error"]
        message, code = (_text(found(described.get(name), told)) for name in ("message", "code"))
        words = message.lower()
        for reason, marks in described.get("reasons", {}).items():
            if code in marks or any(mark.lower() in words for mark in marks if not mark.isdigit()):
                return brief(f"{self._said}: {message or code}"), REASONS[reason]
        return brief(f"{self._said}: {message or code or 'no reason was given'}"), None

    def _finished(self, answer: transport.Answer, told: Any) -> Finished | Failed:
        outputs = tuple(self._outputs(answer, told))
        if not outputs and found(self._wire.get("moderated"), told):
            message, _ = self._error(told)
            return Failed(NonDelivery.MODERATED_OUTPUT, message, retryable=False)
        metrics = found(self._wire.get("metrics"), told)
        has_media = any(isinstance(one, MediaBytes) for one in outputs)
        return Finished(
            outputs,
            metrics=metrics if isinstance(metrics, dict) else {},
            raw=told if isinstance(told, dict) and not has_media else {},
            usage=quantities(**{name: found(place, told) for name, place in self._wire.get("usage", {}).items()}),
            cost_usd=self._cost_usd(told),
        )

    def _outputs(self, answer: transport.Answer, told: Any) -> Iterator[MediaUrl | MediaBytes]:
        described = self._wire["outputs"]
        form = described.get("form", "url")
        if form == "body":
            if answer.body:
                yield MediaBytes(answer.body, answer.headers.get("content-type"))
            return
        listed = found(described["at"], told)
        media_type = _text(found(described.get("media_type"), told)) or None
        for one in listed if isinstance(listed, list) else [listed]:
            if not isinstance(one, str) or not one:
                continue
            if form == "url":
                if one.startswith(("https://", "http://")):
                    yield MediaUrl(one, media_type)
                continue
            try:
                yield MediaBytes(base64.b64decode(one, validate=True), media_type)
            except binascii.Error:
                continue

    def _cost_usd(self, told: Any) -> str | None:
        """What the provider charges, in dollars as decimal text; None where it does not say, or says nonsense."""
        described = self._wire.get("cost")
        units = found(described["at"], told) if described else None
        if described is None or isinstance(units, bool) or not isinstance(units, int | float | str):
            return None
        try:
            cost = Decimal(str(units)) * Decimal(described["usd"])
        except InvalidOperation:
            return None
        return exact(cost) if cost.is_finite() and cost >= 0 else None


def found(place: str | None, answer: Any) -> Any:
    """What stands at a place of an answer; None when nothing does, or the answer is of another shape."""
    if place is None:
        return None
    try:
        return jmespath.search(place, answer, _OPTIONS)
    except jmespath.exceptions.JMESPathError:
        return None


def _holes(call: Mapping[str, Any], endpoint: str = "") -> tuple[list[str], list[str]]:
    """What a call's path and query are filled in with; an endpoint in the path may have holes of its own."""
    queries = call.get("query", {}).values()
    return _HOLE.findall(call["path"] + endpoint), [name for text in queries for name in _HOLE.findall(text)]


def _placed(call: Mapping[str, Any], names: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs that stand in a submission's address, taken out of the rest: `input` is what is left."""
    given, (in_path, in_query) = dict(names["input"]), _holes(call, names["endpoint"])
    placed = {name: given.pop(name) for name in {*in_path, *in_query} - set(names) if name in given}
    return {**placed, "input": given}


def _part(value: object) -> str:
    """A value as one part of a path; nothing for what would be a way through it."""
    text = _text(value)
    return "" if text in {".", ".."} else text


def _told(answer: transport.Answer) -> Any:
    """The answer's JSON; None when it is none."""
    try:
        return answer.json()
    except ValueError:
        return None


def _text(value: object) -> str:
    """A word or a number as text; nothing for anything else."""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _filled(template: str, names: Mapping[str, Any]) -> str:
    return _HOLE.sub(lambda hole: _text(names.get(hole[1])), template)


def _without_nothing(body: Any) -> Any:
    """A body without fields that would be null: an address that nobody calls back."""
    return {name: value for name, value in body.items() if value is not None} if isinstance(body, dict) else body


def _progress(told: object) -> int | None:
    return min(max(int(told), 0), 100) if isinstance(told, int | float) and not isinstance(told, bool) else None
