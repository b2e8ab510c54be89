"""records --group-by, session, ledger, export, exports."""

import hashlib
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.unit.sdk.cli.conftest import Museway
from tests.unit.sdk.fake_gateway import FILES_URL, FakeGateway, answer, refusal

TOTALS = {"records": 3, "amount_micros": 117_000, "credits": "11.7"}
GROUPS = {
    "items": [
        {"model": "gpt-image-2", "records": 1, "amount_micros": 78_000, "credits": "7.8"},
        {"model": None, "records": 2, "amount_micros": 39_000, "credits": "3.9"},
    ],
    "next_cursor": None,
    "totals": TOTALS,
}
ENTRY = {
    "entry_id": "refund-g#1",
    "type": "refund",
    "amount_micros": 10_000,
    "generation_id": "g",
    "note": "a gift",
    "created_at": "2026-11-21T00:00:00.000000Z",
}
CALL = {
    "generation_id": "g",
    "record_id": "r",
    "model": "nano-banana",
    "key_id": "k",
    "lines": [],
    "amount_micros": 39_000,
    "refunded_micros": 10_000,
    "net_micros": 29_000,
    "created_at": "2026-11-21T00:00:00.000000Z",
}
SESSION = {
    "session_id": "trip",
    "items": [CALL],
    "next_cursor": None,
    "totals": {
        "records": 1,
        "amount_micros": 39_000,
        "refunded_micros": 10_000,
        "net_micros": 29_000,
        "credits": "2.9",
    },
}


@pytest.fixture
def gateway() -> FakeGateway:
    content = b"the records"
    file = {
        "name": "records.jsonl",
        "bytes": 11,
        "sha256": hashlib.sha256(content).hexdigest(),
        "url": f"{FILES_URL}/records.jsonl",
    }
    totals = {"records": 1, "amount_micros": 39_000, "settled_micros": 39_000, "refunded_micros": 0}
    day = {"day": "2026-11-21", "files": [file], "totals": totals}
    lists: dict[str, list[dict[str, Any]]] = {"/v1/ledger": [ENTRY], "/v1/exports": [day]}
    return FakeGateway(lists=lists, files={"records.jsonl": content})


def test_groups_are_a_table_and_a_sum(museway: Museway, gateway: FakeGateway) -> None:
    gateway.interruptions = [answer(200, GROUPS)]
    assert museway("records", "--group-by", "model", "--since", "2026-11-01").stdout == (
        "model        records  credits  amount_micros\n"
        "gpt-image-2  1        7.8      78000\n"
        "             2        3.9      39000\n"
        "\n3 records, $0.117 (11.7 credits, 117000 micros)\n"
    )
    assert dict(gateway.requests[-1].url.params) == {"group_by": "model", "since": "2026-11-01"}


def test_groups_are_data_when_asked(museway: Museway, gateway: FakeGateway) -> None:
    gateway.interruptions = [answer(200, GROUPS), answer(200, GROUPS)]
    assert json.loads(museway("records", "--group-by", "model", "--json").stdout) == GROUPS
    lines = museway("records", "--group-by", "model", "--jsonl").stdout.splitlines()
    assert [json.loads(line) for line in lines] == GROUPS["items"]


def test_an_unknown_group_says_what_there_is(museway: Museway, gateway: FakeGateway) -> None:
    gateway.interruptions = [refusal(422, "invalid_request", field="group_by", allowed=["model", "key"])]
    result = museway("records", "--group-by", "colour")
    assert result.exit_code == 1
    assert "allowed: model, key" in result.stderr


def test_a_session_shows_its_calls_and_what_they_come_to(museway: Museway, gateway: FakeGateway) -> None:
    gateway.interruptions = [answer(200, SESSION), answer(200, SESSION)]
    text = museway("session", "trip").stdout
    assert "2026-11-21T00:00:00.000000Z  g              nano-banana  k       39000          10000\n" in text
    assert text.endswith("\n1 call, $0.029 (2.9 credits, 29000 micros)\n")
    assert json.loads(museway("session", "trip", "--json").stdout) == SESSION


def test_the_ledger_is_a_table_or_data(museway: Museway) -> None:
    assert museway("ledger").stdout == (
        "created_at                   type    amount_micros  generation_id  note\n"
        "2026-11-21T00:00:00.000000Z  refund  10000          g              a gift\n"
    )
    assert json.loads(museway("ledger", "--jsonl").stdout) == ENTRY
    assert json.loads(museway("ledger", "--json").stdout) == {"items": [ENTRY]}
    assert museway("ledger", "--json", "--jsonl").exit_code == 1


def test_an_export_says_where_it_is(museway: Museway, gateway: FakeGateway, tmp_path: Path) -> None:
    gateway.interruptions = [httpx.Response(200, content=b"a\r\n", headers={"content-type": "text/csv"})]
    assert museway("export", "--format", "focus", "-o", "costs.csv", "--until", "2026-12-01").stdout == "costs.csv\n"
    assert (tmp_path / "costs.csv").read_bytes() == b"a\r\n"
    assert dict(gateway.requests[-1].url.params) == {"format": "focus", "until": "2026-12-01"}
    assert museway("export").exit_code == 2


def test_days_are_listed(museway: Museway, gateway: FakeGateway) -> None:
    assert museway("exports").stdout == (
        "day         records  amount_micros  settled_micros  refunded_micros\n"
        "2026-11-21  1        39000          39000           0\n"
    )
    assert json.loads(museway("exports", "--json").stdout) == {"items": gateway.lists["/v1/exports"]}


def test_days_are_brought_to_a_directory(museway: Museway, tmp_path: Path) -> None:
    assert museway("exports", "-o", "days").stdout == "days/2026/11/21/records.jsonl\n1 new file\n"
    assert (tmp_path / "days/2026/11/21/records.jsonl").read_bytes() == b"the records"
    assert json.loads(museway("exports", "-o", "days", "--json").stdout) == {"files": []}
    (tmp_path / "days/2026/11/21/records.jsonl").write_bytes(b"other")
    result = museway("exports", "-o", "days")
    assert (result.exit_code, "export_differs" in result.stderr) == (1, True)
