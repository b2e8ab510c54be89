"""OpenAI's videos: jobs whose content is fetched with the key, and webhooks that tell the account of their end.

Fields from the `openai` package. Not verified: how long a video is kept, and the code of a failure that is none of
moderation.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.sandbox import webhooks
from infra.sandbox.calls import call_of
from infra.sandbox.files import StoredFile
from infra.sandbox.jobs import Cause, Job, State
from infra.sandbox.multipart import form_of
from infra.sandbox.providers.base import Provider, json_object
from infra.sandbox.providers.openai_errors import invalid, unauthorized, wrong
from infra.sandbox.render.image import decode_image
from infra.sandbox.render.video import VideoOrder

KEPT_SECONDS = 24 * 3600
# Derived from a constant: a receiver keeps it, and a restarted sandbox must match.
_SECRET = hashlib.sha256(b"museway sandbox: openai webhooks").digest()
_UNKNOWN_SECRET = hashlib.sha256(b"museway sandbox: forger").digest()
SIGNING_SECRET = "whsec_" + base64.b64encode(_SECRET).decode()
_NOT_READY = "Video is not ready yet, use GET /v1/videos/{video_id} to check status."
_MODERATED = "Your request was blocked by our moderation system."
_STATUSES = {State.QUEUED: ("queued", 0), State.RUNNING: ("in_progress", 50)}


class VideoRequest(BaseModel):
    """The fields of `POST /videos`, but for the picture."""

    model_config = ConfigDict(extra="ignore")
    prompt: Annotated[str, Field(min_length=1, max_length=32_000)]
    model: Literal["sora-2", "sora-2-pro"] = "sora-2"
    seconds: Literal["4", "8", "12"] = "4"
    size: Literal["720x1280", "1280x720", "1024x1792", "1792x1024"] = "720x1280"

    def order(self, first: bytes | None) -> VideoOrder:
        """What to render."""
        width, height = (int(side) for side in self.size.split("x"))
        return VideoOrder(self.prompt, width, height, float(self.seconds), audio=True, first_picture=first)


class EndpointRequest(BaseModel):
    """The body of `POST /webhook_endpoints`."""

    name: str
    url: Annotated[str, Field(pattern=r"^https?://")]
    event_types: list[str]


class Videos:
    """Create, get, content, delete; the account's webhooks go to the endpoint that was made last."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._sandbox = provider.sandbox
        self._webhooks = Webhooks(provider.sandbox.faults)
        self._endpoint: EndpointRequest | None = None
        self._wanted: dict[str, VideoRequest] = {}

    def routes(self) -> list[Route]:
        """Their paths."""
        return [
            Route("/v1/videos", self.create, methods=["POST"]),
            Route("/v1/videos/{video_id}", self.get, methods=["GET"]),
            Route("/v1/videos/{video_id}", self.delete, methods=["DELETE"]),
            Route("/v1/videos/{video_id}/content", self.content, methods=["GET"]),
            Route("/v1/webhook_endpoints", self.register, methods=["POST"]),
        ]

    async def close(self) -> None:
        """Closes the webhooks' connections."""
        await self._webhooks.close()

    async def register(self, request: Request) -> Response:
        """Makes the account's endpoint, and tells the secret that signs."""
        if (denied := unauthorized(request)) is not None:
            return denied
        try:
            self._endpoint = EndpointRequest.model_validate(await json_object(request))
        except ValidationError as error:
            return invalid(error)
        now = int(time.time())
        made = {"id": "we_sandbox", "object": "webhook_endpoint", "created_at": now, "updated_at": now}
        return JSONResponse({**made, **self._endpoint.model_dump(), "signing_secret": SIGNING_SECRET})

    async def create(self, request: Request) -> Response:
        """Accepts a video; `input_reference` is its first picture."""
        if (denied := unauthorized(request)) is not None:
            return denied
        form = await form_of(request)
        if form is None:
            return wrong(400, "The body is not multipart/form-data.")
        call = call_of(request)
        call.prompt = form.texts().get("prompt", "")
        fault = self._provider.submission_fault(f"{call.prompt}\n{call.path}")
        if (refused := self._provider.refusal(fault)) is not None:
            return refused
        first = next(iter(form.files("input_reference")), None)
        try:
            wanted = VideoRequest.model_validate(form.texts())
            if first is not None:
                decode_image(first)
        except ValidationError as error:
            return invalid(error)
        except (OSError, ValueError, SyntaxError):
            return wrong(400, "Invalid image file.", param="input_reference", code="invalid_image_file")
        job = self._start(request, wanted, first)
        call.accept(request_id=job.id)
        return self._provider.spoiled(fault, JSONResponse(self._shown(job)))

    async def get(self, request: Request) -> Response:
        """A video as it stands."""
        job = self._job(request)
        if isinstance(job, Response):
            return job
        return await self._provider.queue_call(request, JSONResponse(self._shown(job)))

    async def content(self, request: Request) -> Response:
        """The file; 404 before there is one."""
        job = self._job(request)
        if isinstance(job, Response):
            return job
        if job.state is not State.FINISHED or job.failure is not None:
            return wrong(404, _NOT_READY, code="video_not_ready")
        return await self._provider.queue_call(
            request, self._sandbox.files.answer(job.output.name if job.output else "")
        )

    async def delete(self, request: Request) -> Response:
        """Forgets a video."""
        job = self._job(request)
        if isinstance(job, Response):
            return job
        del self._wanted[job.id]
        return JSONResponse({"id": _video_id(job), "object": "video.deleted", "deleted": True})

    def _start(self, request: Request, wanted: VideoRequest, first: bytes | None) -> Job:
        async def work(job: Job) -> StoredFile | None:
            if job.wants_empty_output:
                return None
            media = await self._sandbox.studio.render(wanted.order(first))
            return self._sandbox.files.put(media, self._provider.name, job.text)

        async def announce(job: Job) -> None:
            await self._webhooks.send(job, _event(job, "video.failed" if job.failure else "video.completed"))

        job = self._sandbox.jobs.start(
            provider=self._provider.name,
            app=wanted.model,
            path=request.url.path,
            prompt=wanted.prompt,
            webhook_url=self._endpoint.url if self._endpoint else None,
            work=work,
            announce=announce,
        )
        self._wanted[job.id] = wanted
        return job

    def _job(self, request: Request) -> Job | Response:
        """The job of the path, or the answer 401 or 404."""
        if (denied := unauthorized(request)) is not None:
            return denied
        video_id = request.path_params["video_id"]
        job = self._sandbox.jobs.get(self._provider.name, video_id.removeprefix("video_"))
        if job is None or job.id not in self._wanted:
            return wrong(404, f"Video with id '{video_id}' not found.", param="video_id")
        call_of(request).request_id = job.id
        return job

    def _shown(self, job: Job) -> dict[str, Any]:
        wanted = self._wanted[job.id]
        done = ("failed", 50) if job.failure else ("completed", 100)
        status, progress = _STATUSES.get(job.state, done)
        ended_at = int(job.finished_at) if status == "completed" and job.finished_at else None
        return {
            "id": _video_id(job),
            "object": "video",
            "model": job.app,
            "status": status,
            "progress": progress,
            "created_at": int(job.accepted_at),
            "completed_at": ended_at,
            "expires_at": ended_at + KEPT_SECONDS if ended_at else None,
            "seconds": wanted.seconds,
            "size": wanted.size,
            "prompt": wanted.prompt,
            "remixed_from_video_id": None,
            "error": _error(job),
        }


class Webhooks(webhooks.Webhooks):
    """Standard Webhooks; a forger does not know the key."""

    def headers(self, job: Job, body: bytes, *, forged: bool) -> dict[str, str]:
        """The three headers."""
        message_id, timestamp = f"wh_{job.id}", str(int(time.time()))
        message = f"{message_id}.{timestamp}.".encode() + body
        digest = hmac.new(_UNKNOWN_SECRET if forged else _SECRET, message, hashlib.sha256).digest()
        signature = "v1," + base64.b64encode(digest).decode()
        return {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": signature}

    def invented(self, job: Job) -> dict[str, Any]:
        """That the video is done."""
        return _event(job, "video.completed")


def _event(job: Job, kind: str) -> dict[str, Any]:
    """What an endpoint is told: which video, and nothing of it."""
    data = {"id": _video_id(job)}
    return {"id": f"evt_{job.id}", "object": "event", "created_at": int(time.time()), "type": kind, "data": data}


def _video_id(job: Job) -> str:
    return f"video_{job.id}"


def _error(job: Job) -> dict[str, str] | None:
    if job.failure is None:
        return None
    if job.failure.cause is Cause.FILTERED:
        return {"code": "moderation_blocked", "message": _MODERATED}
    return {"code": "server_error", "message": job.failure.message}
