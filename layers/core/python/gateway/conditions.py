"""Conditions on normalized inputs, as the catalog writes them. Pure.

    generate_audio: true                 equals
    resolution: [2K, 4K]                 is one of
    duration: {gte: 5, lt: 10}           lies in a range
    video_url: {present: true}           is given
    video_urls: {count: {gt: 0}}         its number of entries lies in a range

A condition on an input that is absent holds only for `present: false` and for counts (nothing counts zero).
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

Conditions = Mapping[str, Any]

GENERATION_TYPE = "generation_type"
"""The one name that is no input of a model: ours, which conditions may read and providers never see."""

CALLED = re.compile(r"(?<![\w@])@([A-Za-z][A-Za-z0-9_-]*)")
"""How a text calls an entry of a list by its name: `@name`, but not the @ of a mail address."""

_COMPARISONS: dict[str, Callable[[Decimal, Decimal], bool]] = {
    "gt": lambda value, bound: value > bound,
    "gte": lambda value, bound: value >= bound,
    "lt": lambda value, bound: value < bound,
    "lte": lambda value, bound: value <= bound,
}


def hold(conditions: Conditions, inputs: Mapping[str, Any]) -> bool:
    """Whether every condition holds for these inputs."""
    return all(_holds(expected, inputs.get(name)) for name, expected in conditions.items())


def check_syntax(conditions: Conditions) -> None:
    """Raise ValueError for a condition that this module does not know (asked at build, not at run time)."""
    for name, expected in conditions.items():
        if isinstance(expected, Mapping) and not _known(expected):
            raise ValueError(f"the condition on '{name}' cannot be {dict(expected)}")


def _known(expected: Mapping[str, Any]) -> bool:
    if "present" in expected:
        return set(expected) == {"present"} and isinstance(expected["present"], bool)
    bounds = expected["count"] if set(expected) == {"count"} else expected
    return (
        isinstance(bounds, Mapping)
        and bool(bounds)
        and set(bounds) <= set(_COMPARISONS)
        and all(isinstance(bound, int | float) and not isinstance(bound, bool) for bound in bounds.values())
    )


def _holds(expected: Any, value: Any) -> bool:
    if isinstance(expected, Mapping):
        if "present" in expected:
            return bool(expected["present"]) == (value not in (None, "", []))
        if "count" in expected:
            return _within(expected["count"], Decimal(count(value)))
        return value is not None and _within(expected, Decimal(str(value)))
    if isinstance(expected, list | tuple):
        return any(_equal(choice, value) for choice in expected)
    return _equal(expected, value)


def _equal(expected: Any, value: Any) -> bool:
    # In Python True == 1; a price row must not confuse a switch with a number.
    return isinstance(expected, bool) == isinstance(value, bool) and bool(expected == value)


def _within(bounds: Mapping[str, Any], value: Decimal) -> bool:
    return all(_COMPARISONS[name](value, Decimal(str(bound))) for name, bound in bounds.items())


def count(value: Any) -> int:
    """How many entries a value has; a single value is one, nothing is none."""
    if value in (None, ""):
        return 0
    return len(value) if isinstance(value, list | tuple) else 1
