"""State machine: the catch-all. Polls on, tries the next offer, or releases the hold."""

from typing import Any

from gateway import closing, telemetry


def handler(event: dict[str, Any], _context: Any) -> dict[str, str]:
    """Fail as far as that is known to be right; answers the next step."""
    with telemetry.step(event["generation_id"]):
        return {"next": closing.fail(event["generation_id"])}
