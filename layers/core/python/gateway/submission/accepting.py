"""Accepting one order: the hold and the generation in one transaction."""

from collections.abc import Sequence
from typing import Any

from gateway import ids, jobs, ledger, pricing, tables, telemetry
from gateway.auth import Principal
from gateway.submission.choosing import price
from gateway.submission.freezing import Job, check_same, frozen
from gateway.submission.orders import Order


def submit(
    principal: Principal, order: Order, idempotency_key: str | None, request_id: str
) -> tuple[tables.Generation, bool]:
    """Accept an order: hold its price and insert its generation. Answers it and whether it is a replay.

    Raises a GatewayError of the catalog, the limits, the sources, the balance or a spending limit; then nothing has
    changed. With an idempotency key, the generation's id is derived from project and key, so the item is the record
    of the key: the same order finds it again, another order raises IdempotencyKeyReused.
    """
    if idempotency_key is None:
        generation_id = ids.fresh("gen")
    else:
        generation_id = ids.derived("gen", principal.project_id, idempotency_key)
        if existing := tables.Generation.find(generation_id):
            check_same(jobs.order_of(existing), order)
            return existing, True
    project = ledger.project_of(principal.project_id)
    priced = price(order, project)
    job = frozen(generation_id, principal, order, priced, project.currency, request_id)
    try:
        ledger.reserve(
            ledger.Account.of(project),
            principal.key_id,
            [ledger.Reservation(generation_id, job.maximum_micros)],
            ledger.limits_of(project, principal.key_id, principal.spending_limit),
            ids.now(),
            job.insert,
        )
    except tables.ConditionFailed:
        # A concurrent submit under the same key, or our own write whose answer was lost.
        existing = jobs.find(generation_id)
        check_same(jobs.order_of(existing), order)
        return existing, True
    tell_submitted([job])
    return job.generation, False


def tell_submitted(jobs_accepted: Sequence[Job]) -> None:
    """Log and count what was accepted."""
    for job in jobs_accepted:
        model, held_micros = job.generation.model, job.maximum_micros
        telemetry.bind(generation_id=job.generation_id)
        telemetry.logger.info("generation submitted", extra={"model": model, "held_micros": held_micros})
        telemetry.measure({"GenerationsSubmitted": 1, "HeldMicros": held_micros}, model=model)


def accepted(generation: tables.Generation, base_url: str) -> dict[str, Any]:
    """The 202 answer: only of what never changes, so that a replay reads the same."""
    amount_micros = int(generation.held_micros)
    return {
        "generation_id": generation.generation_id,
        "status": jobs.PENDING,
        "model": generation.model,
        "estimated_time_seconds": int(generation.estimated_time_seconds),
        "estimated_cost_credits": pricing.credits_of(amount_micros),
        "estimated_cost_micros": amount_micros,
        "status_url": f"{base_url}/v1/generations/{generation.generation_id}",
        "warnings": generation.warnings or [],
    }
