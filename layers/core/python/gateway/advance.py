"""One step of a generation's execution: submit, poll, collect. Every step is re-entrant.

A step reads its state, does one thing and writes it down; the state machine carries ids only. What is
paid for is sent once: the attempt is written before the POST, and an attempt that may be running is looked
at or waited out, never repeated.
"""

import itertools
import re
import time
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from gateway import aws, drive, health, ids, jobs, nondelivery, outputs, provider_keys, providers, tables, telemetry
from gateway.config import settings
from gateway.money import exact
from gateway.nondelivery import NonDelivery
from gateway.provider import (
    Accepted,
    Failed,
    Finished,
    MediaBytes,
    Refused,
    Running,
    Submission,
    SubmitOutcome,
    job_id,
)

POLL, COLLECT, SETTLE, SUBMIT, FAIL, DONE = "poll", "collect", "settle", "submit", "fail", "done"

METRICS_MAX, METRICS_DEPTH_MAX, METRIC_MAX = 32, 3, 10**15
_WORD = re.compile(r"[\w.:/-]{1,80}")

POLL_SECONDS_MIN, POLL_SECONDS_MAX = 0.5, 2.0


class NotReady(Exception):
    """The provider is still working; the state machine asks again. The class name is the error's name."""


def submit(generation_id: str, task_token: str) -> None:
    """Submit the generation's next attempt, once, and wake the execution unless a callback will."""
    generation = jobs.take_up(generation_id)
    if jobs.is_final(generation):
        wake(task_token, DONE)
        return
    attempt = jobs.current_attempt(generation)
    if attempt is not None and attempt.status not in {jobs.REFUSED, jobs.ATTEMPT_FAILED}:
        _resume(generation, jobs.retake(attempt, task_token), task_token)
        return
    offer = next_offer(generation, jobs.order_of(generation))
    if offer is None:
        # Another clock may still see time left, and send it here again and again.
        jobs.note_nothing_left(generation)
    # Asked for before the attempt is written: what cannot be loaded or read here has not been sent.
    provider = provider_keys.adapter(offer["provider"], jobs.own_key_of(generation, offer)) if offer else None
    by_account = offer is not None and providers.calls_back_by_account(offer["provider"])
    # A project's own account was never told our address.
    calls_back = offer is not None and offer["webhook"] and not (by_account and offer.get("byok"))
    begun = jobs.begin_attempt(generation, offer, task_token, ids.now()) if offer else None
    if offer is None or provider is None or begun is None:
        wake(task_token, FAIL if offer is None else POLL)
        return
    attempt, callback_token = begun
    telemetry.bind(attempt_id=jobs.attempt_id(attempt), provider=attempt.provider)
    outcome = provider.submit(
        Submission(
            attempt_id=jobs.attempt_id(attempt),
            endpoint=offer["endpoint"],
            body=offer["body"],
            webhook_url=_callback_url(attempt, callback_token) if calls_back else None,
            timeout_seconds=settings().provider_timeout_seconds,
        )
    )
    telemetry.logger.info("attempt submitted", extra={"outcome": type(outcome).__name__})
    following = _note_submitted(attempt, outcome)
    awaits_callback = calls_back and following == POLL and not (by_account and _called_early(attempt, outcome))
    if not awaits_callback:
        wake(task_token, following)


def poll(generation_id: str) -> str:
    """Ask the provider until it is done or the window closes; answers the next step.

    Raises NotReady while the provider works. After the deadline the attempt is lost: cancelled where that can
    be, and never repeated.
    """
    generation = jobs.take_up(generation_id)
    if jobs.is_final(generation):
        return DONE
    order = jobs.order_of(generation)
    window_ends_at = time.monotonic() + settings().poll_window_seconds
    pause_seconds = POLL_SECONDS_MIN
    while True:
        attempt = jobs.current_attempt(generation)
        if attempt is None:
            return FAIL
        if attempt.status not in jobs.MAY_RUN:
            return _following(attempt)
        telemetry.bind(attempt_id=jobs.attempt_id(attempt), provider=attempt.provider)
        following = _ask(generation, order, attempt)
        if following:
            return following
        if ids.now().timestamp() >= int(generation.deadline_at):
            return give_up(attempt)
        if time.monotonic() + pause_seconds > window_ends_at or not _can_learn(order, attempt):
            raise NotReady(f"attempt {int(attempt.attempt_no)} is {attempt.status}")
        time.sleep(pause_seconds)
        pause_seconds = min(pause_seconds * 1.5, POLL_SECONDS_MAX)


def collect(generation_id: str) -> str:
    """Bring the finished attempt's outputs home; answers the next step.

    Raises NotReady when the provider did not answer; what it delivered unusably fails the attempt.
    """
    generation = jobs.take_up(generation_id)
    if jobs.is_final(generation):
        return DONE
    attempt = jobs.current_attempt(generation)
    if attempt is None or attempt.status != jobs.FINISHED:
        return FAIL if attempt is None else _following(attempt)
    telemetry.bind(attempt_id=jobs.attempt_id(attempt), provider=attempt.provider)
    try:
        collected = outputs.collect(generation, jobs.order_of(generation), attempt, lambda: _finished(attempt))
    except outputs.Undelivered as error:
        return end(attempt, jobs.ATTEMPT_FAILED, error.code, error.message, retryable=error.retryable)
    jobs.move(attempt, jobs.COLLECTED, outputs=collected)
    telemetry.logger.info("outputs collected", extra={"outputs": len(collected)})
    return SETTLE


def give_up(attempt: tables.Attempt) -> str:
    """Stop waiting for an attempt after its deadline: ask the provider to stop, and call it lost."""
    if attempt.reference:
        provider_keys.adapter(attempt.provider, attempt.own_key_of).cancel(attempt.reference)
    return end(attempt, jobs.LOST, NonDelivery.PROVIDER_LOST, "The provider gave no result in time.", retryable=False)


def end(attempt: tables.Attempt, status: str, code: NonDelivery, message: str, *, retryable: bool) -> str:
    """End an attempt that delivered nothing; answers the next step."""
    error = nondelivery.reason(code, message, retryable=retryable)
    if jobs.move(attempt, status, error=error) and attempt.own_key_of is None:
        # What one project's own account meets says nothing of the offer for others.
        health.count_failure(attempt.offer_id, error["code"])
    telemetry.logger.warning("attempt ended", extra={"status": status, "code": error["code"]})
    return FAIL


def next_offer(generation: tables.Generation, order: tables.Order) -> Mapping[str, Any] | None:
    """The offer to try next, or None. An offer is tried once; fallback goes down the frozen, ranked list.

    One whose breaker is open waits until no other is left: what was ranked may have waited, or run, for long.
    After the deadline there is none: what is submitted then is paid for and given up at the first poll.
    """
    if ids.now().timestamp() >= int(generation.deadline_at):
        return None
    attempts = jobs.attempts_of(generation)
    tried = {(attempt.offer_id, attempt.own_key_of) for attempt in attempts}
    # What one model cannot use another may: only one model's word is not asked for twice.
    spoiled = {jobs.model_of(generation, attempt) for attempt in attempts if _cannot_use_inputs(attempt)}
    left: list[Mapping[str, Any]] = [
        offer
        for offer in order.offers
        if (offer["offer_id"], jobs.own_key_of(generation, offer)) not in tried
        and offer.get("model", generation.model) not in spoiled
    ]
    if len(left) < 2:
        return left[0] if left else None
    # A project's own account comes first, whatever ours has met.
    taken = (
        offer for offer in left if offer.get("byok") or health.of(offer["offer_id"]).takes(generation.generation_id)
    )
    return next(taken, left[0])


def _cannot_use_inputs(attempt: tables.Attempt) -> bool:
    error = attempt.error or {}
    return error.get("code") == NonDelivery.INVALID_INPUTS and not error["retryable"]


def wake(task_token: str, following: str) -> None:
    """End the execution's waiting with the next step. One that no longer waits has been woken before."""
    states = aws.client("stepfunctions")
    try:
        states.send_task_success(taskToken=task_token, output=f'{{"next": "{following}"}}')
    except (
        states.exceptions.TaskTimedOut,
        states.exceptions.TaskDoesNotExist,
        states.exceptions.InvalidToken,
    ):
        telemetry.logger.info("the execution had moved on", extra={"next": following})


def _resume(generation: tables.Generation, attempt: tables.Attempt, task_token: str) -> None:
    """Go on with an attempt that an earlier run of this step began."""
    may_call_back = attempt.status in jobs.MAY_RUN and not attempt.signalled_at
    if not (may_call_back and jobs.offer_of(jobs.order_of(generation), attempt)["webhook"]):
        wake(task_token, _following(attempt))


def _note_submitted(attempt: tables.Attempt, outcome: SubmitOutcome) -> str:
    match outcome:
        case Accepted(reference):
            if not jobs.move(attempt, jobs.ACCEPTED, reference=dict(reference)):
                _stop_if_cancelled(attempt, reference)
            return POLL
        case Finished(media):
            staged = [
                {"key": drive.stage(jobs.attempt_id(attempt), number, item.data, item.media_type)}
                for number, item in enumerate(media)
                if isinstance(item, MediaBytes)
            ]
            if not staged:
                return end(
                    attempt,
                    jobs.ATTEMPT_FAILED,
                    NonDelivery.EMPTY_OUTPUT,
                    "The provider delivered nothing.",
                    retryable=True,
                )
            jobs.move(attempt, jobs.FINISHED, staged=staged, **_told(outcome))
            return COLLECT
        case Refused(code, message, retryable):
            return end(attempt, jobs.REFUSED, code, message, retryable=retryable)
        case Failed(code, message, retryable):
            return end(attempt, jobs.ATTEMPT_FAILED, code, message, retryable=retryable)
        case _:
            jobs.move(attempt, jobs.UNCERTAIN)
            return POLL


def _called_early(attempt: tables.Attempt, outcome: SubmitOutcome) -> bool:
    """Let callbacks that name the job alone find its attempt; whether one came before the job was ours."""
    return isinstance(outcome, Accepted) and not jobs.name_job(attempt, job_id(outcome.reference))


def _stop_if_cancelled(attempt: tables.Attempt, reference: Mapping[str, str]) -> None:
    """The caller cancelled while the POST was under way: only now can the provider be told which job to stop."""
    found = tables.Attempt.find(attempt.generation_id, int(attempt.attempt_no))
    if found is not None and found.status == jobs.CANCELLED:
        provider_keys.adapter(attempt.provider, attempt.own_key_of).cancel(reference)
        telemetry.logger.info("cancelled job stopped")


def _ask(generation: tables.Generation, order: tables.Order, attempt: tables.Attempt) -> str | None:
    """Ask the provider once and write down what it said; None when there is nothing new."""
    provider, reference = provider_keys.adapter(attempt.provider, attempt.own_key_of), attempt.reference
    if not reference:
        reference = provider.find(jobs.attempt_id(attempt), jobs.offer_of(order, attempt)["endpoint"])
        if not reference:
            return None
        telemetry.logger.info("job found")
        jobs.learn(attempt, reference)
    outcome = provider.poll(reference)
    match outcome:
        case Finished():
            if not outputs.delivered(outcome, order.output_url_path):
                message = "The provider finished without an output."
                return end(attempt, jobs.ATTEMPT_FAILED, NonDelivery.EMPTY_OUTPUT, message, retryable=True)
            jobs.move(attempt, jobs.FINISHED, **_told(outcome))
            telemetry.logger.info("provider finished")
            return COLLECT
        case Failed(code, message, retryable):
            return end(attempt, jobs.ATTEMPT_FAILED, code, message, retryable=retryable)
        case Running(progress) if progress is not None:
            jobs.note_progress(generation, progress)
    return None


def _told(finished: Finished) -> dict[str, Any]:
    """What a provider reports beside its outputs, as an attempt keeps it. Usage is billed: no float stands in it."""
    usage = {
        name: exact(Decimal(str(number))) if isinstance(number, float) else number
        for name, number in finished.usage.items()
    }
    return {"metrics": _shown(finished.metrics), "usage": usage, "cost_usd": finished.cost_usd}


def _shown(metrics: Mapping[str, Any], depth: int = 1) -> dict[str, Any]:
    """Of a provider's metrics, which callers see as they are: finite numbers and single words, by a few short names."""
    shown: dict[str, Any] = {}
    for name, value in itertools.islice(metrics.items(), METRICS_MAX):
        if not _WORD.fullmatch(name):
            continue
        is_number = isinstance(value, int | float) and abs(value) < METRIC_MAX
        if is_number or (isinstance(value, str) and _WORD.fullmatch(value)):
            shown[name] = value
        elif isinstance(value, Mapping) and depth < METRICS_DEPTH_MAX:
            shown[name] = _shown(value, depth + 1)
    return shown


def _finished(attempt: tables.Attempt) -> Finished:
    """The provider's result again, with fresh URLs. Raises NotReady when it cannot be had just now."""
    outcome = provider_keys.adapter(attempt.provider, attempt.own_key_of).poll(attempt.reference or {})
    if isinstance(outcome, Finished):
        return outcome
    if isinstance(outcome, Failed):
        raise outputs.Undelivered(outcome.code, outcome.message, retryable=outcome.retryable)
    raise NotReady("the provider's result cannot be read just now")


def _following(attempt: tables.Attempt) -> str:
    if attempt.status in jobs.MAY_RUN:
        return POLL
    return {jobs.FINISHED: COLLECT, jobs.COLLECTED: SETTLE}.get(attempt.status, FAIL)


def _can_learn(order: tables.Order, attempt: tables.Attempt) -> bool:
    """Whether waiting here may bring news: a reference to ask about, or a callback that may name one."""
    return bool(attempt.reference) or bool(jobs.offer_of(order, attempt)["webhook"])


def _callback_url(attempt: tables.Attempt, token: str) -> str:
    return f"{settings().public_url}/v1/callbacks/{attempt.provider}/{attempt.generation_id}/{token}"
