"""Starting and stopping one system: its lock, its errors, its first project."""

import io
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console as RichConsole

from infra.local import system as system_module
from infra.local import tenant
from infra.local.console import Console
from infra.local.deploy import Emulator
from infra.local.layout import Layout
from infra.local.problems import LocalProblem
from infra.local.processes import is_running, spawn
from infra.local.system import System, running


@pytest.fixture
def said() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def system(tmp_path: Path, said: io.StringIO) -> System:
    return System(Layout(tmp_path / "system"), Console(RichConsole(file=said, width=100)))


def start_child(system: System, script: str) -> None:
    system.layout.empty()
    command = [sys.executable, "-c", script]
    log = system.layout.logs / "server.log"
    system.children.append(spawn("server", command, log=log, cwd=system.layout.folder, environment=os.environ))


def test_a_folder_belongs_to_one_at_a_time(system: System) -> None:
    system.claim()
    other = System(system.layout, system.console)
    with pytest.raises(LocalProblem, match="Another `museway up`"):
        other.claim()
    system.stop()
    other.claim()
    other.stop()


def test_a_state_folder_belongs_to_one_at_a_time(tmp_path: Path, system: System) -> None:
    emulator = Emulator("http://127.0.0.1:4566")
    system.state = tmp_path / "state"
    assert system._emulator_environment(emulator)["PERSIST_STATE"] == "1"
    other = System(Layout(tmp_path / "other"), system.console, state=system.state)
    with pytest.raises(LocalProblem, match="in use by another system"):
        other._emulator_environment(emulator)
    system._unlock()


def test_the_emulator_gets_no_credentials_of_the_person(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "precious")
    monkeypatch.setenv("OPENAI_API_KEY", "precious")
    environment = system._emulator_environment(Emulator("http://127.0.0.1:4566"))
    assert "precious" not in environment.values()
    assert environment["AUTH"] == "true"
    assert environment["BIND_HOST"] == "127.0.0.1"
    assert "PERSIST_STATE" not in environment


def test_stopping_ends_what_was_started_and_forgets_it(system: System) -> None:
    system.claim()
    start_child(system, "import time; time.sleep(60)")
    identity = system.children[0].identity
    assert system.stop() == ["server"]
    assert not is_running(identity)
    assert system.stop() == []


def test_a_process_that_ends_by_itself_is_named_with_its_last_words(system: System) -> None:
    system.claim()
    start_child(system, "print('first'); print('the port is gone'); raise SystemExit(7)")
    problem = system_module.ended(system.wait_for_end())
    assert problem.message == "The server has ended by itself (exit status 7). It said last: the port is gone"
    assert str(system.layout.logs) in problem.hint
    assert system._explain(OSError("connection refused")).message == problem.message
    system.stop()


def test_an_error_of_the_emulator_is_said_in_a_sentence(system: System) -> None:
    assert system._explain(OSError("no space left")).message == "It could not start: no space left"


def test_a_block_that_fails_leaves_nothing(
    tmp_path: Path, system: System, said: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[System] = []

    def start(self: System) -> dict[str, Any]:
        started.append(self)
        start_child(self, "import time; time.sleep(60)")
        return {"url": "http://127.0.0.1:1"}

    monkeypatch.setattr(System, "start", start)
    identities = []

    def fail() -> None:
        with running(system.layout, system.console) as description:
            identities.extend(child.identity for child in started[0].children)
            assert description["url"] == "http://127.0.0.1:1"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [is_running(identity) for identity in identities] == [False]


def test_a_former_run_is_cleaned_up_with_a_word(system: System, said: io.StringIO) -> None:
    system.claim()
    start_child(system, "import time; time.sleep(60)")
    system._note()
    child = system.children.pop()
    system.clean_up_former()
    assert not is_running(child.identity)
    assert "A former run had not ended properly: stopped server." in said.getvalue()
    child.popen.wait()
    system.stop()


class FakeEmulator:
    """An emulator whose operator's function answers from a list."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []

    def client(self, service: str, **_: Any) -> Any:
        assert service == "lambda"
        return SimpleNamespace(invoke=self.invoke)

    def invoke(self, **request: Any) -> dict[str, Any]:
        self.asked.append(json.loads(request["Payload"]))
        answer = self.answers.pop(0)
        failed = {"FunctionError": "Unhandled"} if "errorMessage" in answer else {}
        return {"Payload": io.BytesIO(json.dumps(answer).encode()), **failed}

    def actions(self) -> list[str]:
        return [request["action"] for request in self.asked]


def create(emulator: FakeEmulator) -> str:
    return tenant.create_project(emulator, "museway-local-admin")  # type: ignore[arg-type]


def test_a_fresh_system_gets_its_project_once() -> None:
    missing = {"error": "not_found", "message": "There is no project 'demo'."}
    emulator = FakeEmulator(missing, {"project_id": "demo"}, {"available_micros": 1}, {"api_key": "mw_new"})
    assert create(emulator) == "mw_new"
    assert emulator.actions() == ["project.grant", "project.create", "project.grant", "project.key"]
    assert emulator.asked[2]["amount_micros"] == 10_000_000
    assert emulator.asked[3]["scopes"] == "all"


def test_a_kept_project_gets_a_key_only() -> None:
    emulator = FakeEmulator({"available_micros": 1}, {"api_key": "mw_next"})
    assert create(emulator) == "mw_next"
    assert emulator.actions() == ["project.grant", "project.key"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"error": "invalid_request", "message": "It is closed.", "hint": "Open it."}, "It is closed."),
        ({"errorMessage": "boom", "errorType": "KeyError"}, "boom"),
        ({"error": "x"}, "it gave no reason"),
    ],
)
def test_a_refusal_is_told_in_its_own_words(answer: dict[str, Any], reason: str) -> None:
    with pytest.raises(LocalProblem, match=f"museway-local-admin did not do project.grant: {reason}"):
        create(FakeEmulator(answer))
