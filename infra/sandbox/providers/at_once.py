"""Pictures that are the answer itself, in base64 or as URLs, of providers which have a bearer key: ModelArk and xAI."""

from __future__ import annotations

import asyncio
import base64
from abc import abstractmethod
from dataclasses import replace
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from infra.sandbox.answers import huge
from infra.sandbox.calls import call_of
from infra.sandbox.faults import Moment
from infra.sandbox.jobs import JobError
from infra.sandbox.providers.base import Provider, json_object, prompt_in
from infra.sandbox.render.image import ImageOrder
from infra.sandbox.sources import Found, Source


class PictureRequest(BaseModel):
    """The body of a call for pictures."""

    model_config = ConfigDict(extra="ignore")
    response_format: Literal["url", "b64_json"] = "url"

    def sources(self) -> list[Source]:
        """The pictures it refers to."""
        raise NotImplementedError

    def orders(self, found: Found) -> list[ImageOrder]:
        """What to draw, given what its sources held."""
        raise NotImplementedError

    def answer(self, data: list[dict[str, Any]], orders: list[ImageOrder]) -> dict[str, Any]:
        """The body of the answer."""
        raise NotImplementedError


Form = TypeVar("Form", bound=PictureRequest)


class PicturesAtOnce(Provider):
    """The way of every call for pictures; a subclass words what goes wrong."""

    @abstractmethod
    def unauthorized(self) -> Response:
        """The answer to a call without a key."""

    @abstractmethod
    def invalid(self, error: ValidationError | JobError) -> Response:
        """The answer to inputs, or to a source, that cannot be used."""

    @abstractmethod
    def withheld(self, request: Request, wanted: PictureRequest) -> Response:
        """The answer of moderation."""

    def denied(self, request: Request) -> Response | None:
        """The answer to a call without a key; None when it has one."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        return None if scheme.lower() == "bearer" and key.strip() else self.unauthorized()

    async def drawn(self, request: Request, form: type[Form]) -> Response:
        """Authorize, refuse or accept, then draw, as the faults leave it."""
        if (denied := self.denied(request)) is not None:
            return denied
        body = given(await json_object(request))
        call, faults = call_of(request), self.sandbox.faults
        call.prompt = prompt_in(body)
        text = f"{call.prompt}\n{call.path}"
        fault = self.submission_fault(text)
        if (refused := self.refusal(fault)) is not None:
            return refused
        try:
            wanted = form.model_validate(body)
            found = await self.sandbox.sources.fetch(wanted.sources())
        except (ValidationError, JobError) as error:
            return self.invalid(error)
        ending = faults.take(Moment.ENDING, self.name, text)
        if ending is not None and ending.name == "filtered":
            return self.withheld(request, wanted)
        call.accept()
        await asyncio.sleep(faults.take_delay(self.name, text))
        if ending is not None and ending.name == "never_finish":
            return self.no_answer(ending)
        if ending is not None and ending.name == "fail_after_accept":
            return self.trouble("server_error")
        orders = [] if ending else wanted.orders(found)
        return self.spoiled(fault, await self._made(wanted, orders, text))

    async def _made(self, wanted: PictureRequest, orders: list[ImageOrder], text: str) -> Response:
        studio, files, faults = self.sandbox.studio, self.sandbox.files, self.sandbox.faults
        if wanted.response_format == "url":
            urls = [files.put(await studio.render(order), self.name, text).url for order in orders]
            return JSONResponse(wanted.answer([{"url": url} for url in urls], orders))
        # The answer is both the output and its download.
        flaw = faults.take(Moment.OUTPUT, self.name, text) or faults.take(Moment.DOWNLOAD, self.name, text)
        name = flaw.name if flaw else None
        if name == "huge_output":
            return huge(b'{"data": [{"b64_json": "', "application/json", filling=b"A")
        if name == "wrong_content_type":
            orders = [replace(one, image_format="png" if one.image_format == "jpeg" else "jpeg") for one in orders]
        contents = [(await studio.render(order)).content for order in orders]
        if name == "truncated_output":
            contents = [content[: len(content) // 2] for content in contents]
        data = [{"b64_json": base64.b64encode(content).decode()} for content in contents]
        return JSONResponse(wanted.answer(data, orders))


def given(body: dict[str, Any] | None) -> dict[str, Any]:
    """What a body gives; clients write null for what they leave out."""
    return {name: value for name, value in (body or {}).items() if value is not None}


def first_fault(error: ValidationError | JobError) -> tuple[str, str]:
    """The field at fault first, and what is wrong with it."""
    if isinstance(error, JobError):
        return error.field, error.message
    first = error.errors(include_url=False, include_context=False)[0]
    return ".".join(str(part) for part in first["loc"]) or "body", first["msg"]
