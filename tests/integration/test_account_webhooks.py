"""A provider that calls back an account names its job alone: early, late, twice, or about nothing of ours."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from gateway import jobs, tables
from gateway.provider import ForgedWebhook, Submission
from tests.integration.test_webhooks import attempt, items
from tests.integration.world import World

DOOR = "/v1/callbacks/fal"


@pytest.fixture
def accounted(museway: World) -> World:
    """A world whose provider calls back the account; what it sends is sent by the tests."""
    museway.provider.calls_back_by_account = museway.provider.loses_webhooks = True
    return museway


@pytest.fixture
def under_way(accounted: World) -> tuple[World, str]:
    """A generation that was accepted, whose execution waits for the callback."""
    generation_id = accounted.generate()
    accounted._deliver_stream()
    accounted.machine.tokens["token-held"] = None
    accounted._call("submit_attempt", {"generation_id": generation_id, "task_token": "token-held"})
    return accounted, generation_id


def told(museway: World, job: str, door: str = DOOR) -> tuple[int, dict[str, Any]]:
    status, body, _ = museway.request("POST", door, {"request_id": job} if job else {}, key=None)
    return status, body


def test_a_callback_finds_its_generation_by_the_job(under_way: tuple[World, str]) -> None:
    museway, generation_id = under_way
    assert museway.machine.tokens["token-held"] is None
    for _ in range(3):
        assert told(museway, f"{generation_id}-1") == (200, {"received": True})
        assert museway.machine.tokens["token-held"] == {"next": "poll"}
    assert attempt(generation_id).signalled_at
    museway.settle_down()
    assert museway.generation(generation_id)["status"] == "completed"
    assert len(museway.provider.paid) == 1
    assert told(museway, f"{generation_id}-1")[0] == 200
    assert museway.violations(at_rest=True) == []


def test_from_the_first_call_to_the_last_the_provider_needs_no_more(museway: World) -> None:
    museway.provider.calls_back_by_account = True
    generation_id = museway.generate()
    museway.settle_down()
    assert museway.generation(generation_id)["status"] == "completed"
    assert attempt(generation_id).signalled_at


def test_a_callback_before_the_answer_of_the_submit_is_kept(accounted: World, monkeypatch: pytest.MonkeyPatch) -> None:
    submit = accounted.provider.submit

    def faster_than_its_answer(submission: Submission) -> Any:
        outcome = submit(submission)
        assert told(accounted, submission.attempt_id) == (200, {"received": True})
        return outcome

    monkeypatch.setattr(accounted.provider, "submit", faster_than_its_answer)
    generation_id = accounted.generate()
    accounted._deliver_stream()
    accounted.machine.tokens["token-held"] = None
    accounted._call("submit_attempt", {"generation_id": generation_id, "task_token": "token-held"})
    # Nobody will call again: who waited for it would wait out the whole time.
    assert accounted.machine.tokens["token-held"] == {"next": "poll"}
    named = tables.JobReference.find("fal", f"{generation_id}-1")
    assert named is not None
    assert (named.generation_id, named.attempt_no) == (generation_id, 1)
    assert told(accounted, f"{generation_id}-1")[0] == 200
    assert attempt(generation_id).signalled_at
    accounted.settle_down()
    assert accounted.generation(generation_id)["status"] == "completed"
    assert accounted.violations(at_rest=True) == []


def test_a_job_that_is_not_ours_changes_no_generation(under_way: tuple[World, str]) -> None:
    museway, generation_id = under_way
    before = [item for item in items(museway, "jobs") if "REFERENCE" not in item]
    for _ in range(2):
        assert told(museway, "of-another-application") == (200, {"received": True})
    assert told(museway, "") == (200, {"received": True})
    assert [item for item in items(museway, "jobs") if "REFERENCE" not in item] == before
    assert museway.machine.tokens["token-held"] is None
    museway.settle_down()
    assert museway.generation(generation_id)["status"] == "completed"
    assert museway.violations(at_rest=True) == []


def test_what_is_not_verified_is_not_even_noted(under_way: tuple[World, str], monkeypatch: pytest.MonkeyPatch) -> None:
    museway, generation_id = under_way

    def forged(_headers: Mapping[str, str], _body: bytes) -> Mapping[str, str]:
        raise ForgedWebhook("the signature is another's")

    before = items(museway, "jobs")
    with monkeypatch.context() as patched:
        patched.setattr(museway.provider, "webhook_reference", forged)
        for job in (f"{generation_id}-1", "of-another-application"):
            status, body = told(museway, job)
            assert (status, body["error"]) == (401, "unauthorized")
            assert "another's" not in json.dumps(body)
    assert items(museway, "jobs") == before
    assert museway.machine.tokens["token-held"] is None


def test_other_providers_have_no_such_door(museway: World) -> None:
    before = items(museway, "jobs")
    for door in (DOOR, "/v1/callbacks/nobody"):
        status, body = told(museway, "x", door)
        assert (status, body["error"]) == (404, "not_found")
    assert items(museway, "jobs") == before


def test_an_answer_that_was_lost_is_not_found_by_the_job(accounted: World) -> None:
    """Which of our attempts a job belongs to, only the answer says: it is waited out, and nothing is charged."""
    accounted.provider.script = "lose_answer"
    generation_id = accounted.generate()
    accounted._deliver_stream()
    accounted.machine.tokens["token-held"] = None
    accounted._call("submit_attempt", {"generation_id": generation_id, "task_token": "token-held"})
    assert told(accounted, f"{generation_id}-1") == (200, {"received": True})
    assert attempt(generation_id).status == jobs.UNCERTAIN
    accounted.settle_down()
    assert accounted.generation(generation_id)["error"]["code"] == "provider_lost"
    assert len(accounted.provider.paid) == 1
    assert accounted.violations(at_rest=True) == []
