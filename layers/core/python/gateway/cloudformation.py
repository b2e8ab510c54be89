"""Answers CloudFormation, which asks a function to make a custom resource and waits for a PUT to a signed URL."""

import json
from typing import Any
from urllib.request import Request, urlopen


def is_asking(event: dict[str, Any]) -> bool:
    """Whether an invocation is CloudFormation's."""
    return "ResponseURL" in event


def answer(event: dict[str, Any], resource_id: str, **outcome: Any) -> dict[str, Any]:
    """Say how it went: well, unless `outcome` has another `Status` (with its `Reason`). Answers what was said."""
    said = {key: event[key] for key in ("StackId", "RequestId", "LogicalResourceId")}
    said |= {"PhysicalResourceId": resource_id, "Status": "SUCCESS", **outcome}
    # The URL is CloudFormation's own, signed without a content type, from an event that only it may send.
    request = Request(  # noqa: S310
        event["ResponseURL"], data=json.dumps(said).encode(), method="PUT", headers={"content-type": ""}
    )
    with urlopen(request, timeout=20):  # noqa: S310
        return said
