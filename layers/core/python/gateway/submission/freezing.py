"""An accepted order as it is stored: what happens later needs neither the catalog nor the inputs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway import fx, ids, jobs, pricing, tables, templates
from gateway.auth import Principal
from gateway.config import settings
from gateway.errors import IdempotencyKeyReused, PayloadTooLarge
from gateway.submission.choosing import Priced, Served
from gateway.submission.orders import Order

JOB_BYTES_MAX = 300_000
"""The frozen requests and quote must fit one DynamoDB item (400 KB) with room to spare."""


@dataclass(frozen=True)
class Job:
    """A generation and its order, not written yet."""

    generation: tables.Generation
    order: tables.Order

    @property
    def generation_id(self) -> str:
        """The generation's id."""
        return str(self.generation.generation_id)

    @property
    def maximum_micros(self) -> int:
        """What is held for it."""
        return int(self.generation.held_micros)

    def insert(self, tx: tables.Transaction, label: str = "generation") -> None:
        """Write both; the label fails when the generation is there already."""
        tx.insert(label, self.generation)
        tx.insert(f"order of {label}", self.order)


def frozen(
    generation_id: str, principal: Principal, order: Order, priced: Priced, currency: str, request_id: str
) -> Job:
    """An order that is accepted now, with its requests rendered, its price, and the rate of the account's currency.

    Raises PayloadTooLarge for one that would not fit its item.
    """
    now = ids.now()
    quote, fingerprint, warnings = priced.quote.to_dict(), order.fingerprint(), list(priced.warnings)
    decision = priced.decision and priced.decision.to_dict()
    around_bytes = _json_bytes([quote, order.metadata, fingerprint, warnings, decision])
    offers = _fitting([_offer(served, priced, now) for served in priced.served], JOB_BYTES_MAX - around_bytes)
    served = priced.served[: len(offers)]
    stamp, first = ids.timestamp(now), offers[0]
    generation = tables.Generation(
        f"GENERATION#{generation_id}",
        "GENERATION",
        generation_id=generation_id,
        project_id=principal.project_id,
        key_id=principal.key_id,
        session_id=order.session_id,
        request_id=request_id,
        model=priced.model.model_id,
        kind=priced.model.kind,
        status=jobs.PENDING,
        metadata=order.metadata,
        warnings=warnings or None,
        held_micros=max(one.quote.maximum_micros for one in served),
        estimated_time_seconds=priced.model.estimated_time_seconds,
        await_seconds=_await_seconds(first),
        deadline_at=int(now.timestamp()) + min(_deadline_seconds(offers), settings().deadline_seconds_max),
        created_at=stamp,
        listed_at=f"{stamp}#{generation_id}",
        work=jobs.work_bucket(generation_id),
        due_at=int(now.timestamp()) + jobs.START_GRACE_SECONDS,
    )
    details = tables.Order(
        generation.pk,
        "ORDER",
        fingerprint=fingerprint,
        offers=offers,
        quote=quote,
        routing=decision,
        fx=fx.snapshot(currency, now),
        output_path=order.output_path,
        output_url_path=order.output_url_path,
    )
    return Job(generation, details)


def check_same(stored: tables.Order, order: Order) -> None:
    """Raise IdempotencyKeyReused when a key's first order was another one, naming what differs."""
    if fields := differing(stored, order.fingerprint()):
        raise reused(fields)


def differing(stored: tables.Order, fingerprint: Mapping[str, str]) -> list[str]:
    """The fields in which an order differs from the one that was stored."""
    return [name.removeprefix("inputs.") for name in ids.differing(stored.fingerprint, fingerprint)]


def reused(fields: Sequence[str]) -> IdempotencyKeyReused:
    """The refusal of another request under a key, with the names of the fields that differ."""
    return IdempotencyKeyReused("This Idempotency-Key was used for another request.", fields=list(fields))


def _offer(served: Served, priced: Priced, now: datetime) -> dict[str, Any]:
    """An offer with its request rendered and what it costs us, where the catalog says so; of another model than the
    first, with that model's price too."""
    offer, fit = served.offer, served.fit
    inputs = fit.normalized.inputs
    cost = None if served.byok else fit.cost(offer, now)
    costs = {} if cost is None else {"cost": {"lines": [line.to_dict() for line in cost.lines]}}
    other = {} if fit.model is priced.model else {"model": fit.model.model_id, "quote": fit.quote.to_dict()}
    return (
        other
        | costs
        | {
            "offer_id": offer.offer_id,
            "provider": offer.provider,
            "endpoint": offer.endpoint(inputs),
            "body": templates.render(offer.request, inputs),
            "outputs": pricing.outputs_of(fit.model.meters, inputs),
            "webhook": offer.webhook,
            "typical_seconds": offer.typical_seconds,
            "deadline_seconds": offer.deadline_seconds,
            "cost_basis": offer.cost_basis,
            "byok": served.byok,
        }
    )


def _fitting(offers: list[dict[str, Any]], bytes_max: int) -> list[dict[str, Any]]:
    """As many of the offers, from the first on, as there is room for. Raises PayloadTooLarge where that is none."""
    while (size_bytes := _json_bytes(offers)) > bytes_max:
        if len(offers) == 1:
            raise PayloadTooLarge(f"The inputs come to {size_bytes} bytes; {bytes_max} are possible.")
        offers = offers[:-1]
    return offers


def _json_bytes(content: Any) -> int:
    return len(json.dumps(content).encode())


def _deadline_seconds(offers: Sequence[Mapping[str, Any]]) -> int:
    """Of the one that may take longest: whichever delivers has its time."""
    return max(int(offer["deadline_seconds"]) for offer in offers)


def _await_seconds(offer: Mapping[str, Any]) -> int:
    """How long the first state waits for a callback: most of the typical time, so that one poll then finds
    a job whose webhook was lost. A synchronous provider answers within the submission itself."""
    if not offer["webhook"]:
        return int(settings().provider_timeout_seconds) + 60
    return min(max(round(int(offer["typical_seconds"]) * 0.8), 5), settings().await_seconds_max)
