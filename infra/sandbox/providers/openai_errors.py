"""How OpenAI words what it refuses."""

from __future__ import annotations

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response


def unauthorized(request: Request) -> Response | None:
    """The answer to a call without a key; None when it has one."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and key.strip():
        return None
    message = "You didn't provide an API key. Send it in the header Authorization: Bearer YOUR_KEY."
    return wrong(401, message, code="invalid_api_key")


def invalid(error: ValidationError) -> Response:
    """OpenAI names the first parameter at fault."""
    first = error.errors(include_url=False, include_context=False)[0]
    param = ".".join(str(part) for part in first["loc"]) or None
    if first["type"] == "missing":
        return wrong(400, f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")
    return wrong(400, f"Invalid value for '{param}': {first['msg']}.", param=param, code="invalid_value")


def wrong(
    status: int,
    message: str,
    *,
    kind: str = "invalid_request_error",
    param: str | None = None,
    code: str | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    """`{"error": {...}}`."""
    error = {"message": message, "type": kind, "param": param, "code": code}
    return JSONResponse({"error": error}, status, headers=headers)
