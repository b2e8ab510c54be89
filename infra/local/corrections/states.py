"""Step Functions: throttling has its name, waits for a token end in time, retries keep their limits.

Source: Amazon States Language (states-language.net/spec.html) and "Wait for a callback with the task token"
in the Step Functions developer guide.
"""

import contextvars
import importlib
import json
import random
import threading
from typing import Any

# The longest a standard task may wait when its state names no timeout: a year, as on AWS.
UNLIMITED_SECONDS = 365 * 24 * 3600.0

# The state machine whose task runs in this thread: who may answer a token depends on it.
_MACHINE: contextvars.ContextVar[str] = contextvars.ContextVar("machine", default="")


def install() -> None:
    """Replace the four functions that read a task's errors, its timeout, its token and its retries."""
    service: Any = importlib.import_module("ministack.services.stepfunctions")
    _name_throttles(service)
    _read_timeout_paths(service)
    _limit_retries(service)
    _wait_for_tokens(service)


def _name_throttles(service: Any) -> None:
    call = service._call_lambda

    def call_lambda(function: str, event: Any) -> Any:
        try:
            return call(function, event)
        except service._ExecutionError as error:
            if is_throttle(error.cause):
                raise service._ExecutionError("Lambda.TooManyRequestsException", error.cause) from error
            raise

    service._call_lambda = call_lambda


def is_throttle(cause: str) -> bool:
    """Whether a failed invocation's cause is Lambda's refusal for want of concurrency."""
    try:
        return bool(json.loads(cause).get("__type") == "TooManyRequestsException")
    except (ValueError, AttributeError):
        return False


def _read_timeout_paths(service: Any) -> None:
    execute = service._execute_task

    def execute_task(state: dict[str, Any], raw_input: Any, execution: Any, context: Any) -> Any:
        path = state.get("TimeoutSecondsPath")
        if path:
            state = {**state, "TimeoutSeconds": service._resolve_path_or_ctx(path, raw_input, context)}
        _MACHINE.set(context["StateMachine"]["Id"])
        return execute(state, raw_input, execution, context)

    service._execute_task = execute_task


def retry_delay_seconds(retrier: dict[str, Any], attempt: int) -> float:
    """The wait before retry number `attempt` (from 0): exponential, capped by MaxDelaySeconds, with jitter."""
    delay = float(retrier.get("IntervalSeconds", 1)) * float(retrier.get("BackoffRate", 2.0)) ** min(attempt, 60)
    delay = min(delay, float(retrier.get("MaxDelaySeconds", UNLIMITED_SECONDS)))
    if retrier.get("JitterStrategy") != "FULL":
        return delay
    return random.uniform(0, delay)  # noqa: S311 - spreads retries, keeps no secret


def _limit_retries(service: Any) -> None:
    find = service._find_matching_retrier

    def find_retrier(retriers: list[dict[str, Any]], error: str, counts: dict[int, int]) -> Any:
        retrier, index = find(retriers, error, counts)
        if retrier is None:
            return retrier, index
        # MiniStack computes interval x rate ^ attempt itself: a flat rate leaves our delay as it is.
        return {
            **retrier,
            "IntervalSeconds": retry_delay_seconds(retrier, counts.get(index, 0)),
            "BackoffRate": 1,
        }, index

    service._find_matching_retrier = find_retrier


def _wait_for_tokens(service: Any) -> None:
    original = service._invoke_with_callback

    def invoke_with_callback(resource: str, payload: Any, token: str, state: dict[str, Any]) -> Any:
        if "states:::lambda:invoke" not in resource:
            return original(resource, payload, token, state)
        answered = threading.Event()
        entry: dict[str, Any] = {"event": answered, "result": None, "error": None, "heartbeat": None}
        entry["machine"] = _MACHINE.get()
        service._task_tokens[token] = entry
        context = contextvars.copy_context()
        arguments = (_invoke, service, payload, entry)
        threading.Thread(target=context.run, args=arguments, daemon=True, name="states-callback").start()
        # The state's clock runs while its function does, and an answer to the token ends it even before that.
        in_time = answered.wait(float(state.get("TimeoutSeconds", UNLIMITED_SECONDS)))
        service._task_tokens.pop(token, None)
        return _answer(service, entry, in_time)

    service._invoke_with_callback = invoke_with_callback


def _invoke(service: Any, payload: dict[str, Any], entry: dict[str, Any]) -> None:
    function = service._resolve_lambda_function_ref(payload.get("FunctionName", ""), optimized=True)
    try:
        service._call_lambda(function, payload.get("Payload", payload))
    except service._ExecutionError as error:
        if not entry["event"].is_set():
            entry["error"] = {"Error": error.error, "Cause": error.cause}
            entry["event"].set()


def _answer(service: Any, entry: dict[str, Any], in_time: bool) -> Any:
    if not in_time:
        raise service._ExecutionError("States.Timeout", "Task timed out waiting for callback")
    if entry["error"]:
        raise service._ExecutionError(entry["error"].get("Error", "TaskFailed"), entry["error"].get("Cause", ""))
    return json.loads(entry["result"])
