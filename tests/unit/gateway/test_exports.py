"""Every format: a line at a time, a header where it has one, and nothing kept."""

from collections.abc import Iterator
from itertools import count, islice
from typing import Any

import pytest

from gateway.exports import FORMATS
from tests.unit.billing_records import many, record


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_without_records_is_its_header(name: str) -> None:
    lines = list(FORMATS[name].lines([]))
    assert len(lines) == FORMATS[name].has_header


@pytest.mark.parametrize("name", FORMATS)
def test_each_line_ends_itself_and_is_utf_8(name: str) -> None:
    for line in FORMATS[name].lines(many(50)):
        assert line.endswith("\r\n" if "csv" in name or name == "focus" else "\n")
        assert line.encode().decode() == line


@pytest.mark.parametrize("name", FORMATS)
def test_no_record_is_read_before_its_line_is_asked_for(name: str) -> None:
    taken = []

    def endless() -> Iterator[dict[str, Any]]:
        for number in count(1):
            taken.append(number)
            yield record(number=number)

    lines = FORMATS[name].lines(endless())
    asked = 7
    assert len(list(islice(lines, asked))) == asked
    assert taken == list(range(1, asked + 1 - FORMATS[name].has_header))


def test_the_names_of_files_and_their_types() -> None:
    assert {name: one.suffix for name, one in FORMATS.items()} == {
        "jsonl": "jsonl",
        "csv": "csv",
        "focus": "focus.csv",
    }
    assert {one.media_type.partition(";")[0] for one in FORMATS.values()} == {"application/x-ndjson", "text/csv"}
