"""Money is exact until it is rounded, once, half up."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import money

amounts = st.decimals(min_value=0, max_value=10**9, places=9)


@pytest.mark.parametrize(
    ("usd", "micros"),
    [
        ("0", 0),
        ("0.672", 672_000),
        ("0.0000004999", 0),
        ("0.0000005", 1),
        ("0.0000015", 2),  # half up, not half to even
        ("0.0000025", 3),
        ("1234567.891234", 1_234_567_891_234),
    ],
)
def test_dollars_are_rounded_half_up_to_micros(usd: str, micros: int) -> None:
    assert money.to_micros(Decimal(usd)) == micros


@given(amounts)
def test_rounding_is_off_by_half_a_micro_at_most(usd: Decimal) -> None:
    difference = Fraction(money.to_micros(usd), 10**6) - Fraction(usd)
    assert Fraction(-1, 2 * 10**6) < difference <= Fraction(1, 2 * 10**6)


@given(st.integers(0, 10**18))
def test_whole_micros_survive_the_way_to_dollars_and_back(micros: int) -> None:
    assert money.to_micros(money.to_usd(micros)) == micros
    assert money.to_credits(micros) * money.MICROS_PER_CREDIT == micros


def test_a_credit_is_a_cent() -> None:
    assert money.to_credits(672_000) == Decimal("67.2")
    assert money.to_usd(money.MICROS_PER_CREDIT) == Decimal("0.01")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0", "0"),
        ("0.000", "0"),
        ("0E+3", "0"),
        ("100", "100"),
        ("1E+2", "100"),
        ("67.20", "67.2"),
        ("1E-7", "0.0000001"),
        ("0.10500", "0.105"),
    ],
)
def test_a_decimal_reads_the_same_however_it_was_made(value: str, text: str) -> None:
    assert money.exact(Decimal(value)) == text


@given(st.decimals(min_value=0, max_value=10**12, allow_nan=False, allow_infinity=False))
def test_exact_text_keeps_the_value_and_has_one_form(value: Decimal) -> None:
    text = money.exact(value)
    assert Decimal(text) == value
    assert money.exact(Decimal(text)) == text
    assert "E" not in text
    assert text == "0" or not ("." in text and text.endswith("0"))


@pytest.mark.parametrize(("value", "number"), [("67", 67), ("67.0", 67), ("67.2", 67.2), ("1E+1", 10)])
def test_a_number_for_people_is_whole_where_it_can_be(value: str, number: float) -> None:
    shown = money.number(Decimal(value))
    assert shown == number
    assert isinstance(shown, type(number))
