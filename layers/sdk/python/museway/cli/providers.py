"""Commands that speak of providers: list them; set, show and delete the project's own keys at them."""

import sys
from typing import Annotated, Any

import typer

from museway.cli._context import make_client
from museway.cli._inputs import invalid_argument
from museway.cli._output import say, say_json, say_pairs, say_table
from museway.cli.generation import AsJson

Provider = Annotated[str, typer.Argument(metavar="PROVIDER", help="As `museway providers` shows it.")]

providers = typer.Typer(rich_markup_mode=None)
key = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
providers.add_typer(key, name="key", help="The project's own keys at providers.")


@providers.callback(invoke_without_command=True)
def list_providers(context: typer.Context, as_json: AsJson = False) -> None:
    """List every provider, with the last four characters of the project's own key where it has one."""
    if context.invoked_subcommand is not None:
        return
    with make_client() as client:
        items = client.providers()
    if as_json:
        say_json({"items": items})
        return
    own = [one.get("key") or {} for one in items]
    rows = [
        (one.get("provider"), one.get("name"), _masked(shown), _tested(shown), shown.get("saved_at"))
        for one, shown in zip(items, own, strict=True)
    ]
    say_table(("provider", "name", "own key", "tested", "saved_at"), rows)


@key.command("set")
def save(
    provider: Provider,
    test: Annotated[bool, typer.Option(help="Ask the provider first; only a key that it takes is saved.")] = True,
    as_json: AsJson = False,
) -> None:
    """Save a key, asked for here or read from stdin: given as an argument it would stay in the shell's history."""
    text = typer.prompt("Key", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
    if not text.strip():
        raise invalid_argument("No key was given.", hint=f"Write: museway providers key set {provider} < FILE")
    with make_client() as client:
        saved = client.save_provider_key(provider, text.strip(), test=test)
    _show(saved, as_json)
    for warning in saved.get("warnings") or []:
        say(f"warning: {warning}", to_stderr=True)


@key.command("show")
def show(provider: Provider, as_json: AsJson = False) -> None:
    """Show what may be shown of a key: its last four characters, never more."""
    with make_client() as client:
        _show(client.provider_key(provider), as_json)


@key.command("delete")
def delete(provider: Provider, as_json: AsJson = False) -> None:
    """Delete a key, at once and for good; calls are made with the deployment's own from then on."""
    with make_client() as client:
        _show(client.delete_provider_key(provider), as_json)


def _show(shown: dict[str, Any], as_json: bool) -> None:
    if as_json:
        say_json(shown)
        return
    say_pairs(
        [
            ("provider", shown.get("provider")),
            ("key", _masked(shown)),
            ("tested", _tested(shown)),
            ("saved", shown.get("saved_at")),
        ]
    )


def _masked(shown: dict[str, Any]) -> str:
    return f"...{shown['last_four']}" if shown.get("last_four") else ""


def _tested(shown: dict[str, Any]) -> str:
    return "" if not shown else "yes" if shown.get("tested") else "no"
