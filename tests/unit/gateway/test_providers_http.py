"""The adapter that is described: Kie.ai's description against its wire, and what answers may look like at worst."""

import base64
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from gateway import signing_keys, transport
from gateway.provider import Accepted, Failed, Finished, MediaBytes, MediaUrl, Refused, Running, Submission, Uncertain
from gateway.providers import ApiKey, Description
from gateway.providers import http as adapters
from gateway.providers.http import Http
from tests.unit.gateway.shipped import COMPILED

BASE = "https://api.kie.ai/api/v1"
KIE = COMPILED["providers"]["kie"]["wire"]
HOOK = "https://museway.test/v1/callbacks/kie/gen_1/token?x=1"
REFERENCE = {"endpoint": "nano-banana-pro", "task_id": "t-1"}
ECHO = {
    "headers": {"x-key": "{key}"},
    "submit": {"path": "/v1/{endpoint}"},
    "outputs": {"at": "pictures[].data", "form": "base64", "media_type": "mime"},
    "moderated": "blocked",
    "error": {"message": "error.message", "code": "error.code", "reasons": {"moderated_output": ["nsfw"]}},
    "usage": {"media_output_tokens": "usage.tokens"},
    "cost": {"at": "usage.ticks", "usd": "0.0000000001"},
}


def adapter(wire: dict[str, Any] = KIE, key: str | None = "secret-key") -> Http:
    return Http(Description("kie", "Kie.ai", BASE, wire), lambda: ApiKey(key) if key else None)


def submission(webhook_url: str | None = HOOK) -> Submission:
    return Submission("gen_1-1", "nano-banana-pro", {"prompt": "a fox", "seed": None}, webhook_url, 10)


def answering(act: Callable[[], Any], status: int, body: Any) -> tuple[Any, list[httpx.Request]]:
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        if isinstance(body, Exception):
            raise body
        return httpx.Response(status, content=body if isinstance(body, bytes) else json.dumps(body).encode())

    with transport.use(httpx.MockTransport(answer)):
        return act(), requests


def submit(status: int, body: Any, **more: Any) -> tuple[Any, list[httpx.Request]]:
    return answering(lambda: adapter(**more).submit(submission()), status, body)


def poll(data: Any, status: int = 200, **more: Any) -> Any:
    body = data if isinstance(data, bytes) else {"code": 200, "msg": "success", "data": data, **more}
    return answering(lambda: adapter().poll(REFERENCE), status, body)[0]


FINDING = KIE | {"find": {"path": "/jobs/{endpoint}", "query": {"ours": "{attempt_id}"}}}


def find(body: Any, status: int = 200, wire: dict[str, Any] = FINDING) -> tuple[Any, list[httpx.Request]]:
    return answering(lambda: adapter(wire).find("gen_1-1", "fox/2"), status, body)


def test_a_job_is_found_by_our_own_id() -> None:
    found, (request,) = find({"code": 200, "data": {"taskId": "t-1"}})
    assert found == {"endpoint": "fox/2", "task_id": "t-1"}
    assert (request.method, str(request.url)) == ("GET", f"{BASE}/jobs/fox/2?ours=gen_1-1")
    assert request.headers["authorization"] == "Bearer secret-key"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {"code": 404, "data": {"taskId": "t-1"}}),
        (404, {"code": 200, "data": {"taskId": "t-1"}}),
        (200, {"code": 200, "data": {}}),
        (200, {"code": 200, "data": {"taskId": {}}}),
        (200, b"<html>"),
        (503, b""),
        (0, httpx.ReadTimeout("")),
    ],
)
def test_a_job_that_is_not_found_says_nothing(status: int, body: Any) -> None:
    assert find(body, status)[0] == {}


def test_only_who_knows_our_ids_is_asked_for_them() -> None:
    assert find({}, wire=KIE) == ({}, [])


def test_a_job_is_created_as_it_is_described() -> None:
    outcome, (request,) = submit(200, {"code": 200, "msg": "success", "data": {"taskId": "t-1"}})
    assert outcome == Accepted(REFERENCE)
    assert (request.method, str(request.url)) == ("POST", f"{BASE}/jobs/createTask")
    assert request.headers["authorization"] == "Bearer secret-key"
    assert json.loads(request.content) == {
        "model": "nano-banana-pro",
        "input": {"prompt": "a fox", "seed": None},
        "callBackUrl": HOOK,
    }


def test_who_is_not_called_back_is_not_named() -> None:
    _, (request,) = answering(lambda: adapter().submit(submission(None)), 200, {})
    assert "callBackUrl" not in json.loads(request.content)


WAVESPEED = COMPILED["providers"]["wavespeed"]["wire"]


def noted(
    monkeypatch: pytest.MonkeyPatch, wire: dict[str, Any], body: Any = None, kept: str = "", hook: str | None = HOOK
) -> list[str]:
    """The signing keys that a submission notes, where the provider answers this and the operator keeps that."""
    found: list[str] = []
    keys = {"kie_webhook": ApiKey(kept)} if kept else {}
    monkeypatch.setattr(signing_keys.SigningKey, "note", lambda _provider, key: found.append(key))
    monkeypatch.setattr(adapters, "api_key", keys.get)
    answering(lambda: adapter(wire).submit(submission(hook)), 200, body)
    return found


def test_the_operators_key_is_noted_for_who_is_called_back(monkeypatch: pytest.MonkeyPatch) -> None:
    assert noted(monkeypatch, KIE, kept="hmac") == ["hmac"]
    assert noted(monkeypatch, KIE, kept="hmac", hook=None) == []
    assert noted(monkeypatch, KIE) == []


@pytest.mark.parametrize("data", [{"secret": "whsec_a"}, {"key": "whsec_a"}, "whsec_a"])
def test_a_key_that_the_provider_tells_is_noted(monkeypatch: pytest.MonkeyPatch, data: Any) -> None:
    assert noted(monkeypatch, WAVESPEED, {"code": 200, "data": data}, kept="hmac") == ["whsec_a"]


@pytest.mark.parametrize("data", [{}, "", None, {"secret": 0.5}])
def test_nothing_is_noted_that_is_no_key(monkeypatch: pytest.MonkeyPatch, data: Any) -> None:
    """With an empty key anybody could sign."""
    assert noted(monkeypatch, WAVESPEED, {"code": 200, "data": data}, kept="hmac") == []


@pytest.mark.parametrize(
    ("status", "code", "reason", "retryable"),
    [
        (200, 401, "provider_auth", True),
        (200, 402, "provider_auth", True),
        (200, 404, "provider_unavailable", True),
        (200, 422, "invalid_inputs", False),
        (200, 429, "rate_limited", True),
        (200, 455, "provider_unavailable", True),
        (429, 200, "rate_limited", True),
        (403, None, "provider_auth", True),
    ],
)
def test_refused(status: int, code: int | None, reason: str, retryable: bool) -> None:
    outcome, _ = submit(status, {"code": code, "msg": "no"})
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.retryable) == (reason, retryable)
    assert "secret-key" not in outcome.message


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {"code": 500, "msg": "error"}),
        (503, {"code": 200, "data": {"taskId": "t-1"}}),
        (200, {"code": 200, "data": {"taskId": {"a": 1}}}),
        (200, {"code": 200, "data": []}),
        (200, {"code": 200}),
        (200, []),
        (200, b"<html>"),
        (200, b'{"code": 200, "data": {"taskId": "t-'),
        (200, b"[" * 100_000),
        (200, httpx.ReadTimeout("")),
    ],
)
def test_what_may_have_been_begun_is_uncertain(status: int, body: Any) -> None:
    outcome, requests = submit(status, body)
    assert isinstance(outcome, Uncertain)
    assert len(requests) == 1


def test_what_never_left_is_refused() -> None:
    outcome, _ = submit(200, httpx.ConnectError(""))
    assert isinstance(outcome, Refused)
    assert outcome.retryable
    outcome, requests = submit(200, {}, key=None)
    assert (outcome.code, requests) == ("provider_auth", [])


@pytest.mark.parametrize("state", ["waiting", "queuing", "generating"])
def test_it_works_on(state: str) -> None:
    assert poll({"state": state}) == Running(None)


def test_outputs_stand_in_a_text_that_is_json() -> None:
    done = poll({"state": "success", "resultJson": '{"resultUrls": ["https://a.test/1.png", "x", 7, "http://b.test"]}'})
    assert isinstance(done, Finished)
    assert done.outputs == (MediaUrl("https://a.test/1.png"), MediaUrl("http://b.test"))


@pytest.mark.parametrize("text", [None, "", "{", "7", '{"resultUrls": {}}', '{"resultUrls": null}', "[" * 100_000])
def test_without_outputs_nothing_was_delivered(text: str | None) -> None:
    assert poll({"state": "success", "resultJson": text}).outputs == ()


def test_a_failure_says_why() -> None:
    failed = poll({"state": "fail", "failCode": "422", "failMsg": "the prompt\nis odd"})
    assert failed == Failed("provider_error", "Kie.ai: the prompt is odd", retryable=True)


@pytest.mark.parametrize(
    "answer", [(b"<html>", 200), ({"state": "dreaming"}, 200), ({}, 200), (None, 200), ({"state": "success"}, 500)]
)
def test_what_cannot_be_read_is_asked_again(answer: tuple[Any, int]) -> None:
    assert isinstance(poll(*answer), Uncertain)


def test_a_job_that_is_not_known_is_lost() -> None:
    lost = poll(None, code=404)
    assert isinstance(lost, Failed)
    assert lost.code == "provider_lost"


def test_a_job_is_asked_about_by_its_reference() -> None:
    _, (request,) = answering(lambda: adapter().poll({"task_id": "a/b?c"}), 200, {})
    assert str(request.url) == f"{BASE}/jobs/recordInfo?taskId=a%2Fb%3Fc"
    outcome, requests = answering(lambda: adapter().poll({"endpoint": "x"}), 200, {})
    assert isinstance(outcome, Uncertain)
    assert requests == []


def test_what_cannot_be_cancelled_is_not() -> None:
    assert answering(lambda: adapter().cancel(REFERENCE), 200, {}) == (False, [])


def test_an_answer_may_be_the_result_itself() -> None:
    data = base64.b64encode(b"picture").decode()
    body = {"pictures": [{"data": data}, {"data": "%"}], "mime": "image/png", "usage": {"tokens": 7, "ticks": 12345}}
    done, (request,) = submit(200, body, wire=ECHO)
    assert request.headers["x-key"] == "secret-key"
    assert str(request.url) == f"{BASE}/v1/nano-banana-pro"
    assert isinstance(done, Finished)
    assert (done.outputs, done.raw) == ((MediaBytes(b"picture", "image/png"),), {})
    assert (done.usage, done.cost_usd) == ({"media_output_tokens": 7}, "0.0000012345")
    blocked, _ = submit(200, {"blocked": True, "error": {"message": "no"}}, wire=ECHO)
    assert blocked == Failed("moderated_output", "Kie.ai: no", retryable=False)
    refused, _ = submit(400, {"error": {"code": "nsfw"}}, wire=ECHO)
    assert isinstance(refused, Refused)
    assert refused.code == "moderated_input"
    assert not refused.retryable
    lost = adapter(ECHO).poll({"endpoint": "x"})
    assert isinstance(lost, Failed)
    assert lost.code == "provider_lost"


@pytest.mark.parametrize("ticks", [None, "x", -1, True, [1], float("nan")])
def test_a_cost_that_is_none(ticks: Any) -> None:
    body = json.dumps({"pictures": [], "usage": {"tokens": -3, "ticks": ticks}}).encode()
    done, _ = submit(200, body, wire=ECHO)
    assert (done.usage, done.cost_usd) == ({}, None)


PLACED = {
    "submit": {"path": "/{endpoint}", "query": {"format": "{format}", "tier": "{tier}"}},
    "outputs": {"form": "body"},
    "error": {"message": "detail"},
}


def speak(body: dict[str, Any]) -> tuple[Any, list[httpx.Request]]:
    asked = Submission("gen_1-1", "speech/{voice}", body, None, 10)
    return answering(lambda: adapter(PLACED).submit(asked), 200, b"sound")


def test_inputs_may_stand_in_the_address() -> None:
    outcome, (request,) = speak({"voice": "a/b?c", "format": "mp3", "text": "hi {voice}"})
    assert str(request.url) == f"{BASE}/speech/a%2Fb%3Fc?format=mp3"
    assert json.loads(request.content) == {"text": "hi {voice}"}
    assert outcome.outputs == (MediaBytes(b"sound"),)


@pytest.mark.parametrize("voice", [None, "", ".", "..", {"a": 1}, ["x"]])
def test_an_address_that_lacks_an_input_is_not_called(voice: Any) -> None:
    outcome, requests = speak({"voice": voice, "text": "hi"})
    assert outcome == Refused("invalid_inputs", "Kie.ai needs 'voice'.", retryable=False)
    assert requests == []
