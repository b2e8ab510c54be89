"""Generations and their attempts: the states they may pass through, and the writes that move them.

    generation   pending -> processing -> completed | failed | cancelled
    attempt      submitting -> accepted | uncertain -> finished -> collected      outputs are ours
                 submitting -> refused          known not to run
                 any live   -> failed | lost    ended at the provider, or waited out
                 not yet finished -> cancelled  by the caller; what the provider still does is not the caller's

Final states absorb: every write here is conditional on the state that it assumes.
"""

import hashlib
import secrets
import zlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gateway import ids, tables, telemetry
from gateway.errors import NotFound

PENDING, PROCESSING, COMPLETED, FAILED = "pending", "processing", "completed", "failed"
CANCELLED = "cancelled"
"""Of a generation, and of the attempt that was under way."""
FINAL = frozenset({COMPLETED, FAILED, CANCELLED})

SUBMITTING, ACCEPTED, UNCERTAIN, FINISHED, COLLECTED = (
    "submitting",
    "accepted",
    "uncertain",
    "finished",
    "collected",
)
REFUSED, ATTEMPT_FAILED, LOST = "refused", "failed", "lost"
MAY_RUN = frozenset({SUBMITTING, ACCEPTED, UNCERTAIN})
"""While an attempt is in one of these, a provider may be working (and charging): nothing is sent again."""

WORK = tuple(f"open#{bucket}" for bucket in range(4))
"""The partitions of the open-work index."""
PARKED = "parked"
"""The partition of the open-work index of what could not be finished in many tries: a person must look."""
_NEVER_SECONDS = 10**11
START_GRACE_SECONDS = 60
"""How long an inserted generation may wait for its execution before the reconciler looks."""
CHECK_SECONDS = 120
"""How often the reconciler looks whether a running generation's execution is alive."""


def find(generation_id: str) -> tables.Generation:
    """The generation of an id. Raises NotFound."""
    generation = tables.Generation.find(generation_id)
    if generation is None:
        raise NotFound(f"There is no generation '{generation_id[:80]}'.")
    return generation


def take_up(generation_id: str) -> tables.Generation:
    """The generation of an id, for whoever works on it: every log line carries its ids from here on."""
    generation = find(generation_id)
    on_record(generation)
    return generation


def on_record(generation: tables.Generation) -> None:
    """Put a generation's ids, of the request that made it to its present attempt, on the log lines that follow."""
    number = int(generation.attempt_no)
    telemetry.bind(
        request_id=generation.request_id,
        project_id=generation.project_id,
        generation_id=generation.generation_id,
        attempt_id=f"{generation.generation_id}-{number}" if number else None,
    )


def find_in_project(project_id: str, generation_id: str) -> tables.Generation:
    """A project's own generation. Another project's raises NotFound like one that never was."""
    generation = find(generation_id)
    if generation.project_id != project_id:
        raise NotFound(f"There is no generation '{generation_id[:80]}'.")
    return generation


def is_final(generation: tables.Generation) -> bool:
    """Whether nothing more can happen to it."""
    return generation.status in FINAL


def work_bucket(generation_id: str) -> str:
    """The partition of the open-work index that a generation stands in."""
    return WORK[zlib.crc32(generation_id.encode()) % len(WORK)]


def current_attempt(generation: tables.Generation) -> tables.Attempt | None:
    """The attempt that counts, or None before the first."""
    number = int(generation.attempt_no)
    return tables.Attempt.find(generation.generation_id, number) if number else None


def attempts_of(generation: tables.Generation) -> list[tables.Attempt]:
    """The attempts that were begun, first to last."""
    found = (tables.Attempt.find(generation.generation_id, one + 1) for one in range(int(generation.attempt_no)))
    return [attempt for attempt in found if attempt is not None]


def attempt_id(attempt: tables.Attempt) -> str:
    """An attempt's name in logs, in the drive's staging area and towards providers."""
    return f"{attempt.generation_id}-{int(attempt.attempt_no)}"


def order_of(generation: tables.Generation) -> tables.Order:
    """What a generation was accepted as."""
    order = tables.Order.find(generation.generation_id)
    if order is None:
        raise RuntimeError(f"{generation.generation_id} has no order")
    return order


def offer_of(order: tables.Order, attempt: tables.Attempt) -> Mapping[str, Any]:
    """The frozen offer that an attempt was submitted to."""
    wanted = (attempt.offer_id, attempt.own_key_of is not None)
    offer: Mapping[str, Any] = next(o for o in order.offers if (o["offer_id"], o.get("byok", False)) == wanted)
    return offer


def own_key_of(generation: tables.Generation, offer: Mapping[str, Any]) -> str | None:
    """The project with whose own key a frozen offer is asked; None: with the deployment's."""
    return str(generation.project_id) if offer.get("byok") else None


def quote_of(order: tables.Order, attempt: tables.Attempt) -> Mapping[str, Any]:
    """The frozen price of the model that an attempt was submitted to."""
    quote: Mapping[str, Any] = offer_of(order, attempt).get("quote") or order.quote
    return quote


def model_of(generation: tables.Generation, attempt: tables.Attempt | None) -> str:
    """The model that an attempt was submitted to; before the first, the one that was chosen."""
    return str((attempt and attempt.model) or generation.model)


def delivered_model(generation: tables.Generation) -> str:
    """The model that delivered, or the one that was chosen."""
    return str(generation.delivered_model or generation.model)


def begin_attempt(
    generation: tables.Generation, offer: Mapping[str, Any], task_token: str, now: datetime
) -> tuple[tables.Attempt, str] | None:
    """Write the next attempt ahead of its POST; answers it and its callback token, or None when another
    execution was first or the generation is final."""
    number = int(generation.attempt_no) + 1
    callback_token = secrets.token_urlsafe(24)
    attempt = tables.Attempt(
        generation.pk,
        f"ATTEMPT#{number:03}",
        generation_id=generation.generation_id,
        attempt_no=number,
        provider=offer["provider"],
        offer_id=offer["offer_id"],
        own_key_of=own_key_of(generation, offer),
        model=offer.get("model"),
        status=SUBMITTING,
        callback_sha256=hashlib.sha256(callback_token.encode()).hexdigest(),
        task_token=task_token,
        started_at=ids.timestamp(now),
    )
    check_at = min(now.timestamp() + CHECK_SECONDS, int(generation.deadline_at) + 30)
    try:
        with tables.transaction() as tx:
            tx.insert("attempt", attempt)
            tx.update(
                "generation",
                generation,
                [
                    tables.Generation.attempt_no.set(number),
                    tables.Generation.status.set(PROCESSING),
                    tables.Generation.due_at.set(int(check_at)),
                ],
                (tables.Generation.attempt_no == number - 1) & ~tables.Generation.status.is_in(*FINAL),
            )
    except tables.ConditionFailed:
        return None
    return attempt, callback_token


def move(attempt: tables.Attempt, to: str, *, at: datetime | None = None, **facts: Any) -> bool:
    """Move an attempt to a later state with facts about it; False when it has already left the present one.

    `at` is also noted as `accepted_at`, `finished_at` or `ended_at`, whichever the state asks for.
    """
    stamp = ids.timestamp(at or ids.now())
    noted = {ACCEPTED: "accepted_at", FINISHED: "finished_at"}.get(to) or ("ended_at" if to not in MAY_RUN else None)
    facts = {"status": to, **facts} | ({noted: stamp} if noted else {})
    actions = [getattr(tables.Attempt, name).set(value) for name, value in facts.items() if value is not None]
    # An attempt turns from submitting to uncertain under the very step that waits for its answer.
    present = (SUBMITTING, UNCERTAIN) if attempt.status in {SUBMITTING, UNCERTAIN} else (attempt.status,)
    return attempt.change(actions, condition=tables.Attempt.status.is_in(*present))


def retake(attempt: tables.Attempt, task_token: str) -> tables.Attempt:
    """Give a re-entered attempt its new task token. One that was being submitted has become uncertain:
    whether its POST left is not known, so it is never sent again."""
    actions = [tables.Attempt.task_token.set(task_token)]
    attempt.change(actions)
    if attempt.status == SUBMITTING:
        attempt.change([tables.Attempt.status.set(UNCERTAIN)], condition=tables.Attempt.status == SUBMITTING)
    return attempt


def signal(attempt: tables.Attempt, reference: Mapping[str, str], now: datetime) -> tables.Attempt:
    """Note that the provider called back, and the reference that it named if we have none of our own."""
    attempt.change([tables.Attempt.signalled_at.set(ids.timestamp(now))])
    if reference:
        learn(attempt, reference)
    return attempt


def learn(attempt: tables.Attempt, reference: Mapping[str, str]) -> None:
    """Keep a job's reference that came otherwise than by the submission's answer."""
    # Only an answer that got lost leaves the reference open; ours is never overwritten.
    attempt.change([tables.Attempt.reference.set(dict(reference))], condition=tables.Attempt.reference.does_not_exist())


def name_job(attempt: tables.Attempt, job_id: str) -> bool:
    """Let callbacks that name the provider's job alone find its attempt; False when one has been here already."""
    number = int(attempt.attempt_no)
    named = tables.JobReference.key(attempt.provider, job_id)
    named.generation_id, named.attempt_no = attempt.generation_id, number
    if named.insert():
        return True
    called = tables.JobReference.key(attempt.provider, job_id)
    called.change(
        [tables.JobReference.generation_id.set(attempt.generation_id), tables.JobReference.attempt_no.set(number)]
    )
    return False


def attempt_of_job(provider: str, job_id: str, now: datetime) -> tables.Attempt | None:
    """The attempt behind a provider's job, for a callback about it.

    None for a job that is not known, or not yet: the call is noted, and found by `name_job`.
    """
    found = tables.JobReference.find(provider, job_id)
    if found is None:
        early = tables.JobReference.key(provider, job_id)
        early.called_at = ids.timestamp(now)
        found = None if early.insert() else tables.JobReference.find(provider, job_id)
    if found is None or found.generation_id is None:
        return None
    return tables.Attempt.find(found.generation_id, int(found.attempt_no or 0))


def callback_matches(attempt: tables.Attempt, token: str) -> bool:
    """Whether a callback's path token is the attempt's own."""
    return secrets.compare_digest(attempt.callback_sha256, hashlib.sha256(token.encode()).hexdigest())


def note_progress(generation: tables.Generation, progress: int) -> None:
    """Show progress (0..100) while it runs."""
    if progress > int(generation.progress or 0):
        generation.change([tables.Generation.progress.set(progress)], condition=~tables.Generation.status.is_in(*FINAL))


def complete(
    tx: tables.Transaction, generation: tables.Generation, attempt: tables.Attempt, billed_micros: int, now: datetime
) -> None:
    """Close a generation as delivered by an attempt and billed; label `generation`."""
    other = {"delivered_model": attempt.model} if attempt.model else {}
    _finish(tx, generation, COMPLETED, now, billed_micros=billed_micros, progress=100, **other)


def fail(tx: tables.Transaction, generation: tables.Generation, error: Mapping[str, Any], now: datetime) -> None:
    """Close a generation as failed, with its typed reason; label `generation`."""
    _finish(tx, generation, FAILED, now, error=dict(error), billed_micros=0)


def cancel(
    tx: tables.Transaction,
    generation: tables.Generation,
    attempt: tables.Attempt | None,
    error: Mapping[str, Any],
    now: datetime,
) -> None:
    """Close a generation as cancelled, and its attempt where one may be running; labels `generation`, `attempt`.

    Neither may have moved on since it was read: an attempt that has begun or delivered meanwhile decides anew.
    """
    _finish(tx, generation, CANCELLED, now, error=dict(error), billed_micros=0)
    if attempt is not None and attempt.status in MAY_RUN:
        actions = [tables.Attempt.status.set(CANCELLED), tables.Attempt.ended_at.set(ids.timestamp(now))]
        tx.update("attempt", attempt, actions, tables.Attempt.status.is_in(*MAY_RUN))


def postpone(generation: tables.Generation, due_at_seconds: float) -> None:
    """Have the reconciler look again at a time."""
    generation.change([tables.Generation.due_at.set(int(due_at_seconds))], condition=tables.Generation.work.exists())


def note_nothing_left(generation: tables.Generation) -> None:
    """Nothing more may be submitted, by one clock: so it is for all, whose deadline is over from now on."""
    generation.change([tables.Generation.deadline_at.set(0)], condition=~tables.Generation.status.is_in(*FINAL))


def note_restart(generation: tables.Generation, due_at_seconds: float) -> bool:
    """Count a restart of the execution; False when somebody else counted it first."""
    number = int(generation.restart_no)
    return generation.change(
        [tables.Generation.restart_no.set(number + 1), tables.Generation.due_at.set(int(due_at_seconds))],
        condition=(tables.Generation.restart_no == number) & ~tables.Generation.status.is_in(*FINAL),
    )


def note_unreconciled(generation: tables.Generation) -> int:
    """Count one more vain try to reconcile it; answers how many there were."""
    generation.change([tables.Generation.reconcile_failures.add(1)])
    return int(generation.reconcile_failures or 0)


def park(generation: tables.Generation, due_at_seconds: float) -> None:
    """Put a generation among those that a person must look at; it is tried again at a time all the same."""
    generation.change(
        [tables.Generation.work.set(PARKED), tables.Generation.due_at.set(int(due_at_seconds))],
        condition=tables.Generation.work.exists(),
    )


def unpark(generation_id: str) -> None:
    """A parked generation moves on again, and is looked at as often as any other."""
    find(generation_id).change(
        [tables.Generation.work.set(work_bucket(generation_id)), tables.Generation.reconcile_failures.remove()],
        condition=tables.Generation.work == PARKED,
    )


def parked(limit: int) -> list[tables.Generation]:
    """The generations that are parked, longest due first."""
    found = [find(generation_id) for generation_id in tables.Generation.due(PARKED, _NEVER_SECONDS, limit)]
    return [one for one in found if one.work == PARKED]


def note_announced(generation: tables.Generation) -> None:
    """Nothing is left to do for a final generation once its end was announced."""
    generation.change(
        [tables.Generation.work.remove(), tables.Generation.due_at.remove()],
        condition=tables.Generation.status.is_in(*FINAL),
    )


def _finish(tx: tables.Transaction, generation: tables.Generation, status: str, now: datetime, **facts: Any) -> None:
    changes = {
        "status": status,
        "completed_at": ids.timestamp(now),
        "due_at": int(now.timestamp()) + START_GRACE_SECONDS,
        **facts,
    }
    tx.update(
        "generation",
        generation,
        [getattr(tables.Generation, name).set(value) for name, value in changes.items()],
        ~tables.Generation.status.is_in(*FINAL) & (tables.Generation.attempt_no == int(generation.attempt_no)),
    )
