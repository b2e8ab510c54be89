"""Every minute: finish what fell between, and audit the money."""

from typing import Any

from gateway import reconcile, telemetry


def handler(_event: dict[str, Any], _context: Any) -> dict[str, int]:
    """Answers what was done, by kind."""
    done = reconcile.run()
    telemetry.logger.info("reconciled", extra=done)
    return done
