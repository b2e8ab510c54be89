"""What people type, as values: `key=value` arguments, lists of names, amounts of money."""

import json
import math
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

from museway._wire import MICROS_PER_USD
from museway.errors import InvalidRequest

NONE = "none"
"""What people type to take a limit off, or to set something back."""
_DIGITS_MAX = 30


def invalid_argument(message: str, *, hint: str, field: str | None = None) -> InvalidRequest:
    """The error for something typed wrongly; `field` is its name, where it has one."""
    return InvalidRequest(message, code="invalid_argument", hint=hint, fields={"field": field} if field else None)


def parse_inputs(arguments: Iterable[str]) -> dict[str, Any]:
    """`["duration=8", "prompt=a red bicycle"]` as `{"duration": 8, "prompt": "a red bicycle"}`.

    A value that reads as a JSON number, boolean, array or object is one; all else is a string. Raises
    InvalidRequest for an argument without `=` and for a key given twice.
    """
    inputs: dict[str, Any] = {}
    for argument in arguments:
        key, separator, value = argument.partition("=")
        if not separator or not key:
            raise invalid_argument(
                f"{argument!r} is not of the form key=value.",
                hint="Write inputs as in: museway run MODEL prompt='a red bicycle' duration=8",
            )
        if key in inputs:
            raise invalid_argument(
                f"{key!r} is given twice.", hint=f'Give a list as JSON: {key}=\'["...", "..."]\'', field=key
            )
        inputs[key] = _value(value)
    return inputs


def parse_names(text: str | None) -> list[str] | None:
    """`"read, generate"` as `["read", "generate"]`."""
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def exact_micros(text: str, micros_per_unit: int) -> int | None:
    """An amount of credits or dollars in micros, exactly; None for what is no amount, or has parts of a micro."""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        return None
    # An exponent beyond any amount would become a number of as many digits.
    if not amount.is_finite() or (amount and abs(amount.adjusted()) > _DIGITS_MAX):
        return None
    micros = Fraction(amount) * micros_per_unit
    return int(micros) if micros.denominator == 1 and micros >= 0 else None


def parse_usd(option: str, text: str | None) -> int | None:
    """The micros of a dollar amount such as `5` or `0.25`; None for `none`. Raises InvalidRequest for all else."""
    if text is None or text.lower() == NONE:
        return None
    micros = exact_micros(text.removeprefix("$"), MICROS_PER_USD)
    if micros is None:
        raise invalid_argument(
            f"{text!r} is not an amount of US dollars.",
            hint="Give a number with at most six decimals, such as 5 or 0.25, or none.",
            field=option,
        )
    return micros


def given_limits(day: str | None, month: str | None, total: str | None) -> dict[str, int | None]:
    """The parts of a spending limit that were given, in micros; `none` takes one off."""
    texts = {"day": day, "month": month, "total": total}
    return {f"{name}_micros": parse_usd(f"{name}-usd", text) for name, text in texts.items() if text is not None}


def wish(
    *,
    capabilities: str | None = None,
    max_usd: str | None = None,
    allow_platform_key: bool = False,
    **given: str | None,
) -> dict[str, Any]:
    """What of a choice was typed; lists of names are split, money is in micros."""
    plain = {"mode", "prefer", "quality_min"}
    said: dict[str, Any] = {name: text if name in plain else parse_names(text) for name, text in given.items()}
    said |= {"capabilities": parse_names(capabilities), "max_price_micros": parse_usd("max-usd", max_usd)}
    said |= {"allow_platform_key": allow_platform_key or None}
    return {name: value for name, value in said.items() if value is not None}


def called(model: str | None, inputs: list[str] | None) -> tuple[str | None, dict[str, Any]]:
    """The model and the inputs that were typed: a first argument with `=` is an input, and no model is named."""
    if model is not None and "=" in model:
        return None, parse_inputs([model, *(inputs or [])])
    return model, parse_inputs(inputs or [])


def _value(text: str) -> Any:
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text
    is_finite = not isinstance(value, float) or math.isfinite(value)
    return value if isinstance(value, bool | int | float | list | dict) and is_finite else text


def _refuse(name: str) -> Any:
    raise ValueError(name)
