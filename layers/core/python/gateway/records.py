"""The BillingRecord: what one delivered call cost and why, with everything needed to recompute it offline.

Frozen when the generation is settled, from what was frozen when it was accepted. No float stands in it; decimals
are text. `museway verify` recomputes it without sharing a line of code.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from gateway import fx, ids, jobs, tables
from gateway.money import exact, to_credits, to_micros
from gateway.pricing import Line, Quote


def billing_record(
    generation: tables.Generation, order: tables.Order, attempt: tables.Attempt, now: datetime
) -> dict[str, Any]:
    """The one record of a call. Pure but for its arguments.

    `amount_micros` is charged: what the lines come to, at most what was held. What the lines say beyond it (a
    provider may report more than the quote allowed for) is `loss_micros`, and the operator's.
    """
    offer = jobs.offer_of(order, attempt)
    frozen = Quote.from_dict(jobs.quote_of(order, attempt)).under(byok=offer.get("byok", False))
    quote = frozen.delivered(len(attempt.outputs or ()), attempt.usage or {})
    full_micros, held_micros = quote.expected_micros, int(generation.held_micros)
    amount_micros = min(full_micros, held_micros)
    record = {
        "record_id": ids.derived("rec", generation.generation_id),
        "generation_id": generation.generation_id,
        "project_id": generation.project_id,
        "key_id": generation.key_id,
        "session_id": generation.session_id,
        "workflow_id": None,
        "execution_id": None,
        "node_id": None,
        "model": jobs.model_of(generation, attempt),
        "offer": offer["offer_id"],
        "provider": offer["provider"],
        "byok": quote.terms.byok,
        "lines": [line.to_dict() for line in quote.lines],
        "subtotal": exact(quote.subtotal_usd),
        "subtotal_micros": to_micros(quote.subtotal_usd),
        "margin_bps": quote.terms.margin_bps,
        "platform_fee_bps": quote.terms.platform_fee_bps,
        "amount_micros": amount_micros,
        "held_micros": held_micros,
        "loss_micros": full_micros - amount_micros,
        "credits": exact(to_credits(amount_micros)),
        "price_book_version": quote.price_book_version,
        "inputs_priced": {name: _textual(value) for name, value in quote.inputs_priced.items()},
        "fx": fx.converted(order.fx, amount_micros),
        "provider_cost": _provider_cost(offer, attempt),
        "created_at": ids.timestamp(now),
    }
    return record | {"digest": digest(record)}


def digest(record: Mapping[str, Any]) -> str:
    """SHA-256 over the record's canonical JSON (sorted keys, no spaces, UTF-8), without the digest itself."""
    body = {key: value for key, value in record.items() if key != "digest"}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def cost_drift_micros(order: tables.Order, attempt: tables.Attempt, record: Mapping[str, Any]) -> int | None:
    """What the provider says it charged us, less what the catalog says that it asks: our list price where that is the
    same. None where it says nothing, or charges the project itself."""
    reported_micros = _reported_micros(attempt)
    if reported_micros is None or record["byok"]:
        return None
    expected_micros = _computed_micros(jobs.offer_of(order, attempt), attempt)
    return reported_micros - (int(record["subtotal_micros"]) if expected_micros is None else expected_micros)


def _provider_cost(offer: Mapping[str, Any], attempt: tables.Attempt) -> dict[str, Any]:
    """What the call cost us: as it was reported, else by the catalog's rates, else unknown; and how that is known."""
    if offer.get("byok"):
        return {"amount_micros": 0, "basis": "charged to the project's own account"}
    if (reported_micros := _reported_micros(attempt)) is not None:
        return {"amount_micros": reported_micros, "basis": f"reported by {offer['provider']}"}
    basis = offer["cost_basis"]
    if (computed_micros := _computed_micros(offer, attempt)) is not None:
        return {"amount_micros": computed_micros, "basis": f"computed from its rates: {basis}"}
    return {"amount_micros": None, "basis": basis}


def _reported_micros(attempt: tables.Attempt) -> int | None:
    return None if attempt.cost_usd is None else to_micros(Decimal(attempt.cost_usd))


def _computed_micros(offer: Mapping[str, Any], attempt: tables.Attempt) -> int | None:
    """What was delivered and used, at the rates that were frozen with the order; None where the catalog had none."""
    if "cost" not in offer:
        return None
    outputs, usage = len(attempt.outputs or ()), attempt.usage or {}
    lines = [Line.from_dict(line).billed(outputs, usage) for line in offer["cost"]["lines"]]
    return to_micros(sum((line.amount_usd for line in lines), Decimal(0)))


def _textual(value: Any) -> Any:
    """A float has no exact place in a record; its text has."""
    return str(value) if isinstance(value, float) else value
