"""Bedrock's jobs, `/async-invoke`: asked about by their ARN, delivered into the bucket that they name.

Fields, errors and the idempotency of a token: botocore's model. The place of the output: AWS's samples of Nova Reel,
https://github.com/awsdocs/aws-doc-sdk-examples. A job cannot be cancelled, and calls nobody.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.sandbox.calls import call_of
from infra.sandbox.jobs import Job, State
from infra.sandbox.providers.base import Provider, json_object, prompt_in
from infra.sandbox.providers.bedrock_errors import invalid, unauthorized, wrong
from infra.sandbox.providers.fal_apps.base import one_of
from infra.sandbox.providers.fal_apps.videos import VideoApp

ARN = "arn:aws:bedrock:us-west-2:000000000000:async-invoke/{}"
MODEL_ARN = "arn:aws:bedrock:us-west-2::foundation-model/{}"
S3_URI = r"^s3://[a-z0-9][\.\-a-z0-9]{1,61}[a-z0-9](/.*)?$"
CONFLICT = "The client request token was used with other parameters."


class Ray2(VideoApp):
    """Luma's Ray 2: words to a silent video."""

    model_config = ConfigDict(extra="forbid")
    prompt: Annotated[str, Field(min_length=1, max_length=5000)]
    aspect_ratio: Annotated[str, one_of("1:1 16:9 9:16 4:3 3:4 21:9 9:21")] = "16:9"
    duration: Literal["5s", "9s"] = "5s"
    resolution: Annotated[str, one_of("540p 720p")] = "720p"
    loop: bool = False


MODELS: dict[str, type[VideoApp]] = {"luma.ray-v2:0": Ray2}


class _Place(BaseModel):
    uri: Annotated[str, Field(alias="s3Uri", pattern=S3_URI)]


class _Destination(BaseModel):
    place: Annotated[_Place, Field(alias="s3OutputDataConfig")]


class StartRequest(BaseModel):
    """The body of a start."""

    token: Annotated[str, Field(alias="clientRequestToken", pattern=r"^[!-~]{1,256}$")] = ""
    model: Annotated[str, Field(alias="modelId")]
    inputs: Annotated[dict[str, Any], Field(alias="modelInput")]
    destination: Annotated[_Destination, Field(alias="outputDataConfig")]


@dataclass(frozen=True)
class _Begun:
    """A job, and what began it."""

    job: Job
    wanted: StartRequest

    @property
    def arn(self) -> str:
        return ARN.format(_name(self.job))

    @property
    def shown(self) -> dict[str, Any]:
        """The job as it stands."""
        job, ended_at = self.job, self.job.finished_at
        shown: dict[str, Any] = {
            "invocationArn": self.arn,
            "modelArn": MODEL_ARN.format(self.wanted.model),
            "status": "InProgress",
            "submitTime": _timestamp(job.accepted_at),
            "lastModifiedTime": _timestamp(ended_at or job.accepted_at),
            "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": _folder(job, self.wanted)}},
        }
        if self.wanted.token:
            shown["clientRequestToken"] = self.wanted.token
        if job.state is State.FINISHED and ended_at is not None:
            shown |= {"status": "Failed" if job.failure else "Completed", "endTime": _timestamp(ended_at)}
        return shown | ({"failureMessage": job.failure.message} if job.failure else {})


class Invocations:
    """Start and get."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._sandbox = provider.sandbox
        self._begun: dict[str, _Begun] = {}
        self._by_token: dict[str, _Begun] = {}

    def routes(self) -> list[Route]:
        """Their paths."""
        return [
            Route("/async-invoke", self.start, methods=["POST"]),
            Route("/async-invoke/{arn:path}", self.get, methods=["GET"]),
        ]

    async def start(self, request: Request) -> Response:
        """Starts a job; under a token that is known, none: the answer is that token's job."""
        if (denied := unauthorized(request)) is not None:
            return denied
        body = await json_object(request) or {}
        call = call_of(request)
        call.prompt = prompt_in(given) if isinstance(given := body.get("modelInput"), dict) else ""
        fault = self._provider.submission_fault(f"{call.prompt}\n{call.path}")
        if (refused := self._provider.refusal(fault)) is not None:
            return refused
        try:
            wanted = StartRequest.model_validate(body)
            if wanted.model not in MODELS:
                return wrong(400, "ValidationException", "The provided model identifier is invalid.")
            inputs = MODELS[wanted.model].model_validate(wanted.inputs)
        except ValidationError as error:
            return invalid(error)
        begun = self._by_token.get(wanted.token)
        if begun is None:
            begun = self._start(request, wanted, inputs)
            call.accept(request_id=begun.arn)
        elif begun.wanted != wanted:
            return wrong(400, "ConflictException", CONFLICT)
        return self._provider.spoiled(fault, JSONResponse({"invocationArn": begun.arn}))

    async def get(self, request: Request) -> Response:
        """A job as it stands."""
        if (denied := unauthorized(request)) is not None:
            return denied
        begun = self._begun.get(request.path_params["arn"])
        if begun is None:
            return wrong(400, "ValidationException", "The provided ARN is invalid.")
        call_of(request).request_id = begun.arn
        return await self._provider.queue_call(request, JSONResponse(begun.shown))

    def _start(self, request: Request, wanted: StartRequest, inputs: VideoApp) -> _Begun:
        async def work(job: Job) -> None:
            if not job.wants_empty_output:
                await self._write(job, wanted, inputs)

        async def announce(_job: Job) -> None:
            return

        job = self._sandbox.jobs.start(
            provider=self._provider.name,
            app=wanted.model,
            path=request.url.path,
            prompt=inputs.words(),
            webhook_url=None,
            work=work,
            announce=announce,
        )
        begun = self._begun[ARN.format(_name(job))] = _Begun(job, wanted)
        if wanted.token:
            self._by_token[wanted.token] = begun
        return begun

    async def _write(self, job: Job, wanted: StartRequest, inputs: VideoApp) -> None:
        """Put the video where the job says, as the output faults leave it."""
        [order] = inputs.orders(await self._sandbox.sources.fetch(inputs.sources()))
        media = await self._sandbox.studio.render(order)
        flaw = self._provider.output_flaw(job.text)
        if flaw == "expired_output_url":
            return
        content = media.content[: len(media.content) // 2] if flaw == "truncated_output" else media.content
        media_type = "text/html" if flaw == "wrong_content_type" else media.media_type
        bucket, _, folder = _folder(job, wanted).removeprefix("s3://").partition("/")
        await asyncio.to_thread(self._sandbox.put_object, bucket, f"{folder}/output.mp4", content, media_type)


def _name(job: Job) -> str:
    """A job's name at Bedrock, 12 letters and digits."""
    return job.id.replace("-", "")[:12]


def _folder(job: Job, wanted: StartRequest) -> str:
    """Where its output lies: a folder of its own, below what was asked for."""
    return f"{wanted.destination.place.uri.rstrip('/')}/{_name(job)}"


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
