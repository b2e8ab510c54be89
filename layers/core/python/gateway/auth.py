"""API keys: made once, shown once, kept as a hash; and who a request speaks for."""

import hashlib
import hmac
import secrets
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway import ids, tables
from gateway.errors import Forbidden, NotFound, Unauthorized
from gateway.spending import SpendingLimit

PREFIX = "mw_"
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_LENGTH, _SECRET_LENGTH, _CHECK_LENGTH = 12, 32, 6

DEFAULT_SCOPES = ("generate", "read", "billing:read", "files:write")


@dataclass(frozen=True)
class Principal:
    """Whom an authorized request speaks for."""

    project_id: str
    key_id: str
    scopes: frozenset[str]
    spending_limit: SpendingLimit | None = None

    def require(self, scope: str) -> None:
        """Raise Forbidden unless the key has the scope."""
        if scope not in self.scopes:
            raise Forbidden(f"This key lacks the scope '{scope}'.", scope=scope)


def create_key(project_id: str, name: str) -> tuple[str, str]:
    """Make a key for a project: its id, and the key itself, which is never shown again.

    The key is `mw_` + 12 characters of id + 32 of secret + 6 of checksum, so that a typo or a leak is
    recognised without asking the store. 190 bits of secret need no slow hash.
    """
    _project(project_id)
    key_id, secret = _random(_ID_LENGTH), _random(_SECRET_LENGTH)
    tables.ApiKey(
        f"KEY#{key_id}",
        "KEY",
        key_id=key_id,
        project_id=project_id,
        name=name,
        secret_sha256=_sha256(secret),
        scopes=list(DEFAULT_SCOPES),
        created_at=ids.timestamp(ids.now()),
    ).insert()
    return key_id, PREFIX + key_id + secret + _checksum(key_id + secret)


def revoke_key(project_id: str, key_id: str) -> str:
    """Revoke a key of a project and answer when. Revoking again keeps the first time. Raises NotFound."""
    key = tables.ApiKey.find(key_id)
    if key is None or key.project_id != project_id:
        raise NotFound(f"This project has no key '{key_id}'.")
    if key.revoked_at is None:
        moment = ids.timestamp(ids.now())
        key.change([tables.ApiKey.revoked_at.set(moment)], condition=tables.ApiKey.revoked_at.does_not_exist())
        return moment
    return key.revoked_at


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
    return Principal(key.project_id, key.key_id, frozenset(key.scopes))


def to_context(principal: Principal) -> dict[str, str]:
    """What the authorizer hands to the functions behind it."""
    return {
        "project_id": principal.project_id,
        "key_id": principal.key_id,
        "scopes": ",".join(sorted(principal.scopes)),
    }


def from_context(context: Mapping[str, Any]) -> Principal:
    """The principal that the authorizer found. Raises Unauthorized with its reason when it found none."""
    if "project_id" not in context:
        raise Unauthorized(str(context.get("denied") or "No API key was sent."))
    return Principal(context["project_id"], context["key_id"], frozenset(str(context["scopes"]).split(",")))


def _parse(token: str) -> tuple[str, str]:
    body = token.removeprefix(PREFIX)
    well_formed = token.startswith(PREFIX) and len(body) == _ID_LENGTH + _SECRET_LENGTH + _CHECK_LENGTH
    key, check = body[:-_CHECK_LENGTH], body[-_CHECK_LENGTH:]
    if not well_formed or not hmac.compare_digest(_checksum(key).encode(), check.encode()):
        raise Unauthorized(
            "This is not an API key of Museway.", hint="Keys start with mw_; check that it was copied whole."
        )
    return key[:_ID_LENGTH], key[_ID_LENGTH:]


def _project(project_id: str) -> tables.Project:
    project = tables.Project.find(project_id)
    if project is None:
        raise NotFound(f"There is no project '{project_id}'.")
    return project


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _checksum(text: str) -> str:
    value, digits = zlib.crc32(text.encode()), []
    for _ in range(_CHECK_LENGTH):
        value, digit = divmod(value, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
