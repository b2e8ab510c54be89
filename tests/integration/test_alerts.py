"""Events of low balances and near limits: once per crossing, at least once, and never in the way of anything."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from gateway import alerts, closing, events, ids, ledger, reconcile, records, tables
from gateway.provider import Finished, MediaBytes
from gateway.spending import SpendingLimit
from tests.integration.world import GRANTED_MICROS, PROJECT, World, media_file

PRICE_MICROS = 39_000


class Bus:
    """Remembers what was put on it; refuses or breaks as often as it is told to."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self.refuses = 0
        self.before_answering: Callable[[], Any] = lambda: None

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        if self.refuses:
            self.refuses -= 1
            return {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure"}]}
        self.entries += Entries
        self.before_answering()
        return {"FailedEntryCount": 0, "Entries": [{}]}

    def told(self, detail_type: str) -> list[dict[str, Any]]:
        found = [json.loads(one["Detail"]) for one in self.entries if one["DetailType"] == detail_type]
        assert all((one["Source"], one["EventBusName"]) == ("museway", "museway-test") for one in self.entries)
        return found


@pytest.fixture
def bus(museway: World, monkeypatch: pytest.MonkeyPatch) -> Bus:
    made, real = Bus(), events.aws.client
    monkeypatch.setattr(events.aws, "client", lambda service: made if service == "events" else real(service))
    return made


def set_alerts(**values: int) -> None:
    ledger.project_of(PROJECT).change([tables.Project.alerts.set(values)])


def limit_project(**limit: int) -> None:
    ledger.project_of(PROJECT).change([tables.Project.spending_limit.set(SpendingLimit(**limit).to_dict())])


def check() -> int:
    return alerts.check(ledger.project_of(PROJECT))


def take(name: str, micros: int) -> None:
    ledger.reserve(ledger.account_of(PROJECT), "key", [ledger.Reservation(name, micros)], [], ids.now(), None)


def give_back(name: str) -> None:
    with tables.transaction() as tx:
        ledger.release(tx, ledger.hold_of(name), ids.now())


# Balances.


def test_a_balance_that_gets_low_is_told_once_until_it_recovers(museway: World, bus: Bus) -> None:
    set_alerts(balance_low_micros=GRANTED_MICROS)
    assert (check(), bus.entries) == (0, [])  # just as much is not less
    for number in (1, 2):
        take(f"gen_{number}", 5)
        assert [check() for _ in range(3)] == [1, 0, 0]
        give_back(f"gen_{number}")
        assert check() == 0
    assert bus.told("BalanceLow") == [
        {
            "id": f"{PROJECT}.balance-low.{number}",
            "project_id": PROJECT,
            "available_micros": GRANTED_MICROS - 5,
            "balance_low_micros": GRANTED_MICROS,
        }
        for number in (1, 2)
    ]


def test_another_threshold_is_another_crossing(museway: World, bus: Bus) -> None:
    set_alerts(balance_low_micros=GRANTED_MICROS + 1)
    check()
    set_alerts(balance_low_micros=GRANTED_MICROS + 2)
    assert [check(), check()] == [1, 0]
    set_alerts()
    assert check() == 0
    set_alerts(balance_low_micros=GRANTED_MICROS + 2)
    assert check() == 1
    assert [one["id"][-1] for one in bus.told("BalanceLow")] == ["1", "2", "3"]


def test_the_balance_of_all_shards_counts(museway: World, bus: Bus) -> None:
    set_alerts(balance_low_micros=GRANTED_MICROS)
    ledger.resize(PROJECT, 4)
    assert check() == 0
    take("gen_one", 1)
    assert check() == 1


def test_an_event_that_the_bus_refused_is_put_again_and_not_noted_before(museway: World, bus: Bus) -> None:
    set_alerts(balance_low_micros=GRANTED_MICROS + 1)
    bus.refuses = 2
    for _ in range(2):
        with pytest.raises(RuntimeError, match="InternalFailure"):
            check()
    assert [check(), check()] == [1, 0]


def test_two_who_tell_at_once_tell_the_same_id(museway: World, bus: Bus) -> None:
    set_alerts(balance_low_micros=GRANTED_MICROS + 1)
    others = iter([check])

    def meanwhile() -> None:
        for other in others:
            other()

    bus.before_answering = meanwhile
    check()
    first, second = bus.told("BalanceLow")
    assert first == second
    assert check() == 0


# Limits.


def counted(museway: World) -> None:
    """A generation is submitted, and the stream delivers it."""
    museway.generate()
    museway._deliver_stream()


def limit_key(museway: World, **limit: int) -> tables.ApiKey:
    key = tables.ApiKey.find(museway.key_id)
    assert key
    key.change([tables.ApiKey.spending_limit.set(SpendingLimit(**limit).to_dict())])
    return key


@pytest.mark.parametrize(
    ("percent", "limit_micros", "expected"),
    [
        (None, PRICE_MICROS * 5, 4),  # at 80 of 100, unless the project says otherwise
        (50, PRICE_MICROS * 4, 2),
        (1, PRICE_MICROS * 100, 1),
        (100, PRICE_MICROS * 3, 3),
        (100, PRICE_MICROS * 3 + 1, None),
    ],
)
def test_a_limit_is_near_at_its_percentage(
    museway: World, bus: Bus, percent: int | None, limit_micros: int, expected: int | None
) -> None:
    set_alerts(**({} if percent is None else {"limit_near_percent": percent}))
    limit_project(total_micros=limit_micros)
    told_after = []
    for number in range(1, 4 if expected is None else expected + 1):
        counted(museway)
        told_after += [number] * len(bus.told("SpendingLimitNear"))
    assert told_after == ([] if expected is None else [expected])


def test_it_says_whose_limit_of_which_period_is_how_near(museway: World, bus: Bus) -> None:
    limit_project(month_micros=PRICE_MICROS)
    counted(museway)
    [told] = bus.told("SpendingLimitNear")
    assert told == {
        "id": f"PROJECT#{PROJECT}.limit-near.m2026-11.{PRICE_MICROS}.80",
        "project_id": PROJECT,
        "scope": "project",
        "key_id": None,
        "period": "month",
        "limit_micros": PRICE_MICROS,
        "counted_micros": PRICE_MICROS,
        "percent": 80,
    }


def test_each_period_is_told_once_and_again_when_it_begins_anew(museway: World, bus: Bus) -> None:
    limit_project(day_micros=2 * PRICE_MICROS, month_micros=10 * PRICE_MICROS, total_micros=3 * PRICE_MICROS)
    set_alerts(limit_near_percent=50)
    for day in range(2):
        for _ in range(2 - day):
            counted(museway)
        assert check() == 0
        museway.clock.sleep(24 * 3600)
    assert [(one["period"], one["counted_micros"] // PRICE_MICROS) for one in bus.told("SpendingLimitNear")] == [
        ("day", 1),
        ("total", 2),
        ("day", 1),
    ]
    assert len({one["id"] for one in bus.told("SpendingLimitNear")}) == 3


def test_a_limit_that_was_raised_is_told_again_when_it_is_near(museway: World, bus: Bus) -> None:
    limit_project(total_micros=PRICE_MICROS)
    counted(museway)
    limit_project(total_micros=2 * PRICE_MICROS)
    counted(museway)
    assert [one["limit_micros"] for one in bus.told("SpendingLimitNear")] == [PRICE_MICROS, 2 * PRICE_MICROS]


@pytest.mark.parametrize("limit", [{}, {"day_micros": 0}])
def test_no_limit_and_a_limit_of_nothing_are_never_near(museway: World, bus: Bus, limit: dict[str, int]) -> None:
    limit_project(**limit)
    assert check() == 0
    assert bus.entries == []


def test_a_keys_limit_is_told_with_its_key(museway: World, bus: Bus) -> None:
    key = limit_key(museway, day_micros=PRICE_MICROS)
    counter = ledger.Counter.of_key(museway.key_id, SpendingLimit(day_micros=PRICE_MICROS))
    wanted = [ledger.Reservation("gen_one", PRICE_MICROS)]
    ledger.reserve(ledger.account_of(PROJECT), museway.key_id, wanted, [counter], ids.now(), None)
    assert [alerts.check_call(PROJECT, museway.key_id) for _ in range(2)] == [1, 0]
    [told] = bus.told("SpendingLimitNear")
    assert (told["scope"], told["key_id"], told["period"]) == ("key", key.key_id, "day")
    assert told["id"].startswith(f"KEY#{key.key_id}.")
    # Noted on the key: it was not told for another.
    assert ledger.project_of(PROJECT).alerted is None


# Who looks.


def test_dispatch_looks_once_for_all_that_a_caller_began(museway: World, bus: Bus) -> None:
    set_alerts(balance_low_micros=GRANTED_MICROS)
    records = [
        {
            "eventName": "INSERT",
            "dynamodb": {
                "Keys": {"pk": {"S": f"GENERATION#{museway.generate()}"}, "sk": {"S": "GENERATION"}},
                "SequenceNumber": str(number),
            },
        }
        for number in range(3)
    ]
    calls = len(museway.faults.calls)
    assert museway._call("dispatch", {"Records": records}) == {"batchItemFailures": []}
    assert len(museway.machine.executions) == 3
    assert [one["available_micros"] for one in bus.told("BalanceLow")] == [GRANTED_MICROS - 3 * PRICE_MICROS]
    # Three generations; the project, its key, its balance; and that it was told.
    assert [one for one in museway.faults.calls[calls:] if "Item" in one] == ["GetItem"] * 6 + ["UpdateItem"]


def test_an_alert_that_fails_fails_no_dispatch(museway: World, bus: Bus) -> None:
    set_alerts(balance_low_micros=GRANTED_MICROS)
    bus.refuses = 1
    generation_id = museway.generate()
    museway._deliver_stream()
    assert set(museway.machine.executions) == {generation_id}
    assert bus.entries == []
    assert reconcile.run()["alerts"] == 1
    assert "alerts" not in reconcile.run()
    assert len(bus.told("BalanceLow")) == 1


def test_a_submit_pays_nothing_for_it(museway: World, bus: Bus) -> None:
    def calls() -> list[str]:
        before = len(museway.faults.calls)
        museway.generate()
        return museway.faults.calls[before:]

    calls()
    without = calls()
    set_alerts(balance_low_micros=GRANTED_MICROS, limit_near_percent=1)
    assert calls() == without


def test_the_reconciler_tells_each_project_its_own(museway: World, bus: Bus) -> None:
    tables.Project("PROJECT#acme", "PROJECT", project_id="acme", name="Acme", created_at="now").insert()
    for project in tables.Project.every():
        project.change([tables.Project.alerts.set({"balance_low_micros": 1_000})])
    assert reconcile.run()["alerts"] == 1
    assert [one["project_id"] for one in bus.told("BalanceLow")] == ["acme"]


def test_a_refused_alert_of_one_project_is_reported_and_keeps_no_other_waiting(museway: World, bus: Bus) -> None:
    tables.Project("PROJECT#acme", "PROJECT", project_id="acme", name="Acme", created_at="now").insert()
    for project in tables.Project.every():
        project.change([tables.Project.alerts.set({"balance_low_micros": 2 * GRANTED_MICROS})])
    bus.refuses = 1
    done = reconcile.run()
    assert (done["alerts"], done["failed_to_reconcile"]) == (1, 1)
    assert reconcile.run()["alerts"] == 1
    assert {one["project_id"] for one in bus.told("BalanceLow")} == {"acme", PROJECT}


# What the operator's alarms watch.


@pytest.mark.parametrize(
    ("cost_usd", "loss_micros", "expected"),
    [
        (None, 0, {}),
        ("0.039", 0, {}),
        ("0.05", 0, {"ProviderCostDriftMicros": 11_000}),
        ("0.03", 7, {"ProviderCostDriftMicros": 9_000, "OperatorLossMicros": 7}),
    ],
)
def test_costs_that_alarms_watch_are_measured_without_the_model_too(
    museway: World, monkeypatch: pytest.MonkeyPatch, cost_usd: str | None, loss_micros: int, expected: dict[str, int]
) -> None:
    measured: list[tuple[dict[str, Any], dict[str, str]]] = []
    monkeypatch.setattr(closing.telemetry, "measure", lambda values, **names: measured.append((dict(values), names)))
    museway.tampered = (loss_micros and "a record says of a loss what its lines do not") or None
    real = records.billing_record
    monkeypatch.setattr(records, "billing_record", lambda *given: real(*given) | {"loss_micros": loss_micros})
    made = (MediaBytes(*media_file("png")),)
    museway.provider.submit = lambda _: Finished(made, cost_usd=cost_usd)
    generation_id = museway.generate()
    museway.settle_down()
    assert museway.generation(generation_id)["status"] == "completed"
    overall = [values for values, names in measured if names == {"service": "museway-test"}]
    assert overall == ([expected] if expected else [])
    [by_model] = [values for values, names in measured if names and "SettledMicros" in values]
    assert by_model.items() >= expected.items()
