"""The command that starts many generations at once: batch."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from museway.cli._context import make_client
from museway.cli._inputs import invalid_argument
from museway.cli._output import money, say, say_json
from museway.client import Generation
from museway.errors import InvalidRequest, MusewayError


def batch(
    file: Annotated[str, typer.Argument(metavar="FILE.jsonl", help="One typed request a line; - reads stdin.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Start up to 90 generations at once and print what became of each line. Exits 0 only if all were accepted.

    A line is a request such as {"model": "nano-banana", "prompt": "a red fox"}; local files may stand where a URL is
    expected. Credits are held for all at once, for the first lines first; nothing is waited for.
    """
    content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    numbered = [(number, _request(number, line)) for number, line in enumerate(content.split(b"\n"), 1) if line.strip()]
    if not numbered:
        raise _unreadable("There is no request in the file.")
    with make_client() as client:
        outcomes = client.batch([request for _, request in numbered])
    if as_json:
        say_json([_as_data(number, outcome) for (number, _), outcome in zip(numbered, outcomes, strict=True)])
    else:
        for (number, _), outcome in zip(numbered, outcomes, strict=True):
            say(f"{number}  {_in_words(outcome)}")
    if any(isinstance(outcome, MusewayError) for outcome in outcomes):
        raise typer.Exit(1)


def _in_words(outcome: Generation | MusewayError) -> str:
    if isinstance(outcome, MusewayError):
        place = outcome.fields.get("field")
        return f"refused   {outcome.message} ({outcome.code}{f', {place}' if place else ''})"
    return f"accepted  {outcome.id}  {money(outcome.accepted.get('estimated_cost_micros', 0))}"


def _as_data(number: int, outcome: Generation | MusewayError) -> dict[str, Any]:
    if isinstance(outcome, MusewayError):
        error = {"error": outcome.code, "message": outcome.message, "hint": outcome.hint, **outcome.fields}
        return {"line": number, "status": outcome.status, "generation": None, "error": error}
    return {"line": number, "status": 202, "generation": outcome.accepted, "error": None}


def _request(number: int, line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise _unreadable(f"Line {number} is not a JSON object.")
    return found


def _unreadable(message: str) -> InvalidRequest:
    return invalid_argument(
        message, hint='Write one request a line, such as {"model": "nano-banana", "prompt": "a red fox"}.'
    )
