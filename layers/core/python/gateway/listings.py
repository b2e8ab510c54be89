"""What a caller may ask of a listing: how many at once, and from when to when. Pure."""

from datetime import UTC, datetime

from gateway import ids
from gateway.errors import InvalidField

LIMIT_MAX = 100
FIRST, LAST = "0", "9"
"""Before and after everything that a listing can hold."""


def checked_limit(limit: int, limit_max: int = LIMIT_MAX) -> int:
    """The limit as it was given. Raises InvalidField for one that is out of range."""
    if not 1 <= limit <= limit_max:
        raise InvalidField("'limit' is out of range.", field="limit", allowed={"minimum": 1, "maximum": limit_max})
    return limit


def span(since: str | None, until: str | None) -> tuple[str, str]:
    """Two ISO 8601 times as the ends of a listing, the second exclusive; one that is not given bounds nothing.

    A time without an offset is UTC, a date is its midnight. Raises InvalidField for what is no time, and for an end
    before the beginning.
    """
    start, end = _stamp(since, "since") or FIRST, _stamp(until, "until") or LAST
    if start > end:
        raise InvalidField("'until' lies before 'since'.", field="until")
    return start, end


def _stamp(text: str | None, field: str) -> str | None:
    if text is None:
        return None
    try:
        # The blank behind a time was the plus sign of its offset before the query was decoded.
        moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        return ids.timestamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise InvalidField(f"'{field}' is no ISO 8601 time, such as 2026-11-21T03:45:00Z.", field=field) from None
