"""What a call costs us: as the provider reports it, else by the catalog's rates, else unknown; and what is left."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from gateway import operator, telemetry
from gateway.errors import InvalidField
from museway.records import verify
from tests.integration.world import PROJECT, World, world

LIST_MICROS, COST_MICROS = 39_000, 30_000
ROW = {"row_id": "cost", "components": [{"unit": "image", "rate": "0.03", "meter": "outputs", "modality": "image"}]}
BOOK = {"effective_from": "2026-01-01T00:00:00+00:00", "version": "costs-1", "rows": [ROW]}


def costly(compiled: dict[str, Any]) -> None:
    (model,) = compiled["models"]
    for offer in model["offers"]:
        offer["costs"] = [BOOK]


@contextmanager
def sold(changed: Callable[[dict[str, Any]], None] | None = costly) -> Iterator[World]:
    with world(models=["nano-banana"], in_memory=True, changed=changed) as made:
        yield made


def record_of(museway: World, **inputs: Any) -> dict[str, Any]:
    generation_id = museway.generate(**inputs)
    museway.settle_down()
    found = museway.request("GET", "/v1/records")[1]["items"]
    (record,) = [one for one in found if one["generation_id"] == generation_id]
    assert verify([record]) == []
    return record


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, float]]:
    """The metrics of everything that was settled."""
    found: list[dict[str, float]] = []
    real = telemetry.measure

    def measure(metrics: dict[str, float], **dimensions: str) -> None:
        found.append(dict(metrics))
        real(metrics, **dimensions)

    monkeypatch.setattr(telemetry, "measure", measure)
    return found


def test_without_a_report_it_is_computed_over_what_was_delivered() -> None:
    with sold() as museway:
        museway.provider.outputs = 3
        cost = record_of(museway, num_images=4)["provider_cost"]
    assert cost["amount_micros"] == 3 * COST_MICROS
    assert cost["basis"].startswith("computed from its rates: ")


def test_a_report_counts_before_the_rates(measured: list[dict[str, float]]) -> None:
    with sold() as museway:
        museway.provider.cost_usd = "0.0325"
        cost = record_of(museway)["provider_cost"]
    assert cost == {"amount_micros": 32_500, "basis": "reported by fal"}
    assert {one["ProviderCostDriftMicros"] for one in measured if "ProviderCostDriftMicros" in one} == {2_500}


def test_a_report_as_expected_is_no_drift(measured: list[dict[str, float]]) -> None:
    with sold() as museway:
        museway.provider.cost_usd = "0.03"
        record_of(museway)
    assert not [one for one in measured if "ProviderCostDriftMicros" in one]


def test_without_rates_a_report_is_held_against_the_list_price(measured: list[dict[str, float]]) -> None:
    with sold(None) as museway:
        museway.provider.cost_usd = "0.04"
        record_of(museway)
    assert {one["ProviderCostDriftMicros"] for one in measured if "ProviderCostDriftMicros" in one} == {1_000}


def test_without_either_it_is_not_known() -> None:
    with sold(None) as museway:
        assert record_of(museway)["provider_cost"]["amount_micros"] is None


def test_a_later_price_changes_nothing_of_what_was_accepted() -> None:
    from gateway import catalog

    with sold() as museway:
        museway.generate()
        (model,) = museway.compiled["models"]
        model["offers"][0]["costs"] = [BOOK | {"version": "costs-2", "rows": [ROW | {"components": [dearer()]}]}]
        catalog.publish(museway.compiled)
        catalog.forget()
        museway.settle_down()
        (record,) = museway.request("GET", "/v1/records")[1]["items"]
    assert record["provider_cost"]["amount_micros"] == COST_MICROS


def dearer() -> dict[str, Any]:
    return ROW["components"][0] | {"rate": "0.9"}  # type: ignore[index,operator]


@pytest.mark.parametrize("group_by", ["model", "offer", "provider"])
def test_the_operator_sees_what_is_left(group_by: str) -> None:
    with sold() as museway:
        first = record_of(museway)
        museway.provider.cost_usd = "0.05"
        record_of(museway)
        request = {"action": "project.margin", "project_id": PROJECT, "group_by": group_by}
        answer = operator.perform(request)
        with pytest.raises(InvalidField):
            operator.perform(request | {"group_by": "day"})
        assert operator.perform(request | {"since": "2027-01-01"})["items"] == []
    expected = {"records": 2, "revenue_micros": 78_000, "unknown_micros": 0, "cost_micros": 80_000}
    assert answer["items"] == [{group_by: first[group_by], **expected, "margin_micros": -2_000}]


def test_what_nobody_knows_the_cost_of_is_in_no_margin() -> None:
    with sold(None) as museway:
        record_of(museway)
        (item,) = operator.perform({"action": "project.margin", "project_id": PROJECT, "group_by": "model"})["items"]
    assert (item["revenue_micros"], item["unknown_micros"], item["cost_micros"], item["margin_micros"]) == (
        *(LIST_MICROS, LIST_MICROS),
        *(0, 0),
    )


def test_a_plan_is_set_by_the_operator() -> None:
    with sold(None):
        request = {"action": "project.plan", "project_id": PROJECT}
        assert operator.perform(request | {"platform_fee_bps": 250}) == {
            "project_id": PROJECT,
            "margin_bps": 0,
            "platform_fee_bps": 250,
        }
        assert operator.perform(request)["platform_fee_bps"] == 250
        for bps in (-1, 100_001, True, "5"):
            with pytest.raises(InvalidField):
                operator.perform(request | {"margin_bps": bps})
