"""Puts the commands together, and turns every error into a sentence on stderr and a non-zero exit."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from museway import __version__
from museway.cli import (
    admin,
    batches,
    billing,
    catalog,
    generation,
    keys,
    ledger_admin,
    local,
    models,
    providers,
    providers_admin,
    reports,
    settings,
    verify,
)
from museway.cli._output import say, say_error
from museway.errors import MusewayError


class Commands(TyperGroup):
    """The commands; an expected error prints what to do, never a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was named."""
        try:
            return super().invoke(ctx)
        except MusewayError as error:
            say_error(error)
        except BrokenPipeError:
            raise
        except OSError as error:
            say(f"error: {error.strerror or error}: {error.filename or ''}".rstrip(": "), to_stderr=True)
            say("hint:  Check that the file exists and may be read or written.", to_stderr=True)
        raise typer.Exit(1)


# Plain help and tracebacks: rich's take a tenth of a second before the first word.
_STYLE: dict[str, Any] = {"no_args_is_help": True, "rich_markup_mode": None, "add_completion": False}

app = typer.Typer(cls=Commands, pretty_exceptions_enable=False, **_STYLE)
for _command in (
    generation.run,
    models.models,
    models.pricing,
    models.estimate,
    generation.status,
    generation.cancel,
    batches.batch,
    generation.upload,
    billing.balance,
    billing.records,
    reports.session,
    reports.ledger,
    reports.export,
    reports.exports,
    verify.verify,
    local.up,
    local.down,
):
    app.command()(_command)
app.add_typer(keys.keys, name="keys", help="API keys: who may speak for the project, and what they may spend.")
app.add_typer(providers.providers, name="providers", help="Providers, and the project's own keys at them.")
app.add_typer(settings.settings, name="settings", help="The project's currency, spending limit and alerts.")
_admin = typer.Typer(help="For the operator: AWS credentials, not API keys.", **_STYLE)
_admin.add_typer(admin.project, name="project", help="Projects, their credits and their keys.")
_admin.add_typer(
    catalog.catalog,
    name="catalog",
    help="Models and prices: check, compare, publish and roll back, without a deployment.",
)
_admin.add_typer(
    providers_admin.providers,
    name="providers",
    help="How every offer of every provider does; `reset` closes a breaker by hand.",
)
_admin.command("refund")(ledger_admin.refund)
_admin.command("audit")(ledger_admin.audit)
_admin.command("margin")(ledger_admin.margin)
app.add_typer(_admin, name="admin")


def _show_version(asked: bool) -> None:
    if asked:
        say(__version__)
        raise typer.Exit


@app.callback()
def _museway(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Museway: every image, video, music and speech model behind one call.

    The gateway is named by MUSEWAY_URL and MUSEWAY_API_KEY. When neither is set and the current directory or
    a parent has .museway/local.json (written by `museway up`), the system on this machine is used.
    """
