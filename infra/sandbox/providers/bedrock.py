"""Stability's pictures on Amazon Bedrock, `https://bedrock-runtime.REGION.amazonaws.com`; the emulator makes none.

Fields are those of AWS's user guide, errors those of botocore's model. Signatures are not verified: that there is one
is all that is asked.
"""

from __future__ import annotations

import asyncio
import base64
import json
import uuid
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.sandbox.answers import huge
from infra.sandbox.calls import call_of
from infra.sandbox.faults import Moment
from infra.sandbox.providers.base import Provider, json_object, prompt_in
from infra.sandbox.providers.fal_apps.shapes import of_area, ratio_of
from infra.sandbox.render.image import ImageFormat, ImageOrder

PIXELS = 1024**2
FILTERED = "Filter reason: prompt"
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


class Bedrock(Provider):
    """Synchronous: the answer has the picture in it."""

    name = "bedrock"

    def routes(self) -> list[Route]:
        """The one operation."""
        return [Route("/model/{model}/invoke", self.invoke, methods=["POST"])]

    def trouble(self, fault: str) -> Response:
        """`{"message"}`, and the error's name in a header."""
        return _error(*_TROUBLES[fault])

    async def invoke(self, request: Request) -> Response:
        """A picture as base64, as the faults leave it."""
        if not request.headers.get("authorization", "").startswith(("AWS4-HMAC-SHA256 ", "Bearer ")):
            return _error(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
        call, body = call_of(request), await json_object(request)
        call.prompt = prompt_in(body or {})
        text = f"{call.prompt}\n{call.path}"
        fault = self.submission_fault(text)
        if (refused := self.refusal(fault)) is not None:
            return refused
        if not request.path_params["model"].startswith("stability."):
            return _error(400, "ValidationException", "The provided model identifier is invalid.")
        try:
            wanted = PictureRequest.model_validate(body)
        except ValidationError as error:
            return _invalid(error)
        ending = self.sandbox.faults.take(Moment.ENDING, self.name, text)
        call.accept(request_id=str(uuid.uuid4()))
        await asyncio.sleep(self.sandbox.faults.take_delay(self.name, text))
        if ending is not None and ending.name == "never_finish":
            return self.no_answer(ending)
        if ending is not None and ending.name == "fail_after_accept":
            return self.trouble("model_error")
        answer = await self._drawn(wanted, text, ending.name if ending else None)
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


def _pictures(images: list[str], reasons: list[str | None], seed: int) -> Response:
    told: dict[str, Any] = {"seeds": [seed] * len(images), "finish_reasons": reasons, "images": images}
    return JSONResponse(told)


def _invalid(error: ValidationError) -> Response:
    first = error.errors(include_url=False, include_context=False)[0]
    where = "/".join(str(part) for part in first["loc"])
    return _error(400, "ValidationException", f"Malformed input request: #/{where}: {first['msg']}")


def _error(status: int, kind: str, message: str) -> Response:
    headers = {"x-amzn-ErrorType": f"{kind}:http://internal.amazon.com/coral/com.amazon.bedrock/"}
    return Response(json.dumps({"message": message}), status, headers=headers, media_type="application/json")
