"""Every hour: write the days that are over into the archive of exports."""

from typing import Any

from gateway import daily_exports, telemetry


def handler(_event: dict[str, Any], context: Any) -> dict[str, int]:
    """Answers how many days were written, and how many are stored with other bytes."""
    done = daily_exports.run(lambda: context.get_remaining_time_in_millis() / 1000)
    telemetry.logger.info("days exported", extra=done)
    return done
