"""Commands that speak of money: balance, records."""

from typing import Annotated, Any

import typer

from museway._wire import require
from museway.cli._context import make_client
from museway.cli._output import money, say, say_json, say_list, say_pairs
from museway.cli.reports import AsJson, AsLines, Since, Until, one_format, say_groups


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
    since: Since = None,
    until: Until = None,
    group_by: Annotated[
        str | None, typer.Option(metavar="FIELD", help="Sums by model, key, session, workflow or day.")
    ] = None,
    as_json: AsJson = False,
    as_lines: AsLines = False,
) -> None:
    """List every BillingRecord; `museway records --jsonl | museway verify -` recomputes them."""
    one_format(as_json=as_json, as_lines=as_lines)
    if group_by is not None:
        say_groups(group_by, since, until, as_json=as_json, as_lines=as_lines)
        return
    with make_client() as client:
        items = client.records(since=since, until=until)
    heads = ("created_at", "generation_id", "model", "credits", "amount_micros")
    say_list({"items": items}, heads, as_json=as_json, as_lines=as_lines)
    if not (as_json or as_lines):
        say(f"\n{_count(items)}, {money(_sum(items))}")


def _count(items: list[dict[str, Any]]) -> str:
    return "1 record" if len(items) == 1 else f"{len(items)} records"


def _sum(items: list[dict[str, Any]]) -> int:
    """What the records say they charged; malformed amounts, which `museway verify` reports, count nothing."""
    amounts = (item.get("amount_micros") for item in items)
    return sum(amount for amount in amounts if type(amount) is int)
