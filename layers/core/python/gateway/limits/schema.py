"""The limits as JSON Schema: what the typed door takes, said for people, agents and forms.

Drawn from the same data as the checks, so that the two cannot disagree. What no schema can say is left out
and stands in words: rules that count media by kind where sources come as one list, names in texts, and
what is only known once the media are looked at.
"""

from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Any

from gateway import conditions
from gateway.conditions import GENERATION_TYPE
from gateway.limits import SOURCES, Input, Limits, Rule, Sources
from gateway.limits.requests import KINDS, kind_pattern
from gateway.limits.values import NUMBER_MAX, plain

Schema = dict[str, Any]

_URL = {"type": "string", "format": "uri", "minLength": 1}
_TYPES = {"text": "string", "integer": "integer", "number": "number", "boolean": "boolean"}


def of_request(limits: Limits) -> Schema:
    """The schema of a request, without `model` and the fields that every model takes (`metadata` and so on)."""
    properties: Schema = {GENERATION_TYPE: {"enum": list(limits.generation_types)}}
    if limits.sources:
        most = max(_total(limits.sources, one)[1] for one in limits.generation_types)
        properties[SOURCES] = {"anyOf": [_URL, {"type": "array", "items": _URL, "maxItems": most}]}
    else:
        properties[SOURCES] = {"type": "array", "maxItems": 0}
    # Media that a request may give as source_media_urls are asked for by the generation types.
    placed = {name for source in limits.sources for name in source.into}
    every: list[Schema] = []
    for name, item in limits.inputs.items():
        names = limits.names_of(name)
        shape = _of_input(item)
        properties |= dict.fromkeys(names, shape)
        every += [{"not": {"required": list(pair)}} for pair in combinations(names, 2)]
        if item.required and len(names) > 1 and name not in placed:
            every.append({"anyOf": [{"required": [one]} for one in names]})
    if limits.sources:
        every.append({"anyOf": [_of_generation_type(limits, one) for one in limits.generation_types]})
    every += filter(None, (_of_rule(limits, rule) for rule in limits.rules))
    required = [n for n, item in limits.inputs.items() if item.required and len(limits.names_of(n)) == 1]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": properties,
        "required": [name for name in required if name not in placed],
        "additionalProperties": True,
        **({"allOf": every} if every else {}),
    }


def _of_input(item: Input) -> Schema:
    shape = _shape(item)
    for key, value in (("default", item.default), ("description", item.description or None)):
        if value is not None:
            shape[key] = value
    return shape


def _shape(item: Input) -> Schema:
    match item.type:
        case "media":
            return dict(_URL)
        case "media_list":
            listed = {"type": "array", "items": _URL, **_items(item)}
            return {"anyOf": [_URL, listed]} if item.min_items <= 1 else listed
        case "objects":
            return {"type": "array", "items": _of_entry(item), **_items(item)}
        case "size":
            side = {"type": "integer", "minimum": plain(item.minimum) or 1, "maximum": plain(item.maximum)}
            custom = {"type": "object", "properties": {"width": side, "height": side}, "additionalProperties": False}
            return {"anyOf": [{"enum": list(item.presets)}, {**custom, "required": ["width", "height"]}]}
        case "seconds":
            return _seconds(item.seconds_allowed())
    if item.enum:
        return {"enum": [*item.enum, *item.aliases]}
    shape: Schema = {"type": _TYPES[item.type]}
    if item.is_numeric:
        # A number without limits of its own still has the door's.
        low, high = plain(item.minimum), plain(item.maximum)
        shape["minimum"] = 1 - NUMBER_MAX if low is None else low
        shape["maximum"] = NUMBER_MAX - 1 if high is None else high
    if item.max_length is not None:
        shape["maxLength"] = item.max_length
    if item.type == "text" and item.required:
        shape["pattern"] = r"\S"
    return shape


def _items(item: Input) -> Schema:
    bounds = {"minItems": item.min_items or (1 if item.required else None), "maxItems": item.max_items}
    return {key: value for key, value in bounds.items() if value is not None}


def _of_entry(item: Input) -> Schema:
    one_of = [{"required": [name]} for name in item.one_of]
    return {
        "type": "object",
        "properties": {name: _of_input(part) for name, part in item.entries.items()},
        "required": [name for name, part in item.entries.items() if part.required],
        "additionalProperties": False,
        **({"oneOf": one_of} if one_of else {}),
    }


def _seconds(allowed: Iterable[int]) -> Schema:
    """Whole seconds as a number or as text with or without the unit."""
    values = sorted(allowed)
    if values == list(range(values[0], values[-1] + 1)):
        number: Schema = {"type": "integer", "minimum": values[0], "maximum": values[-1]}
    else:
        number = {"enum": values}
    return {"anyOf": [number, {"type": "string", "pattern": f"^({'|'.join(map(str, values))})s?$"}]}


def _total(sources: Iterable[Sources], generation_type: str) -> tuple[int, int]:
    counts = [source.count(generation_type) for source in sources]
    return sum(low for low, _ in counts), sum(high for _, high in counts)


def _of_generation_type(limits: Limits, generation_type: str) -> Schema:
    """What a request must look like to be of a type: its media, in either of the two ways to give them."""
    own = sorted({one for source in limits.sources for name in source.into for one in limits.names_of(name)})
    no_own: Schema = {"not": {"anyOf": [{"required": [name]} for name in own]}}
    listed = {"properties": {SOURCES: _listed(limits, generation_type)}, **no_own}
    if _total(limits.sources, generation_type)[0]:
        listed["required"] = [SOURCES]
    by_name = {
        "properties": {SOURCES: {"type": "array", "maxItems": 0}},
        "allOf": [_by_name(limits, source, *source.count(generation_type)) for source in limits.sources],
    }
    return {"properties": {GENERATION_TYPE: {"const": generation_type}}, "anyOf": [listed, by_name]}


def _listed(limits: Limits, generation_type: str) -> Schema:
    """`source_media_urls` of a type: how many of each kind, a kind being known by the extension."""
    counts = {source.kind: source.count(generation_type) for source in limits.sources}
    first = limits.sources[0].kind
    low, high = _total(limits.sources, generation_type)
    several: Schema = {"type": "array", "minItems": low, "maxItems": high}
    taken = [kind for kind, (_, most) in counts.items() if most]
    if len(taken) == 1:
        several["items"] = _of_kind(taken[0], first)
    elif taken:
        several["allOf"] = [
            {"contains": _of_kind(kind, first), "minContains": fewest, "maxContains": most}
            for kind, (fewest, most) in ((kind, counts.get(kind, (0, 0))) for kind in KINDS)
        ]
    single = [
        _of_kind(kind, first)
        for kind, (fewest, most) in counts.items()
        if most >= 1 and fewest <= 1 and low - fewest == 0
    ]
    return {"anyOf": [several, {"type": "string", "anyOf": single}]} if single else several


def _of_kind(kind: str, first: str) -> Schema:
    """A URL of a kind; what has no known extension is of the first kind that the model takes."""
    if kind != first:
        return {"type": "string", "pattern": kind_pattern(kind)}
    others = [{"pattern": kind_pattern(one)} for one in KINDS if one != first]
    return {"type": "string", "not": {"anyOf": others}}


def _by_name(limits: Limits, source: Sources, low: int, high: int) -> Schema:
    first = source.into[0]
    if limits.inputs[first].type == "media_list":
        several: Schema = {"type": "array", "minItems": low, "maxItems": high}
        shape = {"anyOf": [several, {"type": "string"}]} if low <= 1 <= high else several
        return {"properties": dict.fromkeys(limits.names_of(first), shape), **(_given(limits, first) if low else {})}
    needed = [_given(limits, name) for name in source.into if limits.inputs[name].required]
    if low:
        needed.append({"anyOf": [_all_given(limits, names) for names in combinations(source.into, low)]})
    allowed: Schema = {"allOf": needed} if needed else {}
    if high < len(source.into):
        allowed["not"] = {"anyOf": [_all_given(limits, names) for names in combinations(source.into, high + 1)]}
    return allowed


def _given(limits: Limits, name: str) -> Schema:
    """That an input is given, under any of its names."""
    names = limits.names_of(name)
    return {"required": [name]} if len(names) == 1 else {"anyOf": [{"required": [one]} for one in names]}


def _all_given(limits: Limits, names: Iterable[str]) -> Schema:
    return {"allOf": [_given(limits, name) for name in names]}


def _of_rule(limits: Limits, rule: Rule) -> Schema | None:
    """If the conditions hold then the requirements must; None where media are counted."""
    if any(name in limits.inputs and limits.inputs[name].is_media for name in (*rule.when, *rule.require)):
        return None
    return {"if": _of_conditions(limits, rule.when), "then": _of_conditions(limits, rule.require)}


def _of_conditions(limits: Limits, when: conditions.Conditions) -> Schema:
    parts = [_of_condition(limits, name, expected) for name, expected in when.items()]
    return {"allOf": parts} if len(parts) > 1 else parts[0]


def _of_condition(limits: Limits, name: str, expected: Any) -> Schema:
    """One condition, under every name of its input; without a value the default answers it."""
    if name == GENERATION_TYPE:
        values = expected if isinstance(expected, list) else [expected]
        return {"properties": {name: {"enum": values}}, "required": [name]}
    item = limits.inputs[name]
    names = limits.names_of(name)
    shape = _expected_shape(item, expected)
    held: Schema = {"properties": dict.fromkeys(names, shape)}
    absent_holds = conditions.hold({name: expected}, {name: item.default} if item.default is not None else {})
    if absent_holds:
        return held
    return {**held, **_given(limits, name)}


def _expected_shape(item: Input, expected: Any) -> Schema:
    if isinstance(expected, Mapping):
        if "present" in expected:
            return {} if expected["present"] else {"const": ""}
        if "count" in expected:
            names = {"gt": "minItems", "gte": "minItems", "lt": "maxItems", "lte": "maxItems"}
            beside = {"gt": 1, "lt": -1}
            return {names[sign]: bound + beside.get(sign, 0) for sign, bound in expected["count"].items()}
        if item.type == "seconds":
            return _seconds_that(item, expected)
        names = {"gt": "exclusiveMinimum", "gte": "minimum", "lt": "exclusiveMaximum", "lte": "maximum"}
        return {names[sign]: bound for sign, bound in expected.items()}
    if item.type == "seconds":
        return _seconds_that(item, expected)
    values = expected if isinstance(expected, list) else [expected]
    return {"enum": [*values, *(word for word, value in item.aliases.items() if value in values)]}


def _seconds_that(item: Input, expected: Any) -> Schema:
    fitting = [n for n in item.seconds_allowed() if conditions.hold({item.name: expected}, {item.name: n})]
    return _seconds(fitting) if fitting else {"not": {}}
