"""Everything a running sandbox holds, handed to each provider's protocol."""

from __future__ import annotations

import asyncio

from infra.sandbox.buckets import PutObject
from infra.sandbox.calls import Calls
from infra.sandbox.faults import Faults
from infra.sandbox.files import Files
from infra.sandbox.jobs import Jobs
from infra.sandbox.sources import Sources
from infra.sandbox.studio import Studio


class Sandbox:
    """The parts of one sandbox. `base_url` is where clients reach it, `put_object` what its customers' buckets are."""

    def __init__(self, base_url: str, job_seconds: float, put_object: PutObject) -> None:
        self.put_object = put_object
        self.base_url = base_url.rstrip("/")
        self.faults = Faults()
        # Set before the server stops, so that calls which hang on purpose do not delay it.
        self.stopping = asyncio.Event()
        self.calls = Calls()
        self.jobs = Jobs(self.faults, job_seconds)
        self.studio = Studio()
        self.files = Files(self.base_url, self.faults, self.stopping)
        self.sources = Sources(self.studio)

    def reset(self) -> None:
        """Forgets calls and faults; jobs and their speed stay."""
        self.calls.clear()
        self.faults.clear()

    async def close(self) -> None:
        """Ends jobs, threads and connections, and deletes the files."""
        self.stopping.set()
        await self.jobs.close()
        await self.sources.close()
        self.studio.close()
        self.files.close()
