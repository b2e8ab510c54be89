"""An interpreter of the very state machine that is deployed, in virtual time, with the handlers in process.

It knows what our definition uses: Task (also waitForTaskToken), Choice, Succeed, Retry, Catch. Time passes
only when something waits.
"""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

DEFINITION = Path(__file__).parents[2] / "infra" / "state_machines" / "generation.asl.json"
TRANSITIONS_MAX = 500


class StepFailed(Exception):
    """A step's function failed, with the error name that a state machine would see."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class Machine:
    """Stands in for the boto3 client of Step Functions, and runs what was started."""

    class exceptions:  # noqa: N801 - as boto3 names it
        ExecutionAlreadyExists = type("ExecutionAlreadyExists", (Exception,), {})
        ExecutionDoesNotExist = type("ExecutionDoesNotExist", (Exception,), {})
        TaskTimedOut = type("TaskTimedOut", (Exception,), {})
        TaskDoesNotExist = type("TaskDoesNotExist", (Exception,), {})
        InvalidToken = type("InvalidToken", (Exception,), {})

    def __init__(self, clock: Any, call: Callable[[str, dict[str, Any]], Any], dies_on_crash: bool = False) -> None:
        self.definition = json.loads(DEFINITION.read_text())
        self.clock = clock
        self.call = call
        self.dies_on_crash = dies_on_crash
        self.dies_after: str | None = None
        """The step after which the next execution dies, once."""
        self.executions: dict[str, dict[str, Any]] = {}
        self.tokens: dict[str, Any] = {}
        self.transitions: list[str] = []
        self._numbers = itertools.count()

    # The client's side
    def start_execution(self, stateMachineArn: str, name: str, input: str) -> None:  # noqa: A002
        if name in self.executions:
            raise self.exceptions.ExecutionAlreadyExists
        self.executions[name] = {"status": "RUNNING", "input": json.loads(input), "ran": False}

    def describe_execution(self, executionArn: str) -> dict[str, Any]:
        name = executionArn.rsplit(":", 1)[1]
        if name not in self.executions:
            raise self.exceptions.ExecutionDoesNotExist
        return self.executions[name]

    def send_task_success(self, taskToken: str, output: str) -> None:
        if taskToken not in self.tokens:
            raise self.exceptions.TaskDoesNotExist
        if self.tokens[taskToken] is None:
            self.tokens[taskToken] = json.loads(output)

    # The world's side
    def run_all(self) -> bool:
        """Run every execution that has not run; whether there was one."""
        waiting = [execution for execution in self.executions.values() if not execution["ran"]]
        for execution in waiting:
            execution["ran"] = True
            execution["status"] = "SUCCEEDED" if self._run(execution["input"]) else "FAILED"
        return bool(waiting)

    def _run(self, data: dict[str, Any]) -> bool:
        name = self.definition["StartAt"]
        for _ in range(TRANSITIONS_MAX):
            state = self.definition["States"][name]
            self.transitions.append(name)
            if state["Type"] == "Succeed":
                return True
            if state["Type"] == "Choice":
                name = self._choose(state, data)
                continue
            try:
                result = self._task(state, data)
                following = state.get("Next")
                if self.dies_after and self.dies_after in str(state):
                    self.dies_after = None
                    return False
            except StepFailed as failed:
                if self.dies_on_crash and failed.name == "Crash":
                    return False
                catcher = next((c for c in state.get("Catch", []) if self._matches(c, failed)), None)
                if catcher is None:
                    return False
                result, following = {"Error": failed.name}, catcher["Next"]
            if path := state.get("ResultPath"):
                data[path.removeprefix("$.")] = result
            if following is None:
                return True
            name = following
        raise AssertionError(f"more than {TRANSITIONS_MAX} transitions: {self.transitions[-20:]}")

    def _choose(self, state: dict[str, Any], data: dict[str, Any]) -> str:
        step = data["step"].get("next") if isinstance(data.get("step"), dict) else None
        return next((c["Next"] for c in state["Choices"] if c["StringEquals"] == step), state["Default"])

    def _task(self, state: dict[str, Any], data: dict[str, Any]) -> Any:
        tries: dict[int, int] = {}
        while True:
            try:
                return self._invoke(state, data)
            except StepFailed as failed:
                if self.dies_on_crash and failed.name == "Crash":
                    raise
                retrier = next((r for r in state.get("Retry", []) if self._matches(r, failed)), None)
                if retrier is None or tries.get(id(retrier), 0) >= retrier["MaxAttempts"]:
                    raise
                done = tries.get(id(retrier), 0)
                tries[id(retrier)] = done + 1
                self.transitions.append("retry")
                pause = retrier["IntervalSeconds"] * retrier["BackoffRate"] ** done
                self.clock.sleep(min(pause, retrier["MaxDelaySeconds"]))

    def _invoke(self, state: dict[str, Any], data: dict[str, Any]) -> Any:
        event: dict[str, Any] = {"generation_id": data["generation_id"]}
        if not state["Resource"].endswith(".waitForTaskToken"):
            return self.call(state["Resource"].strip("${}"), event)
        token = f"token-{next(self._numbers)}"
        self.tokens[token] = None
        ends_at = self.clock.monotonic() + data["await_seconds"]
        self.call("submit_attempt", event | {"task_token": token})
        while self.tokens[token] is None:
            if not self.clock.sleep_until_event(ends_at):
                del self.tokens[token]
                raise StepFailed("States.Timeout")
        return self.tokens.pop(token)

    @staticmethod
    def _matches(rule: dict[str, Any], failed: StepFailed) -> bool:
        return failed.name in rule["ErrorEquals"] or "States.ALL" in rule["ErrorEquals"]
