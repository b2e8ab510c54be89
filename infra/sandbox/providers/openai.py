"""OpenAI's images and speech, `https://api.openai.com/v1` (fields and limits from the `openai` package)."""

from __future__ import annotations

import asyncio
import base64
import functools
import math
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.sandbox.answers import BrokenOff, huge
from infra.sandbox.calls import call_of
from infra.sandbox.faults import Moment
from infra.sandbox.multipart import form_of
from infra.sandbox.providers.base import Provider, json_object, prompt_in
from infra.sandbox.render.audio import AudioFormat, SpeechOrder
from infra.sandbox.render.image import ImageFormat, ImageOrder, decode_image

MODERATION = "Your request was rejected by the safety system."
CLASSIC_SIZES = ("1024x1024", "1536x1024", "1024x1536")
PIXELS_MAX = 3840 * 2160
# Output tokens of a 1024 x 1024 picture; other sizes cost in proportion to their pixels.
TOKENS_PER_SQUARE = {"low": 272, "medium": 1056, "high": 4160, "xhigh": 6240, "max": 8320}
IMAGE_INPUT_TOKENS = 323
CHARACTERS_PER_TOKEN = 4

_TROUBLES: dict[str, tuple[int, str, str, str | None]] = {
    "refuse": (
        403,
        "Project does not have access to this model.",
        "invalid_request_error",
        "model_not_found",
    ),
    "rate_limit": (429, "Rate limit reached. Please try again in 1s.", "requests", "rate_limit_exceeded"),
    "server_error": (500, "The server had an error while processing your request.", "server_error", None),
}


class ImageRequest(BaseModel):
    """The body of `/images/generations`, and the fields of `/images/edits` beside the pictures."""

    model_config = ConfigDict(extra="ignore")
    prompt: Annotated[str, Field(min_length=1, max_length=32_000)]
    model: Annotated[str, Field(pattern=r"^(gpt-image-|chatgpt-image-)")] = "gpt-image-2"
    n: Annotated[int, Field(ge=1, le=10)] = 1
    size: str = "auto"
    quality: Literal["auto", "low", "medium", "high", "xhigh", "max"] = "auto"
    output_format: ImageFormat = "png"
    background: Literal["auto", "opaque", "transparent"] = "auto"

    @field_validator("size")
    @classmethod
    def _size_is_served(cls, size: str) -> str:
        if size != "auto" and size not in CLASSIC_SIZES and not _is_free_size(size):
            raise ValueError(
                "use auto, 1024x1024, 1536x1024, 1024x1536 or WIDTHxHEIGHT, both multiples of 16, "
                "between 1:3 and 3:1, at most 3840x2160"
            )
        return size

    @property
    def pixels(self) -> tuple[int, int]:
        """Width and height; `auto` is a square."""
        width, height = ("1024x1024" if self.size == "auto" else self.size).split("x")
        return int(width), int(height)

    @property
    def quality_used(self) -> str:
        """The quality it is made and charged with."""
        return "medium" if self.quality == "auto" else self.quality


class SpeechRequest(BaseModel):
    """The body of `/audio/speech`."""

    model_config = ConfigDict(extra="ignore")
    input: Annotated[str, Field(min_length=1, max_length=4096)]
    model: Annotated[str, Field(pattern=r"^(tts-1|gpt-4o-mini-tts)")]
    voice: Literal[
        "alloy",
        "ash",
        "ballad",
        "cedar",
        "coral",
        "echo",
        "fable",
        "marin",
        "nova",
        "onyx",
        "sage",
        "shimmer",
        "verse",
    ]
    response_format: AudioFormat = "mp3"
    speed: Annotated[float, Field(ge=0.25, le=4.0)] = 1.0


Form = TypeVar("Form", bound=BaseModel)
# (the request, the text that faults are matched with, whether the output is to be empty) -> the answer
Maker = Callable[[Form, str, bool], Awaitable[Response]]


class OpenAI(Provider):
    """Synchronous: the answer is the media itself."""

    name = "openai"

    def routes(self) -> list[Route]:
        """OpenAI's paths."""
        return [
            Route("/v1/images/generations", self.generate_image, methods=["POST"]),
            Route("/v1/images/edits", self.edit_image, methods=["POST"]),
            Route("/v1/audio/speech", self.speak, methods=["POST"]),
        ]

    def trouble(self, fault: str) -> Response:
        """`{"error": {...}}`."""
        status, message, kind, code = _TROUBLES[fault]
        headers = {"Retry-After": "1"} if status == 429 else {}
        return _error(status, message, kind=kind, code=code, headers=headers)

    async def generate_image(self, request: Request) -> Response:
        """Pictures as base64, with the tokens they cost."""
        body = await json_object(request)
        return await self._answer(request, body, ImageRequest, self._drawer(()))

    async def edit_image(self, request: Request) -> Response:
        """The same for pictures made from the uploaded ones (`image`, or `image[]` repeated)."""
        if (denied := _unauthorized(request)) is not None:
            return denied
        form = await form_of(request)
        if form is None:
            return _error(400, "The body is not multipart/form-data.")
        pictures = form.files("image", "image[]")
        if not pictures:
            return _error(400, "Missing required parameter: 'image'.", param="image", code="missing_required_parameter")
        for picture in pictures:
            try:
                await self.sandbox.studio.run(functools.partial(decode_image, picture))
            except (OSError, ValueError, SyntaxError):
                return _error(400, "Invalid image file or mode.", param="image", code="invalid_image_file")
        return await self._answer(request, form.texts(), ImageRequest, self._drawer(pictures))

    async def speak(self, request: Request) -> Response:
        """The spoken input as a file's bytes."""
        return await self._answer(request, await json_object(request), SpeechRequest, self._spoken)

    async def _answer(
        self, request: Request, body: dict[str, Any] | None, form: type[Form], make: Maker[Form]
    ) -> Response:
        """The way of every call: authorize, refuse or accept, then make the media, as the faults leave it."""
        if (denied := _unauthorized(request)) is not None:
            return denied
        call = call_of(request)
        call.prompt = prompt_in(body or {})
        text = f"{call.prompt}\n{call.path}"
        fault = self.submission_fault(text)
        if (refused := self.refusal(fault)) is not None:
            return refused
        try:
            wanted = form.model_validate(body)
        except ValidationError as error:
            return _invalid(error)
        ending = self.sandbox.faults.take(Moment.ENDING, self.name, text)
        if ending is not None and ending.name == "filtered":
            return _error(400, MODERATION, kind="image_generation_user_error", code="moderation_blocked")
        call.accept()
        await asyncio.sleep(self.sandbox.faults.take_delay(self.name, text))
        if ending is not None and ending.name == "never_finish":
            return self.no_answer(ending)
        if ending is not None and ending.name == "fail_after_accept":
            return self.trouble("server_error")
        return self.spoiled(fault, await make(wanted, text, ending is not None))

    def _drawer(self, pictures: tuple[bytes, ...]) -> Maker[ImageRequest]:
        async def draw(wanted: ImageRequest, text: str, empty: bool) -> Response:
            flaw = self._output_flaw(text)
            if flaw == "huge_output":
                return huge(b'{"data": [{"b64_json": "', "application/json", filling=b"A")
            image_format = wanted.output_format
            if flaw == "wrong_content_type":
                image_format = "jpeg" if image_format == "png" else "png"
            width, height = wanted.pixels
            orders = [
                ImageOrder(wanted.prompt, width, height, image_format, index, pictures)
                for index in range(0 if empty else wanted.n)
            ]
            contents = [(await self.sandbox.studio.render(order)).content for order in orders]
            if flaw == "truncated_output":
                contents = [content[: len(content) // 2] for content in contents]
            data = [{"b64_json": base64.b64encode(content).decode()} for content in contents]
            return JSONResponse(_images_body(wanted, data, len(pictures)))

        return draw

    async def _spoken(self, wanted: SpeechRequest, text: str, empty: bool) -> Response:
        order = SpeechOrder(wanted.input, wanted.voice, wanted.response_format, wanted.speed)
        media = await self.sandbox.studio.render(order)
        if empty:
            return Response(b"", media_type=media.media_type)
        flaw = self._output_flaw(text)
        if flaw == "truncated_output":
            return BrokenOff(media.content, media_type=media.media_type)
        if flaw == "huge_output":
            return huge(media.content, media.media_type)
        return Response(media.content, media_type="text/html" if flaw == "wrong_content_type" else media.media_type)

    def _output_flaw(self, text: str) -> str | None:
        """The output or download fault that strikes: here the answer is both the output and its download."""
        faults = self.sandbox.faults
        fault = faults.take(Moment.OUTPUT, self.name, text) or faults.take(Moment.DOWNLOAD, self.name, text)
        return fault.name if fault else None


def _is_free_size(size: str) -> bool:
    width, _, height = size.partition("x")
    if not (width.isascii() and width.isdigit() and height.isascii() and height.isdigit()):
        return False
    across, down = int(width), int(height)
    return (
        across % 16 == down % 16 == 0
        and 0 < across * down <= PIXELS_MAX
        and max(across, down) <= 3840
        and max(across, down) <= 3 * min(across, down)
    )


def _images_body(wanted: ImageRequest, data: list[dict[str, str]], pictures: int) -> dict[str, Any]:
    width, height = wanted.pixels
    text_tokens = math.ceil(len(wanted.prompt) / CHARACTERS_PER_TOKEN)
    image_tokens = IMAGE_INPUT_TOKENS * pictures
    output_tokens = round(TOKENS_PER_SQUARE[wanted.quality_used] * width * height / 1024**2) * len(data)
    return {
        "created": int(time.time()),
        "background": "opaque",
        "output_format": wanted.output_format,
        "quality": wanted.quality_used,
        "size": f"{width}x{height}",
        "data": data,
        "usage": {
            "input_tokens": text_tokens + image_tokens,
            "input_tokens_details": {"text_tokens": text_tokens, "image_tokens": image_tokens},
            "output_tokens": output_tokens,
            "output_tokens_details": {"image_tokens": output_tokens, "text_tokens": 0},
            "total_tokens": text_tokens + image_tokens + output_tokens,
        },
    }


def _unauthorized(request: Request) -> Response | None:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and key.strip():
        return None
    message = "You didn't provide an API key. Send it in the header Authorization: Bearer YOUR_KEY."
    return _error(401, message, code="invalid_api_key")


def _invalid(error: ValidationError) -> Response:
    """OpenAI names the first parameter at fault."""
    first = error.errors(include_url=False, include_context=False)[0]
    param = ".".join(str(part) for part in first["loc"]) or None
    if first["type"] == "missing":
        return _error(400, f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")
    return _error(400, f"Invalid value for '{param}': {first['msg']}.", param=param, code="invalid_value")


def _error(
    status: int,
    message: str,
    *,
    kind: str = "invalid_request_error",
    param: str | None = None,
    code: str | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    error = {"message": message, "type": kind, "param": param, "code": code}
    return JSONResponse({"error": error}, status, headers=headers)
