"""Two hundred submissions at once against credits for fifty: the store itself refuses an overspend."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx

from museway import Client
from tests.e2e.support import Local, finished
from tests.invariants import violations

PRICE_MICROS = 39_000
AFFORDABLE, SUBMITTED = 50, 200


def test_exactly_as_many_as_the_credits_cover_are_accepted(local: Local) -> None:
    project_id, api_key = local.project("crowd", AFFORDABLE * PRICE_MICROS)
    body = {"model": "nano-banana", "prompt": "one of a crowd"}
    headers = {"authorization": f"Bearer {api_key}"}

    def submit(number: int) -> httpx.Response:
        return http.post("/v1/generate/media", json=body, headers={**headers, "idempotency-key": f"crowd-{number}"})

    limits = httpx.Limits(max_connections=SUBMITTED)
    with httpx.Client(base_url=local.url, timeout=120, limits=limits) as http, ThreadPoolExecutor(SUBMITTED) as pool:
        answers = list(pool.map(submit, range(SUBMITTED)))

    told = Counter(answer.json().get("error", "accepted") for answer in answers)
    assert told == {"accepted": AFFORDABLE, "insufficient_credits": SUBMITTED - AFFORDABLE}
    refused = next(answer for answer in answers if answer.status_code == 402).json()
    assert refused["needed_micros"] == PRICE_MICROS
    assert refused["available_micros"] < PRICE_MICROS

    accepted = [answer.json()["generation_id"] for answer in answers if answer.status_code == 202]
    with Client(url=local.url, api_key=api_key) as client, ThreadPoolExecutor(4) as waiting:
        ended = list(waiting.map(lambda one: finished(client, one, timeout_seconds=240), accepted))
        balance = client.balance()
    assert {generation["status"] for generation in ended} == {"completed"}
    assert balance["spent_micros"] == AFFORDABLE * PRICE_MICROS
    assert balance["available_micros"] == balance["held_micros"] == 0
    found = violations(local.client("dynamodb"), local.tables["jobs"], local.tables["ledger"])
    assert [fault for fault in found if project_id in fault or any(one in fault for one in accepted)] == []
