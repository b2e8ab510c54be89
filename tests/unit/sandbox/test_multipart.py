"""multipart/form-data as clients send it."""

from __future__ import annotations

import asyncio

import httpx
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Message

from infra.sandbox.multipart import Form, form_of


def parsed(request: httpx.Request) -> Form | None:
    body = request.read()

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [(name.lower(), value) for name, value in request.headers.raw]
    return asyncio.run(form_of(Request({"type": "http", "method": "POST", "headers": headers}, receive)))


@given(content=st.binary(max_size=3000), text=st.text(max_size=50).filter(lambda text: "\r" not in text))
def test_files_come_out_byte_for_byte(content: bytes, text: str) -> None:
    files = [("image[]", ("ä.png", content, "image/png")), ("image[]", ("b.png", b"--\r\n--", "image/png"))]
    form = parsed(httpx.Request("POST", "http://x", data={"prompt": text, "n": "2"}, files=files))
    assert form is not None
    assert form.files("image", "image[]") == (content, b"--\r\n--")
    assert form.texts()["prompt"] == text
    assert form.texts()["n"] == "2"


def test_anything_else_is_no_form() -> None:
    assert parsed(httpx.Request("POST", "http://x", json={})) is None
