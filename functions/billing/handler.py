"""GET /v1/balance, /v1/records and /v1/ledger: where the money is and why."""

from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from gateway import api, views
from gateway.errors import Forbidden, InvalidField, Unauthorized

app = api.resolver()
handler = api.serve(app)
Limit = Annotated[int, Query()]
Text = Annotated[str | None, Query()]
REFUSALS = api.errors(Unauthorized, Forbidden, InvalidField)


@app.get("/v1/balance", summary="The project's balance", tags=["billing"], responses=REFUSALS)
def get_balance() -> Response[str]:
    """What is available, held and spent, in micros and credits, and what is counted under spending limits."""
    return api.answer(views.balance(api.principal(app, "billing:read")))


@app.get("/v1/records", summary="BillingRecords", tags=["billing"], responses=REFUSALS)
def list_records(limit: Limit = 100, cursor: Text = None, since: Text = None, until: Text = None) -> Response[str]:
    """The project's BillingRecords, newest first; `since` and `until` are UTC timestamps."""
    project_id = api.principal(app, "billing:read").project_id
    return api.answer(views.records(project_id, limit, cursor, since, until))


@app.get("/v1/ledger", summary="Ledger entries", tags=["billing"], responses=REFUSALS)
def list_entries(limit: Limit = 100, cursor: Text = None, since: Text = None, until: Text = None) -> Response[str]:
    """Every movement of the project's money, newest first."""
    project_id = api.principal(app, "billing:read").project_id
    return api.answer(views.entries(project_id, limit, cursor, since, until))
