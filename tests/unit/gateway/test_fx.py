"""A snapshot of a rate and what an amount is at it: exact, rounded once, recomputable from what is frozen."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import fx

FRIDAY = date(2026, 11, 20)
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
RATES = {"EUR": "1", "USD": "1.1346", "JPY": "178.2", "GBP": "0.8573", "IDR": "19012.44"}


class Store:
    """What is stored, and how often it was read."""

    def __init__(self) -> None:
        self.days: list[tuple[date, fx.Rates]] = [(FRIDAY, RATES)]
        self.reads = 0

    def recent(self, _today: date) -> list[tuple[date, fx.Rates]]:
        self.reads += 1
        return self.days


@pytest.fixture(autouse=True)
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    made = Store()
    monkeypatch.setattr(fx, "recent", made.recent)
    fx.forget()
    yield made
    fx.forget()


def taken(currency: str, now: datetime = NOON) -> dict[str, Any]:
    found = fx.snapshot(currency, now)
    assert found is not None
    return found


def frozen(currency: str, rate: str | None) -> dict[str, Any]:
    return {"quote": currency, "rate": rate, "minor_digits": fx.minor_digits(currency)}


def test_accounts_in_us_dollars_need_no_rate(store: Store) -> None:
    assert fx.snapshot("USD", NOON) is None
    assert fx.converted(None, 1_000_000) is None
    assert store.reads == 0


def test_a_snapshot_says_what_it_rests_on() -> None:
    assert taken("EUR") == {
        "base": "USD",
        "quote": "EUR",
        "rate": "0.881367883",
        "as_of": "2026-11-20",
        "source": "ECB",
        "minor_digits": 2,
        "reason": None,
    }


@pytest.mark.parametrize(
    ("currency", "per_euro", "dollars_per_euro", "rate"),
    [
        ("JPY", "178.2", "1.1346", "157.0597567425"),
        ("IDR", "19012.44", "1.1346", "16756.9539925965"),
        ("GBP", "0.9", "1.2", "0.75"),
        ("DKK", "8", "1", "8"),
        ("SEK", "0.00000000005", "1", "0.0000000001"),  # half up, not half to even
        ("SEK", "0.00000000025", "1", "0.0000000003"),
        ("SEK", "1", "3", "0.3333333333"),
        ("SEK", "2", "3", "0.6666666667"),
    ],
)
def test_rates_go_by_way_of_the_euro(
    store: Store, currency: str, per_euro: str, dollars_per_euro: str, rate: str
) -> None:
    store.days = [(FRIDAY, {"EUR": "1", "USD": dollars_per_euro, currency: per_euro})]
    assert taken(currency)["rate"] == rate


@pytest.mark.parametrize(("age_days", "used"), [(0, True), (1, True), (7, True), (8, False), (-1, False)])
def test_a_rate_is_used_for_7_days(store: Store, age_days: int, used: bool) -> None:
    found = taken("EUR", datetime(2026, 11, 20, 23, 59, 59, tzinfo=UTC) + timedelta(days=age_days))
    assert (found["as_of"] == "2026-11-20") is used
    assert (found["rate"] is not None) is used
    assert (found["reason"] is None) is used


def test_days_are_those_of_utc() -> None:
    midnight = datetime(2026, 11, 28, tzinfo=UTC)
    assert taken("EUR", midnight)["rate"] is None
    assert taken("EUR", midnight.astimezone(timezone(timedelta(hours=-5))))["rate"] is None
    assert taken("EUR", midnight - timedelta(seconds=1))["rate"] is not None


def test_the_newest_date_that_has_the_currency_counts(store: Store) -> None:
    store.days = [
        (FRIDAY, {"EUR": "1", "USD": "1"}),
        (FRIDAY - timedelta(days=1), {"EUR": "1", "USD": "2", "ISK": "144"}),
    ]
    assert (taken("EUR")["as_of"], taken("EUR")["rate"]) == ("2026-11-20", "1")
    assert (taken("ISK")["as_of"], taken("ISK")["rate"]) == ("2026-11-19", "72")


def test_without_a_rate_it_says_why_and_nothing_is_converted(store: Store) -> None:
    store.days = []
    found = taken("EUR")
    assert (found["rate"], found["as_of"]) == (None, None)
    assert found["reason"] == "There is no reference rate of the European Central Bank for EUR from the last 7 days."
    assert fx.converted(found, 1_000_000) == {**found, "amount_minor": None}


def test_one_read_serves_every_currency_for_10_minutes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = 1000.0
    monkeypatch.setattr(fx.time, "monotonic", lambda: seconds)
    for currency in ("EUR", "JPY", "EUR", "SEK"):
        taken(currency)
    seconds += 599
    taken("EUR")
    assert store.reads == 1
    store.days = []
    seconds += 1
    assert taken("EUR")["rate"] is None
    assert store.reads == 2


def test_what_is_no_currency_of_accounts_is_refused(store: Store) -> None:
    for currency in ("BGN", "eur", ""):
        with pytest.raises(ValueError, match="no currency of accounts"):
            fx.snapshot(currency, NOON)
    assert store.reads == 0


@pytest.mark.parametrize(
    ("currency", "digits"), [("EUR", 2), ("USD", 2), ("HUF", 2), ("JPY", 0), ("KRW", 0), ("ISK", 0)]
)
def test_minor_units_are_those_of_iso_4217(currency: str, digits: int) -> None:
    assert fx.minor_digits(currency) == digits


@pytest.mark.parametrize(
    ("currency", "rate", "micros", "minor"),
    [
        ("EUR", "0.881367883", 1_000_000, 88),
        ("EUR", "0.881367883", 672_000, 59),  # 59.2279
        ("EUR", "0.5", 10_000, 1),  # half a cent goes up
        ("EUR", "0.5", 30_000, 2),  # and not to even
        ("EUR", "0.5", 9_999, 0),
        ("EUR", "0.881367883", 0, 0),
        ("JPY", "157.0597567425", 1_000_000, 157),
        ("JPY", "150.5", 1_000_000, 151),
        ("JPY", "150.4999999999", 1_000_000, 150),
        ("KRW", "1446.63", 39, 0),
        ("IDR", "16756.9539925965", 10**15, 1_675_695_399_259_650),
        ("IDR", "16756.9539925965", 10**18 + 1, 1_675_695_399_259_650_002),
    ],
)
def test_amounts_are_rounded_once_half_up_to_the_minor_unit(currency: str, rate: str, micros: int, minor: int) -> None:
    snapshot = frozen(currency, rate)
    assert fx.converted(snapshot, micros) == {**snapshot, "amount_minor": minor}
    assert "amount_minor" not in snapshot


@given(st.integers(0, 10**18), st.decimals("0.0000000001", 99999, places=10), st.sampled_from(["EUR", "JPY"]))
def test_a_conversion_is_off_by_half_a_minor_unit_at_most(micros: int, rate: Decimal, currency: str) -> None:
    converted = fx.converted(frozen(currency, format(rate, "f")), micros)
    assert converted is not None
    exact = Fraction(micros) * Fraction(rate) * 10 ** fx.minor_digits(currency) / 10**6
    assert Fraction(-1, 2) < converted["amount_minor"] - exact <= Fraction(1, 2)
