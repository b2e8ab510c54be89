"""WaveSpeedAI's predictions, `https://api.wavespeed.ai` (https://wavespeed.ai/docs). A failed one is HTTP 200 too."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.sandbox.jobs import Cause, Job, State
from infra.sandbox.providers.fal_apps.base import App, Share, Url, one_of
from infra.sandbox.providers.fal_apps.images import GEMINI_3_PIXELS, GOOGLE_RATIOS, RatioApp
from infra.sandbox.providers.fal_apps.videos import VideoApp
from infra.sandbox.providers.tasks import Ordered, TaskProvider, is_authorized

_TROUBLES = {
    "refuse": (402, "Insufficient credits. Please top up to continue."),
    "rate_limit": (429, "Too many requests. Please slow down."),
    "server_error": (500, "Internal server error."),
}
_STATUSES = {State.QUEUED: "created", State.RUNNING: "processing"}
_SECRET = "whsec_c2FuZGJveCB3YXZlc3BlZWQ="  # noqa: S105 - the sandbox's, which opens nothing
FILTERED = "Content flagged as potentially sensitive. Please try different prompts or images."


class Kling3Text(VideoApp):
    """`kwaivgi/kling-v3.0-std/text-to-video`: 720p, without shots and elements."""

    prompt: Annotated[str, Field(min_length=1, max_length=2500)]
    negative_prompt: Annotated[str, Field(max_length=2500)] = ""
    duration: Annotated[int, Field(ge=3, le=15)] = 5
    cfg_scale: Share = 0.5
    sound: bool = False
    aspect_ratio: Annotated[str, one_of("16:9 9:16 1:1")] = "16:9"
    multi_prompt: Annotated[list[Any], Field(max_length=0)] | None = None

    @property
    def generate_audio(self) -> bool:
        """Whether there is an audio track."""
        return self.sound


class Kling3ProText(Kling3Text):
    """`kwaivgi/kling-v3.0-pro/text-to-video`."""

    side = 1080


class Kling3Image(Kling3Text):
    """`kwaivgi/kling-v3.0-std/image-to-video`: the picture's shape."""

    picture_fields = ("image", "end_image")
    first_field = "image"
    last_field = "end_image"
    image: Url
    end_image: Url | None = None
    aspect_ratio: None = None  # type: ignore[assignment]


class Kling3ProImage(Kling3Image):
    """`kwaivgi/kling-v3.0-pro/image-to-video`."""

    side = 1080


class NanoBananaPro(RatioApp):
    """`google/nano-banana-pro/text-to-image`."""

    table = GEMINI_3_PIXELS
    ratios: ClassVar[str] = GOOGLE_RATIOS
    prompt: Annotated[str, Field(min_length=1)]
    aspect_ratio: Annotated[str, one_of(GOOGLE_RATIOS)] | None = None
    resolution: Annotated[str, one_of("1k 2k 4k")] = "1k"
    output_format: Literal["png", "jpeg"] = "png"
    enable_web_search: bool = False

    @classmethod
    def allowed(cls, field: str) -> tuple[str, ...]:
        """The words of a field; the ratio's are asked for where none was given."""
        return tuple(cls.ratios.split()) if field == "aspect_ratio" else super().allowed(field)


class NanoBananaProEdit(NanoBananaPro):
    """`google/nano-banana-pro/edit`."""

    picture_fields = ("images",)
    images: Annotated[list[Url], Field(min_length=1, max_length=14)]


class NanoBanana2(NanoBananaPro):
    """`google/nano-banana-2/text-to-image`."""

    aspect_ratio: Annotated[str, one_of(f"{GOOGLE_RATIOS} 1:4 4:1 1:8 8:1")] | None = None


class NanoBanana2Edit(NanoBanana2):
    """`google/nano-banana-2/edit`."""

    picture_fields = ("images",)
    images: Annotated[list[Url], Field(min_length=1, max_length=14)]


MODELS: dict[str, type[App]] = {
    "kwaivgi/kling-v3.0-std/text-to-video": Kling3Text,
    "kwaivgi/kling-v3.0-std/image-to-video": Kling3Image,
    "kwaivgi/kling-v3.0-pro/text-to-video": Kling3ProText,
    "kwaivgi/kling-v3.0-pro/image-to-video": Kling3ProImage,
    "google/nano-banana-pro/text-to-image": NanoBananaPro,
    "google/nano-banana-pro/edit": NanoBananaProEdit,
    "google/nano-banana-2/text-to-image": NanoBanana2,
    "google/nano-banana-2/edit": NanoBanana2Edit,
}


class WaveSpeed(TaskProvider):
    """Submit, result, balance, and webhooks signed with a key that is not in base64."""

    name = "wavespeed"
    queue_calls_from = "/predictions/"
    webhook_key = _SECRET.removeprefix("whsec_")
    models = MODELS

    def routes(self) -> list[Route]:
        """WaveSpeed's paths."""
        return [
            Route("/api/v3/predictions/{task_id}/result", self.get, methods=["GET"]),
            Route("/api/v3/predictions/{task_id}", self.get, methods=["GET"]),
            Route("/api/v3/balance", self.balance, methods=["GET"]),
            Route("/api/v3/webhook/secret", self.secret, methods=["GET"]),
            Route("/api/v3/{model:path}", self.create, methods=["POST"]),
        ]

    async def create(self, request: Request) -> Response:
        """Accepts a prediction; with `enable_sync_mode` the answer comes when it has ended."""
        begun = await self.begin(request)
        if isinstance(begun, Response):
            return begun
        job, fault = begun
        if self.inputs[job.id].get("enable_sync_mode") and job.task is not None:
            await asyncio.wait([job.task])
        return self.spoiled(fault, JSONResponse(self.answered(job)))

    async def balance(self, request: Request) -> Response:
        """The dollars that are left: as many as anybody wants."""
        if not is_authorized(request):
            return self.problem(401, "Unauthorized.")
        return JSONResponse({"code": 200, "message": "success", "data": {"balance": 1000.0}})

    async def secret(self, request: Request) -> Response:
        """The key that verifies the true webhooks."""
        if not is_authorized(request):
            return self.problem(401, "Unauthorized.")
        return JSONResponse({"code": 200, "message": "success", "data": {"secret": _SECRET}})

    def trouble(self, fault: str) -> Response:
        """What refuses is the credit, 402."""
        return self.problem(*_TROUBLES[fault])

    def problem(self, status: int, message: str) -> Response:
        """HTTP and the body say the same; inputs are refused with 400."""
        status = 400 if status == 422 else status
        headers = {"Retry-After": "1"} if status == 429 else {}
        return JSONResponse({"code": status, "message": message}, status, headers=headers)

    def ordered(self, request: Request, body: dict[str, Any]) -> Ordered:
        """The model is the path, the inputs the body, and who is told stands in the query."""
        return Ordered(request.path_params["model"], body, request.query_params.get("webhook"))

    def answered(self, job: Job) -> dict[str, Any]:
        """The prediction in its envelope: code 200, also of one that has failed."""
        return {"code": 200, "message": "success", "data": self.shown(job)}

    def shown(self, job: Job, urls: list[str] | None = None) -> dict[str, Any]:
        """The prediction."""
        failure = job.failure if urls is None else None
        status = _STATUSES.get(job.state, "failed" if failure else "completed") if urls is None else "completed"
        made = job.output if urls is None else urls
        outputs: list[str] = made if status == "completed" and made else []
        url = f"{self.sandbox.base_url}/{self.name}/api/v3/predictions/{job.id}/result"
        is_filtered = failure is not None and failure.cause is Cause.FILTERED
        seconds = (job.finished_at or job.accepted_at) - job.accepted_at
        return {
            "id": job.id,
            "model": job.app,
            "input": self.inputs[job.id],
            "status": status,
            "outputs": outputs,
            "urls": {"get": url},
            "has_nsfw_contents": [True] if is_filtered else [False for _ in outputs],
            "created_at": datetime.fromtimestamp(job.accepted_at, UTC).isoformat().replace("+00:00", "Z"),
            "error": "" if failure is None else FILTERED if is_filtered else failure.message,
            "timings": {"inference": round(seconds * 1000)},
        }

    def signature(self, job: Job, body: bytes, key: str) -> dict[str, str]:
        """The three headers of Standard Webhooks, version 3 (https://wavespeed.ai/docs/verify-webhooks)."""
        message_id, timestamp = f"msg_{job.id}", str(int(time.time()))
        digest = hmac.new(key.encode(), f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
        return {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": f"v3,{digest}"}
