"""balance, records, verify."""

import json
from pathlib import Path

import pytest

from tests.unit.sdk.cli.conftest import Museway
from tests.unit.sdk.fake_gateway import BALANCE, FakeGateway
from tests.unit.sdk.record_builder import build_record

RECORDS = [build_record(number=n) for n in range(1, 4)]


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway(lists={"/v1/records": RECORDS}, page_size=2)


def test_balance(museway: Museway) -> None:
    assert museway("balance").stdout == (
        "available  $9.328 (932.8 credits, 9328000 micros)\n"
        "held       $0 (0 credits, 0 micros)\n"
        "spent      $0.672 (67.2 credits, 672000 micros)\n"
        "granted    $10 (1000 credits, 10000000 micros)\n"
    )
    assert json.loads(museway("balance", "--json").stdout) == BALANCE


def test_records_lists_all_pages_and_their_sum(museway: Museway, gateway: FakeGateway) -> None:
    text = museway("records", "--since", "2026-11-01", "--until", "2026-12-01").stdout
    assert text.count("gen_") == 3
    assert text.endswith("\n3 records, $2.016 (201.6 credits, 2016000 micros)\n")
    assert gateway.requests[-1].url.params["until"] == "2026-12-01"


def test_exported_records_verify(museway: Museway) -> None:
    for option in ("--json", "--jsonl"):
        export = museway("records", option).stdout
        result = museway("verify", "-", stdin=export)
        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout == (
            "3 records, $2.016 (201.6 credits, 2016000 micros): every figure and digest is right\n"
        )


def test_the_two_formats_exclude_each_other(museway: Museway, gateway: FakeGateway) -> None:
    assert museway("records", "--json", "--jsonl").exit_code == 1
    assert gateway.requests == []


def test_verify_lists_each_difference_and_exits_1(museway: Museway, tmp_path: Path) -> None:
    forged = RECORDS[1] | {"amount_micros": 700_000, "margin_bps": "x"}
    (tmp_path / "records.jsonl").write_text("\n".join(json.dumps(r) for r in (RECORDS[0], forged)))
    result = museway("verify", "records.jsonl")
    assert result.exit_code == 1
    assert "record 2 gen_2: margin_bps should be a whole number of basis points, is 'x'\n" in result.stderr
    assert "record 2 gen_2: credits should be 70, is 67.2\n" in result.stderr
    assert result.stdout == ("2 records, $1.372 (137.2 credits, 1372000 micros): 3 differences in 1 of them\n")


@pytest.mark.parametrize("content", [b"hello", b"\xff\xfe", b'{"a": 1}\n['])
def test_verify_exits_2_for_what_it_cannot_read(museway: Museway, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "records.jsonl").write_bytes(content)
    result = museway("verify", "records.jsonl")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "museway records --jsonl" in result.stderr
    assert museway("verify", "-", stdin=content).exit_code == 2


def test_verify_exits_2_without_a_file(museway: Museway) -> None:
    assert museway("verify", "none.jsonl").exit_code == 2


def test_verify_needs_no_gateway(museway: Museway, gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MUSEWAY_URL")
    result = museway("verify", "-", stdin=json.dumps(RECORDS[0]))
    assert result.stdout.startswith("1 record, $0.672")
    assert gateway.requests == []
