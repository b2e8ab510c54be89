"""Ledger entries and exports of records, built from the contract: nothing is shared with `museway.records`."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.unit.billing_records import record, signed

PROJECT = "prj_1"
DAY = "2026-11-21"


def build_entry(kind: str, amount_micros: int, generation_id: str | None = None, *, number: int = 1) -> dict[str, Any]:
    """A ledger entry."""
    return {
        "entry_id": f"ent_{kind}_{generation_id or number}",
        "type": kind,
        "amount_micros": amount_micros,
        "generation_id": generation_id,
        "note": None,
        "created_at": f"{DAY}T03:45:00.123456Z",
    }


def ledger_of(records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """A ledger that granted 10 dollars, and held and settled each record."""
    moves = [(kind, one) for one in records for kind in ("hold", "settle")]
    entries = [build_entry(kind, one["amount_micros"], one["generation_id"]) for kind, one in moves]
    return [build_entry("grant", 10_000_000), *entries]


def text_of(items: Iterable[dict[str, Any]]) -> str:
    """JSON lines."""
    return "".join(json.dumps(item, separators=(",", ":"), ensure_ascii=False) + "\n" for item in items)


def write_lines(path: Path, items: Iterable[dict[str, Any]]) -> Path:
    """A file of JSON lines."""
    path.write_text(text_of(items), "utf-8")
    return path


def at_day(item: dict[str, Any], day: str) -> dict[str, Any]:
    """A record or an entry of another day."""
    moved = item | {"created_at": item["created_at"].replace(DAY, day)}
    return signed(moved) if "digest" in item else moved


def records_of(day: str, numbers: Iterable[int]) -> list[dict[str, Any]]:
    """Records of a day."""
    return [at_day(record(number=number), day) for number in numbers]


def write_export(
    folder: Path,
    records: list[dict[str, Any]],
    entries: list[dict[str, Any]] | None = None,
    *,
    day: str = DAY,
    previous: Path | None = None,
) -> Path:
    """A day's export; answers its manifest. `previous` is the manifest before it."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = [at_day(entry, day) for entry in ledger_of(records)] if entries is None else entries
    rows = [f'{one["record_id"]},"two\nlines",{one["amount_micros"]}\r\n' for one in records]
    contents = {
        "records.jsonl": (text_of(records), len(records)),
        "ledger.jsonl": (text_of(entries), len(entries)),
        "records.focus.csv": ("Id,Words,Cost\r\n" + "".join(rows), len(rows)),
    }
    for name, (text, _) in contents.items():
        (folder / name).write_bytes(text.encode())
    content = {
        "format": "museway-export-1",
        "project_id": PROJECT,
        "day": day,
        "created_at": f"{day}T23:59:59.999999Z",
        "files": [
            {"name": name, "bytes": len(text.encode()), "lines": lines, "sha256": sha256(text.encode())}
            for name, (text, lines) in contents.items()
        ],
        "totals": {
            "records": len(records),
            "amount_micros": sum(one["amount_micros"] for one in records),
            "settled_micros": sum(entry["amount_micros"] for entry in entries if entry["type"] == "settle"),
            "refunded_micros": sum(entry["amount_micros"] for entry in entries if entry["type"] == "refund"),
        },
        "previous_sha256": sha256(previous.read_bytes()) if previous else None,
    }
    path = folder / "manifest.json"
    path.write_text(json.dumps(content, indent=2))
    return path


def sha256(content: bytes) -> str:
    """In hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()
