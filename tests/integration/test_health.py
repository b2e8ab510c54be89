"""How offers do, from the attempts of the steps to who is asked next: counted, judged each minute, told, read."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from gateway import breaker, health, providers, tables
from gateway.breaker import CLOSED, HALF_OPEN, OPEN, OfferHealth
from gateway.provider import Failed, Refused
from tests.chaos.faults import error_before
from tests.chaos.stories import priced, two_offers
from tests.integration.test_store import Compared
from tests.integration.world import World, world

FIRST, SECOND = "nano-banana@fal", "nano-banana@replicate"
UNAVAILABLE = Refused("provider_unavailable", "down", retryable=True)


class Outage:
    """The first provider is down while told so; whoever asks the second is served."""

    def __init__(self, museway: World) -> None:
        self.museway = museway
        self.is_on = True
        self.asked: list[str] = []

    def provider(self, name: str) -> Any:
        self.asked.append(name)
        return self if self.is_on and name == "fal" else self.museway.provider

    def submit(self, _submission: Any) -> Any:
        return UNAVAILABLE


def dearer_second(compiled: dict[str, Any]) -> None:
    """Two offers of every model; the second asks for more, so that the first comes first while it does well."""
    two_offers(compiled)
    for model in compiled["models"]:
        model["offers"][1] = model["offers"][1] | {"costs": priced(model, "0.05")["price_books"]}


@pytest.fixture
def museway() -> Iterator[World]:
    """A world in which every model has two offers."""
    with world(in_memory=True, models={"nano-banana"}, changed=dearer_second) as made:
        yield made


@pytest.fixture
def outage(museway: World, monkeypatch: pytest.MonkeyPatch) -> Outage:
    made = Outage(museway)
    monkeypatch.setattr(providers, "provider", made.provider)
    return made


def run(museway: World, times: int = 1) -> list[list[str]]:
    """Generations from beginning to end; the offers that each was sent to."""
    made = [museway.generate() for _ in range(times)]
    museway.settle_down()
    return [[one["offer"] for one in museway.generation(made_id)["attempts"]] for made_id in made]


def judged(museway: World, offer_id: str = FIRST) -> OfferHealth:
    """How an offer does a minute later, as a container sees it then."""
    museway.reconcile(after_seconds=61)
    return health.of(offer_id)


def counters(museway: World) -> list[str]:
    """What was counted, without the minutes."""
    items = museway.store.tables["catalog"].items()
    found = [(sk.partition("#")[2], int(item["attempts"]["N"])) for (pk, sk), item in items if pk[:7] == "HEALTH#"]
    return sorted(end for end, count in found for _ in range(count))


def told(museway: World) -> list[tuple[str, str]]:
    events = [one for one in museway.store.events if one["DetailType"] == "ProviderHealthChanged"]
    return [(detail["offer"], detail["state"]) for detail in (json.loads(one["Detail"]) for one in events)]


def test_a_failing_provider_is_passed_over_tried_again_and_taken_back(museway: World, outage: Outage) -> None:
    assert run(museway, 5) == [[FIRST, SECOND]] * 5
    failing = judged(museway)
    assert (failing.state, failing.success_rate, failing.samples) == (OPEN, 0, 5)
    assert judged(museway, SECOND).success_rate == 1
    assert run(museway, 20) == [[SECOND]] * 20
    while health.of(FIRST).state == OPEN:
        judged(museway)
    assert health.of(FIRST).state == HALF_OPEN
    # A hundred generations, one after the other, would outlast the snapshot.
    outage.is_on, museway.provider.script = False, "deliver_at_once"
    tried = run(museway, 100)
    assert 2 < sum(offers == [FIRST] for offers in tried) < 25
    assert all(offers in ([FIRST], [SECOND]) for offers in tried)
    # What ended in the minute in which it began to be tried does not count yet.
    while health.of(FIRST).state == HALF_OPEN:
        run(museway, 10)
        judged(museway)
    assert health.of(FIRST).state == CLOSED
    assert run(museway, 5) == [[FIRST]] * 5
    assert told(museway) == [(FIRST, OPEN), (FIRST, HALF_OPEN), (FIRST, CLOSED)]


def test_a_provider_that_is_still_down_is_left_again_by_its_probes(museway: World, outage: Outage) -> None:
    run(museway, 5)
    while judged(museway).state != HALF_OPEN:
        pass
    while health.of(FIRST).state == HALF_OPEN:
        assert {offers[-1] for offers in run(museway, 10)} == {SECOND}
        judged(museway)
    assert health.of(FIRST).state == OPEN
    assert told(museway) == [(FIRST, OPEN), (FIRST, HALF_OPEN), (FIRST, OPEN)]


def test_the_last_offer_is_asked_though_its_breaker_is_open(museway: World, outage: Outage) -> None:
    run(museway, 5)
    assert judged(museway).state == OPEN
    museway.provider.script = "turn_away"
    assert run(museway) == [[SECOND, FIRST]]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("deliver", [f"{FIRST}#image*1#+012"]),
        ("deliver_at_once", [f"{FIRST}#image*1#-014"]),
        ("turn_away, deliver_at_once", [f"{FIRST}##failed", f"{SECOND}#image*1#-014"]),
        ("fail", [f"{FIRST}##failed", f"{SECOND}##failed"]),
        ("never_finish", [f"{FIRST}##failed"]),
        ("deliver_nothing", [f"{FIRST}##failed", f"{SECOND}##failed"]),
        ("refuse", []),
        ("withhold_at_once", []),
    ],
)
def test_each_attempt_that_ended_is_counted_once(museway: World, script: str, expected: list[str]) -> None:
    museway.provider.script = script
    run(museway)
    assert counters(museway) == expected


@pytest.mark.parametrize("code", ["moderated_output", "invalid_inputs"])
def test_what_lies_with_the_call_is_not_counted(museway: World, code: str) -> None:
    museway.provider.script, museway.provider.failure = "fail", Failed(code, "no", retryable=False)
    run(museway)
    assert counters(museway) == []


def test_a_cancelled_attempt_is_not_counted(museway: World) -> None:
    generation_id = museway.generate()
    museway.clock.after(3, lambda: museway.request("POST", f"/v1/generations/{generation_id}/cancel"))
    museway.settle_down()
    assert museway.generation(generation_id)["status"] == "cancelled"
    assert counters(museway) == []


def test_counters_expire(museway: World) -> None:
    run(museway)
    [item] = [item for (pk, _), item in museway.store.tables["catalog"].items() if pk[:7] == "HEALTH#"]
    ahead_seconds = int(item["expires_at"]["N"]) - museway.clock.now().timestamp()
    assert breaker.WINDOW_MINUTES * 60 < ahead_seconds <= health.COUNTER_SECONDS


@pytest.mark.parametrize("script", ["deliver", "turn_away, deliver"])
def test_a_count_that_fails_changes_nothing(museway: World, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    museway.provider.script = script
    monkeypatch.setattr(tables.OutcomeCount, "add", lambda *_: 1 / 0)
    generation_id = museway.generate()
    museway.settle_down()
    assert museway.generation(generation_id)["status"] == "completed"
    assert museway.violations(at_rest=True) == []


# The snapshot


def test_nothing_is_written_where_nothing_is_known(museway: World) -> None:
    judged(museway)
    assert tables.HealthSnapshot.find() is None


def test_it_is_read_once_in_ten_seconds(museway: World) -> None:
    def reads() -> int:
        before = museway.faults.calls.count("GetItem")
        health.snapshot()
        return museway.faults.calls.count("GetItem") - before

    assert [reads(), reads()] == [1, 0]
    museway.clock.sleep(health.KEPT_SECONDS)
    assert [reads(), reads()] == [1, 0]


def test_who_cannot_read_it_goes_on_with_what_was_known(museway: World, outage: Outage) -> None:
    run(museway, 5)
    assert judged(museway).state == OPEN
    museway.clock.sleep(health.KEPT_SECONDS)
    museway.faults.each_of["GetItem"] = error_before
    assert health.of(FIRST).state == OPEN
    health.forget()
    assert health.snapshot() == {}


def test_a_snapshot_that_nobody_renews_holds_nothing_against_anybody(museway: World, outage: Outage) -> None:
    run(museway, 5)
    assert judged(museway).state == OPEN
    museway.clock.sleep(health.STALE_SECONDS + 1)
    assert health.of(FIRST).takes("gen_1")


def test_a_snapshot_of_another_shape_is_none(museway: World) -> None:
    tables.HealthSnapshot.replace(None, {FIRST: {"state": "open"}}, [], "2026-11-21T00:00:00.000000Z")
    assert health.snapshot() == {}


def test_another_who_writes_meanwhile_is_not_overwritten(museway: World, outage: Outage) -> None:
    run(museway, 5)
    judged(museway)
    before = tables.HealthSnapshot.find()
    assert tables.HealthSnapshot.replace(tables.HealthSnapshot.find(), {}, [], "later")
    assert tables.HealthSnapshot.replace(before, {FIRST: {}}, [], "earlier") is None
    assert tables.HealthSnapshot.replace(None, {FIRST: {}}, [], "first") is None
    assert tables.HealthSnapshot.find().offers == {}


# What is told


def test_a_change_that_the_bus_refused_is_told_the_next_time_under_the_same_id(museway: World, outage: Outage) -> None:
    run(museway, 5)
    museway.faults.each_of["PutEvents"] = error_before
    assert judged(museway).state == OPEN
    assert told(museway) == []
    [waiting] = tables.HealthSnapshot.find().untold
    museway.faults.each_of.clear()
    judged(museway)
    [event] = [one for one in museway.store.events if one["DetailType"] == "ProviderHealthChanged"]
    detail = json.loads(event["Detail"])
    assert detail == waiting
    assert detail["id"] == f"{FIRST}.open.{detail['since']}"
    assert {name: detail[name] for name in ("provider", "state", "was", "samples", "success_rate")} == {
        "provider": "fal", "state": "open", "was": "closed", "samples": 5, "success_rate": 0,
    }  # fmt: skip


def test_a_change_that_was_told_and_not_noted_is_told_again_as_the_same(museway: World, outage: Outage) -> None:
    run(museway, 5)
    monkey = pytest.MonkeyPatch()
    with monkey.context() as patch:
        patch.setattr(tables.HealthSnapshot, "note_told", lambda _: None)
        judged(museway)
    judged(museway)
    first, second = (one for one in museway.store.events if one["DetailType"] == "ProviderHealthChanged")
    assert json.loads(first["Detail"]) == json.loads(second["Detail"])
    judged(museway)
    assert len(told(museway)) == 3  # the two, and that it is half open


def test_open_breakers_are_measured(museway: World, outage: Outage, monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[dict[str, Any]] = []
    monkeypatch.setattr(health.telemetry, "measure", lambda values, **names: measured.append({**values, **names}))
    run(museway, 5)
    museway.clock.sleep(1)
    health.assess()
    assert {"OffersOpen": 1} in measured
    assert {"OfferHealthChanges": 1, "provider": "fal", "state": "open"} in measured


def test_offers_that_cannot_be_judged_keep_no_money_waiting(museway: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "assess", lambda: 1 / 0)
    done = museway._call("reconcile", {})
    assert (done["failed_to_reconcile"], done["equations_broken"]) == (1, 0)


@pytest.mark.parametrize(
    ("offer_id", "provider"),
    [("nano-banana@fal", "fal"), ("a/b-2@openai-2", "openai"), ("a@b@elevenlabs-12", "elevenlabs"), ("none", "")],
)
def test_an_offers_id_names_its_provider(offer_id: str, provider: str) -> None:
    assert health.provider_of(offer_id) == provider


# Who looks


def healthy(museway: World) -> list[bool]:
    health.forget()
    _, model, _ = museway.request("GET", "/v1/models/nano-banana", key=None)
    _, models, _ = museway.request("GET", "/v1/models", key=None)
    assert models["items"] == [model]
    return [offer["healthy"] for offer in model["offers"]]


def test_models_show_which_offers_do_well(museway: World, outage: Outage) -> None:
    assert healthy(museway) == [True, True]
    run(museway, 5)
    judged(museway)
    assert healthy(museway) == [False, True]
    judged(museway)
    judged(museway)
    assert healthy(museway) == [True, True]  # half open


def admin(museway: World, action: str, **request: Any) -> dict[str, Any]:
    answer: dict[str, Any] = museway._call("admin", {"action": action} | request)
    return answer


def test_the_operator_sees_every_offer_and_closes_a_breaker_by_hand(museway: World, outage: Outage) -> None:
    run(museway, 5)
    judged(museway)
    first, second = admin(museway, "provider.list")["items"]
    assert (first["offer"], first["state"], first["success_rate"], first["samples"]) == (FIRST, "open", 0, 5)
    assert (first["p50_seconds"], first["since"] is None) == (None, False)
    assert (second["provider"], second["state"], second["success_rate"]) == ("replicate", "closed", 1)
    assert second["p50_seconds"] == pytest.approx(8, rel=0.3)
    museway.clock.sleep(1)
    closed = admin(museway, "provider.reset", offer=FIRST)
    assert (closed["state"], closed["since"] > first["since"]) == ("closed", True)
    outage.is_on = False
    assert run(museway) == [[FIRST]]
    # The failures of before are within the window still, and open nothing.
    assert judged(museway).state == CLOSED
    assert told(museway) == [(FIRST, OPEN), (FIRST, CLOSED)]


def test_a_reset_of_what_does_well_changes_nothing(museway: World) -> None:
    assert admin(museway, "provider.reset", offer=FIRST)["state"] == "closed"
    assert tables.HealthSnapshot.find() is None
    run(museway)
    judged(museway)
    assert admin(museway, "provider.reset", offer=FIRST)["state"] == "closed"
    judged(museway)
    assert told(museway) == []


@pytest.mark.parametrize(("offer", "error"), [("nobody@fal", "not_found"), ("", "invalid_request")])
def test_only_an_offer_can_be_reset(museway: World, offer: str, error: str) -> None:
    assert admin(museway, "provider.reset", offer=offer)["error"] == error


def test_a_reset_among_others_who_write_gives_up_in_the_end(museway: World, outage: Outage) -> None:
    run(museway, 5)
    judged(museway)
    real = tables.HealthSnapshot.replace
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables.HealthSnapshot, "replace", lambda *_: None)
        assert admin(museway, "provider.reset", offer=FIRST)["error"] == "unavailable"
        answers = iter([lambda *_: None, real])
        patch.setattr(tables.HealthSnapshot, "replace", lambda *given: next(answers)(*given))
        assert admin(museway, "provider.reset", offer=FIRST)["state"] == "closed"


def test_the_store_in_memory_answers_it_as_the_emulator_does(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = Compared()
    with world(models={"nano-banana"}, changed=two_offers, compared=compared.compare) as museway:
        outage = Outage(museway)
        monkeypatch.setattr(providers, "provider", outage.provider)
        run(museway, 5)
        assert judged(museway).state == OPEN
        assert run(museway) == [[SECOND]]
        assert admin(museway, "provider.reset", offer=FIRST)["state"] == CLOSED
        judged(museway)
        monkeypatch.undo()
    assert compared.differing == []
