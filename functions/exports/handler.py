"""GET /v1/records/export and GET /v1/exports: records to take away, and the archive of days."""

from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from gateway import api, daily_exports, downloads
from gateway.errors import Forbidden, InvalidField, TooManyRecords, Unauthorized

app = api.resolver()
handler = api.serve(app)
Limit = Annotated[int, Query()]
Text = Annotated[str | None, Query()]
Format = Annotated[str, Query(alias="format", description="jsonl, csv or focus (FOCUS 1.4)")]


@app.get(
    "/v1/records/export",
    summary="Export BillingRecords",
    tags=["billing"],
    responses=api.errors(TooManyRecords, Unauthorized, Forbidden, InvalidField),
)
def export_records(format_name: Format = "jsonl", since: Text = None, until: Text = None) -> Response[Any]:
    """The lines themselves, oldest first, in the format's own content type; as JSON with a `url` when they are many."""
    project_id = api.principal(app, "billing:read").project_id
    found = downloads.records(project_id, format_name, since, until)
    if found.content is None:
        return api.answer(found.stored or {})
    return api.file(found.content, found.media_type, found.filename)


@app.get(
    "/v1/exports",
    summary="Daily exports",
    tags=["billing"],
    responses=api.errors(Unauthorized, Forbidden, InvalidField),
)
def list_days(limit: Limit = 31, cursor: Text = None, since: Text = None, until: Text = None) -> Response[str]:
    """The project's UTC days that are over, newest first, each with its files' digests and signed URLs."""
    project_id = api.principal(app, "billing:read").project_id
    return api.answer(daily_exports.days(project_id, limit, cursor, since, until))
