"""What fell between is found and finished from the tables alone; what lives is left alone; money is audited."""

import json
from typing import Any

import pytest

from gateway import audit, ids, jobs, ledger, operator, reconcile, tables
from gateway.ledger import Totals
from tests.integration.world import GRANTED_MICROS, PROJECT, World

MINUTE = 61


def execution(museway: World, name: str) -> dict[str, Any]:
    return museway.machine.executions[name]


def stored(museway: World) -> list[str]:
    """The jobs and the ledger as they are."""
    return sorted(
        json.dumps(item, sort_keys=True, default=repr)
        for name in ("jobs", "ledger")
        for page in museway.dynamodb.get_paginator("scan").paginate(TableName=name)
        for item in page["Items"]
    )


def run(museway: World, after_seconds: float = MINUTE) -> dict[str, int]:
    museway.clock.sleep(after_seconds)
    done: dict[str, int] = museway._call("reconcile", {})
    return done


def test_nothing_to_do_does_nothing(museway: World) -> None:
    before = stored(museway)
    assert run(museway) == {"equations_broken": 0}
    assert stored(museway) == before


def test_a_generation_whose_stream_record_was_lost_is_started_after_a_minute_and_once(museway: World) -> None:
    generation_id = museway.generate()
    assert run(museway, 30) == {"equations_broken": 0}
    assert museway.machine.executions == {}
    assert run(museway, 31)["started"] == 1
    assert set(museway.machine.executions) == {generation_id}
    assert "alive" in run(museway)
    assert set(museway.machine.executions) == {generation_id}
    museway.settle_down()
    assert museway.generation(generation_id)["status"] == "completed"
    assert len(museway.provider.paid) == 1
    assert museway.violations(at_rest=True) == []


def test_a_stream_record_that_comes_after_the_reconciler_starts_nothing_more(museway: World) -> None:
    generation_id = museway.generate()
    run(museway)
    museway._deliver_stream()
    assert set(museway.machine.executions) == {generation_id}


def test_a_living_execution_is_left_alone(museway: World) -> None:
    generation_id = museway.generate()
    museway._deliver_stream()
    money = museway.totals()
    for _ in range(20):  # far past the deadline of this generation: the execution itself gives up, not we
        run(museway)
    assert execution(museway, generation_id)["status"] == "RUNNING"
    assert len(museway.machine.executions) == 1
    assert museway.generation(generation_id)["status"] == "pending"
    assert museway.totals() == money


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED", "SUCCEEDED"])
def test_a_dead_execution_is_started_again_under_a_name_of_its_own(museway: World, status: str) -> None:
    museway.provider.seconds = 30
    generation_id = museway.generate()
    museway._deliver_stream()
    museway.machine.tokens["token-held"] = None
    museway._call("submit_attempt", {"generation_id": generation_id, "task_token": "token-held"})
    execution(museway, generation_id).update(status=status, ran=True)
    del museway.machine.tokens["token-held"]

    # The attempt may take its time; looked at after five minutes or when its deadline has passed.
    museway.clock.sleep(240)
    tables.Generation.find(generation_id).change([tables.Generation.due_at.set(0)])
    assert run(museway, 0)["restarted"] == 1
    assert execution(museway, f"{generation_id}-r1")["status"] == "RUNNING"
    museway.settle_down()
    assert museway.generation(generation_id)["status"] == "completed"
    assert len(museway.provider.paid) == 1
    assert museway.violations(at_rest=True) == []


def test_dead_again_is_started_again(museway: World) -> None:
    generation_id = museway.generate()
    museway._deliver_stream()
    execution(museway, generation_id).update(status="FAILED", ran=True)
    for number in (1, 2):
        assert run(museway)["restarted"] == 1
        execution(museway, f"{generation_id}-r{number}").update(status="FAILED", ran=True)
    assert run(museway)["restarted"] == 1
    museway.settle_down()
    assert museway.generation(generation_id)["status"] == "completed"
    assert museway.violations(at_rest=True) == []


def beyond_restarts(generation_id: str) -> None:
    """As if every execution that may be started had died."""
    generation = tables.Generation.find(generation_id)
    assert generation
    generation.change([tables.Generation.restart_no.set(reconcile.RESTARTS_MAX)])


def dead_after(museway: World, *steps: str, script: str = "deliver") -> str:
    """A generation whose executions died after these steps, all that may be started, its deadline since passed."""
    museway.provider.script, museway.provider.loses_webhooks = script, True
    generation_id = museway.generate()
    museway._deliver_stream()
    execution(museway, generation_id).update(status="FAILED", ran=True)
    for step in steps:
        museway.machine.tokens["token-held"] = None
        museway._call(step, {"generation_id": generation_id, "task_token": "token-held"})
    museway.clock.sleep(301)
    beyond_restarts(generation_id)
    return generation_id


@pytest.mark.parametrize("step", ["submit_attempt", "poll_attempt", "collect_outputs"])
def test_what_the_provider_delivered_counts_although_the_execution_died_and_the_deadline_passed(
    museway: World, step: str
) -> None:
    museway.provider.seconds = 5.0
    generation_id = museway.generate()
    museway._deliver_stream()
    museway.machine.dies_after = step
    museway.machine.run_all()
    assert execution(museway, generation_id)["status"] == "FAILED"
    museway.clock.sleep(400)
    assert run(museway)["restarted"] == 1
    museway.settle_down()
    assert museway.generation(generation_id)["status"] == "completed"
    assert len(museway.provider.paid) == 1
    assert museway.violations(at_rest=True) == []


def test_executions_that_keep_dying_are_not_started_for_ever(museway: World) -> None:
    generation_id = museway.generate()
    museway._deliver_stream()
    for _ in range(reconcile.RESTARTS_MAX + 1):
        for one in museway.machine.executions.values():
            one.update(status="FAILED", ran=True)
        museway.clock.sleep(200)
        run(museway)
    assert len(museway.machine.executions) == reconcile.RESTARTS_MAX + 1
    museway.settle_down()
    assert museway.generation(generation_id)["status"] == "failed"
    assert museway.violations(at_rest=True) == []


@pytest.mark.parametrize(
    ("steps", "script", "code"),
    [
        ((), "deliver", "provider_unavailable"),
        (("submit_attempt",), "never_finish", "provider_lost"),
        (("submit_attempt",), "lose_answer", "provider_lost"),
        (("submit_attempt",), "refuse", "invalid_inputs"),
    ],
)
def test_past_the_deadline_with_nobody_at_work_the_hold_is_released(
    museway: World, steps: tuple[str, ...], script: str, code: str
) -> None:
    generation_id = dead_after(museway, *steps, script=script)
    paid = len(museway.provider.paid)
    assert run(museway)["failed"] == 1
    shown = museway.generation(generation_id)
    assert (shown["status"], shown["error"]["code"], shown["billed_micros"]) == ("failed", code, 0)
    assert museway.totals().available_micros == GRANTED_MICROS
    assert len(museway.provider.paid) == paid
    museway.settle_down()
    assert museway.violations(at_rest=True) == []


def test_past_the_deadline_what_was_collected_is_settled_and_not_thrown_away(museway: World) -> None:
    museway.provider.seconds = 5
    generation_id = dead_after(museway, "submit_attempt")
    # It dies right between bringing the outputs home and charging for them.
    attempt = tables.Attempt.find(generation_id, 1)
    assert attempt
    museway._call("poll_attempt", {"generation_id": generation_id})
    assert museway._call("collect_outputs", {"generation_id": generation_id}) == {"next": "settle"}
    assert run(museway)["settled"] == 1
    shown = museway.generation(generation_id)
    assert (shown["status"], shown["billed_micros"]) == ("completed", 39_000)
    museway.settle_down()
    assert museway.violations(at_rest=True) == []


def test_an_end_that_nobody_announced_is_announced_once(museway: World, monkeypatch: pytest.MonkeyPatch) -> None:
    generation_id = museway.generate()
    museway._deliver_stream()
    museway.machine.run_all()
    events: list[Any] = []
    monkeypatch.setattr(reconcile.aws, "client", with_bus(reconcile.aws.client, events))
    assert run(museway)["announced"] == 1
    assert run(museway) == {"equations_broken": 0}
    museway._deliver_stream()  # the record that was late
    [event] = events
    detail = json.loads(event["Detail"])
    assert (event["Source"], event["DetailType"], event["EventBusName"]) == (
        "museway",
        "GenerationCompleted",
        "museway-test",
    )
    assert (detail["generation_id"], detail["project_id"], detail["billed_micros"]) == (generation_id, PROJECT, 39_000)
    assert museway.violations(at_rest=True) == []


def with_bus(real: Any, events: list[Any], refuses: int = 0) -> Any:
    """AWS clients with a bus that remembers what was put on it, and refuses the first few."""

    class Bus:
        def put_events(self, Entries: list[Any]) -> dict[str, Any]:
            nonlocal refuses
            if refuses > 0:
                refuses -= 1
                return {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure"}]}
            events.extend(Entries)
            return {"FailedEntryCount": 0, "Entries": [{}]}

    return lambda service: Bus() if service == "events" else real(service)


def test_an_event_that_the_bus_refused_is_put_again(museway: World, monkeypatch: pytest.MonkeyPatch) -> None:
    museway.generate()
    museway._deliver_stream()
    museway.machine.run_all()
    events: list[Any] = []
    monkeypatch.setattr(reconcile.aws, "client", with_bus(reconcile.aws.client, events, refuses=1))
    assert run(museway)["failed_to_reconcile"] == 1
    assert events == []
    assert run(museway)["announced"] == 1
    assert len(events) == 1
    assert museway.violations(at_rest=True) == []


def test_running_again_does_nothing_more(museway: World) -> None:
    museway.provider.loses_webhooks = True
    for script in ("deliver", "fail", "never_finish"):
        museway.provider.scripts[museway.generate()] = script
        museway.settle_down()
    before = stored(museway)
    for _ in range(3):
        assert run(museway) == {"equations_broken": 0}
    assert stored(museway) == before


@pytest.mark.moto
def test_one_that_cannot_be_helped_keeps_nobody_else_waiting(museway: World) -> None:
    # Due in this order: a generation whose hold somebody deleted by hand, then sound ones.
    broken = museway.generate()
    museway.clock.sleep(1)
    sound = [museway.generate() for _ in range(8)]
    museway.tampered = "a hold was deleted by hand"
    museway.dynamodb.delete_item(TableName="ledger", Key={"pk": {"S": f"HOLD#{broken}"}, "sk": {"S": "HOLD"}})
    museway.clock.sleep(400)  # nobody is at work on them, and their deadline is past
    for one in (broken, *sound):
        beyond_restarts(one)
    done = run(museway)
    assert done["failed_to_reconcile"] == 1
    assert done["failed"] == len(sound)
    assert {museway.generation(one)["status"] for one in sound} == {"failed"}
    assert museway.generation(broken)["status"] == "pending"


# What cannot be finished in many tries is parked.


def without_its_hold(museway: World) -> tuple[str, dict[str, Any]]:
    """A generation that cannot be closed: somebody deleted its hold by hand. And the hold, to be put back."""
    generation_id = museway.generate()
    key = {"pk": {"S": f"HOLD#{generation_id}"}, "sk": {"S": "HOLD"}}
    hold = museway.dynamodb.get_item(TableName="ledger", Key=key)["Item"]
    museway.dynamodb.delete_item(TableName="ledger", Key=key)
    museway.clock.sleep(400)
    beyond_restarts(generation_id)
    return generation_id, hold


def parked_ids() -> list[str]:
    return [one["generation_id"] for one in operator.perform({"action": "generation.parked"})["items"]]


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of what was measured."""
    names: list[str] = []
    monkeypatch.setattr(reconcile.telemetry, "measure", lambda values, **_: names.extend(values))
    return names


@pytest.mark.moto
def test_what_fails_ten_times_is_parked_and_looked_at_once_an_hour(museway: World, measured: list[str]) -> None:
    generation_id, _ = without_its_hold(museway)
    museway.tampered = "a hold was deleted by hand"
    for _ in range(reconcile.FAILURES_MAX):
        assert run(museway)["failed_to_reconcile"] == 1
    assert parked_ids() == []
    assert "GenerationsParked" not in measured
    assert run(museway)["parked"] == 1
    assert parked_ids() == [generation_id]
    assert measured.count("GenerationsParked") == 1

    for seconds in (MINUTE, reconcile.PARKED_SECONDS - 2 * MINUTE):
        assert not {"parked", "failed_to_reconcile"} & set(run(museway, seconds))
    assert run(museway)["parked"] == 1
    assert measured.count("ReconciliationsFailed") == reconcile.FAILURES_MAX
    assert parked_ids() == [generation_id]


@pytest.mark.moto
def test_a_parked_generation_is_finished_once_it_can_be(museway: World) -> None:
    generation_id, hold = without_its_hold(museway)
    for _ in range(reconcile.FAILURES_MAX + 1):
        run(museway)
    [shown] = operator.perform({"action": "generation.parked"})["items"]
    assert (shown["project_id"], shown["status"], shown["failures"]) == (PROJECT, "pending", 11)
    museway.dynamodb.put_item(TableName="ledger", Item=hold)
    assert run(museway, reconcile.PARKED_SECONDS)["failed"] == 1
    assert parked_ids() == []
    museway.settle_down()
    assert museway.generation(generation_id)["status"] == "failed"
    assert museway.totals().available_micros == GRANTED_MICROS
    assert museway.violations(at_rest=True) == []


def test_a_parked_generation_that_moves_on_is_looked_at_as_often_as_any_other(museway: World) -> None:
    generation_id = museway.generate()
    real = museway.machine.describe_execution
    museway.machine.describe_execution = broken
    for _ in range(reconcile.FAILURES_MAX + 1):
        run(museway)
    assert parked_ids() == [generation_id]
    museway.machine.describe_execution = real
    assert run(museway, reconcile.PARKED_SECONDS)["started"] == 1
    assert parked_ids() == []
    generation = tables.Generation.find(generation_id)
    assert generation
    assert (generation.work, generation.reconcile_failures) == (jobs.work_bucket(generation_id), None)
    museway.settle_down()
    assert museway.generation(generation_id)["status"] == "failed"  # its deadline had passed
    assert museway.violations(at_rest=True) == []


def broken(**_: Any) -> Any:
    raise RuntimeError("Step Functions does not answer")


# Holds that no generation came for.


def held_without_generation(name: str = "gen_nobody") -> None:
    wanted = [ledger.Reservation(name, 5_000), ledger.Reservation(f"{name}_too", 7_000)]
    ledger.reserve(ledger.account_of(PROJECT), "key", wanted, [], ids.now(), None)


def test_a_hold_that_no_generation_came_for_is_released_after_five_minutes(museway: World) -> None:
    held_without_generation()
    assert "orphans_released" not in run(museway, reconcile.ORPHAN_SECONDS - 1)
    assert museway.totals().held_micros == 12_000
    assert run(museway, 2)["orphans_released"] == 2
    assert museway.totals() == Totals(GRANTED_MICROS, GRANTED_MICROS, 0, 0)
    assert museway.violations(at_rest=True) == []
    assert "orphans_released" not in run(museway)


def test_a_hold_whose_generation_runs_is_no_orphan(museway: World) -> None:
    museway.provider.script = "never_finish"
    museway.generate()
    museway._deliver_stream()
    assert "orphans_released" not in run(museway, reconcile.ORPHAN_SECONDS + 1)
    assert museway.totals().held_micros == 39_000


def test_a_generation_that_comes_as_its_hold_is_released_keeps_it(
    museway: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch is repeated at the last moment: the reconciler has looked, the generations come, and it releases."""
    museway.request("POST", "/v1/generate/media:batch", {"requests": [{"model": "nano-banana", "prompt": "a fox"}]})
    monkeypatch.setattr(tables.Generation, "find_all", lambda _: [])
    assert "orphans_released" not in run(museway, reconcile.ORPHAN_SECONDS + 1)
    assert museway.totals().held_micros == 39_000


def test_orphans_of_every_shard_are_found(museway: World) -> None:
    ledger.resize(PROJECT, 8)
    for number in range(12):
        held_without_generation(f"gen_{number}")
    assert len({int(ledger.hold_of(f"gen_{number}").shard) for number in range(12)}) > 1
    assert run(museway, reconcile.ORPHAN_SECONDS + 1)["orphans_released"] == 24
    assert museway.totals().available_micros == GRANTED_MICROS
    assert museway.violations(at_rest=True) == []


def test_one_projects_trouble_keeps_no_other_waiting(museway: World, monkeypatch: pytest.MonkeyPatch) -> None:
    operator.perform({"action": "project.create", "project_id": "aaa", "name": "First"})
    held_without_generation()

    def of_others(account: ledger.Account) -> Any:
        if account.project_id == "aaa":
            raise RuntimeError("its items cannot be read")
        return orphans(account)

    orphans = reconcile._orphans
    monkeypatch.setattr(reconcile, "_orphans", of_others)
    done = run(museway, reconcile.ORPHAN_SECONDS + 1)
    assert (done["failed_to_reconcile"], done["orphans_released"]) == (1, 2)


def tampered(museway: World, project_id: str, **amounts: int) -> None:
    museway.tampered = "an audit has to find a balance that is wrong"
    (balance,) = tables.Balance.all_of(project_id, 1)
    assert balance.change([getattr(tables.Balance, name).set(value) for name, value in amounts.items()])


def faults_of(project_id: str) -> list[str]:
    return audit.faults(ledger.project_of(project_id))


@pytest.fixture
def with_history(museway: World) -> World:
    """Some billed, some failed, one still held; and a second, healthy project."""
    for script in ("deliver", "fail"):
        museway.provider.scripts[museway.generate()] = script
    museway.settle_down()
    museway.generate()
    operator.perform({"action": "project.create", "project_id": "healthy", "name": "Healthy"})
    ledger.grant("healthy", 5_000_000, "1")
    assert museway.totals() == Totals(GRANTED_MICROS, GRANTED_MICROS - 2 * 39_000, 39_000, 39_000)
    return museway


def at_full_look(museway: World, hour: int, minutes_later: int = 0) -> None:
    """Go on to the minute of an hour in which the project's records are summed."""
    museway.clock.seconds = 3600.0 * hour + 60 * (reconcile.audit_minute(PROJECT) + minutes_later)


def test_a_sound_ledger_has_no_faults(with_history: World) -> None:
    assert faults_of(PROJECT) == faults_of("healthy") == []


@pytest.mark.parametrize(
    ("amounts", "words"),
    [
        ({"available_micros": 10_000_000}, ["granted"]),
        ({"granted_micros": 10_000_001, "available_micros": 9_922_001}, ["grants"]),
        ({"held_micros": 0, "available_micros": 9_961_000}, ["held"]),
        ({"spent_micros": 0, "available_micros": 9_961_000}, ["spent"]),
        ({"available_micros": -50_000, "spent_micros": 10_011_000}, ["negative", "spent"]),
    ],
)
def test_a_balance_tampered_with_is_reported_and_a_healthy_one_is_not(
    with_history: World, amounts: dict[str, int], words: list[str]
) -> None:
    tampered(with_history, PROJECT, **amounts)
    faults = faults_of(PROJECT)
    assert len(faults) == len(words), faults
    for fault, word in zip(faults, words, strict=True):
        assert fault.startswith(f"{PROJECT}: ")
        assert word in fault
    assert faults_of("healthy") == []
    # The hour's full look tells it too.
    at_full_look(with_history, hour=1)
    assert run(with_history, 0)["equations_broken"] == len(words)


def test_records_are_summed_once_an_hour_only(with_history: World) -> None:
    tampered(with_history, PROJECT, spent_micros=0, available_micros=9_961_000)
    at_full_look(with_history, hour=1, minutes_later=1)
    assert run(with_history, 0)["equations_broken"] == 0
    at_full_look(with_history, hour=2)
    assert run(with_history, 0)["equations_broken"] == 1


def test_a_listing_that_lags_for_a_moment_is_no_fault(with_history: World, monkeypatch: pytest.MonkeyPatch) -> None:
    real, looks = tables.listed, iter(["late"])

    def late(index: Any, *where: Any) -> Any:
        if index is tables.Hold.by_listing and next(looks, None):
            return iter(())
        return real(index, *where)

    monkeypatch.setattr(tables, "listed", late)
    assert faults_of(PROJECT) == []
    assert next(looks, None) is None
