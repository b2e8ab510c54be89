"""POST /v1/generations/{id}/cancel: at every moment of a generation, and what becomes of money, provider, execution."""

from collections.abc import Iterator
from typing import Any

import pytest

from gateway import jobs, keys, ledger, operator, tables
from tests.integration.world import GRANTED_MICROS, PROJECT, Crash, World, world

PRICE_MICROS = 39_000
UNCHARGED = ledger.Totals(GRANTED_MICROS, GRANTED_MICROS, 0, 0)


@pytest.fixture
def museway() -> Iterator[World]:
    with world(in_memory=True, models={"nano-banana", "openai/gpt-image-2"}) as made:
        yield made


def cancel(museway: World, generation_id: str, **how: Any) -> tuple[int, dict[str, Any]]:
    return museway.request("POST", f"/v1/generations/{generation_id}/cancel", **how)[:2]


def assert_cancelled(museway: World, generation_id: str, *, attempts: list[str]) -> None:
    """It is cancelled, costs nothing, and nothing is left: no hold, no execution, one event."""
    assert museway.totals() == UNCHARGED
    museway.settle_down()
    shown = museway.generation(generation_id)
    assert (shown["status"], shown["error"]["code"], shown["billed_micros"]) == ("cancelled", "cancelled", 0)
    assert shown["outputs"] == []
    assert [attempt["status"] for attempt in shown["attempts"]] == attempts
    assert {one["status"] for one in museway.machine.executions.values()} <= {"SUCCEEDED"}
    [event] = museway.events
    assert (event["id"], event["status"]) == (f"{generation_id}.cancelled", "cancelled")
    assert museway.totals() == UNCHARGED
    assert museway.violations(at_rest=True) == []


def test_before_any_attempt_nothing_is_ever_sent(museway: World) -> None:
    generation_id = museway.generate()
    status, shown = cancel(museway, generation_id)
    assert (status, shown["status"], shown["attempts"]) == (200, "cancelled", [])
    assert_cancelled(museway, generation_id, attempts=[])
    assert museway.provider.submissions == {}


def test_at_the_provider_it_is_asked_to_stop_and_the_execution_ends_at_once(museway: World) -> None:
    museway.provider.seconds = 90.0
    generation_id = museway.generate()
    answers: list[Any] = []
    museway.clock.after(3, lambda: answers.append((museway.clock.seconds, cancel(museway, generation_id))))
    museway._deliver_stream()
    museway.machine.run_all()
    [(cancelled_at, (status, shown))] = answers
    assert (status, shown["status"], shown["attempts"][0]["status"]) == (200, "cancelled", "cancelled")
    assert shown["attempts"][0]["ended_at"]
    assert museway.provider.cancelled == [f"{generation_id}-1"] == museway.provider.paid
    assert museway.clock.seconds == cancelled_at  # woken, not timed out
    assert museway.machine.executions[generation_id]["status"] == "SUCCEEDED"
    assert_cancelled(museway, generation_id, attempts=["cancelled"])


def test_while_it_is_polled_the_poll_ends(museway: World) -> None:
    museway.provider.script, museway.provider.loses_webhooks = "never_finish", True
    generation_id = museway.generate()
    museway.clock.after(60, lambda: cancel(museway, generation_id))
    museway._deliver_stream()
    museway.machine.run_all()
    assert museway.clock.seconds < 90
    assert_cancelled(museway, generation_id, attempts=["cancelled"])
    assert museway.provider.cancelled == [f"{generation_id}-1"]


def cancel_while_it_is_submitted(museway: World, generation_id: str) -> None:
    """Let it run; the provider is asked, and answers once the generation has been cancelled."""
    submit = museway.provider._submit

    def cancelled_meanwhile(submission: Any) -> Any:
        assert cancel(museway, generation_id)[0] == 200
        return submit(submission)

    museway.provider._submit = cancelled_meanwhile  # type: ignore[method-assign]
    museway._deliver_stream()
    museway.machine.run_all()


@pytest.mark.parametrize("script", ["deliver", "lose_answer", "refuse", "withhold_at_once"])
def test_while_the_submission_is_under_way(museway: World, script: str) -> None:
    """The caller's answer comes before the provider's; whichever that is, it finds the generation cancelled."""
    museway.provider.script = script
    generation_id = museway.generate()
    cancel_while_it_is_submitted(museway, generation_id)
    # Only now is it known which job to stop; a lost answer names none.
    assert museway.provider.cancelled == ([f"{generation_id}-1"] if script == "deliver" else [])
    assert_cancelled(museway, generation_id, attempts=["cancelled"])
    assert len(museway.provider.submissions) == 1


def test_what_comes_inside_the_answer_of_a_cancelled_call_is_not_billed(museway: World) -> None:
    museway.provider.script = "deliver_at_once"
    generation_id = museway.generate("openai/gpt-image-2")
    cancel_while_it_is_submitted(museway, generation_id)
    assert_cancelled(museway, generation_id, attempts=["cancelled"])


def test_an_answer_that_comes_between_reading_and_cancelling_is_stopped_too(
    museway: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    museway.provider.seconds = 90.0
    generation_id = museway.generate()
    read, attempts = jobs.current_attempt, []

    def as_it_was(generation: tables.Generation) -> tables.Attempt | None:
        attempt = read(generation)
        if attempt is not None and not attempts:
            # The submission's answer is noted right after this read.
            attempt.status, attempt.reference, attempt.task_token = "submitting", None, None
        attempts.append(attempt)
        return attempt

    def cancel_now() -> None:
        monkeypatch.setattr(jobs, "current_attempt", as_it_was)
        assert cancel(museway, generation_id)[0] == 200
        monkeypatch.setattr(jobs, "current_attempt", read)

    museway.clock.after(3, cancel_now)
    museway._deliver_stream()
    museway.machine.run_all()
    assert museway.provider.cancelled == [f"{generation_id}-1"]
    assert museway.clock.seconds < 10
    assert_cancelled(museway, generation_id, attempts=["cancelled"])


def test_an_uncertain_attempt_is_released_and_its_late_webhook_changes_nothing(museway: World) -> None:
    museway.provider.script, museway.provider.seconds = "lose_answer", 20.0
    generation_id = museway.generate()
    museway.clock.after(10, lambda: cancel(museway, generation_id))
    museway._deliver_stream()
    museway.machine.run_all()
    assert_cancelled(museway, generation_id, attempts=["cancelled"])
    museway.clock.sleep(30)
    assert tables.Attempt.find(generation_id, 1).signalled_at
    assert museway.generation(generation_id)["status"] == "cancelled"
    assert museway.provider.cancelled == []
    assert museway.violations(at_rest=True) == []


@pytest.mark.parametrize("script", ["deliver", "fail"])
def test_what_has_ended_stays_as_it_is(museway: World, script: str) -> None:
    museway.provider.script = script
    generation_id = museway.generate()
    museway.settle_down()
    before = museway.generation(generation_id)
    status, refused = cancel(museway, generation_id)
    assert (status, refused["error"], refused["status"]) == (409, "already_finished", before["status"])
    assert museway.generation(generation_id) | {"outputs": []} == before | {"outputs": []}
    assert len(museway.events) == 1
    assert museway.violations(at_rest=True) == []


@pytest.mark.parametrize(
    "steps", [("poll_attempt",), ("poll_attempt", "collect_outputs")], ids=["finished", "collected"]
)
def test_what_the_provider_has_delivered_is_charged_and_not_cancelled(museway: World, steps: tuple[str, ...]) -> None:
    museway.provider.seconds = 5.0
    generation_id = museway.generate()
    museway._deliver_stream()
    museway.machine.dies_after = "submit_attempt"
    museway.machine.run_all()
    for step in steps:
        museway._call(step, {"generation_id": generation_id})
    before = museway.totals()
    status, refused = cancel(museway, generation_id)
    assert (status, refused["error"], refused["status"]) == (409, "already_finished", "processing")
    assert museway.totals() == before
    museway.settle_down()
    assert museway.generation(generation_id)["billed_micros"] == PRICE_MICROS
    assert museway.provider.cancelled == []
    assert museway.violations(at_rest=True) == []


def test_cancelling_again_answers_the_same_and_changes_nothing(museway: World) -> None:
    museway.provider.seconds = 90.0
    generation_id = museway.generate()
    museway.clock.after(3, lambda: cancel(museway, generation_id))
    museway.settle_down()
    again = [cancel(museway, generation_id) for _ in range(2)]
    assert again == [(200, museway.request("GET", f"/v1/generations/{generation_id}")[1])] * 2
    # Whoever asked the provider first may have died before, so a repeat asks again.
    assert museway.provider.cancelled == [f"{generation_id}-1"] * 3
    assert_cancelled(museway, generation_id, attempts=["cancelled"])


def test_of_another_project_it_is_not_there(museway: World) -> None:
    generation_id = museway.generate()
    operator.perform({"action": "project.create", "project_id": "other", "name": "Other"})
    foreign = keys.create("other", "key")["api_key"]
    assert cancel(museway, generation_id, key=foreign)[1]["error"] == "not_found"
    assert cancel(museway, "gen_none")[0] == 404
    assert museway.totals().held_micros == PRICE_MICROS


def test_it_needs_the_scope_of_who_generates(museway: World) -> None:
    generation_id = museway.generate()
    reading = keys.create(PROJECT, "reader", scopes=["read", "billing:read"])["api_key"]
    status, refused = cancel(museway, generation_id, key=reading)
    assert (status, refused["error"]) == (403, "forbidden")
    assert cancel(museway, generation_id, key=None)[0] == 401
    assert museway.totals().held_micros == PRICE_MICROS


def cancelled_with_a_crash(museway: World, at: int | None, when: str) -> list[str]:
    """Cancel a generation that runs, with a crash at one of the calls, and repeat it; answers the calls made."""
    museway.provider.seconds = 90.0
    generation_id = museway.generate()
    calls: list[str] = []

    def cancel_and_repeat() -> None:
        first = len(museway.faults.calls)
        museway.faults.at, museway.faults.when = None if at is None else first + at, when
        try:
            cancel(museway, generation_id)
        except Crash:
            assert museway.violations() == []
            assert cancel(museway, generation_id)[0] == 200
        calls.extend(museway.faults.calls[first:])

    museway.clock.after(3, cancel_and_repeat)
    museway._deliver_stream()
    museway.machine.run_all()
    assert set(museway.provider.cancelled) == {f"{generation_id}-1"}
    assert museway.clock.seconds < 10
    assert_cancelled(museway, generation_id, attempts=["cancelled"])
    return calls


def test_a_crash_around_any_call_is_healed_by_a_repeat() -> None:
    with world(in_memory=True, models={"nano-banana"}) as untouched:
        calls = cancelled_with_a_crash(untouched, None, "before")
    writes = [number for number, name in enumerate(calls) if name not in {"GetItem", "Query"}]
    assert [calls[number] for number in writes] == [
        "TransactWriteItems",
        "provider.cancel",
        "states.send_task_success",
    ]
    for number in writes:
        for when in ("before", "after"):
            with world(in_memory=True, models={"nano-banana"}) as museway:
                cancelled_with_a_crash(museway, number, when)


def test_who_keeps_moving_on_is_not_cancelled_for_ever(museway: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def moved_on(*_: Any) -> None:
        raise tables.ConditionFailed(frozenset({"generation"}))

    generation_id = museway.generate()
    monkeypatch.setattr(jobs, "cancel", moved_on)
    before = museway.totals()
    status, refused = cancel(museway, generation_id)
    assert (status, refused["error"]) == (503, "unavailable")
    assert museway.totals() == before
