"""The reconciler: finishes what fell between, from the tables alone, and audits the money.

It looks at generations whose time to be looked at has come: those whose execution never started or died,
those past their deadline, those whose end nobody announced; at holds that no generation came for; at money that
lies where no hold finds it; at balances and limits that come near their end; at how offers do. Everything it does is
idempotent, so it may run beside a living execution. What it cannot finish in many tries is parked: looked at less
often, with an alarm that somebody must look.
"""

import itertools
import json
import zlib
from datetime import timedelta
from typing import Any

from gateway import advance, alerts, audit, aws, closing, events, health, ids, jobs, ledger, tables, telemetry
from gateway.config import settings

BATCH = 50
"""Generations looked at per bucket and run."""
HOLDS_MAX = 2_000
"""Old open holds of batches looked at per project and run; the oldest come first."""
ORPHAN_SECONDS = 300
"""How long a hold may wait for its generation: a batch inserts its generations within one request."""
FAILURES_MAX = 10
"""Tries to reconcile one generation, a minute apart, before it is parked."""
PARKED_SECONDS = 3600
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
        "model": jobs.delivered_model(generation),
        "status": generation.status,
        "billed_micros": int(generation.billed_micros or 0),
        "error": generation.error,
        "session_id": generation.session_id,
        "metadata": generation.metadata,
        "completed_at": generation.completed_at,
    }
    events.put(f"Generation{generation.status.capitalize()}", detail)
    jobs.note_announced(generation)
    telemetry.logger.info("end announced", extra={"status": generation.status})


def run() -> dict[str, int]:
    """Look at everything that is due and audit every project; answers what was done, by kind."""
    done: dict[str, int] = {}
    now_seconds = ids.now().timestamp()
    for work in (*jobs.WORK, jobs.PARKED):
        for generation_id in tables.Generation.due(work, now_seconds, BATCH):
            with telemetry.step(generation_id):
                action = _attended(generation_id, now_seconds, is_parked=work == jobs.PARKED)
            done[action] = done.get(action, 0) + 1
    projects = list(tables.Project.every())
    for counted in (_judge_offers(), *map(_money_of, projects)):
        for kind, count in counted.items():
            done[kind] = done.get(kind, 0) + count
    minute = ids.now().minute
    broken = [
        fault
        for project in projects
        for fault in audit.faults(project, with_records=minute == audit_minute(project.project_id))
    ]
    for fault in broken:
        telemetry.logger.error("ledger equation broken", extra={"fault": fault})
    telemetry.measure({"LedgerEquationsBroken": len(broken)})
    return done | {"equations_broken": len(broken)}


def audit_minute(project_id: str) -> int:
    """The minute of each hour at which a project's records and entries are summed too.

    That costs more with every record: so not each minute, and not all projects in the same one.
    """
    return zlib.crc32(project_id.encode()) % 60


def _judge_offers() -> dict[str, int]:
    """Judge how offers do, and tell whose breaker has changed."""
    try:
        told = health.assess()
    except Exception:
        # No project's money must wait for it; the next round judges by the same counts and more.
        telemetry.logger.exception("offers could not be judged")
        telemetry.measure({"ReconciliationsFailed": 1})
        return {"failed_to_reconcile": 1}
    return {"breakers_changed": told} if told else {}


def _money_of(project: tables.Project) -> dict[str, int]:
    """Release a project's holds that no generation came for, level its shards, tell what is low."""
    account = ledger.Account.of(project)
    try:
        orphans = sum(_release_orphan(held) for held in _orphans(account))
        levelled_micros = ledger.level(account) if account.shards_ever > 1 else 0
        told = alerts.check(project)
    except Exception:
        # One project's trouble must not keep the others waiting; the next round meets it again.
        telemetry.logger.exception("a project's money could not be reconciled")
        telemetry.measure({"ReconciliationsFailed": 1})
        return {"failed_to_reconcile": 1}
    done = {"orphans_released": orphans, "levelled_micros": levelled_micros, "alerts": told}
    return {kind: count for kind, count in done.items() if count}


def _orphans(account: ledger.Account) -> list[tables.Hold]:
    """Open holds past the time in which their generation comes, and it is not there.

    Only a batch's holds come before their generations; any other is written together with its own.
    """
    until = ids.timestamp(ids.now() - timedelta(seconds=ORPHAN_SECONDS))
    found = tables.listed(tables.Hold.by_listing, account.listings("HOLD"), ("0", until))
    waiting = list(itertools.islice((held for held in found if held.batch_id), HOLDS_MAX))
    there = {one.generation_id for one in tables.Generation.find_all(held.generation_id for held in waiting)}
    return [held for held in waiting if held.generation_id not in there]


def _release_orphan(held: tables.Hold) -> bool:
    """Release a hold unless its generation came meanwhile, or somebody else released it; answers whether it did."""
    generation = tables.Generation.key(held.generation_id)
    try:
        with tables.transaction() as tx:
            tx.check("generation", generation, tables.Generation.pk.does_not_exist())
            ledger.release(tx, ledger.hold_of(held.generation_id), ids.now())
    except tables.ConditionFailed:
        return False
    telemetry.logger.warning("orphaned hold released", extra={"generation_id": held.generation_id})
    return True


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


def _attended(generation_id: str, now_seconds: float, *, is_parked: bool) -> str:
    """As `attend`; what fails with one generation is reported, put off, and keeps nobody else waiting."""
    try:
        action = attend(generation_id)
        if is_parked:
            jobs.unpark(generation_id)
        return action
    except Exception:
        # Whatever it is, the next round meets it again; the rest of this round must not wait for it.
        telemetry.logger.exception("a generation could not be reconciled")
        generation = jobs.find(generation_id)
        if jobs.note_unreconciled(generation) > FAILURES_MAX:
            telemetry.measure({"GenerationsParked": 1})
            jobs.park(generation, now_seconds + PARKED_SECONDS)
            return "parked"
        telemetry.measure({"ReconciliationsFailed": 1})
        jobs.postpone(generation, now_seconds + jobs.START_GRACE_SECONDS)
        return "failed_to_reconcile"


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
