"""xAI's Grok Imagine, `https://api.x.ai/v1` (fields from vercel/ai's packages/xai; pixels are not verified).

What moderation withholds is done and paid for, and says so (`respect_moderation`). There is no cancellation, and no
webhook.
"""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.sandbox.calls import call_of
from infra.sandbox.files import StoredFile
from infra.sandbox.jobs import Cause, Job, JobError, State
from infra.sandbox.providers.at_once import PictureRequest, PicturesAtOnce, first_fault, given
from infra.sandbox.providers.base import json_object, prompt_in
from infra.sandbox.providers.fal_apps.base import Text, Url, one_of
from infra.sandbox.providers.fal_apps.images import GROK_RATIOS as PICTURE_RATIOS
from infra.sandbox.providers.fal_apps.shapes import of_area, picture_ratio, ratio_of, short_sided
from infra.sandbox.providers.fal_apps.videos import GROK_RATIOS as VIDEO_RATIOS
from infra.sandbox.render.image import ImageFormat, ImageOrder
from infra.sandbox.render.video import VideoOrder
from infra.sandbox.sources import Found, Source
from infra.sandbox.state import Sandbox

TICKS_PER_USD = 10**10
AREAS = {"1k": 1024**2, "2k": 2048**2}
PICTURE_TICKS = {"grok-imagine-image": TICKS_PER_USD // 50, "grok-imagine-image-quality": TICKS_PER_USD // 20}
SECOND_TICKS = {"480p": TICKS_PER_USD // 20, "720p": TICKS_PER_USD * 7 // 100}
GIVEN_PICTURE_TICKS = TICKS_PER_USD // 500
SIDES = {"480p": 480, "720p": 720}
_TROUBLES = {
    "refuse": (
        403,
        "The caller does not have permission to execute the specified operation",
        "No access to the model.",
    ),
    "rate_limit": (429, "Some resource has been exhausted", "Too many requests. Please try again in 1s."),
    "server_error": (500, "Internal error", "Something went wrong on our side."),
}


class Link(BaseModel):
    """Where a picture is."""

    url: Url


class ImagineRequest(PictureRequest):
    """The body of `/images/generations`, and with a picture of `/images/edits`."""

    model: Literal["grok-imagine-image", "grok-imagine-image-quality"]
    prompt: Text
    n: Annotated[int, Field(ge=1, le=10)] = 1
    aspect_ratio: Annotated[str, one_of(f"auto {PICTURE_RATIOS}")] = "auto"
    resolution: Literal["1k", "2k"] = "1k"
    output_format: ImageFormat = "jpeg"
    image: Link | None = None
    images: Annotated[list[Link], Field(max_length=3)] | None = None

    def sources(self) -> list[Source]:
        """The pictures to edit."""
        links = [self.image] if self.image else self.images or []
        return [Source("image", link.url) for link in links]

    def orders(self, found: Found) -> list[ImageOrder]:
        """As many pictures as asked for; without a shape the first picture's, or a square."""
        if self.aspect_ratio == "auto":
            ratio = picture_ratio(found.pictures[0]) if found.pictures else 1.0
        else:
            ratio = ratio_of(self.aspect_ratio)
        size = of_area(ratio, AREAS[self.resolution])
        return [ImageOrder(self.prompt, *size, self.output_format, number, found.pictures) for number in range(self.n)]

    def answer(self, data: list[dict[str, Any]], _orders: list[ImageOrder]) -> dict[str, Any]:
        """The pictures, and what they cost."""
        cost = PICTURE_TICKS[self.model] * len(data)
        shown = [{**one, "revised_prompt": self.prompt, "respect_moderation": True} for one in data]
        return {"created": int(time.time()), "data": shown, "usage": {"cost_in_usd_ticks": cost}}


class EditRequest(ImagineRequest):
    """The body of `/images/edits`."""

    @model_validator(mode="after")
    def _has_a_picture(self) -> EditRequest:
        if not self.sources():
            raise ValueError("an edit needs image or images")
        return self


class VideoRequest(BaseModel):
    """The body of `/videos/generations`."""

    model_config = ConfigDict(extra="ignore")
    model: Literal["grok-imagine-video"]
    prompt: Text
    duration: Annotated[int, Field(ge=1, le=15)] = 6
    aspect_ratio: Annotated[str, one_of(f"auto {VIDEO_RATIOS}")] = "auto"
    resolution: Literal["480p", "720p"] = "480p"
    image: Link | None = None

    def order(self, found: Found) -> VideoOrder:
        """What to render; without a shape the picture's, or 16:9."""
        first = found.picture("image")
        if self.aspect_ratio != "auto":
            ratio = ratio_of(self.aspect_ratio)
        else:
            ratio = picture_ratio(first) if first else ratio_of("16:9")
        width, height = short_sided(ratio, SIDES[self.resolution])
        return VideoOrder(self.prompt, width, height, float(self.duration), audio=True, first_picture=first)

    @property
    def ticks(self) -> int:
        """What it costs."""
        return SECOND_TICKS[self.resolution] * self.duration + (GIVEN_PICTURE_TICKS if self.image else 0)


class XAI(PicturesAtOnce):
    """Pictures at once, videos as requests to be asked about."""

    name = "xai"
    queue_calls_from = "/videos/"

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self._wanted: dict[str, VideoRequest] = {}

    def routes(self) -> list[Route]:
        """xAI's paths."""
        return [
            Route("/v1/models", self.models, methods=["GET"]),
            Route("/v1/images/generations", self.draw, methods=["POST"]),
            Route("/v1/images/edits", self.edit, methods=["POST"]),
            Route("/v1/videos/generations", self.create, methods=["POST"]),
            Route("/v1/videos/{request_id}", self.get, methods=["GET"]),
        ]

    def trouble(self, fault: str) -> Response:
        """`{"code", "error"}`, both of them text."""
        status, code, message = _TROUBLES[fault]
        return _error(status, code, message, headers={"Retry-After": "1"} if status == 429 else {})

    def unauthorized(self) -> Response:
        """401."""
        return _error(401, "Unauthenticated", "No API key was given.")

    def invalid(self, error: ValidationError | JobError) -> Response:
        """400, but 404 for a model that is not there."""
        field, message = first_fault(error)
        if field == "model":
            return _error(404, "Some requested entity was not found", "The model does not exist.")
        return _error(400, "Client specified an invalid argument", f"{field}: {message}")

    def withheld(self, request: Request, wanted: PictureRequest) -> Response:
        """Paid for, and not given."""
        call_of(request).accept()
        usage = {"cost_in_usd_ticks": PICTURE_TICKS[getattr(wanted, "model", "")]}
        return JSONResponse({"data": [{"url": "", "respect_moderation": False}], "usage": usage})

    async def models(self, request: Request) -> Response:
        """What can be asked."""
        ids = [*PICTURE_TICKS, "grok-imagine-video"]
        listed = {"object": "list", "data": [{"id": one, "object": "model"} for one in ids]}
        return self.denied(request) or JSONResponse(listed)

    async def draw(self, request: Request) -> Response:
        """Pictures of words."""
        return await self.drawn(request, ImagineRequest)

    async def edit(self, request: Request) -> Response:
        """Pictures of pictures."""
        return await self.drawn(request, EditRequest)

    async def create(self, request: Request) -> Response:
        """Accepts a video."""
        if (denied := self.denied(request)) is not None:
            return denied
        body = given(await json_object(request))
        call = call_of(request)
        call.prompt = prompt_in(body)
        fault = self.submission_fault(f"{call.prompt}\n{call.path}")
        if (refused := self.refusal(fault)) is not None:
            return refused
        try:
            wanted = VideoRequest.model_validate(body)
        except ValidationError as error:
            return self.invalid(error)
        job = self._start(request, wanted)
        call.accept(request_id=job.id)
        return self.spoiled(fault, JSONResponse({"request_id": job.id}))

    async def get(self, request: Request) -> Response:
        """A video as it stands; 202 until it is done, without a body while it is queued."""
        if (denied := self.denied(request)) is not None:
            return denied
        job = self.sandbox.jobs.get(self.name, request.path_params["request_id"])
        if job is None:
            return _error(404, "Some requested entity was not found", "There is no such request.")
        call_of(request).request_id = job.id
        return await self.queue_call(request, self._shown(job))

    def _start(self, request: Request, wanted: VideoRequest) -> Job:
        async def work(job: Job) -> StoredFile | None:
            if job.wants_empty_output:
                return None
            sources = [Source("image", wanted.image.url)] if wanted.image else []
            found = await self.sandbox.sources.fetch(sources)
            media = await self.sandbox.studio.render(wanted.order(found))
            return self.sandbox.files.put(media, self.name, job.text)

        async def announce(_job: Job) -> None:
            return

        job = self.sandbox.jobs.start(
            provider=self.name,
            app=wanted.model,
            path=request.url.path,
            prompt=wanted.prompt,
            webhook_url=None,
            work=work,
            announce=announce,
        )
        self._wanted[job.id] = wanted
        return job

    def _shown(self, job: Job) -> Response:
        if job.state is State.QUEUED:
            return Response(status_code=202)
        if job.state is State.RUNNING:
            return JSONResponse({"status": "pending", "progress": 50}, 202)
        wanted = self._wanted[job.id]
        done = {"model": job.app, "progress": 100, "usage": {"cost_in_usd_ticks": wanted.ticks}}
        if job.failure is not None and job.failure.cause is Cause.FILTERED:
            withheld = {"url": "", "duration": wanted.duration, "respect_moderation": False}
            return JSONResponse({"status": "done", "video": withheld, **done})
        if job.failure is not None:
            error = {"code": "internal_error", "message": job.failure.message}
            if job.failure.cause in {Cause.UNREACHABLE_SOURCE, Cause.UNREADABLE_SOURCE}:
                error["code"] = "invalid_argument"
            return JSONResponse({"status": "failed", "error": error})
        file: StoredFile | None = job.output
        video = {"url": file.url, "duration": wanted.duration, "respect_moderation": True} if file else None
        return JSONResponse({"status": "done", "video": video, **done})


def _error(status: int, code: str, message: str, *, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"code": code, "error": message}, status, headers=headers)
