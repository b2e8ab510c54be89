"""The operator's door, opened by AWS credentials; and what publishes the catalog when the stack is deployed."""

import json
from typing import Any
from urllib.request import Request, urlopen

from gateway import operator, telemetry
from gateway.errors import GatewayError


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Carry out `{"action": ...}` and answer its result or `{"error": ...}`; or serve CloudFormation."""
    if "ResponseURL" in event:
        return _serve_cloudformation(event)
    try:
        return operator.perform(event)
    except GatewayError as error:
        return error.body()


def _serve_cloudformation(event: dict[str, Any]) -> dict[str, Any]:
    """Publish the catalog for the custom resource `CatalogPublication`, and tell CloudFormation how it went."""
    answer = {key: event[key] for key in ("StackId", "RequestId", "LogicalResourceId")}
    answer |= {"PhysicalResourceId": "catalog", "Status": "SUCCESS"}
    try:
        if event["RequestType"] != "Delete":
            answer["Data"] = {"CatalogVersion": operator.publish_catalog()}
    except Exception as error:
        # A deployment that is never answered hangs for an hour; it fails here with the reason instead.
        telemetry.logger.exception("the catalog could not be published")
        answer |= {"Status": "FAILED", "Reason": f"{type(error).__name__}: {error}"[:500]}
    body = json.dumps(answer).encode()
    # The URL is CloudFormation's own, signed, from an event that only it may send.
    request = Request(event["ResponseURL"], data=body, method="PUT", headers={"content-type": ""})  # noqa: S310
    with urlopen(request, timeout=20):  # noqa: S310
        return answer
