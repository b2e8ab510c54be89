"""Copies what the Lambda functions print from the emulator's CloudWatch Logs into one file per function."""

import importlib
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def install(folder: Path) -> None:
    """Append each invocation's output to `folder/<function>.log`, as it ends."""
    service: Any = importlib.import_module("ministack.services.lambda_svc")
    emit = service._emit_lambda_logs
    guard = threading.Lock()
    folder.mkdir(parents=True, exist_ok=True)

    def emit_and_copy(func: dict[str, Any], request_id: str, output: str, *details: Any, **named: Any) -> Any:
        name = (func.get("config") or func).get("FunctionName", "unknown")
        with guard, (folder / f"{name}.log").open("a", encoding="utf-8") as file:
            file.write(entry(request_id, output))
        return emit(func, request_id, output, *details, **named)

    service._emit_lambda_logs = emit_and_copy


def entry(request_id: str, output: str) -> str:
    """The lines of one invocation under a head with its time and request id."""
    moment = datetime.now(UTC).isoformat(timespec="milliseconds")
    return f"--- {moment} {request_id}\n{output.rstrip()}\n" if output.strip() else f"--- {moment} {request_id}\n"
