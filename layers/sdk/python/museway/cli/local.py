"""Commands that run the whole system on this machine: up, down. They need a checkout, not only the wheel."""

from pathlib import Path
from typing import Annotated, Any

import typer

from museway.cli._checkout import checkout_module


def up(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where to listen; 0 takes a free port.")] = 0,
    state: Annotated[Path | None, typer.Option(metavar="DIR", help="Keep the state here and find it again.")] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Return when it is ready.")] = False,
) -> None:
    """Start the whole system on this machine, with a project that has credits."""
    _exit_with(_commands().up(port, state, detach))


def down() -> None:
    """Stop the system on this machine, and everything it started."""
    _exit_with(_commands().down())


def _commands() -> Any:
    return checkout_module("infra.local.commands")


def _exit_with(status: int) -> None:
    if status:
        raise typer.Exit(status)
