"""Processes that can be found again and stopped for certain, each the leader of a session of its own.

A process id alone says nothing after a restart: the system gives ids again. A process is taken for ours only
when its id and the moment it started agree with what was written down.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

KILL_WAIT_SECONDS = 5.0
_ALONE_SECONDS = 2.0
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Process:
    """A line of the system's process table. `started` is comparable, on this machine until it is rebooted."""

    pid: int
    group: int
    started: str
    command: str


@dataclass(frozen=True, slots=True)
class Identity:
    """A process as it was written down when it started."""

    name: str
    pid: int
    started: str

    def to_json(self) -> dict[str, str | int]:
        """The form in which processes.json keeps it."""
        return {"name": self.name, "pid": self.pid, "started": self.started}


@dataclass(slots=True)
class Child:
    """A running process of ours, with the file that has its output."""

    identity: Identity
    popen: "subprocess.Popen[bytes]"
    log: Path


def table() -> list[Process]:
    """All processes of this machine that have not ended (a zombie has)."""
    return list(_proc_table() if Path("/proc/self/stat").exists() else _ps_table())


def identify(name: str, pid: int) -> Identity | None:
    """The process with this id, or None when it has ended."""
    found = next((process for process in table() if process.pid == pid), None)
    return Identity(name, pid, found.started) if found else None


def is_running(identity: Identity) -> bool:
    """Whether this very process runs still."""
    return any(process.pid == identity.pid and process.started == identity.started for process in table())


def spawn(
    name: str, command: Sequence[str], *, log: Path, cwd: Path, environment: Mapping[str, str], keep: Sequence[int] = ()
) -> Child:
    """Start a process as the leader of a new session, its output in `log`; `keep` are descriptors it inherits."""
    with log.open("wb") as output:
        popen = subprocess.Popen(
            command,
            cwd=cwd,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=keep,
        )
    # A process that ended at once has no start time any more; its empty one matches nothing.
    identity = identify(name, popen.pid) or Identity(name, popen.pid, "")
    return Child(identity, popen, log)


def stop(identity: Identity, *, grace_seconds: float, marker: str = "") -> bool:
    """End a process of ours and all that it started; whether there was anything to end.

    The leader is asked first; after a moment those it started are asked too, since it may wait for them; after
    `grace_seconds` what is left of its group is killed. When the leader is gone already, its group is ours only
    if a command line in it contains `marker`.
    """
    members = _group(identity, marker)
    if not members:
        return False
    if any(process.pid == identity.pid for process in members):
        with contextlib.suppress(ProcessLookupError):
            os.kill(identity.pid, signal.SIGTERM)
        if not _wait(lambda: not is_running(identity), _ALONE_SECONDS):
            for member in _group_members(identity.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(member.pid, signal.SIGTERM)
            _wait(lambda: not is_running(identity), grace_seconds)
    if _group_members(identity.pid):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(identity.pid, signal.SIGKILL)
        _wait(lambda: not _group_members(identity.pid), KILL_WAIT_SECONDS)
    return True


def ask_to_end(identity: Identity, *, grace_seconds: float) -> None:
    """End one process and nothing else of its group, by force when it has not ended after `grace_seconds`."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if is_running(identity):
            with contextlib.suppress(ProcessLookupError):
                os.kill(identity.pid, number)
            _wait(lambda: not is_running(identity), grace_seconds)


def has_remains(identity: Identity, marker: str = "") -> bool:
    """Whether the process, or anything of its group, still runs."""
    return bool(_group(identity, marker))


def _group(identity: Identity, marker: str) -> list[Process]:
    members = _group_members(identity.pid)
    leader = next((process for process in members if process.pid == identity.pid), None)
    if leader is not None:
        return members if leader.started == identity.started else []
    return members if marker and any(marker in process.command for process in members) else []


def _group_members(group: int) -> list[Process]:
    return [process for process in table() if process.group == group]


def _wait(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _proc_table() -> Iterator[Process]:
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            # The name of the program is in parentheses and may itself contain some, so count from the last.
            fields = Path(entry.path, "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
            command = Path(entry.path, "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if fields[0] not in "ZX":
            yield Process(int(entry.name), int(fields[2]), fields[19], command)


def _ps_table() -> list[Process]:
    columns = ["ps", "-A", "-o", "pid=,pgid=,stat=,lstart=,command="]
    english = {**os.environ, "LC_ALL": "C"}
    return parse_ps(subprocess.run(columns, capture_output=True, text=True, check=True, env=english).stdout)


def parse_ps(listing: str) -> list[Process]:
    """The lines of `ps -A -o pid=,pgid=,stat=,lstart=,command=`; lstart is five words: Sat Nov 21 03:43:00 2026."""
    lines = [line.split(None, 8) for line in listing.splitlines()]
    return [
        Process(int(words[0]), int(words[1]), " ".join(words[3:8]), words[8])
        for words in lines
        if len(words) == 9 and not words[2].startswith("Z")
    ]
