"""What the end-to-end suite shares: the running system, the sandbox's controls, waiting for an end."""

import json
import time
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import uuid4

import boto3
import httpx

from museway import Client
from tests.invariants import violations

FINAL = {"completed", "failed"}
LOOKS = 5


@dataclass(frozen=True, eq=False)
class Local:
    """The running system, as `.museway/local.json` describes it."""

    description: dict[str, Any]

    @property
    def url(self) -> str:
        return str(self.description["url"])

    @property
    def api_key(self) -> str:
        return str(self.description["api_key"])

    @property
    def tables(self) -> dict[str, str]:
        return dict(self.description["tables"])

    @cache  # noqa: B019 - one description per session; every client is made once
    def client(self, service: str) -> Any:
        """A boto3 client that speaks to the emulator as its root user."""
        return boto3.client(
            service,
            endpoint_url=self.description["aws_endpoint_url"],
            region_name=self.description["region"],
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def violations(self) -> list[str]:
        """What does not hold on the tables. They are read one after the other, so while something still moves it is
        looked at again."""
        found: list[str] = []
        for _ in range(LOOKS):
            found = violations(self.client("dynamodb"), self.tables["jobs"], self.tables["ledger"])
            if not found:
                break
            time.sleep(1)
        return found

    def operate(self, **request: Any) -> dict[str, Any]:
        """One request to the operator's function."""
        answer = self.client("lambda").invoke(
            FunctionName=self.description["admin_function"], Payload=json.dumps(request)
        )
        return dict(json.loads(answer["Payload"].read()))

    def project(self, name: str, micros: int) -> tuple[str, str]:
        """A new project with credits and a key: its id and the key."""
        project_id = self.operate(action="project.create", name=name)["project_id"]
        if micros:
            self.operate(action="project.grant", project_id=project_id, amount_micros=micros, grant_id=uuid4().hex)
        return project_id, self.operate(action="project.key", project_id=project_id, name="test")["api_key"]


@dataclass(frozen=True)
class Sandbox:
    """The controls of the provider servers."""

    url: str

    def arm(self, fault: str, provider: str, *, match: str, times: int | None = None) -> None:
        body = {"provider": provider, "fault": fault, "times": times, "match": match}
        httpx.post(f"{self.url}/_control/faults", json=body).raise_for_status()

    def calls(self) -> list[dict[str, Any]]:
        return list(httpx.get(f"{self.url}/_control/calls").raise_for_status().json()["calls"])


def finished(client: Client, generation_id: str, timeout_seconds: float = 150) -> dict[str, Any]:
    """A generation's last state, waited for."""
    ends_at = time.monotonic() + timeout_seconds
    while True:
        status = client.generation(generation_id).status()
        if status["status"] in FINAL:
            return status
        assert time.monotonic() < ends_at, f"{generation_id} has not ended: {status}"
        time.sleep(0.5)
