"""DynamoDB streams: a function may report what failed of a batch, and a hopeless batch goes to the dead
letters.

Source: "Reporting batch item failures" and "Retain discarded records" in the Lambda developer guide. Lambda
repeats from the first failed record, we repeat the whole batch: a consumer sees some records more often,
never less.
"""

import importlib
import threading
from typing import Any


def install() -> None:
    """Read batchItemFailures and count the attempts of each batch where MiniStack delivers stream records."""
    service: Any = importlib.import_module("ministack.services.lambda_svc")
    execute = service._execute_function
    attempts: dict[tuple[str, str], int] = {}
    guard = threading.Lock()

    def execute_function(func: dict[str, Any], event: Any) -> dict[str, Any]:
        result: dict[str, Any] = execute(func, event)
        mapping = _mapping_of(service, func, event)
        if mapping is None:
            return result
        result = failure_of(mapping, result)
        key = (mapping["UUID"], event["Records"][0]["dynamodb"]["SequenceNumber"])
        with guard:
            attempts[key] = attempts.get(key, 0) + 1
            exhausted = is_exhausted(mapping, attempts[key])
            if exhausted or not result.get("error"):
                del attempts[key]
        if result.get("error") and exhausted:
            source = mapping["EventSourceArn"]
            service._send_ddb_stream_failure_record(
                mapping, func, event["Records"], source, result, "RetryAttemptsExhausted"
            )
            return {"body": None, "log": result.get("log", "")}
        return result

    service._execute_function = execute_function


def failure_of(mapping: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """The result of a delivery, as an error when the function reported failed records."""
    body = result.get("body")
    reports = "ReportBatchItemFailures" in (mapping.get("FunctionResponseTypes") or [])
    failures = body.get("batchItemFailures") if reports and isinstance(body, dict) and not result.get("error") else None
    if not failures:
        return result
    message = f"{len(failures)} record(s) of the batch failed"
    return {**result, "error": True, "body": {"errorType": "BatchItemFailures", "errorMessage": message}}


def is_exhausted(mapping: dict[str, Any], attempts: int) -> bool:
    """Whether a batch that was tried `attempts` times has used its retries up (-1, the default, never does)."""
    maximum = mapping.get("MaximumRetryAttempts")
    return maximum is not None and 0 <= int(maximum) < attempts


def _mapping_of(service: Any, func: dict[str, Any], event: Any) -> dict[str, Any] | None:
    records = event.get("Records") if isinstance(event, dict) else None
    if not records or not isinstance(records[0], dict) or records[0].get("eventSource") != "aws:dynamodb":
        return None
    name = (func.get("config") or func).get("FunctionName")
    for _account, _region, mapping in service._iter_all_esms():
        if mapping["FunctionName"] == name and mapping.get("EventSourceArn") == records[0].get("eventSourceARN"):
            return dict(mapping)
    return None
