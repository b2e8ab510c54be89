"""Spending limits: how much a key or a project may hold and spend in a UTC day, a UTC month and in all. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
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
    def from_dict(cls, given: Mapping[str, Any]) -> "SpendingLimit":
        """The limit that a request or an item says. Raises InvalidField for an amount that cannot be one."""
        unknown = sorted(set(given) - {f"{period}_micros" for period in PERIODS})
        if unknown:
            field = f"spending_limit.{unknown[0]}"
            raise InvalidField(f"'{field}' is not known.", field=field, allowed=[f"{one}_micros" for one in PERIODS])
        return cls(**{name: _amount(name, value) for name, value in given.items()})

    def to_dict(self) -> dict[str, int | None]:
        """As it is stored and shown."""
        return {f"{period}_micros": most for period, most in self.by_period().items()}

    def by_period(self) -> dict[str, int | None]:
        """The limit of each period."""
        return {"day": self.day_micros, "month": self.month_micros, "total": self.total_micros}


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
