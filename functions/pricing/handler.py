"""GET /v1/models, GET /v1/pricing and POST /v1/estimate: what there is, and what it would cost."""

from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from gateway import api, catalog_views, ledger, submission
from gateway.api.questions import CatalogFilters, Estimate
from gateway.errors import BadRequest, InvalidField, ModelRetired, NotFound, Unauthorized, UnknownModel

app = api.resolver()
handler = api.serve(app)
Filters = Annotated[CatalogFilters, Query()]


@app.get("/v1/models", summary="List models", tags=["catalog"], responses=api.errors(InvalidField), compress=True)
def list_models(filters: Filters) -> Response[str]:
    """Every model with its inputs, limits and prices."""
    return api.answer(catalog_views.models(filters.given()))


# Powertools' `<name>` stops at a slash; ids contain slashes, and API Gateway's greedy parameter keeps them.
@app.get("/v1/models/.+", summary="One model", tags=["catalog"], responses=api.errors(NotFound))
def get_model() -> Response[str]:
    """One model; ids contain slashes as they are."""
    return api.answer(catalog_views.model(app.current_event.raw_event["pathParameters"]["model_id"]))


@app.get("/v1/pricing", summary="Every price", tags=["catalog"], responses=api.errors(InvalidField), compress=True)
def get_pricing(filters: Filters) -> Response[str]:
    """Every model's rate table, in US dollars and credits."""
    return api.answer(catalog_views.prices(filters.given()))


@app.post(
    "/v1/estimate",
    summary="Price a request without running it",
    tags=["generate"],
    responses=api.errors(UnknownModel, BadRequest, Unauthorized, ModelRetired, InvalidField),
)
def estimate(request: Estimate) -> Response[str]:
    """What a request would cost and how long it would take. Starts nothing and holds nothing.

    Of the source media only those are looked at that the price depends on (reference video)."""
    principal = api.principal(app, "read")
    priced = submission.estimate(request.order(), ledger.project_of(principal.project_id))
    view = catalog_views.estimate_view(priced.model, priced.quote, priced.maximum_micros, priced.warnings)
    return api.answer(view)
