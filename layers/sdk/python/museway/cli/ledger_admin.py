"""The operator's commands about money: corrections, refunds, shards, and whether everything adds up."""

from enum import StrEnum
from typing import Annotated, Any
from uuid import uuid4

import typer

from museway._wire import MICROS_PER_USD, require
from museway.cli._inputs import exact_micros, invalid_argument
from museway.cli._output import MICROS_PLACES, money, say, say_json, say_table, shifted
from museway.cli.admin import MICROS_PER_CREDIT, AsJson, ProjectId, Stage, invoke, project, show
from museway.errors import ConnectionFailed, MusewayError, ServerError

SHARDS_MAX = 64
WHOLE = "whole"
"""The id of a refund that names no amount: repeating it gives nothing back twice."""

MARGIN_FIELDS = ("records", "revenue_micros", "unknown_micros", "cost_micros", "margin_micros")


class MarginBy(StrEnum):
    """What margins are grouped by."""

    model = "model"
    offer = "offer"
    provider = "provider"


Credits = Annotated[str | None, typer.Option("--credits", metavar="N", help="1 credit is 1 US cent.")]


@project.command("list")
def list_projects(stage: Stage = None, as_json: AsJson = False) -> None:
    """List every project."""
    items = _projects(stage)
    if as_json:
        say_json({"items": items})
    else:
        say_table(("project", "name"), [[item.get("project_id"), item.get("name")] for item in items])


@project.command("adjust")
def adjust(
    project_id: ProjectId,
    credit_amount: Annotated[
        str, typer.Option("--credits", metavar="N", help="1 credit is 1 US cent; -12.5 takes 12.5 away.")
    ],
    note: Annotated[str, typer.Option(help="Why; kept in the ledger.")],
    adjust_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Repeat an adjustment that got no answer; it counts once.")
    ] = None,
    stage: Stage = None,
    as_json: AsJson = False,
) -> None:
    """Correct what a project was granted, up or down to nothing available."""
    sign, unsigned = (-1, credit_amount[1:]) if credit_amount.startswith("-") else (1, credit_amount)
    amount_micros = sign * _parsed("credits", unsigned, MICROS_PER_CREDIT)
    identity = adjust_id or str(uuid4())
    payload = {"project_id": project_id, "amount_micros": amount_micros, "note": note, "adjust_id": identity}
    try:
        answer = invoke(stage, {"action": "project.adjust", **payload})
    except (ConnectionFailed, ServerError) as error:
        # Whether it was made is not known, so the same adjustment is repeated, never a second one made.
        error.hint = f"Repeat with --adjust-id {identity}, which cannot adjust twice. {error.hint}".strip()
        raise
    pairs = [
        ("adjusted", money(require(answer, "amount_micros", int))),
        ("available", money(require(answer, "available_micros", int))),
        ("project", answer.get("project_id")),
    ]
    show(answer, pairs, as_json=as_json)


@project.command("shards")
def shards(
    project_id: ProjectId,
    shard_count: Annotated[int, typer.Argument(metavar="N", min=1, max=SHARDS_MAX)],
    stage: Stage = None,
    as_json: AsJson = False,
) -> None:
    """Split a project's balance over N items, while it is in use: each takes some 25 holds a second."""
    answer = invoke(stage, {"action": "project.shards", "project_id": project_id, "shard_count": shard_count})
    show(answer, [("project", answer.get("project_id")), ("shards", answer.get("shard_count"))], as_json=as_json)


@project.command("plan")
def plan(
    project_id: ProjectId,
    margin_bps: Annotated[int | None, typer.Option(min=0, metavar="N", help="On list prices; 100 are 1 %.")] = None,
    platform_fee_bps: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Of the list price, under the project's own provider key.")
    ] = None,
    stage: Stage = None,
    as_json: AsJson = False,
) -> None:
    """Show or set what a project pays beside list prices. Calls that are under way keep what they were quoted."""
    wanted = {"margin_bps": margin_bps, "platform_fee_bps": platform_fee_bps}
    answer = invoke(stage, {"action": "project.plan", "project_id": project_id, **wanted})
    pairs = [
        ("project", answer.get("project_id")),
        ("margin", f"{shifted(require(answer, 'margin_bps', int), 2)} %"),
        ("platform fee", f"{shifted(require(answer, 'platform_fee_bps', int), 2)} %"),
    ]
    show(answer, pairs, as_json=as_json)


def margin(
    by: Annotated[MarginBy, typer.Option(help="What to group by.")] = MarginBy.model,
    project_id: Annotated[str | None, typer.Option("--project", metavar="PROJECT_ID", help="Only this one.")] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="An ISO 8601 time or day.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="An ISO 8601 time or day, exclusive.")] = None,
    stage: Stage = None,
    as_json: AsJson = False,
) -> None:
    """What was charged, what providers asked for it, and what is left, but for calls whose cost is not known."""
    sums: dict[str, dict[str, int]] = {}
    for each in [project_id] if project_id else [str(one.get("project_id")) for one in _projects(stage)]:
        asked = {"project_id": each, "group_by": by.value, "since": since, "until": until}
        for item in require(invoke(stage, {"action": "project.margin", **asked}), "items", list):
            found = sums.setdefault(str(item.get(by.value)), dict.fromkeys(MARGIN_FIELDS, 0))
            for name in MARGIN_FIELDS:
                found[name] += require(item, name, int)
    ordered = sorted(sums.items(), key=lambda one: -one[1]["revenue_micros"])
    if as_json:
        say_json({"items": [{by.value: group, **found} for group, found in ordered]})
        return
    rows = [
        (group, found["records"], *(f"${shifted(found[name], MICROS_PLACES)}" for name in MARGIN_FIELDS[1:]))
        for group, found in ordered
    ]
    say_table((by.value, "records", "revenue", "of unknown cost", "cost", "margin"), rows)


def refund(
    generation_id: Annotated[str, typer.Argument(metavar="GENERATION_ID")],
    usd: Annotated[str | None, typer.Option("--usd", metavar="N", help="US dollars.")] = None,
    credit_amount: Credits = None,
    micros: Annotated[
        int | None, typer.Option("--micros", min=1, metavar="N", help="1,000,000 micros are 1 US dollar.")
    ] = None,
    note: Annotated[str | None, typer.Option(help="Why; kept in the ledger.")] = None,
    refund_id: Annotated[
        str | None,
        typer.Option(metavar="ID", help="What counts once. Default: the amount; name one to give it back again."),
    ] = None,
    stage: Stage = None,
    as_json: AsJson = False,
) -> None:
    """Give back what a generation was charged: the amount, or all that is left. Repeating it is safe."""
    amount_micros = _amount_of(usd, credit_amount, micros)
    identity = refund_id or (WHOLE if amount_micros is None else str(amount_micros))
    payload = {"generation_id": generation_id, "amount_micros": amount_micros, "note": note, "refund_id": identity}
    answer = invoke(stage, {"action": "generation.refund", **payload})
    pairs = [
        ("charged", money(require(answer, "charged_micros", int))),
        ("refunded", money(require(answer, "refunded_micros", int))),
        ("generation", answer.get("generation_id")),
        ("project", answer.get("project_id")),
    ]
    show(answer, pairs, as_json=as_json)


def audit(
    project_id: Annotated[str | None, typer.Option("--project", metavar="PROJECT_ID", help="Only this one.")] = None,
    stage: Stage = None,
    as_json: AsJson = False,
) -> None:
    """Recompute every equation of the ledger from its entries, and list generations that nothing could finish.

    Exits 1 when something does not add up, could not be looked at, or is parked.
    """
    # The parked ones first: an audit that takes long should not hide them.
    parked = [one for one in _parked(stage) if project_id in {None, one.get("project_id")}]
    project_ids = [project_id] if project_id else [str(one.get("project_id")) for one in _projects(stage)]
    reports = []
    for each in project_ids:
        reports.append(_report(stage, each))
        if not as_json:
            _say_report(reports[-1])
    if as_json:
        say_json({"projects": reports, "parked": parked})
    else:
        for one in parked:
            say(f"{one.get('generation_id')} of {one.get('project_id')} is parked: {one.get('failures')} vain tries")
    if parked or any(report["faults"] for report in reports):
        raise typer.Exit(1)


def _report(stage: str | None, project_id: str) -> dict[str, Any]:
    """One project's audit; one that could not be made is a fault of its own, and keeps none of the others waiting."""
    try:
        answer = invoke(stage, {"action": "project.audit", "project_id": project_id})
        return {**answer, "faults": require(answer, "faults", list)}
    except MusewayError as error:
        return {"project_id": project_id, "faults": [f"{project_id}: could not be audited: {error.message}"]}


def _say_report(report: dict[str, Any]) -> None:
    amounts = [(name, report.get(f"{name}_micros")) for name in ("available", "held", "spent")]
    told = [f"{name} ${shifted(micros, MICROS_PLACES)}" for name, micros in amounts if isinstance(micros, int)]
    faults = report["faults"]
    verdict = {0: "adds up", 1: "1 fault"}.get(len(faults), f"{len(faults)} faults")
    say("  ".join([str(report.get("project_id")), *told, verdict]))
    for fault in faults:
        say(f"  {fault}")


def _projects(stage: str | None) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = require(invoke(stage, {"action": "project.list"}), "items", list)
    return items


def _parked(stage: str | None) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = require(invoke(stage, {"action": "generation.parked"}), "items", list)
    return items


def _amount_of(usd: str | None, credit_amount: str | None, micros: int | None) -> int | None:
    """The one amount that was given, in micros; None where none was."""
    if sum(given is not None for given in (usd, credit_amount, micros)) > 1:
        raise invalid_argument(
            "--usd, --credits and --micros exclude each other.",
            hint="Give one of them, or none to refund all that is left.",
        )
    if usd is not None:
        return _parsed("usd", usd, MICROS_PER_USD)
    return micros if credit_amount is None else _parsed("credits", credit_amount, MICROS_PER_CREDIT)


def _parsed(option: str, text: str, micros_per_unit: int) -> int:
    """An amount above nothing, exactly. Raises InvalidRequest."""
    amount_micros = exact_micros(text, micros_per_unit)
    if not amount_micros:
        raise invalid_argument(
            f"{text!r} is not an amount for --{option}.",
            hint="Give a number that is not 0 and has no parts of a micro, such as 67.2.",
            field=option,
        )
    return amount_micros
