"""Answers that no client may trust, made of true ones, whatever a provider's JSON looks like."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse

from infra.sandbox.answers import huge

INTERNALS = "sandbox-internals-5b1f"
"""Stands in what a provider never meant to show: whoever passes raw answers on is caught by it."""
PRIVATE_URL = "http://169.254.169.254/latest/meta-data/iam/security-credentials/"
SURPLUS = 3
_STATES = frozenset({"status", "state", "task_status", "done"})
_DRIP_SECONDS = 0.05


def html(_answer: Response, _stopping: asyncio.Event) -> Response:
    """A page, as proxies in front of providers send it, with status 200."""
    return HTMLResponse(f"<!doctype html><title>Please wait</title><p>{INTERNALS} {{}}")


def wrong_type(answer: Response, _stopping: asyncio.Event) -> Response:
    """Every value of the answer is of another type; what is no JSON becomes a list."""
    told = _told(answer)
    return JSONResponse([INTERNALS] if told is None else _twisted(told), answer.status_code)


def drip(_answer: Response, stopping: asyncio.Event) -> Response:
    """A body without an end, a blank at a time, for as long as the client listens."""

    async def body() -> AsyncIterator[bytes]:
        while not stopping.is_set():
            yield b" "
            await asyncio.sleep(_DRIP_SECONDS)

    return StreamingResponse(body(), media_type="application/json")


def redirect(_answer: Response, _stopping: asyncio.Event) -> Response:
    """To where an instance keeps its credentials."""
    return RedirectResponse(PRIVATE_URL, 302)


def huge_answer(_answer: Response, _stopping: asyncio.Event) -> Response:
    """JSON that goes on for 64 GiB."""
    return huge(b'{"', "application/json", filling=b"a")


def surplus_outputs(answer: Response, _stopping: asyncio.Event) -> Response:
    """Every list of the answer has its items several times; what is no JSON stays as it is."""
    told = _told(answer)
    return answer if told is None else JSONResponse(_multiplied(told), answer.status_code)


def unknown_status(answer: Response, _stopping: asyncio.Event) -> Response:
    """Whatever says where a job stands says a word that nobody knows; what is no JSON stays as it is."""
    told = _told(answer)
    return answer if told is None else JSONResponse(_renamed(told), answer.status_code)


ANSWERS: dict[str, Callable[[Response, asyncio.Event], Response]] = {
    made.__name__: made for made in (html, wrong_type, drip, redirect, huge_answer, surplus_outputs, unknown_status)
}
"""By the names of their faults; each takes the true answer and the event that ends the sandbox."""


def _told(answer: Response) -> Any:
    """The answer's JSON; None when it is none."""
    if isinstance(answer, StreamingResponse):
        return None
    try:
        return json.loads(bytes(answer.body))
    except ValueError:
        return None


def _twisted(value: Any) -> Any:
    match value:
        case dict():
            return {name: _twisted(one) for name, one in value.items()}
        case list():
            return {str(number): _twisted(one) for number, one in enumerate(value)}
        case str():
            return [len(value)]
        case _:
            return {"value": value}


def _multiplied(value: Any) -> Any:
    match value:
        case dict():
            return {name: _multiplied(one) for name, one in value.items()}
        case list():
            return [_multiplied(one) for one in value] * SURPLUS
        case str() if value.startswith("{"):
            return json.dumps(_multiplied(json.loads(value)))  # Kie tells its outputs in a text that is JSON
        case _:
            return value


def _renamed(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: "reticulating" if name in _STATES else _renamed(one) for name, one in value.items()}
    return [_renamed(one) for one in value] if isinstance(value, list) else value
