"""What callers are shown of their generations. Reading never costs and never changes anything."""

import time
from typing import Any

from gateway import drive, jobs, listings, pricing, routing, tables
from gateway.errors import InvalidField
from gateway.money import number, to_usd

WAIT_SECONDS_MAX = 25


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
    order = jobs.order_of(found)
    decision = order.routing and routing.Decision.from_dict(order.routing, order.offers, found.model)
    return generation_view(found, attempts[-1] if attempts else None) | {
        "model": jobs.model_of(found, attempts[-1] if attempts else None),
        "attempts": [_attempt_view(found, attempt) for attempt in attempts],
        "routing": decision and decision.view(),
        "meta": {"metrics": dict((attempts and attempts[-1].metrics) or {})},
    }


def generations(project_id: str, limit: int, cursor: str | None) -> dict[str, Any]:
    """A page of a project's generations, newest first; attempts are shown one by one, by id."""
    found, following = tables.Generation.page_of_project(project_id, listings.checked_limit(limit), cursor)
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
        "model": jobs.delivered_model(found),
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


def _attempt_view(generation: tables.Generation, attempt: tables.Attempt) -> dict[str, Any]:
    return {
        "provider": attempt.provider,
        "model": jobs.model_of(generation, attempt),
        "offer": attempt.offer_id,
        "byok": attempt.own_key_of is not None,
        "status": attempt.status,
        "error": attempt.error,
        "started_at": attempt.started_at,
        "ended_at": attempt.ended_at,
    }
