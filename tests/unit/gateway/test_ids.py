"""Fresh names never repeat, derived ones always do."""

import re
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from gateway import ids

SHAPE = re.compile(r"gen_[a-z2-7]{26}")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
moments = st.integers(0, 2**50).map(lambda passed: EPOCH + timedelta(microseconds=passed))


def test_fresh_ids_differ_and_have_one_shape() -> None:
    made = {ids.fresh("gen") for _ in range(1000)}
    assert len(made) == 1000
    assert all(SHAPE.fullmatch(name) for name in made)


@given(st.lists(st.text(max_size=20), min_size=1, max_size=3))
def test_the_same_parts_always_give_the_same_id(parts: list[str]) -> None:
    assert ids.derived("gen", *parts) == ids.derived("gen", *parts)
    assert SHAPE.fullmatch(ids.derived("gen", *parts))
    assert ids.derived("gen", *parts, "") != ids.derived("gen", *parts)


def test_where_one_part_ends_matters() -> None:
    assert ids.derived("gen", "ab", "c") != ids.derived("gen", "a", "bc")


def test_derived_ids_are_the_same_in_every_release() -> None:
    # A key sent to one release must find its generation in the next.
    assert ids.derived("gen", "demo", "key-1") == "gen_ov7774ptojtaokkb5amfm35i64"


@given(moments, moments)
def test_timestamps_sort_as_time_does(one: datetime, other: datetime) -> None:
    assert (ids.timestamp(one) < ids.timestamp(other)) == (one < other)
    assert len(ids.timestamp(one)) == len("2026-11-21T03:45:00.123456Z")


def test_a_timestamp_is_utc_whatever_the_zone() -> None:
    moment = datetime(2026, 11, 21, 4, 45, tzinfo=timezone(timedelta(hours=1)))
    assert ids.timestamp(moment) == "2026-11-21T03:45:00.000000Z"


def test_now_is_aware_and_in_utc() -> None:
    assert ids.now().tzinfo is UTC


@given(st.datetimes(timezones=st.just(UTC)).filter(lambda moment: moment.year >= 1000))
def test_a_timestamp_reads_back_as_the_same_moment(moment: datetime) -> None:
    assert ids.moment(ids.timestamp(moment)) == moment
