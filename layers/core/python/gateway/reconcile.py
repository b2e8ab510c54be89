"""The reconciler: finishes what fell between, from the tables alone, and audits the money.

It looks at generations whose time to be looked at has come: those whose execution never started or died,
those past their deadline, those whose end nobody announced. Everything it does is idempotent, so it may run
beside a living execution.
"""

import json
import time
from collections.abc import Iterator
from typing import Any

from gateway import advance, aws, closing, ids, jobs, ledger, tables, telemetry
from gateway.config import settings

BATCH = 50
"""Generations looked at per bucket and run."""
AUDIT_LOOKS = 3
AUDIT_PAUSE_SECONDS = 1.0
RESTARTS_MAX = 5
"""Executions after the first. Each looks at the provider at least once, so what it delivered late still counts."""
ALIVE = frozenset({"RUNNING", "PENDING_REDRIVE"})


def start(generation: tables.Generation) -> None:
    """Start a generation's execution, once: it is named by the generation, so a second start is none."""
    number = int(generation.restart_no)
    name = generation.generation_id + (f"-r{number}" if number else "")
    states = aws.client("stepfunctions")
    order = {"generation_id": generation.generation_id, "await_seconds": int(generation.await_seconds)}
    try:
        states.start_execution(stateMachineArn=settings().state_machine_arn, name=name, input=json.dumps(order))
    except states.exceptions.ExecutionAlreadyExists:
        telemetry.logger.info("the execution exists already", extra={"execution": name})
    else:
        telemetry.logger.info("execution started", extra={"execution": name})


def announce(generation: tables.Generation) -> None:
    """Put a final generation's event on the bus (at least once), and take it off the list of open work."""
    detail = {
        "id": f"{generation.generation_id}.{generation.status}",
        "generation_id": generation.generation_id,
        "project_id": generation.project_id,
        "model": generation.model,
        "status": generation.status,
        "billed_micros": int(generation.billed_micros or 0),
        "error": generation.error,
        "session_id": generation.session_id,
        "metadata": generation.metadata,
        "completed_at": generation.completed_at,
    }
    answer = aws.client("events").put_events(
        Entries=[
            {
                "Source": "museway",
                "DetailType": f"Generation{generation.status.capitalize()}",
                "Detail": json.dumps(detail),
                "EventBusName": settings().event_bus,
            }
        ]
    )
    if answer["FailedEntryCount"]:
        raise RuntimeError(f"the bus refused an event: {answer['Entries'][0].get('ErrorCode')}")
    jobs.note_announced(generation)
    telemetry.logger.info("end announced", extra={"status": generation.status})


def run() -> dict[str, int]:
    """Look at everything that is due and audit every project; answers what was done, by kind."""
    done: dict[str, int] = {}
    now_seconds = ids.now().timestamp()
    for bucket in range(jobs.WORK_BUCKETS):
        for generation_id in tables.Generation.due(f"open#{bucket}", now_seconds, BATCH):
            with telemetry.step(generation_id):
                action = _attended(generation_id, now_seconds)
            done[action] = done.get(action, 0) + 1
    # Summing every record and grant costs more with every record, so that is asked once an hour.
    with_records = ids.now().minute == 0
    broken = [f for project in tables.Project.every() for f in audit(project.project_id, with_records=with_records)]
    for fault in broken:
        telemetry.logger.error("ledger equation broken", extra={"fault": fault})
    telemetry.measure({"LedgerEquationsBroken": len(broken)})
    return done | {"equations_broken": len(broken)}


def attend(generation_id: str) -> str:
    """Do what one generation needs; answers what that was."""
    generation = jobs.take_up(generation_id)
    now_seconds = ids.now().timestamp()
    if jobs.is_final(generation):
        announce(generation)
        return "announced"
    if _execution_lives(generation):
        jobs.postpone(generation, now_seconds + jobs.CHECK_SECONDS)
        return "alive"
    if int(generation.restart_no) >= RESTARTS_MAX:
        return _close(generation)
    if generation.status == jobs.PENDING and int(generation.restart_no) == 0 and not _execution(generation):
        start(generation)
        jobs.postpone(generation, now_seconds + jobs.START_GRACE_SECONDS)
        return "started"
    if jobs.note_restart(generation, now_seconds + jobs.START_GRACE_SECONDS):
        start(jobs.find(generation_id))
        return "restarted"
    return "raced"


def _attended(generation_id: str, now_seconds: float) -> str:
    """As `attend`; what fails with one generation is reported, put off, and keeps nobody else waiting."""
    try:
        return attend(generation_id)
    except Exception:
        # Whatever it is, the next round meets it again; the rest of this round must not wait for it.
        telemetry.logger.exception("a generation could not be reconciled")
        telemetry.measure({"ReconciliationsFailed": 1})
        jobs.postpone(jobs.find(generation_id), now_seconds + jobs.START_GRACE_SECONDS)
        return "failed_to_reconcile"


def audit(project_id: str, *, with_records: bool = True) -> list[str]:
    """What does not add up in a project's ledger, in words; empty when every equation holds.

    The listings lag a moment behind the balance, so a difference is told only when a later look confirms it.
    """
    for _ in range(AUDIT_LOOKS - 1):
        if not _unequal(project_id, with_records):
            return []
        time.sleep(AUDIT_PAUSE_SECONDS)
    return _unequal(project_id, with_records)


def _close(generation: tables.Generation) -> str:
    """Executions keep dying: settle what is here, or fail and release once no attempt can be running any more."""
    following = closing.fail(generation.generation_id)
    if following == advance.SETTLE:
        closing.settle(generation.generation_id)
        return "settled"
    if following == advance.DONE:
        return "failed"
    jobs.postpone(generation, int(generation.deadline_at) + 1)
    return "waited"


def _execution_lives(generation: tables.Generation) -> bool:
    execution = _execution(generation)
    return execution is not None and execution["status"] in ALIVE


def _execution(generation: tables.Generation) -> dict[str, Any] | None:
    """The newest execution of a generation, or None when none was started."""
    number = int(generation.restart_no)
    machine = settings().state_machine_arn.replace(":stateMachine:", ":execution:")
    name = generation.generation_id + (f"-r{number}" if number else "")
    states = aws.client("stepfunctions")
    try:
        execution: dict[str, Any] = states.describe_execution(executionArn=f"{machine}:{name}")
    except states.exceptions.ExecutionDoesNotExist:
        return None
    return execution


def _unequal(project_id: str, with_records: bool) -> list[str]:
    before = ledger.totals(project_id)
    held_micros = sum(int(hold.amount_micros) for hold in _every(tables.Hold, project_id, "HOLD"))
    spent_micros, granted_micros = before.spent_micros, before.granted_micros
    if with_records:
        spent_micros = sum(int(record.amount_micros) for record in _every(tables.Record, project_id, "RECORD"))
        entries = _every(tables.Entry, project_id, "ENTRY")
        granted_micros = sum(int(entry.amount_micros) for entry in entries if entry.type == "grant")
    now = ledger.totals(project_id)
    if now != before:
        return []  # Money moved while we counted; the next run looks again.
    parts_micros = now.available_micros + now.held_micros + now.spent_micros
    checks = {
        f"granted {now.granted_micros} is not available + held + spent {parts_micros}": now.granted_micros
        == parts_micros,
        f"granted {now.granted_micros} is not the grants' {granted_micros}": now.granted_micros == granted_micros,
        f"held {now.held_micros} is not the open holds' {held_micros}": now.held_micros == held_micros,
        f"spent {now.spent_micros} is not the records' {spent_micros}": now.spent_micros == spent_micros,
        "an amount is negative": min(now.available_micros, now.held_micros, now.spent_micros) >= 0,
    }
    return [f"{project_id}: {fault}" for fault, right in checks.items() if not right]


def _every(model: type[tables.Hold | tables.Record | tables.Entry], project_id: str, what: str) -> Iterator[Any]:
    cursor = None
    while True:
        found, cursor = tables.page_of_listing(model, ledger.listing(project_id, what), 100, cursor)
        yield from found
        if cursor is None:
            return
