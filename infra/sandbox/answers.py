"""Answers that break HTTP's manners on purpose. They need a real connection: served, not called in process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

HUGE_BYTES = 64 * 1024**3
_CHUNK_BYTES = 256 * 1024


class BrokenOff(Response):
    """Announces the whole body and closes the connection after its first half."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        half = bytes(self.body)[: len(self.body) // 2]
        # `more_body` stays true: the server finds the body unfinished and drops the connection.
        await send({"type": "http.response.body", "body": half, "more_body": True})


class NoAnswer(Response):
    """Holds the connection open until the client leaves, `seconds` have passed or the sandbox stops; then drops it."""

    def __init__(self, seconds: float, stopping: asyncio.Event) -> None:
        super().__init__()
        self._seconds = seconds
        self._stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        waits = [asyncio.ensure_future(_client_left(receive)), asyncio.ensure_future(self._stopping.wait())]
        done, pending = await asyncio.wait(waits, timeout=self._seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in pending:
            wait.cancel()
        if waits[0] not in done:
            # The head of an answer whose body never comes: the only way an ASGI app can make its server hang up.
            head = [(b"content-length", b"1")]
            await send({"type": "http.response.start", "status": 200, "headers": head})


def huge(beginning: bytes, media_type: str) -> Response:
    """A body that begins like the real one and goes on with zeros for 64 GiB, as its length announces."""

    async def body() -> AsyncIterator[bytes]:
        yield beginning
        sent = len(beginning)
        while sent < HUGE_BYTES:
            piece = bytes(min(_CHUNK_BYTES, HUGE_BYTES - sent))
            sent += len(piece)
            yield piece
            # The server's own writing never gives way: without a pause, nobody would see that the client left.
            await asyncio.sleep(0.001)

    return StreamingResponse(body(), media_type=media_type, headers={"content-length": str(HUGE_BYTES)})


def cut_json(whole: Response) -> Response:
    """The same answer with its JSON cut off, complete as far as HTTP is concerned."""
    text = bytes(whole.body)
    return Response(text[: len(text) * 2 // 3], whole.status_code, media_type="application/json")


async def _client_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
