"""`key=value` arguments."""

import pytest

from museway.cli._inputs import parse_inputs
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
