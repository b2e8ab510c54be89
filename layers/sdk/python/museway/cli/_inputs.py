"""`key=value` arguments as model inputs."""

import json
import math
from collections.abc import Iterable
from typing import Any

from museway.errors import InvalidRequest


def parse_inputs(arguments: Iterable[str]) -> dict[str, Any]:
    """`["duration=8", "prompt=a red bicycle"]` as `{"duration": 8, "prompt": "a red bicycle"}`.

    A value that reads as a JSON number, boolean, array or object is one; all else is a string. Raises
    InvalidRequest for an argument without `=` and for a key given twice.
    """
    inputs: dict[str, Any] = {}
    for argument in arguments:
        key, separator, value = argument.partition("=")
        if not separator or not key:
            raise InvalidRequest(
                f"{argument!r} is not of the form key=value.",
                code="invalid_argument",
                hint="Write inputs as in: museway run MODEL prompt='a red bicycle' duration=8",
            )
        if key in inputs:
            raise InvalidRequest(
                f"{key!r} is given twice.",
                code="invalid_argument",
                hint=f'Give a list as JSON: {key}=\'["...", "..."]\'',
                fields={"field": key},
            )
        inputs[key] = _value(value)
    return inputs


def _value(text: str) -> Any:
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text
    is_finite = not isinstance(value, float) or math.isfinite(value)
    return value if isinstance(value, bool | int | float | list | dict) and is_finite else text


def _refuse(name: str) -> Any:
    raise ValueError(name)
