"""The last proof before a catalog is published: it can be read, and every model has a price right now. Pure.

`checks` has proved the source; this proves what was made of it, by the code that will serve it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gateway import limits, pricing
from gateway.catalog.snapshot import Model, from_compiled
from gateway.conditions import GENERATION_TYPE

_TEXT, _URL = "text", "https://example.com/media"


WHOLE = "the catalog"
"""What a fault is about that is no single model's."""


def faults_of(version: str, compiled: Mapping[str, Any], now: datetime) -> dict[str, str]:
    """What is wrong with a compiled catalog, by model; nothing when it can be served at this moment."""
    try:
        snapshot = from_compiled(version, compiled)
    except (ValueError, ArithmeticError, LookupError, TypeError, AttributeError) as error:
        return {WHOLE: f"cannot be read: {type(error).__name__}: {error}"}
    found = {} if snapshot.models else {WHOLE: "has no model"}
    for model in snapshot.models.values():
        try:
            model.quote(plain_inputs(model), now, pricing.Terms())
            for offer in model.offers:
                if offer.costs:
                    pricing.book_at(offer.costs, now)
        except (pricing.PricingError, ArithmeticError, LookupError, TypeError) as error:
            found[model.model_id] = f"has no price: {error}"
    return found


def plain_inputs(model: Model) -> dict[str, Any]:
    """The inputs of a plain call: every default, and the least of what is required."""
    inputs = _least(model.limits.inputs)
    kind = model.limits.generation_types[0]
    for source in model.limits.sources:
        fewest, _ = source.count(kind)
        is_list = model.limits.inputs[source.into[0]].type == "media_list"
        if fewest and is_list:
            inputs[source.into[0]] = [_URL] * fewest
        elif fewest:
            inputs |= dict.fromkeys(source.into[:fewest], _URL)
    for item in model.limits.inputs.values():
        if item.sum_of and inputs.get(item.sum_of[0]):
            _add_up(inputs[item.sum_of[0]], item.sum_of[1], item)
    return inputs | {GENERATION_TYPE: kind}


def _add_up(entries: list[dict[str, Any]], key: str, item: limits.Input) -> None:
    """Make the entries' sum one that the input which stands for it takes."""
    total = item.default if item.default is not None else _least_value(item)
    entries[0][key] = total - sum(entry[key] for entry in entries[1:])


def _least(items: Mapping[str, limits.Input]) -> dict[str, Any]:
    given = {name: item.default for name, item in items.items() if item.default is not None}
    needed = {name: item for name, item in items.items() if item.required and item.default is None}
    return given | {name: _least_value(item) for name, item in needed.items()}


def _least_value(item: limits.Input) -> Any:
    if item.enum:
        return item.enum[0]
    if item.is_numeric:
        return int(item.minimum or 1) if item.type != "number" else float(item.minimum or 1)
    count = max(item.min_items, 1)
    return {
        "boolean": False,
        "media": _URL,
        "media_list": [_URL] * count,
        "objects": [_least(item.entries) for _ in range(count)],
        "size": next(iter(item.presets), None),
    }.get(item.type, _TEXT)
