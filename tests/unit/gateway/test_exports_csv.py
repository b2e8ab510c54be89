"""Our own table: every field of a record, readable by any program, and harmless in a spreadsheet."""

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.exports import csv as exported
from tests.unit.billing_records import fx, many, record, records


def read(made: list[dict[str, Any]]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO("".join(exported.lines(made)), newline=""), strict=True))


def value_of(cell: str) -> str | None:
    """A cell as a program reads it: one leading apostrophe is not part of the text."""
    return cell.removeprefix("'") or None


@given(st.lists(records(), max_size=3))
def test_every_field_comes_back(made: list[dict[str, Any]]) -> None:
    for row, one in zip(read(made), made, strict=True):
        for name, value in one.items():
            if name in {"lines", "inputs_priced"}:
                assert json.loads(row[name]) == value
            elif name in {"fx", "provider_cost"}:
                for inner, expected in (value or {}).items():
                    assert value_of(row[f"{name}_{inner}"]) == (None if expected is None else str(expected))
            elif isinstance(value, bool):
                assert row[name] == json.dumps(value)
            else:
                assert value_of(row[name]) == (None if value is None else str(value))


def test_every_field_has_a_column_and_no_column_is_of_nothing() -> None:
    one = record(fx=fx("EUR", "0.8643"))
    fields = {name for name in one if name not in {"fx", "provider_cost"}}
    fields |= {f"{name}_{inner}" for name in ("fx", "provider_cost") for inner in one[name]}
    assert set(exported.COLUMNS) == fields | {"amount_usd"}


def test_dollars_are_exact() -> None:
    (row,) = read([record([("1", "0.000165")])])
    assert (row["amount_micros"], row["amount_usd"], row["credits"]) == ("165", "0.000165", "0.0165")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "'"])
def test_no_text_of_a_caller_is_computed(start: str) -> None:
    written = f"{start}1+1"
    (row,) = read([record(session_id=written, node_id=written)])
    assert row["session_id"] == row["node_id"] == f"'{written}"


def test_no_cell_of_any_record_starts_a_formula() -> None:
    cells = {cell for row in read(many(200)) for cell in row.values()}
    numbers = {cell for cell in cells if cell.removeprefix("-").isdigit()}
    assert {cell for cell in cells - numbers if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))} == set()


def test_a_record_from_before_losses_were_written_down_is_written_too() -> None:
    made = {name: value for name, value in record().items() if name not in {"held_micros", "loss_micros"}}
    (row,) = read([made])
    assert (row["held_micros"], row["loss_micros"], row["amount_micros"]) == ("", "", "672000")


def test_a_row_ends_as_rfc_4180_says_and_quotes_only_what_needs_it() -> None:
    _, line = exported.lines([record(session_id='a "b", c\nd')])
    assert line.startswith('rec_1,2026-11-21T03:45:00.123456Z,prj_1,key_1,"a ""b"", c\nd",,,,gen_1,')
    assert line.endswith("\r\n")
