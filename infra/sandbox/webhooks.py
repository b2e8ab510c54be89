"""Webhooks of finished jobs: sent until they are acknowledged, and as the webhook faults leave them."""

from __future__ import annotations

import asyncio
import json
import time
from abc import ABC, abstractmethod
from typing import Any

import httpx

from infra.sandbox.faults import Faults
from infra.sandbox.jobs import Delivery, Job

ACKNOWLEDGE_WITHIN_SECONDS = 15.0
# Providers try for hours; nobody waits for that on a developer's machine.
RETRY_AFTER_SECONDS = (0.2, 0.5, 1.0, 2.0)


class Webhooks(ABC):
    """A subclass says how its provider signs, and what a forger would send in its name."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        # A redirect is not followed: providers count it as a failure.
        self._http = httpx.AsyncClient(timeout=ACKNOWLEDGE_WITHIN_SECONDS, trust_env=False)

    @abstractmethod
    def headers(self, job: Job, body: bytes, *, forged: bool) -> dict[str, str]:
        """The headers that sign a body; forged ones are signed with a key that nobody knows."""

    @abstractmethod
    def invented(self, job: Job) -> dict[str, Any]:
        """A success that never happened, with an output that nobody rendered."""

    async def send(self, job: Job, event: dict[str, Any]) -> None:
        """Sends the event of a job that asked for it, and tries again until it is acknowledged."""
        url = job.webhook_url
        if url is None:
            return
        if self._struck("forged_webhook", job):
            await self._try(job, url, "forged", json.dumps(self.invented(job)).encode())
        duplicate = self._struck("duplicate_webhook", job)
        if self._struck("lost_webhook", job):
            return
        body = json.dumps(event).encode()
        await self._until_acknowledged(job, url, body)
        if duplicate:
            await self._try(job, url, "duplicate", body)

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    def _struck(self, fault: str, job: Job) -> bool:
        return self._faults.take_named(fault, job.provider, job.text)

    async def _until_acknowledged(self, job: Job, url: str, body: bytes) -> None:
        for pause_seconds in (*RETRY_AFTER_SECONDS, None):
            if await self._try(job, url, "true", body) or pause_seconds is None:
                return
            await asyncio.sleep(pause_seconds)

    async def _try(self, job: Job, url: str, kind: str, body: bytes) -> bool:
        headers = {"Content-Type": "application/json", **self.headers(job, body, forged=kind == "forged")}
        delivery = Delivery(kind, time.time(), None)
        try:
            response = await self._http.post(url, content=body, headers=headers)
            delivery.status = response.status_code
        except (httpx.HTTPError, httpx.InvalidURL):
            pass
        job.deliveries.append(delivery)
        return delivery.status is not None and 200 <= delivery.status < 300
