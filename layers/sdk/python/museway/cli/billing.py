"""Commands that speak of money: balance, records."""

from typing import Annotated, Any

import typer

from museway._wire import require
from museway.cli._context import make_client
from museway.cli._output import money, say, say_json, say_pairs, say_table
from museway.cli.reports import one_format, say_groups, say_lines


def balance(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Print what the project has, holds and has spent."""
    with make_client() as client:
        answer = client.balance()
    if as_json:
        say_json(answer)
        return
    names = ("available", "held", "spent", "granted")
    say_pairs([(name, money(require(answer, f"{name}_micros", int))) for name in names])


def records(
    since: Annotated[str | None, typer.Option(metavar="TIME", help="From this ISO 8601 time on.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Before this ISO 8601 time.")] = None,
    group_by: Annotated[
        str | None, typer.Option(metavar="FIELD", help="Sums by model, key, session, workflow or day.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    as_lines: Annotated[bool, typer.Option("--jsonl", help="Print one JSON object a line.")] = False,
) -> None:
    """List every BillingRecord; `museway records --jsonl | museway verify -` recomputes them."""
    one_format(as_json=as_json, as_lines=as_lines)
    if group_by is not None:
        say_groups(group_by, since, until, as_json=as_json, as_lines=as_lines)
        return
    with make_client() as client:
        items = client.records(since=since, until=until)
    if as_json:
        say_json({"items": items})
    elif as_lines:
        say_lines(items)
    else:
        heads = ("created_at", "generation_id", "model", "credits", "amount_micros")
        say_table(heads, [[item.get(head) for head in heads] for item in items])
        say(f"\n{_count(items)}, {money(_sum(items))}")


def _count(items: list[dict[str, Any]]) -> str:
    return "1 record" if len(items) == 1 else f"{len(items)} records"


def _sum(items: list[dict[str, Any]]) -> int:
    """What the records say they charged; malformed amounts, which `museway verify` reports, count nothing."""
    amounts = (item.get("amount_micros") for item in items)
    return sum(amount for amount in amounts if type(amount) is int)
