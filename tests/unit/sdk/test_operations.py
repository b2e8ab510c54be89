"""Retries: what is sent again, how often, after how long, and always under the same key."""

import httpx
import pytest

from museway import errors
from museway._operations import RETRIES, Pace
from museway.client import Client
from tests.unit.sdk.fake_gateway import FakeGateway, refusal

MODEL = "nano-banana"
REQUEST = httpx.Request("POST", "https://gateway.test")
PASSING = [
    httpx.ConnectError("refused", request=REQUEST),
    httpx.ReadTimeout("slow", request=REQUEST),
    httpx.ReadError("reset", request=REQUEST),
    httpx.RemoteProtocolError("closed", request=REQUEST),
    refusal(429, "rate_limited"),
    refusal(503, "unavailable"),
    refusal(409, "idempotency_in_progress"),
    httpx.Response(503, json={"message": "Service Unavailable"}),
]


@pytest.mark.parametrize("interruption", PASSING, ids=lambda value: type(value).__name__)
def test_what_may_pass_is_sent_again_unchanged(
    gateway: FakeGateway, client: Client, interruption: httpx.Response | Exception
) -> None:
    gateway.interruptions = [interruption, interruption]
    client.submit(MODEL, prompt="x")

    sent = gateway.sent("POST", "/v1/media/generate")
    assert len(sent) == 3
    assert len({request.headers["idempotency-key"] for request in sent}) == 1
    assert len({request.content for request in sent}) == 1
    assert len(gateway.accepted) == 1
    assert gateway.clock.pauses == [0.5, 1.0]


def test_an_answer_lost_on_its_way_back_starts_nothing_twice(gateway: FakeGateway, client: Client) -> None:
    handle = gateway._submit

    def lose_the_first(request: httpx.Request) -> dict[str, object]:
        content = handle(request)
        if len(gateway.sent("POST", "/v1/media/generate")) == 1:
            raise httpx.ReadTimeout("lost", request=request)
        return content

    gateway._submit = lose_the_first  # type: ignore[method-assign]
    assert client.submit(MODEL).id == "gen_1"
    assert len(gateway.accepted) == 1


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "invalid_request"),
        (409, "already_finished"),
        (422, "idempotency_key_reused"),
        (500, "internal_error"),
        (502, "bad_gateway"),
        (504, "timeout"),
    ],
)
def test_nothing_else_is_retried(gateway: FakeGateway, client: Client, status: int, code: str) -> None:
    gateway.interruptions = [refusal(status, code)]
    with pytest.raises(errors.MusewayError) as caught:
        client.submit(MODEL)
    assert (caught.value.code, caught.value.status) == (code, status)
    assert len(gateway.requests) == 1


def test_retries_are_bounded_and_the_last_error_is_raised(gateway: FakeGateway, client: Client) -> None:
    gateway.interruptions = [refusal(429, "rate_limited", retry_after="3") for _ in range(20)]
    with pytest.raises(errors.RateLimited) as caught:
        client.submit(MODEL)
    assert caught.value.retry_after_seconds == 3
    assert len(gateway.requests) == RETRIES + 1
    assert gateway.clock.pauses == [3.0, 3.0, 3.0, 4.0]


def test_a_lost_connection_is_raised_in_the_end(gateway: FakeGateway, client: Client) -> None:
    gateway.interruptions = [httpx.ConnectError("refused") for _ in range(20)]
    with pytest.raises(errors.ConnectionFailed, match="refused"):
        client.balance()
    assert len(gateway.requests) == RETRIES + 1


def test_an_error_that_cannot_pass_is_raised_at_once(gateway: FakeGateway, client: Client) -> None:
    gateway.interruptions = [httpx.UnsupportedProtocol("ftp")]
    with pytest.raises(errors.ConnectionFailed) as caught:
        client.balance()
    assert caught.value.code == "request_failed"
    assert len(gateway.requests) == 1


def test_a_server_that_asks_for_a_long_pause_is_not_waited_for(gateway: FakeGateway, client: Client) -> None:
    gateway.interruptions = [refusal(429, "rate_limited", retry_after="3600")]
    with pytest.raises(errors.RateLimited) as caught:
        client.balance()
    assert caught.value.retry_after_seconds == 3600
    assert gateway.clock.pauses == []


def test_jitter_only_lengthens_a_pause_and_by_half_at_most(gateway: FakeGateway) -> None:
    gateway.interruptions = [refusal(503, "unavailable", retry_after="4"), refusal(503, "unavailable")]
    gateway.client(pace=Pace(now=gateway.clock.now, jitter=lambda: 1.0)).balance()
    assert gateway.clock.pauses == [6.0, 1.5]


def test_file_transfers_are_retried_too(gateway: FakeGateway, client: Client) -> None:
    store, failures = gateway._file, [httpx.Response(503), httpx.Response(503)]
    gateway._file = lambda request: failures.pop() if failures else store(request)  # type: ignore[method-assign]
    client.upload(b"abc", "a.png")
    assert gateway.files["uploads/a.png"] == b"abc"
    assert len(gateway.sent("PUT", "/uploads/a.png")) == 3


@pytest.mark.parametrize(
    ("call", "content"),
    [
        (lambda client: client.submit(MODEL), {}),
        (lambda client: client.upload(b"x", "a.png"), {"files": []}),
        (lambda client: client.upload(b"x", "a.png"), {"files": [{"url": "u", "drive_path": "d"}]}),
        (lambda client: client.models(), {"models": []}),
        (lambda client: client.generation("g").result(), {"status": "completed"}),
    ],
)
def test_an_answer_that_breaks_the_contract_is_a_server_error(
    gateway: FakeGateway, client: Client, call: object, content: dict[str, object]
) -> None:
    gateway.interruptions = [httpx.Response(200, json=content)]
    with pytest.raises(errors.ServerError) as caught:
        call(client)  # type: ignore[operator]
    assert caught.value.code == "malformed_answer"


def test_an_answer_that_is_no_json_is_a_server_error(gateway: FakeGateway, client: Client) -> None:
    gateway.interruptions = [httpx.Response(200, text="<html>")]
    with pytest.raises(errors.ServerError) as caught:
        client.balance()
    assert "MUSEWAY_URL" in caught.value.hint
