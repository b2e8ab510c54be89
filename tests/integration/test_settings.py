"""A project's settings: what is named is changed, null sets back, and what cannot be is refused by name."""

from collections.abc import Iterator
from typing import Any

import pytest

from gateway import fx, keys, operator, projects, tables
from gateway.errors import Unavailable
from tests.integration.test_refusals import refused
from tests.integration.world import PROJECT, World, world

DOOR = "/v1/settings"
FRESH = {
    "currency": "USD",
    "spending_limit": None,
    "alerts": {"balance_low_micros": None, "limit_near_percent": 80},
}
FULL = {
    "currency": "JPY",
    "spending_limit": {"day_micros": 1, "month_micros": 0, "total_micros": 10**15},
    "alerts": {"balance_low_micros": 5_000_000, "limit_near_percent": 95},
}


@pytest.fixture(scope="module")
def shared() -> Iterator[World]:
    with world(in_memory=True, models=["nano-banana"]) as made:
        yield made


@pytest.fixture
def museway(shared: World) -> World:
    """The settings are those of a new project."""
    project = tables.Project.find(PROJECT)
    assert project
    actions = [tables.Project.spending_limit.remove(), tables.Project.alerts.remove(), tables.Project.currency.remove()]
    assert project.change(actions)
    return shared


def put(museway: World, body: Any) -> dict[str, Any]:
    status, answer, _ = museway.request("PUT", DOOR, body)
    assert status == 200, answer
    assert museway.request("GET", DOOR)[1] == answer
    return answer


def test_a_new_project_has_the_usual_settings(museway: World) -> None:
    status, answer, _ = museway.request("GET", DOOR)
    assert (status, answer) == (200, FRESH)
    assert put(museway, {}) == FRESH


def test_everything_can_be_set_and_set_back(museway: World) -> None:
    assert put(museway, FULL) == FULL
    assert put(museway, {}) == FULL
    assert put(museway, dict.fromkeys(FULL)) == FRESH


@pytest.mark.parametrize(
    ("changes", "changed"),
    [
        ({"currency": "EUR"}, {"currency": "EUR"}),
        ({"currency": None}, {"currency": "USD"}),
        ({"spending_limit": None}, {"spending_limit": None}),
        ({"spending_limit": {}}, {}),
        (
            {"spending_limit": {"day_micros": None}},
            {"spending_limit": {"day_micros": None, "month_micros": 0, "total_micros": 10**15}},
        ),
        ({"spending_limit": dict.fromkeys(("day_micros", "month_micros", "total_micros"))}, {"spending_limit": None}),
        ({"alerts": None}, {"alerts": FRESH["alerts"]}),
        ({"alerts": {}}, {}),
        ({"alerts": {"balance_low_micros": 0}}, {"alerts": {"balance_low_micros": 0, "limit_near_percent": 95}}),
        (
            {"alerts": {"limit_near_percent": None}},
            {"alerts": {"balance_low_micros": 5_000_000, "limit_near_percent": 80}},
        ),
    ],
)
def test_what_is_not_named_stays(museway: World, changes: dict[str, Any], changed: dict[str, Any]) -> None:
    put(museway, FULL)
    assert put(museway, changes) == FULL | changed


@pytest.mark.parametrize("currency", fx.CURRENCIES)
def test_an_account_has_a_currency_with_a_published_rate(museway: World, currency: str) -> None:
    assert put(museway, {"currency": currency})["currency"] == currency
    assert museway.request("GET", "/v1/balance")[1]["currency"] == currency


BAD: dict[str, tuple[Any, str]] = {
    **{f"currency {text!r}": ({"currency": text}, "currency") for text in ("eur", "", "XAU", 5, True, ["EUR"], {})},
    **{f"limit {limit!r}": ({"spending_limit": limit}, "spending_limit") for limit in (5, "5", True, [])},
    **{
        f"{part} {micros!r}": ({"spending_limit": {part: micros}}, f"spending_limit.{part}")
        for part in ("day_micros", "month_micros", "total_micros")
        for micros in (-1, 10**15 + 1, 1.0, 0.5, "5", True, [])
    },
    "limit of a week": ({"spending_limit": {"week_micros": 1}}, "spending_limit.week_micros"),
    **{f"alerts {alerts!r}": ({"alerts": alerts}, "alerts") for alerts in (5, "5", True, [])},
    **{
        f"balance {micros!r}": ({"alerts": {"balance_low_micros": micros}}, "alerts.balance_low_micros")
        for micros in (-1, 10**15 + 1, 1.5, "5", False)
    },
    **{
        f"percent {percent!r}": ({"alerts": {"limit_near_percent": percent}}, "alerts.limit_near_percent")
        for percent in (0, 101, -1, 50.0, "80", True)
    },
    "alert of another kind": ({"alerts": {"email": "x"}}, "alerts.email"),
    **{
        f"field {name}": ({name: 1}, name)
        for name in ("project_id", "name", "margin_bps", "platform_fee_bps", "shard_count", "limits")
    },
    "a list": ([], "body"),
    "nothing": ("", "body"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_set_is_refused_and_named(museway: World, case: str) -> None:
    body, field = BAD[case]
    got, answer = refused(museway, "PUT", DOOR, body)
    assert (got, answer["error"], answer["field"]) == (422, "invalid_request", field)


def test_an_unknown_currency_comes_with_those_there_are(museway: World) -> None:
    assert refused(museway, "PUT", DOOR, {"currency": "XAU"})[1]["allowed"] == list(fx.CURRENCIES)


def test_nothing_is_set_when_one_part_cannot_be(museway: World) -> None:
    refused(museway, "PUT", DOOR, {"currency": "EUR", "spending_limit": {"day_micros": 5, "month_micros": -1}})


def test_the_plan_is_untouched_and_other_projects_are_theirs(museway: World) -> None:
    operator.perform({"action": "project.create", "project_id": "other", "name": "Other"})
    key = keys.create("other", "theirs", scopes=["read", "settings:write"])["api_key"]
    before = tables.Project.find("other")
    put(museway, FULL)
    assert museway.request("GET", DOOR, key=key)[1] == FRESH
    assert museway.request("PUT", DOOR, {"currency": "EUR"}, key=key)[0] == 200
    assert museway.request("GET", DOOR)[1] == FULL
    after = tables.Project.find("other")
    assert before
    assert after
    plan = ("project_id", "name", "margin_bps", "platform_fee_bps", "shard_count", "created_at")
    assert [getattr(after, name) for name in plan] == [getattr(before, name) for name in plan]


def test_parts_that_are_set_at_the_same_time_are_both_kept(museway: World, monkeypatch: pytest.MonkeyPatch) -> None:
    once = tables.Project.find

    def overtaken(project_id: str) -> Any:
        found = once(project_id)
        monkeypatch.setattr(tables.Project, "find", once)
        changes = {"spending_limit": {"day_micros": 1}, "alerts": {"balance_low_micros": 2}, "currency": "EUR"}
        projects.change_settings(PROJECT, changes)
        return found

    monkeypatch.setattr(tables.Project, "find", overtaken)
    after = projects.change_settings(PROJECT, {"spending_limit": {"month_micros": 3}})
    assert after == {
        "currency": "EUR",
        "spending_limit": {"day_micros": 1, "month_micros": 3, "total_micros": None},
        "alerts": {"balance_low_micros": 2, "limit_near_percent": 80},
    }


def test_settings_that_others_keep_changing_are_left_to_them(museway: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables.Project, "change", lambda *_: False)
    with pytest.raises(Unavailable):
        projects.change_settings(PROJECT, {"currency": "EUR"})
