"""Processes are found again by id and start time, and end with all that they started."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local import processes
from infra.local.processes import Child, Identity, ask_to_end, has_remains, identify, is_running, parse_ps, spawn, stop

SLEEPER = "import time; time.sleep(60)"
# Starts a child that names the marker in its command line, says so, and waits.
PARENT = (
    "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', sys.argv[1], sys.argv[2]]); time.sleep(60)"
)
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[Child]]:
    children: list[Child] = []
    yield children
    for child in children:
        for process in processes.table():
            if process.group == child.identity.pid:
                os.kill(process.pid, signal.SIGKILL)
        child.popen.wait()


def run(started: list[Child], tmp_path: Path, *command: str) -> Child:
    child = spawn("it", [sys.executable, "-c", *command], log=tmp_path / "it.log", cwd=tmp_path, environment=os.environ)
    started.append(child)
    return child


def members(group: int) -> list[int]:
    return [process.pid for process in processes.table() if process.group == group]


def wait_for(condition: object) -> None:
    deadline = time.monotonic() + 10
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_child_leads_its_own_session_and_is_known_by_its_start(started: list[Child], tmp_path: Path) -> None:
    child = run(started, tmp_path, SLEEPER)
    assert os.getsid(child.identity.pid) == child.identity.pid
    assert is_running(child.identity)
    assert identify("it", child.identity.pid) == child.identity


def test_stopping_ends_the_whole_group(started: list[Child], tmp_path: Path) -> None:
    child = run(started, tmp_path, PARENT, SLEEPER, "x")
    wait_for(lambda: len(members(child.identity.pid)) == 2)
    assert stop(child.identity, grace_seconds=5)
    assert members(child.identity.pid) == []


def test_what_ignores_the_request_is_killed_after_the_grace(started: list[Child], tmp_path: Path) -> None:
    child = run(started, tmp_path, STUBBORN)
    wait_for(lambda: "up" in child.log.read_text())
    assert stop(child.identity, grace_seconds=0.1)
    assert not is_running(child.identity)


def test_a_process_that_started_at_another_moment_is_left_alone(started: list[Child], tmp_path: Path) -> None:
    child = run(started, tmp_path, SLEEPER)
    stranger = Identity("it", child.identity.pid, child.identity.started + "1")
    assert not is_running(stranger)
    assert not stop(stranger, grace_seconds=1)
    assert is_running(child.identity)


@pytest.mark.parametrize(("marker", "ends"), [("marker-of-ours", True), ("of-others", False), ("", False)])
def test_a_group_without_its_leader_is_ours_only_by_its_marker(
    started: list[Child], tmp_path: Path, marker: str, ends: bool
) -> None:
    child = run(started, tmp_path, PARENT, SLEEPER, "marker-of-ours")
    wait_for(lambda: len(members(child.identity.pid)) == 2)
    os.kill(child.identity.pid, signal.SIGKILL)
    child.popen.wait()
    assert has_remains(child.identity, marker) is ends
    assert stop(child.identity, grace_seconds=1, marker=marker) is ends
    assert bool(members(child.identity.pid)) is not ends


def test_stopping_twice_does_nothing_the_second_time(started: list[Child], tmp_path: Path) -> None:
    child = run(started, tmp_path, SLEEPER)
    assert stop(child.identity, grace_seconds=5)
    assert not stop(child.identity, grace_seconds=5)


def test_one_process_can_be_ended_without_its_group(started: list[Child], tmp_path: Path) -> None:
    child = run(started, tmp_path, PARENT, SLEEPER, "x")
    wait_for(lambda: len(members(child.identity.pid)) == 2)
    ask_to_end(child.identity, grace_seconds=5)
    assert not is_running(child.identity)
    assert len(members(child.identity.pid)) == 1


def test_a_command_that_ends_at_once_matches_nothing(started: list[Child], tmp_path: Path) -> None:
    child = run(started, tmp_path, "")
    child.popen.wait()
    assert not is_running(child.identity)
    assert not stop(child.identity, grace_seconds=1)


def test_the_listing_of_ps_is_read() -> None:
    listing = (
        "    1     1 Ss   Sat Nov 21 03:43:00 2026 /sbin/init\n"
        "  200   100 S+   Sat Nov 21 03:44:01 2026 python -m a b\n"
        "  201   100 Z    Sat Nov 21 03:44:02 2026 (python)\n"
    )
    assert [(found.pid, found.group, found.started, found.command) for found in parse_ps(listing)] == [
        (1, 1, "Sat Nov 21 03:43:00 2026", "/sbin/init"),
        (200, 100, "Sat Nov 21 03:44:01 2026", "python -m a b"),
    ]


def test_the_table_knows_this_process_and_no_zombies() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        wait_for(lambda: ended.pid not in {process.pid for process in processes.table()})
    assert os.getpid() in {process.pid for process in processes.table()}
