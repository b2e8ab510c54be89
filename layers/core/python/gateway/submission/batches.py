"""Many orders at once: one transaction holds for all of them, then each generation is inserted on its open hold.

A transaction takes 100 writes, and a generation needs three besides its hold: so holds come first, for all at once,
and generations follow in a few transactions, each only while its hold is open. Who crashes in between has answered
nobody: a repeat under the same key goes on where it stopped, and holds that nobody comes back for are released by
the reconciler.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from typing import Any

from gateway import catalog, ids, jobs, ledger, tables
from gateway.auth import Principal
from gateway.errors import Conflict, GatewayError, InsufficientCredits, SpendingLimitReached, Unavailable
from gateway.submission.accepting import accepted, tell_submitted
from gateway.submission.choosing import Priced, price
from gateway.submission.freezing import Job, differing, frozen, reused
from gateway.submission.orders import BATCH_MAX, Order

PRICED_AT_ONCE = 4
"""Each may look at eight sources at a time, and the wire has 32 connections: who waits for one loses of its time."""
_JOBS_PER_TRANSACTION = 33

Outcome = tables.Generation | GatewayError


def submit_batch(
    principal: Principal, orders: Sequence[Order | GatewayError], idempotency_key: str | None, request_id: str
) -> tuple[list[Outcome], bool]:
    """Accept or refuse each of up to `BATCH_MAX` orders on its own; answers the outcomes in their order, and whether
    they all are a replay.

    An order may already be a refusal, which stays one. Where the balance or a limit does not cover all, those that
    fit are accepted, the first ones first. Under an idempotency key each order has an id of its own, so a repeat finds
    what was accepted and tries again what was refused. Raises IdempotencyKeyReused when one of them was another
    order before (or their number was); then nothing has changed.
    """
    orders = [one if isinstance(one, GatewayError) else replace(one, batch_size=len(orders)) for one in orders]
    generation_ids = [_generation_id(principal, idempotency_key, number) for number in range(BATCH_MAX)]
    outcomes: dict[str, Outcome] = dict(_accepted_before(generation_ids, orders) if idempotency_key else {})
    generation_ids = generation_ids[: len(orders)]
    if len(outcomes) == len(orders):
        return [outcomes[generation_id] for generation_id in generation_ids], True
    project = ledger.project_of(principal.project_id)
    new = {one: order for one, order in zip(generation_ids, orders, strict=True) if one not in outcomes}
    wanted: list[Job] = []
    for generation_id, priced in zip(new, _priced(new, project), strict=True):
        try:
            if isinstance(priced, GatewayError):
                raise priced
            wanted.append(frozen(generation_id, principal, *priced, project.currency, request_id))
        except GatewayError as refused:
            outcomes[generation_id] = refused
    outcomes |= _reserve(project, principal, wanted)
    held = [job for job in wanted if job.generation_id not in outcomes]
    for start in range(0, len(held), _JOBS_PER_TRANSACTION):
        outcomes |= _insert(held[start : start + _JOBS_PER_TRANSACTION])
    return [outcomes[generation_id] for generation_id in generation_ids], False


def batch_view(outcomes: Sequence[Outcome], base_url: str) -> dict[str, Any]:
    """The answer to a batch: what became of each request, in their order, with the status it would have had alone."""
    items = [_outcome_view(number, outcome, base_url) for number, outcome in enumerate(outcomes)]
    refused = sum(item["error"] is not None for item in items)
    return {"accepted": len(items) - refused, "refused": refused, "items": items}


def _outcome_view(number: int, outcome: Outcome, base_url: str) -> dict[str, Any]:
    if isinstance(outcome, GatewayError):
        error = {name: value for name, value in outcome.body().items() if value is not None}
        return {"index": number, "status": outcome.status, "generation": None, "error": error}
    return {"index": number, "status": 202, "generation": accepted(outcome, base_url), "error": None}


def _priced(
    orders: Mapping[str, Order | GatewayError], project: tables.Project
) -> list[tuple[Order, Priced] | GatewayError]:
    """Each order with its price, or why it is refused. Looking at media takes longest, so several at a time."""
    catalog.current()  # read here, the threads find it

    def priced(generation_id: str, order: Order | GatewayError) -> tuple[Order, Priced] | GatewayError:
        try:
            return order if isinstance(order, GatewayError) else (order, price(order, project, generation_id))
        except GatewayError as refused:
            return refused

    with ThreadPoolExecutor(max_workers=PRICED_AT_ONCE) as pool:
        # Each thread gets the caller's context, so that its log lines carry the request's ids.
        found = [pool.submit(copy_context().run, priced, one, order) for one, order in orders.items()]
        return [one.result() for one in found]


def _generation_id(principal: Principal, idempotency_key: str | None, number: int) -> str:
    if idempotency_key is None:
        return ids.fresh("gen")
    return ids.derived("gen", principal.project_id, idempotency_key, str(number))


def _accepted_before(
    generation_ids: Sequence[str], orders: Sequence[Order | GatewayError]
) -> dict[str, tables.Generation]:
    """The generations that an earlier call under the same key made, looked for also where it was longer.

    Raises IdempotencyKeyReused with the fields that differ, as `requests.0.prompt`; `requests` when their number does.
    """
    keys = [f"GENERATION#{one}" for one in generation_ids]
    generations = {one.pk: one for one in tables.Generation.find_all(generation_ids)}
    stored = {one.pk: one for one in tables.Order.find_many([(pk, "ORDER") for pk in generations])}
    sizes = {one.fingerprint["batch_size"] for one in stored.values()}
    if sizes - {ids.digest(len(orders))}:
        raise reused(["requests"])
    fields: list[str] = []
    for number, (pk, order) in enumerate(zip(keys, orders, strict=False)):
        if pk in stored:
            fields += (f"requests.{number}.{name}" for name in _differing(stored[pk], order))
    if fields:
        raise reused(fields)
    return {one.generation_id: one for one in generations.values()}


def _differing(stored: tables.Order, order: Order | GatewayError) -> list[str]:
    """What differs from an order that was accepted; of a request that is none now, the field that it lacks."""
    if isinstance(order, GatewayError):
        return [order.fields["field"]]
    return differing(stored, order.fingerprint())


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
        except (InsufficientCredits, SpendingLimitReached, tables.ConditionFailed) as failed:
            # An earlier or a concurrent call under the same key may hold for some of them already.
            there = {one.pk for one in tables.Hold.find_many([(f"HOLD#{job.generation_id}", "HOLD") for job in wanted])}
            if there:
                wanted = [job for job in wanted if f"HOLD#{job.generation_id}" not in there]
            elif isinstance(failed, GatewayError):
                wanted, left = _fitting(wanted, failed)
                refused |= left
        else:
            return refused
    raise Unavailable("The account is busy; nothing was changed.")


def _fitting(wanted: Sequence[Job], refusal: GatewayError) -> tuple[list[Job], dict[str, GatewayError]]:
    """Those of the jobs that the room which is left covers, first come first served, and why each other is refused."""
    kept: list[Job] = []
    refused: dict[str, GatewayError] = {}
    kept_micros = 0
    for job in wanted:
        refusal_now = _said_of(job, refusal, kept_micros)
        if refusal_now is None:
            kept.append(job)
            kept_micros += job.maximum_micros
        else:
            refused[job.generation_id] = refusal_now
    return kept, refused


def _said_of(job: Job, refusal: GatewayError, kept_micros: int) -> GatewayError | None:
    """The refusal of all as that of one job, after others were kept; None when there is room for it."""
    fields, needed_micros = refusal.fields, job.maximum_micros
    if isinstance(refusal, InsufficientCredits):
        available_micros = fields["available_micros"] - kept_micros
        return ledger.insufficient(needed_micros, available_micros) if needed_micros > available_micros else None
    counted_micros = fields["counted_micros"] + kept_micros
    if counted_micros + needed_micros <= fields["limit_micros"]:
        return None
    told = fields | {"counted_micros": counted_micros, "needed_micros": needed_micros}
    return SpendingLimitReached(refusal.message, **told)


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
        # Of a concurrent call under the same key, or our own write whose answer was lost.
        fields = differing(jobs.order_of(existing), job.order.fingerprint)
        return reused(fields) if fields else existing
    return Conflict(
        "The hold of an earlier attempt under this key was released, or was for another price.",
        code="hold_released",
        hint="Send it again under a new Idempotency-Key; nothing was charged.",
    )
