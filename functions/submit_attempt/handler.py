"""State machine: submit the next attempt. Its waiting ends by the provider's webhook or by this function."""

from typing import Any

from gateway import advance, telemetry


def handler(event: dict[str, Any], _context: Any) -> None:
    """Submit; what comes next is sent with the task token."""
    with telemetry.step(event["generation_id"]):
        advance.submit(event["generation_id"], event["task_token"])
