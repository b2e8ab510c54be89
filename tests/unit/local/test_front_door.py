"""The front door passes messages through as they are."""

import asyncio
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from infra.local.front_door import BODY_BYTES_MAX, FrontDoor, application, message_headers

Handler = Callable[[httpx.Request], httpx.Response]


def streamed(handler: Handler) -> httpx.MockTransport:
    """A transport whose answers are read once, piece by piece, as those of a connection are."""

    async def content(whole: bytes) -> AsyncIterator[bytes]:
        yield whole

    def handle(request: httpx.Request) -> httpx.Response:
        answer = handler(request)
        if not answer.is_stream_consumed:
            return answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=content(answer.content))

    return httpx.MockTransport(handle)


def ask(handler: Handler, method: str, path: str, **options: object) -> httpx.Response:
    async def exchange() -> httpx.Response:
        door = FrontDoor("http://127.0.0.1:4566", "abc123", streamed(handler))
        transport = httpx.ASGITransport(application(door))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8787") as client:
            answer = await client.request(method, path, **options)  # type: ignore[arg-type]
        await door.close()
        return answer

    return asyncio.run(exchange())


def echo(request: httpx.Request) -> httpx.Response:
    headers = {"x-request-id": "r-1", "connection": "close, x-hop", "x-hop": "1", "keep-alive": "timeout=5"}
    return httpx.Response(418, headers=headers, json={"url": str(request.url), "headers": dict(request.headers)})


def test_the_path_and_query_arrive_as_they_were_written() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200)

    ask(handler, "GET", "/v1/models/kuaishou%2Fkling-v3-i2v?q=a%20b&q=c")
    prefix = b"/_aws/execute-api/abc123/$default"
    assert seen[0].url.raw_path == prefix + b"/v1/models/kuaishou%2Fkling-v3-i2v?q=a%20b&q=c"
    assert seen[0].url.netloc == b"127.0.0.1:4566"


def test_status_and_headers_come_back_without_those_of_the_connection() -> None:
    answer = ask(echo, "GET", "/health", headers={"authorization": "Bearer mw_x", "te": "trailers"})
    assert answer.status_code == 418
    assert answer.headers["x-request-id"] == "r-1"
    assert not {"connection", "keep-alive", "x-hop"} & set(answer.headers)
    passed = answer.json()["headers"]
    assert passed["authorization"] == "Bearer mw_x"
    assert passed["host"] == "127.0.0.1:8787"
    assert "te" not in passed


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"])
def test_every_method_passes(method: str) -> None:
    assert ask(lambda request: httpx.Response(200, text=request.method), method, "/x").status_code == 200


def test_a_throttled_answer_passes_through() -> None:
    answer = ask(lambda _: httpx.Response(429, headers={"retry-after": "1"}, json={"a": 1}), "GET", "/x")
    assert (answer.status_code, answer.headers["retry-after"], answer.json()) == (429, "1", {"a": 1})


def test_a_body_up_to_the_limit_passes_whole() -> None:
    body = bytes(BODY_BYTES_MAX)
    answer = ask(lambda request: httpx.Response(200, text=str(len(request.content))), "POST", "/x", content=body)
    assert answer.text == str(BODY_BYTES_MAX)


async def parts(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 1_000_000 + 1):
        yield bytes(1_000_000)


@pytest.mark.parametrize("body", [bytes(BODY_BYTES_MAX + 1), parts(BODY_BYTES_MAX)], ids=["declared", "streamed"])
def test_a_larger_body_is_refused_unsent(body: object) -> None:
    def handler(_: httpx.Request) -> httpx.Response:
        raise AssertionError("must not be sent")

    answer = ask(handler, "POST", "/x", content=body)
    assert (answer.status_code, answer.json()) == (413, {"message": "Request Entity Too Large"})


def test_an_answer_is_streamed_with_its_length() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"ab"
        yield b"cd"

    answer = ask(lambda _: httpx.Response(200, headers={"content-length": "4"}, content=body()), "GET", "/x")
    assert (answer.content, answer.headers["content-length"]) == (b"abcd", "4")


def test_an_emulator_that_does_not_answer_is_503() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    answer = ask(handler, "GET", "/x")
    assert answer.status_code == 503
    assert "does not answer" in answer.json()["message"]


def test_repeated_headers_stay_repeated() -> None:
    headers = [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"content-length", b"3")]
    assert message_headers(headers) == headers[:2]
