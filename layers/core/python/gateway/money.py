"""Money as integers: micros of a US dollar. Rates and quantities are `Decimal`; one rounding, half up."""

from decimal import ROUND_HALF_UP, Decimal

MICROS_PER_USD = 1_000_000
MICROS_PER_CREDIT = 10_000
"""One credit is one US cent (shared contract; seed 002 prices in credits)."""

BPS = 10_000
"""Basis points in a whole."""


def to_micros(usd: Decimal) -> int:
    """Round an exact dollar amount half up to a micro. The only rounding that money ever sees."""
    return int((usd * MICROS_PER_USD).to_integral_value(rounding=ROUND_HALF_UP))


def to_usd(micros: int) -> Decimal:
    """Exact dollars of an integer amount."""
    return Decimal(micros) / MICROS_PER_USD


def to_credits(micros: int) -> Decimal:
    """Exact credits (1 credit = 10,000 micros)."""
    return Decimal(micros) / MICROS_PER_CREDIT


def exact(value: Decimal) -> str:
    """A decimal as plain text: no exponent and no trailing zeros, so equal values read the same."""
    text = format(value, "f")
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


def number(value: Decimal) -> int | float:
    """A decimal as a JSON number for people to read (credits, seconds); never used in arithmetic."""
    return int(value) if value == value.to_integral_value() else float(value)
