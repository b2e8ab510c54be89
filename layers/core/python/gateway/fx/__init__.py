"""Foreign exchange: what an amount of US dollars is in the currency of an account.

The rates are the daily reference rates of the European Central Bank, which `fetching` stores by date. Whoever takes
an order freezes a `snapshot` on it; whoever writes its billing record adds the amount with `converted`. From the
frozen object alone the amount can be recomputed. A currency without a rate from the last 7 days refuses nothing: its
snapshot says why there is none, and the record is in US dollars.
"""

import math
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any

from gateway import tables
from gateway.money import exact

BASE = "USD"
SOURCE = "ECB"
DAYS_MAX = 7
"""The age in days (of UTC) at which a rate is used for the last time; weekends and Easter's four days are within it."""
KEPT_SECONDS = 600
"""How long a container goes on with the rates it has read."""
RATE_DECIMALS = 10

Rates = Mapping[str, str]
"""How much of each currency one euro is, the euro itself included, as exact text."""

CURRENCIES: Mapping[str, int] = {
    "AUD": 2, "BRL": 2, "CAD": 2, "CHF": 2, "CNY": 2, "CZK": 2, "DKK": 2, "EUR": 2, "GBP": 2, "HKD": 2,
    "HUF": 2, "IDR": 2, "ILS": 2, "INR": 2, "ISK": 0, "JPY": 0, "KRW": 0, "MXN": 2, "MYR": 2, "NOK": 2,
    "NZD": 2, "PHP": 2, "PLN": 2, "RON": 2, "SEK": 2, "SGD": 2, "THB": 2, "TRY": 2, "USD": 2, "ZAR": 2,
}  # fmt: skip
"""What an account may be kept in, with the digits of its minor unit (ISO 4217, list one): the euro and what the ECB
quotes against it since the Bulgarian lev left on 2026-01-01. A currency that the ECB drops stays here: accounts may
have it."""


def minor_digits(currency: str) -> int:
    """The decimals of a currency's minor unit: 2 for EUR, 0 for JPY. Raises ValueError for any not in `CURRENCIES`."""
    if currency not in CURRENCIES:
        raise ValueError(f"'{currency}' is no currency of accounts; use one of: {', '.join(CURRENCIES)}.")
    return CURRENCIES[currency]


def snapshot(currency: str, now: datetime) -> dict[str, Any] | None:
    """The rate from US dollars to a currency, to be frozen: the `fx` of a billing record without its amount.

    None for US dollars. Else `{base, quote, rate, as_of, source, minor_digits, reason}`: `rate` is the exact text of
    how much of the currency one dollar is, of the newest date of the last 7 days that has one, `as_of`. Without such
    a date both are None and `reason` is a sentence. Costs at most one read, and none for 10 minutes after it.
    Raises ValueError for what is no currency of accounts.
    """
    if currency == BASE:
        return None
    today = now.astimezone(UTC).date()
    fx = {"base": BASE, "quote": currency, "source": SOURCE, "minor_digits": minor_digits(currency)}
    for day, rates in _kept(today):
        if 0 <= (today - day).days <= DAYS_MAX and currency in rates:
            return {**fx, "rate": exact(_from_base(rates, currency)), "as_of": day.isoformat(), "reason": None}
    reason = f"There is no reference rate of the European Central Bank for {currency} from the last {DAYS_MAX} days."
    return {**fx, "rate": None, "as_of": None, "reason": reason}


def converted(fx: Mapping[str, Any] | None, amount_micros: int) -> dict[str, Any] | None:
    """A snapshot with `amount_minor`: an amount of micro-dollars in the currency's minor units, rounded once, half up.

    The amount is None where the snapshot has no rate; None (US dollars) stays None.
    """
    if fx is None:
        return None
    if fx["rate"] is None:
        return {**fx, "amount_minor": None}
    # Wide enough that the product is exact, so that the only rounding is the last.
    with localcontext(prec=100):
        usd = Decimal(amount_micros).scaleb(-6)
        amount = (usd * Decimal(fx["rate"])).scaleb(fx["minor_digits"])
        return {**fx, "amount_minor": int(amount.to_integral_value(rounding=ROUND_HALF_UP))}


def recent(today: date) -> list[tuple[date, Rates]]:
    """The stored dates of the last 7 days with their rates, newest first."""
    found = tables.ReferenceRates.between(today - timedelta(days=DAYS_MAX), today)
    return [(date.fromisoformat(item.sk), item.rates) for item in found]


def forget() -> None:
    """Drop the rates in memory, so that the next snapshot reads the store."""
    _Cache.read_at_seconds = -math.inf


class _Cache:
    days: Sequence[tuple[date, Rates]] = ()
    read_at_seconds = -math.inf


def _kept(today: date) -> Sequence[tuple[date, Rates]]:
    if time.monotonic() - _Cache.read_at_seconds >= KEPT_SECONDS:
        _Cache.days = recent(today)
        _Cache.read_at_seconds = time.monotonic()
    return _Cache.days


def _from_base(rates: Rates, currency: str) -> Decimal:
    """How much of a currency one US dollar is, by way of the euro, half up to 10 decimals."""
    rate = Decimal(rates[currency]) / Decimal(rates[BASE])
    return rate.quantize(Decimal(1).scaleb(-RATE_DECIMALS), rounding=ROUND_HALF_UP)
