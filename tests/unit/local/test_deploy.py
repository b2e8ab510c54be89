"""The CDK runs under a deadline, and its last event is what a person gets to see."""

import os
import sys
import time
from pathlib import Path

import pytest

from infra.local.deploy import ACCOUNT, Emulator, as_context, event_of, is_telling, run_logged
from infra.local.problems import LocalProblem

EVENT = "museway |  9/64 | 4:32:22 AM | CREATE_COMPLETE         | AWS::IAM::Role           | fail/Role (failRole84)\n"


def run(script: str, log: Path, seconds_max: float = 20) -> list[str]:
    shown: list[str] = []
    run_logged([sys.executable, "-c", script], log, os.environ, seconds_max, shown.append)
    return shown


def test_events_are_shown_in_short() -> None:
    assert event_of(EVENT) == "CREATE_COMPLETE AWS::IAM::Role fail/Role (failRole84)"
    assert event_of(" museway: deploying... \n") == "museway: deploying..."


@pytest.mark.parametrize(
    ("line", "telling"),
    [
        (EVENT, True),
        ("RuntimeError: no such table\n", True),
        ("museway: start: Building layer/Code\n", True),
        ("\n", False),
        ("85 feature flags are not configured.\n", False),
    ],
)
def test_only_telling_lines_are_shown(line: str, telling: bool) -> None:
    assert is_telling(line) is telling


def test_output_is_logged_and_events_are_shown(tmp_path: Path) -> None:
    log = tmp_path / "cdk.log"
    assert run(f"print('hello'); print({EVENT!r}, end='')", log) == [event_of(EVENT)]
    assert log.read_text() == "hello\n" + EVENT


def test_a_failure_names_the_last_event_and_the_log(tmp_path: Path) -> None:
    log = tmp_path / "cdk.log"
    with pytest.raises(LocalProblem, match=r"failed: .*CREATE_COMPLETE") as error:
        run(f"import sys; print({EVENT!r}, end=''); sys.exit(3)", log)
    assert str(log) in error.value.hint


def test_a_failure_without_a_word_names_its_status(tmp_path: Path) -> None:
    with pytest.raises(LocalProblem, match="exit status 3"):
        run("import sys; sys.exit(3)", tmp_path / "cdk.log")


def test_a_deadline_ends_the_command_and_what_it_started(tmp_path: Path) -> None:
    inner = tmp_path / "pid"
    script = (
        "import subprocess, sys, time;"
        "started = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], stdout=subprocess.DEVNULL);"
        f"open({str(inner)!r}, 'w').write(str(started.pid));"
        f"print({EVENT!r}, flush=True); time.sleep(60)"
    )
    begun = time.monotonic()
    with pytest.raises(LocalProblem, match=r"not done within 2 seconds; the last it said: CREATE_COMPLETE"):
        run(script, tmp_path / "cdk.log", seconds_max=2)
    assert time.monotonic() - begun < 15
    # A killed orphan is collected by init, or lies as a zombie where there is none: it runs no more either way.
    stat_file = Path(f"/proc/{inner.read_text()}/stat")
    deadline = time.monotonic() + 10
    while stat_file.exists() and stat_file.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_environment_leads_to_the_emulator_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("CDK_DEPLOY_ACCOUNT", "123456789012")
    environment = Emulator("http://127.0.0.1:4566").environment()
    assert "AWS_PROFILE" not in environment
    assert "CDK_DEPLOY_ACCOUNT" not in environment
    assert environment["AWS_ENDPOINT_URL"] == environment["AWS_ENDPOINT_URL_S3"] == "http://127.0.0.1:4566"
    assert environment["CDK_DEFAULT_ACCOUNT"] == ACCOUNT
    assert environment["AWS_ACCESS_KEY_ID"] == "test"
    assert "127.0.0.1" in environment["NO_PROXY"]


def test_structured_context_is_compact_json() -> None:
    assert as_context({"fal": "http://127.0.0.1:1/fal"}) == '{"fal":"http://127.0.0.1:1/fal"}'
