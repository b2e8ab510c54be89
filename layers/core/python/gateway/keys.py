"""A project's API keys: made and shown once, listed, changed, revoked. Whom a key speaks for is `auth`'s to say."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from gateway import auth, ids, ledger, spending, tables
from gateway.errors import (
    AlreadyCreated,
    BadRequest,
    Forbidden,
    GatewayError,
    IdempotencyKeyReused,
    InvalidField,
    NotFound,
    TooManyKeys,
    Unavailable,
)
from gateway.spending import SpendingLimit

NAME_LENGTH_MAX = 100
LIVE_KEYS_MAX = 100
LIMIT_MAX = 100
LIMIT_LIFTING_SCOPES = frozenset({"keys:write", "settings:write"})
"""With these a key could take a spending limit off, its own too."""
_TRIES_MAX = 5


def create(
    project_id: str,
    name: Any,
    *,
    scopes: Any = None,
    spending_limit: Any = None,
    expires_at: Any = None,
    maker: auth.Principal | None = None,
    idempotency_key: str | None = None,
) -> dict[str, Any]:
    """Make a key for a project and answer it with its `api_key`, which is never shown again.

    `maker` is who asks: its key gives no scope that it lacks, and a project has at most LIVE_KEYS_MAX live keys
    (counted before the write, so keys made at the same moment may pass that by a few). None is the operator, who
    is not bound by either. Raises InvalidField, NotFound, Forbidden, TooManyKeys, BadRequest for a limited key
    that could lift its limit, and for a repeated idempotency key AlreadyCreated or IdempotencyKeyReused.
    """
    asked: dict[str, Any] = {
        "name": _checked_name(name),
        "scopes": _checked_scopes(auth.DEFAULT_SCOPES if scopes is None else scopes),
        "spending_limit": spending.changed(None, spending_limit),
        "expires_at": _checked_time(expires_at),
    }
    fingerprint = {field: ids.digest(value) for field, value in asked.items() if value is not None}
    new = auth.new_key(project_id, idempotency_key) if idempotency_key is not None else auth.new_key()
    if idempotency_key is not None and (existing := tables.ApiKey.find(new.key_id)):
        raise _repeated(existing, fingerprint)
    now = ids.timestamp(ids.now())
    _check_wanted(project_id, asked, maker, now)
    key = tables.ApiKey(
        f"KEY#{new.key_id}",
        "KEY",
        key_id=new.key_id,
        project_id=project_id,
        secret_sha256=new.secret_sha256,
        fingerprint=fingerprint,
        created_at=now,
        **asked,
    )
    try:
        with tables.transaction() as tx:
            tx.insert("key", key)
            tx.insert("listed", tables.ListedKey.of(key))
            if key.spending_limit is not None:
                ledger.begin_counting(tx, _counter(key), ids.now())
    except tables.ConditionFailed:
        found = tables.ApiKey.find(new.key_id)
        if found is None:
            raise
        # With our secret it is our own write, which the client library repeated when its answer was lost.
        if found.secret_sha256 != new.secret_sha256:
            raise _repeated(found, fingerprint) from None
    return {**view(key), "api_key": new.api_key}


def listed(project_id: str, limit: int, cursor: str | None) -> dict[str, Any]:
    """A page of a project's keys, newest first, those that ended too."""
    if not 1 <= limit <= LIMIT_MAX:
        raise InvalidField("'limit' is out of range.", field="limit", allowed={"minimum": 1, "maximum": LIMIT_MAX})
    found, following = tables.ApiKey.page_of_project(project_id, limit, cursor)
    return {"items": [view(key) for key in found], "next_cursor": following}


def find(project_id: str, key_id: str) -> tables.ApiKey:
    """A key of a project. Raises NotFound, for keys of other projects too."""
    key = tables.ApiKey.find(key_id)
    if key is None or key.project_id != project_id:
        raise NotFound(f"This project has no key '{key_id}'.")
    return key


def change(project_id: str, key_id: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Change a key's `name`, its `spending_limit` or both; what is not named stays, null takes a limit off.

    Raises InvalidField, NotFound, and BadRequest for a limit on a key that could lift it.
    """
    for _ in range(_TRIES_MAX):
        key = find(project_id, key_id)
        stored, actions = tables.ApiKey.spending_limit, []
        if "name" in changes:
            actions.append(tables.ApiKey.name.set(_checked_name(changes["name"])))
        if "spending_limit" in changes:
            limit = spending.changed(key.spending_limit, changes["spending_limit"])
            _check_limited(key.scopes, limit, field="spending_limit")
            actions += [] if limit is None else [stored.set(limit)]
        # Parts of a limit that somebody else sets at the same time are not lost.
        if not actions or key.change(actions, tables.unchanged(stored, key.spending_limit)):
            if key.spending_limit is not None:
                ledger.start_counting(ledger.account_of(project_id), _counter(key), ids.now())
            return view(key)
    raise Unavailable("This key is being changed by others; nothing was changed.")


def revoke(project_id: str, key_id: str) -> dict[str, Any]:
    """Revoke a key of a project, at once and for good. Revoking again keeps the first time. Raises NotFound."""
    key = find(project_id, key_id)
    if key.revoked_at is None:
        now = ids.timestamp(ids.now())
        place = tables.ListedKey.of(key)
        live = tables.ApiKey.pk.exists() & tables.ApiKey.revoked_at.does_not_exist()
        try:
            with tables.transaction() as tx:
                tx.update("key", key, [tables.ApiKey.revoked_at.set(now)], live)
                actions = [tables.ListedKey.key_id.set(key_id), tables.ListedKey.ends_at.set(now)]
                tx.update("listed", place, actions, None)
        except tables.ConditionFailed:
            pass  # revoked by another, or by our own write before its answer was lost
        key = find(project_id, key_id)
    return view(key)


def view(key: tables.ApiKey) -> dict[str, Any]:
    """The contract's shape of a key."""
    return {
        "key_id": key.key_id,
        "name": key.name,
        "scopes": key.scopes,
        "spending_limit": spending.shown(key.spending_limit),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
    }


def detail(project_id: str, key_id: str) -> dict[str, Any]:
    """A key with what is held and spent under its limit now; None where nothing is counted. Raises NotFound."""
    key = find(project_id, key_id)
    counted = None
    if key.spending_limit is not None:
        counted = ledger.counted(_counter(key), ids.now())
    return {**view(key), "counted": counted}


def _counter(key: tables.ApiKey) -> ledger.Counter:
    return ledger.Counter.of_key(key.key_id, SpendingLimit.from_dict(key.spending_limit))


def _check_wanted(project_id: str, asked: Mapping[str, Any], maker: auth.Principal | None, now: str) -> None:
    """What a key may be, once it is known that it is not a repeat."""
    if asked["expires_at"] is not None and asked["expires_at"] <= now:
        raise InvalidField("'expires_at' is not in the future.", field="expires_at")
    if tables.Project.find(project_id) is None:
        raise NotFound(f"There is no project '{project_id}'.")
    _check_limited(asked["scopes"], asked["spending_limit"], field="scopes")
    if maker is None:
        return
    for scope in asked["scopes"]:
        if scope not in maker.scopes:
            raise Forbidden(f"This key cannot give the scope '{scope}', which it lacks.", scope=scope, field="scopes")
    if tables.ListedKey.count_live(project_id, now) >= LIVE_KEYS_MAX:
        raise TooManyKeys(f"This project has {LIVE_KEYS_MAX} live keys, which is the most.", maximum=LIVE_KEYS_MAX)


def _check_limited(scopes: list[str], limit: Mapping[str, Any] | None, field: str) -> None:
    lifting = sorted(LIMIT_LIFTING_SCOPES & set(scopes))
    if spending.shown(limit) and lifting:
        raise BadRequest(
            f"A key with a spending limit may not have '{lifting[0]}': it could lift its own limit.",
            field=field,
            hint=f"Leave {' and '.join(lifting)} to a key without a limit.",
        )


def _checked_name(name: Any) -> str:
    text = name.strip() if isinstance(name, str) else ""
    if not 1 <= len(text) <= NAME_LENGTH_MAX:
        raise InvalidField(f"'name' must be a text of 1 to {NAME_LENGTH_MAX} characters.", field="name")
    return text


def _checked_scopes(scopes: Any) -> list[str]:
    """The scopes without repeats, in the order of all. Raises InvalidField with those there are."""
    if not isinstance(scopes, list | tuple) or not scopes:
        raise InvalidField("'scopes' must be a list that names one at least.", field="scopes", allowed=[*auth.SCOPES])
    for scope in scopes:
        if scope not in auth.SCOPES:
            raise InvalidField(f"There is no scope '{scope}'.", field="scopes", allowed=[*auth.SCOPES])
    return [scope for scope in auth.SCOPES if scope in scopes]


def _checked_time(text: Any) -> str | None:
    """An ISO 8601 time as it is stored; UTC, unless it says otherwise."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return ids.timestamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (TypeError, ValueError, OverflowError):
        reason = "'expires_at' is no ISO 8601 time, such as 2027-01-31T00:00:00Z."
        raise InvalidField(reason, field="expires_at") from None


def _repeated(existing: tables.ApiKey, fingerprint: Mapping[str, str]) -> GatewayError:
    if differing := ids.differing(existing.fingerprint or {}, fingerprint):
        return IdempotencyKeyReused("This Idempotency-Key was used for another key.", fields=differing)
    return AlreadyCreated("This Idempotency-Key has made a key already.", key_id=existing.key_id)
