"""Submitting: find the model, hold the inputs to its limits, price them, and write it all in one transaction.

Nothing is started here. The inserted generation is itself the order: the jobs table's stream starts its
execution, and the reconciler starts what the stream missed.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway import catalog, drive, ids, jobs, ledger, pricing, tables, telemetry, templates
from gateway.auth import Principal
from gateway.config import settings
from gateway.errors import (
    BadRequest,
    GatewayError,
    IdempotencyKeyReused,
    InsufficientCredits,
    ModelRetired,
    NotFound,
    PayloadTooLarge,
    PriceAboveMaximum,
)
from gateway.limits import requests
from gateway.limits.sources import Measured, checked

JOB_BYTES_MAX = 300_000
"""The frozen requests and quote must fit one DynamoDB item (400 KB) with room to spare."""


@dataclass(frozen=True)
class Order:
    """A request for one generation, typed (`native` False, seed 002) or native (seed 001)."""

    model: str
    native: bool
    inputs: Mapping[str, Any]
    session_id: str | None = None
    metadata: Mapping[str, Any] | None = None
    max_price_micros: int | None = None
    output_path: str | None = None
    output_url_path: str | None = None
    kind: str = "auto"

    def fingerprint(self) -> dict[str, str]:
        """A short digest per field, so that a reused key can name what differs without keeping values."""
        fields = {
            "model": self.model,
            "native": self.native,
            "session_id": self.session_id,
            "metadata": self.metadata,
            "max_price_micros": self.max_price_micros,
            "output_path": self.output_path,
            "output_url_path": self.output_url_path,
            "kind": self.kind,
            **{f"inputs.{name}": value for name, value in self.inputs.items()},
        }
        return {name: _digest(value) for name, value in fields.items() if value is not None}


@dataclass(frozen=True)
class Priced:
    """An order whose inputs are within limits, with its price."""

    model: catalog.Model
    offers: tuple[catalog.Offer, ...]
    """Those that still serve the model, best first."""
    normalized: requests.Normalized
    quote: pricing.Quote
    warnings: tuple[str, ...]


def terms_of(project_id: str) -> pricing.Terms:
    """The terms of a project's plan. Raises NotFound."""
    project = tables.Project.find(project_id)
    if project is None:
        raise NotFound("This key's project no longer exists.")
    return pricing.Terms(int(project.margin_bps), int(project.platform_fee_bps))


def estimate(order: Order, terms: pricing.Terms) -> Priced:
    """Check an order and price it; nothing is held. Of its media only those are looked at that its price depends on.

    Raises a GatewayError of the catalog or the limits, or ModelRetired with what the successor would cost.
    """
    return _priced(order, terms, looks_at_all=False)


def submit(
    principal: Principal, order: Order, idempotency_key: str | None, request_id: str
) -> tuple[tables.Generation, bool]:
    """Accept an order: hold its price and insert its generation. Answers it and whether it is a replay.

    Raises a GatewayError of the catalog, the limits, the sources or the balance; then nothing has changed.
    With an idempotency key, the generation's id is derived from project and key, so the item is the record
    of the key: the same order finds it again, another order raises IdempotencyKeyReused.
    """
    if idempotency_key is None:
        generation_id = ids.fresh("gen")
    else:
        generation_id = ids.derived("gen", principal.project_id, idempotency_key)
        if existing := tables.Generation.find(generation_id):
            return _replay(existing, order), True
    priced = _priced(order, terms_of(principal.project_id), looks_at_all=True)
    amount_micros = priced.quote.maximum_micros
    if order.max_price_micros is not None and amount_micros > order.max_price_micros:
        raise PriceAboveMaximum(
            "This call may cost more than your max_price_micros.",
            field="max_price_micros",
            maximum_micros=amount_micros,
        )
    now = ids.now()
    generation = _generation(generation_id, principal, order, priced, request_id, now)
    try:
        with tables.transaction() as tx:
            ledger.hold(tx, principal.project_id, generation_id, amount_micros, now)
            tx.insert("generation", generation)
    except tables.ConditionFailed as failed:
        # A concurrent submit under the same key, or our own write whose answer was lost.
        if "generation" in failed.labels and (existing := tables.Generation.find(generation_id)):
            return _replay(existing, order), True
        raise _insufficient(principal.project_id, amount_micros) from failed
    telemetry.bind(generation_id=generation_id)
    telemetry.logger.info("generation submitted", extra={"model": order.model, "held_micros": amount_micros})
    telemetry.measure({"GenerationsSubmitted": 1, "HeldMicros": amount_micros}, model=order.model)
    return generation, False


def accepted(generation: tables.Generation, status_url: str) -> dict[str, Any]:
    """The 202 answer: only of what never changes, so that a replay reads the same."""
    amount_micros = int(generation.held_micros)
    return {
        "generation_id": generation.generation_id,
        "status": jobs.PENDING,
        "model": generation.model,
        "estimated_time_seconds": int(generation.estimated_time_seconds),
        "estimated_cost_credits": pricing.credits_of(amount_micros),
        "estimated_cost_micros": amount_micros,
        "status_url": status_url,
        "warnings": generation.warnings or [],
    }


def _check_kind(kind: str, model: catalog.Model) -> None:
    if kind not in {"auto", model.kind}:
        raise BadRequest(f"This model makes {model.kind}, not {kind}.", field="kind", allowed=["auto", model.kind])


def _check_paths(order: Order) -> None:
    """Refuse a place for the outputs that cannot be, and a pointer into the answer that cannot be read."""
    if order.output_path is not None:
        drive.checked_path(order.output_path, "output_path")
    if order.output_url_path is not None:
        import jmespath  # few calls carry one

        try:
            jmespath.compile(order.output_url_path)
        except jmespath.exceptions.JMESPathError:
            raise BadRequest(
                "'output_url_path' is no JMESPath expression.",
                field="output_url_path",
                hint="Write it such as outputs[0].asset.url.",
            ) from None


def _priced(order: Order, terms: pricing.Terms, *, looks_at_all: bool) -> Priced:
    now = ids.now()
    snapshot = catalog.current()
    model = snapshot.model(order.model)
    offers = model.live_offers(now)
    if not offers:
        raise _retired(snapshot, model, order, terms, now)
    normalized = _normalized(model, order)
    _check_kind(order.kind, model)
    _check_paths(order)
    wanted = [source for source in normalized.media if looks_at_all or source.input in model.measures]
    quote = model.quote(normalized.inputs, now, terms, _measured(model, wanted))
    warnings = (*normalized.warnings, *_sunset_warning(model, now))
    return Priced(model, offers, normalized, quote, warnings)


def _normalized(model: catalog.Model, order: Order) -> requests.Normalized:
    if order.native:
        return requests.from_native(model.limits, order.inputs, model.inputs_priced)
    return requests.from_typed(model.limits, order.inputs)


def _measured(model: catalog.Model, wanted: Iterable[requests.Source]) -> Measured:
    """Look at media through the guard, as little of each as its kind and length need, and hold them to the limits."""
    by_field: dict[str, list[requests.Source]] = {}
    for source in wanted:
        by_field.setdefault(source.field, []).append(source)
    if not by_field:
        return {}
    # Brings the HTTP client, 50 ms of a cold start that a text-to-anything call need not pay.
    from gateway import sources

    found: list[tuple[requests.Source, sources.Source]] = []
    for field, asked in by_field.items():
        found += zip(asked, sources.probe_sources([one.url for one in asked], field), strict=True)
    return checked(model.limits, found)


def _sunset_warning(model: catalog.Model, now: datetime) -> tuple[str, ...]:
    if not model.is_ending(now):
        return ()
    return (f"'{model.model_id}' is served until {model.ends_on}; its successor is '{model.successor}'.",)


def _retired(
    snapshot: catalog.Snapshot, model: catalog.Model, order: Order, terms: pricing.Terms, now: datetime
) -> ModelRetired:
    """The refusal of a model that nobody serves: what to use instead, and what the same call costs there."""
    successor = snapshot.living_successor(model, now)
    prices_micros = [one and _price_micros(one, order, terms, now) for one in (model, successor)]
    before_micros, after_micros = prices_micros
    known = before_micros is not None and after_micros is not None
    return ModelRetired(
        f"'{model.model_id}' is no longer served since {model.ends_on}.",
        field="model",
        retired_on=str(model.ends_on),
        successor=successor and successor.model_id,
        price_micros=before_micros,
        successor_price_micros=after_micros,
        price_difference_micros=(after_micros or 0) - (before_micros or 0) if known else None,
    )


def _price_micros(model: catalog.Model, order: Order, terms: pricing.Terms, now: datetime) -> int | None:
    """What an order would cost with a model, media unseen; None when the model does not take it."""
    try:
        return model.quote(_normalized(model, order).inputs, now, terms).expected_micros
    except GatewayError:
        return None


def _generation(
    generation_id: str, principal: Principal, order: Order, priced: Priced, request_id: str, now: datetime
) -> tables.Generation:
    offers = [_frozen_offer(offer, priced.normalized.inputs) for offer in priced.offers]
    frozen_quote = priced.quote.to_dict()
    fingerprint, warnings = order.fingerprint(), list(priced.warnings)
    size_bytes = len(json.dumps([offers, frozen_quote, order.metadata, fingerprint, warnings]).encode())
    if size_bytes > JOB_BYTES_MAX:
        raise PayloadTooLarge(f"The inputs come to {size_bytes} bytes; {JOB_BYTES_MAX} are possible.")
    stamp = ids.timestamp(now)
    first = offers[0]
    return tables.Generation(
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
        fingerprint=fingerprint,
        metadata=order.metadata,
        warnings=warnings or None,
        output_path=order.output_path,
        output_url_path=order.output_url_path,
        offers=offers,
        quote=frozen_quote,
        shard=ledger.SHARD,
        held_micros=priced.quote.maximum_micros,
        estimated_time_seconds=priced.model.estimated_time_seconds,
        await_seconds=_await_seconds(first),
        deadline_at=int(now.timestamp()) + min(first["deadline_seconds"], settings().deadline_seconds_max),
        created_at=stamp,
        listed_at=f"{stamp}#{generation_id}",
        work=jobs.work_bucket(generation_id),
        due_at=int(now.timestamp()) + jobs.START_GRACE_SECONDS,
    )


def _frozen_offer(offer: catalog.Offer, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """An offer with its request rendered: what happens later needs neither the catalog nor the inputs."""
    return {
        "offer_id": offer.offer_id,
        "provider": offer.provider,
        "endpoint": offer.endpoint(inputs),
        "body": templates.render(offer.request, inputs),
        "webhook": offer.webhook,
        "typical_seconds": offer.typical_seconds,
        "deadline_seconds": offer.deadline_seconds,
        "cost_basis": offer.cost_basis,
    }


def _await_seconds(offer: Mapping[str, Any]) -> int:
    """How long the first state waits for a callback: most of the typical time, so that one poll then finds
    a job whose webhook was lost. A synchronous provider answers within the submission itself."""
    if not offer["webhook"]:
        return int(settings().provider_timeout_seconds) + 60
    return min(max(round(int(offer["typical_seconds"]) * 0.8), 5), settings().await_seconds_max)


def _replay(existing: tables.Generation, order: Order) -> tables.Generation:
    before, now = existing.fingerprint, order.fingerprint()
    differing = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
    if differing:
        raise IdempotencyKeyReused(
            "This Idempotency-Key was used for another request.",
            fields=[name.removeprefix("inputs.") for name in differing],
        )
    return existing


def _insufficient(project_id: str, needed_micros: int) -> InsufficientCredits:
    available_micros = ledger.totals(project_id).available_micros
    return InsufficientCredits(
        "The balance does not cover this call.",
        needed_micros=needed_micros,
        available_micros=available_micros,
        needed_credits=pricing.credits_of(needed_micros),
        available_credits=pricing.credits_of(available_micros),
    )


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]
