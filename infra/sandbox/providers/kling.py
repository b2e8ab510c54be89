"""Kling's own API, `https://api-singapore.klingai.com`.

The kind of call is in the path, of a question too; what the codes mean is general knowledge, not verified.
"""

from __future__ import annotations

import uuid
from typing import Annotated, Any, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.sandbox.jobs import Cause, Job, State
from infra.sandbox.providers.base import json_object
from infra.sandbox.providers.fal_apps.base import App, Share, Url, one_of
from infra.sandbox.providers.fal_apps.videos import VideoApp, counted
from infra.sandbox.providers.tasks import Ordered, TaskProvider, is_authorized
from infra.sandbox.sources import Found, Source
from infra.sandbox.state import Sandbox

_TROUBLES = {
    "refuse": (429, 1102, "Account balance not enough"),
    "rate_limit": (429, 1302, "The API request is too fast, exceeding the platform rate limit"),
    "server_error": (500, 5000, "Server internal error"),
}
_CODES = {401: (401, 1001), 404: (404, 1203), 422: (400, 1201)}
_STATUSES = {State.QUEUED: "submitted", State.RUNNING: "processing"}
RISK_CONTROL = "Failure to pass the risk control system"
UNITS_A_SECOND = {("std", False): 0.6, ("std", True): 0.8, ("pro", False): 0.8, ("pro", True): 1.2}
"""Of version 3, at $0.14 a unit; the others are charged alike here."""


class Text(VideoApp):
    """`text2video`, one shot, without elements and voices."""

    model_name: Annotated[str, one_of("kling-v2-6 kling-v3")]
    prompt: Annotated[str, Field(min_length=1, max_length=2500)]
    negative_prompt: Annotated[str, Field(max_length=2500)] = ""
    mode: Literal["std", "pro"] = "std"
    sound: Literal["on", "off"] = "off"
    duration: Annotated[str, one_of(counted(3, 15))] = "5"
    aspect_ratio: Annotated[str, one_of("16:9 9:16 1:1")] = "16:9"
    cfg_scale: Share = 0.5
    multi_shot: Literal[False] = False

    @property
    def resolution(self) -> str:
        """720p, or 1080p in `pro`."""
        return "1080p" if self.mode == "pro" else "720p"

    @property
    def generate_audio(self) -> bool:
        """Whether there is an audio track."""
        return self.sound == "on"


class Image(Text):
    """`image2video`: the first picture's shape."""

    picture_fields = ("image", "image_tail")
    first_field = "image"
    last_field = "image_tail"
    model_name: Annotated[str, one_of("kling-v2-5-turbo kling-v2-6 kling-v3")]
    image: Url
    image_tail: Url | None = None
    aspect_ratio: None = None  # type: ignore[assignment]


class Motion(VideoApp):
    """`motion-control`: the picture moves as the reference video does, as long as that is."""

    picture_fields = ("image_url",)
    first_field = "image_url"
    prompt: Annotated[str, Field(max_length=2500)] = ""
    image_url: Url
    video_url: Url
    mode: Literal["std", "pro"]
    character_orientation: Literal["image", "video"]
    keep_original_sound: Literal["yes", "no"] = "yes"

    @property
    def resolution(self) -> str:
        """720p, or 1080p in `pro`."""
        return "1080p" if self.mode == "pro" else "720p"

    def sources(self) -> list[Source]:
        """The picture, and the video whose length counts."""
        return [*super().sources(), Source("video_url", self.video_url, is_picture=False, is_clip=True)]

    def length(self, found: Found) -> float:
        """The reference video's seconds."""
        return found.clips[0].seconds

    def is_loud(self, found: Found) -> bool:
        """Whether there is a sound to keep."""
        return self.keep_original_sound == "yes" and found.clips[0].has_sound


MODELS: dict[str, type[App]] = {
    "videos/text2video": Text,
    "videos/image2video": Image,
    "videos/motion-control": Motion,
}


class Kling(TaskProvider):
    """Create and ask; a callback is not signed."""

    name = "kling"
    queue_calls_from = "/v1/videos/"
    models = MODELS

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self._own_ids: dict[str, str] = {}
        """The ids of tasks by those that their customers gave them."""

    def routes(self) -> list[Route]:
        """Kling's paths."""
        return [
            Route("/v1/videos/text2video", self.tasks, methods=["GET"]),
            Route("/v1/{kind:path}/{task_id}", self.get, methods=["GET"]),
            Route("/v1/{kind:path}", self.create, methods=["POST"]),
        ]

    async def tasks(self, request: Request) -> Response:
        """The list of tasks, of which this shows none."""
        return JSONResponse(_said(0, "SUCCEED", [])) if is_authorized(request) else self.problem(401, "")

    async def begin(self, request: Request) -> tuple[Job, Any] | Response:
        """Accepts a task, whose id at the customer's, if it has one, must be new."""
        own_id = (await json_object(request) or {}).get("external_task_id")
        if own_id in self._own_ids:
            return self.problem(422, f"external_task_id {own_id} is not unique")
        begun = await super().begin(request)
        if own_id and not isinstance(begun, Response):
            self._own_ids[own_id] = begun[0].id
        return begun

    def task_id(self, request: Request) -> str:
        """The task that is asked about, by either of its ids."""
        named = super().task_id(request)
        return self._own_ids.get(named, named)

    async def get(self, request: Request) -> Response:
        """A task, by its id under the kind of call that made it."""
        job = self.sandbox.jobs.get(self.name, self.task_id(request))
        if job is not None and job.app != request.path_params["kind"]:
            return self.problem(404, "The task is not known.")
        return await super().get(request)

    def trouble(self, fault: str) -> Response:
        """What refuses is the balance, with 429."""
        status, code, message = _TROUBLES[fault]
        return JSONResponse(_said(code, message), status)

    def problem(self, status: int, message: str) -> Response:
        """A code of Kling's own beside the status."""
        http_status, code = _CODES[status]
        return JSONResponse(_said(code, message), http_status)

    def ordered(self, request: Request, body: dict[str, Any]) -> Ordered:
        """The kind of call is the path, all the rest the body."""
        return Ordered(request.path_params["kind"], body, body.get("callback_url"))

    def answered(self, job: Job) -> dict[str, Any]:
        """The task in its envelope."""
        return _said(0, "SUCCEED", self.shown(job))

    def shown(self, job: Job, urls: list[str] | None = None) -> dict[str, Any]:
        """The task."""
        inputs = self.inputs[job.id]
        failure = job.failure if urls is None else None
        status = _STATUSES.get(job.state, "failed" if failure else "succeed") if urls is None else "succeed"
        shown: dict[str, Any] = {
            "task_id": job.id,
            "task_status": status,
            "task_info": {"external_task_id": inputs.get("external_task_id")},
            "created_at": round(job.accepted_at * 1000),
            "updated_at": round((job.finished_at or job.accepted_at) * 1000),
        }
        if failure is not None:
            shown["task_status_msg"] = RISK_CONTROL if failure.cause is Cause.FILTERED else failure.message
        if status == "succeed":
            made = job.output if urls is None else urls
            seconds = str(inputs.get("duration", "5"))
            units = UNITS_A_SECOND[inputs.get("mode", "std"), inputs.get("sound") == "on"] * float(seconds)
            shown["task_status_msg"] = ""
            shown["final_unit_deduction"] = f"{units:g}"
            videos = [{"id": str(uuid.uuid4()), "url": url, "duration": seconds} for url in made]
            shown["task_result"] = {"videos": videos}
        return shown

    def signature(self, _job: Job, _body: bytes, _key: str) -> dict[str, str]:
        """None: whoever knows the address is believed."""
        return {}


def _said(code: int, message: str, data: Any = None) -> dict[str, Any]:
    said = {"code": code, "message": message, "request_id": str(uuid.uuid4())}
    return said if data is None else {**said, "data": data}
