"""An order and its price: find the model, hold the inputs to its limits, look at its media, quote it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway import catalog, drive, ids, pricing, tables
from gateway.errors import BadRequest, GatewayError, ModelRetired, PriceAboveMaximum
from gateway.limits import requests
from gateway.limits.sources import Measured, checked

BATCH_MAX = 90
"""Orders that may come at once: with the balance, an entry and two counters, a transaction for so many holds stays
under 100 writes."""


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
    batch_size: int | None = None
    """How many orders came with it, where it came in a batch: a repeat of the batch is of the same size."""

    def fingerprint(self) -> dict[str, str]:
        """A short digest per field, so that a reused key can name what differs without keeping values."""
        fields = {
            "model": self.model,
            "native": self.native or None,
            "session_id": self.session_id,
            "metadata": self.metadata,
            "max_price_micros": self.max_price_micros,
            "output_path": self.output_path,
            "output_url_path": self.output_url_path,
            "kind": None if self.kind == "auto" else self.kind,
            "batch_size": self.batch_size,
            **{f"inputs.{name}": value for name, value in self.inputs.items()},
        }
        return {name: ids.digest(value) for name, value in fields.items() if value is not None}


@dataclass(frozen=True)
class Priced:
    """An order whose inputs are within limits, with its price."""

    model: catalog.Model
    offers: tuple[catalog.Offer, ...]
    """Those that still serve the model, best first."""
    normalized: requests.Normalized
    quote: pricing.Quote
    warnings: tuple[str, ...]


def terms_of(project: tables.Project) -> pricing.Terms:
    """The terms of a project's plan."""
    return pricing.Terms(int(project.margin_bps), int(project.platform_fee_bps))


def estimate(order: Order, terms: pricing.Terms) -> Priced:
    """Check an order and price it; nothing is held. Of its media only those are looked at that its price depends on.

    Raises a GatewayError of the catalog or the limits, or ModelRetired with what the successor would cost.
    """
    return _priced(order, terms, looks_at_all=False)


def price(order: Order, terms: pricing.Terms) -> Priced:
    """Check an order whole and price it, also against its own `max_price_micros`; nothing is held.

    Raises a GatewayError of the catalog, the limits or the sources, or PriceAboveMaximum.
    """
    priced = _priced(order, terms, looks_at_all=True)
    maximum_micros = priced.quote.maximum_micros
    if order.max_price_micros is not None and maximum_micros > order.max_price_micros:
        raise PriceAboveMaximum(
            "This call may cost more than your max_price_micros.",
            field="max_price_micros",
            maximum_micros=maximum_micros,
        )
    return priced


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
    serving = tuple(offer for offer in offers if offer.serves(normalized.inputs))
    return Priced(model, serving, normalized, quote, warnings)


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
