"""POST /v1/generations/{id}/cancel: a function of its own, since it may move money and speak to providers."""

from aws_lambda_powertools.event_handler import Response

from gateway import api, closing, views
from gateway.errors import AlreadyFinished, Forbidden, NotFound, Unauthorized, Unavailable

app = api.resolver()
handler = api.serve(app)


@app.post(
    "/v1/generations/<generation_id>/cancel",
    summary="Cancel a generation",
    tags=["generate"],
    responses=api.errors(Unauthorized, Forbidden, NotFound, AlreadyFinished, Unavailable),
)
def cancel(generation_id: str) -> Response[str]:
    """Stop a generation and release its hold; one whose outputs have been delivered is charged, and answers 409."""
    project_id = api.principal(app, "generate").project_id
    closing.cancel(project_id, generation_id)
    return api.answer(views.generation(project_id, generation_id))
