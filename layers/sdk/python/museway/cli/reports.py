"""Commands that read the money: sums of records, a session, the ledger, exports and the archive of days."""

from pathlib import Path
from typing import Annotated

import typer

from museway._wire import require
from museway.cli._context import make_client
from museway.cli._inputs import invalid_argument
from museway.cli._output import money, say, say_json, say_list, say_table

Since = Annotated[str | None, typer.Option(metavar="TIME", help="From this ISO 8601 time on.")]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Before this ISO 8601 time.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
AsLines = Annotated[bool, typer.Option("--jsonl", help="Print one JSON object a line.")]


def one_format(*, as_json: bool, as_lines: bool) -> None:
    """Raise InvalidRequest when both formats are asked for."""
    if as_json and as_lines:
        raise invalid_argument("--json and --jsonl exclude each other.", hint="Give one of them.")


def say_groups(group_by: str, since: str | None, until: str | None, *, as_json: bool, as_lines: bool) -> None:
    """Print what records come to by group, and in all."""
    with make_client() as client:
        answer = client.grouped(group_by, since=since, until=until)
    say_list(answer, (group_by, "records", "credits", "amount_micros"), as_json=as_json, as_lines=as_lines)
    if not (as_json or as_lines):
        totals = require(answer, "totals", dict)
        say(f"\n{_counted(require(totals, 'records', int), 'record')}, {money(require(totals, 'amount_micros', int))}")


def session(
    session_id: Annotated[str, typer.Argument(metavar="ID", help="The session_id that calls were made with.")],
    since: Since = None,
    until: Until = None,
    as_json: AsJson = False,
) -> None:
    """Print what each call of a session cost and what they come to, refunds taken off."""
    with make_client() as client:
        answer = client.session_cost(session_id, since=since, until=until)
    if as_json:
        say_json(answer)
        return
    heads = ("created_at", "generation_id", "model", "key_id", "amount_micros", "refunded_micros")
    say_table(heads, [[item.get(head) for head in heads] for item in require(answer, "items", list)])
    totals = require(answer, "totals", dict)
    say(f"\n{_counted(require(totals, 'records', int), 'call')}, {money(require(totals, 'net_micros', int))}")


def ledger(since: Since = None, until: Until = None, as_json: AsJson = False, as_lines: AsLines = False) -> None:
    """List every movement of the project's money, newest first."""
    one_format(as_json=as_json, as_lines=as_lines)
    with make_client() as client:
        items = client.ledger(since=since, until=until)
    heads = ("created_at", "type", "amount_micros", "generation_id", "note")
    say_list({"items": items}, heads, as_json=as_json, as_lines=as_lines)


def export(
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="Where to write them.")],
    file_format: Annotated[str, typer.Option("--format", help="jsonl, csv or focus (FOCUS 1.4).")] = "jsonl",
    since: Since = None,
    until: Until = None,
) -> None:
    """Write BillingRecords to a file, oldest first."""
    with make_client() as client:
        path = client.export_records(file_format, output, since=since, until=until)
    say(str(path))


def exports(
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="DIR", help="Bring the days there, as DIR/yyyy/mm/dd.")
    ] = None,
    since: Since = None,
    until: Until = None,
    as_json: AsJson = False,
) -> None:
    """List the archive's days, or bring them to a directory, where `museway verify DIR` checks them.

    What is there already is compared, not fetched again.
    """
    with make_client() as client:
        if output is not None:
            new = [str(path) for path in client.save_exports(output, since=since, until=until)]
            if as_json:
                say_json({"files": new})
            else:
                say("\n".join([*new, _counted(len(new), "new file")]))
            return
        days = client.exports(since=since, until=until)
    if as_json:
        say_json({"items": days})
        return
    names = ("records", "amount_micros", "settled_micros", "refunded_micros")
    rows = [[day.get("day"), *(require(day, "totals", dict).get(name) for name in names)] for day in days]
    say_table(("day", *names), rows)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
