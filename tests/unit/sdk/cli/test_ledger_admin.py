"""The operator's commands about money: what is invoked, how amounts are read, what an audit says."""

import json
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.sdk.cli.conftest import Museway
from tests.unit.sdk.cli.test_admin import FakeLambda


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> FakeLambda:
    fake = FakeLambda()
    monkeypatch.setitem(sys.modules, "boto3", SimpleNamespace(client=fake.client))
    return fake


def test_projects_are_listed(museway: Museway, aws: FakeLambda) -> None:
    aws.content = {"items": [{"project_id": "acme", "name": "Acme"}, {"project_id": "demo", "name": "Demo"}]}
    assert museway("admin", "project", "list").stdout == "project  name\nacme     Acme\ndemo     Demo\n"
    assert json.loads(museway("admin", "project", "list", "--json").stdout) == aws.content
    assert aws.calls[0] == ("museway-prod-admin", {"action": "project.list"})


@pytest.mark.parametrize(("amount", "micros"), [("-12.5", -125_000), ("12.5", 125_000), ("-0.0001", -1)])
def test_adjust(museway: Museway, aws: FakeLambda, amount: str, micros: int) -> None:
    aws.content = {"project_id": "acme", "amount_micros": micros, "available_micros": 7}
    result = museway("admin", "project", "adjust", "acme", "--credits", amount, "--note", "granted twice")
    assert result.exit_code == 0
    assert f"{micros} micros" in result.stdout
    payload = aws.calls[0][1]
    assert len(payload.pop("adjust_id")) == 36
    assert payload == {
        "action": "project.adjust",
        "project_id": "acme",
        "amount_micros": micros,
        "note": "granted twice",
    }


@pytest.mark.parametrize("amount", ["0", "-0", "--1", "0.00001", "-0.00001", "many", "NaN", "-Infinity", "1e99999"])
def test_an_adjustment_that_is_no_amount_is_refused(museway: Museway, aws: FakeLambda, amount: str) -> None:
    result = museway("admin", "project", "adjust", "acme", "--credits", amount, "--note", "x")
    assert (result.exit_code, aws.calls) == (1, [])
    assert "invalid_argument" in result.stderr


def test_an_adjustment_without_an_answer_says_how_to_repeat_it_safely(museway: Museway, aws: FakeLambda) -> None:
    aws.function_error = "Unhandled"
    command = ("admin", "project", "adjust", "acme", "--credits", "-1", "--note", "x")
    result = museway(*command)
    adjust_id = aws.calls[0][1]["adjust_id"]
    assert f"--adjust-id {adjust_id}" in result.stderr
    aws.function_error, aws.content = None, {"amount_micros": -10_000, "available_micros": 0}
    assert museway(*command, "--adjust-id", adjust_id).exit_code == 0
    assert aws.calls[0] == aws.calls[1]


def test_shards(museway: Museway, aws: FakeLambda) -> None:
    aws.content = {"project_id": "acme", "shard_count": 8, "shards_ever": 8}
    assert museway("admin", "project", "shards", "acme", "8").stdout == "project  acme\nshards   8\n"
    assert aws.calls[0][1] == {"action": "project.shards", "project_id": "acme", "shard_count": 8}


@pytest.mark.parametrize("count", ["0", "65", "x", "1.5"])
def test_a_number_of_shards_that_cannot_be_is_refused(museway: Museway, aws: FakeLambda, count: str) -> None:
    assert museway("admin", "project", "shards", "acme", count).exit_code == 2
    assert aws.calls == []


@pytest.mark.parametrize(
    ("options", "micros", "refund_id"),
    [
        ([], None, "whole"),
        (["--usd", "0.02"], 20_000, "20000"),
        (["--credits", "2"], 20_000, "20000"),
        (["--micros", "20000", "--refund-id", "again"], 20_000, "again"),
    ],
)
def test_a_refund_names_an_amount_or_means_all_that_is_left_and_may_be_repeated(
    museway: Museway, aws: FakeLambda, options: list[str], micros: int | None, refund_id: str
) -> None:
    aws.content = {"generation_id": "gen_1", "project_id": "acme", "charged_micros": 39_000, "refunded_micros": 20_000}
    for _ in range(2):
        result = museway("admin", "refund", "gen_1", *options, "--note", "blurred")
        assert result.exit_code == 0
        assert "refunded    $0.02 (2 credits, 20000 micros)" in result.stdout
    assert aws.calls[0] == aws.calls[1]
    assert aws.calls[0][1] == {
        "action": "generation.refund",
        "generation_id": "gen_1",
        "amount_micros": micros,
        "note": "blurred",
        "refund_id": refund_id,
    }


@pytest.mark.parametrize(
    "options",
    [
        ["--usd", "1", "--credits", "1"],
        ["--usd", "1", "--micros", "1"],
        *[["--usd", text] for text in ("0", "-1", "0.0000001", "much", "NaN")],
        *[["--credits", text] for text in ("0", "-1", "0.00001")],
    ],
)
def test_a_refund_of_no_amount_is_refused(museway: Museway, aws: FakeLambda, options: list[str]) -> None:
    result = museway("admin", "refund", "gen_1", *options)
    assert (result.exit_code, aws.calls) == (1, [])
    assert "invalid_argument" in result.stderr


class Audited:
    """The admin function of a deployment with two projects."""

    def __init__(self) -> None:
        self.faults: dict[str, list[str]] = {"acme": [], "demo": []}
        self.failing: set[str] = set()
        self.parked: list[dict[str, Any]] = []

    def __call__(self, request: dict[str, Any]) -> Any:
        match request["action"]:
            case "project.list":
                return {"items": [{"project_id": one, "name": one.title()} for one in self.faults]}
            case "generation.parked":
                return {"items": self.parked}
            case "project.audit" if request["project_id"] in self.failing:
                return {"error": "unavailable", "message": "The account is busy."}
        return {
            "project_id": request["project_id"],
            "available_micros": 9_000_000,
            "held_micros": 39_000,
            "spent_micros": 961_000,
            "faults": self.faults[request["project_id"]],
        }


@pytest.fixture
def audited(aws: FakeLambda) -> Audited:
    aws.content = answers = Audited()
    return answers


SOUND = "acme  available $9  held $0.039  spent $0.961  adds up\n"


@pytest.mark.usefixtures("audited")
def test_an_audit_asks_for_each_project_by_itself_and_waits_as_long_as_the_function_may_take(
    museway: Museway, aws: FakeLambda
) -> None:
    result = museway("admin", "audit")
    assert (result.exit_code, result.stdout) == (0, SOUND + SOUND.replace("acme", "demo"))
    asked = [call["project_id"] for _, call in aws.calls if call["action"] == "project.audit"]
    assert asked == ["acme", "demo"]
    assert aws.read_timeout_seconds > 300


def test_faults_are_listed_and_the_exit_says_so(museway: Museway, audited: Audited) -> None:
    audited.faults["demo"] = ["demo: shard 0: an amount is negative", "demo: gen_1: settled 1, recorded None"]
    result = museway("admin", "audit")
    assert result.exit_code == 1
    assert result.stdout.startswith(SOUND)
    assert result.stdout.endswith(
        "2 faults\n  demo: shard 0: an amount is negative\n  demo: gen_1: settled 1, recorded None\n"
    )
    assert museway("admin", "audit", "--project", "acme").stdout == SOUND


def test_a_project_that_cannot_be_audited_is_a_fault_and_hides_no_other(museway: Museway, audited: Audited) -> None:
    audited.failing = {"acme"}
    result = museway("admin", "audit", "--json")
    assert result.exit_code == 1
    first, second = json.loads(result.stdout)["projects"]
    assert first == {"project_id": "acme", "faults": ["acme: could not be audited: The account is busy."]}
    assert (second["project_id"], second["faults"]) == ("demo", [])


def test_parked_generations_are_named_and_the_exit_says_so(museway: Museway, audited: Audited) -> None:
    audited.parked = [{"generation_id": "gen_1", "project_id": "demo", "status": "pending", "failures": 11}]
    result = museway("admin", "audit")
    assert result.exit_code == 1
    assert result.stdout.endswith("gen_1 of demo is parked: 11 vain tries\n")
    assert museway("admin", "audit", "--project", "acme").exit_code == 0
    assert json.loads(museway("admin", "audit", "--json").stdout)["parked"] == audited.parked


def test_a_plan_is_set(museway: Museway, aws: FakeLambda) -> None:
    aws.content = {"project_id": "acme", "margin_bps": 250, "platform_fee_bps": 1_000}
    result = museway("admin", "project", "plan", "acme", "--platform-fee-bps", "1000")
    assert result.stdout == "project       acme\nmargin        2.5 %\nplatform fee  10 %\n"
    wanted = {"project_id": "acme", "margin_bps": None, "platform_fee_bps": 1_000}
    assert aws.calls == [("museway-prod-admin", {"action": "project.plan", **wanted})]


def test_margins_are_shown(museway: Museway, aws: FakeLambda) -> None:
    sums = {"records": 2, "revenue_micros": 78_000, "unknown_micros": 0, "cost_micros": 80_000, "margin_micros": -2_000}
    aws.content = {"project_id": "acme", "items": [{"provider": "fal", **sums}]}
    result = museway("admin", "margin", "--by", "provider", "--project", "acme", "--since", "2026-11-01")
    assert result.stdout == (
        "provider  records  revenue  of unknown cost  cost   margin\n"
        "fal       2        $0.078   $0               $0.08  $-0.002\n"
    )
    asked = {"project_id": "acme", "group_by": "provider", "since": "2026-11-01", "until": None}
    assert aws.calls == [("museway-prod-admin", {"action": "project.margin", **asked})]
    assert json.loads(museway("admin", "margin", "--project", "acme", "--json").stdout)["items"][0]["records"] == 2
