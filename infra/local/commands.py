"""`museway up` and `museway down`: the system of this checkout. Both answer an exit status."""

import shutil
import sys
from pathlib import Path
from typing import Any

from infra.local.console import Console
from infra.local.interrupts import Interrupts
from infra.local.layout import Layout
from infra.local.problems import LocalProblem
from infra.local.remains import find_running, sweep
from infra.local.system import System, ended

INTERRUPTED = 130


def up(port: int = 0, state: Path | None = None, detach: bool = False, layout: Layout | None = None) -> int:
    """Start the whole system; `port` 0 takes the usual one or, when it is taken, a free one.

    Stays in the foreground until Ctrl-C and then stops all it started; with `detach` it returns when the
    system is ready and leaves it running. `state` names a folder that keeps everything for the next time.
    """
    layout, console = layout or Layout.of_checkout(), Console()
    running = find_running(layout)
    if running is not None:
        return _already_running(layout, console, running, port, state)
    system = System(layout, console, port=port, state=state.resolve() if state else None)
    with system.interrupts.handled():
        return _run(system, detach)


def down(layout: Layout | None = None) -> int:
    """Stop the system of this checkout and everything it started; fine when there is none."""
    layout, console = layout or Layout.of_checkout(), Console()
    with Interrupts().handled():
        stopped = sweep(layout)
    if stopped:
        console.say(f"Museway is stopped ({', '.join(stopped)}).")
    else:
        console.say("Museway is not running in this checkout; there was nothing to stop.")
    return 0


def _run(system: System, detach: bool) -> int:
    console = system.console
    try:
        system.claim()
    except LocalProblem as problem:
        console.problem(problem.message, problem.hint)
        return 1
    keep_running = False
    try:
        system.clean_up_former()
        description = system.start()
        _say_ready(system, description, detach)
        if detach:
            with system.interrupts.shielded():
                system.release()
                keep_running = True
            return 0
        raise ended(system.wait_for_end())
    except LocalProblem as problem:
        console.problem(problem.message, problem.hint)
        return 1
    except KeyboardInterrupt:
        return 0 if system.layout.description.exists() else INTERRUPTED
    finally:
        if not keep_running:
            system.interrupts.ignore()
            stopped = system.stop()
            if stopped:
                console.say(f"Stopped ({', '.join(stopped)}).")


def _already_running(layout: Layout, console: Console, running: dict[str, Any], port: int, state: Path | None) -> int:
    console.say(f"Museway is already running at {running['url']} (API key in {layout.description}).")
    other_port = port and not str(running["url"]).endswith(f":{port}")
    other_state = state is not None and str(state.resolve()) != running.get("state")
    if other_port or other_state:
        console.problem(
            "It was started with other settings.", f"Stop it with `{stop_command(layout)}`, then start it again."
        )
        return 1
    console.say(f"`{stop_command(layout)}` stops it.")
    return 0


def _say_ready(system: System, description: dict[str, Any], detach: bool) -> None:
    say, url = system.console.say, description["url"]
    say()
    say(f"Museway is ready at {url} after {system.console.elapsed_seconds():.0f} s.")
    credit = "" if system.state else ", 1,000 credits"
    say(f"  API key   in {system.layout.description} (project {description['project_id']}{credit})")
    say(f'  Try       {museway()} run nano-banana prompt="a red fox in the snow" -o fox.png')
    say(f"  Read      {url}/docs")
    say(f"  Logs      {system.layout.logs}, one file per process and per function")
    say(f"  Stop      {stop_command(system.layout) if detach else 'Ctrl-C'}")


def museway() -> str:
    """How to call the command line from here: by name when the environment is active, else by its path."""
    program = Path(sys.executable).with_name("museway")
    return "museway" if shutil.which("museway") == str(program) else str(program)


def stop_command(layout: Layout) -> str:
    """What stops the system of a folder."""
    return (
        f"{museway()} down"
        if layout == Layout.of_checkout()
        else f"python -m infra.local down --folder {layout.folder}"
    )
