"""The end of a generation: settle what was delivered, or release what was held. One transaction each.

There is no moment at which a crash leaves the hold, the balance, the BillingRecord and the generation in
disagreement; running either twice changes nothing the second time.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gateway import advance, durations, ids, jobs, ledger, tables, telemetry
from gateway.money import exact, to_credits, to_micros
from gateway.pricing import Quote


def settle(generation_id: str) -> None:
    """Charge a collected generation for what was delivered, and complete it."""
    generation = jobs.take_up(generation_id)
    if jobs.is_final(generation):
        return
    attempt = jobs.current_attempt(generation)
    held = tables.Hold.find(generation_id)
    if attempt is None or attempt.status != jobs.COLLECTED or held is None or not generation.outputs:
        raise RuntimeError(f"{generation_id} cannot be settled: its outputs are not collected")
    now = ids.now()
    record = billing_record(generation, attempt, now)
    amount_micros = int(record["amount_micros"])
    try:
        with tables.transaction() as tx:
            ledger.settle(tx, held, record, now)
            jobs.complete(tx, generation, amount_micros, now)
    except tables.ConditionFailed:
        if not jobs.is_final(jobs.find(generation_id)):
            raise
        return
    telemetry.logger.info("generation completed", extra={"billed_micros": amount_micros})
    metrics = {"GenerationsCompleted": 1, "SettledMicros": amount_micros, **phases(generation, attempt, now)}
    telemetry.measure(metrics, model=generation.model)
    _observe(generation, now)


def fail(generation_id: str) -> str:
    """The catch-all; answers the next step.

    An attempt that may still run is polled on until its deadline; a next offer is tried when the former is
    known not to run; else the hold is released and the generation failed, with the last attempt's reason.
    """
    generation = jobs.take_up(generation_id)
    if jobs.is_final(generation):
        return advance.DONE
    attempt = jobs.current_attempt(generation)
    if attempt is not None:
        if attempt.status == jobs.COLLECTED:
            return advance.SETTLE
        if attempt.status in jobs.MAY_RUN:
            if ids.now().timestamp() < int(generation.deadline_at):
                return advance.POLL
            advance.give_up(attempt)
        elif attempt.status == jobs.FINISHED:
            error = {
                "code": "provider_error",
                "message": "The outputs could not be fetched.",
                "retryable": True,
            }
            jobs.move(attempt, jobs.ATTEMPT_FAILED, error=error)
        attempt = jobs.current_attempt(generation)
    error = _reason(attempt)
    if error["retryable"] and advance.next_offer(generation) is not None:
        return advance.SUBMIT
    release(generation, error)
    return advance.DONE


def release(generation: tables.Generation, error: Mapping[str, Any]) -> None:
    """Give the hold back and fail the generation with a typed reason."""
    generation_id = generation.generation_id
    held = tables.Hold.find(generation_id)
    if held is None:
        raise RuntimeError(f"{generation_id} has no hold")
    now = ids.now()
    try:
        with tables.transaction() as tx:
            ledger.release(tx, held, now)
            jobs.fail(tx, generation, error, now)
    except tables.ConditionFailed:
        if not jobs.is_final(jobs.find(generation_id)):
            raise
        return
    telemetry.logger.warning("generation failed", extra={"code": error["code"]})
    metrics = {"GenerationsFailed": 1, "ReleasedMicros": int(held.amount_micros)}
    telemetry.measure(metrics, reason=str(error["code"]))


def billing_record(generation: tables.Generation, attempt: tables.Attempt, now: datetime) -> dict[str, Any]:
    """The one record of what the call cost and why: everything needed to recompute it offline, and a digest.

    Pure but for its arguments. No float stands in it; decimals are text.
    """
    quote = Quote.from_dict(generation.quote).delivered(len(generation.outputs), attempt.usage or {})
    amount_micros = quote.expected_micros
    offer = jobs.offer_of(generation, attempt)
    record = {
        "record_id": ids.derived("rec", generation.generation_id),
        "generation_id": generation.generation_id,
        "project_id": generation.project_id,
        "key_id": generation.key_id,
        "session_id": generation.session_id,
        "workflow_id": None,
        "execution_id": None,
        "node_id": None,
        "model": generation.model,
        "offer": offer["offer_id"],
        "provider": offer["provider"],
        "byok": quote.terms.byok,
        "lines": [line.to_dict() for line in quote.lines],
        "subtotal": exact(quote.subtotal_usd),
        "subtotal_micros": to_micros(quote.subtotal_usd),
        "margin_bps": quote.terms.margin_bps,
        "platform_fee_bps": quote.terms.platform_fee_bps,
        "amount_micros": amount_micros,
        "credits": exact(to_credits(amount_micros)),
        "price_book_version": quote.price_book_version,
        "inputs_priced": {name: _textual(value) for name, value in quote.inputs_priced.items()},
        "fx": None,
        "provider_cost": {"amount_micros": None, "basis": offer["cost_basis"]},
        "created_at": ids.timestamp(now),
    }
    return record | {"digest": digest(record)}


def digest(record: Mapping[str, Any]) -> str:
    """SHA-256 over the record's canonical JSON (sorted keys, no spaces, UTF-8), without the digest itself."""
    body = {key: value for key, value in record.items() if key != "digest"}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def phases(generation: tables.Generation, attempt: tables.Attempt, now: datetime) -> dict[str, float]:
    """How long each part took, in seconds: waiting to start, at the provider, bringing home, in all."""
    created, started = ids.moment(generation.created_at), ids.moment(attempt.started_at)
    finished = ids.moment(attempt.finished_at) if attempt.finished_at else now
    spans = {
        "QueueSeconds": started - created,
        "ProviderSeconds": finished - started,
        "DeliverySeconds": now - finished,
        "TotalSeconds": now - created,
    }
    return {name: round(span.total_seconds(), 3) for name, span in spans.items()}


def _observe(generation: tables.Generation, now: datetime) -> None:
    """Let estimates learn from the run."""
    seconds = (now - ids.moment(generation.created_at)).total_seconds()
    try:
        durations.observe(generation.model, Quote.from_dict(generation.quote), seconds, now)
    except Exception:
        # The run is settled already: what fails here may not matter.
        telemetry.logger.exception("the duration was not counted")


def _reason(attempt: tables.Attempt | None) -> dict[str, Any]:
    if attempt is None:
        message = "The generation could not be submitted to a provider."
        return {"code": "provider_unavailable", "message": message, "retryable": True}
    fallback = {"code": "provider_error", "message": "The provider gave no reason.", "retryable": False}
    return dict(attempt.error or fallback)


def _textual(value: Any) -> Any:
    """A float has no exact place in a record; its text has."""
    return str(value) if isinstance(value, float) else value
