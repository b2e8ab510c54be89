"""What must be true across the catalog's shapes: every legal input has exactly one price, every name leads on.

`faults` names each place by its path in the document, so that whoever reads the file finds its line.
"""

import itertools
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Any

from gateway import conditions
from gateway.catalog.shapes import FamilyShape, ModelShape
from gateway.catalog.shapes.inputs import NUMERIC, InputShape
from gateway.catalog.shapes.prices import PriceBookShape
from gateway.conditions import GENERATION_TYPE

Path = tuple[str | int, ...]

_MEDIA = "https://example.com/media"
_COMBINATIONS_MAX = 50_000
_SHOWN_MAX = 5
"""Inputs without a price that are named one by one."""


class TooManyCombinations(ValueError):
    """Conditions over so many values that they cannot all be looked at."""


@dataclass(frozen=True)
class Fault:
    """What is wrong, and where: the document and the path in it."""

    document: str
    path: Path
    message: str


def faults(
    families: Mapping[str, FamilyShape], providers: Collection[str] | None, *, whole: bool = True
) -> list[Fault]:
    """Everything that is wrong across families; `providers` are the names that can be called, if known.

    `whole` False says that some families could not be read, so a name that is not found may well exist.
    """
    found = [*_named_twice(families)]
    models = {model.id: model for family in families.values() for model in family.models}
    for document, family in families.items():
        for number, model in enumerate(family.models):
            at: Path = ("models", number)
            try:
                found += [Fault(document, (*at, *path), f"{model.id}: {text}") for path, text in _uncovered(model)]
            except TooManyCombinations as error:
                found.append(Fault(document, at, str(error)))
            life = _life(model, models, whole=whole)
            found += [Fault(document, (*at, *path), f"{model.id}: {text}") for path, text in life]
            found += [
                Fault(document, (*at, "offers", index), f"{model.id}: there is no provider '{offer.provider}'")
                for index, offer in enumerate(model.offers)
                if providers is not None and offer.provider not in providers
            ]
    return found


def _named_twice(families: Mapping[str, FamilyShape]) -> Iterator[Fault]:
    defined: dict[str, str] = {}
    for document, family in families.items():
        names: list[tuple[Path, str]] = [(("family",), family.family)] if family.variant_required else []
        names += [(("models", number, "id"), model.id) for number, model in enumerate(family.models)]
        for path, name in names:
            if name in defined:
                yield Fault(document, path, f"'{name}' is already defined in {defined[name]}")
            defined[name] = document


def _life(model: ModelShape, models: Mapping[str, ModelShape], *, whole: bool) -> Iterator[tuple[Path, str]]:
    """A model that will end names one that outlives it; one that replaces it makes the same kind of thing."""
    end = ends_on(model)
    if not any(offer.sunset_at == end and not offer.when for offer in model.offers):
        yield ("offers",), "no offer serves every request until the model ends"
    if end is not None and model.successor is None:
        yield ("offers", 0, "sunset_at"), "every offer ends, so a `successor` must be named"
    if model.successor is None:
        return
    successor = models.get(model.successor)
    if successor is None and not whole:
        return
    if successor is None or successor is model:
        yield ("successor",), f"the successor '{model.successor}' is not another model of the catalog"
    elif successor.kind != model.kind:
        yield ("successor",), f"the successor '{model.successor}' makes {successor.kind}"
    elif end is not None and (after := ends_on(successor)) is not None and after <= end:
        yield ("successor",), f"the successor '{model.successor}' ends on {after}, not after {end}"


def ends_on(model: ModelShape) -> date | None:
    """The day from which no offer serves the model; None while one has no end."""
    ends = [offer.sunset_at for offer in model.offers]
    return None if None in ends else max(end for end in ends if end)


def _uncovered(model: ModelShape) -> Iterator[tuple[Path, str]]:
    yield from _uncovered_by(model, ("price_books",), model.price_books, {})
    for number, offer in enumerate(model.offers):
        yield from _uncovered_by(model, ("offers", number, "costs"), offer.costs, offer.when)
        _, hit = _first_matches(model, [item.when for item in offer.endpoints])
        for index, item in enumerate(offer.endpoints):
            if index not in hit:
                path = ("offers", number, "endpoints", index)
                yield path, f"endpoint '{item.endpoint}' can never be called"


def _uncovered_by(
    model: ModelShape, at: Path, books: Sequence[PriceBookShape], within: conditions.Conditions
) -> Iterator[tuple[Path, str]]:
    """What some books leave without a row, of the legal inputs that are `within`, and the rows that nothing hits."""
    for number, book in enumerate(books):
        path: Path = (*at, number, "rows")
        rows = [row.when for row in book.rows]
        without, hit = _first_matches(model, rows, within)
        yield from ((path, f"no price row for {inputs}") for inputs in without[:_SHOWN_MAX])
        if len(without) > _SHOWN_MAX:
            yield path, f"no price row for {len(without) - _SHOWN_MAX} more combinations"
        dead = [index for index in range(len(rows)) if index not in hit]
        yield from (((*path, index), f"price row '{book.rows[index].row_id}' can never be hit") for index in dead)


def _first_matches(
    model: ModelShape, listed: Sequence[conditions.Conditions], within: conditions.Conditions = MappingProxyType({})
) -> tuple[list[dict[str, Any]], set[int]]:
    """The legal inputs `within` that match none of the conditions, and the indices that some input matches first."""
    without, hit = [], set()
    for inputs in _legal_inputs(model, [*listed, within]):
        if not conditions.hold(within, inputs):
            continue
        first = next((index for index, when in enumerate(listed) if conditions.hold(when, inputs)), None)
        if first is None:
            without.append(inputs)
        else:
            hit.add(first)
    return without, hit


def _legal_inputs(model: ModelShape, listed: Iterable[conditions.Conditions]) -> Iterator[dict[str, Any]]:
    """Every legal combination of the values that could make a difference to the conditions."""
    asked = [*listed]
    names = {name for when in asked for name in when}
    rules = [rule for rule in model.rules if {*rule.when, *rule.require} & names]
    for rule in rules:
        asked += [rule.when, rule.require]
        names |= {*rule.when, *rule.require}
    sources = [source for source in model.sources if set(source.into) & names]
    if sources:
        names |= {GENERATION_TYPE, *(name for source in sources for name in source.into)}
    ordered = sorted(names)
    choices = [_telling_values(model, name, [when[name] for when in asked if name in when]) for name in ordered]
    if math.prod(map(len, choices)) > _COMBINATIONS_MAX:
        raise TooManyCombinations(
            f"{model.id}: its conditions make more than {_COMBINATIONS_MAX} combinations of {ordered}"
        )
    for values in itertools.product(*choices):
        inputs = dict(zip(ordered, values, strict=True))
        legal = all(conditions.hold(r.require, inputs) for r in rules if conditions.hold(r.when, inputs))
        if legal and all(_counts_fit(source, inputs) for source in sources):
            yield inputs


def _counts_fit(source: Any, inputs: Mapping[str, Any]) -> bool:
    low, high = source.counts.get(inputs[GENERATION_TYPE], (0, 0))
    return bool(low <= sum(conditions.count(inputs[name]) for name in source.into) <= high)


def _telling_values(model: ModelShape, name: str, expectations: list[Any]) -> list[Any]:
    """One value from each region that the expectations tell apart, among those that the input may take."""
    if name == GENERATION_TYPE:
        return list(model.generation_types)
    item = model.inputs[name]
    absent = [] if item.required or item.default is not None else [None]
    if item.enum:
        return absent + item.enum
    named = [value for expected in expectations for value in _values_named(expected)]
    numbers = [value for value in named if isinstance(value, int | float) and not isinstance(value, bool)]
    if item.type in NUMERIC:
        return absent + _telling_numbers(item, numbers)
    by_type: Mapping[str, Callable[[], list[Any]]] = {
        "boolean": lambda: [True, False],
        "media": lambda: [_MEDIA],
        "size": lambda: [*item.presets, {"width": item.minimum, "height": item.minimum}],
        "objects": lambda: [[{}] * count for count in _telling_counts(item, numbers)],
        "media_list": lambda: [[_MEDIA] * count for count in _telling_counts(item, numbers)],
    }
    if item.type in by_type:
        return absent + by_type[item.type]()
    # Any text but those named must have a row too.
    texts = [value for value in named if isinstance(value, str)]
    return [*absent, *dict.fromkeys([*texts, "".join(texts) + "x"])]


def _telling_counts(item: InputShape, numbers: list[int | float]) -> range:
    most = item.max_items if item.max_items is not None else int(max(numbers, default=0)) + 1
    return range(item.min_items or (1 if item.required else 0), most + 1)


def _values_named(expected: Any) -> list[Any]:
    if isinstance(expected, Mapping):
        bounds = expected.get("count", expected)
        return list(bounds.values())
    return expected if isinstance(expected, list) else [expected]


def _telling_numbers(item: InputShape, named: list[int | float]) -> list[Any]:
    """Every bound, and what lies beside and between the bounds."""
    low, high = item.minimum, item.maximum
    bounds = sorted({*named, *(edge for edge in (low, high) if edge is not None)}) or [0]
    if item.type != "number":
        found: set[int | float] = {math.floor(bound) + step for bound in bounds for step in (-1, 0, 1, 2)}
    else:
        between = [(left + right) / 2 for left, right in itertools.pairwise(bounds)]
        found = {bounds[0] - 1, *bounds, *between, bounds[-1] + 1}
    return sorted(n for n in found if (low is None or n >= low) and (high is None or n <= high))
