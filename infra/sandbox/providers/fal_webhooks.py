"""fal's webhooks: ED25519 over four lines, its public key in a JWKS.

As documented at https://docs.fal.ai/model-endpoints/webhooks.
"""

from __future__ import annotations

import base64
import hashlib
import time
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from infra.sandbox import webhooks
from infra.sandbox.jobs import Job

USER_ID = "sandbox-user"

# Derived from a constant: a receiver may keep the JWKS for a day, and a restarted sandbox must match it.
_SIGNING_KEY = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"museway sandbox: fal webhooks").digest())
_UNKNOWN_KEY = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"museway sandbox: forger").digest())


def jwks() -> dict[str, Any]:
    """The key set that verifies the true webhooks."""
    x = base64.urlsafe_b64encode(_SIGNING_KEY.public_key().public_bytes_raw()).rstrip(b"=").decode()
    return {"keys": [{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "x": x}]}


class Webhooks(webhooks.Webhooks):
    """Signed with a key that is in the JWKS; a forger's is not."""

    def headers(self, job: Job, body: bytes, *, forged: bool) -> dict[str, str]:
        """The four headers of a webhook."""
        timestamp = str(int(time.time()))
        message = "\n".join((job.id, USER_ID, timestamp, hashlib.sha256(body).hexdigest()))
        key = _UNKNOWN_KEY if forged else _SIGNING_KEY
        return {
            "X-Fal-Webhook-Request-Id": job.id,
            "X-Fal-Webhook-User-Id": USER_ID,
            "X-Fal-Webhook-Timestamp": timestamp,
            "X-Fal-Webhook-Signature": key.sign(message.encode()).hex(),
        }

    def invented(self, job: Job) -> dict[str, Any]:
        """A result with an image."""
        payload = {"images": [{"url": "https://forged.invalid/output.png", "content_type": "image/png"}]}
        return {"request_id": job.id, "gateway_request_id": job.id, "status": "OK", "payload": payload}
