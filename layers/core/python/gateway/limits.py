"""What a model takes: one description that is the limits, the errors and the JSON Schema. Pure.

Two doors lead here. The *typed* request (seed 002) names common fields - `source_media_urls`, `sound`,
`"5s"` - and is held to every limit. The *native* request (seed 001) passes the model's own inputs: what we
know of is checked for presence and type, what pricing reads is held to its limits, the rest goes through
as it is, because the model is the judge of it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from gateway import conditions
from gateway.errors import BadRequest, InvalidField

KIND_OF_EXTENSION = {
    **dict.fromkeys((".jpg", ".jpeg", ".png", ".webp"), "image"),
    **dict.fromkeys((".mp4", ".mov", ".webm"), "video"),
    **dict.fromkeys((".mp3", ".wav", ".m4a"), "audio"),
}
"""Seed 002 classifies source media by extension; the content is checked when the source is fetched."""

_NUMBER_LENGTH_MAX = 40
_NUMBER_MAX = Decimal(10) ** 30
"""No model takes a larger number. Without an end, "1e999999999" would be written out digit by digit."""

_JSON_TYPES = {
    "text": "string",
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
    "media": "string",
}


@dataclass(frozen=True)
class Input:
    """One native input of a model. `type`: text, integer, number, boolean, media (a URL) or media_list."""

    name: str
    type: str
    required: bool = False
    default: Any = None
    enum: tuple[Any, ...] = ()
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    max_length: int | None = None
    max_items: int | None = None
    description: str = ""

    def schema(self) -> dict[str, Any]:
        """The input's JSON Schema."""
        if self.type == "media_list":
            shape: dict[str, Any] = {"type": "array", "items": {"type": "string", "format": "uri"}}
            if self.max_items is not None:
                shape["maxItems"] = self.max_items
            if self.required:
                shape["minItems"] = 1
        else:
            shape = {"type": _JSON_TYPES[self.type]}
            if self.type == "media":
                shape["format"] = "uri"
        # A number without limits of its own still has the door's (see `_decimal`).
        beyond = int(_NUMBER_MAX) - 1 if self.type in {"integer", "number"} else None
        bounds = {
            "enum": list(self.enum) or None,
            "minimum": (beyond and -beyond) if self.minimum is None else _plain(self.minimum),
            "maximum": beyond if self.maximum is None else _plain(self.maximum),
            "maxLength": self.max_length,
            "minLength": 1 if self.required and self.type in {"text", "media"} else None,
            "default": self.default,
            "description": self.description or None,
        }
        return shape | {key: value for key, value in bounds.items() if value is not None}


@dataclass(frozen=True)
class Sources:
    """Where source media of one kind go, and how many a generation type takes: `{type: (min, max)}`."""

    kind: str
    into: tuple[str, ...]
    counts: Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class Rule:
    """A limit across fields: when the conditions hold, the requirements must hold too."""

    code: str
    field: str
    when: conditions.Conditions
    require: conditions.Conditions
    message: str


@dataclass(frozen=True)
class Limits:
    """Everything a model accepts. `fields` maps a typed request's field to the model's own input."""

    inputs: Mapping[str, Input]
    generation_types: tuple[str, ...]
    fields: Mapping[str, str] = field(default_factory=dict)
    sources: tuple[Sources, ...] = ()
    rules: tuple[Rule, ...] = ()

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the native inputs. Inputs that are not listed are passed to the model."""
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {name: item.schema() for name, item in self.inputs.items()},
            "required": [name for name, item in self.inputs.items() if item.required],
            "additionalProperties": True,
        }


@dataclass(frozen=True)
class Normalized:
    """Inputs ready for pricing and for the provider; `media` lists each source as (field, URL, kind)."""

    inputs: Mapping[str, Any]
    media: tuple[tuple[str, str, str], ...]
    warnings: tuple[str, ...] = ()


def from_typed(limits: Limits, request: Mapping[str, Any]) -> Normalized:
    """Normalize a typed request (the fields of seed 002 plus the model's own parameters).

    Raises BadRequest or InvalidField naming the field. A field that this model does not use is ignored
    and named in `warnings`.
    """
    generation_type = _generation_type(limits, request.get("generation_type"))
    inputs: dict[str, Any] = {}
    warnings: list[str] = []
    for name, value in request.items():
        if name in {"generation_type", "source_media_urls"} or value is None:
            continue
        target = limits.fields.get(name, name)
        if target in limits.inputs:
            inputs[target] = _value(limits.inputs[target], value, name, strict=True)
        else:
            warnings.append(f"'{_brief(name)}' is not used by this model and was ignored.")
    given = request.get("source_media_urls") or []
    urls = given if isinstance(given, list) else [given]
    inputs |= _place(limits, generation_type, urls)
    return _finish(limits, inputs, "source_media_urls", warnings)


def from_native(limits: Limits, inputs: Mapping[str, Any], priced: Iterable[str]) -> Normalized:
    """Normalize native inputs (seed 001): unknown ones pass untouched, `priced` ones are held to their limits."""
    strict = frozenset(priced)
    checked = {
        name: _value(limits.inputs[name], value, f"inputs.{name}", strict=name in strict)
        if name in limits.inputs and value is not None
        else value
        for name, value in inputs.items()
    }
    return _finish(limits, checked, "inputs", [])


def kind_of(url: str) -> str | None:
    """The kind that a URL's extension promises, or None when it has no known one."""
    try:
        path = urlsplit(url).path
    except ValueError:
        return None  # no URL at all; fetching it will say so
    return KIND_OF_EXTENSION.get(PurePosixPath(path).suffix.lower())


def _finish(limits: Limits, inputs: dict[str, Any], where: str, warnings: Sequence[str]) -> Normalized:
    for name, item in limits.inputs.items():
        if inputs.get(name) is None and item.default is not None:
            inputs[name] = item.default
        if item.required and inputs.get(name) in (None, "", []):
            missing = f"inputs.{name}" if where == "inputs" else name
            raise InvalidField(f"'{missing}' is required by this model.", field=missing)
    for rule in limits.rules:
        if conditions.hold(rule.when, inputs) and not conditions.hold(rule.require, inputs):
            broken = f"inputs.{rule.field}" if where == "inputs" else rule.field
            raise BadRequest(rule.message, code=rule.code, field=broken, allowed=dict(rule.require))
    return Normalized(inputs, tuple(_media_of(limits, inputs, where)), tuple(warnings))


def _media_of(limits: Limits, inputs: Mapping[str, Any], where: str) -> Iterable[tuple[str, str, str]]:
    kinds = {name: source.kind for source in limits.sources for name in source.into}
    for name, kind in kinds.items():
        value = inputs.get(name)
        for url in [value] if isinstance(value, str) else value or []:
            yield (where if where == "source_media_urls" else f"inputs.{name}", url, kind)


def _generation_type(limits: Limits, asked: Any) -> str:
    if asked is None:
        return limits.generation_types[0]
    if asked not in limits.generation_types:
        raise BadRequest(
            f"This model does not do '{_brief(asked)}'.",
            field="generation_type",
            allowed=list(limits.generation_types),
        )
    return str(asked)


def _place(limits: Limits, generation_type: str, urls: Sequence[Any]) -> dict[str, Any]:
    """Put source URLs into the model's inputs by kind; refuse wrong kinds and wrong numbers."""
    taken = {source.kind for source in limits.sources}
    by_kind: dict[str, list[str]] = {kind: [] for kind in taken}
    for url in urls:
        if not isinstance(url, str):
            raise InvalidField("Every entry of source_media_urls must be a URL.", field="source_media_urls")
        kind = kind_of(url) or (limits.sources[0].kind if limits.sources else "image")
        if kind not in taken:
            raise BadRequest(f"This model takes no {kind} as source.", field="source_media_urls", allowed=sorted(taken))
        by_kind[kind].append(url)
    placed: dict[str, Any] = {}
    for source in limits.sources:
        found = by_kind[source.kind]
        _check_count(source, generation_type, len(found))
        placed |= _spread(limits, source, found)
    return placed


def _check_count(source: Sources, generation_type: str, count: int) -> None:
    low, high = source.counts.get(generation_type, (0, 0))
    if low <= count <= high:
        return
    needed = str(low) if low == high else f"{low} to {high}"
    code = f"too_many_{source.kind}s" if count > high else "source_media_required"
    raise BadRequest(
        f"{generation_type} on this model takes {needed} {source.kind} source(s); {count} given.",
        code=code,
        field="source_media_urls",
        allowed={"minimum": low, "maximum": high},
    )


def _spread(limits: Limits, source: Sources, urls: list[str]) -> dict[str, Any]:
    if not urls:
        return {}
    if limits.inputs[source.into[0]].type == "media_list":
        return {source.into[0]: urls}
    return dict(zip(source.into, urls, strict=False))


def _value(item: Input, value: Any, name: str, *, strict: bool) -> Any:
    """The value in the model's own type. `strict` also holds it to enum, range and length."""
    converted = _converted(item, value, name)
    if item.type == "media_list" and item.max_items is not None and len(converted) > item.max_items:
        raise BadRequest(f"'{name}' takes at most {item.max_items} entries.", field=name, allowed=item.max_items)
    if not strict:
        return converted
    if item.enum and converted not in item.enum:
        raise BadRequest(f"'{name}' cannot be '{_brief(value)}'.", field=name, allowed=list(item.enum))
    if item.max_length is not None and isinstance(converted, str) and len(converted) > item.max_length:
        raise BadRequest(
            f"'{name}' has {len(converted)} characters; this model takes {item.max_length} at most.",
            code="prompt_too_long" if name in {"prompt", "inputs.prompt"} else "invalid_request",
            field=name,
            allowed=item.max_length,
        )
    _check_range(item, converted, name)
    return converted


def _check_range(item: Input, value: Any, name: str) -> None:
    if item.type not in {"integer", "number"}:
        return
    amount = Decimal(str(value))
    if (item.minimum is not None and amount < item.minimum) or (item.maximum is not None and amount > item.maximum):
        allowed = {"minimum": _plain(item.minimum), "maximum": _plain(item.maximum)}
        raise BadRequest(f"'{name}' is out of range.", field=name, allowed=allowed)


def _converted(item: Input, value: Any, name: str) -> Any:
    if item.type in {"integer", "number"}:
        return _numeric(item, value, name)
    if item.type == "media_list":
        value = [value] if isinstance(value, str) else value
        fits = isinstance(value, list) and all(isinstance(entry, str) for entry in value)
    elif item.type == "boolean":
        fits = isinstance(value, bool)
    else:
        fits = isinstance(value, str)
    if not fits:
        raise InvalidField(f"'{name}' must be {_described(item)}.", field=name, allowed=_described(item))
    return value


def _numeric(item: Input, value: Any, name: str) -> int | float:
    """A number from 5, 5.0, "5" or "5s" (seed 002 writes durations with their unit)."""
    amount = _decimal(value)
    whole = amount is not None and amount == amount.to_integral_value()
    if amount is None or (item.type == "integer" and not whole):
        raise InvalidField(f"'{name}' must be {_described(item)}.", field=name, allowed=_described(item))
    return int(amount) if whole else float(amount)


def _decimal(value: Any) -> Decimal | None:
    """The number that a value stands for; None for what is none, or beyond all measure."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str):
        value = value.strip()
        if len(value) > _NUMBER_LENGTH_MAX:
            return None
        value = re.sub(r"\s*s(ec|econds?)?$", "", value)
    try:
        amount = Decimal(value if isinstance(value, int) else str(value))
    except InvalidOperation:
        return None
    # Compared, not computed with: arithmetic on such numbers may overflow.
    return amount if amount.is_finite() and -_NUMBER_MAX < amount < _NUMBER_MAX else None


def _described(item: Input) -> str:
    words = {
        "text": "text", "integer": "a whole number", "number": "a number", "boolean": "true or false",
        "media": "a URL", "media_list": "a list of URLs",
    }  # fmt: skip
    return words[item.type]


def _brief(value: Any) -> str:
    """What a caller wrote, short enough to be said back."""
    text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _plain(value: Decimal | None) -> int | float | None:
    if value is None:
        return None
    return int(value) if value == value.to_integral_value() else float(value)
