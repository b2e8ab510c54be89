"""The sandbox's own controls under `/_control`: faults, the record of calls, jobs and their speed."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.sandbox.faults import ANY_PROVIDER, MOMENTS, NONE, Fault
from infra.sandbox.providers import PROVIDERS
from infra.sandbox.providers.base import json_object
from infra.sandbox.state import Sandbox


class FaultOrder(BaseModel):
    """The body of `POST /_control/faults`; `seconds` overrides how long slow or unanswered calls take."""

    model_config = ConfigDict(extra="forbid")
    fault: str
    provider: str = ANY_PROVIDER
    times: Annotated[int, Field(ge=0)] | None = 1
    match: str | None = None
    seconds: Annotated[float, Field(ge=0)] | None = None


class SpeedOrder(BaseModel):
    """The body of `POST /_control/speed`."""

    model_config = ConfigDict(extra="forbid")
    seconds: Annotated[float, Field(ge=0)]


class Controls:
    """The control routes of one sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def routes(self) -> list[Route]:
        """Everything under `/_control`."""
        return [
            Route("/faults", self.arm, methods=["POST"]),
            Route("/faults", self.armed, methods=["GET"]),
            Route("/calls", self.calls, methods=["GET"]),
            Route("/calls", self.reset, methods=["DELETE"]),
            Route("/reset", self.reset, methods=["POST"]),
            Route("/jobs", self.jobs, methods=["GET"]),
            Route("/speed", self.speed, methods=["POST"]),
        ]

    async def arm(self, request: Request) -> Response:
        """Arms a fault, or clears with `none`; answers what is armed. 400 for an unknown name."""
        try:
            order = FaultOrder.model_validate(await json_object(request))
        except ValidationError as error:
            return _invalid(error)
        if order.fault != NONE and order.fault not in MOMENTS:
            return _unknown("fault", order.fault, [*MOMENTS, NONE])
        if order.provider != ANY_PROVIDER and order.provider not in PROVIDERS:
            return _unknown("provider", order.provider, [*PROVIDERS, ANY_PROVIDER])
        if order.fault == NONE:
            self._sandbox.faults.clear(order.provider)
        else:
            # 0 and null both mean until cleared.
            times = order.times or None
            self._sandbox.faults.arm(Fault(order.provider, order.fault, times, order.match or "", order.seconds))
        return await self.armed(request)

    async def armed(self, _request: Request) -> Response:
        """What is armed, in the order it was."""
        return JSONResponse({"faults": [fault.as_json() for fault in self._sandbox.faults.armed()]})

    async def calls(self, _request: Request) -> Response:
        """Every provider call since the last reset."""
        return JSONResponse({"calls": self._sandbox.calls.as_json()})

    async def reset(self, _request: Request) -> Response:
        """Forgets calls and faults; jobs and their speed stay."""
        self._sandbox.reset()
        return JSONResponse({"calls": [], "faults": []})

    async def jobs(self, _request: Request) -> Response:
        """Every queue job with its state and the webhooks sent for it."""
        return JSONResponse({"jobs": [job.as_json() for job in self._sandbox.jobs.all()]})

    async def speed(self, request: Request) -> Response:
        """Sets how many seconds the next queue jobs take."""
        try:
            order = SpeedOrder.model_validate(await json_object(request))
        except ValidationError as error:
            return _invalid(error)
        self._sandbox.jobs.job_seconds = order.seconds
        return JSONResponse({"seconds": order.seconds})


def _invalid(error: ValidationError) -> Response:
    first = error.errors(include_url=False, include_context=False)[0]
    field = ".".join(str(part) for part in first["loc"]) or "body"
    return _refused("invalid_request", f"{field}: {first['msg']}.", field=field)


def _unknown(field: str, value: str, allowed: list[str]) -> Response:
    return _refused(f"unknown_{field}", f"There is no {field} {value!r}.", field=field, allowed=allowed)


def _refused(code: str, message: str, **more: Any) -> Response:
    return JSONResponse({"error": code, "message": message, **more}, 400)
