"""The operator's door, opened by AWS credentials; and what publishes the catalog when the stack is deployed."""

from typing import Any

from gateway import cloudformation, operator, telemetry
from gateway.errors import GatewayError


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Carry out `{"action": ...}` and answer its result or `{"error": ...}`; or serve CloudFormation."""
    if cloudformation.is_asking(event):
        return cloudformation.answer(event, "catalog", **_published(event["RequestType"]))
    try:
        return operator.perform(event)
    except GatewayError as error:
        return error.body()


def _published(request_type: str) -> dict[str, Any]:
    """How it went to publish the catalog for the custom resource `CatalogPublication`."""
    if request_type == "Delete":
        return {}
    try:
        return {"Data": {"CatalogVersion": operator.publish_catalog()}}
    except Exception as error:
        # A deployment that is never answered hangs for an hour; it fails here with the reason instead.
        telemetry.logger.exception("the catalog could not be published")
        return {"Status": "FAILED", "Reason": f"{type(error).__name__}: {error}"[:500]}
