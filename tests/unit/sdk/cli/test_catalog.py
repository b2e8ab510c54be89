"""The operator's commands for models and prices: the checkout's check, and what the admin function is asked."""

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.sdk.cli.conftest import Museway
from tests.unit.sdk.cli.test_admin import FakeLambda

CHANGES = [
    {"about": "fox", "part": "price_books", "sentence": "fox: row one: $0.1 -> $0.2 per image", "breaking": True},
    {"about": "fox", "part": "name", "sentence": "fox: name: Fox -> Vixen", "breaking": False},
]
SUMMARY: dict[str, Any] = {
    "models": 3,
    "families": 2,
    "prices_in_force": 7,
    "prices_that_start_later": [{"model": "fox", "starts_on": "2027-01-01"}],
    "ending": [{"model": "hen", "ends_on": "2026-12-24", "successor": "fox"}],
    "retired": [{"model": "dodo", "ends_on": "2026-01-01", "successor": "hen"}],
}


@dataclass
class Checkout:
    """Stands for `infra.catalog`."""

    faults: list[dict[str, Any]] = field(default_factory=list)
    directories: list[Path | None] = field(default_factory=list)

    def check(self, directory: Path | None) -> dict[str, Any]:
        self.directories.append(directory)
        return {"faults": self.faults, "summary": None if self.faults else SUMMARY}

    def packed(self, directory: Path | None) -> str:
        assert directory == self.directories[-1]
        return "PACKED"


@pytest.fixture
def checkout(monkeypatch: pytest.MonkeyPatch) -> Checkout:
    made = Checkout()
    monkeypatch.setitem(sys.modules, "infra.catalog", made)
    return made


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> FakeLambda:
    fake = FakeLambda()
    monkeypatch.setitem(sys.modules, "boto3", SimpleNamespace(client=fake.client))
    return fake


def test_a_sound_catalog_is_summed_up(museway: Museway, checkout: Checkout, tmp_path: Path) -> None:
    result = museway("admin", "catalog", "check", "--directory", str(tmp_path))
    assert (result.exit_code, result.stderr, checkout.directories) == (0, "", [tmp_path])
    assert result.stdout.splitlines() == [
        "3 models in 2 families, 7 prices in force. No fault.",
        "what        day         model  successor",
        "price from  2027-01-01  fox",
        "ends        2026-12-24  hen    fox",
        "ended       2026-01-01  dodo   hen",
    ]


FAULTS = [
    {"file": "models/fox.yaml", "line": 3, "message": "fox: no price row for {}"},
    {"file": "models/hen.yaml", "line": 12, "message": "is not YAML"},
]


def test_every_fault_is_a_line(museway: Museway, checkout: Checkout) -> None:
    checkout.faults = FAULTS
    result = museway("admin", "catalog", "check")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines() == [
        "models/fox.yaml:3: fox: no price row for {}",
        "models/hen.yaml:12: is not YAML",
        "2 faults.",
    ]


@pytest.mark.parametrize(("faults", "status"), [([], 0), (FAULTS, 1)])
def test_a_check_as_json(museway: Museway, checkout: Checkout, faults: list[dict[str, Any]], status: int) -> None:
    checkout.faults = faults
    result = museway("admin", "catalog", "check", "--json")
    assert result.exit_code == status
    assert json.loads(result.stdout) == {"faults": faults, "summary": None if faults else SUMMARY}


@pytest.mark.parametrize("command", ["publish", "diff"])
def test_a_broken_catalog_is_not_sent(museway: Museway, checkout: Checkout, aws: FakeLambda, command: str) -> None:
    checkout.faults = FAULTS
    result = museway("admin", "catalog", command)
    assert (result.exit_code, aws.calls) == (1, [])
    assert "models/fox.yaml:3: fox" in result.stderr


def test_publish(museway: Museway, checkout: Checkout, aws: FakeLambda, tmp_path: Path) -> None:
    aws.content = {"catalog_version": "b", "previous_version": "a", "models": 3, "changes": CHANGES}
    result = museway("admin", "catalog", "publish", "--stage", "dev", "--directory", str(tmp_path))
    assert aws.calls == [("museway-dev-admin", {"action": "catalog.publish", "documents": "PACKED"})]
    assert checkout.directories == [tmp_path]
    assert result.stdout.splitlines() == [
        "published  b",
        "before     a",
        "models     3",
        "! fox: row one: $0.1 -> $0.2 per image",
        "  fox: name: Fox -> Vixen",
    ]
    assert "! can raise a price" in result.stderr


def test_publishing_what_is_current(museway: Museway, checkout: Checkout, aws: FakeLambda) -> None:
    aws.content = {"catalog_version": "a", "previous_version": "a", "models": 3, "changes": []}
    assert museway("admin", "catalog", "publish").stdout == "current already  a\nmodels           3\n"


def test_the_first_publication_compares_nothing(museway: Museway, checkout: Checkout, aws: FakeLambda) -> None:
    aws.content = {"catalog_version": "a", "previous_version": None, "models": 3, "changes": None}
    assert museway("admin", "catalog", "publish").stdout == "published  a\nmodels     3\n"


def test_what_the_deployment_carries_needs_no_checkout(
    museway: Museway, aws: FakeLambda, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "infra.catalog", None)
    aws.content = {"catalog_version": "b", "previous_version": "a", "models": 3, "changes": None}
    result = museway("admin", "catalog", "publish", "--built-in")
    assert aws.calls[0][1] == {"action": "catalog.publish"}
    assert "cannot be compared" in result.stdout
    assert "There is no Museway checkout here" in museway("admin", "catalog", "publish").stderr


def test_what_the_function_refuses_is_listed(museway: Museway, checkout: Checkout, aws: FakeLambda) -> None:
    fault = {"document": "fox.yaml", "path": [], "message": "there is no provider 'acme'"}
    aws.content = {"error": "broken_catalog", "message": "1 fault.", "hint": "Correct it.", "faults": [fault]}
    result = museway("admin", "catalog", "publish")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "fox.yaml: there is no provider 'acme'",
        "error: 1 fault. (broken_catalog)",
        "hint:  Correct it.",
    ]


@pytest.mark.parametrize(
    ("options", "request_"),
    [
        ([], {"documents": "PACKED"}),
        (["--from", "a"], {"from_version": "a", "documents": "PACKED"}),
        (["--to", "b"], {"to_version": "b"}),
        (["--from", "a", "--to", "b"], {"from_version": "a", "to_version": "b"}),
    ],
)
def test_diff(
    museway: Museway, checkout: Checkout, aws: FakeLambda, options: list[str], request_: dict[str, str]
) -> None:
    aws.content = {"from_version": "a", "to_version": "b", "changes": CHANGES}
    result = museway("admin", "catalog", "diff", *options)
    assert aws.calls[0][1] == {"action": "catalog.diff"} | request_
    assert result.stdout.splitlines() == ["! fox: row one: $0.1 -> $0.2 per image", "  fox: name: Fox -> Vixen"]
    assert json.loads(museway("admin", "catalog", "diff", *options, "--json").stdout) == aws.content


def test_a_diff_of_nothing(museway: Museway, checkout: Checkout, aws: FakeLambda) -> None:
    aws.content = {"from_version": "a", "to_version": "a", "changes": []}
    result = museway("admin", "catalog", "diff")
    assert (result.stdout, result.stderr) == ("Nothing differs.\n", "")


ITEMS = [
    {"version": "c", "published_at": "2026-11-21T04:00:00Z", "models": 4, "replaced": "b", "current": False},
    {"version": "b", "published_at": "2026-11-20T04:00:00Z", "models": 3, "replaced": "a", "current": True},
    {"version": "a", "published_at": "2026-11-19T04:00:00Z", "models": 3, "replaced": None, "current": False},
]


def test_versions(museway: Museway, aws: FakeLambda) -> None:
    aws.content = {"items": ITEMS}
    lines = museway("admin", "catalog", "versions").stdout.splitlines()
    assert [line.split() for line in lines[1:]] == [
        ["c", "2026-11-21T04:00:00Z", "4", "b"],
        ["*", "b", "2026-11-20T04:00:00Z", "3", "a"],
        ["a", "2026-11-19T04:00:00Z", "3"],
    ]
    assert json.loads(museway("admin", "catalog", "versions", "--json").stdout) == {"items": ITEMS}


class Answers(FakeLambda):
    """Answers each action in its own way."""

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:
        rolled = {"from_version": "b", "to_version": "a", "models": 3, "changes": CHANGES[:1]}
        self.content = {"items": self.items} if json.loads(Payload)["action"] == "catalog.versions" else rolled
        return super().invoke(FunctionName, Payload)

    items: list[dict[str, Any]] = ITEMS


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    fake = Answers()
    monkeypatch.setitem(sys.modules, "boto3", SimpleNamespace(client=fake.client))
    return fake


def test_a_rollback_names_its_target_so_that_a_repeat_goes_back_once(museway: Museway, answers: Answers) -> None:
    result = museway("admin", "catalog", "rollback", "--stage", "dev")
    assert answers.calls == [
        ("museway-dev-admin", {"action": "catalog.versions"}),
        ("museway-dev-admin", {"action": "catalog.rollback", "version": "a"}),
    ]
    assert result.stdout == "from    b\nto      a\nmodels  3\n! fox: row one: $0.1 -> $0.2 per image\n"


def test_a_rollback_to_a_version(museway: Museway, answers: Answers) -> None:
    assert museway("admin", "catalog", "rollback", "c", "--json").exit_code == 0
    assert [payload for _, payload in answers.calls] == [{"action": "catalog.rollback", "version": "c"}]


@pytest.mark.parametrize("items", [[], [ITEMS[2] | {"current": True}]])
def test_nothing_to_go_back_to(museway: Museway, answers: Answers, items: list[dict[str, Any]]) -> None:
    answers.items = items
    result = museway("admin", "catalog", "rollback")
    assert result.exit_code == 1
    assert "nothing to go back to" in result.stderr
    assert len(answers.calls) == 1


def test_help_names_every_command(museway: Museway) -> None:
    shown = museway("admin", "catalog", "--help").stdout
    assert all(command in shown for command in ("check", "diff", "publish", "rollback", "versions"))
