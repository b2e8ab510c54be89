"""`key=value` arguments."""

import pytest

from museway.cli._inputs import given_limits, parse_inputs, parse_names, parse_usd
from museway.errors import InvalidRequest


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("8", 8),
        ("-1.5", -1.5),
        ("true", True),
        ('["a", 1]', ["a", 1]),
        ('{"a": {"b": null}}', {"a": {"b": None}}),
        ("a red bicycle", "a red bicycle"),
        ("5s", "5s"),
        ("a=b", "a=b"),
        ("", ""),
        ("null", "null"),
        ('"8"', '"8"'),
        ("NaN", "NaN"),
        ("-Infinity", "-Infinity"),
        ("1e999", "1e999"),
        ("[1, NaN]", "[1, NaN]"),
        ("[" * 100_000, "[" * 100_000),
    ],
)
def test_json_numbers_booleans_arrays_and_objects_else_strings(text: str, value: object) -> None:
    parsed = parse_inputs([f"key={text}"])["key"]
    assert (parsed, type(parsed)) == (value, type(value))


@pytest.mark.parametrize("arguments", [["prompt"], ["=x"], ["a=1", "a=2"]])
def test_what_is_no_input_is_refused(arguments: list[str]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_inputs(arguments)
    assert caught.value.code == "invalid_argument"


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("5", 5_000_000),
        ("$5", 5_000_000),
        ("0.25", 250_000),
        ("0.000001", 1),
        ("5.0000000", 5_000_000),
        ("1e2", 100_000_000),
        ("0", 0),
        ("0e99999999999", 0),
        ("none", None),
        ("None", None),
        (None, None),
    ],
)
def test_dollars_are_micros_exactly(text: str | None, micros: int | None) -> None:
    assert parse_usd("day-usd", text) == micros


@pytest.mark.parametrize(
    "text",
    [
        *("", "-1", "five", "5 USD", "0.0000001", "NaN", "Infinity", "1/3", "0x5", "1e999999999", "1e-999999999"),
        "1.0000000000000000000000000000000000000001",
    ],
)
def test_what_is_no_amount_of_dollars_is_refused_by_its_option(text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_usd("day-usd", text)
    assert caught.value.field == "day-usd"


def test_limits_are_those_that_were_given() -> None:
    assert given_limits(None, None, None) == {}
    assert given_limits("5", None, "none") == {"day_micros": 5_000_000, "total_micros": None}


def test_names_are_separated_by_commas() -> None:
    assert parse_names(None) is None
    assert parse_names(" read, billing:read,") == ["read", "billing:read"]
