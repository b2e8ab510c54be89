"""One model held against an order: do its limits take the inputs, what are its media like, what does it cost?"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gateway import catalog, pricing, routing
from gateway.conditions import GENERATION_TYPE
from gateway.errors import BadRequest, SourceRefused
from gateway.limits import SOURCES, requests
from gateway.limits.sources import Measured, checked
from gateway.submission.orders import Order

if TYPE_CHECKING:
    from gateway import sources

_SOUND = {"included": True, "silent": False}
"""What a model without a `sound` parameter does anyway."""


@dataclass(frozen=True)
class Fit:
    """A model that takes an order's inputs, with its price for them."""

    model: catalog.Model
    normalized: requests.Normalized
    measured: Measured
    quote: pricing.Quote

    @property
    def generation_type(self) -> str:
        """What it would do: two models that do the same may stand in for each other."""
        return str(self.normalized.inputs[GENERATION_TYPE])

    def cost(self, offer: catalog.Offer, now: datetime) -> pricing.Quote | None:
        """What an offer's provider asks of us; None where the catalog does not say."""
        if not offer.costs:
            return None
        inputs, meters = self.normalized.inputs, self.model.meters
        return pricing.quote(offer.costs, meters, inputs, now, pricing.Terms(), self.measured)


class Media:
    """The media of one order, each looked at once however many models are asked about them."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, tuple[str, ...]], list[sources.Source]] = {}
        self.refusal: SourceRefused | None = None
        """Why they could not be looked at, which no other model can change."""

    def look(self, urls: tuple[str, ...], field: str) -> "list[sources.Source]":
        """What is there, in order, through the guard. Raises SourceRefused."""
        # Brings the HTTP client, 50 ms of a cold start that a text-to-anything call need not pay.
        from gateway import sources

        if (field, urls) not in self._found:
            try:
                self._found[field, urls] = sources.probe_sources(urls, field)
            except SourceRefused as refusal:
                self.refusal = refusal
                raise
        return self._found[field, urls]


def fitted(
    model: catalog.Model, order: Order, terms: pricing.Terms, now: datetime, media: Media, *, looks_at_all: bool
) -> Fit:
    """The order as this model takes it. Without `looks_at_all` only media that its price depends on are looked at.

    Raises a GatewayError of the limits or the sources. Where the model was not named, one that would ignore something
    that was asked for does not take the order.
    """
    normalized = normalized_for(model, order)
    if order.kind not in {"auto", model.kind}:
        message = f"This model makes {model.kind}, not {order.kind}."
        raise BadRequest(message, field="kind", allowed=["auto", model.kind])
    wanted = [source for source in normalized.media if looks_at_all or source.input in model.measures]
    measured = _measured(model, wanted, media)
    return Fit(model, normalized, measured, model.quote(normalized.inputs, now, terms, measured))


def normalized_for(model: catalog.Model, order: Order) -> requests.Normalized:
    """An order's inputs as a model's own. Raises BadRequest or InvalidField naming the field."""
    if order.is_routed:
        return requests.from_typed(model.limits, _used(model, order.inputs))
    if order.native:
        return requests.from_native(model.limits, order.inputs, model.inputs_priced)
    return requests.from_typed(model.limits, order.inputs)


def _used(model: catalog.Model, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs but for those that ask for what the model does anyway. Raises BadRequest for one that it ignores."""
    known = {GENERATION_TYPE, SOURCES, *model.limits.inputs, *model.limits.fields}
    for name, value in inputs.items():
        if name not in known and value is not None and not _does_anyway(model, name, value):
            raise BadRequest(f"It does not use '{name[:40]}'.", field=name)
    return {name: value for name, value in inputs.items() if name in known}


def _does_anyway(model: catalog.Model, name: str, value: Any) -> bool:
    if name == "sound":
        return _SOUND.get(model.video_audio or "") is value
    is_tier = name == "quality" and value in routing.TIERS
    return is_tier and routing.TIERS.index(model.quality) >= routing.TIERS.index(value)


def _measured(model: catalog.Model, wanted: Iterable[requests.Source], media: Media) -> Measured:
    """Look at media, as little of each as its kind and length need, and hold them to the limits."""
    by_field: dict[str, list[requests.Source]] = {}
    for source in wanted:
        by_field.setdefault(source.field, []).append(source)
    if not by_field:
        return {}
    found: list[tuple[requests.Source, sources.Source]] = []
    for field, asked in by_field.items():
        found += zip(asked, media.look(tuple(one.url for one in asked), field), strict=True)
    return checked(model.limits, found)
