"""Spending limits: how much a key or a project may hold and spend in a UTC day, a UTC month and in all. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from gateway.errors import InvalidField

MICROS_MAX = 10**15
"""A billion dollars: what is above it is a mistake."""
PERIODS = ("day", "month", "total")


@dataclass(frozen=True)
class SpendingLimit:
    """The most that may be held and spent in each period, in micros; None where there is no such limit.

    A limit of nothing but Nones bounds nothing, yet is counted: so a limit set later knows what came before it.
    """

    day_micros: int | None = None
    month_micros: int | None = None
    total_micros: int | None = None

    @classmethod
    def from_dict(cls, given: Any) -> "SpendingLimit":
        """The limit that a request or an item says. Raises InvalidField for what is none, by the name of the part."""
        if not isinstance(given, Mapping):
            raise InvalidField("'spending_limit' must be an object.", field="spending_limit")
        unknown = sorted(set(given) - {f"{period}_micros" for period in PERIODS})
        if unknown:
            field = f"spending_limit.{unknown[0]}"
            raise InvalidField(f"'{field}' is not known.", field=field, allowed=[f"{one}_micros" for one in PERIODS])
        return cls(**{name: _amount(name, value) for name, value in given.items()})

    def to_dict(self) -> dict[str, int | None]:
        """As it is stored and shown."""
        return {f"{period}_micros": most for period, most in self.by_period().items()}

    @property
    def bounds(self) -> bool:
        """Whether any period has a limit."""
        return self != SpendingLimit()

    def by_period(self) -> dict[str, int | None]:
        """The limit of each period."""
        return {"day": self.day_micros, "month": self.month_micros, "total": self.total_micros}


def changed(stored: Mapping[str, Any] | None, changes: Any) -> dict[str, int | None] | None:
    """A stored limit after some changes: periods that they do not name stay, None takes every limit off.

    What had a limit once keeps one, if only of Nones, and stays counted; what never had one has None. Raises
    InvalidField.
    """
    before = SpendingLimit() if stored is None else SpendingLimit.from_dict(stored)
    after = SpendingLimit()
    if changes is not None:
        SpendingLimit.from_dict(changes)
        after = replace(before, **changes)
    return None if stored is None and not after.bounds else after.to_dict()


def shown(stored: Mapping[str, Any] | None) -> dict[str, int | None] | None:
    """A stored limit as callers see it: None where there is no limit in any period."""
    limit = SpendingLimit() if stored is None else SpendingLimit.from_dict(stored)
    return limit.to_dict() if limit.bounds else None


def period_names(moment: datetime) -> dict[str, str]:
    """What the periods of a moment are counted under: `d2026-11-21`, `m2026-11`, `total`."""
    day = moment.astimezone(UTC).date().isoformat()
    return {"day": f"d{day}", "month": f"m{day[:7]}", "total": "total"}


def _amount(name: str, value: Any) -> int | None:
    if value is None:
        return None
    # type() and not isinstance: True is no amount.
    if type(value) is not int or not 0 <= value <= MICROS_MAX:
        field = f"spending_limit.{name}"
        allowed = {"minimum": 0, "maximum": MICROS_MAX}
        raise InvalidField(f"'{field}' must be a whole number of micros.", field=field, allowed=allowed)
    return value
