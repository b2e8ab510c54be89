"""An accepted order as it is stored: what happens later needs neither the catalog nor the inputs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway import catalog, fx, ids, jobs, tables, templates
from gateway.auth import Principal
from gateway.config import settings
from gateway.errors import IdempotencyKeyReused, PayloadTooLarge
from gateway.submission.orders import Order, Priced

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
    offers = [_offer(offer, priced.normalized.inputs) for offer in priced.offers]
    quote, fingerprint, warnings = priced.quote.to_dict(), order.fingerprint(), list(priced.warnings)
    size_bytes = len(json.dumps([offers, quote, order.metadata, fingerprint, warnings]).encode())
    if size_bytes > JOB_BYTES_MAX:
        raise PayloadTooLarge(f"The inputs come to {size_bytes} bytes; {JOB_BYTES_MAX} are possible.")
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
        held_micros=priced.maximum_micros,
        estimated_time_seconds=priced.model.estimated_time_seconds,
        await_seconds=_await_seconds(first),
        deadline_at=int(now.timestamp()) + min(first["deadline_seconds"], settings().deadline_seconds_max),
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
    before = stored.fingerprint
    names = sorted(name for name in {*before, *fingerprint} if before.get(name) != fingerprint.get(name))
    return [name.removeprefix("inputs.") for name in names]


def reused(fields: Sequence[str]) -> IdempotencyKeyReused:
    """The refusal of another request under a key, with the names of the fields that differ."""
    return IdempotencyKeyReused("This Idempotency-Key was used for another request.", fields=list(fields))


def _offer(offer: catalog.Offer, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """An offer with its request rendered."""
    return {
        "offer_id": offer.offer_id,
        "provider": offer.provider,
        "endpoint": offer.endpoint(inputs),
        "body": templates.render(offer.request, inputs),
        "webhook": offer.webhook,
        "typical_seconds": offer.typical_seconds,
        "deadline_seconds": offer.deadline_seconds,
        "cost_basis": offer.cost_basis,
        "byok": offer.byok,
    }


def _await_seconds(offer: Mapping[str, Any]) -> int:
    """How long the first state waits for a callback: most of the typical time, so that one poll then finds
    a job whose webhook was lost. A synchronous provider answers within the submission itself."""
    if not offer["webhook"]:
        return int(settings().provider_timeout_seconds) + 60
    return min(max(round(int(offer["typical_seconds"]) * 0.8), 5), settings().await_seconds_max)
