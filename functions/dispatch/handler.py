"""The outbox: starts the execution of an inserted generation, announces one that became final."""

from typing import Any

from gateway import jobs, reconcile, tables, telemetry


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Take records of the jobs table's stream; answers those that failed, to be delivered again."""
    failed = []
    for record in event["Records"]:
        keys = record["dynamodb"]["Keys"]
        if keys["sk"]["S"] != "GENERATION":
            continue
        generation_id = keys["pk"]["S"].removeprefix("GENERATION#")
        try:
            with telemetry.step(generation_id):
                _dispatch(record["eventName"], generation_id)
        except Exception:
            # Told to the stream, which repeats this record and, after its retries, keeps it in the queue.
            telemetry.logger.exception("dispatch failed")
            failed.append({"itemIdentifier": record["dynamodb"]["SequenceNumber"]})
    return {"batchItemFailures": failed}


def _dispatch(event_name: str, generation_id: str) -> None:
    generation = tables.Generation.find(generation_id)
    if generation is None:
        return
    jobs.on_record(generation)
    if event_name == "INSERT":
        reconcile.start(generation)
    elif jobs.is_final(generation) and generation.work:
        reconcile.announce(generation)
