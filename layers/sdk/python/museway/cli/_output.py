"""What the commands print: answers to stdout, everything about the way there to stderr."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any
from unicodedata import category

import typer

from museway._wire import require
from museway.errors import MusewayError

MICROS_PLACES = 6
CREDIT_PLACES = 4
_FIELDS_SAID = (
    *("field", "allowed", "available_variants", "nearest", "successor", "price_difference_micros"),
    *("needed_micros", "available_micros", "scope", "period", "limit_micros", "counted_micros", "key_id"),
)


def say(text: str = "", *, to_stderr: bool = False) -> None:
    """Print a line. Control characters, which a server could send and a terminal would obey, are dropped."""
    typer.echo("".join(char for char in text if char in "\n\t" or category(char)[0] != "C"), err=to_stderr)


def say_json(value: object) -> None:
    """Print one JSON document; in ASCII, so that no terminal and no pipe changes it."""
    typer.echo(json.dumps(value, indent=2))


def say_error(error: MusewayError) -> None:
    """Print an error for people, to stderr: what happened, its code, what to do, and the ids to ask about."""
    say(f"error: {error.message} ({error.code})", to_stderr=True)
    if error.hint:
        say(f"hint:  {error.hint}", to_stderr=True)
    for name in _FIELDS_SAID:
        if (value := error.fields.get(name)) not in (None, "", [], {}):
            say(f"       {name}: {_in_words(value)}", to_stderr=True)
    for name, value in (("generation", error.generation_id), ("request", error.request_id)):
        if value:
            say(f"       {name}: {value}", to_stderr=True)


def _in_words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_in_words(part)}" for name, part in value.items() if part is not None)
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def say_table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print columns of plain text, complete at any width of the terminal, so that they can be piped."""
    texts = [tuple(heads), *(tuple("" if cell is None else str(cell) for cell in row) for row in rows)]
    widths = [max(len(row[column]) for row in texts) for column in range(len(heads))]
    for row in texts:
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def say_list(answer: dict[str, Any], heads: Sequence[str], *, as_json: bool, as_lines: bool = False) -> None:
    """Print `{"items": [...]}` as it is, as one JSON object a line, or as a table of the fields that `heads` names.

    Raises ServerError for an answer without items.
    """
    items = require(answer, "items", list)
    if as_json:
        say_json(answer)
    elif as_lines:
        for item in items:
            say(json.dumps(item, separators=(",", ":")))
    else:
        say_table(heads, [[item.get(head) for head in heads] for item in items])


def say_pairs(pairs: Sequence[tuple[str, object]]) -> None:
    """Print names and values, one pair a line, leaving out what is not there."""
    width = max(len(name) for name, _ in pairs)
    for name, value in pairs:
        if value not in (None, ""):
            say(f"{name.ljust(width)}  {value}")


def money(micros: int) -> str:
    """An exact amount for people: `$0.672 (67.2 credits, 672000 micros)`."""
    return f"${shifted(micros, MICROS_PLACES)} ({shifted(micros, CREDIT_PLACES)} credits, {micros} micros)"


def limits(limit: object) -> str:
    """A spending limit for people: `$5 a day, $90 in all`; empty where there is none."""
    words = {"day_micros": "a day", "month_micros": "a month", "total_micros": "in all"}
    given = limit if isinstance(limit, dict) else {}
    parts = [(given.get(name), word) for name, word in words.items()]
    return ", ".join(f"${shifted(micros, MICROS_PLACES)} {word}" for micros, word in parts if isinstance(micros, int))


def shifted(amount: int, places: int) -> str:
    """An integer amount in a unit 10**places larger, exactly and without trailing zeros."""
    # From text, which is exact at any length; arithmetic would round to 28 digits.
    text = format(Decimal(f"{amount}e-{places}"), "f")
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


@contextmanager
def progress_bar(title: str, *, is_shown: bool) -> Iterator[Callable[[dict[str, Any]], None] | None]:
    """A bar on stderr that follows a generation's status; None instead when nobody would see it."""
    if not (is_shown and sys.stderr.isatty()):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=100)

        def follow(status: dict[str, Any]) -> None:
            done = status.get("progress") or 0
            progress.update(task, completed=done, description=f"{title}  {status.get('status', '')}")

        yield follow
