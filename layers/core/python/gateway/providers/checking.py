"""Whether a provider takes a key, asked by the call that the catalog names for that: one that costs nothing."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import jmespath

from gateway import transport
from gateway.errors import ProviderUnavailable
from gateway.nondelivery import NonDelivery
from gateway.providers import ApiKey, base_url, described, status_meant

CHECK_SECONDS = 10.0
ANSWER_BYTES_MAX = 4 * 1024 * 1024


def is_taken(name: str, key: ApiKey) -> bool | None:
    """Whether a provider takes a key; None where the catalog names no call to ask it by.

    Raises NotFound for a name that is not ours, ProviderUnavailable when it did not say.
    """
    description = described(name)
    call = description.get("check")
    if call is None:
        return None
    wire = description.get("wire", {})
    headers = {**wire.get("headers", {}), **call.get("headers", {})}
    query = f"?{urlencode(call['query'])}" if call.get("query") else ""
    try:
        answer = transport.request(
            call.get("method", "GET"),
            base_url(name) + call["path"] + query,
            headers={header: text.replace("{key}", key.value) for header, text in headers.items()},
            timeout_seconds=CHECK_SECONDS,
            max_bytes=ANSWER_BYTES_MAX,
        )
    except transport.WireError:
        raise ProviderUnavailable(f"{description['name']} did not answer.") from None
    status = _status(answer, wire.get("status"))
    if isinstance(status, int) and 200 <= status < 300:
        return True
    if status in {401, 403}:
        return False
    raise ProviderUnavailable(f"{description['name']} answered with status {status}.")


def _status(answer: transport.Answer, described: Mapping[str, Any] | None) -> int | NonDelivery:
    """An answer's status; some providers answer 200 and tell theirs in the body."""
    if described is None or answer.status >= 300:
        return answer.status
    try:
        told = jmespath.search(described["at"], answer.json())
    except (ValueError, jmespath.exceptions.JMESPathError):
        return 502
    return status_meant(described.get("of", {}), str(told), answer.status)
