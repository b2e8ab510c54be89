"""Many orders at once: one transaction holds for all of them, then each generation is inserted on its open hold.

A transaction takes 100 writes, and a generation needs three besides its hold: so holds come first, for all at once,
and generations follow in a few transactions, each only while its hold is open. Who crashes in between has answered
nobody: a repeat under the same key goes on where it stopped, and holds that nobody comes back for are released by
the reconciler.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from gateway import ids, ledger, tables
from gateway.auth import Principal
from gateway.errors import Conflict, GatewayError, InsufficientCredits, SpendingLimitReached, Unavailable
from gateway.submission.accepting import accepted, tell_submitted
from gateway.submission.freezing import Job, check_same, frozen
from gateway.submission.orders import Order, price, terms_of

BATCH_MAX = 90
"""With the balance, an entry and two counters, a transaction for so many holds stays under 100 writes."""
_JOBS_PER_TRANSACTION = 33

Outcome = tables.Generation | GatewayError


def submit_batch(
    principal: Principal, orders: Sequence[Order | GatewayError], idempotency_key: str | None, request_id: str
) -> list[Outcome]:
    """Accept or refuse each of up to `BATCH_MAX` orders on its own; answers the outcomes in their order.

    An order may already be a refusal, which stays one. Where the balance or a limit does not cover all, those that
    fit are accepted, the first ones first. Under an idempotency key each order has an id of its own, so a repeat finds
    what was accepted and tries again what was refused. Raises IdempotencyKeyReused when one of them was another
    order before (or their number was); then nothing has changed.
    """
    orders = [one if isinstance(one, GatewayError) else replace(one, batch_size=len(orders)) for one in orders]
    generation_ids = [_generation_id(principal, idempotency_key, number) for number in range(len(orders))]
    outcomes: dict[str, Outcome] = dict(_accepted_before(generation_ids, orders) if idempotency_key else {})
    project = ledger.project_of(principal.project_id)
    wanted: list[Job] = []
    for generation_id, order in zip(generation_ids, orders, strict=True):
        if generation_id in outcomes:
            continue
        try:
            if isinstance(order, GatewayError):
                raise order
            priced = price(order, terms_of(project))
            wanted.append(frozen(generation_id, principal, order, priced, project.currency, request_id))
        except GatewayError as refused:
            outcomes[generation_id] = refused
    outcomes |= _reserve(project, principal, wanted)
    held = [job for job in wanted if job.generation_id not in outcomes]
    for start in range(0, len(held), _JOBS_PER_TRANSACTION):
        outcomes |= _insert(held[start : start + _JOBS_PER_TRANSACTION])
    return [outcomes[generation_id] for generation_id in generation_ids]


def batch_view(outcomes: Sequence[Outcome], base_url: str) -> dict[str, Any]:
    """The answer to a batch: what became of each request, in their order, with the status it would have had alone."""
    items = [_outcome_view(number, outcome, base_url) for number, outcome in enumerate(outcomes)]
    refused = sum(item["error"] is not None for item in items)
    return {"accepted": len(items) - refused, "refused": refused, "items": items}


def _outcome_view(number: int, outcome: Outcome, base_url: str) -> dict[str, Any]:
    if isinstance(outcome, GatewayError):
        return {"index": number, "status": outcome.status, "generation": None, "error": outcome.body()}
    return {"index": number, "status": 202, "generation": accepted(outcome, base_url), "error": None}


def _generation_id(principal: Principal, idempotency_key: str | None, number: int) -> str:
    if idempotency_key is None:
        return ids.fresh("gen")
    return ids.derived("gen", principal.project_id, idempotency_key, str(number))


def _accepted_before(
    generation_ids: Sequence[str], orders: Sequence[Order | GatewayError]
) -> dict[str, tables.Generation]:
    """The generations that an earlier call under the same key made."""
    keys = [f"GENERATION#{one}" for one in generation_ids]
    generations = {one.pk: one for one in tables.Generation.find_many([(pk, "GENERATION") for pk in keys])}
    stored = {one.pk: one for one in tables.Order.find_many([(pk, "ORDER") for pk in generations])}
    for pk, order in zip(keys, orders, strict=True):
        if pk in stored and isinstance(order, Order):
            check_same(stored[pk], order)
    return {one.generation_id: one for one in generations.values()}


def _reserve(project: tables.Project, principal: Principal, jobs_wanted: Sequence[Job]) -> dict[str, GatewayError]:
    """Hold for all that can be covered, in one transaction; answers why the others are refused."""
    account = ledger.Account.of(project)
    limits = ledger.limits_of(project, principal.key_id, principal.spending_limit)
    refused: dict[str, GatewayError] = {}
    wanted = list(jobs_wanted)
    for _ in range(2 + len(limits) + len(wanted)):
        if not wanted:
            return refused
        reservations = [ledger.Reservation(job.generation_id, job.maximum_micros) for job in wanted]
        try:
            ledger.reserve(account, principal.key_id, reservations, limits, ids.now(), None)
        except (InsufficientCredits, SpendingLimitReached) as refusal:
            kept, left = _fitting(wanted, refusal)
            refused |= {job.generation_id: _of(refusal, job) for job in left}
            wanted = kept
        except tables.ConditionFailed:
            # An earlier or a concurrent call under the same key holds for some of them already.
            there = tables.Hold.find_many([(f"HOLD#{job.generation_id}", "HOLD") for job in wanted])
            wanted = [job for job in wanted if job.generation_id not in {one.generation_id for one in there}]
        else:
            return refused
    raise Unavailable("The account is busy; nothing was changed.")


def _fitting(wanted: Sequence[Job], refusal: GatewayError) -> tuple[list[Job], list[Job]]:
    """Those of the jobs that the room which is left covers, first come first served, and the others."""
    fields = refusal.fields
    room_micros = fields.get("available_micros", fields.get("limit_micros", 0) - fields.get("counted_micros", 0))
    kept: list[Job] = []
    left: list[Job] = []
    for job in wanted:
        fits = job.maximum_micros <= room_micros
        room_micros -= job.maximum_micros if fits else 0
        (kept if fits else left).append(job)
    return kept, left


def _of(refusal: GatewayError, job: Job) -> GatewayError:
    """The refusal of all, said of one."""
    fields = refusal.fields | {"needed_micros": job.maximum_micros}
    fields.pop("needed_credits", None)
    return type(refusal)(refusal.message, **fields)


def _insert(jobs_held: Sequence[Job]) -> dict[str, Outcome]:
    """Insert generations whose holds are open, all that can be in one transaction; answers what became of each."""
    outcomes: dict[str, Outcome] = {}
    pending = list(jobs_held)
    while pending:
        try:
            with tables.transaction() as tx:
                for job in pending:
                    hold, generation_id = tables.Hold.key(job.generation_id), job.generation_id
                    is_ours = (tables.Hold.status == ledger.OPEN) & (tables.Hold.amount_micros == job.maximum_micros)
                    tx.check(f"hold {generation_id}", hold, is_ours)
                    job.insert(tx, f"generation {generation_id}")
        except tables.ConditionFailed as failed:
            outcomes |= {job.generation_id: _met(job) for job in pending if _concerns(failed, job)}
            pending = [job for job in pending if not _concerns(failed, job)]
        else:
            tell_submitted(pending)
            return outcomes | {job.generation_id: job.generation for job in pending}
    return outcomes


def _concerns(failed: tables.ConditionFailed, job: Job) -> bool:
    return not failed.labels.isdisjoint({f"hold {job.generation_id}", f"generation {job.generation_id}"})


def _met(job: Job) -> Outcome:
    """What was there instead of an open hold without a generation."""
    if existing := tables.Generation.find(job.generation_id):
        return existing
    return Conflict(
        "The hold of an earlier attempt under this key was released, or was for another price.",
        code="hold_released",
        hint="Send it again under a new Idempotency-Key; nothing was charged.",
    )
