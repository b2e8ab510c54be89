"""What callers are shown of their generations and their money. Reading never costs and never changes anything."""

import time
from datetime import UTC, datetime
from typing import Any

from gateway import drive, ids, jobs, ledger, pricing, tables
from gateway.auth import Principal
from gateway.errors import InvalidField
from gateway.money import number, to_usd

WAIT_SECONDS_MAX = 25
LIMIT_MAX = 100


def generation(project_id: str, generation_id: str, wait_seconds: float = 0) -> dict[str, Any]:
    """A generation's status; with `wait_seconds` the answer is held until it is final or the time is over."""
    if not 0 <= wait_seconds <= WAIT_SECONDS_MAX:
        allowed = {"minimum": 0, "maximum": WAIT_SECONDS_MAX}
        raise InvalidField("'wait' is out of range.", field="wait", allowed=allowed)
    ends_at = time.monotonic() + wait_seconds
    found = jobs.find_in_project(project_id, generation_id)
    pause_seconds = 0.15
    while not jobs.is_final(found) and time.monotonic() + pause_seconds < ends_at:
        time.sleep(pause_seconds)
        pause_seconds = min(pause_seconds * 1.3, 0.75)
        found = jobs.find_in_project(project_id, generation_id)
    attempts = tables.Attempt.all_of(generation_id)
    return generation_view(found, attempts[-1] if attempts else None) | {
        "attempts": [_attempt_view(attempt) for attempt in attempts],
        "meta": {"metrics": dict((attempts and attempts[-1].metrics) or {})},
    }


def generations(project_id: str, limit: int, cursor: str | None) -> dict[str, Any]:
    """A page of a project's generations, newest first; attempts are shown one by one, by id."""
    found, following = tables.Generation.page_of_project(project_id, _limit(limit), cursor)
    delivered = tables.Attempt.last_of(one for one in found if one.status == jobs.COMPLETED)
    items = [generation_view(item, delivered.get(item.generation_id)) for item in found]
    return {"items": items, "next_cursor": following}


def generation_view(found: tables.Generation, attempt: tables.Attempt | None) -> dict[str, Any]:
    """The contract's shape of a generation; `attempt` is its last one."""
    billed_micros = int(found.billed_micros) if found.billed_micros is not None else None
    shown = attempt.outputs if attempt is not None and found.status == jobs.COMPLETED else []
    return {
        "generation_id": found.generation_id,
        "status": found.status,
        "progress": int(found.progress or 0),
        "model": found.model,
        "kind": found.kind,
        "outputs": [drive.shown(found.project_id, output) for output in shown],
        "billed_micros": billed_micros,
        "billed_usd": None if billed_micros is None else number(to_usd(billed_micros)),
        "billed_credits": None if billed_micros is None else pricing.credits_of(billed_micros),
        "estimated_cost_micros": int(found.held_micros),
        "error": found.error,
        "session_id": found.session_id,
        "metadata": found.metadata,
        "warnings": found.warnings or [],
        "created_at": found.created_at,
        "completed_at": found.completed_at,
    }


def balance(principal: Principal) -> dict[str, Any]:
    """A project's money now, and what is counted under its spending limit and the key's own."""
    project, now = ledger.project_of(principal.project_id), ids.now()
    limits = ledger.limits_of(project, principal.key_id, principal.spending_limit)
    return ledger.totals(ledger.Account.of(project)).to_dict() | {
        "currency": project.currency,
        "limits": {one.scope: ledger.counted(one, now) for one in limits},
    }


def records(project_id: str, limit: int, cursor: str | None, since: str | None, until: str | None) -> dict[str, Any]:
    """A page of BillingRecords, newest first, exactly as they were frozen."""
    found, following = _page(tables.Record, project_id, "RECORD", limit, cursor, _span(since, until))
    return {"items": [record.body for record in found], "next_cursor": following}


def entries(project_id: str, limit: int, cursor: str | None, since: str | None, until: str | None) -> dict[str, Any]:
    """A page of the ledger's movements, newest first."""
    found, following = _page(tables.Entry, project_id, "ENTRY", limit, cursor, _span(since, until))
    return {"items": [_entry_view(entry) for entry in found], "next_cursor": following}


def _page(
    model: type[tables.Record] | type[tables.Entry],
    project_id: str,
    what: str,
    limit: int,
    cursor: str | None,
    span: tuple[str | None, str | None],
) -> tuple[list[Any], str | None]:
    start, end = span
    partitions = ledger.account_of(project_id).listings(what)
    return tables.page(model.by_listing, partitions, _limit(limit), cursor, (start or "0", end or "9"))


def _attempt_view(attempt: tables.Attempt) -> dict[str, Any]:
    return {
        "provider": attempt.provider,
        "offer": attempt.offer_id,
        "status": attempt.status,
        "error": attempt.error,
        "started_at": attempt.started_at,
        "ended_at": attempt.ended_at,
    }


def _entry_view(entry: tables.Entry) -> dict[str, Any]:
    return {
        "entry_id": entry.entry_id,
        "type": entry.type,
        "amount_micros": int(entry.amount_micros),
        "generation_id": entry.generation_id,
        "note": entry.note,
        "created_at": entry.created_at,
    }


def _span(since: str | None, until: str | None) -> tuple[str | None, str | None]:
    """The two ends of a listing as its timestamps are written. Raises InvalidField for what is no time."""
    start, end = _stamp(since, "since"), _stamp(until, "until")
    if start and end and start > end:
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


def _limit(limit: int) -> int:
    if not 1 <= limit <= LIMIT_MAX:
        raise InvalidField("'limit' is out of range.", field="limit", allowed={"minimum": 1, "maximum": LIMIT_MAX})
    return limit
