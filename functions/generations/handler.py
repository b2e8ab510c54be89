"""GET /v1/generations and /v1/generations/{id}: what became of them."""

from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from gateway import api, views
from gateway.errors import InvalidField, NotFound, Unauthorized

app = api.resolver()
handler = api.serve(app)


@app.get(
    "/v1/generations",
    summary="List generations",
    tags=["generate"],
    responses=api.errors(Unauthorized, InvalidField),
)
def list_generations(
    limit: Annotated[int, Query()] = 20, cursor: Annotated[str | None, Query()] = None
) -> Response[str]:
    """The project's generations, newest first."""
    return api.answer(views.generations(api.principal(app, "read").project_id, limit, cursor))


@app.get(
    "/v1/generations/<generation_id>",
    summary="Status of a generation",
    tags=["generate"],
    responses=api.errors(Unauthorized, NotFound, InvalidField),
)
def get_generation(generation_id: str, wait: Annotated[float, Query()] = 0) -> Response[str]:
    """A generation's state; `wait` (0 to 25 seconds) holds the answer until the state is final."""
    return api.answer(views.generation(api.principal(app, "read").project_id, generation_id, wait))
