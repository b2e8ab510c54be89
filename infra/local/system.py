"""One local system: the emulator, the sandbox and the front door, started in order and stopped for certain."""

import fcntl
import os
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import httpx
from botocore.exceptions import BotoCoreError, ClientError

from infra.local import deploy, tenant
from infra.local.checks import check_machine, tool_path
from infra.local.console import Console
from infra.local.deploy import REGION, STAGE, Emulator
from infra.local.interrupts import Interrupts
from infra.local.layout import ROOT, Layout, write_json
from infra.local.ports import HOST, free_ports, reserve
from infra.local.problems import LocalProblem
from infra.local.processes import Child, Identity, has_remains, identify, spawn, stop
from infra.local.remains import STOP_SECONDS_MAX, forget, sweep
from infra.sandbox.addresses import base_urls

START_SECONDS_MAX = 30.0
# Each concurrent invocation is a process of some 80 MB: AWS's own 1,000 would take this machine down.
CONCURRENCY = max(12, 4 * (os.cpu_count() or 1))
OPERATORS_KEYS = ("kie_webhook",)
"""What the operator keeps beside API keys: the keys of webhooks that no call tells."""
OUTPUTS = (
    "ApiId",
    "AdminFunction",
    "ProviderSecretArn",
    "DriveBucket",
    "InboxBucket",
    "EventBus",
    "StateMachineArn",
    "CatalogTable",
    "ProjectsTable",
    "JobsTable",
    "LedgerTable",
)
FAL_KEYS_PATH = "/fal/.well-known/jwks.json"
RATES_PATH = "/ecb/stats/eurofxref"


@dataclass(slots=True)
class System:
    """A local system of its own under `layout`; `port` 0 is a free one, `state` a folder that outlives it."""

    layout: Layout
    console: Console
    port: int = 0
    state: Path | None = None
    interrupts: Interrupts = field(default_factory=Interrupts)
    children: list[Child] = field(default_factory=list)
    _supervisor: Identity | None = None
    _locks: list[IO[bytes]] = field(default_factory=list)

    def claim(self) -> None:
        """Make the folders and take them for this system alone. Raises LocalProblem when another `up` has them."""
        self.layout.create()
        self._lock(
            self.layout.lock,
            "Another `museway up` is at work in this checkout.",
            "Wait until it is ready, or stop it with `museway down`.",
        )

    def clean_up_former(self) -> None:
        """End and remove what a former run in this folder left behind, and say so."""
        if self.layout.processes.exists() or self.layout.description.exists():
            stopped = sweep(self.layout)
            what = f"stopped {', '.join(stopped)}" if stopped else "removed its files"
            self.console.say(f"A former run had not ended properly: {what}.")

    def start(self) -> dict[str, Any]:
        """Start everything, after `claim`, and answer the content of local.json.

        Raises LocalProblem when something is missing, taken, fails or takes too long. Whoever calls this
        calls `stop` in the end, also after an exception.
        """
        check_machine()
        try:
            self.layout.empty()
            self._supervisor = identify("museway up", os.getpid())
            with reserve(self.port) as door:
                description = self._start_behind(door)
            write_json(self.layout.description, description)
        except (BotoCoreError, ClientError, OSError) as error:
            raise self._explain(error) from error
        return description

    def stop(self) -> list[str]:
        """End every process that was started, the last first; the names of those that were still there."""
        marker = str(self.layout.temporary)
        stopped = [
            child.identity.name
            for child in reversed(self.children)
            if stop(child.identity, grace_seconds=STOP_SECONDS_MAX, marker=marker)
        ]
        for child in self.children:
            if has_remains(child.identity, marker):
                hint = f"End it with: kill -KILL -- -{child.identity.pid}"
                self.console.problem(f"The {child.identity.name} does not end.", hint)
            else:
                child.popen.wait()
        self.children.clear()
        forget(self.layout)
        self._unlock()
        return stopped

    def release(self) -> None:
        """Leave the system running without this process."""
        self._supervisor = None
        self._note()
        self._unlock()

    def wait_for_end(self) -> Child:
        """Wait until one of the processes ends by itself, and answer which."""
        while True:
            for child in self.children:
                if child.popen.poll() is not None:
                    return child
            time.sleep(0.3)

    def _start_behind(self, door: socket.socket) -> dict[str, Any]:
        url = f"http://{HOST}:{door.getsockname()[1]}"
        emulator, sandbox_url = self._start_servers()
        outputs = self._deploy(emulator, sandbox_url, url)
        with self.console.phase(f"Giving project {tenant.PROJECT} credits and a key"):
            tenant.store_provider_keys(
                emulator, outputs["ProviderSecretArn"], [*_providers(sandbox_url), *OPERATORS_KEYS]
            )
            api_key = tenant.create_project(emulator, outputs["AdminFunction"])
        self._open_front_door(door, emulator, outputs["ApiId"], url)
        return {"url": url, "api_key": api_key, "sandbox_url": sandbox_url, **self._describe(emulator, outputs)}

    def _explain(self, error: Exception) -> LocalProblem:
        """What to say about an error that came up while starting: most often one of the processes has ended."""
        gone = next((child for child in self.children if child.popen.poll() is not None), None)
        return ended(gone) if gone else LocalProblem(f"It could not start: {error}", f"See {self.layout.logs}.")

    def _start_servers(self) -> tuple[Emulator, str]:
        emulator_port, sandbox_port = free_ports(2)
        emulator, sandbox_url = Emulator(f"http://{HOST}:{emulator_port}"), f"http://{HOST}:{sandbox_port}"
        with self.console.phase("Starting the AWS emulator and the sandbox"):
            self._spawn("emulator", ["infra.local.emulator"], self._emulator_environment(emulator))
            sandbox = ["infra.sandbox", "--port", str(sandbox_port), "--s3-endpoint", emulator.url]
            self._spawn("sandbox", sandbox, service_environment())
            self._await_answer("emulator", f"{emulator.url}/_ministack/ready")
            self._await_answer("sandbox", f"{sandbox_url}/health")
        return emulator, sandbox_url

    def _emulator_environment(self, emulator: Emulator) -> dict[str, str]:
        environment = {
            **service_environment(),
            "BIND_HOST": HOST,
            "MINISTACK_HOST": HOST,
            "GATEWAY_PORT": emulator.url.rpartition(":")[2],
            "AUTH": "true",
            "LAMBDA_ACCOUNT_CONCURRENCY": str(CONCURRENCY),
            "LAMBDA_WARM_TTL_SECONDS": "120",
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "MINISTACK_REGION": REGION,
            "TMPDIR": str(self.layout.temporary),
            "MUSEWAY_FUNCTION_LOGS": str(self.layout.logs / "functions"),
            # Inherited by the Lambda workers, whose own role's credentials replace the test ones.
            "AWS_ENDPOINT_URL": emulator.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
        if self.state is not None:
            self.state.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock(
                self.state / "lock",
                f"The state in {self.state} is in use by another system.",
                "Stop that one, or name another folder with --state.",
            )
            kept = {"STATE_DIR": str(self.state / "services"), "S3_DATA_DIR": str(self.state / "objects")}
            environment |= {"PERSIST_STATE": "1", "S3_PERSIST": "1", **kept}
        return environment

    def _deploy(self, emulator: Emulator, sandbox_url: str, url: str) -> dict[str, str]:
        context = {
            "public_url": url,
            "provider_base_urls": deploy.as_context(base_urls(sandbox_url, _providers(sandbox_url))),
            "jwks_url": sandbox_url + FAL_KEYS_PATH,
            "fx_rates_url": f"{sandbox_url}{RATES_PATH}/eurofxref-daily.xml",
            "fx_history_url": f"{sandbox_url}{RATES_PATH}/eurofxref-hist-90d.xml",
            "url_allowed_hosts": ",".join(address.removeprefix("http://") for address in (sandbox_url, emulator.url)),
            "lambda_concurrency": str(CONCURRENCY),
        }
        with self.console.phase("Synthesizing the CDK app") as show:
            deploy.synthesize(self.layout, emulator, context, show)
        with self.console.phase("Deploying it to the emulator") as show:
            deploy.deploy(self.layout, emulator, show)
        return deploy.outputs(emulator, OUTPUTS)

    def _open_front_door(self, door: socket.socket, emulator: Emulator, api_id: str, url: str) -> None:
        module = [
            "infra.local.front_door",
            "--socket",
            str(door.fileno()),
            "--emulator",
            emulator.url,
            "--api-id",
            api_id,
        ]
        with self.console.phase("Opening the front door"):
            self._spawn("front-door", module, service_environment(), keep=[door.fileno()])
            self._await_answer("front-door", f"{url}/health")

    def _describe(self, emulator: Emulator, outputs: dict[str, str]) -> dict[str, Any]:
        tables = {name: outputs[f"{name.capitalize()}Table"] for name in ("catalog", "projects", "jobs", "ledger")}
        return {
            "project_id": tenant.PROJECT,
            "stage": STAGE,
            "region": REGION,
            "aws_endpoint_url": emulator.url,
            "inbox_bucket": outputs["InboxBucket"],
            "drive_bucket": outputs["DriveBucket"],
            "event_bus": outputs["EventBus"],
            "state_machine_arn": outputs["StateMachineArn"],
            "admin_function": outputs["AdminFunction"],
            "tables": tables,
            "state": str(self.state) if self.state else None,
            "logs": str(self.layout.logs),
            "pids": {child.identity.name: child.identity.pid for child in self.children},
        }

    def _spawn(self, name: str, module: Sequence[str], environment: dict[str, str], keep: Sequence[int] = ()) -> None:
        command = [sys.executable, "-m", *module]
        kept = [*keep, *(lock.fileno() for lock in self._locks[1:])]
        with self.interrupts.shielded():
            log = self.layout.logs / f"{name}.log"
            self.children.append(spawn(name, command, log=log, cwd=ROOT, environment=environment, keep=kept))
            self._note()

    def _await_answer(self, name: str, url: str) -> None:
        child = next(child for child in self.children if child.identity.name == name)
        deadline = time.monotonic() + START_SECONDS_MAX
        with httpx.Client(trust_env=False, timeout=START_SECONDS_MAX) as client:
            while True:
                reason = _refusal(client, url)
                if not reason:
                    return
                if child.popen.poll() is not None:
                    raise ended(child)
                if time.monotonic() > deadline:
                    raise LocalProblem(f"The {name} did not get ready: {reason}", f"Its log is {child.log}.")
                time.sleep(0.05)

    def _note(self) -> None:
        supervisor = self._supervisor.to_json() if self._supervisor else None
        children = [child.identity.to_json() for child in self.children]
        write_json(self.layout.processes, {"supervisor": supervisor, "children": children})

    def _lock(self, path: Path, message: str, hint: str) -> None:
        file = path.open("wb")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise LocalProblem(message, hint) from None
        self._locks.append(file)

    def _unlock(self) -> None:
        while self._locks:
            self._locks.pop().close()


@contextmanager
def running(layout: Layout, console: Console, state: Path | None = None) -> Iterator[dict[str, Any]]:
    """A system of its own, on a free port, for the length of the block; the block gets its description.

    Raises LocalProblem when it cannot start. Stops all it started, whatever happens in the block.
    """
    system = System(layout, console, port=free_ports(1)[0], state=state)
    with system.interrupts.handled():
        system.claim()
        try:
            system.clean_up_former()
            yield system.start()
        finally:
            system.interrupts.ignore()
            system.stop()


def ended(child: Child) -> LocalProblem:
    """What to say about a process that ended by itself."""
    lines = child.log.read_text("utf-8", "replace").strip().splitlines() if child.log.exists() else []
    last = f" It said last: {lines[-1][:300]}" if lines else ""
    status = f"The {child.identity.name} has ended by itself (exit status {child.popen.returncode})."
    return LocalProblem(status + last, f"Its log is {child.log}.")


def service_environment() -> dict[str, str]:
    """A small environment: no credentials, proxies or import paths of the person's reach the servers or functions."""
    passed = {name: value for name in ("HOME", "LANG", "LC_ALL", "TZ") if (value := os.environ.get(name))}
    return {**passed, "PATH": tool_path(), "PYTHONUNBUFFERED": "1"}


def _providers(sandbox_url: str) -> list[str]:
    """The providers that a sandbox speaks."""
    answer = httpx.get(f"{sandbox_url}/health", trust_env=False, timeout=START_SECONDS_MAX)
    names: list[str] = answer.raise_for_status().json()["providers"]
    return names


def _refusal(client: httpx.Client, url: str) -> str:
    try:
        answer = client.get(url)
    except httpx.HTTPError as error:
        return f"no answer from {url} ({type(error).__name__})"
    return "" if answer.is_success else f"{url} answered {answer.status_code} {answer.text[:200]}"
