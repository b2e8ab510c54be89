"""A provider calls back: verified twice, trusted for nothing but the news that there is news.

The path carries an unguessable token of the attempt, and the provider's own signature is checked where it
has one. What the body says of the result is not used; the execution wakes up and asks the provider.
"""

from collections.abc import Mapping

from gateway import advance, ids, jobs, provider_keys, tables, telemetry
from gateway.errors import NotFound, Unauthorized
from gateway.provider import ForgedWebhook


def receive(provider: str, generation_id: str, token: str, headers: Mapping[str, str], body: bytes) -> None:
    """Take a callback: note it, keep the reference it names if ours was lost, and wake the execution.

    A repeat, or one for a generation that is final, changes nothing. Raises NotFound for an unknown
    generation or token, Unauthorized for a signature that does not verify.
    """
    attempt = _attempt(provider, generation_id, token)
    generation = jobs.find(generation_id)
    telemetry.bind(
        project_id=generation.project_id,
        generation_id=generation_id,
        attempt_id=jobs.attempt_id(attempt),
        provider=provider,
    )
    try:
        reference = provider_keys.adapter(provider, attempt.own_key_of).webhook_reference(headers, body)
    except ForgedWebhook as error:
        telemetry.logger.warning("callback refused", extra={"reason": str(error)})
        telemetry.measure({"CallbacksRefused": 1}, provider=provider)
        raise Unauthorized(
            "The callback's signature does not verify.", hint="Callbacks come from providers."
        ) from error
    if reference:
        endpoint = jobs.offer_of(jobs.order_of(generation), attempt)["endpoint"]
        reference = {"endpoint": endpoint, **reference}
    jobs.signal(attempt, reference, ids.now())
    telemetry.logger.info("callback received")
    if attempt.task_token and attempt.status in jobs.MAY_RUN:
        advance.wake(attempt.task_token, advance.POLL)


def _attempt(provider: str, generation_id: str, token: str) -> tables.Attempt:
    for attempt in reversed(tables.Attempt.all_of(generation_id)):
        if attempt.provider == provider and jobs.callback_matches(attempt, token):
            return attempt
    raise NotFound("There is nothing to call back here.", hint="Callbacks come from providers.")
