"""POST /v1/generate/media:batch: each accepted or refused on its own, credits held for all at once."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from typing import Any

import pytest

from gateway import ledger, reconcile, sources, tables
from gateway.errors import SourceRefused
from gateway.submission import BATCH_MAX, batches
from infra.answers import BatchAnswer
from tests.chaos import faults
from tests.integration.test_limits_of_spending import limit_project
from tests.integration.world import GRANTED_MICROS, PROJECT, Crash, World, world

PRICE_MICROS = 39_000
PATH = "/v1/generate/media:batch"
FOX = {"model": "nano-banana", "prompt": "a fox"}
TWO = FOX | {"num_images": 2}


@pytest.fixture
def museway() -> Iterator[World]:
    with world(in_memory=True, models={"nano-banana"}) as made:
        yield made


def send(museway: World, requests: list[Any], key: str | None = None) -> tuple[int, dict[str, Any], dict[str, str]]:
    return museway.request("POST", PATH, {"requests": requests}, headers={"Idempotency-Key": key} if key else {})


def outcomes(museway: World, requests: list[Any], key: str | None = None) -> list[dict[str, Any]]:
    """The items of a batch that is answered, in the contract's shape."""
    status, answer, _ = send(museway, requests, key)
    assert status == 202, answer
    BatchAnswer.model_validate(answer)
    assert [item["index"] for item in answer["items"]] == list(range(len(requests)))
    refused = [item for item in answer["items"] if item["error"]]
    assert (answer["accepted"], answer["refused"]) == (len(requests) - len(refused), len(refused))
    assert all((item["generation"] is None) == (item["status"] != 202) for item in answer["items"])
    return answer["items"]


def ids_of(items: list[dict[str, Any]]) -> list[str | None]:
    return [item["generation"] and item["generation"]["generation_id"] for item in items]


def told(items: list[dict[str, Any]]) -> list[Any]:
    """What became of each: 202, or its status and code."""
    return [(item["status"], item["error"]["error"]) if item["error"] else item["status"] for item in items]


def have_left(available_micros: int) -> None:
    ledger.adjust(PROJECT, available_micros - GRANTED_MICROS, "x", "that much")


def of_type(museway: World, kind: str) -> list[dict[str, Any]]:
    items = museway.request("GET", "/v1/ledger")[1]["items"]
    return [entry for entry in items if entry["type"] == kind]


def test_all_are_accepted_under_one_hold_and_each_is_billed(museway: World) -> None:
    items = outcomes(museway, [FOX, TWO, FOX | {"session_id": "s", "metadata": {"a": "b"}}])
    assert told(items) == [202, 202, 202]
    [hold] = of_type(museway, "hold")
    assert (hold["amount_micros"], hold["generation_id"]) == (4 * PRICE_MICROS, None)
    assert museway.totals().held_micros == 4 * PRICE_MICROS
    assert museway.violations() == []
    museway.provider.outputs = 2
    museway.settle_down()
    shown = [museway.generation(str(one)) for one in ids_of(items)]
    assert [one["billed_micros"] for one in shown] == [PRICE_MICROS, 2 * PRICE_MICROS, PRICE_MICROS]
    assert shown[2]["session_id"] == "s"
    assert len(museway.provider.paid) == 3
    assert museway.totals().spent_micros == 4 * PRICE_MICROS
    assert museway.violations(at_rest=True) == []


def test_each_is_refused_for_its_own_reason_as_it_would_be_alone(museway: World) -> None:
    requests = [
        FOX,
        FOX | {"num_images": 9},
        FOX | {"max_price_micros": PRICE_MICROS - 1},
        {"model": "no such model", "prompt": "x"},
        {"prompt": "x"},
        FOX | {"seed": "x"},
        FOX | {"metadata": {"note": "x" * 400_000}},
        FOX | {"max_price_micros": PRICE_MICROS},
    ]
    items = outcomes(museway, requests)
    alone = [museway.request("POST", "/v1/generate/media", request)[:2] for request in requests]
    assert told(items) == [status if status == 202 else (status, body["error"]) for status, body in alone]
    assert told(items) == [
        202,
        (400, "invalid_request"),
        (400, "price_above_maximum"),
        (400, "unknown_model"),
        (422, "invalid_request"),
        (422, "invalid_request"),
        (413, "payload_too_large"),
        202,
    ]
    for item, (_, body) in zip(items, alone, strict=True):
        if item["error"]:
            assert item["error"].get("field") == body.get("field")
    assert [items[number]["error"]["field"] for number in (1, 4, 5)] == ["num_images", "model", "seed"]
    museway.settle_down()
    assert museway.violations(at_rest=True) == []


def test_the_media_of_many_are_looked_at_at_the_same_time(museway: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their servers answer only when all have been asked."""
    all_asked = threading.Barrier(batches.PRICED_AT_ONCE, timeout=10)

    def waits_for_others(urls: list[str], field: str) -> Any:
        all_asked.wait()
        raise SourceRefused(f"{urls[0]} is nowhere.", code="source_unreachable", field=field, url_index=0)

    monkeypatch.setattr(sources, "probe_sources", waits_for_others)
    items = outcomes(museway, [FOX | {"image_urls": [f"https://files.test/{number}.png"]} for number in range(8)])
    assert told(items) == [(400, "source_unreachable")] * 8
    assert [item["error"]["message"].rpartition("/")[2][0] for item in items] == list("01234567")


def test_a_batch_of_refusals_changes_nothing(museway: World) -> None:
    items = outcomes(museway, [{"model": "?", "prompt": "x"}, {}])
    assert told(items) == [(400, "unknown_model"), (422, "invalid_request")]
    assert of_type(museway, "hold") == []


def test_one_that_is_left_alone_is_a_batch_all_the_same(museway: World) -> None:
    assert told(outcomes(museway, [FOX, {}])) == [202, (422, "invalid_request")]
    [hold] = of_type(museway, "hold")
    assert (hold["amount_micros"], hold["generation_id"]) == (PRICE_MICROS, None)
    assert museway.violations() == []


def test_what_the_balance_covers_is_accepted_the_first_ones_first(museway: World) -> None:
    have_left(4 * PRICE_MICROS + 5)
    items = outcomes(museway, [TWO, FOX, TWO, FOX, FOX])
    poor = (402, "insufficient_credits")
    assert told(items) == [202, 202, poor, 202, poor]
    missing = [(items[n]["error"]["needed_micros"], items[n]["error"]["available_micros"]) for n in (2, 4)]
    assert missing == [(2 * PRICE_MICROS, PRICE_MICROS + 5), (PRICE_MICROS, 5)]
    assert museway.totals().available_micros == 5
    museway.provider.outputs = 2
    museway.settle_down()
    assert museway.violations(at_rest=True) == []


@pytest.mark.parametrize("period", ["day", "total"])
def test_what_a_limit_leaves_room_for_is_accepted(museway: World, period: str) -> None:
    museway.generate()
    limit_project(**{f"{period}_micros": 4 * PRICE_MICROS})
    items = outcomes(museway, [TWO, TWO, FOX, FOX])
    over = (402, "spending_limit_reached")
    assert told(items) == [202, over, 202, over]
    for number, counted_micros in ((1, 3 * PRICE_MICROS), (3, 4 * PRICE_MICROS)):
        error = items[number]["error"]
        assert (error["scope"], error["period"], error["counted_micros"]) == ("project", period, counted_micros)
        assert error["counted_micros"] + error["needed_micros"] > error["limit_micros"]
    museway.provider.outputs = 2
    museway.settle_down()
    assert museway.violations(at_rest=True) == []


def test_balance_and_limit_together_leave_what_both_cover(museway: World) -> None:
    limit_project(day_micros=3 * PRICE_MICROS)
    have_left(2 * PRICE_MICROS)
    assert told(outcomes(museway, [FOX] * 4)) == [
        *[202] * 2,
        (402, "insufficient_credits"),
        (402, "spending_limit_reached"),
    ]
    assert told(outcomes(museway, [FOX])) == [(402, "insufficient_credits")]
    ledger.grant(PROJECT, GRANTED_MICROS, "more")
    assert told(outcomes(museway, [TWO, FOX, FOX])) == [
        (402, "spending_limit_reached"),
        202,
        (402, "spending_limit_reached"),
    ]
    assert museway.violations() == []


def test_a_balance_of_several_shards_is_levelled_for_a_batch(museway: World) -> None:
    ledger.resize(PROJECT, 4)
    have_left(10 * PRICE_MICROS)
    assert told(outcomes(museway, [FOX] * 11)) == [*[202] * 10, (402, "insufficient_credits")]
    assert museway.violations() == []


def test_as_many_as_fit_take_few_transactions(museway: World) -> None:
    limit_project(day_micros=GRANTED_MICROS, total_micros=GRANTED_MICROS)
    for count in (1, 34, BATCH_MAX):
        museway.faults.calls.clear()
        assert told(outcomes(museway, [FOX] * count)) == [202] * count
        assert museway.faults.calls.count("TransactWriteItems") == 1 + ceil(count / 33)
    assert museway.totals().held_micros == (1 + 34 + BATCH_MAX) * PRICE_MICROS
    assert museway.violations() == []


def test_what_is_no_batch_is_refused_whole(museway: World) -> None:
    for requests in ([FOX] * (BATCH_MAX + 1), [], None, [7], {}):
        status, refused, _ = send(museway, requests)
        assert (status, refused["error"], refused["field"].partition(".")[0]) == (422, "invalid_request", "requests")
    assert of_type(museway, "hold") == []


def test_a_repeat_is_answered_as_the_first_was_and_holds_nothing_more(museway: World) -> None:
    status, first, headers = send(museway, [FOX, TWO], "k")
    assert "Idempotent-Replayed" not in headers
    for _ in range(2):
        again, repeated, headers = send(museway, [FOX, TWO], "k")
        assert (again, repeated, headers["Idempotent-Replayed"]) == (status, first, "true")
    assert len(of_type(museway, "hold")) == 1
    museway.settle_down()
    assert send(museway, [FOX, TWO], "k")[1] == first
    assert len(museway.provider.paid) == 2
    assert museway.violations(at_rest=True) == []


def test_without_a_key_a_repeat_is_another_batch(museway: World) -> None:
    first, second = (ids_of(outcomes(museway, [FOX, FOX])) for _ in range(2))
    assert len({*first, *second}) == 4


def test_a_repeat_tries_again_what_was_refused(museway: World) -> None:
    have_left(PRICE_MICROS)
    first = outcomes(museway, [FOX, FOX], "k")
    assert told(first) == [202, (402, "insufficient_credits")]
    ledger.grant(PROJECT, PRICE_MICROS, "more")
    _, again, headers = send(museway, [FOX, FOX], "k")
    assert again["accepted"] == 2
    assert again["items"][0] == first[0]
    assert "Idempotent-Replayed" not in headers
    assert send(museway, [FOX, FOX], "k")[2]["Idempotent-Replayed"] == "true"
    assert museway.violations() == []


def test_another_batch_under_the_same_key_is_refused_by_its_fields(museway: World) -> None:
    _, first, _ = send(museway, [FOX, FOX, TWO], "k")
    before = museway.totals()
    others: list[tuple[list[Any], list[str]]] = [
        ([FOX, FOX | {"prompt": "a hidden bear"}, TWO], ["requests.1.prompt"]),
        ([TWO, FOX, TWO | {"session_id": "hidden"}], ["requests.0.num_images", "requests.2.session_id"]),
        ([FOX, {"prompt": "a hidden bear"}, TWO], ["requests.1.model"]),
        ([FOX, FOX], ["requests"]),
        ([FOX], ["requests"]),
        ([FOX, FOX, TWO, FOX], ["requests"]),
        ([{}, {}], ["requests"]),
    ]
    for requests, fields in others:
        status, refused, _ = send(museway, requests, "k")
        assert (status, refused["error"], refused["fields"]) == (422, "idempotency_key_reused", fields)
        assert "hidden" not in json.dumps(refused)
    assert museway.totals() == before
    assert send(museway, [FOX, FOX, TWO], "k")[1] == first
    assert museway.violations() == []


def test_a_shorter_batch_is_another_one_though_its_own_were_refused_before(museway: World) -> None:
    send(museway, [{}, FOX], "k")
    assert send(museway, [FOX], "k")[1]["fields"] == ["requests"]


def test_a_key_of_a_batch_and_of_a_single_call_do_not_meet(museway: World) -> None:
    status, _, headers = museway.request("POST", "/v1/generate/media", FOX, headers={"Idempotency-Key": "k"})
    assert (status, told(outcomes(museway, [FOX], "k"))) == (202, [202])
    assert "Idempotent-Replayed" not in headers
    assert museway.totals().held_micros == 2 * PRICE_MICROS


@contextmanager
def crashed(requests: list[Any], transaction: int, when: str, key: str | None) -> Iterator[World]:
    """A world in which a batch's function has died around one of its transactions (0: the holds)."""
    with world(in_memory=True, models={"nano-banana"}) as untouched:
        untouched.faults.calls.clear()
        send(untouched, requests, key)
        at = [n for n, name in enumerate(untouched.faults.calls) if name == "TransactWriteItems"][transaction]
    with world(in_memory=True, models={"nano-banana"}) as museway:
        museway.faults.calls.clear()
        museway.faults.at, museway.faults.when = at, when
        with pytest.raises(Crash):
            send(museway, requests, key)
        museway.faults.at = None
        yield museway


@pytest.mark.parametrize(
    ("transaction", "when", "held", "made"),
    [(0, "before", 0, 0), (0, "after", 3, 0), (1, "before", 3, 0), (1, "after", 3, 2), (2, "after", 3, 3)],
)
def test_a_repeat_goes_on_where_a_crash_stopped_it(
    monkeypatch: pytest.MonkeyPatch, transaction: int, when: str, held: int, made: int
) -> None:
    monkeypatch.setattr(batches, "_JOBS_PER_TRANSACTION", 2)
    many = [FOX] * 3
    with crashed(many, transaction, when, "k") as museway:
        assert museway.totals().held_micros == held * PRICE_MICROS
        assert len(museway._generations()) == made
        assert museway.violations() == []
        items = outcomes(museway, many, "k")
        assert told(items) == [202] * 3
        assert museway.totals().held_micros == 3 * PRICE_MICROS
        assert len(of_type(museway, "hold")) == 1
        assert send(museway, many, "k")[2]["Idempotent-Replayed"] == "true"
        museway.settle_down()
        assert len(museway.provider.paid) == 3
        assert museway.totals().spent_micros == 3 * PRICE_MICROS
        assert museway.violations(at_rest=True) == []


def test_a_repeat_goes_on_though_what_is_held_leaves_no_room_for_the_others() -> None:
    with crashed([FOX] * 3, 0, "after", "k") as museway:
        limit_project(day_micros=3 * PRICE_MICROS)
        assert told(outcomes(museway, [FOX] * 3, "k")) == [202] * 3
        assert told(outcomes(museway, [FOX] * 4, "other")) == [(402, "spending_limit_reached")] * 4
        assert museway.violations() == []


@pytest.mark.parametrize("key", ["k", None])
def test_holds_that_nobody_comes_back_for_are_released(key: str | None) -> None:
    with crashed([FOX, TWO], 0, "after", key) as museway:
        museway.clock.sleep(reconcile.ORPHAN_SECONDS - 10)
        reconcile.run()
        assert museway.totals().held_micros == 3 * PRICE_MICROS
        museway.clock.sleep(20)
        assert reconcile.run()["orphans_released"] == 2
        assert museway.totals() == ledger.Totals(GRANTED_MICROS, GRANTED_MICROS, 0, 0)
        assert museway.violations(at_rest=True) == []
        items = outcomes(museway, [FOX, TWO], key)
        assert told(items) == ([(409, "hold_released")] * 2 if key else [202, 202])
        assert museway.totals().held_micros == (0 if key else 3 * PRICE_MICROS)
        assert "orphans_released" not in reconcile.run()
        museway.settle_down()
        assert museway.violations(at_rest=True) == []


def test_holds_of_a_living_batch_are_not_released(museway: World) -> None:
    """A generation that waits for its execution is no orphan, however long it takes."""
    outcomes(museway, [FOX, FOX])
    museway.clock.sleep(reconcile.ORPHAN_SECONDS + 10)
    assert "orphans_released" not in reconcile.run()
    assert museway.totals().held_micros == 2 * PRICE_MICROS
    museway.settle_down()
    assert museway.violations(at_rest=True) == []


def test_a_hold_that_was_for_another_price_is_not_used() -> None:
    with crashed([FOX, TWO], 0, "after", "k") as museway:
        items = outcomes(museway, [TWO, TWO], "k")
        assert told(items) == [(409, "hold_released"), 202]
        assert museway.violations() == []


def test_a_write_repeated_by_the_client_library_meets_itself(museway: World) -> None:
    """The answer of each transaction is lost, botocore sends it again, and every condition fails on itself."""
    museway.faults.each_of["TransactWriteItems"] = faults.repeated
    assert told(outcomes(museway, [FOX, TWO])) == [202, 202]
    museway.faults.each_of.clear()
    assert museway.totals().held_micros == 3 * PRICE_MICROS
    museway.provider.outputs = 2
    museway.settle_down()
    assert museway.violations(at_rest=True) == []


@pytest.mark.parametrize("other", [[FOX, TWO], [FOX, FOX | {"session_id": "another"}]], ids=["same", "other"])
def test_two_at_once_under_one_key_make_one_batch(
    museway: World, monkeypatch: pytest.MonkeyPatch, other: list[Any]
) -> None:
    """The second has looked for the first's generations before they were there."""
    first = outcomes(museway, [FOX, TWO], "k")
    looks = iter([lambda *_: []])
    find_many = tables.Generation.find_many
    monkeypatch.setattr(tables.Generation, "find_many", lambda keys: next(looks, find_many)(keys))
    second = outcomes(museway, other, "k")
    assert second[0] == first[0]
    assert told(second)[1] == (202 if other[1] == TWO else (422, "idempotency_key_reused"))
    assert museway.totals().held_micros == 3 * PRICE_MICROS
    assert museway.violations() == []


def test_cancelling_one_of_a_batch_releases_its_part_of_the_hold(museway: World) -> None:
    first, second = ids_of(outcomes(museway, [TWO, FOX]))
    assert museway.request("POST", f"/v1/generations/{first}/cancel")[0] == 200
    assert museway.totals().held_micros == PRICE_MICROS
    museway.settle_down()
    statuses = [museway.generation(str(one))["status"] for one in (first, second)]
    assert statuses == ["cancelled", "completed"]
    assert museway.totals().spent_micros == PRICE_MICROS
    assert museway.violations(at_rest=True) == []
