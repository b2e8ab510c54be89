"""Providers call back twice, late, early, forged and out of nowhere; it wakes and never decides."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from gateway import jobs, tables
from gateway.provider import ForgedWebhook, Submission
from tests.integration.world import World


@pytest.fixture
def under_way(museway: World) -> tuple[World, str, str]:
    """A generation that was accepted by its provider, whose execution waits for the callback."""
    museway.provider.loses_webhooks = True
    generation_id = museway.generate()
    museway._deliver_stream()
    # The execution stands still where it waits: its token is open, and nobody else is at work.
    museway.machine.tokens["token-held"] = None
    museway._call("submit_attempt", {"generation_id": generation_id, "task_token": "token-held"})
    return museway, generation_id, path_of(museway, generation_id)


def path_of(museway: World, generation_id: str) -> str:
    url = museway.provider.submissions[f"{generation_id}-1"].webhook_url
    assert url
    return url.removeprefix("https://museway.test")


def call_back(museway: World, path: str, reference: Mapping[str, str] | None = None) -> tuple[int, dict[str, Any]]:
    status, body, _ = museway.request("POST", path, dict(reference or {}), key=None)
    return status, body


def attempt(generation_id: str) -> tables.Attempt:
    found = tables.Attempt.find(generation_id, 1)
    assert found
    return found


def items(museway: World, table: str) -> list[str]:
    return sorted(
        json.dumps(item, sort_keys=True, default=repr) for item in museway.dynamodb.scan(TableName=table)["Items"]
    )


def test_a_callback_wakes_the_execution_once(under_way: tuple[World, str, str]) -> None:
    museway, generation_id, path = under_way
    for _ in range(10):
        assert call_back(museway, path, {"request_id": f"{generation_id}-1"}) == (200, {"received": True})
        assert museway.machine.tokens["token-held"] == {"next": "poll"}
    assert attempt(generation_id).signalled_at
    museway.settle_down()
    assert museway.generation(generation_id)["status"] == "completed"
    assert len(museway.provider.paid) == 1
    assert museway.violations(at_rest=True) == []


def test_a_callback_that_comes_after_the_end_changes_nothing_that_counts(under_way: tuple[World, str, str]) -> None:
    museway, generation_id, path = under_way
    museway.settle_down()
    shown, money = museway.generation(generation_id), items(museway, "ledger")
    assert shown["status"] == "completed"
    assert call_back(museway, path, {"request_id": f"{generation_id}-1"})[0] == 200
    museway.settle_down()
    after = museway.generation(generation_id)
    assert {k: v for k, v in after.items() if k != "outputs"} == {k: v for k, v in shown.items() if k != "outputs"}
    assert items(museway, "ledger") == money
    assert museway.violations(at_rest=True) == []


def test_a_late_success_of_a_lost_attempt_charges_nobody(museway: World) -> None:
    museway.provider.script, museway.provider.loses_webhooks = "lose_answer", True
    generation_id = museway.generate()
    museway.settle_down()
    assert museway.generation(generation_id)["error"]["code"] == "provider_lost"
    money = items(museway, "ledger")
    assert call_back(museway, path_of(museway, generation_id), {"request_id": f"{generation_id}-1"})[0] == 200
    museway.settle_down()
    assert museway.generation(generation_id)["status"] == "failed"
    assert items(museway, "ledger") == money
    assert len(museway.provider.paid) == 1
    assert museway.violations(at_rest=True) == []


def test_a_callback_for_nothing_that_is_here_is_not_found(under_way: tuple[World, str, str]) -> None:
    museway, generation_id, path = under_way
    provider, _, token = path.rsplit("/", 3)[1:]
    other = museway.generate()
    before = items(museway, "jobs")
    for wrong in (
        f"/v1/callbacks/{provider}/gen_nobody/{token}",
        f"/v1/callbacks/{provider}/{other}/{token}",
        f"/v1/callbacks/{provider}/{generation_id}/{token[:-1]}",
        f"/v1/callbacks/{provider}/{generation_id}/{attempt(generation_id).callback_sha256}",
        f"/v1/callbacks/openai/{generation_id}/{token}",
        f"/v1/callbacks/nobody/{generation_id}/{token}",
    ):
        status, body = call_back(museway, wrong, {"request_id": "x"})
        assert (status, body["error"]) == (404, "not_found"), wrong
    assert items(museway, "jobs") == before
    assert museway.machine.tokens["token-held"] is None


def test_a_forged_callback_is_refused_and_wakes_nobody(
    under_way: tuple[World, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    museway, generation_id, path = under_way

    def forged(_headers: Mapping[str, str], _body: bytes) -> Mapping[str, str]:
        raise ForgedWebhook("the signature is another's")

    before = items(museway, "jobs")
    with monkeypatch.context() as patched:
        patched.setattr(museway.provider, "webhook_reference", forged)
        status, body = call_back(museway, path, {"request_id": "x"})
    assert (status, body["error"]) == (401, "unauthorized")
    assert "another's" not in json.dumps(body)
    assert items(museway, "jobs") == before
    assert museway.machine.tokens["token-held"] is None
    museway.settle_down()
    assert museway.generation(generation_id)["status"] == "completed"


def test_what_a_callback_says_of_the_result_is_not_believed(under_way: tuple[World, str, str]) -> None:
    museway, generation_id, path = under_way
    museway.provider.script = "fail"
    claims = {
        "request_id": f"{generation_id}-1",
        "status": "OK",
        "payload": {"images": [{"url": "http://files.test/x.png"}]},
    }
    assert museway.request("POST", path, claims, key=None)[0] == 200
    museway.settle_down()
    shown = museway.generation(generation_id)
    assert (shown["status"], shown["error"]["code"], shown["billed_micros"]) == ("failed", "provider_error", 0)


def test_a_callback_before_the_answer_of_the_submit_is_kept(museway: World, monkeypatch: pytest.MonkeyPatch) -> None:
    submit = museway.provider.submit
    museway.provider.loses_webhooks = True

    def faster_than_its_answer(submission: Submission) -> Any:
        outcome = submit(submission)
        path = str(submission.webhook_url).removeprefix("https://museway.test")
        assert call_back(museway, path, {"request_id": submission.attempt_id})[0] == 200
        return outcome

    monkeypatch.setattr(museway.provider, "submit", faster_than_its_answer)
    generation_id = museway.generate()
    museway.settle_down()
    assert museway.generation(generation_id)["status"] == "completed"
    assert len(museway.provider.paid) == 1
    assert "retry" not in museway.machine.transitions[:2]
    assert museway.violations(at_rest=True) == []


def test_an_early_callback_finds_the_job_whose_answer_never_came(
    museway: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reference that the callback names is all we ever learn, although it came before the answer was lost."""
    submit = museway.provider.submit
    museway.provider.script, museway.provider.loses_webhooks = "lose_answer", True

    def faster_than_its_answer(submission: Submission) -> Any:
        outcome = submit(submission)
        path = str(submission.webhook_url).removeprefix("https://museway.test")
        assert call_back(museway, path, {"request_id": submission.attempt_id})[0] == 200
        return outcome

    monkeypatch.setattr(museway.provider, "submit", faster_than_its_answer)
    generation_id = museway.generate()
    museway.settle_down()
    assert museway.generation(generation_id)["status"] == "completed"
    assert museway.violations(at_rest=True) == []


def test_a_reference_that_contradicts_ours_is_not_taken(under_way: tuple[World, str, str]) -> None:
    museway, generation_id, path = under_way
    ours = attempt(generation_id).reference
    assert call_back(museway, path, {"request_id": "of-somebody-else", "endpoint": "elsewhere"})[0] == 200
    assert attempt(generation_id).reference == ours
    museway.settle_down()
    assert museway.generation(generation_id)["status"] == "completed"


def test_our_own_answer_wins_over_what_an_early_callback_named(museway: World, monkeypatch: pytest.MonkeyPatch) -> None:
    museway.provider.loses_webhooks = True
    submit = museway.provider.submit

    def misnamed(submission: Submission) -> Any:
        outcome = submit(submission)
        path = str(submission.webhook_url).removeprefix("https://museway.test")
        call_back(museway, path, {"request_id": "of-somebody-else"})
        return outcome

    monkeypatch.setattr(museway.provider, "submit", misnamed)
    generation_id = museway.generate()
    museway.settle_down()
    assert museway.generation(generation_id)["status"] == "completed"
    assert attempt(generation_id).reference["request_id"] == f"{generation_id}-1"


def test_a_lost_reference_is_taken_from_the_first_callback_and_kept(museway: World) -> None:
    museway.provider.script, museway.provider.loses_webhooks = "lose_answer", True
    generation_id = museway.generate()
    museway._deliver_stream()
    museway.machine.tokens["token-held"] = None
    museway._call("submit_attempt", {"generation_id": generation_id, "task_token": "token-held"})
    assert attempt(generation_id).status == jobs.UNCERTAIN
    path = path_of(museway, generation_id)
    call_back(museway, path, {"request_id": f"{generation_id}-1"})
    call_back(museway, path, {"request_id": "of-somebody-else"})
    assert attempt(generation_id).reference["request_id"] == f"{generation_id}-1"
    assert attempt(generation_id).reference["endpoint"] == "fal-ai/nano-banana"
    museway.settle_down()
    assert museway.generation(generation_id)["status"] == "completed"
    assert museway.violations(at_rest=True) == []


@pytest.mark.parametrize("body", ["", "no JSON", "[" * 100_000])
def test_a_callback_that_cannot_be_read_is_refused_and_changes_nothing(
    under_way: tuple[World, str, str], monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    museway, _, path = under_way
    from gateway.providers import fal

    monkeypatch.setattr(
        museway.provider, "webhook_reference", fal.Fal.webhook_reference.__get__(object.__new__(fal.Fal))
    )
    before = items(museway, "jobs")
    answer = museway.answer("POST", path, body, key=None)
    assert answer["statusCode"] == 401
    assert items(museway, "jobs") == before
