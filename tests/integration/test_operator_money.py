"""The operator's door for money: corrections, refunds, shards, audits; and what it refuses without a trace."""

from typing import Any

import pytest

from gateway import audit, ledger, tables
from tests.integration.test_operator import admin, stored
from tests.integration.world import GRANTED_MICROS, PROJECT, World

PRICE_MICROS = 39_000
TOO_MUCH_MICROS = ledger.AMOUNT_MICROS_MAX + 1


@pytest.fixture
def charged(museway: World) -> str:
    generation_id = museway.generate()
    museway.settle_down()
    return generation_id


def test_projects_are_listed_in_order(museway: World) -> None:
    admin(museway, "project.create", project_id="acme", name="Acme")
    items = [{"project_id": "acme", "name": "Acme"}, {"project_id": PROJECT, "name": "Demo"}]
    assert admin(museway, "project.list") == {"items": items}


def test_an_adjustment_is_made_once_per_id_and_kept_with_its_reason(museway: World) -> None:
    museway.clock.sleep(1)
    for _ in range(2):
        answer = admin(
            museway, "project.adjust", project_id=PROJECT, amount_micros=-125_000, adjust_id="a", note="granted twice"
        )
        assert answer["available_micros"] == GRANTED_MICROS - 125_000
    assert museway.totals().granted_micros == GRANTED_MICROS - 125_000
    entry = museway.request("GET", "/v1/ledger")[1]["items"][0]
    assert (entry["type"], entry["amount_micros"], entry["note"]) == ("adjust", -125_000, "granted twice")
    assert museway.violations() == []


def test_a_refund_repeated_gives_back_once(museway: World, charged: str) -> None:
    for _ in range(2):
        answer = admin(museway, "generation.refund", generation_id=charged, refund_id="whole", note="blurred")
        assert answer == {
            "generation_id": charged,
            "project_id": PROJECT,
            "charged_micros": PRICE_MICROS,
            "refunded_micros": PRICE_MICROS,
        }
    assert museway.totals() == ledger.Totals(GRANTED_MICROS, GRANTED_MICROS, 0, 0)
    assert museway.violations(at_rest=True) == []


def test_a_part_and_then_all_that_is_left(museway: World, charged: str) -> None:
    admin(museway, "generation.refund", generation_id=charged, amount_micros=9_000, refund_id="9000")
    answer = admin(museway, "generation.refund", generation_id=charged, refund_id="whole")
    assert answer["refunded_micros"] == PRICE_MICROS
    assert museway.violations(at_rest=True) == []


REFUSED: list[tuple[str, dict[str, Any], str, str | None]] = [
    *(
        ("project.adjust", {"amount_micros": amount, "adjust_id": "a", "note": "x"}, "invalid_request", field)
        for field in ["amount_micros"]
        for amount in (0, 1.0, -1.5, True, "1", None, [1], TOO_MUCH_MICROS, -TOO_MUCH_MICROS)
    ),
    ("project.adjust", {"amount_micros": 1, "note": "x"}, "invalid_request", "adjust_id"),
    ("project.adjust", {"amount_micros": 1, "adjust_id": "a"}, "invalid_request", "note"),
    ("project.adjust", {"amount_micros": 1, "adjust_id": "a", "note": " "}, "invalid_request", "note"),
    (
        "project.adjust",
        {"amount_micros": -GRANTED_MICROS - 1, "adjust_id": "a", "note": "x"},
        "insufficient_credits",
        None,
    ),
    ("project.grant", {"amount_micros": TOO_MUCH_MICROS, "grant_id": "1"}, "invalid_request", "amount_micros"),
    *(
        ("generation.refund", {"amount_micros": amount, "refund_id": "r"}, "invalid_request", field)
        for field in ["amount_micros"]
        for amount in (0, -1, 1.0, True, "1", [1], TOO_MUCH_MICROS)
    ),
    ("generation.refund", {}, "invalid_request", "refund_id"),
    (
        "generation.refund",
        {"amount_micros": PRICE_MICROS + 1, "refund_id": "r"},
        "refund_above_charge",
        "amount_micros",
    ),
    *(
        ("generation.refund", {"generation_id": name, "refund_id": "r"}, "invalid_request", "generation_id")
        for name in (None, "", 5)
    ),
    ("generation.refund", {"generation_id": "gen_unknown", "refund_id": "r"}, "not_found", None),
    *(
        ("project.shards", {"shard_count": count}, "invalid_request", "shard_count")
        for count in (0, -1, 65, "x", "8", 8.0, True, None)
    ),
    *(
        (action, {"project_id": "nobody", **request_}, "not_found", None)
        for action, request_ in (
            ("project.adjust", {"amount_micros": 1, "adjust_id": "a", "note": "x"}),
            ("project.shards", {"shard_count": 8}),
            ("project.audit", {}),
        )
    ),
    ("project.audit", {"project_id": 5}, "invalid_request", "project_id"),
]


def test_what_cannot_be_is_refused_and_changes_nothing(museway: World, charged: str) -> None:
    before = stored(museway, "projects"), stored(museway, "ledger")
    for action, request_, code, field in REFUSED:
        case = action, request_
        answer = admin(museway, action, **({"project_id": PROJECT, "generation_id": charged} | request_))
        assert (answer["error"], answer.get("field")) == (code, field), case
        assert answer["message"], case
        assert answer["hint"], case
        assert (stored(museway, "projects"), stored(museway, "ledger")) == before, case


@pytest.mark.parametrize("script", ["never_finish", "fail"])
def test_what_was_not_charged_is_not_refunded(museway: World, script: str) -> None:
    museway.provider.script = script
    generation_id = museway.generate()
    for _ in range(2):
        answer = admin(museway, "generation.refund", generation_id=generation_id, refund_id="whole")
        assert (answer["error"], answer["charged_micros"]) == ("refund_above_charge", 0)
        museway.settle_down()
    assert museway.violations(at_rest=True) == []


@pytest.mark.parametrize(
    ("action", "id_field", "given"),
    [
        ("project.adjust", "adjust_id", {"project_id": PROJECT, "note": "x"}),
        ("generation.refund", "refund_id", {}),
    ],
)
def test_an_id_stands_for_one_amount(
    museway: World, charged: str, action: str, id_field: str, given: dict[str, Any]
) -> None:
    given = {"generation_id": charged, id_field: "once"} | given
    assert "error" not in admin(museway, action, amount_micros=7, **given)
    before = stored(museway, "ledger")
    answer = admin(museway, action, amount_micros=8, **given)
    assert (answer["error"], answer["field"]) == (f"{id_field}_reused", id_field)
    assert stored(museway, "ledger") == before


def test_an_adjustment_and_a_grant_of_one_id_are_two(museway: World) -> None:
    admin(museway, "project.grant", project_id=PROJECT, amount_micros=5, grant_id="1")
    admin(museway, "project.adjust", project_id=PROJECT, amount_micros=5, adjust_id="1", note="x")
    assert museway.totals().granted_micros == GRANTED_MICROS + 10


def test_an_audit_tells_the_money_and_its_faults(museway: World, charged: str) -> None:
    sound = admin(museway, "project.audit", project_id=PROJECT)
    assert sound == {
        "project_id": PROJECT,
        "shards": 1,
        **museway.totals().to_dict(),
        "faults": [],
    }
    # Somebody changed a settlement's entry by hand.
    entry = tables.Entry.find(f"settle-{charged}")
    assert entry
    entry.change([tables.Entry.amount_micros.set(1)])
    assert admin(museway, "project.audit", project_id=PROJECT)["faults"] == [
        f"{PROJECT}: shard 0: spent 39000 is not the 1 of its settlements less refunds",
        f"{PROJECT}: {charged}: settled 1, recorded 39000",
    ]


def test_a_refund_above_its_charge_is_a_fault(museway: World, charged: str) -> None:
    admin(museway, "generation.refund", generation_id=charged, amount_micros=9_000, refund_id="r")
    museway.tampered = "an audit has to find a refund that is wrong"
    entry = tables.Entry.find(f"refund-{charged}#r")
    assert entry
    entry.change([tables.Entry.amount_micros.set(PRICE_MICROS + 1)])
    assert f"{PROJECT}: {charged}: refunded 39001 of 39000" in audit.faults(ledger.project_of(PROJECT))
