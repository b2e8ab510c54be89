"""GET /health, /openapi.json and /docs: alive, described, readable. All made at build but the health."""

from functools import cache
from pathlib import Path

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response, openapi

from gateway import api, catalog
from gateway.config import settings
from gateway.errors import Unavailable

VERSION = "0.1.0"
OPENAPI = Path(__file__).with_name("openapi.json")
SWAGGER = Path(openapi.__file__).parent / "swagger_ui"

app: APIGatewayHttpResolver = api.resolver()
handler = api.serve(app)


@app.get("/health", summary="Liveness", tags=["docs"])
def health() -> Response[str]:
    """Whether it runs, and which versions of code and catalog."""
    try:
        catalog_version = catalog.current().version
    except Unavailable:
        catalog_version = None
    return api.answer(
        {"status": "ok", "version": VERSION, "catalog_version": catalog_version, "stage": settings().stage}
    )


@app.get("/openapi.json", include_in_schema=False)
def openapi_document() -> Response[str]:
    """The OpenAPI 3.1 document."""
    return Response(200, api.JSON, OPENAPI.read_text(), headers={"cache-control": "public, max-age=300"})


@app.get("/docs", include_in_schema=False)
def docs() -> Response[str]:
    """The document as a page."""
    return Response(200, "text/html; charset=utf-8", _page(), headers={"cache-control": "public, max-age=300"})


@cache
def _page() -> str:
    from aws_lambda_powertools.event_handler.openapi.swagger_ui import generate_swagger_html

    return generate_swagger_html(
        spec=OPENAPI.read_text(),
        swagger_js=(SWAGGER / "swagger-ui-bundle.min.js").read_text(),
        swagger_css=(SWAGGER / "swagger-ui.min.css").read_text(),
        swagger_base_url="",
        oauth2_config=None,
        persist_authorization=True,
    )
