"""Deploys the CDK app to the emulator, with the real `cdk`, under a deadline."""

import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import boto3
from botocore.config import Config

from infra.local.checks import CDK, tool_path
from infra.local.layout import ROOT, Layout
from infra.local.problems import LocalProblem

ACCOUNT = "000000000000"
REGION = "us-east-1"
STAGE = "local"
# The emulator takes this key for the account's root user, whatever the secret.
ROOT_CREDENTIALS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
ASSETS_BUCKET = f"museway-assets-{ACCOUNT}-{REGION}"

# The first synthesis builds the layers, which downloads packages; a later one takes seconds.
SYNTH_SECONDS_MAX = 300.0
# Without boto3 in the emulator's environment a custom resource never answers, and the deploy waits for ever.
DEPLOY_SECONDS_MAX = 180.0

_EVENT = re.compile(r"\| +\d+(?:/\d+)? \| [^|]+ \| (?P<status>[A-Z_]+) +\| (?P<kind>[\w:]+) +\| (?P<name>.+)")


@dataclass(frozen=True, slots=True)
class Emulator:
    """The address of the AWS emulator, and clients for it."""

    url: str

    def environment(self) -> dict[str, str]:
        """What a process needs to speak to the emulator and to nothing else, whatever the person's own settings."""
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CDK_", "MUSEWAY_"))
        }
        # The CDK reads S3's address from its own variable: with a host name it would ask for bucket.host.
        return {
            **inherited,
            "PATH": tool_path(),
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ENDPOINT_URL_S3": self.url,
            **{name.upper(): value for name, value in ROOT_CREDENTIALS.items()},
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "CDK_DEFAULT_ACCOUNT": ACCOUNT,
            "CDK_DEFAULT_REGION": REGION,
            "CDK_DISABLE_VERSION_CHECK": "1",
            "CDK_DISABLE_CLI_TELEMETRY": "true",
        }

    def client(self, service: str, *, read_timeout_seconds: int = 60) -> Any:
        """A boto3 client with the emulator's root credentials, past any proxy, without hidden repeats."""
        config = Config(
            proxies={},
            retries={"total_max_attempts": 1},
            read_timeout=read_timeout_seconds,
            s3={"addressing_style": "path"},
        )
        session = boto3.Session(**ROOT_CREDENTIALS, region_name=REGION)
        return session.client(service, endpoint_url=self.url, config=config)


def synthesize(layout: Layout, emulator: Emulator, context: Mapping[str, str], show: Callable[[str], None]) -> None:
    """Write the cloud assembly for stage `local`. Raises LocalProblem with the reason when it cannot."""
    pairs = [part for name, value in {"stage": STAGE, **context}.items() for part in ("-c", f"{name}={value}")]
    command = [
        str(CDK),
        "synth",
        "--quiet",
        "--output",
        str(layout.cloud_assembly),
        "--no-notices",
        "--no-version-reporting",
        "--app",
        f"{sys.executable} app.py",
        *pairs,
    ]
    run_logged(command, layout.logs / "synth.log", emulator.environment(), SYNTH_SECONDS_MAX, show)


def deploy(layout: Layout, emulator: Emulator, show: Callable[[str], None]) -> None:
    """Deploy the assembly's stacks. Raises LocalProblem with the last event when it fails or takes too long."""
    bucket = emulator.client("s3")
    with suppress(bucket.exceptions.BucketAlreadyOwnedByYou):
        bucket.create_bucket(Bucket=ASSETS_BUCKET)
    command = [
        str(CDK),
        "deploy",
        "--all",
        "--app",
        str(layout.cloud_assembly),
        "--require-approval",
        "never",
        "--progress",
        "events",
        "--concurrency",
        "4",
        "--no-notices",
        "--ci",
    ]
    run_logged(command, layout.logs / "deploy.log", emulator.environment(), DEPLOY_SECONDS_MAX, show)


def outputs(emulator: Emulator, names: Sequence[str]) -> dict[str, str]:
    """The outputs of all deployed stacks, by name. Raises LocalProblem unless all of `names` are there."""
    stacks = emulator.client("cloudformation").describe_stacks()["Stacks"]
    found = {out["OutputKey"]: out["OutputValue"] for stack in stacks for out in stack.get("Outputs", [])}
    missing = [name for name in names if name not in found]
    if missing:
        raise LocalProblem(f"The deployed stacks have no output {', '.join(missing)}.", "Add it in infra/stacks.")
    return found


def as_context(value: Any) -> str:
    """A structured context value in the form in which `-c name=value` carries it."""
    return json.dumps(value, separators=(",", ":"))


def run_logged(
    command: Sequence[str], log: Path, environment: Mapping[str, str], seconds_max: float, show: Callable[[str], None]
) -> None:
    """Run a command of the CDK, its output in `log` and its latest event on the terminal.

    Raises LocalProblem with the last event when it fails or passes its deadline; ends all it started when it
    does, and when this process is interrupted.
    """
    started = subprocess.Popen(
        command,
        cwd=ROOT,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
        errors="replace",
    )
    last = ""
    try:
        for line in _lines(cast("IO[str]", started.stdout), log, time.monotonic() + seconds_max):
            if is_telling(line):
                last = event_of(line)
                show(last)
        code = started.wait(timeout=10)
    except TimeoutError:
        raise LocalProblem(
            f"`cdk {command[1]}` was not done within {seconds_max:.0f} seconds; the last it said: {last or 'nothing'}",
            f"The whole output is in {log}.",
        ) from None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)
        started.wait()
    if code:
        raise LocalProblem(
            f"`cdk {command[1]}` failed: {last or f'exit status {code}'}", f"The whole output is in {log}."
        )


def is_telling(line: str) -> bool:
    """Whether a line of the CDK's output says how far it is or what went wrong, rather than decorating it."""
    return bool(_EVENT.search(line)) or any(
        word in line for word in ("Error", "error:", "failed", "FAILED", "Building")
    )


def event_of(line: str) -> str:
    """A line of progress in short: `CREATE_COMPLETE AWS::Lambda::Function submission`."""
    event = _EVENT.search(line)
    return " ".join(event.group("status", "kind", "name")).strip() if event else line.strip()


def _lines(stream: IO[str], log: Path, deadline: float) -> Iterator[str]:
    """The lines of a process as they come, also written to `log`. Raises TimeoutError at `deadline`."""
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        with stream, log.open("w", encoding="utf-8") as file:
            for line in stream:
                file.write(line)
                file.flush()
                lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=max(deadline - time.monotonic(), 0.001))
        except queue.Empty:
            raise TimeoutError from None
        if line is None:
            return
        yield line
