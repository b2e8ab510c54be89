"""What a fresh system gets: keys for the sandbox's providers, and a project that has credits."""

import json
from collections.abc import Iterable
from typing import Any

from infra.local.deploy import Emulator
from infra.local.problems import LocalProblem

PROJECT = "demo"
CREDIT_MICROS = 10_000
GRANT_MICROS = 1_000 * CREDIT_MICROS

# The first call of a function loads it, on a machine that is busy starting the rest.
_INVOKE_SECONDS_MAX = 60


class Refused(LocalProblem):
    """An operator's function refused with this error code."""

    def __init__(self, message: str, hint: str, code: str) -> None:
        super().__init__(message, hint)
        self.code = code


def store_provider_keys(emulator: Emulator, secret_arn: str, providers: Iterable[str]) -> None:
    """Give each provider a key, in the secret where a deployment keeps the real ones. The sandbox takes any."""
    keys = {provider: f"sandbox-{provider}" for provider in providers}
    emulator.client("secretsmanager").put_secret_value(SecretId=secret_arn, SecretString=json.dumps(keys))


def create_project(emulator: Emulator, admin_function: str) -> str:
    """Make the project with its credits, once however often this is done, and a new API key, which is answered.

    The key has every scope, so that everything can be tried with it.
    """

    def admin(action: str, **values: Any) -> dict[str, Any]:
        return invoke(emulator, admin_function, {"action": action, **values})

    def grant() -> None:
        admin("project.grant", project_id=PROJECT, amount_micros=GRANT_MICROS, grant_id="welcome")

    try:
        grant()
    except Refused as refused:
        if refused.code != "not_found":
            raise
        admin("project.create", name=PROJECT, project_id=PROJECT)
        grant()
    return str(admin("project.key", project_id=PROJECT, name="local", scopes="all")["api_key"])


def invoke(emulator: Emulator, function: str, payload: dict[str, Any]) -> dict[str, Any]:
    """The answer of an operator's function. Raises Refused with its own words when it refuses or fails."""
    client = emulator.client("lambda", read_timeout_seconds=_INVOKE_SECONDS_MAX)
    answer = client.invoke(FunctionName=function, Payload=json.dumps(payload).encode())
    result = json.loads(answer["Payload"].read() or b"null")
    if not isinstance(result, dict) or "FunctionError" in answer or "error" in result:
        said = result if isinstance(result, dict) else {}
        reason = said.get("message") or said.get("errorMessage") or "it gave no reason"
        message = f"{function} did not do {payload['action']}: {reason}"
        raise Refused(message, str(said.get("hint", "")), str(said.get("error", "")))
    return result
