"""The files of a system: private, whole, and enough to find and stop what runs."""

import os
import stat
import sys
from pathlib import Path

import pytest

from infra.local import commands
from infra.local.layout import Layout, read_json, write_json
from infra.local.processes import Child, Identity, is_running, spawn
from infra.local.remains import find_running, sweep, written_down


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "system")
    layout.create()
    layout.empty()
    return layout


def sleeper(layout: Layout) -> Child:
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    return spawn("server", command, log=layout.logs / "server.log", cwd=layout.folder, environment=os.environ)


def note(layout: Layout, *children: Identity) -> None:
    write_json(layout.processes, {"supervisor": None, "children": [child.to_json() for child in children]})


def test_what_is_written_only_its_owner_reads(layout: Layout) -> None:
    write_json(layout.description, {"api_key": "mw_x"})
    assert stat.S_IMODE(layout.description.stat().st_mode) == 0o600
    assert stat.S_IMODE(layout.folder.stat().st_mode) == 0o700
    assert read_json(layout.description) == {"api_key": "mw_x"}
    assert list(layout.folder.glob(".local.json*")) == []


@pytest.mark.parametrize("content", [None, "", "{", "\xff"])
def test_a_missing_or_damaged_file_is_nothing(layout: Layout, content: str | None) -> None:
    if content is not None:
        layout.description.write_bytes(content.encode("latin-1"))
    assert read_json(layout.description) is None
    assert find_running(layout) is None
    assert written_down(layout) == ([], None)


def test_a_system_runs_while_all_its_processes_do(layout: Layout) -> None:
    child = sleeper(layout)
    note(layout, child.identity)
    write_json(layout.description, {"url": "http://127.0.0.1:1"})
    assert find_running(layout) == {"url": "http://127.0.0.1:1"}
    assert sweep(layout) == ["server"]
    assert not is_running(child.identity)
    assert find_running(layout) is None
    assert not layout.description.exists()
    assert not layout.processes.exists()
    assert not layout.temporary.exists()
    assert layout.logs.exists()
    child.popen.wait()


def test_a_reused_process_id_is_not_stopped(layout: Layout) -> None:
    child = sleeper(layout)
    note(layout, Identity("server", child.identity.pid, "another moment"))
    write_json(layout.description, {"url": "http://127.0.0.1:1"})
    assert find_running(layout) is None
    assert sweep(layout) == []
    assert is_running(child.identity)
    child.popen.kill()
    child.popen.wait()


def test_down_says_what_it_did_and_may_be_repeated(layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    child = sleeper(layout)
    note(layout, child.identity)
    assert commands.down(layout) == 0
    assert "is stopped (server)" in capsys.readouterr().out
    assert commands.down(layout) == 0
    assert "nothing to stop" in capsys.readouterr().out
    child.popen.wait()


@pytest.mark.parametrize(
    ("port", "state", "status"), [(0, None, 0), (8787, None, 0), (9999, None, 1), (0, Path("/elsewhere"), 1)]
)
def test_up_says_that_a_system_runs_already(
    layout: Layout, capsys: pytest.CaptureFixture[str], port: int, state: Path | None, status: int
) -> None:
    child = sleeper(layout)
    note(layout, child.identity)
    write_json(layout.description, {"url": "http://127.0.0.1:8787", "state": None})
    assert commands.up(port, state, True, layout) == status
    said = capsys.readouterr().out
    assert "already running at http://127.0.0.1:8787" in said
    assert ("started with other settings" in said) is bool(status)
    assert is_running(child.identity)
    child.popen.kill()
    child.popen.wait()


def test_a_new_run_has_no_logs_of_the_former(layout: Layout) -> None:
    (layout.logs / "old.log").write_text("old")
    (layout.temporary / "old").write_text("old")
    layout.empty()
    assert list(layout.logs.iterdir()) == []
    assert list(layout.temporary.iterdir()) == []
