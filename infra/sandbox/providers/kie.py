"""Kie.ai's jobs, `https://api.kie.ai/api/v1` (docs.kie.ai). HTTP says 200 whatever happens; the code is in the body."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.sandbox.jobs import Cause, Job, State
from infra.sandbox.providers.fal_apps.base import App, Text, Url, one_of
from infra.sandbox.providers.fal_apps.images import GEMINI_3_PIXELS, GOOGLE_RATIOS, NANO_BANANA_PIXELS, RatioApp
from infra.sandbox.providers.fal_apps.shapes import Pixels
from infra.sandbox.providers.fal_apps.videos import VideoApp, counted
from infra.sandbox.providers.tasks import Ordered, TaskProvider, is_authorized
from infra.sandbox.sources import Found

_TROUBLES = {
    "refuse": (402, "Credits insufficient. Your current balance isn't enough to run this request. Please top up."),
    "rate_limit": (429, "Your call frequency is too high. Please try again later."),
    "server_error": (500, "Server exception, please try again later or contact customer service"),
}
_FAILURES = {
    Cause.FILTERED: ("400", "Your prompt was flagged by Website as violating content policies."),
    Cause.UNREACHABLE_SOURCE: ("400", "Failed to fetch the image. Kindly verify any access limits set by you."),
    Cause.UNREADABLE_SOURCE: ("400", "Failed to fetch the image. It could not be read."),
    Cause.FAILED: ("501", "Generation failed."),
    Cause.CANCELLED: ("501", "Generation failed."),
}
_STATES = {State.QUEUED: "waiting", State.RUNNING: "generating"}

JpgFormat = Annotated[Literal["png", "jpg"], AfterValidator(lambda word: "jpeg" if word == "jpg" else word)]


class NanoBanana(RatioApp):
    """`google/nano-banana`."""

    table = NANO_BANANA_PIXELS
    prompt: Annotated[str, Field(min_length=1, max_length=5000)]
    output_format: Literal["png", "jpeg"] = "png"
    aspect_ratio: Annotated[str, one_of(f"{GOOGLE_RATIOS} auto"), Field(alias="image_size")] = "1:1"


class NanoBananaEdit(NanoBanana):
    """`google/nano-banana-edit`."""

    picture_fields = ("image_urls",)
    image_urls: Annotated[list[Url], Field(min_length=1, max_length=10)]


class NanoBananaPro(RatioApp):
    """`nano-banana-pro`."""

    table = GEMINI_3_PIXELS
    picture_fields = ("image_input",)
    prompt: Annotated[str, Field(min_length=1, max_length=10_000)]
    image_input: Annotated[list[Url], Field(max_length=8)] | None = None
    aspect_ratio: Annotated[str, one_of(f"{GOOGLE_RATIOS} auto")] = "1:1"
    resolution: Annotated[str, one_of("1K 2K 4K")] = "1K"
    output_format: JpgFormat = "png"


class NanoBanana2(NanoBananaPro):
    """`nano-banana-2`."""

    prompt: Annotated[str, Field(min_length=1, max_length=5000)]
    image_input: Annotated[list[Url], Field(max_length=14)] | None = None
    aspect_ratio: Annotated[str, one_of(f"{GOOGLE_RATIOS} 1:4 1:8 4:1 8:1 auto")] = "1:1"
    google_search: bool = False


class Kling3(VideoApp):
    """`kling-3.0/video`, with neither shots nor elements."""

    picture_fields = ("image_urls",)
    first_field = "image_urls"
    prompt: Annotated[str, Field(min_length=1, max_length=5000)]
    image_urls: Annotated[list[Url], Field(max_length=2)] | None = None
    duration: Annotated[str, one_of(counted(3, 15))] = "5"
    aspect_ratio: Annotated[str, one_of("16:9 9:16 1:1")] | None = None
    mode: Literal["std", "pro"] = "std"
    sound: bool = False
    multi_shots: Literal[False] = False

    @property
    def resolution(self) -> str:
        """720p, or 1080p in `pro`."""
        return "1080p" if self.mode == "pro" else "720p"

    @property
    def generate_audio(self) -> bool:
        """Whether there is an audio track."""
        return self.sound


class Seedance2(VideoApp):
    """`bytedance/seedance-2` and its fast variant: frames, or else references."""

    picture_fields = ("first_frame_url", "last_frame_url", "reference_image_urls")
    other_fields = ("reference_video_urls", "reference_audio_urls")
    first_field = "first_frame_url"
    last_field = "last_frame_url"
    prompt: Annotated[Text, Field(min_length=3, max_length=20_000)]
    first_frame_url: Url | None = None
    last_frame_url: Url | None = None
    reference_image_urls: Annotated[list[Url], Field(max_length=9)] | None = None
    reference_video_urls: Annotated[list[Url], Field(max_length=3)] | None = None
    reference_audio_urls: Annotated[list[Url], Field(max_length=3)] | None = None
    resolution: Annotated[str, one_of("480p 720p")] = "720p"
    aspect_ratio: Annotated[str, one_of("1:1 4:3 3:4 16:9 9:16 21:9 adaptive")] = "16:9"
    duration: Annotated[int, Field(ge=4, le=15)] = 5
    generate_audio: bool = True
    web_search: bool = False

    @model_validator(mode="after")
    def _frames_or_references(self) -> Seedance2:
        references = self.reference_image_urls or self.reference_video_urls or self.reference_audio_urls
        if (self.first_frame_url or self.last_frame_url) and references:
            raise ValueError("frames and references exclude each other")
        return self

    def pixels(self, found: Found) -> Pixels:
        """As asked; `adaptive` is what other models call auto."""
        if self.aspect_ratio != "adaptive":
            return super().pixels(found)
        return self.model_copy(update={"aspect_ratio": "auto"}).pixels(found)


MODELS: dict[str, type[App]] = {
    "google/nano-banana": NanoBanana,
    "google/nano-banana-edit": NanoBananaEdit,
    "nano-banana-pro": NanoBananaPro,
    "nano-banana-2": NanoBanana2,
    "kling-3.0/video": Kling3,
    "bytedance/seedance-2": Seedance2,
    "bytedance/seedance-2-fast": Seedance2,
}


class Kie(TaskProvider):
    """Create and ask, and webhooks of which the job's id and the time are signed, but not the body."""

    name = "kie"
    queue_calls_from = "/jobs/recordInfo"
    webhook_key = "sandbox-kie_webhook"
    models = MODELS

    def routes(self) -> list[Route]:
        """Kie's paths."""
        return [
            Route("/api/v1/jobs/createTask", self.create, methods=["POST"]),
            Route("/api/v1/jobs/recordInfo", self.get, methods=["GET"]),
            Route("/api/v1/chat/credit", self.credit, methods=["GET"]),
        ]

    async def credit(self, request: Request) -> Response:
        """The credits that are left: as many as anybody wants."""
        if not is_authorized(request):
            return self.problem(401, "You do not have access permissions")
        return JSONResponse({"code": 200, "msg": "success", "data": 100_000})

    def trouble(self, fault: str) -> Response:
        """What refuses is the credit, 402."""
        return self.problem(*_TROUBLES[fault])

    def problem(self, status: int, message: str) -> Response:
        """The status is in the body alone."""
        return JSONResponse({"code": status, "msg": message, "data": None})

    def ordered(self, _request: Request, body: dict[str, Any]) -> Ordered:
        """`model`, `input` and `callBackUrl`."""
        given = body.get("input")
        return Ordered(str(body.get("model")), given if isinstance(given, dict) else {}, body.get("callBackUrl"))

    def task_id(self, request: Request) -> str:
        """It is in the query."""
        return request.query_params.get("taskId", "")

    def accepted(self, job: Job) -> dict[str, Any]:
        """The job's id."""
        return {"code": 200, "msg": "success", "data": {"taskId": job.id}}

    def shown(self, job: Job, urls: list[str] | None = None) -> dict[str, Any]:
        """The record; its result is a text that is JSON."""
        fail_code, fail_message = _FAILURES[job.failure.cause] if job.failure and urls is None else (None, None)
        state = _STATES.get(job.state, "fail" if fail_code else "success") if urls is None else "success"
        made = job.output if urls is None else urls
        finished_at = job.finished_at or job.accepted_at
        data = {
            "taskId": job.id,
            "model": job.app,
            "state": state,
            "param": json.dumps({"model": job.app, "input": self.inputs[job.id]}),
            "resultJson": json.dumps({"resultUrls": made}) if state == "success" else "",
            "failCode": fail_code,
            "failMsg": fail_message,
            "costTime": round((finished_at - job.accepted_at) * 1000),
            "completeTime": round(finished_at * 1000),
            "createTime": round(job.accepted_at * 1000),
        }
        failed = urls is None and fail_code is not None
        return {"code": 501 if failed else 200, "msg": "failed" if failed else "success", "data": data}

    def signature(self, job: Job, _body: bytes, key: str) -> dict[str, str]:
        """Over the job's id and the time (https://docs.kie.ai/common-api/webhook-verification)."""
        timestamp = str(int(time.time()))
        digest = hmac.new(key.encode(), f"{job.id}.{timestamp}".encode(), hashlib.sha256).digest()
        return {"X-Webhook-Timestamp": timestamp, "X-Webhook-Signature": base64.b64encode(digest).decode()}
