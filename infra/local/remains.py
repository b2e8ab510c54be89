"""What of a local system runs or lies about, as its folder's processes.json and local.json say."""

import shutil
from typing import Any

from infra.local.layout import Layout, read_json
from infra.local.processes import Identity, ask_to_end, has_remains, is_running, stop

# The emulator writes its state when it is asked to end.
STOP_SECONDS_MAX = 20.0


def find_running(layout: Layout) -> dict[str, Any] | None:
    """The description of the checkout's system when all of its processes run, else None."""
    children, _ = written_down(layout)
    description = read_json(layout.description)
    if not isinstance(description, dict) or not children or not all(map(is_running, children)):
        return None
    return description


def written_down(layout: Layout) -> tuple[list[Identity], Identity | None]:
    """The processes that processes.json names: the servers, and the `up` that watches them if there is one."""
    content = read_json(layout.processes)
    content = content if isinstance(content, dict) else {}
    supervisor = content.get("supervisor")
    return [Identity(**child) for child in content.get("children", [])], Identity(**supervisor) if supervisor else None


def sweep(layout: Layout) -> list[str]:
    """End what a system left or still has running; the names of what there was. Only processes that it started."""
    children, supervisor = written_down(layout)
    marker = str(layout.temporary)
    stopped = [child.name for child in children if has_remains(child, marker)]
    if supervisor is not None and is_running(supervisor):
        # It stops its servers itself, in their order; what it leaves follows below.
        ask_to_end(supervisor, grace_seconds=STOP_SECONDS_MAX * (len(children) + 1))
    for child in reversed(children):
        stop(child, grace_seconds=STOP_SECONDS_MAX, marker=marker)
    forget(layout)
    return stopped


def forget(layout: Layout) -> None:
    """Remove what describes a system that runs no more; the logs stay."""
    for path in (layout.description, layout.processes):
        path.unlink(missing_ok=True)
    shutil.rmtree(layout.temporary, ignore_errors=True)
