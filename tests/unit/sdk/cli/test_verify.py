"""verify: what it prints where, and its exit status."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from museway.records.books import Books
from tests.unit.billing_records import record, signed
from tests.unit.sdk.cli.conftest import Museway
from tests.unit.sdk.export_builder import build_entry, ledger_of, records_of, text_of, write_export, write_lines
from tests.unit.sdk.fake_gateway import FakeGateway

RECORDS = [record(number=n) for n in range(1, 4)]
RIGHT = "3 records, $2.016 (201.6 credits, 2016000 micros): every figure and digest is right\n"


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway(lists={"/v1/records": RECORDS}, page_size=2)


@pytest.mark.parametrize("option", ["--json", "--jsonl"])
def test_exported_records_verify(museway: Museway, option: str) -> None:
    result = museway("verify", "-", stdin=museway("records", option).stdout)
    assert (result.exit_code, result.stderr, result.stdout) == (0, "", RIGHT)


def test_it_needs_no_gateway(museway: Museway, gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MUSEWAY_URL")
    assert museway("verify", "-", stdin=text_of(RECORDS)).stdout == RIGHT
    assert gateway.requests == []


def test_each_difference_is_a_line_and_the_exit_status_1(museway: Museway, tmp_path: Path) -> None:
    forged = RECORDS[1] | {"amount_micros": 700_000, "margin_bps": "x"}
    write_lines(tmp_path / "records.jsonl", [RECORDS[0], forged])
    result = museway("verify", "records.jsonl")
    assert result.exit_code == 1
    assert "record 2 gen_2: margin_bps should be a whole number of basis points, is 'x'\n" in result.stderr
    assert "record 2 gen_2: credits should be 70, is 67.2\n" in result.stderr
    assert result.stdout == "2 records, $1.372 (137.2 credits, 1372000 micros): 3 differences\n"


def test_a_damaged_line_is_a_difference(museway: Museway) -> None:
    result = museway("verify", "-", stdin=text_of(RECORDS)[:-10])
    assert result.exit_code == 1
    assert result.stderr.startswith(
        "line 3 should be a JSON object, is not JSON: Unterminated string starting at column"
    )
    assert result.stdout == "2 records, $1.344 (134.4 credits, 1344000 micros): 1 difference\n"


def test_an_empty_file_is_nothing_to_check(museway: Museway) -> None:
    result = museway("verify", "-", stdin="")
    assert (result.exit_code, result.stdout) == (0, "0 records, $0 (0 credits, 0 micros): there is nothing to check\n")


def test_at_most_a_thousand_differences_are_printed(museway: Museway, tmp_path: Path) -> None:
    write_lines(tmp_path / "records.jsonl", ({"record_id": f"rec_{number}"} for number in range(60)))
    of_one = len(museway("verify", "-", stdin='{"record_id": "rec_1"}').stderr.splitlines())
    lines = museway("verify", "records.jsonl").stderr.splitlines()
    assert len(lines) == 1_001
    assert lines[-1] == f"... and {60 * of_one - 1_000} more"
    answer = json.loads(museway("verify", "records.jsonl", "--json").stdout)
    assert (len(answer["differences"]), answer["totals"]["differences"]) == (1_000, 60 * of_one)


@pytest.mark.parametrize("content", [b"hello", b"\xff\xfe", b"[1]\n", b"\x89PNG\n"])
def test_what_is_no_export_exits_2(museway: Museway, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "records.jsonl").write_bytes(content)
    (tmp_path / "right.jsonl").write_text(text_of(RECORDS))
    for arguments in (["records.jsonl"], ["right.jsonl", "--ledger", "records.jsonl"]):
        result = museway("verify", *arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith("error: records.jsonl: line 1 is not ")
        assert "museway records --jsonl" in result.stderr
    assert museway("verify", "-", stdin=content).exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["none.jsonl"], "none.jsonl: No such file or directory"),
        (["manifest.json"], "manifest.json: No such file or directory"),
        (["right.jsonl", "--ledger", "none.jsonl"], "none.jsonl: No such file or directory"),
        (["right.jsonl", "--ledger", "."], ".: Is a directory"),
        (["right.jsonl", "--manifest", "none.json"], "none.json: No such file or directory"),
        (["."], ".: there is no manifest.json in it or below it."),
    ],
)
def test_what_cannot_be_read_exits_2(museway: Museway, tmp_path: Path, arguments: list[str], reason: str) -> None:
    write_lines(tmp_path / "right.jsonl", RECORDS)
    result = museway("verify", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: {reason}\n")


def test_a_full_disk_exits_2(museway: Museway, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Books, "add", full)
    result = museway("verify", "-", stdin=text_of(RECORDS))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "database or disk is full\nhint:  TMPDIR names" in result.stderr


def test_with_a_ledger(museway: Museway, tmp_path: Path) -> None:
    write_lines(tmp_path / "records.jsonl", RECORDS)
    entries = [*ledger_of(RECORDS), build_entry("refund", 672_000, "gen_1")]
    write_lines(tmp_path / "ledger.jsonl", entries)
    result = museway("verify", "records.jsonl", "--ledger", "ledger.jsonl")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        "3 records, $2.016 (201.6 credits, 2016000 micros); 8 entries, settled $2.016, refunded $0.672, spent $1.344: "
        "every figure and digest is right, and the ledger agrees\n"
    )
    write_lines(tmp_path / "ledger.jsonl", entries[:-2])
    result = museway("verify", "records.jsonl", "--ledger", "ledger.jsonl")
    assert result.exit_code == 1
    assert result.stderr == (
        "ledger.jsonl: settled_micros should be 2016000, the sum of the records, is 1344000\n"
        "records.jsonl: record 3 gen_3: settle should be an entry of 672000 in the ledger, is missing\n"
    )
    assert result.stdout.endswith("settled $1.344, refunded $0, spent $1.344: 2 differences\n")


def test_a_day_by_folder_by_manifest_and_by_option(museway: Museway, tmp_path: Path) -> None:
    write_export(tmp_path / "day", RECORDS)
    sums = "3 records, $2.016 (201.6 credits, 2016000 micros); 7 entries, settled $2.016, refunded $0, spent $2.016"
    right = f"1 day; {sums}: every figure and digest is right, and the ledger agrees\n"
    for arguments in (["day"], ["day/manifest.json"], ["day/records.jsonl", "--manifest", "day/manifest.json"]):
        result = museway("verify", *arguments)
        assert (result.exit_code, result.stderr, result.stdout) == (0, "", right)
    (tmp_path / "day" / "records.focus.csv").unlink()
    result = museway("verify", "day")
    assert (result.exit_code, result.stderr) == (1, "records.focus.csv: should be beside its manifest, is missing\n")


def test_a_folder_of_days(museway: Museway, tmp_path: Path) -> None:
    first = write_export(tmp_path / "days/21", records_of("2026-11-21", [1]))
    records = records_of("2026-11-23", [2])
    write_export(tmp_path / "days/23", records, ledger_of(records)[1:], day="2026-11-23")
    result = museway("verify", "days")
    assert result.exit_code == 1
    assert "23/manifest.json: previous_sha256 should be that of a day which is not here: 2026-11-22 is" in result.stderr
    assert result.stdout.startswith("2 days; 2 records, $1.344")
    first.unlink()
    write_export(
        tmp_path / "days/23",
        [],
        [build_entry("refund", 1, "gen_1")],
        day="2026-11-23",
        previous=tmp_path / "days/23/manifest.json",
    )
    stdout = museway("verify", "days").stdout
    assert "1 day (earlier ones are not here); 0 records" in stdout
    assert "refunded $0.000001 ($0.000001 of earlier charges)" in stdout


def test_an_export_takes_neither_ledger_nor_manifest(museway: Museway, tmp_path: Path) -> None:
    path = str(write_export(tmp_path, RECORDS))
    for option in ("--ledger", "--manifest"):
        result = museway("verify", path, option, path)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "An export has its own ledger and manifest" in result.stderr


def test_what_the_operator_bears_is_said(museway: Museway) -> None:
    result = museway("verify", "-", stdin=text_of([record(held_micros=500_000)]))
    assert result.stdout == (
        "1 record, $0.5 (50 credits, 500000 micros); $0.172 beyond the holds, not charged: "
        "every figure and digest is right\n"
    )


def test_one_document_on_demand(museway: Museway, tmp_path: Path) -> None:
    forged = signed(RECORDS[1] | {"credits": "5"})
    write_lines(tmp_path / "records.jsonl", [RECORDS[0], forged])
    write_lines(tmp_path / "ledger.jsonl", ledger_of(RECORDS[:2]))
    result = museway("verify", "records.jsonl", "--ledger", "ledger.jsonl", "--json")
    assert (result.exit_code, result.stderr) == (1, "")
    answer = json.loads(result.stdout)
    assert answer["verified"] is False
    assert answer["differences"] == [
        {
            "position": 2,
            "generation_id": "gen_2",
            "field": "credits",
            "expected": "67.2",
            "found": "5",
            "kind": "record",
            "file": "records.jsonl",
        }
    ]
    assert answer["totals"] == {
        "days": 0,
        "has_earlier_days": False,
        "records": 2,
        "amount_micros": 1_344_000,
        "loss_micros": 0,
        "entries": 5,
        "settled_micros": 1_344_000,
        "refunded_micros": 0,
        "earlier_refunds_micros": 0,
        "differences": 1,
        "spent_micros": 1_344_000,
    }
    assert json.loads(museway("verify", "-", "--json", stdin=text_of(RECORDS)).stdout)["verified"] is True
