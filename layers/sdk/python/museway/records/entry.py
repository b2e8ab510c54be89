"""One ledger entry: whether it is well formed. What it says is held against the records in `books`."""

from collections.abc import Mapping
from typing import Any

from museway.records.differences import Findings, shown
from museway.records.shapes import ENTRY, read_fields


def check_entry(entry: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """What is wrong with an entry, as (field, expected, found)."""
    findings = Findings()
    values = read_fields(entry, ENTRY, "", findings)
    kind = values.get("type")
    if kind != "adjust" and (values.get("amount_micros") or 0) < 0:
        findings.add("amount_micros", "0 or more", values["amount_micros"])
    if kind in {"settle", "refund"} and values.get("generation_id", "") is None:
        findings.add("generation_id", f"the generation of the {kind}", shown(None))
    return findings.items
