"""The record of provider calls, which `GET /_control/calls` shows: tests count paid submissions with it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SCOPE_KEY = "sandbox.call"


@dataclass
class Call:
    """One HTTP call to a provider. `at` is Unix time in seconds; `status` is None before the answer."""

    provider: str
    method: str
    path: str
    at: float
    paid: bool = False
    accepted: bool = False
    status: int | None = None
    request_id: str | None = None
    prompt: str | None = None

    def accept(self, *, request_id: str | None = None) -> None:
        """Marks a submission that the provider accepted and started, which is what it charges for."""
        self.accepted = self.paid = True
        self.request_id = request_id

    def as_json(self) -> dict[str, Any]:
        """The form `GET /_control/calls` shows; request_id and prompt only where they are known."""
        shown: dict[str, Any] = {
            "provider": self.provider,
            "method": self.method,
            "path": self.path,
            "paid": self.paid,
            "accepted": self.accepted,
            "status": self.status,
            "at": self.at,
        }
        if self.request_id is not None:
            shown["request_id"] = self.request_id
        if self.prompt is not None:
            shown["prompt"] = self.prompt
        return shown


class Calls:
    """All calls since the start or the last reset, oldest first."""

    def __init__(self) -> None:
        self._calls: list[Call] = []

    def add(self, call: Call) -> None:
        """Records a call when it comes in, so that one that hangs is seen too."""
        self._calls.append(call)

    def clear(self) -> None:
        """Forgets every call."""
        self._calls.clear()

    def as_json(self) -> list[dict[str, Any]]:
        """Every call in the form of `GET /_control/calls`."""
        return [call.as_json() for call in self._calls]


def call_of(request: Request) -> Call:
    """The record of the call that `request` is."""
    call: Call = request.scope[SCOPE_KEY]
    return call


class Recorder:
    """ASGI wrapper around one provider's routes: records each call and the status of its answer."""

    def __init__(self, app: ASGIApp, provider: str, calls: Calls) -> None:
        self._app = app
        self._provider = provider
        self._calls = calls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the call on; its record is in the scope, see call_of."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        call = Call(self._provider, scope["method"], scope["path"], time.time())
        self._calls.add(call)
        scope[SCOPE_KEY] = call

        async def observed(message: Message) -> None:
            if message["type"] == "http.response.start":
                call.status = message["status"]
            await send(message)

        await self._app(scope, receive, observed)
