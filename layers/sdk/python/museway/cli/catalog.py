"""The operator's commands for models and prices: check, diff, publish, roll back.

What reads the reviewed YAML needs the checkout; versions that are published already need it not.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from museway.cli._checkout import checkout_module
from museway.cli._output import say, say_json, say_pairs, say_table
from museway.cli.admin import AsJson, Stage, invoke
from museway.errors import MusewayError, NotFound

Directory = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="The catalog's YAML. Default: the checkout's.", exists=True, file_okay=False),
]

catalog = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@catalog.command("check")
def check(directory: Directory = None, as_json: AsJson = False) -> None:
    """Check the YAML and sum up what it would sell; each fault is a line `file:line: what is wrong`."""
    report = _checkout().check(directory)
    if as_json:
        say_json(report)
    elif not report["faults"]:
        _say_summary(report["summary"])
    else:
        _say_faults(report["faults"])
    if report["faults"]:
        raise typer.Exit(1)


@catalog.command("diff")
def diff(
    from_version: Annotated[
        str | None, typer.Option("--from", metavar="VERSION", help="Default: the version that is current.")
    ] = None,
    to_version: Annotated[str | None, typer.Option("--to", metavar="VERSION", help="Default: the YAML.")] = None,
    directory: Directory = None,
    stage: Stage = None,
    as_json: AsJson = False,
) -> None:
    """Print what would change for callers, in words; `!` marks what can cost or hinder them."""
    request = {"action": "catalog.diff", "from_version": from_version}
    if to_version is None:
        request["documents"] = _sound_documents(directory)
    else:
        request["to_version"] = to_version
    answer = _invoked(stage, request)
    if as_json:
        say_json(answer)
        return
    _say_changes(answer)


@catalog.command("publish")
def publish(
    built_in: Annotated[
        bool, typer.Option("--built-in", help="Publish what the deployment carries, instead of the YAML.")
    ] = False,
    directory: Directory = None,
    stage: Stage = None,
    as_json: AsJson = False,
) -> None:
    """Check the YAML and make it the current version, without a deployment; functions follow within a minute."""
    request = {"action": "catalog.publish"}
    if not built_in:
        request["documents"] = _sound_documents(directory)
    answer = _invoked(stage, request)
    if as_json:
        say_json(answer)
        return
    is_new = answer.get("previous_version") != answer.get("catalog_version")
    say_pairs(
        [
            ("published" if is_new else "current already", answer.get("catalog_version")),
            ("before", answer.get("previous_version") if is_new else None),
            ("models", answer.get("models")),
        ]
    )
    if is_new and answer.get("previous_version"):
        _say_changes(answer)


@catalog.command("rollback")
def rollback(
    version: Annotated[
        str | None, typer.Argument(metavar="[VERSION]", help="Default: the version that the current one replaced.")
    ] = None,
    stage: Stage = None,
    as_json: AsJson = False,
) -> None:
    """Make an earlier version current again; functions follow within a minute."""
    # Named in any case: a request that is repeated because its answer got lost must not go back twice.
    target = version or _replaced(_invoked(stage, {"action": "catalog.versions"})["items"])
    answer = _invoked(stage, {"action": "catalog.rollback", "version": target})
    if as_json:
        say_json(answer)
        return
    is_move = answer.get("from_version") != answer.get("to_version")
    say_pairs(
        [
            ("from", answer.get("from_version") if is_move else None),
            ("to" if is_move else "current already", answer.get("to_version")),
            ("models", answer.get("models")),
        ]
    )
    if is_move:
        _say_changes(answer)


@catalog.command("versions")
def versions(stage: Stage = None, as_json: AsJson = False) -> None:
    """List every version that was published, newest first; `*` marks the current one."""
    answer = _invoked(stage, {"action": "catalog.versions"})
    if as_json:
        say_json(answer)
        return
    heads = ("version", "published_at", "models", "replaced")
    rows = [["*" if item["current"] else "", *(item.get(head) for head in heads)] for item in answer["items"]]
    say_table(("", *heads), rows)


def _checkout() -> Any:
    return checkout_module("infra.catalog")


def _sound_documents(directory: Path | None) -> str:
    """The YAML as the admin function takes it. Exits with status 1 when it has faults, which are printed."""
    faults = _checkout().check(directory)["faults"]
    if faults:
        _say_faults(faults)
        raise typer.Exit(1)
    return str(_checkout().packed(directory))


def _invoked(stage: str | None, request: dict[str, Any]) -> dict[str, Any]:
    try:
        return invoke(stage, {name: value for name, value in request.items() if value is not None})
    except MusewayError as error:
        # The function checks what it is sent once more, by its own release's rules.
        for fault in error.fields.get("faults") or []:
            say(f"{fault.get('document')}: {fault.get('message')}", to_stderr=True)
        raise


def _replaced(items: list[dict[str, Any]]) -> str:
    target = next((item.get("replaced") for item in items if item["current"]), None)
    if not target:
        raise NotFound(
            "The current version replaced none, so there is nothing to go back to.",
            code="not_found",
            hint="`museway admin catalog versions` lists every version; name one.",
        )
    return str(target)


def _say_faults(faults: list[dict[str, Any]]) -> None:
    for fault in faults:
        say(f"{fault['file']}:{fault['line']}: {fault['message']}", to_stderr=True)
    say(f"{len(faults)} fault{'s' if len(faults) > 1 else ''}.", to_stderr=True)


def _say_changes(answer: dict[str, Any]) -> None:
    found = answer.get("changes")
    if found is None:
        say("The two versions cannot be compared: one of them cannot be read by this release.")
        return
    for change in found:
        say(f"{'!' if change['breaking'] else ' '} {change['sentence']}")
    if not found:
        say("Nothing differs.")
    elif any(change["breaking"] for change in found):
        say("! can raise a price, narrow a limit or take a model away.", to_stderr=True)


def _say_summary(summary: dict[str, Any]) -> None:
    say(
        f"{summary['models']} models in {summary['families']} families, {summary['prices_in_force']} prices in force. "
        "No fault."
    )
    rows = [("price from", one["starts_on"], one["model"], "") for one in summary["prices_that_start_later"]]
    rows += [("ends", one["ends_on"], one["model"], one["successor"]) for one in summary["ending"]]
    rows += [("ended", one["ends_on"], one["model"], one["successor"]) for one in summary["retired"]]
    if rows:
        say_table(("what", "day", "model", "successor"), rows)
