"""What callers are shown: generations, models, prices, money. Reading never costs and never changes anything."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from gateway import catalog, drive, ids, jobs, ledger, pricing, tables
from gateway.errors import InvalidField, NotFound, UnknownModel
from gateway.ids import now
from gateway.money import exact, number, to_credits, to_micros, to_usd

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
    return generation_view(found, tables.Attempt.all_of(generation_id))


def generations(project_id: str, limit: int, cursor: str | None) -> dict[str, Any]:
    """A page of a project's generations, newest first; attempts are shown one by one, by id."""
    found, following = tables.Generation.page_of_project(project_id, _limit(limit), cursor)
    return {"items": [generation_view(item, None) for item in found], "next_cursor": following}


def generation_view(found: tables.Generation, attempts: list[tables.Attempt] | None) -> dict[str, Any]:
    """The contract's shape of a generation."""
    billed_micros = int(found.billed_micros) if found.billed_micros is not None else None
    shown = found.outputs if found.status == jobs.COMPLETED else []
    view = {
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
    if attempts is not None:
        last = attempts[-1] if attempts else None
        view["attempts"] = [_attempt_view(attempt) for attempt in attempts]
        view["meta"] = {"metrics": dict((last and last.metrics) or {})}
    return view


def models(filters: Mapping[str, str]) -> dict[str, Any]:
    """The catalog's models; `kind, family, mode, capability` match exactly, `q` searches id and name."""
    snapshot = catalog.current()
    found = [model for model in snapshot.models.values() if _matches(model, filters)]
    return {
        "items": [model_view(model) for model in found],
        "next_cursor": None,
        "catalog_version": snapshot.version,
    }


def model(model_id: str) -> dict[str, Any]:
    """One model. Raises NotFound with the nearest ids."""
    try:
        return model_view(catalog.current().model(model_id))
    except UnknownModel as error:
        raise NotFound(error.message, hint=error.hint, nearest=error.fields["nearest"]) from error


def model_view(found: catalog.Model) -> dict[str, Any]:
    """Everything a caller needs to use a model: inputs, limits, prices, who serves it."""
    inputs = found.limits.inputs
    return {
        "id": found.model_id,
        "name": found.name,
        "kind": found.kind,
        "family": found.family,
        "modes": list(found.modes),
        "capabilities": dict(found.capabilities),
        "generation_types": list(found.limits.generation_types),
        "input_schema": found.limits.schema(),
        "limits": {
            "prompt_max_characters": next((i.max_length for i in inputs.values() if i.required and i.max_length), None),
            "sources": [
                {"kind": source.kind, "inputs": list(source.into), "counts": dict(source.counts)}
                for source in found.limits.sources
            ],
            "rules": [{"code": rule.code, "message": rule.message} for rule in found.limits.rules],
        },
        "supports_sound": "sound" in found.limits.fields,
        "input_media_types": [source.kind for source in found.limits.sources],
        "rate_table": rate_table(found),
        "estimated_time_seconds": found.estimated_time_seconds,
        "offers": [{"provider": offer.provider, "sunset_at": offer.sunset_at} for offer in found.offers],
    }


def prices() -> dict[str, Any]:
    """Every model with the rate table in force now."""
    snapshot = catalog.current()
    items = [
        {"model": found.model_id, "kind": found.kind, "rate_table": rate_table(found)}
        for found in snapshot.models.values()
    ]
    return {"items": items, "next_cursor": None, "catalog_version": snapshot.version}


def rate_table(found: catalog.Model) -> list[dict[str, Any]]:
    """The rows in force now, in order: the first whose conditions hold is the price."""
    return [
        {
            "row_id": row.row_id,
            "when": dict(row.when),
            "unit": part.unit,
            "modality": part.modality,
            "rate": exact(part.rate),
            "rate_credits": exact(part.rate * 100),
            "meter": part.meter,
            "rounding": part.round_up_to and exact(part.round_up_to),
            "minimum": part.minimum and exact(part.minimum),
        }
        for row in pricing.book_at(found.price_books, now()).rows
        for part in row.components
    ]


def estimate_view(found: catalog.Model, quote: pricing.Quote, warnings: tuple[str, ...]) -> dict[str, Any]:
    """The contract's shape of a quote. Times are the catalog's until enough runs were observed."""
    return {
        "model": found.model_id,
        "estimated_time_seconds": found.estimated_time_seconds,
        "confidence": "low",
        "sample_size": 0,
        "expected_micros": quote.expected_micros,
        "maximum_micros": quote.maximum_micros,
        "credits": number(to_credits(quote.expected_micros)),
        "lines": [
            line.to_dict() | {"row": line.row_id, "amount_micros": to_micros(line.amount_usd)} for line in quote.lines
        ],
        "assumptions": list(quote.assumptions),
        "warnings": list(warnings),
        "price_book_version": quote.price_book_version,
    }


def records(project_id: str, limit: int, cursor: str | None, since: str | None, until: str | None) -> dict[str, Any]:
    """A page of BillingRecords, newest first, exactly as they were frozen."""
    key = ledger.listing(project_id, "RECORD")
    found, following = tables.page_of_listing(tables.Record, key, _limit(limit), cursor, *_span(since, until))
    return {"items": [record.body for record in found], "next_cursor": following}


def entries(project_id: str, limit: int, cursor: str | None, since: str | None, until: str | None) -> dict[str, Any]:
    """A page of the ledger's movements, newest first."""
    key = ledger.listing(project_id, "ENTRY")
    found, following = tables.page_of_listing(tables.Entry, key, _limit(limit), cursor, *_span(since, until))
    return {"items": [_entry_view(entry) for entry in found], "next_cursor": following}


def _matches(found: catalog.Model, filters: Mapping[str, str]) -> bool:
    wanted = filters.get("q", "").lower()
    return (
        filters.get("kind", found.kind) == found.kind
        and filters.get("family", found.family) == found.family
        and ("mode" not in filters or filters["mode"] in found.modes)
        and ("capability" not in filters or bool(found.capabilities.get(filters["capability"])))
        and (wanted in found.model_id.lower() or wanted in found.name.lower())
    )


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
