"""A spending limit is whole micros by the day, the month and in all, or it is refused by the name of its part."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import spending
from gateway.errors import InvalidField
from gateway.spending import MICROS_MAX, PERIODS, SpendingLimit

PARTS = tuple(f"{period}_micros" for period in PERIODS)
NOTHING = dict.fromkeys(PARTS)
amounts = st.none() | st.integers(0, MICROS_MAX)
limits = st.builds(SpendingLimit, amounts, amounts, amounts)
changes_ = st.dictionaries(st.sampled_from(PARTS), amounts)


@given(limits)
def test_a_limit_survives_the_way_to_a_dictionary_and_back(limit: SpendingLimit) -> None:
    assert list(limit.to_dict()) == ["day_micros", "month_micros", "total_micros"]
    assert SpendingLimit.from_dict(limit.to_dict()) == limit
    assert [*limit.by_period().values()] == [*limit.to_dict().values()]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("micros", [-1, MICROS_MAX + 1, True, False, 1.0, 0.5, "5", [], {}, float("nan")])
def test_what_is_no_amount_is_refused_by_name(part: str, micros: Any) -> None:
    for read in (SpendingLimit.from_dict, lambda given: spending.changed(None, given)):
        with pytest.raises(InvalidField) as caught:
            read({part: micros})
        allowed = {"minimum": 0, "maximum": MICROS_MAX}
        assert caught.value.fields == {"field": f"spending_limit.{part}", "allowed": allowed}


@pytest.mark.parametrize("given_", [5, "5", True, [], ["day_micros"]])
def test_what_is_no_object_is_refused(given_: Any) -> None:
    with pytest.raises(InvalidField) as caught:
        spending.changed(None, given_)
    assert caught.value.fields == {"field": "spending_limit"}


def test_an_unknown_part_is_refused_with_those_there_are() -> None:
    with pytest.raises(InvalidField) as caught:
        SpendingLimit.from_dict({"week_micros": 1})
    assert caught.value.fields == {"field": "spending_limit.week_micros", "allowed": list(PARTS)}


@given(limits, changes_)
def test_what_is_not_named_stays(before: SpendingLimit, changes: dict[str, int | None]) -> None:
    assert spending.changed(before.to_dict(), changes) == {**before.to_dict(), **changes}


@pytest.mark.parametrize("changes", [None, {}, {"day_micros": None}, NOTHING])
def test_what_never_had_a_limit_and_gets_none_is_not_counted(changes: Any) -> None:
    assert spending.changed(None, changes) is None


def test_what_had_a_limit_once_stays_counted() -> None:
    limit = spending.changed(None, {"day_micros": 5})
    assert limit == {"day_micros": 5, "month_micros": None, "total_micros": None}
    assert spending.changed(limit, None) == NOTHING
    assert spending.changed(limit, {"day_micros": None}) == NOTHING
    assert spending.changed(NOTHING, None) == NOTHING
    assert spending.changed(NOTHING, {"total_micros": 0}) == {**NOTHING, "total_micros": 0}


def test_a_limit_is_shown_where_there_is_one_and_nothing_is_one_too() -> None:
    assert spending.shown(None) is None
    assert spending.shown(NOTHING) is None
    assert spending.shown({"total_micros": 0}) == {**NOTHING, "total_micros": 0}


def test_periods_are_those_of_utc() -> None:
    late = datetime(2026, 11, 30, 23, 30, tzinfo=timezone(timedelta(hours=-2)))
    assert spending.period_names(late) == {"day": "d2026-12-01", "month": "m2026-12", "total": "total"}
    assert spending.period_names(datetime(2026, 11, 30, tzinfo=UTC))["month"] == "m2026-11"
