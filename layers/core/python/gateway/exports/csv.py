"""Records as a table for people: one row a record, in columns of our own, RFC 4180.

A column has the name of the record's field; `fx` and `provider_cost` are spread over columns of their own, lines and
priced inputs stand in one cell each as JSON, and `amount_usd` is `amount_micros` in dollars, exactly. A cell is empty
where the record has null.

A caller's own text (a session id, a node's name) may begin with what a spreadsheet computes. Such a cell gets an
apostrophe in front, and so does one that begins with an apostrophe itself: whoever reads the file by program takes one
leading apostrophe away and has the text as it was. Texts of every column are treated alike.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gateway.exports import rows
from gateway.money import exact, to_usd

COLUMNS = (
    "record_id", "created_at", "project_id", "key_id", "session_id", "workflow_id", "execution_id", "node_id",
    "generation_id", "model", "offer", "provider", "byok", "subtotal", "subtotal_micros", "margin_bps",
    "platform_fee_bps", "amount_usd", "amount_micros", "held_micros", "loss_micros", "credits", "fx_base", "fx_quote",
    "fx_rate", "fx_as_of", "fx_source", "fx_minor_digits", "fx_amount_minor", "fx_reason",
    "provider_cost_amount_micros", "provider_cost_basis", "price_book_version", "lines", "inputs_priced", "digest",
)  # fmt: skip

_GUARD = "'"
_SPREAD = ("fx", "provider_cost")


def lines(records: Iterable[Mapping[str, Any]], _names: Mapping[str, str] | None = None) -> Iterator[str]:
    """The header and a row for each record; ids stand for themselves."""
    return rows.lines(COLUMNS, (_row(record) for record in records))


def _row(record: Mapping[str, Any]) -> list[rows.Cell]:
    values = {"amount_usd": exact(to_usd(record["amount_micros"])), **record}
    for field in _SPREAD:
        values |= {f"{field}_{name}": value for name, value in (record[field] or {}).items()}
    return [_cell(values.get(column)) for column in COLUMNS]


def _cell(value: Any) -> rows.Cell:
    if value is None or type(value) is int:
        return value
    if isinstance(value, str):
        return _GUARD + value if value.startswith(_GUARD) or rows.reads_as_formula(value) else value
    # What is left is a truth value, an object or a list, and reads as JSON; none begins with what is guarded against.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
