"""What a router would have made of a project's last requests: which model, and at what price. Starts nothing.

Requests are not kept, so each is put together again from what is: the inputs that its price was made of, and the names
of the fields that were given. Texts are stood in for by texts (of the same length where the price counted them), media
by one medium each (or as many as were counted, of the seconds that were measured). Fields whose values are not known
are left out and named: whether the other model takes them was not looked at. Prices are today's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from gateway import catalog, routers, routing, sources, tables
from gateway.conditions import GENERATION_TYPE
from gateway.errors import GatewayError
from gateway.limits import SOURCES, Input
from gateway.media import Kind
from gateway.pricing import Quote
from gateway.submission.choosing import choose
from gateway.submission.fitting import Media
from gateway.submission.orders import Order

LIMIT_MAX = 100
_GIVEN = "inputs."
_URLS: Mapping[str, str] = {
    "image": "https://example.com/stand-in.png",
    "video": "https://example.com/stand-in.mp4",
    "audio": "https://example.com/stand-in.mp3",
}
_TYPES: Mapping[Kind, str] = {"image": "image/png", "video": "video/mp4", "audio": "audio/mpeg"}


@dataclass(frozen=True)
class Recalled:
    """A past request, as far as it is known."""

    inputs: Mapping[str, Any]
    seconds: Mapping[str, Sequence[Decimal | None]]
    """What was measured of media, by the field that they are given in."""
    unknown: tuple[str, ...]
    """Fields that were given, whose values are not known."""


def rehearse(project: tables.Project, router: routers.Named, limit: int) -> dict[str, Any]:
    """The last requests, newest first, each with what the router would have chosen; and what that comes to in all.

    A request that asked for something else than the router is for has no choice and is not counted.
    """
    found, _ = tables.Generation.page_of_project(project.project_id, limit, None)
    orders = {one.pk: one for one in tables.Order.find_many([(one.pk, "ORDER") for one in found])}
    items = [_rehearsed(project, router.wish, one, orders[one.pk]) for one in found if one.pk in orders]
    served = [item for item in items if item["chosen"] is not None]
    return {
        "router": {"name": router.name, "version": router.version},
        "items": items,
        "totals": {
            "requests": len(items),
            "served": len(served),
            "changed": sum(item["changed"] for item in served),
            "was_micros": sum(item["was"]["price_micros"] for item in served),
            "would_be_micros": sum(item["chosen"]["price_micros"] for item in served),
        },
    }


def recalled(model: catalog.Model, order: tables.Order) -> Recalled:
    """What is known of a request, from the order that it became."""
    quote, limits = Quote.from_dict(order.quote), model.limits
    given = [name.removeprefix(_GIVEN) for name in order.fingerprint if name.startswith(_GIVEN)]
    own = [limits.fields.get(name, name) for name in given]
    priced = {name: value for name, value in quote.inputs_priced.items() if name != GENERATION_TYPE}
    inputs: dict[str, Any] = {}
    seconds: dict[str, list[Decimal | None]] = {}
    unknown: list[str] = []
    placed = [name for name in priced if SOURCES in given and name in limits.media_inputs()]
    # What was not given is the model's own default, which another model has its own of.
    for name in dict.fromkeys([*placed, *(one for one in own if one not in {SOURCES, GENERATION_TYPE})]):
        item = limits.inputs.get(name)
        field = limits.names_of(name)[-1]
        value = None if item is None else _stood_in(item, priced.get(name))
        if value is None:
            unknown.append(field)
            continue
        inputs[field] = value
        if isinstance(priced.get(name), Mapping):
            seconds[field] = [None if one is None else Decimal(one) for one in priced[name].get("seconds", ())]
    if SOURCES in given and not any(item.is_media and name in inputs for name, item in limits.inputs.items()):
        inputs[SOURCES] = [_URLS[limits.sources[0].kind]] if limits.sources else []
    return Recalled(inputs, seconds, tuple(unknown))


class _Remembered(Media):
    """Media as they were measured once: nothing is fetched."""

    def __init__(self, seconds: Mapping[str, Sequence[Decimal | None]]) -> None:
        super().__init__()
        self._seconds = seconds

    def look(self, urls: tuple[str, ...], field: str) -> list[sources.Source]:
        """What is known of each."""
        measured = [*self._seconds.get(field, ()), *[None] * len(urls)]
        kinds = [next(kind for kind in _TYPES if _URLS[kind] == url) for url in urls]
        return [
            sources.Source(url, kind, _TYPES[kind], 0, duration_seconds=one)
            for url, kind, one in zip(urls, kinds, measured, strict=False)
        ]


def _rehearsed(
    project: tables.Project, wish: routing.Wish, generation: tables.Generation, order: tables.Order
) -> dict[str, Any]:
    was = {"model": generation.model, "price_micros": Quote.from_dict(order.quote).expected_micros}
    shown: dict[str, Any] = {
        "generation_id": generation.generation_id,
        "created_at": generation.created_at,
        "was": was,
        "chosen": None,
        "changed": False,
        "unknown": [],
    }
    models = catalog.current().models
    model = models.get(generation.model)
    kinds = {models[one].kind for one in wish.policy.models if one in models}
    if model is None or not model.can(wish.required) or (kinds and model.kind not in kinds):
        return shown | {"reason": "It was for something else than the router is."}
    past = recalled(model, order)
    try:
        choice = choose(Order(None, False, past.inputs, wish=wish), project, media=_Remembered(past.seconds))
    except GatewayError as refusal:
        return shown | {"reason": refusal.message, "unknown": list(past.unknown)}
    if not choice.kept:
        reason = choice.ranked[0].reason if choice.ranked else "No model can do what the router asks for."
        return shown | {"reason": reason, "unknown": list(past.unknown)}
    best = choice.kept[0]
    chosen = {
        "model": best.candidate.model,
        "offer": best.candidate.offer,
        "price_micros": best.candidate.expected_micros,
    }
    changed = chosen["model"] != was["model"] or chosen["price_micros"] != was["price_micros"]
    return shown | {"chosen": chosen, "changed": changed, "reason": best.reason, "unknown": list(past.unknown)}


def _stood_in(item: Input, priced: Any) -> Any:
    """A value for an input that was given: what the price was made of, or what stands in for it; None: not known."""
    if item.is_media and item.media is not None:
        count = priced["count"] if isinstance(priced, Mapping) else 1
        urls = [_URLS[item.media.kind]] * count
        return (urls if item.type == "media_list" else urls[0]) if urls else None
    if isinstance(priced, Mapping) and "count" in priced:
        return None
    if item.type == "text" and not item.enum:
        return "x" * priced if isinstance(priced, int) else "x"
    return priced
