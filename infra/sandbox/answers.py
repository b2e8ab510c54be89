"""Answers that break HTTP's manners on purpose. They need a real connection, not an in-process call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

HUGE_BYTES = 64 * 1024**3
_CHUNK_BYTES = 256 * 1024


class BrokenOff(Response):
    """Announces the whole body and closes the connection after its first half."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Sends the head and half of the body."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        half = bytes(self.body)[: len(self.body) // 2]
        # `more_body` stays true: the server finds the body unfinished and drops the connection.
        await send({"type": "http.response.body", "body": half, "more_body": True})


class NoAnswer(Response):
    """Holds the connection until the client leaves, `seconds` passed or the sandbox stops; then drops it."""

    def __init__(self, seconds: float, stopping: asyncio.Event) -> None:
        super().__init__()
        self._seconds = seconds
        self._stopping = stopping

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Waits, and sends nothing that could be read as an answer."""
        waits = [asyncio.ensure_future(_client_left(receive)), asyncio.ensure_future(self._stopping.wait())]
        done, pending = await asyncio.wait(waits, timeout=self._seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in pending:
            wait.cancel()
        if waits[0] not in done:
            # The head of an answer without its body: the only way for an ASGI app to make its server hang up.
            head = [(b"content-length", b"1")]
            await send({"type": "http.response.start", "status": 200, "headers": head})


def huge(beginning: bytes, media_type: str, filling: bytes = b"\0") -> Response:
    """A body that begins like the real one and goes on with one byte for 64 GiB, as its length announces."""

    async def body() -> AsyncIterator[bytes]:
        yield beginning
        sent = len(beginning)
        while sent < HUGE_BYTES:
            piece = filling * min(_CHUNK_BYTES, HUGE_BYTES - sent)
            sent += len(piece)
            yield piece
            # The server's writing never gives way: without a pause, nobody would see that the client left.
            await asyncio.sleep(0.001)

    return StreamingResponse(body(), media_type=media_type, headers={"content-length": str(HUGE_BYTES)})


def cut_short(whole: Response) -> Response:
    """The same answer without its last third, complete as far as HTTP is concerned; a stream stays whole."""
    if isinstance(whole, StreamingResponse):
        return whole
    body = bytes(whole.body)
    return Response(body[: len(body) * 2 // 3], whole.status_code, media_type=whole.media_type)


async def _client_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
