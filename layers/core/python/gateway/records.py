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
from gateway.pricing import Quote


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
        "provider_cost": {"amount_micros": _cost_micros(attempt), "basis": offer["cost_basis"]},
        "created_at": ids.timestamp(now),
    }
    return record | {"digest": digest(record)}


def digest(record: Mapping[str, Any]) -> str:
    """SHA-256 over the record's canonical JSON (sorted keys, no spaces, UTF-8), without the digest itself."""
    body = {key: value for key, value in record.items() if key != "digest"}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def cost_drift_micros(record: Mapping[str, Any]) -> int | None:
    """What the provider says it charged, less our own list price of the call; None where it says nothing."""
    cost_micros = record["provider_cost"]["amount_micros"]
    return None if cost_micros is None else cost_micros - int(record["subtotal_micros"])


def _cost_micros(attempt: tables.Attempt) -> int | None:
    return None if attempt.cost_usd is None else to_micros(Decimal(attempt.cost_usd))


def _textual(value: Any) -> Any:
    """A float has no exact place in a record; its text has."""
    return str(value) if isinstance(value, float) else value
