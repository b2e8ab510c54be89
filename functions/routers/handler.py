"""/v1/routers: what a project wants of the models that serve it, saved under names."""

from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from gateway import api, errors, ledger, routers
from gateway.api.routers import ChangeRouter, CreateRouter, DryRun

app = api.resolver()
handler = api.serve(app)
READING = api.errors(errors.Unauthorized, errors.Forbidden, errors.NotFound, errors.InvalidField)
REPEATED = (errors.RouterExists, errors.InvalidField, errors.IdempotencyKeyReused)
CHANGING = READING | api.errors(errors.BadRequest, errors.UnknownModel)
SAVING = CHANGING | api.errors(errors.BadRequest, errors.UnknownModel, errors.TooManyRouters, *REPEATED)


@app.post("/v1/routers", summary="Save a router", tags=["routers"], responses=SAVING)
def create_router(request: CreateRouter) -> Response[str]:
    """Save what is wanted of a model under a name; a request may then name `router/NAME` as its model."""
    project_id, key = api.principal(app, "settings:write").project_id, api.idempotency_key(app)
    router, replayed = routers.create(project_id, request.name, request.saved(), key)
    return api.answer(router, 201, api.REPLAYED if replayed else {})


@app.get("/v1/routers", summary="List routers", tags=["routers"], responses=READING)
def list_routers() -> Response[str]:
    """The project's routers, by name."""
    return api.answer(routers.listed(api.principal(app, "read").project_id))


@app.get("/v1/routers/<name>", summary="One router", tags=["routers"], responses=READING)
def get_router(name: str, version: Annotated[int | None, Query()] = None) -> Response[str]:
    """A router as it is, or what it said in a `version`, which is kept when the router is deleted."""
    return api.answer(routers.detail(api.principal(app, "read").project_id, name, version))


@app.put("/v1/routers/<name>", summary="Change a router", tags=["routers"], responses=CHANGING)
def change_router(name: str, request: ChangeRouter) -> Response[str]:
    """Replace what a router says, as its next version; the versions before are kept."""
    return api.answer(routers.change(api.principal(app, "settings:write").project_id, name, request.saved()))


@app.delete("/v1/routers/<name>", summary="Delete a router", tags=["routers"], responses=READING)
def delete_router(name: str) -> Response[str]:
    """Take a router away; generations go on naming the version that chose for them."""
    return api.answer(routers.delete(api.principal(app, "settings:write").project_id, name))


@app.post("/v1/routers/<name>/dry-run", summary="Try a router on past requests", tags=["routers"], responses=READING)
def dry_run(name: str, request: DryRun) -> Response[str]:
    """What a router would have made of the project's last requests, in model and in price. Starts nothing.

    Requests are not kept: each is put together from what its price was made of, at the prices of today."""
    from gateway.submission import rehearsing  # few containers ever serve one

    project = ledger.project_of(api.principal(app, "read").project_id)
    router = routers.version_of(project.project_id, name, request.version)
    return api.answer(rehearsing.rehearse(project, router, request.limit))
