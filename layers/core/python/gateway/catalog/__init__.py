"""The catalog: an immutable snapshot of every model, its limits, prices and offers.

DynamoDB holds published versions in chunks and one head that names the current version. A container keeps
the snapshot in memory and looks at the head at most once a minute, so a new version is picked up without
a deployment. `gateway.catalog.source` turns the reviewed YAML into what is published.
"""

import base64
import difflib
import hashlib
import json
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

from gateway import conditions, limits, pricing, tables, telemetry, templates
from gateway.errors import Unavailable, UnknownModel, VariantRequired

HEAD_CHECK_SECONDS = 60
"""How long a container may serve a snapshot without looking at the head."""
CHUNK_BYTES = 300_000
"""Below DynamoDB's 400 KB per item, with room for the attributes."""


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
    endpoints: tuple[Endpoint, ...]
    webhook: bool
    typical_seconds: int
    deadline_seconds: int
    request: templates.RequestTemplate
    sunset_at: str | None
    cost_basis: str

    def endpoint(self, inputs: Mapping[str, Any]) -> str:
        """The endpoint for these inputs; the catalog's check makes the last one unconditional."""
        return next(item.name for item in self.endpoints if conditions.hold(item.when, inputs))


@dataclass(frozen=True)
class Model:
    """One slug or id that can be called."""

    model_id: str
    name: str
    kind: str
    family: str
    modes: tuple[str, ...]
    capabilities: Mapping[str, Any]
    limits: limits.Limits
    meters: Mapping[str, pricing.Meter]
    price_books: tuple[pricing.PriceBook, ...]
    offers: tuple[Offer, ...]
    estimated_time_seconds: int

    @cached_property
    def inputs_priced(self) -> frozenset[str]:
        """The inputs that its prices depend on."""
        return pricing.inputs_read(self.price_books, self.meters)

    def quote(self, inputs: Mapping[str, Any], now: datetime, terms: pricing.Terms) -> pricing.Quote:
        """The price of one call of this model; see `pricing.quote`."""
        return pricing.quote(self.price_books, self.meters, inputs, now, terms)


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
                hint="Ask which variant is wanted (resolution, draft or standard, with or without reference video); "
                "GET /v1/pricing shows what each costs.",
                family=model_id,
                available_variants=list(variants),
            )
        nearest = difflib.get_close_matches(model_id, self.models, n=3, cutoff=0.4)
        raise UnknownModel(f"There is no model '{model_id[:100]}'.", field="model", nearest=nearest)


class _Cache:
    snapshot: Snapshot | None = None
    checked_at_seconds: float = 0.0


def current() -> Snapshot:
    """The current snapshot; looks at the head at most once a minute.

    A version that cannot be read is reported, and the one in memory served on. Raises Unavailable when there
    is none in memory, or none is published.
    """
    age_seconds = time.monotonic() - _Cache.checked_at_seconds
    if _Cache.snapshot is not None and age_seconds < HEAD_CHECK_SECONDS:
        return _Cache.snapshot
    head = tables.CatalogHead.find()
    if head is None:
        raise Unavailable(
            "No catalog has been published yet.", hint="Deploy again, or run `museway admin catalog publish`."
        )
    if _Cache.snapshot is None or _Cache.snapshot.version != head.version:
        try:
            _Cache.snapshot = load(head.version, tables.CatalogChunk.all_of(head.version, int(head.chunk_count)))
        except Unavailable:
            if _Cache.snapshot is None:
                raise
            telemetry.logger.exception("the current catalog is unreadable", extra={"catalog_version": head.version})
            telemetry.measure({"UnreadableCatalogs": 1})
    _Cache.checked_at_seconds = time.monotonic()
    return _Cache.snapshot


def forget() -> None:
    """Drop the snapshot in memory, so that the next use reads the store."""
    _Cache.snapshot = None


def publish(compiled: Mapping[str, Any]) -> str:
    """Store a compiled catalog and move the head to it, and answer its version.

    A version is named by its contents, so publishing the same catalog again changes nothing. The head moves
    by a conditional write; a publication that raced another raises `tables.ConditionFailed`.
    """
    text = json.dumps(compiled, sort_keys=True, separators=(",", ":"))
    version = hashlib.sha256(text.encode()).hexdigest()[:16]
    packed = base64.b64encode(zlib.compress(text.encode(), 9)).decode()
    chunks = [packed[start : start + CHUNK_BYTES] for start in range(0, len(packed), CHUNK_BYTES)]
    tables.CatalogChunk.save_all(version, chunks)
    tables.CatalogHead.move_to(version, len(chunks))
    return version


def load(version: str, chunks: Sequence[str]) -> Snapshot:
    """Rebuild a snapshot from its chunks. Raises Unavailable for chunks that hold no catalog."""
    try:
        return from_compiled(version, json.loads(zlib.decompress(base64.b64decode("".join(chunks)))))
    except (zlib.error, ValueError, ArithmeticError, LookupError, TypeError) as error:
        raise Unavailable("The published catalog cannot be read.", hint="Publish the catalog again.") from error


def from_compiled(version: str, compiled: Mapping[str, Any]) -> Snapshot:
    """A snapshot from what `source.compile_catalog` gives."""
    models = {item["id"]: _model(item) for item in compiled["models"]}
    families = {label: tuple(ids) for label, ids in compiled["families"].items()}
    return Snapshot(version, models, families)


def _model(item: Mapping[str, Any]) -> Model:
    return Model(
        model_id=item["id"],
        name=item["name"],
        kind=item["kind"],
        family=item["family"],
        modes=tuple(item["modes"]),
        capabilities=item["capabilities"],
        limits=_limits(item),
        meters={name: _meter(meter) for name, meter in item["meters"].items()},
        price_books=tuple(_price_book(book) for book in item["price_books"]),
        offers=tuple(_offer(offer) for offer in item["offers"]),
        estimated_time_seconds=item["estimated_time_seconds"],
    )


def _limits(item: Mapping[str, Any]) -> limits.Limits:
    return limits.Limits(
        inputs={name: _input(name, spec) for name, spec in item["inputs"].items()},
        generation_types=tuple(item["generation_types"]),
        fields=item["fields"],
        sources=tuple(
            limits.Sources(
                source["kind"],
                tuple(source["into"]),
                {name: (low, high) for name, (low, high) in source["counts"].items()},
            )
            for source in item["sources"]
        ),
        rules=tuple(limits.Rule(**rule) for rule in item["rules"]),
    )


def _input(name: str, spec: Mapping[str, Any]) -> limits.Input:
    return limits.Input(
        name=name,
        type=spec["type"],
        required=spec["required"],
        default=spec["default"],
        enum=tuple(spec["enum"]),
        minimum=_decimal(spec["minimum"]),
        maximum=_decimal(spec["maximum"]),
        max_length=spec["max_length"],
        max_items=spec["max_items"],
        description=spec["description"],
    )


def _meter(meter: Mapping[str, Any]) -> pricing.Meter:
    return pricing.Meter(
        input=meter["input"],
        length_of=meter["length_of"],
        divide_by=Decimal(str(meter["divide_by"])),
        constant=Decimal(str(meter["constant"])),
    )


def _price_book(book: Mapping[str, Any]) -> pricing.PriceBook:
    return pricing.PriceBook(
        version=book["version"],
        effective_from=datetime.fromisoformat(book["effective_from"]),
        rows=tuple(
            pricing.Row(row["row_id"], row["when"], tuple(_component(part) for part in row["components"]))
            for row in book["rows"]
        ),
    )


def _component(part: Mapping[str, Any]) -> pricing.Component:
    return pricing.Component(
        unit=part["unit"],
        rate=Decimal(part["rate"]),
        meter=part["meter"],
        modality=part["modality"],
        round_up_to=_decimal(part["round_up_to"]),
        minimum=_decimal(part["minimum"]),
    )


def _offer(offer: Mapping[str, Any]) -> Offer:
    request = offer["request"]
    return Offer(
        offer_id=offer["offer_id"],
        provider=offer["provider"],
        endpoints=tuple(Endpoint(item["endpoint"], item["when"]) for item in offer["endpoints"]),
        webhook=offer["webhook"],
        typical_seconds=offer["typical_seconds"],
        deadline_seconds=offer["deadline_seconds"],
        request=templates.RequestTemplate(
            rename=request["rename"],
            text=tuple(request["text"]),
            constants=request["constants"],
            cases=tuple(templates.Case(case["when"], case["send"]) for case in request["cases"]),
            drop=tuple(request["drop"]),
        ),
        sunset_at=offer["sunset_at"],
        cost_basis=offer["cost_basis"],
    )


def _decimal(value: Any) -> Decimal | None:
    return None if value is None else Decimal(str(value))
