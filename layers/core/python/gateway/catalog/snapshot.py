"""One version of the catalog in memory: models with their limits, prices and offers, whole and unchanging."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

from gateway import conditions, limits, pricing, templates
from gateway.errors import UnknownModel, VariantRequired

SUNSET_NOTICE = timedelta(days=90)
"""How long before its end a model's calls carry a warning."""


@dataclass(frozen=True)
class Endpoint:
    """One provider endpoint of an offer and when it is the one to call."""

    name: str
    when: conditions.Conditions


@dataclass(frozen=True)
class Offer:
    """One provider that can serve a model."""

    offer_id: str
    provider: str
    when: conditions.Conditions
    """What of the model it serves."""
    endpoints: tuple[Endpoint, ...]
    webhook: bool
    typical_seconds: int
    deadline_seconds: int
    request: templates.RequestTemplate
    sunset_at: date | None
    """The first day (UTC) on which the provider serves it no more."""
    own_accounts: bool
    """Whether it can be called on a project's own account."""
    cost_basis: str
    costs: tuple[pricing.PriceBook, ...]
    """What the provider asks of us; none: what we ask ourselves."""

    def is_own(self, own_providers: Collection[str]) -> bool:
        """Whether it is called on the own account of a project that has keys at these providers."""
        return self.own_accounts and self.provider in own_providers

    def is_alive(self, now: datetime) -> bool:
        """Whether the provider still serves it."""
        return self.sunset_at is None or now.astimezone(UTC).date() < self.sunset_at

    def serves(self, inputs: Mapping[str, Any]) -> bool:
        """Whether its provider can do what these inputs ask for."""
        return conditions.hold(self.when, inputs)

    def endpoint(self, inputs: Mapping[str, Any]) -> str:
        """The endpoint for these inputs; the catalog's check makes the last one unconditional."""
        return next(item.name for item in self.endpoints if conditions.hold(item.when, inputs))


@dataclass(frozen=True)
class Model:
    """One slug or id that can be called."""

    model_id: str
    name: str
    kind: str
    quality: str
    """One of `routing.TIERS`."""
    family: str
    modes: tuple[str, ...]
    capabilities: Mapping[str, bool]
    video_audio: str | None
    """`included`, `toggle_via_sound_param` or `silent` (seed 002); None for what makes no video."""
    limits: limits.Limits
    meters: Mapping[str, pricing.Meter]
    price_books: tuple[pricing.PriceBook, ...]
    offers: tuple[Offer, ...]
    estimated_time_seconds: int
    successor: str | None
    """The model to use when this one ends."""

    def live_offers(self, now: datetime) -> tuple[Offer, ...]:
        """The offers that still serve it, best first."""
        return tuple(offer for offer in self.offers if offer.is_alive(now))

    @property
    def ends_on(self) -> date | None:
        """The day from which no offer serves it; None while one has no end."""
        ends = [offer.sunset_at for offer in self.offers]
        return None if None in ends else max(end for end in ends if end)

    def is_ending(self, now: datetime) -> bool:
        """Whether it ends within the time of notice."""
        return self.ends_on is not None and now.astimezone(UTC).date() >= self.ends_on - SUNSET_NOTICE

    @cached_property
    def measures(self) -> frozenset[str]:
        """The media inputs whose seconds its prices depend on."""
        return frozenset(meter.seconds_of for meter in self.meters.values() if meter.seconds_of)

    @cached_property
    def inputs_priced(self) -> frozenset[str]:
        """The inputs that its prices depend on."""
        return pricing.inputs_read(self.price_books, self.meters)

    def can(self, required: Iterable[str]) -> bool:
        """Whether it has every capability."""
        return all(self.capabilities.get(name) for name in required)

    def quote(
        self,
        inputs: Mapping[str, Any],
        now: datetime,
        terms: pricing.Terms,
        measured: pricing.Measured | None = None,
    ) -> pricing.Quote:
        """The price of one call of this model; see `pricing.quote`."""
        return pricing.quote(self.price_books, self.meters, inputs, now, terms, measured)


@dataclass(frozen=True)
class Snapshot:
    """One version of the catalog, whole and unchanging."""

    version: str
    models: Mapping[str, Model]
    families: Mapping[str, tuple[str, ...]]
    """Labels that stand for several variants and cannot be called themselves."""

    def model(self, model_id: str) -> Model:
        """The model of an id. Raises VariantRequired for a family label, UnknownModel with the nearest ids."""
        if found := self.models.get(model_id):
            return found
        if variants := self.families.get(model_id):
            raise VariantRequired(
                f"'{model_id}' is a family; name one of its variants.",
                # The words are seed 002's.
                hint="Ask the user which variant they want — resolution, draft vs standard, or with/without reference "
                "video. Pull pricing from get_models.",
                family=model_id,
                available_variants=list(variants),
            )
        import difflib  # most calls name a model that exists

        nearest = difflib.get_close_matches(model_id, self.models, n=3, cutoff=0.4)
        raise UnknownModel(f"There is no model '{model_id[:100]}'.", field="model", nearest=nearest)

    def living_successor(self, model: Model, now: datetime) -> Model | None:
        """The first model in the line of successors that is still served."""
        seen = {model.model_id}
        found = self.models.get(model.successor or "")
        while found is not None and not found.live_offers(now) and found.model_id not in seen:
            seen.add(found.model_id)
            found = self.models.get(found.successor or "")
        return found if found is not None and found.live_offers(now) else None


def from_compiled(version: str, compiled: Mapping[str, Any]) -> Snapshot:
    """A snapshot from what `compiling.compile_documents` gives."""
    models = {item["id"]: _model(item) for item in compiled["models"]}
    families = {label: tuple(ids) for label, ids in compiled["families"].items()}
    return Snapshot(version, models, families)


def _model(item: Mapping[str, Any]) -> Model:
    return Model(
        model_id=item["id"],
        name=item["name"],
        kind=item["kind"],
        quality=item.get("quality", "standard"),
        family=item["family"],
        modes=tuple(item["modes"]),
        capabilities=item["capabilities"],
        video_audio=item.get("video_audio"),
        limits=_limits(item),
        meters={name: pricing.Meter.from_dict(meter) for name, meter in item["meters"].items()},
        price_books=tuple(_price_book(book) for book in item["price_books"]),
        offers=tuple(_offer(offer) for offer in item["offers"]),
        estimated_time_seconds=item["estimated_time_seconds"],
        successor=item.get("successor"),
    )


def _limits(item: Mapping[str, Any]) -> limits.Limits:
    return limits.Limits(
        inputs={name: _input(name, spec) for name, spec in item["inputs"].items()},
        generation_types=tuple(item["generation_types"]),
        fields=item.get("fields", {}),
        sources=tuple(
            limits.Sources(
                source["kind"],
                tuple(source["into"]),
                {name: (low, high) for name, (low, high) in source["counts"].items()},
            )
            for source in item.get("sources", ())
        ),
        rules=tuple(
            limits.Rule(**{**rule, "variants": tuple(rule.get("variants", ()))}) for rule in item.get("rules", ())
        ),
        references=tuple(limits.References(**one) for one in item.get("references", ())),
        unpriced=tuple(item.get("unpriced", ())),
        is_closed=any("usage" in meter for meter in item["meters"].values()),
    )


def _input(name: str, spec: Mapping[str, Any]) -> limits.Input:
    as_they_are = (
        "type",
        "required",
        "default",
        "aliases",
        "max_length",
        "min_items",
        "max_items",
        "strict",
        "description",
    )
    return limits.Input(
        name=name,
        **{"type": "text", **{key: spec[key] for key in as_they_are if key in spec}},
        enum=tuple(spec.get("enum", ())),
        minimum=_decimal(spec.get("minimum")),
        maximum=_decimal(spec.get("maximum")),
        presets={word: (width, height) for word, (width, height) in spec.get("presets", {}).items()},
        entries={key: _input(key, part) for key, part in spec.get("entries", {}).items()},
        one_of=tuple(spec.get("one_of", ())),
        sum_of=tuple(spec["sum_of"]) if "sum_of" in spec else None,
        media=_media(spec["media"]) if "media" in spec else None,
    )


def _media(media: Mapping[str, Any]) -> limits.Media:
    return limits.Media(
        kind=media["kind"],
        formats=tuple(media["formats"]),
        bytes_max=media["bytes_max"],
        side_min_px=media.get("side_min_px"),
        seconds_max=_decimal(media.get("seconds_max")),
        total_seconds_max=_decimal(media.get("total_seconds_max")),
    )


def _price_book(book: Mapping[str, Any]) -> pricing.PriceBook:
    return pricing.PriceBook(
        version=book["version"],
        effective_from=datetime.fromisoformat(book["effective_from"]),
        rows=tuple(
            pricing.Row(row["row_id"], row.get("when", {}), tuple(_component(part) for part in row["components"]))
            for row in book["rows"]
        ),
    )


def _component(part: Mapping[str, Any]) -> pricing.Component:
    return pricing.Component(
        unit=part["unit"],
        rate=Decimal(part["rate"]),
        meter=part["meter"],
        modality=part["modality"],
        round_up_to=_decimal(part.get("round_up_to")),
        minimum=_decimal(part.get("minimum")),
        per_output=part.get("per_output", False),
    )


def _offer(offer: Mapping[str, Any]) -> Offer:
    sunset_at = offer.get("sunset_at")
    return Offer(
        offer_id=offer["offer_id"],
        provider=offer["provider"],
        when=offer.get("when", {}),
        endpoints=tuple(Endpoint(item["endpoint"], item.get("when", {})) for item in offer["endpoints"]),
        webhook=offer["webhook"],
        typical_seconds=offer["typical_seconds"],
        deadline_seconds=offer["deadline_seconds"],
        request=_request(offer.get("request", {})),
        sunset_at=sunset_at and date.fromisoformat(sunset_at),
        own_accounts=offer.get("own_accounts", True),
        cost_basis=offer["cost_basis"],
        costs=tuple(_price_book(book) for book in offer.get("costs", ())),
    )


def _request(request: Mapping[str, Any]) -> templates.RequestTemplate:
    return templates.RequestTemplate(
        **{key: request[key] for key in ("rename", "text", "words", "spread", "constants") if key in request},
        entries={
            name: templates.Entries(**{**entries, "entry": _request(entries.get("entry", {}))})
            for name, entries in request.get("entries", {}).items()
        },
        cases=tuple(templates.Case(**case) for case in request.get("cases", ())),
        drop=tuple(request.get("drop", ())),
    )


def _decimal(value: Any) -> Decimal | None:
    return None if value is None else Decimal(str(value))
