"""State machine: bring the outputs home."""

from typing import Any

from gateway import advance, telemetry


def handler(event: dict[str, Any], _context: Any) -> dict[str, str]:
    """Collect; answers the next step."""
    with telemetry.step(event["generation_id"]):
        return {"next": advance.collect(event["generation_id"])}
