"""Who is asking. API Gateway asks for every request, also without a header, so that the refusal is ours.

It always lets the request pass: a bad key reaches the function as `denied`, and is answered there with 401 in
the contract's error format, which API Gateway itself cannot speak.
"""

from typing import Any

from gateway import auth, telemetry
from gateway.errors import Unauthorized


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Answer API Gateway's authorizer request (payload 2.0, simple response)."""
    try:
        principal = auth.authenticate((event.get("headers") or {}).get("authorization"))
    except Unauthorized as error:
        telemetry.measure({"KeysRefused": 1})
        return {"isAuthorized": True, "context": {"denied": error.message}}
    return {"isAuthorized": True, "context": auth.to_context(principal)}
