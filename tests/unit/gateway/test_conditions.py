"""What conditions of the catalog hold for, and which of them the build refuses."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import conditions


@pytest.mark.parametrize(
    ("expected", "value", "holds"),
    [
        (True, True, True),
        (True, False, False),
        (True, 1, False),  # a switch is no number
        (1, True, False),
        (0, False, False),
        (True, None, False),
        ("2K", "2K", True),
        ("2K", "2k", False),
        (5, 5, True),
        (5, 5.0, True),
        (["2K", "4K"], "4K", True),
        (["2K", "4K"], "1K", False),
        (["2K", "4K"], None, False),
        ([True], 1, False),
        ({"gte": 5, "lt": 10}, 5, True),
        ({"gte": 5, "lt": 10}, 9.999, True),
        ({"gte": 5, "lt": 10}, 10, False),
        ({"gt": 5}, 5, False),
        ({"lte": 0.3}, 0.3, True),
        ({"lte": 5}, None, False),
        ({"present": True}, "https://a/b", True),
        ({"present": True}, None, False),
        ({"present": True}, "", False),
        ({"present": True}, [], False),
        ({"present": True}, False, True),
        ({"present": True}, 0, True),
        ({"present": False}, None, True),
        ({"present": False}, "https://a/b", False),
        ({"count": {"gt": 0}}, ["a"], True),
        ({"count": {"gt": 0}}, [], False),
        ({"count": {"gt": 0}}, None, False),
        ({"count": {"gt": 0}}, "one URL", True),
        ({"count": {"lte": 0}}, None, True),
        ({"count": {"gt": 1, "lte": 3}}, ["a", "b"], True),
    ],
)
def test_a_condition(expected: Any, value: Any, holds: bool) -> None:
    assert conditions.hold({"x": expected}, {"x": value}) is holds
    if value is None:
        assert conditions.hold({"x": expected}, {}) is holds


def test_every_condition_must_hold_and_none_always_does() -> None:
    both = {"a": 1, "b": 2}
    assert conditions.hold(both, {"a": 1, "b": 2, "c": 3})
    assert not conditions.hold(both, {"a": 1, "b": 3})
    assert conditions.hold({}, {})


@given(st.decimals(-1000, 1000, places=3), st.decimals(-1000, 1000, places=3))
def test_ranges_compare_exactly(bound: Decimal, value: Decimal) -> None:
    found = {name: conditions.hold({"x": {name: bound}}, {"x": value}) for name in ("gt", "gte", "lt", "lte")}
    assert found == {"gt": value > bound, "gte": value >= bound, "lt": value < bound, "lte": value <= bound}


@pytest.mark.parametrize(
    "expected",
    [
        {"above": 3},
        {"gt": 3, "above": 3},
        {"count": {"above": 3}},
        {"count": {"present": True}},
        {"count": 3},
        {"count": {"gt": 0}, "gt": 3},
        {"count": {}},
        {"present": True, "gt": 3},
        {"present": "yes"},
        {"gt": "3"},
        {"gt": True},
        {"gt": None},
        {},
    ],
)
def test_an_unknown_condition_is_refused_at_build(expected: Any) -> None:
    with pytest.raises(ValueError, match="'x'"):
        conditions.check_syntax({"x": expected})


@pytest.mark.parametrize(
    "expected", [True, "2K", 5, ["a", "b"], {"gt": 1, "lte": 2.5}, {"present": False}, {"count": {"gte": 1}}]
)
def test_a_known_condition_passes(expected: Any) -> None:
    conditions.check_syntax({"x": expected})
