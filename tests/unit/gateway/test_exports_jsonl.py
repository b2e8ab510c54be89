"""JSON lines are the records as they were frozen: nothing added, nothing in another order."""

import json
from typing import Any

import pytest
from hypothesis import given

from gateway.exports import jsonl
from museway.records import read, verify
from tests.unit.billing_records import digest, many, record, records


@given(records())
def test_a_line_is_the_record_byte_for_byte(made: dict[str, Any]) -> None:
    (line,) = jsonl.lines([made])
    assert line.count("\n") == 1
    again = json.loads(line)
    assert again == made
    assert list(again) == list(made)
    assert digest(again) == made["digest"]


def test_a_line_is_compact_and_readable() -> None:
    (line,) = jsonl.lines([{"b": "Fuß\u2028", "a": [1, None]}])
    assert line == '{"b":"Fuß\u2028","a":[1,null]}\n'


def test_an_export_verifies_and_has_as_many_lines_as_records() -> None:
    made = many(300)
    again = read("".join(jsonl.lines(made)))
    assert len(again) == len(made)
    assert verify(again) == []


def test_what_json_cannot_say_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        list(jsonl.lines([record(inputs_priced={"duration": float("nan")})]))
