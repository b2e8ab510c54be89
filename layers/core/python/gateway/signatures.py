"""How providers sign their webhooks, dialect by dialect. Pure.

    standard        Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature: v1,<base64>`; the key is
                    what `whsec_` is followed by, in base64 (OpenAI, Replicate)
    standard_raw    the same headers, `v3,<hex>`; the key is the text after `whsec_` as it is (WaveSpeed)
    task_and_time   `x-webhook-timestamp`, `x-webhook-signature: <base64>` over the job's id and the time; the body is
                    not signed (Kie)
    time_and_body   `<provider>-signature: t=<time>,v0=<hex>` over the time and the body (ElevenLabs)
    token           nothing is signed: the unguessable token of the path is all there is

Verified with the standard library: a dozen lines, where a package would be one more in the layer of every function.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

from gateway.provider import ForgedWebhook

LEEWAY_SECONDS = 300
LEEWAYS_SECONDS = {"time_and_body": 1800}
"""Where a provider says otherwise than five minutes."""
UNSIGNED = "token"
_KEY_PREFIX = "whsec_"


def verify(dialect: str, key: str, headers: Mapping[str, str], body: bytes, job_id: str, now_seconds: float) -> None:
    """Raise `ForgedWebhook` unless the callback is signed with the key, and of about now.

    Header names are lower case. `job_id` is what the body names, for dialects that sign nothing else of it.
    """
    if dialect == UNSIGNED:
        return
    timestamp, signed, given = _told(dialect, headers, body, job_id)
    if not (timestamp.isascii() and timestamp.isdigit()):
        raise ForgedWebhook("no timestamp")
    if abs(now_seconds - int(timestamp[:12])) > LEEWAYS_SECONDS.get(dialect, LEEWAY_SECONDS):
        raise ForgedWebhook("too old, or from the future")
    right = hmac.new(key_bytes(dialect, key), signed, hashlib.sha256).digest()
    written = (base64.b64encode(right), right.hex().encode())
    if not any(hmac.compare_digest(one, told.encode()) for told in given for one in written):
        raise ForgedWebhook("the signature does not verify")


def key_bytes(dialect: str, key: str) -> bytes:
    """A key as its dialect uses it. Raises `ForgedWebhook` for what is no key of it."""
    if dialect != "standard":
        return key.removeprefix(_KEY_PREFIX).encode()
    try:
        decoded = base64.b64decode(key.removeprefix(_KEY_PREFIX), validate=True)
    except binascii.Error:
        decoded = b""
    if not decoded or not key.startswith(_KEY_PREFIX):
        raise ForgedWebhook("no key to verify with")
    return decoded


def _told(dialect: str, headers: Mapping[str, str], body: bytes, job_id: str) -> tuple[str, bytes, list[str]]:
    """The time of a callback, what is signed of it, and the signatures that it carries."""
    if dialect == "task_and_time":
        timestamp = headers.get("x-webhook-timestamp", "")
        return timestamp, f"{job_id}.{timestamp}".encode(), [headers.get("x-webhook-signature", "")]
    if dialect == "time_and_body":
        header = next((value for name, value in headers.items() if name.endswith("-signature")), "")
        parts = [part.strip().partition("=") for part in header.split(",")]
        timestamp = next((value for name, _, value in parts if name == "t"), "")
        return timestamp, f"{timestamp}.".encode() + body, [value for name, _, value in parts if name == "v0"]
    message_id, timestamp, signatures = (headers.get(f"webhook-{one}", "") for one in ("id", "timestamp", "signature"))
    if not message_id:
        raise ForgedWebhook("no id")
    version = "v1," if dialect == "standard" else "v3,"
    given = [one.removeprefix(version) for one in signatures.split() if one.startswith(version)]
    return timestamp, f"{message_id}.{timestamp}.".encode() + body, given
