"""The words of changes."""

from typing import Any

import pytest

from gateway.catalog.changes.sentences import differences, dollars, per, percent, shown, span
from gateway.pricing import UNITS


@pytest.mark.parametrize("unit", sorted(UNITS))
def test_every_unit_has_words(unit: str) -> None:
    assert per(unit)
    assert "_" not in per(unit)


def test_rates_are_exact() -> None:
    assert dollars("0.000015") == "$0.000015"
    assert dollars("0.30") == "$0.3"
    assert dollars("12") == "$12"


@pytest.mark.parametrize(
    ("old", "new", "shown_percent"),
    [("0.039", "0.045", " (+15.4 %)"), ("2", "1", " (-50.0 %)"), ("0", "1", ""), ("1", "1", " (+0.0 %)")],
)
def test_percentages(old: str, new: str, shown_percent: str) -> None:
    assert percent(old, new) == shown_percent


def test_ranges() -> None:
    assert [span(3, 15, " s"), span(None, 15), span(3, None), span(None, None)] == [
        "3-15 s",
        "up to 15",
        "from 3",
        "any",
    ]


def test_a_long_value_is_cut() -> None:
    assert len(shown("x" * 1000)) == 120
    assert shown(None) == "none"
    assert shown({"a": "ä"}) == '{"a": "ä"}'


@pytest.mark.parametrize(
    ("old", "new", "clauses"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, ["x.a.b: 1 -> 2"]),
        ({"a": [1, 2]}, {"a": [1, 3]}, ["x.a[1]: 2 -> 3"]),
        ({"a": [1, 2]}, {"a": [1]}, ["x.a: [1, 2] -> [1]"]),
        ({"a": "ab"}, {"a": "cd"}, ["x.a: ab -> cd"]),
        ({"a": "ab"}, {"a": ["a", "b"]}, ['x.a: ab -> ["a", "b"]']),
        ({}, {"a": True}, ["x.a: none -> true"]),
    ],
)
def test_every_leaf_that_differs_is_named(old: Any, new: Any, clauses: list[str]) -> None:
    assert list(differences(old, new, "x")) == clauses
