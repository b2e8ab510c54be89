"""The gateway's own records and ledger, held against each other by `museway verify`, which shares no code with it."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from gateway import ledger
from museway.records import Difference, Totals, verify_file
from tests.integration.world import PROJECT, World, world


@pytest.fixture
def museway() -> Iterator[World]:
    with world(in_memory=True, models={"nano-banana"}) as made:
        yield made


def items(museway: World, path: str) -> list[dict[str, Any]]:
    status, body, _ = museway.request("GET", f"{path}?limit=100")
    assert (status, body["next_cursor"]) == (200, None)
    return list(body["items"])


def verified(records: list[dict[str, Any]], entries: list[dict[str, Any]]) -> tuple[Totals, list[Difference]]:
    found: list[Difference] = []
    lines = [io.BytesIO("".join(f"{json.dumps(item)}\n" for item in part).encode()) for part in (records, entries)]
    return verify_file(lines[0], found.append, ledger=lines[1]), found


def test_records_and_ledger_of_a_project_agree(museway: World) -> None:
    charged = [museway.generate() for _ in range(2)]
    museway.settle_down()
    assert museway.request("PUT", "/v1/settings", {"currency": "EUR"})[0] == 200
    charged.append(museway.generate(num_images=3))
    museway.settle_down()
    museway.provider.script = "fail"
    museway.generate()
    museway.settle_down()
    ledger.refund(charged[0], 9_000, "r1")
    ledger.refund(charged[0], None, "r2")
    ledger.adjust(PROJECT, -5, "a1", "a mistake")

    records, entries = items(museway, "/v1/records"), items(museway, "/v1/ledger")
    assert {entry["type"] for entry in entries} == {"grant", "hold", "settle", "release", "refund", "adjust"}
    assert [record["fx"] is None for record in records] == [False, True, True]
    totals, found = verified(records, entries)
    assert found == []
    assert (totals.records, totals.entries, totals.spent_micros) == (3, len(entries), museway.totals().spent_micros)

    gone, found = verified(records[1:], entries)
    assert [(one.field, one.generation_id) for one in found] == [("settled_micros", None), ("record", charged[2])]
    assert gone.differences == 2
