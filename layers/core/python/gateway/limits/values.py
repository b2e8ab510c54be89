"""One value held to the limits of its input."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from gateway.errors import BadRequest, InvalidField
from gateway.limits import Input

NUMBER_MAX = 10**30
"""No model takes a larger number. Without an end, 1e999 would be written out digit by digit."""
SECONDS_TEXT = r"(?:0|[1-9][0-9]{0,5})s?"
"""Seed 002 writes durations with their unit: "5s"."""

_WORDS = {
    "text": "text", "integer": "a whole number", "number": "a number", "boolean": "true or false",
    "seconds": 'whole seconds, such as 5 or "5s"', "size": "a preset's name or {width, height}",
    "media": "a URL", "media_list": "a list of URLs", "objects": "a list of objects",
}  # fmt: skip


def checked(item: Input, value: Any, shown: str, *, strict: bool) -> Any:
    """The value in the model's own type. `strict` also holds it to enum, range and length.

    `shown` is the field as the caller wrote it. Raises BadRequest or InvalidField naming it.
    """
    if isinstance(value, str):
        value = item.aliases.get(value, value)
    converted = _converted(item, value, shown, strict=strict)
    if item.type in {"media_list", "objects"}:
        _check_items(item, len(converted), shown)
    if not strict:
        return converted
    if item.type == "size":
        return _checked_size(item, converted, shown)
    if item.enum and converted not in item.enum:
        raise BadRequest(f"'{shown}' cannot be '{brief(value)}'.", field=shown, allowed=list(item.enum))
    if isinstance(converted, str):
        _check_text(item, converted, shown)
    if item.is_numeric:
        _check_range(item, converted, shown)
    return converted


def is_missing(item: Input, value: Any) -> bool:
    """Whether a value is none at all: absent, empty, or blank where text is required."""
    if item.type == "text" and isinstance(value, str):
        return not re.search(r"\S", value)
    return value in (None, "", [])


def brief(value: Any) -> str:
    """What a caller wrote, short enough to be said back."""
    text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def plain(value: Decimal | None) -> int | float | None:
    """A decimal as a JSON number."""
    if value is None:
        return None
    return int(value) if value == value.to_integral_value() else float(value)


def _converted(item: Input, value: Any, shown: str, *, strict: bool) -> Any:
    if item.is_numeric:
        found = _seconds(value) if item.type == "seconds" else _number(value)
        fits = found is not None and (item.type == "number" or found == int(found))
        value = found if found is None or found != int(found) else int(found)
    elif item.type == "media_list":
        value = [value] if isinstance(value, str) else value
        fits = isinstance(value, list) and all(isinstance(entry, str) and entry for entry in value)
    elif item.type == "objects":
        fits = isinstance(value, list) and all(isinstance(entry, dict) for entry in value)
        if fits:
            value = [_object(item, entry, f"{shown}[{number}]", strict=strict) for number, entry in enumerate(value)]
    elif item.type == "size":
        fits = isinstance(value, str | dict)
    elif item.type == "boolean":
        fits = isinstance(value, bool)
    else:
        fits = isinstance(value, str) and (value != "" or item.type != "media")
    if not fits:
        raise InvalidField(f"'{shown}' must be {_WORDS[item.type]}.", field=shown, allowed=_WORDS[item.type])
    return value


def _number(value: Any) -> int | float | None:
    """The JSON number that a value is; None for what is none, or beyond all measure."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if -NUMBER_MAX < value < NUMBER_MAX else None  # false for NaN and the infinities too


def _seconds(value: Any) -> int | float | None:
    if isinstance(value, str):
        return int(value.removesuffix("s")) if re.fullmatch(SECONDS_TEXT, value) else None
    return _number(value)


def _object(item: Input, entry: Mapping[str, Any], shown: str, *, strict: bool) -> dict[str, Any]:
    """One entry of a list of objects; unknown fields are refused, since nothing tells what they would do."""
    made: dict[str, Any] = {}
    for key, value in entry.items():
        if key not in item.entries:
            raise InvalidField(f"'{shown}' has no '{brief(key)}'.", field=shown, allowed=sorted(item.entries))
        if value is not None:
            made[key] = checked(item.entries[key], value, f"{shown}.{key}", strict=strict)
    for key, part in item.entries.items():
        if part.required and is_missing(part, made.get(key)):
            raise InvalidField(f"'{shown}.{key}' is required.", field=f"{shown}.{key}")
    if item.one_of and sum(key in made for key in item.one_of) != 1:
        raise InvalidField(f"'{shown}' needs exactly one of these.", field=shown, allowed=list(item.one_of))
    return made


def _check_items(item: Input, count: int, shown: str) -> None:
    if count < item.min_items or (item.max_items is not None and count > item.max_items):
        allowed = {"minimum": item.min_items, "maximum": item.max_items}
        raise BadRequest(f"'{shown}' cannot have {count} entries.", field=shown, allowed=allowed)


def _checked_size(item: Input, value: str | Mapping[str, Any], shown: str) -> str | dict[str, int]:
    if isinstance(value, str) and value in item.presets:
        return value
    low, high = plain(item.minimum), plain(item.maximum)
    sides = {name: _number(side) for name, side in value.items()} if isinstance(value, Mapping) else {}
    within = set(sides) == {"width", "height"} and all(
        side is not None and side == int(side) and (low or 1) <= side <= (high or NUMBER_MAX) for side in sides.values()
    )
    if not within:
        allowed = {"presets": list(item.presets), "side_minimum": low, "side_maximum": high}
        raise BadRequest(f"'{shown}' cannot be '{brief(value)}'.", field=shown, allowed=allowed)
    return {name: int(side or 0) for name, side in sides.items()}


def _check_text(item: Input, value: str, shown: str) -> None:
    if item.max_length is not None and len(value) > item.max_length:
        raise BadRequest(
            f"'{shown}' has {len(value)} characters; this model takes {item.max_length} at most.",
            code="prompt_too_long" if shown in {"prompt", "inputs.prompt"} else "invalid_request",
            field=shown,
            allowed=item.max_length,
        )


def _check_range(item: Input, value: int | float, shown: str) -> None:
    amount = Decimal(str(value))
    if (item.minimum is not None and amount < item.minimum) or (item.maximum is not None and amount > item.maximum):
        allowed = {"minimum": plain(item.minimum), "maximum": plain(item.maximum)}
        raise BadRequest(f"'{shown}' is out of range.", field=shown, allowed=allowed)
