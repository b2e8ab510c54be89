"""BytePlus ModelArk, `https://ark.ap-southeast.bytepluses.com/api/v3`: Seedance's videos, Seedream's pictures.

Fields and statuses are those of the package `byteplus-python-sdk-v2`. Not verified against the live service: the bounds
of the inputs, which of them exclude each other, the codes of errors, the formulas of tokens, the body of callbacks.
"""

from __future__ import annotations

import re
import time
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.sandbox import webhooks
from infra.sandbox.calls import call_of
from infra.sandbox.files import StoredFile
from infra.sandbox.jobs import Cause, Job, JobError, State
from infra.sandbox.providers.at_once import PictureRequest, PicturesAtOnce, first_fault, given
from infra.sandbox.providers.base import json_object
from infra.sandbox.providers.fal_apps.base import Text, Url
from infra.sandbox.providers.fal_apps.shapes import Pixels, of_area, picture_ratio, ratio_of, short_sided
from infra.sandbox.render.image import ImageFormat, ImageOrder
from infra.sandbox.render.video import FRAMES_PER_SECOND, VideoOrder
from infra.sandbox.sources import Found, Source
from infra.sandbox.state import Sandbox

TASKS = "/api/v3/contents/generations/tasks"
MODERATION = "The request failed because the output video may contain sensitive information."
PICTURE_MODERATION = "The request failed because the output image may contain sensitive information."
PIXELS_MAX = 4096 * 4096
SIDES = {"480p": 480, "720p": 720, "1080p": 1080}
AREAS = {"1K": 1024**2, "2K": 2048**2, "4K": 4096**2}
SECONDS = {
    "dreamina-seedance-2-0-260128": (4, 15),
    "dreamina-seedance-2-0-fast-260128": (4, 15),
    "seedance-1-5-pro-251215": (4, 12),
    "seedance-1-0-pro-fast-251015": (2, 12),
}
"""The models of videos, and of how many seconds."""
SILENT = frozenset({"seedance-1-0-pro-fast-251015"})
_TROUBLES = {
    "refuse": (403, "AccessDenied", "The account has no access to the model."),
    "rate_limit": (429, "RateLimitExceeded", "The request rate limit was reached. Please try again in 1s."),
    "server_error": (500, "InternalServiceError", "The service encountered an unexpected internal error."),
}
_STATUSES = {State.QUEUED: "queued", State.RUNNING: "running"}
_SIZE = re.compile(r"(\d{2,5})x(\d{2,5})")


class Link(BaseModel):
    """Where a medium is."""

    url: Url


class Part(BaseModel):
    """One thing that a video is made of."""

    type: Literal["text", "image_url", "video_url", "audio_url"]
    text: Text | None = None
    image_url: Link | None = None
    video_url: Link | None = None
    audio_url: Link | None = None
    role: Literal["first_frame", "last_frame", "reference_image", "reference_video", "reference_audio"] | None = None

    @model_validator(mode="after")
    def _holds_its_type(self) -> Part:
        if getattr(self, self.type) is None:
            raise ValueError(f"{self.type} is missing")
        return self

    @property
    def field(self) -> str:
        """By which a source is called: its role, which may be left out of a first frame."""
        return self.role or "first_frame"

    def source(self) -> Source | None:
        """The medium it refers to."""
        link = self.image_url or self.video_url or self.audio_url
        return Source(self.field, link.url, is_picture=self.image_url is not None) if link else None


class TaskRequest(BaseModel):
    """The body of the creation of a video."""

    model_config = ConfigDict(extra="ignore")
    model: Literal[
        "dreamina-seedance-2-0-260128",
        "dreamina-seedance-2-0-fast-260128",
        "seedance-1-5-pro-251215",
        "seedance-1-0-pro-fast-251015",
    ]
    content: Annotated[list[Part], Field(min_length=1)]
    ratio: Literal["21:9", "16:9", "4:3", "1:1", "3:4", "9:16", "adaptive"] = "adaptive"
    resolution: Literal["480p", "720p", "1080p"] = "720p"
    duration: int = 5
    seed: int | None = None
    generate_audio: bool = True
    callback_url: Annotated[str, Field(pattern=r"^https?://")] | None = None

    @model_validator(mode="after")
    def _possible(self) -> TaskRequest:
        low, high = SECONDS[self.model]
        if not low <= self.duration <= high:
            raise ValueError(f"duration must be {low} to {high} seconds for {self.model}")
        roles = {part.field for part in self.content if part.type != "text"}
        if roles & {"first_frame", "last_frame"} and roles - {"first_frame", "last_frame"}:
            raise ValueError("first and last frame cannot be mixed with reference media")
        if roles == {"reference_audio"}:
            raise ValueError("reference audio needs a reference image or video")
        return self

    @property
    def prompt(self) -> str:
        """Its words."""
        return next((part.text for part in self.content if part.text), "")

    def sources(self) -> list[Source]:
        """The media it refers to."""
        return [source for part in self.content if (source := part.source())]

    def order(self, found: Found) -> VideoOrder:
        """What to render, given what its sources held."""
        first = found.picture("first_frame") or found.picture("reference_image")
        if self.ratio != "adaptive":
            ratio = ratio_of(self.ratio)
        else:
            ratio = picture_ratio(first) if first else ratio_of("16:9")
        width, height = short_sided(ratio, SIDES[self.resolution])
        sound = self.generate_audio and self.model not in SILENT
        last = found.picture("last_frame")
        return VideoOrder(self.prompt, width, height, float(self.duration), sound, self.seed or 0, first, last)


class Series(BaseModel):
    """How many pictures belong together."""

    max_images: Annotated[int, Field(ge=1, le=15)] = 15


class SeedreamRequest(PictureRequest):
    """The body of `/images/generations`; a series is as long as it may be."""

    model: Literal["seedream-4-0-250828", "seedream-4-5-251128", "seedream-5-0-lite-260128"]
    prompt: Text
    image: Url | Annotated[list[Url], Field(max_length=14)] | None = None
    size: str = "2048x2048"
    seed: int | None = None
    sequential_image_generation: Literal["auto", "disabled"] = "disabled"
    sequential_image_generation_options: Series = Series()
    output_format: ImageFormat = "jpeg"

    @field_validator("size")
    @classmethod
    def _size_is_served(cls, size: str) -> str:
        given = _SIZE.fullmatch(size)
        if size not in AREAS and not (given and 0 < int(given[1]) * int(given[2]) <= PIXELS_MAX):
            raise ValueError("use 1K, 2K, 4K or WIDTHxHEIGHT of at most 4096x4096 pixels")
        return size

    def sources(self) -> list[Source]:
        """The pictures to edit."""
        urls = [self.image] if isinstance(self.image, str) else self.image or []
        return [Source("image", url) for url in urls]

    def pixels(self, found: Found) -> Pixels:
        """Width and height; of a named size the shape is the first picture's."""
        if self.size not in AREAS:
            width, height = self.size.split("x")
            return int(width), int(height)
        ratio = picture_ratio(found.pictures[0]) if found.pictures else 1.0
        return of_area(ratio, AREAS[self.size])

    def orders(self, found: Found) -> list[ImageOrder]:
        """One picture, or a series."""
        is_series = self.sequential_image_generation == "auto"
        count = self.sequential_image_generation_options.max_images if is_series else 1
        size, seed = self.pixels(found), self.seed or 0
        return [
            ImageOrder(self.prompt, *size, self.output_format, seed + number, found.pictures) for number in range(count)
        ]

    def answer(self, data: list[dict[str, Any]], orders: list[ImageOrder]) -> dict[str, Any]:
        """The pictures, and how many there are."""
        sizes = [f"{order.width}x{order.height}" for order in orders]
        tokens = sum(order.width * order.height // 256 for order in orders)
        return {
            "model": self.model,
            "created": int(time.time()),
            "data": [{**one, "size": size} for one, size in zip(data, sizes, strict=True)],
            "usage": {"generated_images": len(data), "output_tokens": tokens, "total_tokens": tokens},
        }


class Ark(PicturesAtOnce):
    """Tasks for videos, which only a queued one leaves by DELETE; pictures at once."""

    name = "ark"
    queue_calls_from = "/tasks/"

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self._webhooks = Webhooks(sandbox.faults)
        self._wanted: dict[str, TaskRequest] = {}

    def routes(self) -> list[Route]:
        """ModelArk's paths."""
        return [
            Route(TASKS, self.create, methods=["POST"]),
            Route(TASKS, self.listed, methods=["GET"]),
            Route(TASKS + "/{task_id}", self.get, methods=["GET"]),
            Route(TASKS + "/{task_id}", self.delete, methods=["DELETE"]),
            Route("/api/v3/images/generations", self.draw, methods=["POST"]),
        ]

    async def close(self) -> None:
        """Closes the webhooks' connections."""
        await self._webhooks.close()

    def trouble(self, fault: str) -> Response:
        """`{"error": {...}}`."""
        status, code, message = _TROUBLES[fault]
        return _error(status, code, message, headers={"Retry-After": "1"} if status == 429 else {})

    def unauthorized(self) -> Response:
        """401."""
        return _error(401, "AuthenticationError", "The API key in the request is missing or invalid.")

    def invalid(self, error: ValidationError | JobError) -> Response:
        """400, but 404 for a model that is not there."""
        field, message = first_fault(error)
        if field == "model":
            return _error(404, "InvalidEndpointOrModel.NotFound", "The model does not exist.", param=field)
        return _error(400, "InvalidParameter", f"The parameter `{field}` is not valid: {message}.", param=field)

    def withheld(self, _request: Request, _wanted: PictureRequest) -> Response:
        """400, and nothing is paid."""
        return _error(400, "OutputImageSensitiveContentDetected", PICTURE_MODERATION)

    async def draw(self, request: Request) -> Response:
        """Pictures, of words and of other pictures."""
        return await self.drawn(request, SeedreamRequest)

    async def create(self, request: Request) -> Response:
        """Accepts a video."""
        if (denied := self.denied(request)) is not None:
            return denied
        body = given(await json_object(request))
        call = call_of(request)
        parts = body.get("content") if isinstance(body.get("content"), list) else []
        call.prompt = next((str(one["text"]) for one in parts or [] if isinstance(one, dict) and one.get("text")), "")
        fault = self.submission_fault(f"{call.prompt}\n{call.path}")
        if (refused := self.refusal(fault)) is not None:
            return refused
        try:
            wanted = TaskRequest.model_validate(body)
        except ValidationError as error:
            return self.invalid(error)
        job = self._start(request, wanted)
        call.accept(request_id=job.id)
        return self.spoiled(fault, JSONResponse({"id": _task_id(job)}))

    async def listed(self, request: Request) -> Response:
        """The tasks, newest first; filters are not served."""
        if (denied := self.denied(request)) is not None:
            return denied
        jobs = [job for job in self.sandbox.jobs.all() if job.id in self._wanted]
        items = [self._shown(job) for job in reversed(jobs)]
        page = items[: max(int(request.query_params.get("page_size", 10)), 1)]
        return JSONResponse({"items": page, "total": len(items)})

    async def get(self, request: Request) -> Response:
        """A task as it stands; one that failed is told with 200."""
        job = self._job(request)
        return job if isinstance(job, Response) else await self.queue_call(request, JSONResponse(self._shown(job)))

    async def delete(self, request: Request) -> Response:
        """Cancels what is queued, refuses for what runs, and forgets what has ended."""
        job = self._job(request)
        if isinstance(job, Response):
            return job
        if job.state is State.RUNNING:
            return await self.queue_call(request, _error(409, "InvalidAction.RunningTask", "A running task stays."))
        if job.state is State.QUEUED:
            self.sandbox.jobs.cancel(job)
        else:
            del self._wanted[job.id]
        return await self.queue_call(request, JSONResponse({}))

    def _start(self, request: Request, wanted: TaskRequest) -> Job:
        async def work(job: Job) -> StoredFile | None:
            if job.wants_empty_output:
                return None
            found = await self.sandbox.sources.fetch(wanted.sources())
            media = await self.sandbox.studio.render(wanted.order(found))
            return self.sandbox.files.put(media, self.name, job.text)

        async def announce(job: Job) -> None:
            await self._webhooks.send(job, self._shown(job))

        job = self.sandbox.jobs.start(
            provider=self.name,
            app=wanted.model,
            path=request.url.path,
            prompt=wanted.prompt,
            webhook_url=wanted.callback_url,
            work=work,
            announce=announce,
        )
        self._wanted[job.id] = wanted
        return job

    def _job(self, request: Request) -> Job | Response:
        """The job of the path, or the answer 401 or 404."""
        if (denied := self.denied(request)) is not None:
            return denied
        job = self.sandbox.jobs.get(self.name, request.path_params["task_id"].removeprefix("cgt-"))
        if job is None or job.id not in self._wanted:
            return _error(404, "InvalidParameter.TaskNotFound", "The task does not exist.", param="task_id")
        call_of(request).request_id = job.id
        return job

    def _shown(self, job: Job) -> dict[str, Any]:
        wanted = self._wanted[job.id]
        shown: dict[str, Any] = {
            "id": _task_id(job),
            "model": job.app,
            "status": _status(job),
            "created_at": int(job.accepted_at),
            "updated_at": int(job.finished_at or job.accepted_at),
            "service_tier": "default",
            "execution_expires_after": 172800,
        }
        if job.failure is not None and job.failure.cause is not Cause.CANCELLED:
            shown["error"] = _failure(job.failure)
        elif job.state is State.FINISHED and job.failure is None:
            file: StoredFile | None = job.output
            pixels = (file.width or 0) * (file.height or 0) if file else 0
            tokens = pixels * FRAMES_PER_SECOND * wanted.duration // 1024
            shown |= {
                "content": {"video_url": file.url} if file else {},
                "usage": {"completion_tokens": tokens, "total_tokens": tokens},
                "seed": wanted.seed or 0,
                "resolution": wanted.resolution,
                "ratio": wanted.ratio,
                "duration": wanted.duration,
                "framespersecond": FRAMES_PER_SECOND,
                "generate_audio": wanted.generate_audio,
            }
        return shown


class Webhooks(webhooks.Webhooks):
    """Not signed, so a forger's only lack is the address; of the changes of a task only its end is told."""

    def headers(self, _job: Job, _body: bytes, *, forged: bool) -> dict[str, str]:  # noqa: ARG002
        """Nothing."""
        return {}

    def invented(self, job: Job) -> dict[str, Any]:
        """A task with a video."""
        content = {"video_url": "https://forged.invalid/output.mp4"}
        return {"id": _task_id(job), "status": "succeeded", "content": content}


def _task_id(job: Job) -> str:
    return f"cgt-{job.id}"


def _status(job: Job) -> str:
    if job.state is not State.FINISHED:
        return _STATUSES[job.state]
    if job.failure is None:
        return "succeeded"
    return "cancelled" if job.failure.cause is Cause.CANCELLED else "failed"


def _failure(failure: JobError) -> dict[str, str]:
    match failure.cause:
        case Cause.FILTERED:
            return {"code": "OutputVideoSensitiveContentDetected", "message": MODERATION}
        case Cause.UNREACHABLE_SOURCE | Cause.UNREADABLE_SOURCE:
            return {"code": "InvalidParameter", "message": f"{failure.field}: {failure.message}"}
    return {"code": "InternalServiceError", "message": failure.message}


def _error(
    status: int, code: str, message: str, *, param: str = "", headers: dict[str, str] | None = None
) -> JSONResponse:
    error = {"code": code, "message": message, "param": param, "type": code.partition(".")[0]}
    return JSONResponse({"error": error}, status, headers=headers)
