"""The plain address in front of the HTTP API: `http://127.0.0.1:PORT` instead of the emulator's long path.

Passes requests and answers through as they are, like a reverse proxy, and does nothing else. Runs as
`python -m infra.local.front_door --socket FD --emulator URL --api-id ID`.
"""

import argparse
import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx
from hypercorn.asyncio import serve
from hypercorn.config import Config
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

# API Gateway's own limit for the payload of an HTTP API.
BODY_BYTES_MAX = 10_000_000
# Longer than an invocation waits for its turn on a crowded machine, and then runs.
ANSWER_SECONDS_MAX = 120.0

# Headers that belong to one connection, not to the message (RFC 9110, 7.6.1).
_CONNECTION_HEADERS = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)

Headers = list[tuple[bytes, bytes]]


class PayloadTooLarge(Exception):
    """The body is larger than API Gateway takes."""


class FrontDoor:
    """An ASGI application that answers with what the HTTP API `api_id` of the emulator at `emulator_url` answers."""

    def __init__(self, emulator_url: str, api_id: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._base = httpx.URL(emulator_url)
        self._prefix = f"/_aws/execute-api/{api_id}/$default".encode()
        # The emulator closes idle connections after 75 s: ours go first, so that no request meets a closing
        # one.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=30)
        self._client = httpx.AsyncClient(
            transport=transport, timeout=httpx.Timeout(ANSWER_SECONDS_MAX, pool=None), limits=limits, trust_env=False
        )

    async def close(self) -> None:
        """Close the connections to the emulator."""
        await self._client.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        try:
            response = await self._forward(Request(scope, receive))
        except PayloadTooLarge:
            response = _message(413, "Request Entity Too Large")
        except ClientDisconnect:
            return
        except httpx.HTTPError as error:
            response = _message(503, f"The emulator does not answer ({type(error).__name__})")
        await response(scope, receive, send)

    async def _forward(self, request: Request) -> Response:
        body = await read_body(request)
        query = request.scope["query_string"]
        path = self._prefix + raw_path(request.scope)
        target = self._base.copy_with(raw_path=path + b"?" + query if query else path)
        headers = [*message_headers(request.headers.raw), (b"content-length", str(len(body)).encode())]
        onward = self._client.build_request(request.method, target, headers=headers, content=body)
        answer = await self._client.send(onward, stream=True)
        response = StreamingResponse(_stream(answer), status_code=answer.status_code)
        response.raw_headers = [*message_headers(answer.headers.raw), *length_header(answer.headers)]
        return response


async def read_body(request: Request) -> bytes:
    """The whole body. Raises PayloadTooLarge as soon as it is known to be too large."""
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > BODY_BYTES_MAX:
        raise PayloadTooLarge
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > BODY_BYTES_MAX:
            raise PayloadTooLarge
    return bytes(body)


def raw_path(scope: Scope) -> bytes:
    """The path as the client wrote it, with its percent signs."""
    raw: bytes = scope["raw_path"]
    return raw.partition(b"?")[0]


def message_headers(headers: Headers) -> Headers:
    """The headers without those of the connection and without the length, which is set anew."""
    named = {
        name.strip().lower() for key, value in headers if key.lower() == b"connection" for name in value.split(b",")
    }
    dropped = _CONNECTION_HEADERS | named | {b"content-length"}
    return [(key, value) for key, value in headers if key.lower() not in dropped]


def length_header(headers: httpx.Headers) -> Headers:
    """The answer's own length, when it states one."""
    length = headers.get("content-length")
    return [(b"content-length", length.encode())] if length is not None else []


async def _stream(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for part in answer.aiter_raw():
            yield part
    finally:
        await answer.aclose()


def _message(status: int, message: str) -> Response:
    return Response(json.dumps({"message": message}), status, media_type="application/json")


def application(door: FrontDoor) -> Starlette:
    """The front door as an application that closes its connections at the end."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await door.close()

    return Starlette(routes=[Mount("/", app=door)], lifespan=lifespan)


def main() -> None:
    """Serve the inherited listening socket until SIGTERM."""
    parser = argparse.ArgumentParser(prog="front_door")
    parser.add_argument("--socket", type=int, required=True, help="descriptor of a listening socket")
    parser.add_argument("--emulator", required=True, help="URL of the AWS emulator")
    parser.add_argument("--api-id", required=True, help="id of the HTTP API")
    options = parser.parse_args()
    config = Config()
    config.bind = [f"fd://{options.socket}"]
    config.graceful_timeout = 1.0
    asyncio.run(serve(cast("Any", application(FrontDoor(options.emulator, options.api_id))), config))


if __name__ == "__main__":
    main()
