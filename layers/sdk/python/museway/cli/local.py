"""Commands that run the whole system on this machine: up, down. They need a checkout, not only the wheel."""

from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from museway.errors import NotConfigured

# Named, not imported: the client must not depend on the checkout that it is part of.
_COMMANDS = "infra.local.commands"
_CHECKOUT = ("infra", "infra.local", _COMMANDS)


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
    try:
        return import_module(_COMMANDS)
    except ModuleNotFoundError as error:
        if error.name in _CHECKOUT:
            raise NotConfigured(
                "There is no Museway checkout here, only the client.",
                code="no_checkout",
                hint="Clone the project, run `make setup` in it, then `.venv/bin/museway up`.",
            ) from None
        raise NotConfigured(
            f"The checkout's environment lacks the package {error.name!r}.",
            code="incomplete_setup",
            hint="Run `make setup` in the checkout.",
        ) from None


def _exit_with(status: int) -> None:
    if status:
        raise typer.Exit(status)
