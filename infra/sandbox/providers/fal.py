"""fal's queue, `https://queue.fal.run` (https://fal.ai/docs/api-reference/inference-api)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.sandbox.calls import call_of
from infra.sandbox.jobs import Cause, Job, JobError, State
from infra.sandbox.providers.base import Provider, json_object, prompt_in
from infra.sandbox.providers.fal_apps import APPS, App
from infra.sandbox.providers.fal_webhooks import Webhooks, jwks
from infra.sandbox.state import Sandbox

_TROUBLES = {
    "refuse": (
        403,
        "User is locked. Reason: Exhausted balance. Top up your balance at fal.ai/dashboard/billing.",
    ),
    "rate_limit": (429, "Too many requests. Please wait and try again."),
    "server_error": (500, "Internal Server Error"),
}
# The model's own refusals: the job is COMPLETED without an error, and its result is this 422.
_MODEL_ERROR_TYPES = {
    Cause.FILTERED: "content_policy_violation",
    Cause.UNREACHABLE_SOURCE: "file_download_error",
    Cause.UNREADABLE_SOURCE: "image_load_error",
}
# The queue's refusals: the status carries them as `error` and `error_type`.
_QUEUE_ERROR_TYPES = {Cause.FAILED: "runner_server_error", Cause.CANCELLED: "client_cancelled"}
_QUEUE_ERROR_STATUS = {Cause.FAILED: 500, Cause.CANCELLED: 499}


class Fal(Provider):
    """Submit, status, result, cancel and signed webhooks."""

    name = "fal"

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self._webhooks = Webhooks(sandbox.faults)

    def routes(self) -> list[Route]:
        """fal's paths; those of a job name the app without its sub-path."""
        job = "/{owner}/{app}/requests/{request_id}"
        return [
            Route("/.well-known/jwks.json", self.keys, methods=["GET"]),
            Route(f"{job}/status", self.status, methods=["GET"]),
            Route(f"{job}/cancel", self.cancel, methods=["PUT"]),
            Route(job, self.result, methods=["GET"]),
            Route("/{app:path}", self.submit, methods=["POST"]),
        ]

    async def close(self) -> None:
        """Closes the webhooks' connections."""
        await self._webhooks.close()

    def trouble(self, fault: str) -> Response:
        """`{"detail": "..."}`."""
        status, detail = _TROUBLES[fault]
        headers = {"Retry-After": "1"} if status == 429 else {}
        return JSONResponse({"detail": detail}, status, headers=headers)

    async def keys(self, _request: Request) -> Response:
        """The public keys of the webhooks, open to everybody."""
        return JSONResponse(jwks())

    async def submit(self, request: Request) -> Response:
        """Puts a job into the queue; 401, 404 and 422 come before it is accepted."""
        if (denied := _unauthorized(request)) is not None:
            return denied
        app = request.path_params["app"]
        body = await json_object(request)
        call = call_of(request)
        call.prompt = prompt_in(body or {})
        fault = self.submission_fault(f"{call.prompt}\n{call.path}")
        if (refused := self.refusal(fault)) is not None:
            return refused
        if app not in APPS:
            return _not_found(f'Application "{app}" not found')
        try:
            inputs = APPS[app].model_validate(body)
        except ValidationError as error:
            return JSONResponse({"detail": _details(error)}, 422)
        job = self._start(request, app, inputs)
        call.accept(request_id=job.id)
        accepted = {"status": "IN_QUEUE", "queue_position": 0, **self._addresses(job)}
        return self.spoiled(fault, JSONResponse(accepted, headers={"x-fal-request-id": job.id}))

    async def status(self, request: Request) -> Response:
        """202 while the job waits or runs, 200 when it is COMPLETED, well or not; logs with `?logs=1`."""
        job = self._job(request)
        if isinstance(job, Response):
            return job
        call_of(request).request_id = job.id
        answer: dict[str, Any] = {**self._addresses(job), "logs": None}
        if request.query_params.get("logs") in ("1", "true"):
            answer["logs"] = _logs(job)
        if job.state is State.QUEUED:
            answer.update(status="IN_QUEUE", queue_position=0)
        elif job.state is State.RUNNING:
            answer.update(status="IN_PROGRESS")
        else:
            answer.update(status="COMPLETED", metrics=_metrics(job), error=None, error_type=None)
            if job.failure is not None and job.failure.cause in _QUEUE_ERROR_TYPES:
                answer.update(error=job.failure.message, error_type=_QUEUE_ERROR_TYPES[job.failure.cause])
        finished = job.state is State.FINISHED
        return await self.queue_call(request, JSONResponse(answer, 200 if finished else 202))

    async def result(self, request: Request) -> Response:
        """The model's output, or the error it ended with; 400 before it has ended."""
        job = self._job(request)
        if isinstance(job, Response):
            return job
        call_of(request).request_id = job.id
        if job.state is not State.FINISHED:
            return await self.queue_call(request, JSONResponse({"detail": "Request is still in progress"}, 400))
        status, payload = _ending(job)
        headers = {"x-fal-request-id": job.id}
        if job.failure is not None and job.failure.cause in _QUEUE_ERROR_TYPES:
            headers["X-Fal-Error-Type"] = _QUEUE_ERROR_TYPES[job.failure.cause]
        return await self.queue_call(request, JSONResponse(payload, status, headers=headers))

    async def cancel(self, request: Request) -> Response:
        """Asks for a cancellation, which the sandbox carries out at once."""
        job = self._job(request, missing={"status": "NOT_FOUND"})
        if isinstance(job, Response):
            return job
        call_of(request).request_id = job.id
        if self.sandbox.jobs.cancel(job):
            return await self.queue_call(request, JSONResponse({"status": "CANCELLATION_REQUESTED"}, 202))
        return await self.queue_call(request, JSONResponse({"status": "ALREADY_COMPLETED"}, 400))

    def _start(self, request: Request, app: str, inputs: App) -> Job:
        async def work(job: Job) -> dict[str, Any]:
            if job.wants_empty_output:
                return inputs.output([])
            found = await self.sandbox.sources.fetch(inputs.sources())
            made = [await self.sandbox.studio.render(order) for order in inputs.orders(found)]
            return inputs.output([self.sandbox.files.put(media, self.name, job.text) for media in made])

        return self.sandbox.jobs.start(
            provider=self.name,
            app=app,
            path=request.url.path,
            prompt=prompt_in(inputs.model_dump()),
            webhook_url=request.query_params.get("fal_webhook"),
            work=work,
            announce=self._announce,
        )

    async def _announce(self, job: Job) -> None:
        status, payload = _ending(job)
        event: dict[str, Any] = {"request_id": job.id, "gateway_request_id": job.id, "payload": payload}
        event["status"] = "OK" if job.failure is None else "ERROR"
        if job.failure is not None:
            event["error"] = f"Invalid status code: {status}"
        await self._webhooks.send(job, event)

    def _job(self, request: Request, missing: dict[str, str] | None = None) -> Job | Response:
        """The job of the path, or the answer 401 or 404."""
        if (denied := _unauthorized(request)) is not None:
            return denied
        job = self.sandbox.jobs.get(self.name, request.path_params["request_id"])
        owner_and_app = [request.path_params["owner"], request.path_params["app"]]
        if job is None or job.app.split("/")[:2] != owner_and_app:
            return JSONResponse(missing, 404) if missing else _not_found("Request not found")
        return job

    def _addresses(self, job: Job) -> dict[str, str]:
        owner, app = job.app.split("/")[:2]
        url = f"{self.sandbox.base_url}/{self.name}/{owner}/{app}/requests/{job.id}"
        return {
            "request_id": job.id,
            "gateway_request_id": job.id,
            "response_url": url,
            "status_url": f"{url}/status",
            "cancel_url": f"{url}/cancel",
        }


def _unauthorized(request: Request) -> Response | None:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "key" and key.strip():
        return None
    detail = "Authentication is required to access this application. Send the header Authorization: Key $FAL_KEY."
    return JSONResponse({"detail": detail}, 401)


def _not_found(detail: str) -> Response:
    return JSONResponse({"detail": detail}, 404)


def _details(error: ValidationError) -> list[dict[str, Any]]:
    """pydantic's errors as FastAPI, and so fal, lists them."""
    return [
        {"loc": ["body", *item["loc"]], "msg": item["msg"], "type": item["type"], "input": item["input"]}
        for item in error.errors(include_url=False, include_context=False)
    ]


def _ending(job: Job) -> tuple[int, Any]:
    """Status and body of a finished job's result."""
    failure = job.failure
    if failure is None:
        return 200, job.output
    if failure.cause in _MODEL_ERROR_TYPES:
        return 422, {"detail": [_model_error(failure)]}
    return _QUEUE_ERROR_STATUS[failure.cause], {"detail": failure.message}


def _model_error(failure: JobError) -> dict[str, Any]:
    kind = _MODEL_ERROR_TYPES[failure.cause]
    return {
        "loc": ["body", failure.field],
        "msg": failure.message,
        "type": kind,
        "url": f"https://docs.fal.ai/errors#{kind}",
        "input": failure.value,
    }


def _logs(job: Job) -> list[dict[str, Any]]:
    if job.state is State.QUEUED:
        return []
    lines = ["Rendering the output."]
    if job.state is State.FINISHED:
        lines.append("Finished.")
    at = datetime.fromtimestamp(job.accepted_at, UTC).isoformat()
    return [{"message": line, "level": "INFO", "source": "STDOUT", "timestamp": at} for line in lines]


def _metrics(job: Job) -> dict[str, float]:
    finished_at = job.finished_at or job.accepted_at
    return {"inference_time": round(finished_at - job.accepted_at, 3)}
