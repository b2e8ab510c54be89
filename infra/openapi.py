"""The OpenAPI document: drawn from the handlers' own routes, models and error classes, written at build.

`python -m infra.openapi` (or `make openapi`) writes it beside the function that serves it; a test fails when
the file and the handlers disagree, so no request ever pays for drawing it.
"""

import inspect
import json
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic.json_schema import models_json_schema

from infra.answer import Answer
from infra.answers import ANSWERS, FILES
from infra.manifest import ROUTES

PATH = Path(__file__).resolve().parent.parent / "functions" / "docs" / "openapi.json"
DESCRIPTION = """One call reaches every image, video, music, speech and text model; one ledger bills it, to the micro.

Amounts are integer micros of US dollars (`_micros`); one credit is 10,000 micros. Send `Authorization: Bearer mw_...`.
A POST that spends or creates takes an `Idempotency-Key`: the same key and body replay the first answer and pay once."""
ERROR = {
    "type": "object",
    "required": ["error", "message", "hint", "request_id"],
    "properties": {
        "error": {"type": "string", "description": "Stable code", "examples": ["unknown_model"]},
        "message": {"type": "string", "description": "One sentence"},
        "hint": {"type": "string", "description": "What to do"},
        "request_id": {"type": "string"},
        "field": {"type": "string", "description": "The field concerned"},
        "allowed": {"description": "What the field may be"},
    },
}


def document() -> dict[str, Any]:
    """The whole API as one OpenAPI 3.1 document."""
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {"Error": ERROR}
    for function in sorted({route.function for route in ROUTES}):
        app = import_module(f"functions.{function}.handler").app
        drawn = json.loads(app.get_openapi_json_schema(title="Museway", version="0.1.0", openapi_version="3.1.0"))
        for path, operations in drawn.get("paths", {}).items():
            paths.setdefault(_as_routed(path), {}).update(_with_greedy_parameter(path, operations))
        schemas |= drawn.get("components", {}).get("schemas", {})
    _, answers = models_json_schema(
        [(model, "serialization") for _, model in ANSWERS.values()], ref_template="#/components/schemas/{model}"
    )
    schemas |= answers["$defs"]
    public = {(route.method.lower(), route.path.replace("+}", "}")) for route in ROUTES if route.public_because}
    for path, operations in paths.items():
        for method, operation in operations.items():
            operation["operationId"] = f"{method}_{path.strip('/').replace('/', '_').translate(_PLAIN)}"
            if (method, path) in public:
                operation["security"] = []
            _describe_answers(operation, *ANSWERS[method.upper(), path], FILES.get((method.upper(), path), ()))
    for unused in ("ValidationError", "HTTPValidationError", "ResponseValidationError"):
        schemas.pop(unused, None)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Museway", "version": "0.1.0", "description": DESCRIPTION},
        "security": [{"key": []}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "bearerFormat": "mw_..."}},
        },
    }


_PLAIN = str.maketrans({"{": None, "}": None, ".": "_"})


GREEDY = {
    "/v1/models/.+": ("/v1/models/{model_id}", "model_id"),
    "/v1/sessions/(?s:.+)/cost": ("/v1/sessions/{session_id}/cost", "session_id"),
}
"""Routes that Powertools matches by a pattern: as they are described, and the parameter that API Gateway has."""


def _as_routed(path: str) -> str:
    """Powertools' `<name>` as OpenAPI's `{name}`."""
    if path in GREEDY:
        return GREEDY[path][0]
    return path.replace("<", "{").replace(">", "}")


def _with_greedy_parameter(path: str, operations: dict[str, Any]) -> dict[str, Any]:
    if path in GREEDY:
        parameter = {"name": GREEDY[path][1], "in": "path", "required": True, "schema": {"type": "string"}}
        for operation in operations.values():
            operation["parameters"] = [parameter, *operation.get("parameters", ())]
    return operations


def _describe_answers(operation: dict[str, Any], status: int, model: type[Answer], file_types: Iterable[str]) -> None:
    """Put our answers in place of Powertools' own: it announces text for a 200, and a 422 of its own shape."""
    refusals = {
        code: answer
        for code, answer in operation["responses"].items()
        if code[0] != "2" and "#/components/schemas/Error" in json.dumps(answer)
    }
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    content: dict[str, Any] = {name: {"schema": {"type": "string"}} for name in file_types}
    content["application/json"] = {"schema": schema}
    delivered = {"description": inspect.getdoc(model), "content": content}
    operation["responses"] = {str(status): delivered} | dict(sorted(refusals.items()))


def text() -> str:
    """The document as the file holds it."""
    return json.dumps(document(), indent=1, ensure_ascii=False, sort_keys=False) + "\n"


if __name__ == "__main__":
    PATH.write_text(text())
