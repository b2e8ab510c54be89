"""Amazon Bedrock, `https://bedrock-runtime.REGION.amazonaws.com`: Stability's pictures, Nova's texts, Luma's videos.

The emulator's own makes no pictures, and its jobs write nothing. Fields are those of AWS's user guide.
"""

from __future__ import annotations

import asyncio
import base64
import json
import uuid
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.sandbox.answers import huge
from infra.sandbox.calls import call_of
from infra.sandbox.faults import Moment
from infra.sandbox.providers.base import Provider, json_object, prompt_in
from infra.sandbox.providers.bedrock_errors import invalid, unauthorized, wrong
from infra.sandbox.providers.bedrock_jobs import Invocations
from infra.sandbox.providers.bedrock_texts import BY_PROFILE_ONLY, NOVA, PROFILES, ConverseRequest
from infra.sandbox.providers.fal_apps.shapes import of_area, ratio_of
from infra.sandbox.render.image import ImageFormat, ImageOrder
from infra.sandbox.state import Sandbox

PIXELS = 1024**2
FILTERED = "Filter reason: prompt"
UNKNOWN = "The provided model identifier is invalid."
_FORMATS: dict[str, ImageFormat] = {"PNG": "png", "JPEG": "jpeg"}
_TROUBLES: dict[str, tuple[int, str, str]] = {
    "refuse": (403, "AccessDeniedException", "You don't have access to the model with the specified model ID."),
    "rate_limit": (429, "ThrottlingException", "Too many requests, please wait before trying again."),
    "server_error": (500, "InternalServerException", "The system encountered an unexpected error during processing."),
    "model_error": (424, "ModelErrorException", "The model returned an error while processing the request."),
}


class PictureRequest(BaseModel):
    """The body of an invocation of Stable Image Core, Ultra or Stable Diffusion 3.5 Large."""

    model_config = ConfigDict(extra="forbid")
    prompt: Annotated[str, Field(min_length=1, max_length=10_000)]
    negative_prompt: Annotated[str, Field(max_length=10_000)] = ""
    mode: Literal["text-to-image"] = "text-to-image"
    aspect_ratio: Literal["16:9", "1:1", "21:9", "2:3", "3:2", "4:5", "5:4", "9:16", "9:21"] = "1:1"
    output_format: Literal["PNG", "JPEG"] = "PNG"
    seed: Annotated[int, Field(ge=0, le=4_294_967_294)] = 0

    @property
    def pixels(self) -> tuple[int, int]:
        """Width and height of about a megapixel, multiples of 64."""
        return of_area(ratio_of(self.aspect_ratio), PIXELS, 64)


Form = TypeVar("Form", bound=BaseModel)
Maker = Callable[[Form, str, str | None], Awaitable[Response]]
"""(the request, the text that faults are matched with, the name of the ending fault) -> the answer."""


class Bedrock(Provider):
    """Pictures and texts are in the answer; videos are jobs."""

    name = "bedrock"
    queue_calls_from = "/async-invoke/"

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self._invocations = Invocations(self)

    def routes(self) -> list[Route]:
        """Bedrock's paths."""
        return [
            Route("/model/{model}/invoke", self.invoke, methods=["POST"]),
            Route("/model/{model}/converse", self.converse, methods=["POST"]),
            *self._invocations.routes(),
        ]

    def trouble(self, fault: str) -> Response:
        """`{"message"}`, and the error's name in a header."""
        return wrong(*_TROUBLES[fault])

    async def invoke(self, request: Request) -> Response:
        """A picture as base64."""
        known = request.path_params["model"].startswith("stability.")
        return await self._answer(request, None if known else UNKNOWN, PictureRequest, self._drawn)

    async def converse(self, request: Request) -> Response:
        """What the model says, with the tokens that it cost."""
        model = request.path_params["model"]
        unknown = BY_PROFILE_ONLY.format(model) if model in NOVA else UNKNOWN
        return await self._answer(request, None if model in PROFILES else unknown, ConverseRequest, self._said)

    async def _answer(self, request: Request, unknown: str | None, form: type[Form], make: Maker[Form]) -> Response:
        """The way of every call that is answered with the result, as the faults leave it.

        `unknown` says why the model cannot be called so.
        """
        if (denied := unauthorized(request)) is not None:
            return denied
        call, body = call_of(request), await json_object(request)
        call.prompt = prompt_in(body or {})
        text = f"{call.prompt}\n{call.path}"
        fault = self.submission_fault(text)
        if (refused := self.refusal(fault)) is not None:
            return refused
        if unknown is not None:
            return wrong(400, "ValidationException", unknown)
        try:
            wanted = form.model_validate(body)
        except ValidationError as error:
            return invalid(error)
        ending = self.sandbox.faults.take(Moment.ENDING, self.name, text)
        call.accept(request_id=str(uuid.uuid4()))
        await asyncio.sleep(self.sandbox.faults.take_delay(self.name, text))
        if ending is not None and ending.name == "never_finish":
            return self.no_answer(ending)
        if ending is not None and ending.name == "fail_after_accept":
            return self.trouble("model_error")
        answer = await make(wanted, text, ending.name if ending else None)
        answer.headers["x-amzn-requestid"] = str(call.request_id)
        return self.spoiled(fault, answer)

    async def _drawn(self, wanted: PictureRequest, text: str, ending: str | None) -> Response:
        if ending is not None:
            return _pictures([], [FILTERED if ending == "filtered" else None], wanted.seed)
        flaw = self.output_flaw(text)
        if flaw == "huge_output":
            return huge(b'{"images": ["', "application/json", filling=b"A")
        image_format = _FORMATS[wanted.output_format]
        if flaw == "wrong_content_type":
            image_format = "jpeg" if image_format == "png" else "png"
        width, height = wanted.pixels
        media = await self.sandbox.studio.render(ImageOrder(wanted.prompt, width, height, image_format, wanted.seed))
        content = media.content[: len(media.content) // 2] if flaw == "truncated_output" else media.content
        return _pictures([base64.b64encode(content).decode()], [None], wanted.seed)

    async def _said(self, wanted: ConverseRequest, text: str, ending: str | None) -> Response:
        body = json.dumps(wanted.answer(ending)).encode()
        beginning = b'{"output": {"message": {"content": [{"text": "'
        return self.flawed(body, "application/json", text, beginning=beginning, filling=b"A")


def _pictures(images: list[str], reasons: list[str | None], seed: int) -> Response:
    told: dict[str, Any] = {"seeds": [seed] * len(images), "finish_reasons": reasons, "images": images}
    return JSONResponse(told)
