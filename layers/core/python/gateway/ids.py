"""Names of things: random where nothing is known, derived where a repeat must find the first."""

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

_STAMP = "%Y-%m-%dT%H:%M:%S.%fZ"


def _base32(raw: bytes) -> str:
    return base64.b32encode(raw).decode().rstrip("=").lower()


def fresh(prefix: str) -> str:
    """A new id: prefix, underscore, 26 characters with 128 random bits."""
    return f"{prefix}_{_base32(secrets.token_bytes(16))}"


def derived(prefix: str, *parts: str) -> str:
    """The one id that these parts always give, so that a repeated request finds what the first made."""
    digest = hashlib.sha256("\x00".join(parts).encode()).digest()
    return f"{prefix}_{_base32(digest[:16])}"


def digest(value: Any) -> str:
    """A short digest of a value that JSON can say, to tell whether it was another without keeping it."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]


def differing(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """The names under which two mappings of digests are not the same."""
    return sorted(name for name in {*before, *after} if before.get(name) != after.get(name))


def timestamp(moment: datetime) -> str:
    """UTC time as fixed-width text with microseconds, which sorts as it reads."""
    return moment.astimezone(UTC).strftime(_STAMP)


def moment(stamp: str) -> datetime:
    """The time that `timestamp` wrote."""
    return datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)


def now() -> datetime:
    """The present, aware, in UTC."""
    return datetime.now(UTC)
