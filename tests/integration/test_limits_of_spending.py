"""Spending limits: checked with the hold, counted in full, given back as it settles."""

from typing import Any

import pytest

from gateway import auth, ids, keys, ledger, operator, projects, tables
from gateway.errors import BadRequest, InsufficientCredits, InvalidField
from tests.integration.world import GRANTED_MICROS, PROJECT, World

PRICE_MICROS = 39_000
BODY = {"model": "nano-banana", "prompt": "a fox"}


def limit_project(**limit: int) -> None:
    projects.change_settings(PROJECT, {"spending_limit": limit})


def submit(museway: World, **changes: Any) -> tuple[int, dict[str, Any]]:
    return museway.request("POST", "/v1/generate/media", BODY | changes)[:2]


@pytest.mark.parametrize("period", ["day", "month", "total"])
def test_a_limit_refuses_what_does_not_fit_and_changes_nothing(museway: World, period: str) -> None:
    limit_project(**{f"{period}_micros": 2 * PRICE_MICROS + 1})
    assert [submit(museway)[0] for _ in range(2)] == [202, 202]
    before = museway.totals()
    status, refused = submit(museway)
    assert (status, refused["error"]) == (402, "spending_limit_reached")
    told = {name: refused[name] for name in ("scope", "period", "limit_micros", "counted_micros", "needed_micros")}
    assert told == {
        "scope": "project",
        "period": period,
        "limit_micros": 2 * PRICE_MICROS + 1,
        "counted_micros": 2 * PRICE_MICROS,
        "needed_micros": PRICE_MICROS,
    }
    assert museway.totals() == before
    assert museway.violations() == []


def test_a_call_dearer_than_the_limit_is_refused_though_nothing_was_counted_yet(museway: World) -> None:
    limit_project(day_micros=PRICE_MICROS - 1)
    assert submit(museway)[0] == 402


def test_what_is_released_or_not_charged_makes_room_again(museway: World) -> None:
    limit_project(total_micros=2 * PRICE_MICROS)
    museway.provider.scripts[museway.generate()] = "fail"
    museway.generate(num_images=1)
    assert submit(museway)[0] == 402
    museway.settle_down()
    assert submit(museway)[0] == 202
    assert submit(museway)[0] == 402
    museway.settle_down()
    assert museway.violations(at_rest=True) == []


def test_a_new_day_and_a_new_month_begin_at_nothing(museway: World) -> None:
    limit_project(day_micros=PRICE_MICROS, month_micros=2 * PRICE_MICROS)
    assert [submit(museway)[0] for _ in range(2)] == [202, 402]
    museway.clock.sleep(24 * 3600)
    assert [submit(museway)[0] for _ in range(2)] == [202, 402]
    museway.clock.sleep(24 * 3600)
    assert submit(museway)[1]["period"] == "month"
    museway.clock.sleep(10 * 24 * 3600)
    assert submit(museway)[0] == 202


def test_a_limit_set_later_knows_what_came_before(museway: World) -> None:
    museway.generate()
    museway.settle_down()
    museway.generate()  # still held
    limit_project(total_micros=3 * PRICE_MICROS)
    assert museway.request("GET", "/v1/balance")[1]["limits"]["project"]["total"] == {
        "limit_micros": 3 * PRICE_MICROS,
        "counted_micros": 2 * PRICE_MICROS,
    }
    limit_project(total_micros=3 * PRICE_MICROS)  # counting begins once
    assert [submit(museway)[0] for _ in range(2)] == [202, 402]
    museway.provider.script = "fail"
    museway.settle_down()
    counted = museway.request("GET", "/v1/balance")[1]["limits"]["project"]["total"]["counted_micros"]
    assert counted == museway.totals().spent_micros == PRICE_MICROS


def test_a_keys_limit_binds_the_key_alone(museway: World) -> None:
    limited = {"name": "limited", "scopes": ["generate"], "spending_limit": {"day_micros": PRICE_MICROS}}
    key = operator.perform({"action": "project.key", "project_id": PROJECT, **limited})
    ask = ("POST", "/v1/generate/media", BODY)
    assert [museway.request(*ask, key=key["api_key"])[0] for _ in range(2)] == [202, 402]
    assert submit(museway)[0] == 202
    # A limit that is raised goes on from what was counted since the key was made.
    path = f"/v1/keys/{key['key_id']}"
    keys.change(PROJECT, key["key_id"], {"spending_limit": {"day_micros": 2 * PRICE_MICROS}})
    assert museway.request("GET", path)[1]["counted"]["day"]["counted_micros"] == PRICE_MICROS
    assert [museway.request(*ask, key=key["api_key"])[0] for _ in range(2)] == [202, 402]
    # One that is taken off is counted all the same, for the next.
    keys.change(PROJECT, key["key_id"], {"spending_limit": None})
    assert museway.request(*ask, key=key["api_key"])[0] == 202
    keys.change(PROJECT, key["key_id"], {"spending_limit": {"total_micros": 3 * PRICE_MICROS}})
    assert museway.request(*ask, key=key["api_key"])[0] == 402
    museway.settle_down()
    assert museway.violations(at_rest=True) == []


# Grants, adjustments, refunds.


@pytest.mark.parametrize("amount", [0, -1, 1.5, 10**15 + 1, "5", True, None])
def test_a_grant_that_is_no_amount_is_refused(museway: World, amount: Any) -> None:
    before = museway.totals()
    request = {"action": "project.grant", "project_id": PROJECT, "amount_micros": amount, "grant_id": "x"}
    with pytest.raises(InvalidField) as refused:
        operator.perform(request)
    assert refused.value.fields["field"] == "amount_micros"
    assert museway.totals() == before


def test_a_grant_counts_once_and_its_id_stands_for_one_amount(museway: World) -> None:
    assert ledger.grant(PROJECT, 5, "x") == ledger.grant(PROJECT, 5, "x")
    with pytest.raises(BadRequest) as refused:
        ledger.grant(PROJECT, 6, "x")
    assert refused.value.error_code == "grant_id_reused"
    assert museway.totals().granted_micros == GRANTED_MICROS + 5


def test_an_adjustment_goes_both_ways_but_not_below_nothing(museway: World) -> None:
    ledger.adjust(PROJECT, -4_000_000, "a", "granted twice")
    ledger.adjust(PROJECT, 1_000_000, "b", "not that much")
    assert museway.totals().available_micros == GRANTED_MICROS - 3_000_000
    with pytest.raises(InsufficientCredits):
        ledger.adjust(PROJECT, -GRANTED_MICROS, "c", "too much")
    with pytest.raises(InvalidField):
        ledger.adjust(PROJECT, 0, "d", "nothing")
    assert museway.violations() == []


@pytest.fixture
def charged(museway: World) -> str:
    generation_id = museway.generate()
    museway.settle_down()
    return generation_id


def test_a_refund_gives_back_at_most_the_charge(museway: World, charged: str) -> None:
    ledger.refund(charged, 9_000, "first", "a blurred eye")
    ledger.refund(charged, 9_000, "first")
    assert museway.totals().spent_micros == PRICE_MICROS - 9_000
    with pytest.raises(BadRequest) as refused:
        ledger.refund(charged, PRICE_MICROS - 8_999, "second")
    assert (refused.value.error_code, refused.value.fields["refunded_micros"]) == ("refund_above_charge", 9_000)
    with pytest.raises(BadRequest, match="another amount"):
        ledger.refund(charged, 1, "first")
    held = ledger.refund(charged, None, "rest")
    assert int(held.refunded_micros) == PRICE_MICROS
    with pytest.raises(BadRequest):
        ledger.refund(charged, None, "more")
    assert museway.totals() == ledger.Totals(GRANTED_MICROS, GRANTED_MICROS, 0, 0)
    assert museway.violations(at_rest=True) == []


def test_what_was_not_charged_cannot_be_refunded(museway: World) -> None:
    generation_id = museway.generate()
    for _ in range(2):
        with pytest.raises(BadRequest):
            ledger.refund(generation_id, None, "x")
        museway.provider.script = "fail"
        museway.settle_down()
    assert museway.violations(at_rest=True) == []


def test_a_settle_after_a_release_and_a_release_after_a_settle_change_nothing(museway: World, charged: str) -> None:
    before = museway.totals()
    record = tables.Record.find(charged).body
    closings = (
        lambda tx, held: ledger.settle(tx, held, record, ids.now()),
        lambda tx, held: ledger.release(tx, held, ids.now()),
    )
    for close in closings:
        with pytest.raises(tables.ConditionFailed) as failed, tables.transaction() as tx:
            close(tx, ledger.hold_of(charged))
        assert "hold" in failed.value.labels
    assert museway.totals() == before


def test_a_charge_above_the_hold_is_no_charge(museway: World) -> None:
    held = ledger.hold_of(museway.generate())
    record = {"amount_micros": PRICE_MICROS + 1, "created_at": "x", "session_id": None}
    with pytest.raises(ValueError, match="does not fit"), tables.transaction() as tx:
        ledger.settle(tx, held, record, ids.now())
    assert museway.violations() == []


def test_a_principal_of_an_authorizer_has_no_limit_by_itself(museway: World) -> None:
    assert auth.from_context({"project_id": "p", "key_id": "k", "scopes": "read"}).spending_limit is None
