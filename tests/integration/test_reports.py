"""Sums of records and the cost of a session: exactly what the ledger says, over several shards, for oneself alone."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from gateway import keys, ledger, operator, reports
from gateway.money import exact, to_credits
from tests.integration.world import PROJECT, World, world

MODELS = {"nano-banana", "gpt-image-2"}
DAY_SECONDS = 86_400


@pytest.fixture
def museway() -> Iterator[World]:
    with world(in_memory=True, models=MODELS) as made:
        yield made


def get(museway: World, path: str, **how: Any) -> dict[str, Any]:
    status, body, _ = museway.request("GET", path, **how)
    assert status == 200, body
    return body


def refused(museway: World, path: str) -> tuple[int, str, str]:
    status, body, _ = museway.request("GET", path)
    return status, body["error"], body.get("field", "")


def spend(museway: World) -> None:
    """Nine calls over three days, four shards, two models, two keys and three sessions."""
    ledger.resize(PROJECT, 4)
    for number in range(12):
        ledger.grant(PROJECT, 1_000_000, f"to some shard {number}")
    first_key = museway.api_key
    second_key = keys.create(PROJECT, "second")["api_key"]
    for number in range(9):
        museway.api_key = (first_key, second_key)[number % 2]
        sessions: dict[str, Any] = {"session_id": ("a", "b")[number % 3]} if number % 3 < 2 else {}
        if number % 4 == 3:
            museway.generate("gpt-image-2", resolution="4K", aspect_ratio="16:9", **sessions)
        else:
            museway.generate(num_images=number % 3 + 1, **sessions)
        if number in {3, 6, 8}:
            museway.settle_down()
            museway.clock.sleep(DAY_SECONDS)
    museway.api_key = first_key


def by_hand(museway: World, field: str, length: int | None = None, query: str = "") -> dict[Any, list[int]]:
    """Amounts by what a record says, from the records themselves."""
    found: dict[Any, list[int]] = {}
    for record in get(museway, f"/v1/records?limit=100{query}")["items"]:
        found.setdefault(record[field] and record[field][:length], []).append(record["amount_micros"])
    return found


def test_every_grouping_adds_up_to_what_the_ledger_spent(museway: World) -> None:
    spend(museway)
    shards = {int(item["shard"]["N"]) for item in museway.dynamodb.scan(TableName="ledger")["Items"] if "shard" in item}
    assert len(shards) > 1
    spent_micros = museway.totals().spent_micros
    fields = {"model": "model", "key": "key_id", "session": "session_id", "workflow": "workflow_id"}
    for group_by, field in {**fields, "day": "created_at"}.items():
        answer = get(museway, f"/v1/records?group_by={group_by}")
        expected = by_hand(museway, field, 10 if group_by == "day" else None)
        assert {item[group_by]: item["amount_micros"] for item in answer["items"]} == {
            value: sum(amounts) for value, amounts in expected.items()
        }
        assert [item["records"] for item in answer["items"]] == [len(expected[i[group_by]]) for i in answer["items"]]
        assert answer["totals"] == {
            "records": 9,
            "amount_micros": spent_micros,
            "credits": exact(to_credits(spent_micros)),
        }
        order = [item["day"] if group_by == "day" else -item["amount_micros"] for item in answer["items"]]
        assert order == sorted(order)
        assert answer["next_cursor"] is None
    assert [item["day"] for item in answer["items"]] == ["2026-11-21", "2026-11-22", "2026-11-23"]


def test_an_interval_bounds_the_sums(museway: World) -> None:
    # At noon on the 21st, half past eleven at night on the 22nd, and one in the morning on the 23rd.
    for seconds in (DAY_SECONDS / 2, 2 * DAY_SECONDS - 1800, 2 * DAY_SECONDS + 3600):
        museway.clock.seconds = seconds
        museway.generate()
        museway.settle_down()
    for query, days in {
        "&since=2026-11-22": [22, 23],
        "&until=2026-11-22": [21],
        "&since=2026-11-22&until=2026-11-23T00:00:00Z": [22],
        "&since=2026-11-23T01:00:00+02:00&until=2026-11-23": [22],
        "&since=2026-12-01": [],
    }.items():
        answer = get(museway, f"/v1/records?group_by=day{query}")
        assert [item["day"] for item in answer["items"]] == [f"2026-11-{day}" for day in days], query
        assert answer["totals"]["amount_micros"] == 39_000 * len(days)
        assert sum(map(sum, by_hand(museway, "model", query=query).values())) == 39_000 * len(days)


REFUSED = {
    "/v1/records?group_by=colour": (422, "invalid_request", "group_by"),
    "/v1/records?group_by=": (422, "invalid_request", "group_by"),
    "/v1/records?group_by=model&since=noon": (422, "invalid_request", "since"),
    "/v1/records?group_by=model&since=2026-11-22&until=2026-11-21": (422, "invalid_request", "until"),
    "/v1/sessions/a/cost?limit=0": (422, "invalid_request", "limit"),
    "/v1/sessions/a/cost?limit=101": (422, "invalid_request", "limit"),
    "/v1/sessions/a/cost?cursor=x": (422, "invalid_request", "cursor"),
    "/v1/sessions/a/cost?until=noon": (422, "invalid_request", "until"),
    "/v1/sessions/a": (404, "not_found", ""),
    "/v1/sessions/a/costs": (404, "not_found", ""),
}


def test_what_makes_no_sense_is_refused(museway: World) -> None:
    assert {path: refused(museway, path) for path in REFUSED} == REFUSED


def test_more_than_one_answer_can_be_made_of_is_refused_with_what_to_do(
    museway: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for session_id in ("a", "a", "b"):
        museway.generate(session_id=session_id)
    museway.settle_down()
    monkeypatch.setattr(ledger.bounded, "__defaults__", (2,))
    status, body, _ = museway.request("GET", "/v1/records?group_by=model")
    assert (status, body["error"], body["maximum"]) == (400, "too_many_records", 2)
    assert "since and until" in body["hint"]
    monkeypatch.setattr(ledger.bounded, "__defaults__", (3,))
    assert get(museway, "/v1/records?group_by=model")["totals"]["records"] == 3

    monkeypatch.setattr(reports, "GROUPS_MAX", 1)
    assert refused(museway, "/v1/records?group_by=session")[:2] == (400, "too_many_groups")
    assert get(museway, "/v1/records?group_by=model")["totals"]["records"] == 3

    monkeypatch.setattr(reports, "SESSION_RECORDS_MAX", 1)
    assert refused(museway, "/v1/sessions/a/cost")[:2] == (400, "too_many_records")
    assert get(museway, "/v1/sessions/b/cost")["totals"]["records"] == 1


def test_reading_that_takes_too_long_is_given_up_in_time(museway: World, monkeypatch: pytest.MonkeyPatch) -> None:
    museway.generate()
    museway.settle_down()
    found = ledger.bounded(ledger.records(ledger.account_of(PROJECT), ("0", "9")))
    readings = iter([0.0, 20.1])
    monkeypatch.setattr(ledger.reading, "time", type("Clock", (), {"monotonic": staticmethod(lambda: next(readings))}))
    with pytest.raises(ledger.reading.TooManyRecords):
        next(found)


def test_a_session_costs_its_calls_without_refunds(museway: World) -> None:
    ledger.resize(PROJECT, 4)
    for _ in range(5):
        museway.generate(session_id="trip")
        museway.clock.sleep(20)
    museway.generate(session_id="trip 2")
    museway.settle_down()
    records = get(museway, "/v1/records?group_by=session")["items"]
    assert [(item["session"], item["records"]) for item in records] == [("trip", 5), ("trip 2", 1)]
    made = [item["generation_id"] for item in get(museway, "/v1/sessions/trip/cost")["items"]][::-1]
    ledger.refund(made[1], 9_000, "1")
    ledger.refund(made[1], 1_000, "2")
    ledger.refund(made[3], None, "1")

    answer = get(museway, "/v1/sessions/trip/cost")
    assert [item["generation_id"] for item in answer["items"]] == made[::-1]
    assert [item["refunded_micros"] for item in answer["items"]] == [0, 39_000, 0, 10_000, 0]
    assert [item["net_micros"] for item in answer["items"]] == [39_000, 0, 39_000, 29_000, 39_000]
    assert {(item["model"], item["key_id"]) for item in answer["items"]} == {("nano-banana", museway.key_id)}
    [line] = answer["items"][0]["lines"]
    assert (line["unit"], line["amount"]) == ("image", "0.039")
    totals = {
        "records": 5,
        "amount_micros": 195_000,
        "refunded_micros": 49_000,
        "net_micros": 146_000,
        "credits": "14.6",
    }
    assert answer["totals"] == totals
    refunds = [entry for entry in get(museway, "/v1/ledger?limit=100")["items"] if entry["type"] == "refund"]
    assert sum(entry["amount_micros"] for entry in refunds) == totals["refunded_micros"]

    shown: list[str] = []
    cursor = ""
    for size in (2, 2, 1):
        page = get(museway, f"/v1/sessions/trip/cost?limit=2{cursor}")
        assert len(page["items"]) == size
        assert page["totals"] == totals
        shown += [item["generation_id"] for item in page["items"]]
        cursor = f"&cursor={page['next_cursor']}"
    assert (shown, page["next_cursor"]) == (made[::-1], None)


def test_an_interval_bounds_a_session(museway: World) -> None:
    for _ in range(2):
        museway.generate(session_id="trip")
        museway.settle_down()
        museway.clock.sleep(DAY_SECONDS)
    answer = get(museway, "/v1/sessions/trip/cost?since=2026-11-22")
    assert (len(answer["items"]), answer["totals"]["records"]) == (1, 1)


ODD = ("a/b", "a/cost", "cost", "/a//b/", "50%", "a%2Fb", "%252e", "ä 狐?&=#+", "x\ny", "..", "a#001", "s" * 200)


def test_a_session_may_be_called_anything(museway: World) -> None:
    for session_id in ODD:
        museway.generate(session_id=session_id)
    museway.settle_down()
    for session_id in ODD:
        answer = get(museway, f"/v1/sessions/{quote(session_id, safe='')}/cost")
        assert (answer["session_id"], answer["totals"]["records"]) == (session_id, 1)


def test_an_unknown_session_costs_nothing(museway: World) -> None:
    answer = get(museway, "/v1/sessions/none/cost")
    assert (answer["items"], answer["totals"]["net_micros"]) == ([], 0)


def test_other_projects_see_nothing_of_it(museway: World) -> None:
    museway.generate(session_id="trip")
    museway.settle_down()
    operator.perform({"action": "project.create", "project_id": "other", "name": "Other"})
    key = keys.create("other", "key")["api_key"]
    assert get(museway, "/v1/records?group_by=session", key=key)["items"] == []
    assert get(museway, "/v1/sessions/trip/cost", key=key)["items"] == []
    # Session and project stand in one key: neither can be written so that it reads as another pair.
    assert get(museway, "/v1/sessions/demo%23trip/cost", key=key)["items"] == []


def test_reading_money_takes_its_scope(museway: World) -> None:
    key = keys.create(PROJECT, "reader", scopes=["read"])["api_key"]
    for path in ("/v1/records?group_by=model", "/v1/sessions/a/cost", "/v1/records/export", "/v1/exports"):
        assert museway.request("GET", path, key=key)[0] == 403
