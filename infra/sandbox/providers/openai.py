"""OpenAI's images, speech, chat and videos, `https://api.openai.com/v1` (fields and limits: the `openai` package)."""

from __future__ import annotations

import asyncio
import base64
import functools
import json
import math
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.sandbox.answers import huge
from infra.sandbox.calls import call_of
from infra.sandbox.faults import Moment
from infra.sandbox.multipart import form_of
from infra.sandbox.providers.base import Provider, json_object, prompt_in
from infra.sandbox.providers.openai_chat import ChatRequest, Writer, tokens_of
from infra.sandbox.providers.openai_errors import invalid, unauthorized, wrong
from infra.sandbox.providers.openai_videos import Videos
from infra.sandbox.render.audio import AudioFormat, SpeechOrder
from infra.sandbox.render.image import ImageFormat, ImageOrder, decode_image
from infra.sandbox.render.media import Media
from infra.sandbox.state import Sandbox

MODERATION = "Your request was rejected by the safety system."
CLASSIC_SIZES = ("1024x1024", "1536x1024", "1024x1536")
PIXELS_MAX = 3840 * 2160
# Output tokens of a 1024 x 1024 picture; other sizes cost in proportion to their pixels.
TOKENS_PER_SQUARE = {"low": 272, "medium": 1056, "high": 4160, "xhigh": 6240, "max": 8320}
IMAGE_INPUT_TOKENS = 323
# Of the models that are billed for words beside the picture (they revise the prompt).
REVISED_PROMPT_TOKENS = 60
WITH_WORDS = ("gpt-image-1.5", "chatgpt-image-")
FREE_SIZES_SINCE = "gpt-image-2"
# $0.015 a minute at $12 a million.
SPEECH_TOKENS_PER_MINUTE = 1250
STREAMED_BYTES = 12_000

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
    def _size_is_served(cls, size: str, info: ValidationInfo) -> str:
        free = str(info.data.get("model")) >= FREE_SIZES_SINCE and _is_free_size(size)
        if size != "auto" and size not in CLASSIC_SIZES and not free:
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
    instructions: str = ""
    stream_format: Literal["audio", "sse"] = "audio"

    @field_validator("stream_format")
    @classmethod
    def _older_models_do_not_stream(cls, stream_format: str, info: ValidationInfo) -> str:
        if stream_format == "sse" and str(info.data.get("model")).startswith("tts-1"):
            raise ValueError("sse is not supported for tts-1 or tts-1-hd")
        return stream_format


Form = TypeVar("Form", bound=BaseModel)
# (the request, the text that faults are matched with, the name of the ending fault) -> the answer
Maker = Callable[[Form, str, str | None], Awaitable[Response]]


class OpenAI(Provider):
    """Synchronous, but for videos: the answer is the output itself."""

    name = "openai"
    queue_calls_from = "/videos/"

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self._writer = Writer()
        self._videos = Videos(self)

    def routes(self) -> list[Route]:
        """OpenAI's paths."""
        return [
            Route("/v1/models", self.models, methods=["GET"]),
            Route("/v1/images/generations", self.generate_image, methods=["POST"]),
            Route("/v1/images/edits", self.edit_image, methods=["POST"]),
            Route("/v1/audio/speech", self.speak, methods=["POST"]),
            Route("/v1/chat/completions", self.chat, methods=["POST"]),
            *self._videos.routes(),
        ]

    async def close(self) -> None:
        """Closes the connections of the videos' webhooks."""
        await self._videos.close()

    def trouble(self, fault: str) -> Response:
        """`{"error": {...}}`."""
        status, message, kind, code = _TROUBLES[fault]
        headers = {"Retry-After": "1"} if status == 429 else {}
        return wrong(status, message, kind=kind, code=code, headers=headers)

    async def models(self, request: Request) -> Response:
        """What can be asked, as far as it matters here: that the key is good."""
        listed = {"object": "list", "data": [{"id": FREE_SIZES_SINCE, "object": "model", "owned_by": "openai"}]}
        return unauthorized(request) or JSONResponse(listed)

    async def generate_image(self, request: Request) -> Response:
        """Pictures as base64, with the tokens they cost."""
        body = await json_object(request)
        return await self._answer(request, body, ImageRequest, self._drawer(()))

    async def edit_image(self, request: Request) -> Response:
        """The same for pictures made from the uploaded ones (`image`, or `image[]` repeated)."""
        if (denied := unauthorized(request)) is not None:
            return denied
        form = await form_of(request)
        if form is None:
            return wrong(400, "The body is not multipart/form-data.")
        pictures = form.files("image", "image[]")
        if not pictures:
            return wrong(400, "Missing required parameter: 'image'.", param="image", code="missing_required_parameter")
        for picture in pictures:
            try:
                await self.sandbox.studio.run(functools.partial(decode_image, picture))
            except (OSError, ValueError, SyntaxError):
                return wrong(400, "Invalid image file or mode.", param="image", code="invalid_image_file")
        return await self._answer(request, form.texts(), ImageRequest, self._drawer(pictures))

    async def speak(self, request: Request) -> Response:
        """The spoken input as a file's bytes."""
        return await self._answer(request, await json_object(request), SpeechRequest, self._spoken)

    async def chat(self, request: Request) -> Response:
        """What the model writes, with the tokens it cost."""
        return await self._answer(request, await json_object(request), ChatRequest, self._written)

    async def _answer(
        self, request: Request, body: dict[str, Any] | None, form: type[Form], make: Maker[Form]
    ) -> Response:
        """The way of every call: authorize, refuse or accept, then make the media, as the faults leave it."""
        if (denied := unauthorized(request)) is not None:
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
            return invalid(error)
        ending = self.sandbox.faults.take(Moment.ENDING, self.name, text)
        if ending is not None and ending.name == "filtered" and form is not ChatRequest:
            return wrong(400, MODERATION, kind="image_generation_user_error", code="moderation_blocked")
        call.accept()
        await asyncio.sleep(self.sandbox.faults.take_delay(self.name, text))
        if ending is not None and ending.name == "never_finish":
            return self.no_answer(ending)
        if ending is not None and ending.name == "fail_after_accept":
            return self.trouble("server_error")
        return self.spoiled(fault, await make(wanted, text, ending.name if ending else None))

    def _drawer(self, pictures: tuple[bytes, ...]) -> Maker[ImageRequest]:
        async def draw(wanted: ImageRequest, text: str, ending: str | None) -> Response:
            flaw = self.output_flaw(text)
            if flaw == "huge_output":
                return huge(b'{"data": [{"b64_json": "', "application/json", filling=b"A")
            image_format = wanted.output_format
            if flaw == "wrong_content_type":
                image_format = "jpeg" if image_format == "png" else "png"
            width, height = wanted.pixels
            orders = [
                ImageOrder(wanted.prompt, width, height, image_format, index, pictures)
                for index in range(0 if ending else wanted.n)
            ]
            contents = [(await self.sandbox.studio.render(order)).content for order in orders]
            if flaw == "truncated_output":
                contents = [content[: len(content) // 2] for content in contents]
            data = [{"b64_json": base64.b64encode(content).decode()} for content in contents]
            return JSONResponse(_images_body(wanted, data, len(pictures)))

        return draw

    async def _spoken(self, wanted: SpeechRequest, text: str, ending: str | None) -> Response:
        order = SpeechOrder(wanted.input, wanted.voice, wanted.response_format, wanted.speed)
        media = await self.sandbox.studio.render(order)
        content = b"" if ending else media.content
        if wanted.stream_format == "sse":
            body, media_type = _speech_events(wanted, media, content), "text/event-stream"
            return self.flawed(body, media_type, text, beginning=b"data: ")
        return self.flawed(content, media.media_type, text, beginning=content)

    async def _written(self, wanted: ChatRequest, text: str, ending: str | None) -> Response:
        body = json.dumps(self._writer.completion(wanted, ending)).encode()
        beginning = b'{"choices": [{"message": {"content": "'
        return self.flawed(body, "application/json", text, beginning=beginning, filling=b"A")


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
    text_tokens = tokens_of(wanted.prompt)
    image_tokens = IMAGE_INPUT_TOKENS * pictures
    drawn_tokens = round(TOKENS_PER_SQUARE[wanted.quality_used] * width * height / 1024**2) * len(data)
    said_tokens = REVISED_PROMPT_TOKENS if wanted.model.startswith(WITH_WORDS) else 0
    output_tokens = drawn_tokens + said_tokens
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
            "output_tokens_details": {"image_tokens": drawn_tokens, "text_tokens": said_tokens},
            "total_tokens": text_tokens + image_tokens + output_tokens,
        },
    }


def _speech_events(wanted: SpeechRequest, media: Media, content: bytes) -> bytes:
    """Speech as server-sent events: the file in pieces, then the usage."""
    given = tokens_of(wanted.input + wanted.instructions)
    spoken = math.ceil((media.duration_seconds or 0) * SPEECH_TOKENS_PER_MINUTE / 60)
    usage = {"input_tokens": given, "output_tokens": spoken, "total_tokens": given + spoken}
    pieces = [content[at : at + STREAMED_BYTES] for at in range(0, len(content), STREAMED_BYTES)]
    events: list[dict[str, Any]] = [
        {"type": "speech.audio.delta", "audio": base64.b64encode(piece).decode()} for piece in pieces
    ]
    events.append({"type": "speech.audio.done", "usage": usage})
    return "".join(f"data: {json.dumps(event)}\n\n" for event in events).encode()
