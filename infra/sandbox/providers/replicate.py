"""Replicate's predictions, `https://api.replicate.com` (https://replicate.com/docs/reference/http)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.sandbox import webhooks
from infra.sandbox.calls import call_of
from infra.sandbox.jobs import QUEUE_SHARE, Cause, Job, State
from infra.sandbox.providers.base import Provider, json_object, prompt_in
from infra.sandbox.providers.replicate_models import MODELS, VERSIONS, Model
from infra.sandbox.state import Sandbox

DATA_KEPT_SECONDS = 3600
# Derived from a constant: a receiver keeps it, and a restarted sandbox must match.
_SECRET = hashlib.sha256(b"museway sandbox: replicate webhooks").digest()
_UNKNOWN_SECRET = hashlib.sha256(b"museway sandbox: forger").digest()
_TROUBLES = {
    "refuse": (402, "Insufficient credit", "You have insufficient credit to run this model."),
    "rate_limit": (429, "Too many requests", "Request was throttled. Your rate limit resets in ~1s."),
    "server_error": (500, "Internal server error", "Something went wrong on our side."),
}
_STATUSES = {State.QUEUED: "starting", State.RUNNING: "processing"}


class Creation(BaseModel):
    """The body of a creation, but for the model's own input."""

    model_config = ConfigDict(extra="ignore")
    input: dict[str, Any]
    version: str | None = None
    webhook: Annotated[str, Field(pattern=r"^https?://")] | None = None
    webhook_events_filter: list[Literal["start", "output", "logs", "completed"]] | None = None


class Replicate(Provider):
    """Create, get, cancel, and signed webhooks; of their events `completed` alone is sent."""

    name = "replicate"
    queue_calls_from = "/predictions/"

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self._webhooks = Webhooks(sandbox.faults)
        self._inputs: dict[str, dict[str, Any]] = {}

    def routes(self) -> list[Route]:
        """Replicate's paths."""
        return [
            Route("/v1/models/{owner}/{name}/predictions", self.create, methods=["POST"]),
            Route("/v1/predictions", self.create, methods=["POST"]),
            Route("/v1/predictions/{prediction_id}", self.get, methods=["GET"]),
            Route("/v1/predictions/{prediction_id}/cancel", self.cancel, methods=["POST"]),
            Route("/v1/account", self.account, methods=["GET"]),
            Route("/v1/webhooks/default/secret", self.secret, methods=["GET"]),
        ]

    async def close(self) -> None:
        """Closes the webhooks' connections."""
        await self._webhooks.close()

    def trouble(self, fault: str) -> Response:
        """A problem of RFC 7807; what refuses is the credit, 402."""
        status, title, detail = _TROUBLES[fault]
        return _problem(status, title, detail, headers={"Retry-After": "1"} if status == 429 else {})

    async def create(self, request: Request) -> Response:
        """Starts a prediction: of an official model by its name, of any by its version."""
        if (denied := _unauthorized(request)) is not None:
            return denied
        body = await json_object(request) or {}
        given = body.get("input")
        call = call_of(request)
        call.prompt = prompt_in(given if isinstance(given, dict) else {})
        fault = self.submission_fault(f"{call.prompt}\n{call.path}")
        if (refused := self.refusal(fault)) is not None:
            return refused
        try:
            creation = Creation.model_validate(body)
            name = _model_called(request, creation)
            if name is None:
                return _not_found()
            inputs = MODELS[name].model_validate(creation.input)
        except ValidationError as error:
            return _invalid(error)
        job = self._start(request, name, creation, inputs)
        call.accept(request_id=job.id)
        return self.spoiled(fault, JSONResponse(self._shown(job), 201))

    async def get(self, request: Request) -> Response:
        """A prediction as it stands."""
        job = self._job(request)
        return job if isinstance(job, Response) else await self.queue_call(request, JSONResponse(self._shown(job)))

    async def cancel(self, request: Request) -> Response:
        """Ends a prediction, which the sandbox does at once; one that has ended stays as it is."""
        job = self._job(request)
        if isinstance(job, Response):
            return job
        self.sandbox.jobs.cancel(job)
        return await self.queue_call(request, JSONResponse(self._shown(job)))

    async def account(self, request: Request) -> Response:
        """Whose the key is."""
        account = {"type": "organization", "username": "sandbox", "name": "Sandbox", "github_url": None}
        return _unauthorized(request) or JSONResponse(account)

    async def secret(self, request: Request) -> Response:
        """The key that verifies the true webhooks."""
        key = "whsec_" + base64.b64encode(_SECRET).decode()
        return _unauthorized(request) or JSONResponse({"key": key})

    def _start(self, request: Request, name: str, creation: Creation, inputs: Model) -> Job:
        async def work(job: Job) -> list[str]:
            if job.wants_empty_output:
                return []
            found = await self.sandbox.sources.fetch(inputs.sources())
            made = [await self.sandbox.studio.render(order) for order in inputs.orders(found)]
            return [self.sandbox.files.put(media, self.name, job.text).url for media in made]

        async def announce(job: Job) -> None:
            if "completed" in (creation.webhook_events_filter or ["completed"]):
                await self._webhooks.send(job, self._shown(job))

        job = self.sandbox.jobs.start(
            provider=self.name,
            app=name,
            path=request.url.path,
            prompt=inputs.prompt,
            webhook_url=creation.webhook,
            work=work,
            announce=announce,
        )
        self._inputs[job.id] = creation.input
        return job

    def _job(self, request: Request) -> Job | Response:
        """The job of the path, or the answer 401 or 404."""
        if (denied := _unauthorized(request)) is not None:
            return denied
        job = self.sandbox.jobs.get(self.name, request.path_params["prediction_id"])
        if job is None:
            return _not_found()
        call_of(request).request_id = job.id
        return job

    def _shown(self, job: Job) -> dict[str, Any]:
        """The prediction, without its data when it ended more than an hour ago."""
        url = f"{self.sandbox.base_url}/{self.name}/v1/predictions/{job.id}"
        removed = job.finished_at is not None and time.time() - job.finished_at > DATA_KEPT_SECONDS
        # It began to run when it had waited its share.
        started_at = None if job.state is State.QUEUED else job.accepted_at + job.seconds * QUEUE_SHARE
        return {
            "id": job.id,
            "model": job.app,
            "version": VERSIONS.get(job.app, "hidden"),
            "input": {} if removed else self._inputs[job.id],
            "output": None if removed else _output(job),
            "logs": "" if removed else _logs(job),
            "error": _error(job),
            "status": _status(job),
            "created_at": _stamp(job.accepted_at),
            "started_at": _stamp(started_at),
            "completed_at": _stamp(job.finished_at),
            "deadline": None,
            "data_removed": removed,
            "metrics": _metrics(job, started_at),
            "urls": {"get": url, "cancel": f"{url}/cancel", "web": f"https://replicate.com/p/{job.id}"},
        }


class Webhooks(webhooks.Webhooks):
    """Signed as https://replicate.com/docs/topics/webhooks/verify-webhook has it; a forger does not know the key."""

    def headers(self, job: Job, body: bytes, *, forged: bool) -> dict[str, str]:
        """The three headers of Standard Webhooks."""
        message_id, timestamp = f"msg_{job.id}", str(int(time.time()))
        message = f"{message_id}.{timestamp}.".encode() + body
        digest = hmac.new(_UNKNOWN_SECRET if forged else _SECRET, message, hashlib.sha256).digest()
        signature = "v1," + base64.b64encode(digest).decode()
        return {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": signature}

    def invented(self, job: Job) -> dict[str, Any]:
        """A prediction with an output."""
        return {"id": job.id, "status": "succeeded", "output": "https://forged.invalid/output.png", "error": None}


def _model_called(request: Request, creation: Creation) -> str | None:
    """The name of the model that a creation is for; None when there is no such model or version."""
    if "owner" in request.path_params:
        name = f"{request.path_params['owner']}/{request.path_params['name']}"
        return name if name in MODELS and MODELS[name].official else None
    name, _, version = (creation.version or "").partition(":")
    if name in MODELS:
        known = VERSIONS.get(name)
        return name if version == (known or "") else None
    return next((model for model, known in VERSIONS.items() if known == name), None)


def _output(job: Job) -> Any:
    if job.output is None:
        return None
    if MODELS[job.app].gives_list:
        return job.output
    return next(iter(job.output), None)


def _status(job: Job) -> str:
    if job.state is not State.FINISHED:
        return _STATUSES[job.state]
    if job.failure is None:
        return "succeeded"
    return "canceled" if job.failure.cause is Cause.CANCELLED else "failed"


def _error(job: Job) -> str | None:
    """A text is all there is to tell failures apart."""
    failure = job.failure
    if failure is None or failure.cause is Cause.CANCELLED:
        return None
    match failure.cause:
        case Cause.FILTERED:
            return MODELS[job.app].filtered
        case Cause.UNREACHABLE_SOURCE | Cause.UNREADABLE_SOURCE:
            return f"Input validation error: {failure.field}: {failure.message}"
    return failure.message


def _logs(job: Job) -> str:
    if job.state is State.QUEUED:
        return ""
    done = 50 if job.state is State.FINISHED and job.failure is None else 25
    return f"Using seed: 7\n {done * 2}%|{'#' * (done // 5)} | {done}/50 [00:01<00:01, 25.0it/s]\n"


def _metrics(job: Job, started_at: float | None) -> dict[str, float]:
    if job.finished_at is None or started_at is None:
        return {}
    running = max(job.finished_at - started_at, 0)
    return {"predict_time": round(running, 9), "total_time": round(job.finished_at - job.accepted_at, 6)}


def _stamp(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


def _unauthorized(request: Request) -> Response | None:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() in ("bearer", "token") and key.strip():
        return None
    return _problem(401, "Unauthenticated", "You did not pass an authentication token")


def _not_found() -> Response:
    return _problem(404, "Not found", "The requested resource could not be found.")


def _invalid(error: ValidationError) -> Response:
    """Every field at fault, in a text and as a list."""
    fields = [
        {
            "type": item["type"],
            "field": ".".join(("input", *(str(part) for part in item["loc"]))),
            "description": item["msg"],
        }
        for item in error.errors(include_url=False, include_context=False)
    ]
    detail = "".join(f"- {one['field']}: {one['description']}\n" for one in fields)
    return _problem(422, "Input validation failed", detail, invalid_fields=fields)


def _problem(
    status: int, title: str, detail: str, *, headers: dict[str, str] | None = None, **more: Any
) -> JSONResponse:
    return JSONResponse({"title": title, "detail": detail, "status": status, **more}, status, headers=headers)
