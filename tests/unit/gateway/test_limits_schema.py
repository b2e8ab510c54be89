"""The limits' property tests: any JSON is taken or refused, and the JSON Schema says the same as the checks."""

import copy
from collections.abc import Callable
from functools import cache
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.conditions import GENERATION_TYPE
from gateway.errors import GatewayError
from gateway.limits import SOURCES, Input, Limits, schema
from gateway.limits.requests import Normalized, from_native, from_typed
from tests.unit.gateway.shipped import SNAPSHOT
from tests.unit.gateway.test_limits import MADE, MP3, MP4, PNG

SAMPLES = {"image": PNG, "video": MP4, "audio": MP3}
ALL = {"made": MADE, **{model_id: model.limits for model_id, model in SNAPSHOT.models.items()}}
json_values = st.recursive(
    st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from(["1e999999999", "-0", "5s", "05", "NaN", PNG, MP4, "\ud800", 10**400, 1e308, "@fox", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


@cache
def judge(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema.of_request(ALL[name]))


def likely_values(item: Input) -> st.SearchStrategy[Any]:
    """Mostly legal values, some beside the limits."""
    if item.enum or item.type == "seconds":
        allowed = item.seconds_allowed() if item.type == "seconds" else (*item.enum, *item.aliases)
        written = [f"{one}s" for one in allowed] if item.type == "seconds" else []
        return st.sampled_from([*allowed, *written, "other"])
    if item.is_numeric:
        low, high = int(item.minimum or 0), int(item.maximum or 10**6)
        return st.integers(low - 1, high + 1) | st.sampled_from([float(low), low + 0.5])
    if item.type == "boolean":
        return st.booleans()
    if item.is_media:
        url = st.just(SAMPLES[item.media.kind] if item.media else PNG)
        return url if item.type == "media" else url | st.lists(url, max_size=(item.max_items or 2) + 1)
    if item.type == "size":
        side = st.integers(int(item.minimum or 1) - 1, int(item.maximum or 9999) + 1)
        return st.sampled_from([*item.presets]) | st.fixed_dictionaries({"width": side, "height": side})
    if item.type == "objects":
        required = {name: likely_values(part) for name, part in item.entries.items() if part.required}
        rest = {name: likely_values(part) for name, part in item.entries.items() if not part.required}
        return st.lists(st.fixed_dictionaries(required, optional=rest), max_size=(item.max_items or 2) + 1)
    most = item.max_length or 50
    return st.sampled_from(["a fox", " ", "x" * most, "x" * (most + 1)]) | st.text(min_size=1, max_size=10)


@st.composite
def typed_requests(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A model and a request of it, near its limits, some fields of which are any JSON."""
    name = draw(st.sampled_from(sorted(ALL)))
    limits = ALL[name]
    request: dict[str, Any] = {}
    for own, item in limits.inputs.items():
        if (item.required and not item.is_media) or draw(st.integers(0, 3)) == 0:
            request[draw(st.sampled_from(limits.names_of(own)))] = draw(likely_values(item))
    kinds = [SAMPLES[source.kind] for source in limits.sources] or [PNG]
    if draw(st.booleans()):
        url = st.sampled_from([*kinds, *kinds, *SAMPLES.values(), "https://example.com/plain"])
        request[SOURCES] = draw(url | st.lists(url, max_size=4))
    if draw(st.booleans()):
        request[GENERATION_TYPE] = draw(st.sampled_from([*limits.generation_types, "text-to-smell"]))
    if draw(st.integers(0, 4)) == 0:
        field = draw(st.sampled_from([*limits.inputs, *limits.fields, GENERATION_TYPE, SOURCES, "unknown", ""]))
        request[field] = draw(json_values)
    return name, request


def by_rule_alone(limits: Limits, error: GatewayError) -> bool:
    """Whether a refusal is of the kind that the schema leaves to words: media counted by a rule, names in texts,
    sums over entries."""
    stated = [schema._of_rule(limits, rule) is not None for rule in limits.rules if rule.code == error.error_code]
    sums = any(item.sum_of for item in limits.inputs.values())
    return not all(stated) or error.error_code == "unknown_element" or "have the same" in error.message or sums


def refusal_of(door: Callable[..., Normalized], *arguments: Any) -> GatewayError | None:
    try:
        door(*arguments)
    except GatewayError as error:
        return error
    return None


@settings(max_examples=1500)
@given(typed_requests())
def test_the_schema_takes_what_the_door_takes(made: tuple[str, dict[str, Any]]) -> None:
    name, request = made
    before = repr(request)
    taken = judge(name).is_valid(copy.deepcopy(request))
    refused = refusal_of(from_typed, ALL[name], request)
    if refused is None:
        assert taken, "only the schema refuses: " + str(next(judge(name).iter_errors(request)))
    else:
        assert refused.status in {400, 422}
        assert isinstance(refused.fields["field"], str)
        assert not taken or by_rule_alone(ALL[name], refused), f"only the door refuses: {refused.message}"
    assert repr(request) == before


@settings(max_examples=300)
@given(typed_requests())
def test_any_json_is_taken_or_refused_by_the_native_door(made: tuple[str, dict[str, Any]]) -> None:
    name, request = made
    before = repr(request)
    refused = refusal_of(from_native, ALL[name], request, ALL[name].inputs)
    assert refused is None or refused.status in {400, 422}
    assert repr(request) == before


@settings(max_examples=200)
@given(typed_requests())
def test_what_was_normalized_is_normal(made: tuple[str, dict[str, Any]]) -> None:
    name, request = made
    try:
        once = from_typed(ALL[name], request)
    except GatewayError:
        once = Normalized({}, ())
    else:
        assert from_typed(ALL[name], once.inputs).inputs == once.inputs
    assert once.inputs.get(GENERATION_TYPE) in {None, *ALL[name].generation_types}


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_schema_is_one_and_its_defaults_are_legal(name: str) -> None:
    made = schema.of_request(ALL[name])
    jsonschema.Draft202012Validator.check_schema(made)
    assert {GENERATION_TYPE, SOURCES, *ALL[name].inputs, *ALL[name].fields} == set(made["properties"])
    for shape in made["properties"].values():
        assert "default" not in shape or jsonschema.Draft202012Validator(shape).is_valid(shape["default"])


@pytest.mark.parametrize("type_", ["integer", "number"])
@pytest.mark.parametrize("value", [10**30 - 1, 10**30, -(10**30) + 1, -(10**30), 1e30, 9.9e29])
def test_the_schema_ends_where_the_door_does(type_: str, value: float) -> None:
    limits = Limits(inputs={"seed": Input("seed", type_)}, generation_types=("text-to-image",))
    try:
        from_native(limits, {"seed": value}, ["seed"])
    except GatewayError:
        taken = False
    else:
        taken = True
    valid = jsonschema.Draft202012Validator(schema.of_request(limits)).is_valid({"seed": value})
    assert valid is taken is (abs(value) < 10**30)
