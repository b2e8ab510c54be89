"""The operator's commands about providers: how their offers do, and closing a breaker by hand."""

from typing import Annotated, Any

import typer

from museway._wire import require
from museway.cli._output import say, say_json, say_table
from museway.cli.admin import AsJson, Stage, invoke, show

HEADS = ("provider", "offer", "state", "success", "p50", "p95", "samples", "since")

providers = typer.Typer(rich_markup_mode=None, invoke_without_command=True)


@providers.callback()
def list_offers(
    context: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Those too that nobody used of late.")] = False,
    stage: Stage = None,
    as_json: AsJson = False,
) -> None:
    """Show how every offer does: its breaker, rate of success and times within the last minutes, its last change."""
    if context.invoked_subcommand is not None:
        return
    answer = invoke(stage, {"action": "provider.list"})
    items = require(answer, "items", list)
    known = [item for item in items if every or item.get("samples") or item.get("since")]
    if as_json:
        say_json({"items": known})
        return
    say_table(HEADS, [_row(item) for item in known])
    if len(known) < len(items):
        say(f"{len(items) - len(known)} more that nobody used of late (--all)", to_stderr=True)


@providers.command("reset")
def reset(
    offer: Annotated[str, typer.Argument(metavar="OFFER", help="As `museway admin providers` shows it.")],
    stage: Stage = None,
    as_json: AsJson = False,
) -> None:
    """Close an offer's breaker now: what it did until now is held against it no more."""
    answer = invoke(stage, {"action": "provider.reset", "offer": offer})
    show(answer, [(name, answer.get(name)) for name in ("offer", "state", "since")], as_json=as_json)


def _row(item: dict[str, Any]) -> tuple[object, ...]:
    rate = item.get("success_rate")
    success = f"{rate:.0%}" if isinstance(rate, float | int) else None
    times = [f"{item[name]:g} s" if item.get(name) is not None else None for name in ("p50_seconds", "p95_seconds")]
    named = [item.get(name) for name in ("provider", "offer", "state")]
    return *named, success, *times, item.get("samples"), item.get("since")
