"""One key, one generation: whatever is repeated, however it went the first time."""

import itertools
import json
from typing import Any

import pytest

from gateway import keys, ledger, operator
from tests.chaos import faults
from tests.integration.world import GRANTED_MICROS, Crash, Faults, World, world

BODY = {"model": "nano-banana", "prompt": "a secret fox", "metadata": {"a": "1"}}
NATIVE = {"model": "nano-banana", "inputs": {"prompt": "a secret fox", "num_images": 2}}
PRICE_MICROS = 39_000


def send(
    museway: World, body: Any = BODY, idempotency_key: str = "k", path: str = "/v1/generate/media", **how: Any
) -> Any:
    return museway.request("POST", path, body, headers={"Idempotency-Key": idempotency_key}, **how)


@pytest.mark.parametrize(("path", "body"), [("/v1/generate/media", BODY), ("/v1/media/generate", NATIVE)])
def test_a_repeat_is_answered_as_the_first_was_and_holds_nothing_more(museway: World, path: str, body: Any) -> None:
    status, first, headers = send(museway, body, path=path)
    held_micros = museway.totals().held_micros
    assert "Idempotent-Replayed" not in headers
    for _ in range(3):
        again, repeated, headers = send(museway, body, path=path)
        assert (again, repeated) == (status, first) == (202, first)
        assert headers["Idempotent-Replayed"] == "true"
    assert museway.totals().held_micros == held_micros > 0
    museway.settle_down()
    assert len(museway.provider.paid) == 1
    assert museway.violations(at_rest=True) == []


def test_the_order_of_names_in_the_body_does_not_matter(museway: World) -> None:
    _, first, _ = send(museway)
    for order in itertools.permutations(BODY):
        status, again, _ = send(museway, json.dumps({name: BODY[name] for name in order}, indent=2))
        assert (status, again) == (202, first)


def test_another_body_under_the_same_key_is_refused_by_its_fields_never_their_values(museway: World) -> None:
    _, first, _ = send(museway)
    others: list[tuple[Any, list[str]]] = [
        (BODY | {"prompt": "a hidden bear"}, ["prompt"]),
        (BODY | {"model": "gpt-image-2"}, ["model"]),
        (BODY | {"metadata": {"a": "a hidden bear"}}, ["metadata"]),
        (BODY | {"num_images": 2, "session_id": "a hidden bear"}, ["num_images", "session_id"]),
        ({"model": "nano-banana", "prompt": "a secret fox"}, ["metadata"]),
        (BODY | {"max_price_micros": 99_000}, ["max_price_micros"]),
        (BODY | {"model": "no such model"}, ["model"]),
    ]
    for body, fields in others:
        status, refused, _ = send(museway, body)
        assert (status, refused["error"], refused["fields"]) == (422, "idempotency_key_reused", fields)
        for value in ("hidden", "secret", "no such"):
            assert value not in json.dumps(refused)
    assert send(museway)[1] == first
    assert museway.totals().held_micros == PRICE_MICROS


def test_the_same_key_at_the_other_door_is_another_request(museway: World) -> None:
    send(museway)
    status, refused, _ = send(
        museway, {"model": "nano-banana", "inputs": {"prompt": "a secret fox"}}, path="/v1/media/generate"
    )
    assert (status, refused["error"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize("script", ["deliver", "fail"])
def test_a_repeat_after_the_end_is_still_the_first_answer(museway: World, script: str) -> None:
    museway.provider.script = script
    _, first, _ = send(museway)
    museway.settle_down()
    paid = list(museway.provider.paid)
    status, again, headers = send(museway)
    assert (status, again, headers["Idempotent-Replayed"]) == (202, first, "true")
    museway.settle_down()
    assert museway.provider.paid == paid
    assert len(set(paid)) == len(paid) > 0
    assert museway.violations(at_rest=True) == []


def test_a_repeat_is_answered_when_the_credits_are_gone(museway: World) -> None:
    _, first, _ = send(museway)
    for _ in range(3):
        museway.generate("kuaishou/kling-v3-t2v", duration=15, sound=True)
    while museway.request("POST", "/v1/generate/media", {"model": "gpt-image-2", "prompt": "x"})[0] == 202:
        pass
    assert send(museway)[:2] == (202, first)
    assert send(museway, idempotency_key="other")[0] in {202, 402}
    assert museway.violations() == []


def test_a_refused_request_does_not_use_the_key_up(museway: World) -> None:
    operator.perform({"action": "project.create", "project_id": "poor", "name": "Poor"})
    key = keys.create("poor", "key")["api_key"]
    assert send(museway, BODY | {"num_images": 9}, key=key)[0] == 400
    assert send(museway, {"model": "nano-banana"}, key=key)[0] == 422
    assert send(museway, key=key)[0] == 402
    assert send(museway, key=None)[0] == 401
    ledger.grant("poor", PRICE_MICROS, "1")
    status, first, headers = send(museway, key=key)
    assert status == 202
    assert "Idempotent-Replayed" not in headers
    assert send(museway, key=key)[1] == first
    assert museway.violations() == []


def test_keys_of_different_projects_do_not_meet(museway: World) -> None:
    operator.perform({"action": "project.create", "project_id": "other", "name": "Other"})
    ledger.grant("other", GRANTED_MICROS, "1")
    key = keys.create("other", "key")["api_key"]
    _, first, _ = send(museway)
    status, foreign, headers = send(museway, BODY | {"prompt": "another fox"}, key=key)
    assert status == 202
    assert "Idempotent-Replayed" not in headers
    assert foreign["generation_id"] != first["generation_id"]
    assert museway.violations() == []


def test_two_keys_of_one_project_share_its_idempotency(museway: World) -> None:
    _, first, _ = send(museway)
    second_key = keys.create("demo", "rotated")["api_key"]
    assert send(museway, key=second_key)[:2] == (202, first)


def test_different_keys_make_different_generations_of_one_body(museway: World) -> None:
    made = {send(museway, idempotency_key=f"k{number}")[1]["generation_id"] for number in range(3)}
    assert len(made) == 3
    assert museway.totals().held_micros == 3 * PRICE_MICROS


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_submit_whose_answer_was_lost_is_found_again_by_its_repeat(when: str) -> None:
    with world(in_memory=True) as untouched:
        untouched.faults.calls.clear()
        send(untouched)
        number = untouched.faults.calls.index("TransactWriteItems")
    with world(in_memory=True, faults=Faults(at=number, when=when)) as museway:
        with pytest.raises(Crash):
            send(museway)
        assert museway.totals().held_micros == (PRICE_MICROS if when == "after" else 0)
        status, first, headers = send(museway)
        assert status == 202
        assert ("Idempotent-Replayed" in headers) == (when == "after")
        assert send(museway)[1] == first
        assert museway.totals().held_micros == PRICE_MICROS
        museway.settle_down()
        assert museway.violations(at_rest=True) == []
        assert len(museway.provider.paid) == 1


def test_a_write_repeated_by_the_client_library_meets_itself_and_is_no_conflict(museway: World) -> None:
    """The answer of the transaction is lost, botocore sends it again, and every condition fails on itself."""
    museway.faults.each_of["TransactWriteItems"] = faults.repeated
    status, _, headers = send(museway)
    assert (status, headers["Idempotent-Replayed"]) == (202, "true")
    museway.faults.each_of.clear()
    assert museway.totals().held_micros == PRICE_MICROS
    museway.settle_down()
    assert museway.violations(at_rest=True) == []


def test_a_double_write_without_a_key_is_no_lack_of_credits(museway: World) -> None:
    museway.faults.each_of["TransactWriteItems"] = faults.repeated
    status, _, _ = museway.request("POST", "/v1/generate/media", BODY)
    assert status == 202
    assert museway.totals().held_micros == PRICE_MICROS


def test_a_transaction_that_met_another_is_repeated_and_in_the_end_refused_with_nothing_held(
    museway: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from botocore.client import BaseClient
    from botocore.exceptions import ClientError

    real, conflicts = BaseClient._make_api_call, itertools.count()
    most = 3

    def conflicting(client: Any, operation: str, arguments: Any) -> Any:
        if operation == "TransactWriteItems" and next(conflicts) < most:
            reasons = [{"Code": "TransactionConflict"}, {"Code": "None"}, {"Code": "None"}, {"Code": "None"}]
            error = {"Code": "TransactionCanceledException", "Message": "[TransactionConflict, None, None, None]"}
            raise ClientError({"Error": error, "CancellationReasons": reasons}, operation)
        return real(client, operation, arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", conflicting)
    assert send(museway)[0] == 202
    assert museway.totals().held_micros == PRICE_MICROS

    most, conflicts = 1_000, itertools.count()
    status, refused, _ = send(museway, idempotency_key="busy")
    assert (status, refused["error"]) == (503, "unavailable")
    most = 0
    assert museway.totals().held_micros == PRICE_MICROS
    assert send(museway, idempotency_key="busy")[0] == 202
    assert museway.violations() == []
