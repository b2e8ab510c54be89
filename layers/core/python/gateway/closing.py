"""The end of a generation: settle what was delivered, or release what was held. One transaction each.

    settle   delivered                    charged, at most what was held; the rest returns
    fail     ended without a result       released whole, with a typed reason
    cancel   stopped by its caller        released whole, unless the provider has delivered already

There is no moment at which a crash leaves the hold, the balance, the BillingRecord and the generation in
disagreement; running either twice changes nothing the second time.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gateway import advance, durations, health, ids, jobs, ledger, provider_keys, records, tables, telemetry
from gateway.config import settings
from gateway.errors import AlreadyFinished, Unavailable
from gateway.nondelivery import NonDelivery, reason
from gateway.pricing import Quote

CANCEL_TRIES_MAX = 5


def settle(generation_id: str) -> None:
    """Charge a collected generation for what was delivered, and complete it."""
    generation = jobs.take_up(generation_id)
    if jobs.is_final(generation):
        return
    attempt = jobs.current_attempt(generation)
    if attempt is None or attempt.status != jobs.COLLECTED or not attempt.outputs:
        raise RuntimeError(f"{generation_id} cannot be settled: its outputs are not collected")
    held, order, now = ledger.hold_of(generation_id), jobs.order_of(generation), ids.now()
    record = records.billing_record(generation, order, attempt, now)
    amount_micros = int(record["amount_micros"])
    try:
        with tables.transaction() as tx:
            ledger.settle(tx, held, record, now)
            jobs.complete(tx, generation, attempt, amount_micros, now)
    except tables.ConditionFailed:
        if not jobs.is_final(jobs.find(generation_id)):
            raise
        return
    _tell_settled(generation, order, attempt, record, now)
    _observe(generation, order, attempt, now)


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
            unfetched = "The outputs could not be fetched."
            advance.end(attempt, jobs.ATTEMPT_FAILED, NonDelivery.PROVIDER_ERROR, unfetched, retryable=True)
        attempt = jobs.current_attempt(generation)
    error = _reason(attempt)
    offer = advance.next_offer(generation, jobs.order_of(generation))
    if offer is not None and (error["retryable"] or error["code"] == NonDelivery.INVALID_INPUTS):
        return advance.SUBMIT
    release(generation, error)
    return advance.DONE


def cancel(project_id: str, generation_id: str) -> None:
    """Stop a generation for its caller and release its hold; one that is cancelled already stays so.

    The provider is asked to stop where it can, again by each repeat: whoever asked first may not have come so far.
    What it charges all the same is not the caller's. Raises NotFound, and AlreadyFinished once the provider has
    delivered: whichever came first counts.
    """
    for _ in range(CANCEL_TRIES_MAX):
        generation = jobs.find_in_project(project_id, generation_id)
        attempt = jobs.current_attempt(generation)
        if generation.status == jobs.CANCELLED:
            _stop(attempt)
            return
        if jobs.is_final(generation) or (attempt and attempt.status in {jobs.FINISHED, jobs.COLLECTED}):
            raise AlreadyFinished(f"'{generation_id}' has ended, or is being delivered.", status=generation.status)
        if _cancelled(generation, attempt):
            # The provider may have answered since the attempt was read; from now on nothing is added to it.
            _stop(jobs.current_attempt(generation))
            return
    raise Unavailable("The generation is moving on just now; nothing was changed.")


def release(generation: tables.Generation, error: Mapping[str, Any]) -> None:
    """Give the hold back and fail the generation with a typed reason."""
    generation_id = generation.generation_id
    held, now = ledger.hold_of(generation_id), ids.now()
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


def _cancelled(generation: tables.Generation, attempt: tables.Attempt | None) -> bool:
    """Release and close in one transaction; False when something moved on."""
    held, now = ledger.hold_of(generation.generation_id), ids.now()
    error = reason(NonDelivery.CANCELLED, "It was cancelled by its caller.", retryable=False)
    try:
        with tables.transaction() as tx:
            ledger.release(tx, held, now)
            jobs.cancel(tx, generation, attempt, error, now)
    except tables.ConditionFailed:
        return False
    telemetry.logger.info("generation cancelled")
    telemetry.measure({"GenerationsCancelled": 1, "ReleasedMicros": int(held.amount_micros)})
    return True


def _stop(attempt: tables.Attempt | None) -> None:
    """Have the provider and the execution stop what was cancelled, where one of them may be at it."""
    if attempt is None or attempt.status != jobs.CANCELLED:
        return
    if attempt.reference:
        provider_keys.adapter(attempt.provider, attempt.own_key_of).cancel(attempt.reference)
    if attempt.task_token:
        advance.wake(attempt.task_token, advance.DONE)


def _tell_settled(
    generation: tables.Generation,
    order: tables.Order,
    attempt: tables.Attempt,
    record: Mapping[str, Any],
    now: datetime,
) -> None:
    amount_micros, loss_micros = int(record["amount_micros"]), int(record["loss_micros"])
    telemetry.logger.info("generation completed", extra={"billed_micros": amount_micros})
    metrics = {"GenerationsCompleted": 1, "SettledMicros": amount_micros, **phases(generation, attempt, now)}
    costs: dict[str, int] = {}
    if loss_micros:
        told = {"loss_micros": loss_micros, "model": record["model"]}
        telemetry.logger.error("the provider charged more than was held", extra=told)
        costs["OperatorLossMicros"] = loss_micros
    if drift_micros := records.cost_drift_micros(order, attempt, record):
        costs["ProviderCostDriftMicros"] = abs(drift_micros)
    telemetry.measure(metrics | costs, model=record["model"])
    if costs:
        # An alarm watches one metric of known dimensions: of no model, and of whichever function settles.
        telemetry.measure(costs, service=f"museway-{settings().stage}")


def _observe(generation: tables.Generation, order: tables.Order, attempt: tables.Attempt, now: datetime) -> None:
    """Let estimates, and whoever chooses between offers, learn from the run."""
    try:
        quote, seconds = Quote.from_dict(jobs.quote_of(order, attempt)), phases(generation, attempt, now)
        if attempt.own_key_of is None:
            health.count_delivery(attempt.offer_id, durations.parameters_of(quote), seconds["ProviderSeconds"])
        durations.observe(jobs.model_of(generation, attempt), quote, seconds["TotalSeconds"], now)
    except Exception:
        # The run is settled already: what fails here may not matter.
        telemetry.logger.exception("the duration was not counted")


def _reason(attempt: tables.Attempt | None) -> dict[str, Any]:
    if attempt is None:
        message = "The generation could not be submitted to a provider."
        return reason(NonDelivery.PROVIDER_UNAVAILABLE, message, retryable=True)
    return dict(attempt.error or reason(NonDelivery.PROVIDER_ERROR, "The provider gave no reason.", retryable=False))
