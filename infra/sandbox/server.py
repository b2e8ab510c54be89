"""The sandbox as one ASGI app: providers under `/{provider}`, their files, rates, and controls under `/_control`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, Router

from infra.sandbox.buckets import PutObject, nowhere
from infra.sandbox.calls import Recorder
from infra.sandbox.control import Controls
from infra.sandbox.providers import PROVIDERS
from infra.sandbox.reference_rates import ROUTES as RATES
from infra.sandbox.state import Sandbox

JOB_SECONDS = 1.0


def create_app(base_url: str, *, job_seconds: float = JOB_SECONDS, put_object: PutObject = nowhere) -> Starlette:
    """The sandbox that clients reach at `base_url` (it is in every URL it gives out).

    Queue jobs take `job_seconds`, or as long as their rendering; `put_object` is the S3 of whoever wants outputs in a
    bucket. `app.state.sandbox` is the Sandbox. Nothing is started before the first call, so the app also works in
    process, as the transport of an HTTP client.
    """
    sandbox = Sandbox(base_url, job_seconds, put_object)
    providers = {name: provider(sandbox) for name, provider in PROVIDERS.items()}

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        for provider in providers.values():
            await provider.close()
        await sandbox.close()

    async def health(_request: Request) -> Response:
        return JSONResponse({"status": "ok", "providers": list(providers)})

    mounts = [
        Mount(f"/{name}", app=Recorder(Router(provider.routes(), redirect_slashes=False), name, sandbox.calls))
        for name, provider in providers.items()
    ]
    routes = [
        Route("/health", health, methods=["GET"]),
        Route("/files/{name}", sandbox.files.serve, methods=["GET"]),
        Mount("/ecb", routes=RATES),
        Mount("/_control", routes=Controls(sandbox).routes()),
        *mounts,
    ]
    app = Starlette(routes=routes, lifespan=lifespan)
    app.state.sandbox = sandbox
    return app
