"""By the clock, and when the stack is deployed: fetch the European Central Bank's reference rates and store them."""

from typing import Any

from gateway import cloudformation, telemetry
from gateway.fx import fetching


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Answers how many dates are new and how many changed; or serves CloudFormation."""
    if cloudformation.is_asking(event):
        return _serve_cloudformation(event)
    done = fetching.fetch_and_store()
    telemetry.logger.info("reference rates fetched", extra=done)
    return done


def _serve_cloudformation(event: dict[str, Any]) -> dict[str, Any]:
    """Fetch for the custom resource `FirstRates`, so that a new deployment has rates from its beginning."""
    try:
        if event["RequestType"] != "Delete":
            fetching.fetch_and_store()
    finally:
        # No deployment depends on the ECB: it goes on, and the failure is repeated and kept as one of the schedule is.
        answer = cloudformation.answer(event, "first-rates")
    return answer
