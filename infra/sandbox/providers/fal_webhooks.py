"""fal's webhooks: ED25519 over four lines, its public key in a JWKS.

As documented at https://docs.fal.ai/model-endpoints/webhooks.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import time
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from infra.sandbox.faults import Faults
from infra.sandbox.jobs import Delivery, Job

USER_ID = "sandbox-user"
ACKNOWLEDGE_WITHIN_SECONDS = 15.0
# fal tries ten times over two hours; nobody waits for that on a developer's machine.
RETRY_AFTER_SECONDS = (0.2, 0.5, 1.0, 2.0)

# Derived from a constant: a receiver may keep the JWKS for a day, and a restarted sandbox must match it.
_SIGNING_KEY = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"museway sandbox: fal webhooks").digest())
_UNKNOWN_KEY = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"museway sandbox: forger").digest())


def jwks() -> dict[str, Any]:
    """The key set that verifies the true webhooks."""
    x = base64.urlsafe_b64encode(_SIGNING_KEY.public_key().public_bytes_raw()).rstrip(b"=").decode()
    return {"keys": [{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "x": x}]}


def signed_headers(key: Ed25519PrivateKey, request_id: str, body: bytes, timestamp: int) -> dict[str, str]:
    """The four headers of a webhook; `timestamp` in Unix seconds."""
    message = "\n".join((request_id, USER_ID, str(timestamp), hashlib.sha256(body).hexdigest()))
    return {
        "X-Fal-Webhook-Request-Id": request_id,
        "X-Fal-Webhook-User-Id": USER_ID,
        "X-Fal-Webhook-Timestamp": str(timestamp),
        "X-Fal-Webhook-Signature": key.sign(message.encode()).hex(),
    }


class Webhooks:
    """Sends the webhooks of finished jobs, as the webhook faults leave them."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        # A redirect is not followed: fal counts it as a failure.
        self._http = httpx.AsyncClient(timeout=ACKNOWLEDGE_WITHIN_SECONDS, trust_env=False)

    async def send(self, job: Job, event: dict[str, Any]) -> None:
        """Sends the event of a job that asked for it, and tries again until it is acknowledged."""
        url = job.webhook_url
        if url is None:
            return
        if self._struck("forged_webhook", job):
            await self._try(job, url, "forged", _invented(job), _UNKNOWN_KEY)
        duplicate = self._struck("duplicate_webhook", job)
        if self._struck("lost_webhook", job):
            return
        body = json.dumps(event).encode()
        await self._until_acknowledged(job, url, body)
        if duplicate:
            await self._try(job, url, "duplicate", body, _SIGNING_KEY)

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    def _struck(self, fault: str, job: Job) -> bool:
        return self._faults.take_named(fault, job.provider, job.text)

    async def _until_acknowledged(self, job: Job, url: str, body: bytes) -> None:
        for pause_seconds in (*RETRY_AFTER_SECONDS, None):
            if await self._try(job, url, "true", body, _SIGNING_KEY) or pause_seconds is None:
                return
            await asyncio.sleep(pause_seconds)

    async def _try(self, job: Job, url: str, kind: str, body: bytes, key: Ed25519PrivateKey) -> bool:
        headers = signed_headers(key, job.id, body, int(time.time()))
        headers["Content-Type"] = "application/json"
        delivery = Delivery(kind, time.time(), None)
        try:
            response = await self._http.post(url, content=body, headers=headers)
            delivery.status = response.status_code
        except (httpx.HTTPError, httpx.InvalidURL):
            pass
        job.deliveries.append(delivery)
        return delivery.status is not None and 200 <= delivery.status < 300


def _invented(job: Job) -> bytes:
    """A success that never happened, with an output that nobody rendered."""
    payload = {"images": [{"url": "https://forged.invalid/output.png", "content_type": "image/png"}]}
    event = {"request_id": job.id, "gateway_request_id": job.id, "status": "OK", "payload": payload}
    return json.dumps(event).encode()
