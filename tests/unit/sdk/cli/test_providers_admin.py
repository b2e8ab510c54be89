"""The operator's commands about providers: what is invoked, and what is printed of it."""

import json
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.sdk.cli.conftest import Museway
from tests.unit.sdk.cli.test_admin import FakeLambda

SINCE = "2026-11-21T12:00:00.000000Z"
IDLE = {
    "provider": "openai", "offer": "gpt-image@openai", "state": "closed", "since": None, "success_rate": None,
    "p50_seconds": None, "p95_seconds": None, "samples": 0,
}  # fmt: skip
USED = {
    "provider": "fal", "offer": "nano-banana@fal", "state": "closed", "since": None, "success_rate": 0.975,
    "p50_seconds": 8.72, "p95_seconds": 34.9, "samples": 40,
}  # fmt: skip
FAILED = IDLE | {"state": "open", "since": SINCE, "success_rate": 0.0, "samples": 5}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> FakeLambda:
    fake = FakeLambda()
    monkeypatch.setitem(sys.modules, "boto3", SimpleNamespace(client=fake.client))
    return fake


def test_offers_that_were_used_or_changed_are_listed(museway: Museway, aws: FakeLambda) -> None:
    aws.content = {"items": [USED, FAILED, IDLE]}
    result = museway("admin", "providers")
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["provider", "offer", "state", "success", "p50", "p95", "samples", "since"],
        ["fal", "nano-banana@fal", "closed", "98%", "8.72", "s", "34.9", "s", "40"],
        ["openai", "gpt-image@openai", "open", "0%", "5", SINCE],
    ]
    assert "1 more" in result.stderr
    assert aws.calls == [("museway-prod-admin", {"action": "provider.list"})]


@pytest.mark.parametrize(("options", "shown"), [([], [USED]), (["--all"], [USED, IDLE])])
def test_as_json_and_all_of_them(museway: Museway, aws: FakeLambda, options: list[str], shown: list[Any]) -> None:
    aws.content = {"items": [USED, IDLE]}
    assert json.loads(museway("admin", "providers", "--json", *options).stdout) == {"items": shown}
    assert ("more" in museway("admin", "providers", *options).stderr) == (not options)


def test_a_breaker_is_reset(museway: Museway, aws: FakeLambda) -> None:
    aws.content = FAILED | {"state": "closed"}
    result = museway("admin", "providers", "reset", "gpt-image@openai", "--stage", "dev")
    assert result.stdout == f"offer  gpt-image@openai\nstate  closed\nsince  {SINCE}\n"
    assert aws.calls == [("museway-dev-admin", {"action": "provider.reset", "offer": "gpt-image@openai"})]


def test_an_offer_that_is_none_is_said_to_be_none(museway: Museway, aws: FakeLambda) -> None:
    aws.content = {"error": "not_found", "message": "There is no offer 'x'.", "hint": "List them."}
    result = museway("admin", "providers", "reset", "x")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "There is no offer 'x'." in result.stderr
