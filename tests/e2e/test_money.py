"""Money over HTTP, each function under its own role: batches, cancelling, shards, limits, refunds, audits."""

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.support import Local, Sandbox
from tests.invariants import violations

PRICE_MICROS = 39_000
BODY = {"model": "nano-banana", "prompt": "a fox"}


@pytest.fixture
def account(local: Local) -> Iterator[tuple[str, httpx.Client]]:
    """A project with credits for eight images, and a client of its key."""
    project_id, api_key = local.project("money", 8 * PRICE_MICROS)
    headers = {"authorization": f"Bearer {api_key}"}
    with httpx.Client(base_url=local.url, headers=headers, timeout=60) as http:
        yield project_id, http


def ended(http: httpx.Client, generation_id: str) -> dict[str, Any]:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        shown = http.get(f"/v1/generations/{generation_id}?wait=10").raise_for_status().json()
        if shown["status"] in {"completed", "failed", "cancelled"}:
            return dict(shown)
    raise AssertionError(f"{generation_id} has not ended")


def faults(local: Local, project_id: str, *generation_ids: str) -> list[str]:
    found = violations(local.client("dynamodb"), local.tables["jobs"], local.tables["ledger"])
    return [fault for fault in found if project_id in fault or any(one in fault for one in generation_ids)]


def test_a_batch_over_several_shards_is_held_at_once_and_billed_one_by_one(
    local: Local, account: tuple[str, httpx.Client]
) -> None:
    project_id, http = account
    assert local.operate(action="project.shards", project_id=project_id, shard_count=4)["shard_count"] == 4
    body = {"requests": [*[BODY | {"prompt": f"fox {n}"} for n in range(9)], {"model": "no-such", "prompt": "x"}]}
    answer = http.post("/v1/generate/media:batch", json=body, headers={"idempotency-key": "nine"})
    told = answer.json()
    assert (answer.status_code, told["accepted"], told["refused"]) == (202, 8, 2)
    assert [item["status"] for item in told["items"]] == [202] * 8 + [402, 400]
    again = http.post("/v1/generate/media:batch", json=body, headers={"idempotency-key": "nine"}).json()
    made = [item["generation"]["generation_id"] for item in told["items"][:8]]
    assert [item["generation"]["generation_id"] for item in again["items"][:8]] == made
    assert {ended(http, one)["status"] for one in made} == {"completed"}
    balance = http.get("/v1/balance").json()
    assert (balance["spent_micros"], balance["available_micros"], balance["held_micros"]) == (8 * PRICE_MICROS, 0, 0)
    assert local.operate(action="project.shards", project_id=project_id, shard_count=1)["shards_ever"] == 4
    refund = {"action": "generation.refund", "generation_id": made[0], "refund_id": "blurred"}
    for _ in range(2):
        assert local.operate(**refund)["refunded_micros"] == PRICE_MICROS
    audited = local.operate(action="project.audit", project_id=project_id)
    assert (audited["faults"], audited["available_micros"]) == ([], PRICE_MICROS)
    assert faults(local, project_id, *made) == []


def test_a_cancelled_call_costs_nothing_and_a_delivered_one_cannot_be_cancelled(
    local: Local, sandbox: Sandbox, account: tuple[str, httpx.Client]
) -> None:
    project_id, http = account
    sandbox.arm("never_finish", "fal", match="a fox that never comes", times=1)
    body = BODY | {"prompt": "a fox that never comes", "providers": ["fal"]}
    slow = http.post("/v1/generate/media", json=body).json()["generation_id"]
    cancelled = http.post(f"/v1/generations/{slow}/cancel")
    assert (cancelled.status_code, cancelled.json()["status"], cancelled.json()["billed_micros"]) == (
        200,
        "cancelled",
        0,
    )
    quick = http.post("/v1/generate/media", json=BODY).json()["generation_id"]
    assert ended(http, quick)["status"] == "completed"
    refused = http.post(f"/v1/generations/{quick}/cancel")
    assert (refused.status_code, refused.json()["error"]) == (409, "already_finished")
    balance = http.get("/v1/balance").json()
    assert (balance["spent_micros"], balance["held_micros"]) == (PRICE_MICROS, 0)
    assert faults(local, project_id, slow, quick) == []
    assert json.dumps(local.operate(action="project.audit", project_id=project_id)["faults"]) == "[]"
