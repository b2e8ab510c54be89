"""State machine: ask the provider until it is done. Raises NotReady while it works."""

from typing import Any

from gateway import advance, telemetry


def handler(event: dict[str, Any], _context: Any) -> dict[str, str]:
    """Poll; answers the next step."""
    with telemetry.step(event["generation_id"]):
        return {"next": advance.poll(event["generation_id"])}
