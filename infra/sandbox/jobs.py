"""Queue jobs: accepted, queued, running, finished. Protocols with a queue translate them to their forms."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from infra.sandbox.faults import Fault, Faults, Moment

_log = logging.getLogger(__name__)
# The part of a job's time that it waits before it runs.
QUEUE_SHARE = 0.2


class State(StrEnum):
    """Where a job stands; FINISHED covers every way to end."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"


class Cause(StrEnum):
    """Why a finished job has no output."""

    FILTERED = "filtered"
    UNREACHABLE_SOURCE = "unreachable_source"
    UNREADABLE_SOURCE = "unreadable_source"
    FAILED = "failed"
    CANCELLED = "cancelled"


class JobError(Exception):
    """The work cannot give an output. `field` names the input at fault, `value` is what it held."""

    def __init__(self, cause: Cause, message: str, *, field: str = "prompt", value: Any = None) -> None:
        super().__init__(message)
        self.cause = cause
        self.message = message
        self.field = field
        self.value = value


@dataclass
class Delivery:
    """One try to send a webhook: `kind` true, duplicate or forged; `status` None when nobody answered."""

    kind: str
    at: float
    status: int | None


@dataclass
class Job:
    """One accepted job. Times are Unix seconds."""

    id: str
    provider: str
    app: str
    path: str
    prompt: str
    webhook_url: str | None
    ending: Fault | None
    seconds: float
    accepted_at: float
    state: State = State.QUEUED
    finished_at: float | None = None
    output: Any = None
    failure: JobError | None = None
    deliveries: list[Delivery] = field(default_factory=list)
    task: asyncio.Task[None] | None = field(default=None, repr=False)

    @property
    def text(self) -> str:
        """What a fault's `match` is looked for in."""
        return f"{self.prompt}\n{self.path}"

    @property
    def wants_empty_output(self) -> bool:
        """Whether it is to succeed without an output."""
        return self.ending is not None and self.ending.name == "empty_output"

    def as_json(self) -> dict[str, Any]:
        """The form `GET /_control/jobs` shows."""
        return {
            "request_id": self.id,
            "provider": self.provider,
            "app": self.app,
            "prompt": self.prompt,
            "state": self.state,
            "failure": self.failure.cause if self.failure else None,
            "accepted_at": self.accepted_at,
            "finished_at": self.finished_at,
            "webhooks": [vars(delivery) for delivery in self.deliveries],
        }


Work = Callable[[Job], Awaitable[Any]]
Announce = Callable[[Job], Awaitable[None]]


class Jobs:
    """Every job since the start; `job_seconds` is how long the next ones take."""

    def __init__(self, faults: Faults, job_seconds: float) -> None:
        self.job_seconds = job_seconds
        self._faults = faults
        self._jobs: dict[str, Job] = {}

    def start(
        self,
        *,
        provider: str,
        app: str,
        path: str,
        prompt: str,
        webhook_url: str | None,
        work: Work,
        announce: Announce,
    ) -> Job:
        """Accepts a job and runs `work` for its output (it may raise JobError), then `announce`."""
        text = f"{prompt}\n{path}"
        job = Job(
            id=str(uuid.uuid4()),
            provider=provider,
            app=app,
            path=path,
            prompt=prompt,
            webhook_url=webhook_url,
            ending=self._faults.take(Moment.ENDING, provider, text),
            seconds=self.job_seconds + self._faults.take_delay(provider, text),
            accepted_at=time.time(),
        )
        self._jobs[job.id] = job
        job.task = asyncio.create_task(self._run(job, work, announce), name=f"sandbox-job-{job.id}")
        return job

    def get(self, provider: str, job_id: str) -> Job | None:
        """The provider's job of that id."""
        job = self._jobs.get(job_id)
        return job if job is not None and job.provider == provider else None

    def all(self) -> list[Job]:
        """Every job, oldest first."""
        return list(self._jobs.values())

    def cancel(self, job: Job) -> bool:
        """Ends a job without output or webhook; False when it had finished."""
        if job.state is State.FINISHED:
            return False
        if job.task is not None:
            job.task.cancel()
        _finish(job, failure=JobError(Cause.CANCELLED, "Request was cancelled by the client."))
        return True

    async def close(self) -> None:
        """Ends the tasks of all jobs."""
        tasks = [job.task for job in self._jobs.values() if job.task is not None and not job.task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, job: Job, work: Work, announce: Announce) -> None:
        await asyncio.sleep(job.seconds * QUEUE_SHARE)
        job.state = State.RUNNING
        try:
            output = await self._work(job, work)
        except JobError as failure:
            _finish(job, failure=failure)
        except Exception as error:
            # A provider that breaks answers that it did; the sandbox goes on for everybody else.
            _log.exception("The sandbox could not render job %s", job.id)
            _finish(job, failure=JobError(Cause.FAILED, f"Rendering failed: {error!r}"))
        else:
            _finish(job, output=output)
        await announce(job)

    async def _work(self, job: Job, work: Work) -> Any:
        rest = asyncio.sleep(job.seconds * (1 - QUEUE_SHARE))
        ending = job.ending.name if job.ending else None
        if ending == "never_finish":
            rest.close()
            await asyncio.Event().wait()
        if ending in ("fail_after_accept", "filtered"):
            await rest
            raise _ordered_failure(ending)
        # Rendering counts towards the job's time, so that only a slow rendering makes a job late.
        output, _ = await asyncio.gather(work(job), rest)
        return output


def _ordered_failure(ending: str) -> JobError:
    if ending == "filtered":
        return JobError(Cause.FILTERED, "The content was flagged by a content checker.")
    return JobError(Cause.FAILED, "The runner stopped unexpectedly.")


def _finish(job: Job, *, output: Any = None, failure: JobError | None = None) -> None:
    job.output, job.failure = output, failure
    job.finished_at = time.time()
    job.state = State.FINISHED
