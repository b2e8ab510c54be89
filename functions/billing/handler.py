"""GET /v1/balance, /v1/records, /v1/ledger and /v1/sessions/{id}/cost: where the money is and why."""

from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from gateway import api, reports
from gateway.errors import Forbidden, InvalidField, TooManyRecords, Unauthorized

app = api.resolver()
handler = api.serve(app)
Limit = Annotated[int, Query()]
Text = Annotated[str | None, Query()]
REFUSALS = api.errors(Unauthorized, Forbidden, InvalidField)
REFUSALS_TO_ADD_UP = api.errors(TooManyRecords, Unauthorized, Forbidden, InvalidField)


@app.get("/v1/balance", summary="The project's balance", tags=["billing"], responses=REFUSALS)
def get_balance() -> Response[str]:
    """What is available, held and spent, in micros and credits, and what is counted under spending limits."""
    return api.answer(reports.balance(api.principal(app, "billing:read")))


@app.get("/v1/records", summary="BillingRecords", tags=["billing"], responses=REFUSALS_TO_ADD_UP)
def list_records(
    limit: Limit = 100, cursor: Text = None, since: Text = None, until: Text = None, group_by: Text = None
) -> Response[str]:
    """The project's BillingRecords, newest first; `since` and `until` (exclusive) are ISO 8601 times.

    With `group_by` (model, key, session, workflow, day) what they come to by group, all in one page, and in all."""
    project_id = api.principal(app, "billing:read").project_id
    if group_by is not None:
        return api.answer(reports.grouped(project_id, group_by, since, until))
    return api.answer(reports.records(project_id, limit, cursor, since, until))


@app.get("/v1/ledger", summary="Ledger entries", tags=["billing"], responses=REFUSALS)
def list_entries(limit: Limit = 100, cursor: Text = None, since: Text = None, until: Text = None) -> Response[str]:
    """Every movement of the project's money, newest first."""
    project_id = api.principal(app, "billing:read").project_id
    return api.answer(reports.entries(project_id, limit, cursor, since, until))


# Ids may hold anything, slashes too: API Gateway's parameter takes the whole rest of the path, `/cost` with it.
@app.get("/v1/sessions/(?s:.+)/cost", summary="A session's cost", tags=["billing"], responses=REFUSALS_TO_ADD_UP)
def get_session_cost(limit: Limit = 100, cursor: Text = None, since: Text = None, until: Text = None) -> Response[str]:
    """Each call of a session and its sum, refunds taken off; encode what in the id is no letter or digit."""
    project_id = api.principal(app, "billing:read").project_id
    session_id = api.path_parameter(app, "session_id").removesuffix("/cost")
    return api.answer(reports.session_cost(project_id, session_id, limit, cursor, since, until))
