"""The operator's commands: what is invoked, where, and what becomes of refusals."""

import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from tests.unit.sdk.cli.conftest import Museway


@dataclass
class FakeLambda:
    """Stands for boto3's Lambda client; answers `content`, or what it makes of a request; or raises `error`."""

    content: object = field(default_factory=dict)
    error: Exception | None = None
    function_error: str | None = None
    made_with: dict[str, Any] = field(default_factory=dict)
    read_timeout_seconds: float = 0
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def client(self, service: str, **options: Any) -> "FakeLambda":
        self.read_timeout_seconds = options.pop("config").read_timeout
        self.made_with = {"service": service, **options}
        return self

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:
        self.calls.append((FunctionName, json.loads(Payload)))
        if self.error:
            raise self.error
        content = self.content(self.calls[-1][1]) if callable(self.content) else self.content
        answer = {"Payload": io.BytesIO(json.dumps(content).encode())}
        return answer | ({"FunctionError": self.function_error} if self.function_error else {})


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> FakeLambda:
    fake = FakeLambda()
    monkeypatch.setitem(sys.modules, "boto3", SimpleNamespace(client=fake.client))
    return fake


def test_create(museway: Museway, aws: FakeLambda) -> None:
    aws.content = {"project_id": "prj_1", "name": "Film team"}
    assert museway("admin", "project", "create", "Film team").stdout == "project  prj_1\nname     Film team\n"
    assert aws.calls == [("museway-prod-admin", {"action": "project.create", "name": "Film team"})]
    assert aws.made_with == {"service": "lambda"}


@pytest.mark.parametrize(
    ("option", "amount", "micros"),
    [("--credits", "1000", 10_000_000), ("--credits", "67.2001", 672_001), ("--micros", "5", 5)],
)
def test_grant(museway: Museway, aws: FakeLambda, option: str, amount: str, micros: int) -> None:
    aws.content = {"project_id": "prj_1", "amount_micros": micros, "available_micros": micros}
    result = museway("admin", "project", "grant", "prj_1", option, amount, "--note", "start", "--stage", "dev")
    assert result.exit_code == 0
    assert f"{micros} micros" in result.stdout
    ((function_name, payload),) = aws.calls
    assert function_name == "museway-dev-admin"
    assert len(payload.pop("grant_id")) == 36
    assert payload == {"action": "project.grant", "project_id": "prj_1", "amount_micros": micros, "note": "start"}


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--credits", "1", "--micros", "1"],
        *[
            ["--credits", text]
            for text in (
                *("0", "-1", "0.00001", "many", "NaN", "Infinity", "1e999999999", "1e-999999999"),
                "1.0000000000000000000000000000000001",
            )
        ],
    ],
)
def test_a_grant_that_is_no_amount_is_refused(museway: Museway, aws: FakeLambda, options: list[str]) -> None:
    result = museway("admin", "project", "grant", "prj_1", *options)
    assert (result.exit_code, aws.calls) == (1, [])
    assert "invalid_argument" in result.stderr


def test_a_grant_without_an_answer_says_how_to_repeat_it_safely(museway: Museway, aws: FakeLambda) -> None:
    aws.function_error = "Unhandled"
    result = museway("admin", "project", "grant", "prj_1", "--credits", "1")
    grant_id = aws.calls[0][1]["grant_id"]
    assert result.exit_code == 1
    assert f"--grant-id {grant_id}" in result.stderr

    aws.function_error, aws.content = None, {"amount_micros": 10_000, "available_micros": 10_000}
    assert museway("admin", "project", "grant", "prj_1", "--credits", "1", "--grant-id", grant_id).exit_code == 0
    assert aws.calls[0] == aws.calls[1]


def test_key_is_shown_once_on_stdout(museway: Museway, aws: FakeLambda) -> None:
    aws.content = {"key_id": "key_1", "api_key": "mw_secret"}
    result = museway("admin", "project", "key", "prj_1", "--name", "ci", "--json")
    assert json.loads(result.stdout) == aws.content
    assert "cannot be shown again" in result.stderr
    assert aws.calls[0][1] == {"action": "project.key", "project_id": "prj_1", "name": "ci"}
    assert "api_key  mw_secret" in museway("admin", "project", "key", "prj_1").stdout


def test_a_key_may_have_any_scope_a_limit_and_an_end(museway: Museway, aws: FakeLambda) -> None:
    limit = {"day_micros": 5_000_000, "month_micros": None, "total_micros": 0}
    aws.content = {"key_id": "key_1", "api_key": "mw_secret", "scopes": ["read"], "spending_limit": limit}
    options = ["--scopes", "read, keys:write", "--expires-at", "2027-01-31"]
    result = museway("admin", "project", "key", "prj_1", *options, "--day-micros", "5000000", "--total-micros", "0")
    assert aws.calls[0][1] == {
        "action": "project.key",
        "project_id": "prj_1",
        "name": "default",
        "scopes": ["read", "keys:write"],
        "expires_at": "2027-01-31",
        "spending_limit": {"day_micros": 5_000_000, "total_micros": 0},
    }
    assert "limit    $5 a day, $0 in all\n" in result.stdout
    museway("admin", "project", "key", "prj_1", "--scopes", "all")
    assert aws.calls[1][1]["scopes"] == "all"


def test_revoke(museway: Museway, aws: FakeLambda) -> None:
    aws.content = {"key_id": "key_1", "revoked_at": "2026-11-21T04:00:00Z"}
    result = museway("admin", "project", "key", "prj_1", "--revoke", "key_1")
    assert result.stdout == "key      key_1\nrevoked  2026-11-21T04:00:00Z\n"
    assert aws.calls[0][1] == {"action": "project.key.revoke", "project_id": "prj_1", "key_id": "key_1"}


def test_the_local_system_is_the_default_where_one_runs(
    museway: Museway, aws: FakeLambda, local_file: Callable[..., Path]
) -> None:
    local_file(aws_endpoint_url="http://127.0.0.1:4566", stage="laptop", region="eu-west-1")
    museway("admin", "project", "create", "x")
    assert aws.calls[0][0] == "museway-laptop-admin"
    assert aws.made_with == {
        "service": "lambda",
        "endpoint_url": "http://127.0.0.1:4566",
        "region_name": "eu-west-1",
        "aws_access_key_id": "test",
        "aws_secret_access_key": "test",
    }
    museway("admin", "project", "create", "x", "--stage", "prod")
    assert aws.calls[1][0] == "museway-prod-admin"
    assert aws.made_with == {"service": "lambda"}


def test_a_refusal_is_printed_with_its_code_and_hint(museway: Museway, aws: FakeLambda) -> None:
    aws.content = {"error": "not_found", "message": "No project prj_9.", "hint": "Create it.", "field": "project_id"}
    result = museway("admin", "project", "key", "prj_9")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "error: No project prj_9. (not_found)\nhint:  Create it.\n       field: project_id\n"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "Invoke"), "AccessDeniedException"),
        (NoCredentialsError(), "connection_failed"),
    ],
)
def test_what_aws_refuses_is_a_sentence(museway: Museway, aws: FakeLambda, error: Exception, code: str) -> None:
    aws.error = error
    result = museway("admin", "project", "create", "x")
    assert result.exit_code == 1
    assert f"({code})" in result.stderr
    assert "AWS credentials" in result.stderr


@pytest.mark.parametrize("content", [[], None])
def test_an_answer_that_is_no_object_is_an_error(museway: Museway, aws: FakeLambda, content: object) -> None:
    aws.content = content
    assert "(internal_error)" in museway("admin", "project", "create", "x").stderr


def test_without_boto3_the_commands_say_what_to_install(museway: Museway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    assert "pip install boto3" in museway("admin", "project", "create", "x").stderr
