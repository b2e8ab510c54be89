"""Every model's prices by rule, over requests that it takes: drawn at random, the smallest legal ones first."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import conditions
from gateway.catalog import Model
from gateway.conditions import GENERATION_TYPE
from gateway.errors import GatewayError
from gateway.limits import SOURCES, Input
from gateway.pricing import Measured, Quote, Terms
from gateway.provider import USAGE
from gateway.records import billing_record
from museway import records
from tests.samples import PROMPT, URLS, Sample, least, normalized, sample_requests
from tests.unit.gateway.shipped import NOW, SNAPSHOT

MODELS = list(SNAPSHOT.models.values())
SECRET = "Sekret"
LETTERS = "ab .狐🦊"

by_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.model_id)
plans = st.builds(Terms, st.integers(0, 20_000), st.integers(0, 10_000), st.booleans())


@dataclass(frozen=True)
class Asked:
    """A legal request, and what its media measure."""

    model: Model
    is_native: bool
    fields: Mapping[str, Any]
    measured: Measured

    @property
    def inputs(self) -> Mapping[str, Any]:
        return normalized(self.model, self.fields, is_native=self.is_native).inputs

    def quote(self, terms: Terms) -> Quote:
        return self.model.quote(self.inputs, NOW, terms, self.measured)


def legal_values(item: Input) -> st.SearchStrategy[Any]:
    """Values within an input's own limits."""
    if item.enum:
        return st.sampled_from(item.enum)
    if item.is_numeric:
        low, high = int(item.minimum or 0), int(item.maximum if item.maximum is not None else 10**6)
        return st.integers(low, high)
    match item.type:
        case "boolean":
            return st.booleans()
        case "size":
            side = st.integers(int(item.minimum or 1), int(item.maximum or 4096))
            return st.sampled_from(sorted(item.presets)) | st.fixed_dictionaries({"width": side, "height": side})
        case "media":
            return st.just(least(item))
        case "media_list":
            return st.integers(1, item.max_items or 3).map(lambda count: least(item)[:1] * count)
        case "objects":
            required = {name: legal_values(part) for name, part in item.entries.items() if part.required}
            required |= {item.one_of[0]: st.just(least(item.entries[item.one_of[0]]))} if item.one_of else {}
            return st.lists(st.fixed_dictionaries(required), min_size=1, max_size=item.max_items or 3)
    most = (item.max_length or 200) - len(SECRET)
    return st.text(LETTERS, max_size=min(most, 200)).map(lambda text: SECRET + text)


def is_taken(asked: Asked) -> bool:
    """Whether the model takes a request as it is, for the generation type that it names."""
    try:
        found = normalized(asked.model, asked.fields, is_native=asked.is_native)
    except GatewayError:
        return False
    return asked.fields.get(GENERATION_TYPE) in (None, found.inputs[GENERATION_TYPE])


@st.composite
def requests_of(draw: st.DrawFn, model: Model) -> Asked:
    """A legal request of a model: the smallest of a generation type, changed where the model takes the change."""
    sample: Sample = draw(st.sampled_from(sample_requests(model, is_native=draw(st.booleans()))))
    asked = Asked(model, sample.is_native, dict(sample.fields), {})
    for name, value in draw(changes(model, asked)).items():
        changed = replace(asked, fields={**asked.fields, name: value})
        asked = changed if is_taken(changed) else asked
    return replace(asked, measured=draw(measurements(asked)))


@st.composite
def changes(draw: st.DrawFn, model: Model, asked: Asked) -> dict[str, Any]:
    """Other values for some of the inputs, and other numbers of source media."""
    names = draw(st.lists(st.sampled_from(sorted(model.limits.inputs)), unique=True))
    drawn = {name: draw(legal_values(model.limits.inputs[name])) for name in names}
    if not asked.is_native and model.limits.sources:
        kinds = [source.kind for source in model.limits.sources]
        drawn[SOURCES] = [URLS[kind] for kind in draw(st.lists(st.sampled_from(kinds), max_size=4))]
    return drawn


@st.composite
def measurements(draw: st.DrawFn, asked: Asked) -> Measured:
    """Seconds of the media that the price depends on; some cannot be read."""
    seconds = st.none() | st.decimals(0, 40, places=3)
    inputs = asked.inputs
    counts = {name: conditions.count(inputs.get(name)) for name in sorted(asked.model.measures)}
    return {name: tuple(draw(st.lists(seconds, min_size=n, max_size=n))) for name, n in counts.items() if n}


@by_model
@settings(max_examples=8)
@given(data=st.data(), terms=plans)
def test_a_price_is_whole(model: Model, data: st.DataObject, terms: Terms) -> None:
    """Not negative, below its maximum, the same each time, and unharmed by being kept."""
    asked = data.draw(requests_of(model))
    made = asked.quote(terms)
    assert 0 <= made.expected_micros <= made.maximum_micros
    assert made.lines
    assert all(0 <= line.amount_usd <= line.maximum_usd for line in made.lines)
    assert made.is_fixed <= (made.expected_micros == made.maximum_micros)
    assert asked.quote(terms) == made
    frozen = json.dumps(made.to_dict())
    assert Quote.from_dict(json.loads(frozen)).to_dict() == made.to_dict()
    assert Quote.from_dict(json.loads(frozen)).maximum_micros == made.maximum_micros
    assert free_of_secrets(frozen)


def free_of_secrets(text: str) -> bool:
    """Records are kept for ever: nothing that was written or pointed at may stand in them."""
    return SECRET not in text and PROMPT not in text and "://" not in text


def greater_values(item: Input, value: Any) -> Iterator[Any]:
    """More of the same: longer, larger, or with more entries; a few of them, the nearest first."""
    if item.is_numeric and value is not None:
        high = item.maximum if item.maximum is not None else Decimal(10**9)
        steps = item.enum or [value + 1, (value + int(high)) // 2, int(high)]
        yield from (step for step in steps if value < step and (item.enum or step <= high))
    elif item.type == "text" and not item.enum:
        before = value or ""
        yield from (before + "狐" * more for more in (1, 50) if len(before) + more <= (item.max_length or 10**6))
    elif item.type == "size" and value is not None:
        width, height = item.presets[value] if isinstance(value, str) else (value["width"], value["height"])
        yield {"width": width + 1, "height": height + 1}
        yield {"width": width + 400, "height": height + 400}
    elif item.type == "media_list":
        yield from ((value or []) + least(item)[:1] * more for more in (1, 2))
    elif item.type == "objects" and value:
        yield value + value[-1:]
        for name, part in item.entries.items():
            if part.is_numeric:
                yield from ([*value[:-1], {**value[-1], name: value[-1].get(name, 0) + more}] for more in (1, 5))


def with_more(asked: Asked) -> Iterator[tuple[str, Asked]]:
    """The request with more of one thing that its price is counted by, where the model takes that."""
    inputs, items = asked.inputs, asked.model.limits.inputs
    # Normalized inputs are a request too; sums that the gateway itself made are left to it.
    before = {name: value for name, value in inputs.items() if name not in items or not items[name].sum_of}
    for name in sorted(counted_inputs(asked.model)):
        for value in greater_values(items[name], inputs.get(name)):
            more = replace(asked, fields={**before, name: value})
            if is_taken(more):
                yield name, replace(more, measured=as_long(asked.measured, more))
    for name, seconds in asked.measured.items():
        longer = tuple(None if one is None else one + Decimal("0.5") for one in seconds)
        yield f"seconds of {name}", replace(asked, measured={**asked.measured, name: longer})
        yield f"unread {name}", replace(asked, measured={**asked.measured, name: (None, *seconds[1:])})


def counted_inputs(model: Model) -> set[str]:
    """The inputs whose amount is counted, not those whose value is a tier."""
    return {
        name
        for meter in model.meters.values()
        for name in meter.reads
        if name in model.inputs_priced and not (meter.values and meter.input) and meter.seconds_of is None
    }


def as_long(measured: Measured, more: Asked) -> Measured:
    """What was measured, and a second for each medium that came to it."""
    counts = {name: conditions.count(more.inputs.get(name)) for name in more.model.measures}
    return {
        name: (*measured.get(name, ()), *[Decimal(1)] * (count - len(measured.get(name, ()))))
        for name, count in counts.items()
        if count
    }


@by_model
@settings(max_examples=8)
@given(data=st.data(), terms=plans)
def test_more_never_costs_less(model: Model, data: st.DataObject, terms: Terms) -> None:
    asked = data.draw(requests_of(model))
    made = asked.quote(terms)
    for name, more in with_more(asked):
        dearer = more.quote(terms)
        assert dearer.expected_micros >= made.expected_micros, f"more {name} costs less: {more.fields}"
        assert dearer.maximum_micros >= made.maximum_micros, f"more {name} may cost less: {more.fields}"


@by_model
def test_what_is_counted_can_be_more(model: Model) -> None:
    """The rule above says something of each counted input: some smallest request has room for more of it."""
    asked = [Asked(model, one.is_native, one.fields, {}) for one in sample_requests(model)]
    grown = {name for one in asked for name, _ in with_more(one)}
    constant = {name for name in counted_inputs(model) if has_no_room(model, name)}
    assert counted_inputs(model) - grown == constant


def has_no_room(model: Model, name: str) -> bool:
    """Whether an input's only amount is one."""
    item = model.limits.inputs[name]
    most = max((high for one in model.limits.sources if name in one.into for _, high in one.counts.values()), default=2)
    return (item.is_media and most == 1) or (item.is_numeric and item.minimum == item.maximum and len(item.enum) < 2)


absurd = (
    st.none()
    | st.integers(-(10**40), 10**40)
    | st.integers(0, 10**6)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.decimals(-(10**9), 10**9, places=9).map(str)
    | st.sampled_from(["0", "0.1", "12.40", "1e3", 10**4000, 1.7e308, -1, -0.0])
)
reports = st.dictionaries(st.sampled_from([*sorted(USAGE), "credits", ""]), absurd)


@by_model
@settings(max_examples=8)
@given(data=st.data(), terms=plans, outputs=st.integers(0, 20), usage=reports)
def test_no_report_makes_a_bill_above_the_hold(
    model: Model, data: st.DataObject, terms: Terms, outputs: int, usage: dict[str, Any]
) -> None:
    asked = data.draw(requests_of(model))
    made = Quote.from_dict(json.loads(json.dumps(asked.quote(terms).to_dict())))
    billed, record = made.delivered(outputs, usage), bill(model, made, outputs, usage)
    assert 0 <= record["amount_micros"] <= made.maximum_micros == record["held_micros"]
    assert record["loss_micros"] == billed.expected_micros - record["amount_micros"]
    assert records.verify([record]) == []
    assert billed.is_fixed
    assert billed.delivered(outputs, usage).expected_micros == billed.expected_micros
    for line, before in zip(billed.lines, made.lines, strict=True):
        assert line.amount_usd >= 0
        assert before.usage or line.quantity <= before.quantity
    everything = made.delivered(10**6, {})
    assert everything.expected_micros == made.expected_micros


told = st.integers(0, 10**7) | st.floats(0.001, 10**5) | st.decimals(0, 10**5, places=6).map(str)


@by_model
@settings(max_examples=8)
@given(
    data=st.data(), terms=plans, outputs=st.integers(1, 20), usage=st.dictionaries(st.sampled_from(sorted(USAGE)), told)
)
def test_every_bill_verifies_offline(
    model: Model, data: st.DataObject, terms: Terms, outputs: int, usage: dict[str, Any]
) -> None:
    asked = data.draw(requests_of(model))
    record = bill(model, asked.quote(terms), outputs, usage)
    assert records.verify([record]) == []
    assert record["lines"]
    assert free_of_secrets(json.dumps(record["inputs_priced"]))


def bill(model: Model, made: Quote, outputs: int, usage: Mapping[str, Any]) -> dict[str, Any]:
    """The BillingRecord of a generation that froze this quote."""
    offer = model.offers[0]
    generation: Any = SimpleNamespace(
        generation_id="gen_1", project_id="demo", key_id="key", session_id=None, model=model.model_id,
        held_micros=made.maximum_micros,
    )  # fmt: skip
    frozen = {"offer_id": offer.offer_id, "provider": offer.provider, "cost_basis": offer.cost_basis}
    offers = [frozen | {"byok": made.terms.byok}]
    order: Any = SimpleNamespace(quote=json.loads(json.dumps(made.to_dict())), offers=offers, fx=None)
    attempt: Any = SimpleNamespace(
        offer_id=offer.offer_id, usage=usage, outputs=[{}] * outputs, cost_usd=None, model=None,
        own_key_of="prj_1" if made.terms.byok else None,
    )  # fmt: skip
    return billing_record(generation, order, attempt, NOW)
