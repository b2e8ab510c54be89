"""Lambda: errors carry their class name, and an environment outlives them."""

import importlib
import sys
from pathlib import Path
from typing import Any

# The key under which a worker reports an exception of the handler. MiniStack ends the worker of an answer
# with status "error" and calls every error "Runtime.HandlerError"; Lambda keeps the environment and names the
# class.
RAISED = "__raised__"

_WORKER_ANSWER = (
    '_real_stdout.write(json.dumps({"status": "error", "error": str(e), "trace": traceback.format_exc()}) + "\\n")'
)
_CORRECTED_ANSWER = f"""traceback.print_exc()
            _real_stdout.write(json.dumps({{"status": "ok", "result": {{"{RAISED}": {{
                "errorType": type(e).__name__, "errorMessage": str(e),
                "stackTrace": traceback.format_tb(e.__traceback__)}}}}}}) + "\\n")"""
_WORKER_PATH = "sys.path.insert(0, code_dir)"


def install() -> None:
    """Replace the worker's script and the reading of its answers."""
    runtime: Any = importlib.import_module("ministack.core.lambda_runtime")
    service: Any = importlib.import_module("ministack.services.lambda_svc")
    runtime._PYTHON_WORKER_SCRIPT = corrected_script(runtime._PYTHON_WORKER_SCRIPT, checkout_paths())
    _name_errors(service)


def checkout_paths() -> list[str]:
    """The import roots of this checkout: a function gets its code from its layers, or not at all."""
    root = Path(__file__).resolve().parents[3]
    inside = (path for path in sys.path if path and Path(path).resolve().is_relative_to(root))
    return sorted({path for path in inside if "site-packages" not in path} | {str(root)})


def corrected_script(script: str, hidden_paths: list[str]) -> str:
    """The worker's program with our answer to an exception and without `hidden_paths` on its import path."""
    if script.count(_WORKER_ANSWER) != 1 or script.count(_WORKER_PATH) != 1:
        raise RuntimeError("MiniStack's Lambda worker is not the one that infra/local/corrections was written for.")
    hide = f"sys.path[:] = [p for p in sys.path if p not in {hidden_paths!r}]\n    {_WORKER_PATH}"
    return script.replace(_WORKER_ANSWER, _CORRECTED_ANSWER).replace(_WORKER_PATH, hide)


def error_of(result: dict[str, Any]) -> dict[str, Any]:
    """An invocation's result with a reported exception in the place where MiniStack looks for errors."""
    body = result.get("body")
    if not isinstance(body, dict) or RAISED not in body:
        return result
    return {"body": body[RAISED], "error": True, "log": result.get("log", "")}


def _name_errors(service: Any) -> None:
    execute = service._execute_function_warm

    def execute_warm(func: dict[str, Any], event: Any, request_id: str) -> dict[str, Any]:
        return error_of(execute(func, event, request_id))

    service._execute_function_warm = execute_warm
