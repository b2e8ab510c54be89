"""Amazon Bedrock's errors: `{"message"}`, and the error's name in a header (names and statuses: botocore's model)."""

from __future__ import annotations

import json

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response


def wrong(status: int, kind: str, message: str) -> Response:
    """An error of a kind."""
    headers = {"x-amzn-ErrorType": f"{kind}:http://internal.amazon.com/coral/com.amazon.bedrock/"}
    return Response(json.dumps({"message": message}), status, headers=headers, media_type="application/json")


def invalid(error: ValidationError) -> Response:
    """The first fault of a request."""
    first = error.errors(include_url=False, include_context=False)[0]
    where = "/".join(str(part) for part in first["loc"])
    return wrong(400, "ValidationException", f"Malformed input request: #/{where}: {first['msg']}")


def unauthorized(request: Request) -> Response | None:
    """The answer to a call that carries neither a signature nor a key; None when it does. Neither is verified."""
    if request.headers.get("authorization", "").startswith(("AWS4-HMAC-SHA256 ", "Bearer ")):
        return None
    return wrong(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
