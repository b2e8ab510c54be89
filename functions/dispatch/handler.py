"""The outbox: starts the execution of an inserted generation, announces one that became final, and tells whose limit or
balance comes near its end."""

from typing import Any

from gateway import alerts, jobs, reconcile, tables, telemetry


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Take records of the jobs table's stream; answers those that failed, to be delivered again."""
    failed = []
    callers: set[tuple[str, str]] = set()
    for record in event["Records"]:
        keys = record["dynamodb"]["Keys"]
        if keys["sk"]["S"] != "GENERATION":
            continue
        generation_id = keys["pk"]["S"].removeprefix("GENERATION#")
        try:
            with telemetry.step(generation_id):
                callers |= _dispatch(record["eventName"], generation_id)
        except Exception:
            # Told to the stream, which repeats this record and, after its retries, keeps it in the queue.
            telemetry.logger.exception("dispatch failed")
            failed.append({"itemIdentifier": record["dynamodb"]["SequenceNumber"]})
    for project_id, key_id in sorted(callers):
        _tell(project_id, key_id)
    return {"batchItemFailures": failed}


def _dispatch(event_name: str, generation_id: str) -> set[tuple[str, str]]:
    """Answers the project and the key that began something."""
    generation = tables.Generation.find(generation_id)
    if generation is None:
        return set()
    jobs.on_record(generation)
    if event_name == "INSERT":
        reconcile.start(generation)
        return {(generation.project_id, generation.key_id)}
    if jobs.is_final(generation) and generation.work:
        reconcile.announce(generation)
    return set()


def _tell(project_id: str, key_id: str) -> None:
    """Tell a project what its new holds brought near, once for all of them."""
    try:
        alerts.check_call(project_id, key_id)
    except Exception:
        # What was started has started; the next call, or the reconciler, looks again.
        telemetry.logger.exception("a project could not be alerted", extra={"project_id": project_id})
