"""`museway up` and `down`: what they say, where they listen, and that nothing of them is left behind."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.local.layout import ROOT
from infra.local.processes import table
from museway import Client
from tests.e2e.support import Local

READY_SECONDS_MAX = 180
END_SECONDS_MAX = 90


class System:
    """A local system with a folder of its own, driven by the command line as a person does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said = folder.with_suffix(".txt")
        self.up: subprocess.Popen[bytes] | None = None
        self.groups: set[int] = set()

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "infra.local", *words, "--folder", str(self.folder)]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.command(*words), cwd=ROOT, capture_output=True, text=True, timeout=READY_SECONDS_MAX, check=False
        )
        self.remember()
        return done

    def start(self, *words: str) -> None:
        """`up` in the foreground, as a terminal would start it."""
        with self.said.open("wb") as output:
            self.up = subprocess.Popen(self.command("up", *words), cwd=ROOT, stdout=output, stderr=output)

    def wait_until(self, text: str) -> str:
        """What `up` has said so far, once it contains `text`."""
        ends_at = time.monotonic() + READY_SECONDS_MAX
        while text not in self.said.read_text():
            assert self.up is not None
            assert self.up.poll() is None, self.said.read_text()
            assert time.monotonic() < ends_at, self.said.read_text()
            time.sleep(0.1)
        self.remember()
        return self.said.read_text()

    def interrupt(self) -> int:
        """Ctrl-C, and the exit status."""
        assert self.up is not None
        self.up.send_signal(signal.SIGINT)
        return self.ended()

    def ended(self) -> int:
        assert self.up is not None
        return self.up.wait(END_SECONDS_MAX)

    def description(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "local.json").read_text()))

    def remember(self) -> None:
        """Keep the process groups, which `left` looks for when the files that name them are gone."""
        noted = self.folder / "processes.json"
        if noted.exists():
            self.groups |= {int(child["pid"]) for child in json.loads(noted.read_text())["children"]}

    def left(self) -> list[str]:
        """What still runs of everything this system ever started, and what describes it."""
        processes = [p.command for p in table() if p.group in self.groups or str(self.folder / "tmp") in p.command]
        files = [name for name in ("local.json", "processes.json", "tmp") if (self.folder / name).exists()]
        return processes + files


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    system = System(tmp_path / "system")
    yield system
    if system.up is not None and system.up.poll() is None:
        system.interrupt()
    system.run("down")


def listening_addresses(groups: set[int]) -> set[str]:
    """The addresses that processes of these groups listen on, as the kernel's tables say."""
    sockets = set()
    for process in table():
        if process.group in groups:
            for descriptor in Path(f"/proc/{process.pid}/fd").iterdir():
                target = os.readlink(descriptor)
                if target.startswith("socket:["):
                    sockets.add(target[8:-1])
    found = set()
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and words[9] in sockets:
                address = bytes.fromhex(words[1].partition(":")[0])
                found.add(socket.inet_ntoa(address[::-1]) if len(address) == 4 else words[1])
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's tables of sockets")
def test_it_listens_on_the_loopback_only(local: Local) -> None:
    assert listening_addresses(set(local.description["pids"].values())) == {"127.0.0.1"}


def test_the_description_says_how_to_reach_everything(local: Local) -> None:
    path = ROOT / ".museway" / "e2e" / "local.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert set(local.description) >= {
        "url", "api_key", "project_id", "stage", "aws_endpoint_url", "sandbox_url", "inbox_bucket", "drive_bucket",
        "event_bus", "state_machine_arn", "tables", "pids",
    }  # fmt: skip
    assert set(local.tables) == {"catalog", "projects", "jobs", "ledger"}
    assert httpx.get(f"{local.url}/health").json()["status"] == "ok"
    assert httpx.get(f"{local.description['sandbox_url']}/health").is_success
    with Client(local.url, local.api_key) as client:
        assert client.balance()["granted_micros"] == 10_000_000


def test_function_logs_are_files(local: Local) -> None:
    with Client(local.url, local.api_key) as client:
        client.balance()
    log = Path(local.description["logs"]) / "functions" / "museway-local-billing.log"
    ends_at = time.monotonic() + 10
    while not log.exists():
        assert time.monotonic() < ends_at
        time.sleep(0.1)


def test_a_taken_port_is_named_and_nothing_is_started(system: System) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        answer = system.run("up", "--port", str(port))
    assert answer.returncode == 1
    assert f"Port {port} of 127.0.0.1 is taken" in answer.stdout
    assert "--port" in answer.stdout
    assert system.left() == []


def test_ctrl_c_while_it_starts_leaves_nothing(system: System) -> None:
    system.start()
    system.wait_until("Starting the AWS emulator")
    synthesis = system.folder / "logs" / "synth.log"
    ends_at = time.monotonic() + READY_SECONDS_MAX
    while not synthesis.exists():  # the CDK's own processes run then
        assert time.monotonic() < ends_at
        time.sleep(0.05)
    assert system.interrupt() == 130
    assert system.left() == []


def test_detached_it_runs_until_down(system: System, local: Local) -> None:
    started = system.run("up", "--detach")
    assert started.returncode == 0, started.stdout
    url = system.description()["url"]
    assert f"Museway is ready at {url}" in started.stdout
    assert httpx.get(f"{url}/health").is_success

    again = system.run("up")
    assert again.returncode == 0
    assert f"already running at {url}" in again.stdout
    assert system.run("up", "--port", "1").returncode == 1

    stopped = system.run("down")
    assert (stopped.returncode, "Museway is stopped" in stopped.stdout) == (0, True)
    assert system.left() == []
    assert "nothing to stop" in system.run("down").stdout
    # Another system on the same machine went on all the while.
    assert httpx.get(f"{local.url}/health").is_success


def test_it_ends_with_a_word_when_a_part_of_it_dies(system: System) -> None:
    system.start()
    system.wait_until("Stop      Ctrl-C")
    os.kill(system.description()["pids"]["sandbox"], signal.SIGKILL)
    assert system.ended() == 1
    said = system.said.read_text()
    assert "The sandbox has ended by itself" in said
    assert str(system.folder / "logs" / "sandbox.log") in said
    assert system.left() == []


def test_kept_state_is_found_again_after_ctrl_c(system: System, tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    system.start("--state", state)
    system.wait_until("Stop      Ctrl-C")
    first = system.description()
    with Client(first["url"], first["api_key"]) as client:
        result = client.run("elevenlabs/eleven-v3", text="Keep this.")
        spent = client.balance()["spent_micros"]
        before = client.download(result, tmp_path / "before.mp3").read_bytes()
    assert spent == result["billed_micros"] > 0
    assert system.interrupt() == 0
    assert system.left() == []

    system.start("--state", state)
    system.wait_until("Stop      Ctrl-C")
    second = system.description()
    # The key of the first run opens the project still, and its file is where it was.
    with Client(second["url"], first["api_key"]) as client:
        assert client.balance()["spent_micros"] == spent
        kept = client.generation(result["meta"]["generation_id"]).result()
        assert client.download(kept, tmp_path / "after.mp3").read_bytes() == before
    assert system.interrupt() == 0
    assert system.left() == []
