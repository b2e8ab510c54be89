"""A provider calls back: verified, trusted for nothing but the news that there is news.

The path carries an unguessable token of the attempt, and the provider's own signature is checked where it
has one. A provider that calls back its customer's account has one path and names its job: there the signature is all,
and an item of the job leads to the attempt. What the body says of the result is not used; the execution wakes up and
asks the provider.
"""

from collections.abc import Mapping

from gateway import advance, ids, jobs, provider_keys, providers, tables, telemetry
from gateway.errors import NotFound, Unauthorized
from gateway.provider import ForgedWebhook, job_id

_HINT = "Callbacks come from providers."


def receive(provider: str, generation_id: str, token: str, headers: Mapping[str, str], body: bytes) -> None:
    """Take a callback: note it, keep the reference it names if ours was lost, and wake the execution.

    A repeat, or one for a generation that is final, changes nothing. Raises NotFound for an unknown
    generation or token, Unauthorized for a signature that does not verify.
    """
    attempt = _attempt(provider, generation_id, token)
    _on_record(attempt)
    _take(attempt, _verified(provider, attempt.own_key_of, headers, body))


def receive_of_account(provider: str, headers: Mapping[str, str], body: bytes) -> None:
    """Take a callback that names the provider's job and nothing of ours.

    One about a job that is not ours yet is kept for whoever is about to note it; one about no job is just
    acknowledged. Raises NotFound for a provider that does not call back this way, Unauthorized for a signature that
    does not verify.
    """
    if not providers.calls_back_by_account(provider):
        raise NotFound("There is nothing to call back here.", hint=_HINT)
    reference = _verified(provider, None, headers, body)
    attempt = jobs.attempt_of_job(provider, job_id(reference), ids.now()) if reference else None
    if attempt is None:
        telemetry.logger.info("callback about nothing that is ours", extra={"provider": provider})
        return
    _on_record(attempt)
    _take(attempt, reference)


def _take(attempt: tables.Attempt, reference: Mapping[str, str]) -> None:
    if reference:
        endpoint = jobs.offer_of(jobs.order_of(jobs.find(attempt.generation_id)), attempt)["endpoint"]
        reference = {"endpoint": endpoint, **reference}
    jobs.signal(attempt, reference, ids.now())
    telemetry.logger.info("callback received")
    if attempt.task_token and attempt.status in jobs.MAY_RUN:
        advance.wake(attempt.task_token, advance.POLL)


def _verified(provider: str, own_project_id: str | None, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
    """What a callback tells of the job, on the account of a project or on ours. Raises Unauthorized."""
    try:
        return provider_keys.adapter(provider, own_project_id).webhook_reference(headers, body)
    except ForgedWebhook as error:
        telemetry.logger.warning("callback refused", extra={"reason": str(error)})
        telemetry.measure({"CallbacksRefused": 1}, provider=provider)
        raise Unauthorized("The callback's signature does not verify.", hint=_HINT) from error


def _on_record(attempt: tables.Attempt) -> None:
    """Put the attempt's ids on the log lines that follow."""
    telemetry.bind(
        project_id=jobs.find(attempt.generation_id).project_id,
        generation_id=attempt.generation_id,
        attempt_id=jobs.attempt_id(attempt),
        provider=attempt.provider,
    )


def _attempt(provider: str, generation_id: str, token: str) -> tables.Attempt:
    for attempt in reversed(tables.Attempt.all_of(generation_id)):
        if attempt.provider == provider and jobs.callback_matches(attempt, token):
            return attempt
    raise NotFound("There is nothing to call back here.", hint=_HINT)
