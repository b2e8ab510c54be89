"""What changes in prices, as it is said to people who answer for them."""

from typing import Any

import pytest

from tests.unit.gateway.fox import ROW, TIERS, Changed, book, rows, setting
from tests.unit.gateway.said import differing, said

LATER = "2027-01-01"


def test_a_price_that_rises_at_once() -> None:
    (found,) = differing((), (setting(*ROW, "rate", to="0.115"),))
    assert found.to_dict() == {
        "about": "fox-1",
        "part": "price_books",
        "sentence": "fox-1: row one: $0.1 -> $0.115 per second of video (+15.0 %), at once",
        "breaking": True,
    }


def test_a_price_that_falls_breaks_nothing() -> None:
    assert said(setting(*ROW, "rate", to="0.05")) == [
        ("row one: $0.1 -> $0.05 per second of video (-50.0 %), at once", False)
    ]


def test_a_price_that_was_nothing_has_no_percentage() -> None:
    free = (setting(*ROW, "rate", to="0"),)
    assert said(old=free) == [("row one: $0 -> $0.1 per second of video, at once", True)]


def test_a_rate_that_is_only_written_differently() -> None:
    assert said(setting(*ROW, "rate", to="0.10")) == [
        ("row one: the rate is written 0.10 instead of 0.1, at once", False)
    ]


def test_a_price_that_starts_later() -> None:
    assert said(book(LATER, rate="0.2")) == [
        (f"row one: $0.1 -> $0.2 per second of video (+100.0 %), from {LATER}", True),
        (f"a price book starts on {LATER}", False),
    ]


def test_a_price_book_that_starts_later_with_the_same_rates() -> None:
    assert said(book(LATER)) == [(f"a price book starts on {LATER}, with the same rates", False)]


def test_a_later_price_that_is_withdrawn() -> None:
    assert said(old=(book(LATER, rate="0.2"),)) == [
        (f"row one: $0.2 -> $0.1 per second of video (-50.0 %), from {LATER}", False),
        (f"the price book of {LATER} is withdrawn", False),
    ]


def test_a_later_price_that_is_corrected_names_its_day() -> None:
    assert said(book(LATER, rate="0.3"), old=(book(LATER, rate="0.2"),)) == [
        (f"row one: $0.2 -> $0.3 per second of video (+50.0 %), from {LATER}", True)
    ]


def test_a_rise_is_said_once_although_it_lasts() -> None:
    later = (book(LATER), book("2027-06-01"))
    risen = (*later, *(setting("price_books", number, "rows", 0, "rate", to="0.2") for number in range(3)))
    assert said(*risen, old=later) == [("row one: $0.1 -> $0.2 per second of video (+100.0 %), at once", True)]


def test_a_price_book_of_the_past_is_spoken_of_too() -> None:
    old = (book("2026-06-01"),)
    assert said(*old, setting(*ROW, "rate", to="0.2"), old=old) == [
        ("price book of 2026-01-01, which is not in force, has other rows", False)
    ]


def test_another_source_changes_no_price() -> None:
    assert said(setting("price_books", 0, "source", to="a newer list")) == [
        ("price book of 2026-01-01: source: a list -> a newer list", False)
    ]


def test_a_new_row_for_what_had_a_price_may_raise_it() -> None:
    assert said(rows(*TIERS), old=(rows({}),)) == [
        ("new row 1: $0.1 per second of video, at once", True),
        ('row 0: applies to {"tier": "high"} instead of {}, at once', True),
    ]


def test_a_new_row_for_a_new_choice_raises_nothing() -> None:
    more = setting("inputs", "tier", "enum", to=["low", "high", "top"])
    assert said(rows(*TIERS, {"tier": "top"}), more, old=(rows(*TIERS),)) == [
        ("new row 2: $0.1 per second of video, at once", False),
        ("tier: now also top", False),
    ]


def test_a_row_that_goes_with_its_choice() -> None:
    fewer = setting("inputs", "tier", "enum", to=["low"])
    assert said(rows({"tier": "low"}), fewer, setting(*ROW, "row_id", to="1"), old=(rows(*TIERS),)) == [
        ("row 0 is gone (it was $0.1 per second of video), at once", False),
        ("tier: no longer high", True),
    ]


def test_a_row_that_is_renamed() -> None:
    assert said(setting(*ROW, "row_id", to="second")) == [("row one is now called second, at once", False)]


def test_rows_in_another_order() -> None:
    crossed = rows({"tier": "high"}, {"loud": True}, {})

    def swapped(model: dict[str, Any]) -> None:
        first, second, last = model["price_books"][0]["rows"]
        model["price_books"][0]["rows"] = [second, first, last]

    assert said(crossed, swapped, old=(crossed,)) == [("the price rows are tried in another order, at once", True)]


def test_another_unit_is_another_price() -> None:
    assert said(setting(*ROW, "unit", to="call")) == [
        ("row one: $0.1 per second of video -> $0.1 per call, at once", True)
    ]


def surcharge(rate: str) -> Changed:
    part = {"unit": "call", "rate": rate, "meter": "seconds", "modality": "audio"}
    return setting(*ROW, "surcharge", to=part)


def test_a_surcharge_comes_rises_and_goes() -> None:
    assert said(surcharge("0.01")) == [("row one: now also $0.01 per call, at once", True)]
    assert said(surcharge("0.02"), old=(surcharge("0.01"),)) == [
        ("row one: seconds: $0.01 -> $0.02 per call (+100.0 %), at once", True)
    ]
    assert said(old=(surcharge("0.01"),)) == [("row one: no longer $0.01 per call, at once", False)]


@pytest.mark.parametrize(
    ("key", "old", "new", "breaking"),
    [
        ("round_up_to", None, 60, True),
        ("round_up_to", 60, None, False),
        ("round_up_to", 60, 30, False),
        ("round_up_to", 60, 45, True),  # 50 s: 60 before, 90 after
        ("minimum", None, 5, True),
        ("minimum", 5, 6, True),
        ("minimum", 6, 5, False),
        ("minimum", 5, None, False),
    ],
)
def test_rounding_that_can_raise_a_bill_breaks(key: str, old: Any, new: Any, breaking: bool) -> None:
    before, after = ((setting(*ROW, key, to=value),) if value else () for value in (old, new))
    (found,) = differing(before, after)
    assert found.breaking == breaking
    assert f"{old or 'none'} -> {new or 'none'}" in found.sentence


@pytest.mark.parametrize(
    ("key", "old", "new", "breaking"),
    [
        ("multiply_by", 1, 2, True),
        ("multiply_by", 2, 1, False),
        ("divide_by", 1, 10, False),
        ("divide_by", 10, 1, True),
        ("length_of", None, "prompt", True),
    ],
)
def test_a_meter_that_can_count_more_breaks(key: str, old: Any, new: Any, breaking: bool) -> None:
    before, after = (() if value is None else (setting("meters", "seconds", key, to=value),) for value in (old, new))
    if key == "length_of":
        after = (setting("meters", "seconds", to={"length_of": "prompt"}),)
    found = differing(before, after)
    assert any(one.breaking for one in found) == breaking
    assert all(one.part == "meters" and "meter seconds: " in one.sentence for one in found)
