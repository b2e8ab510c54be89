"""GET /v1/modes and POST /v1/route: which model would serve a request, and why."""

from aws_lambda_powertools.event_handler import Response

from gateway import api, catalog_views, errors, ledger, submission
from gateway.api.questions import Estimate

app = api.resolver()
handler = api.serve(app)
REFUSALS = api.errors(
    *(errors.UnknownModel, errors.BadRequest, errors.SourceRefused, errors.Unauthorized, errors.Forbidden),
    *(errors.ModelRetired, errors.InvalidField),
)


@app.get("/v1/modes", summary="List modes", tags=["catalog"])
def list_modes() -> Response[str]:
    """The modes and the capabilities that each requires."""
    return api.answer(catalog_views.modes())


@app.post("/v1/route", summary="Explain which model would serve a request", tags=["generate"], responses=REFUSALS)
def route(request: Estimate) -> Response[str]:
    """Every candidate for a request, best first, then those that were dropped, each with its reason. Starts nothing.

    Of the source media only those are looked at that a price depends on."""
    project = ledger.project_of(api.principal(app, "read").project_id)
    return api.answer(submission.choose(request.order(), project).view())
