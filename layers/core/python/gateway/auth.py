"""API keys as texts, and whom a request speaks for. Making and revoking them is `keys`."""

import hashlib
import hmac
import json
import secrets
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway import ids, tables
from gateway.errors import Forbidden, Unauthorized
from gateway.spending import SpendingLimit

PREFIX = "mw_"
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_LENGTH, _SECRET_LENGTH, _CHECK_LENGTH = 12, 32, 6

SCOPES = (
    *("generate", "read", "billing:read", "files:write", "workflows:write"),
    *("secrets:read", "secrets:write", "keys:write", "settings:write"),
)
DEFAULT_SCOPES = ("generate", "read", "billing:read", "files:write")


@dataclass(frozen=True)
class Principal:
    """Whom an authorized request speaks for."""

    project_id: str
    key_id: str
    scopes: frozenset[str]
    spending_limit: SpendingLimit | None = None
    """The key's own; the project may have another."""

    def require(self, scope: str) -> None:
        """Raise Forbidden unless the key has the scope."""
        if scope not in self.scopes:
            raise Forbidden(f"This key lacks the scope '{scope}'.", scope=scope)


@dataclass(frozen=True)
class NewKey:
    """A key that nobody has yet: `api_key` is for its holder alone, `secret_sha256` for the store."""

    key_id: str
    api_key: str = field(repr=False)
    secret_sha256: str


def new_key(*named: str) -> NewKey:
    """Make up a key; with names its id is the one that they always give, so that a repeat can be told.

    The key is `mw_` + 12 characters of id + 32 of secret + 6 of checksum, so that a typo or a leak is
    recognised without asking the store. 190 bits of secret need no slow hash.
    """
    key_id = _digits(int(_sha256("\x00".join(named)), 16), _ID_LENGTH) if named else _random(_ID_LENGTH)
    secret = _random(_SECRET_LENGTH)
    return NewKey(key_id, PREFIX + key_id + secret + _checksum(key_id + secret), _sha256(secret))


def authenticate(header: str | None) -> Principal:
    """The principal of an `Authorization` header. Raises Unauthorized; one read, none for a mistyped key."""
    scheme, _, token = (header or "").strip().partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthorized("No API key was sent.")
    key_id, secret = _parse(token.strip())
    key = tables.ApiKey.find(key_id)
    expected = key.secret_sha256 if key else _sha256("")
    if not hmac.compare_digest(expected, _sha256(secret)) or key is None:
        raise Unauthorized("This API key is not known.")
    if key.revoked_at:
        raise Unauthorized("This API key was revoked.")
    if key.expires_at and key.expires_at <= ids.timestamp(ids.now()):
        raise Unauthorized("This API key has expired.")
    return Principal(key.project_id, key.key_id, frozenset(key.scopes), _limit(key.spending_limit))


def to_context(principal: Principal) -> dict[str, str]:
    """What the authorizer hands to the functions behind it: texts alone, which is all that API Gateway passes on."""
    limit = principal.spending_limit
    return {
        "project_id": principal.project_id,
        "key_id": principal.key_id,
        "scopes": ",".join(sorted(principal.scopes)),
        **({} if limit is None else {"spending_limit": json.dumps(limit.to_dict())}),
    }


def from_context(context: Mapping[str, Any]) -> Principal:
    """The principal that the authorizer found. Raises Unauthorized with its reason when it found none."""
    if "project_id" not in context:
        raise Unauthorized(str(context.get("denied") or "No API key was sent."))
    limit = _limit(json.loads(context.get("spending_limit") or "null"))
    return Principal(context["project_id"], context["key_id"], frozenset(str(context["scopes"]).split(",")), limit)


def _limit(stored: Mapping[str, Any] | None) -> SpendingLimit | None:
    return None if stored is None else SpendingLimit.from_dict(stored)


def _parse(token: str) -> tuple[str, str]:
    body = token.removeprefix(PREFIX)
    well_formed = token.startswith(PREFIX) and len(body) == _ID_LENGTH + _SECRET_LENGTH + _CHECK_LENGTH
    key, check = body[:-_CHECK_LENGTH], body[-_CHECK_LENGTH:]
    if not well_formed or not hmac.compare_digest(_checksum(key).encode(), check.encode()):
        raise Unauthorized(
            "This is not an API key of Museway.", hint="Keys start with mw_; check that it was copied whole."
        )
    return key[:_ID_LENGTH], key[_ID_LENGTH:]


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _checksum(text: str) -> str:
    return _digits(zlib.crc32(text.encode()), _CHECK_LENGTH)


def _digits(value: int, length: int) -> str:
    """The last digits of a number in base 62."""
    digits = []
    for _ in range(length):
        value, digit = divmod(value, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
