"""Saved routers: a project's named wishes, usable wherever a model is as `router/NAME`.

Every change makes a new version, and every version is kept: a generation names the one that chose for it.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from gateway import catalog, ids, routing, tables
from gateway.errors import (
    BadRequest,
    IdempotencyKeyReused,
    InvalidField,
    NotFound,
    RouterExists,
    TooManyRouters,
    Unavailable,
    UnknownModel,
)

ROUTERS_MAX = 100
"""Of a project; they are listed at once."""
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_CHANGING = ("version", "wish", "created_at", "changed_at")
_TRIES_MAX = 5


@dataclass(frozen=True)
class Named:
    """A router's wish, and where it is from."""

    name: str
    version: int
    wish: routing.Wish


def create(
    project_id: str, name: str, wish: routing.Wish, idempotency_key: str | None = None
) -> tuple[dict[str, Any], bool]:
    """Save a wish under a name: the router, and whether it is the first answer to the same key once more.

    Without a key, a repeat with the same wish changes nothing. Raises InvalidField, UnknownModel, TooManyRouters,
    RouterExists where the name has another wish, and IdempotencyKeyReused.
    """
    if not _NAME.fullmatch(name):
        raise InvalidField(
            "A router's name has up to 64 of a-z, 0-9, '.', '_' and '-', and begins with a letter or a digit.",
            field="name",
        )
    asked = {"name": name, **_shown(asdict(wish))}
    request = tables.RouterRequest.of(project_id, idempotency_key, name, asked) if idempotency_key else None
    for _ in range(_TRIES_MAX):
        if request and (before := request.stored()):
            return _replayed(project_id, before, request), True
        _check(wish)
        existing = tables.Router.find(project_id, name)
        if existing is not None and existing.deleted_at is None:
            if _wish(existing.wish) == wish:
                return view(existing), False
            raise RouterExists(f"There is a router '{name}' already, and it says something else.")
        if len(_living(project_id)) >= ROUTERS_MAX:
            raise TooManyRouters(f"A project has {ROUTERS_MAX} routers at most.", maximum=ROUTERS_MAX)
        if written := _written(project_id, name, wish, existing, request):
            return view(written), False
    raise _busy()


def change(project_id: str, name: str, wish: routing.Wish) -> dict[str, Any]:
    """Replace a router's wish, as its next version; the same wish makes none. Raises NotFound and UnknownModel."""
    _check(wish)
    for _ in range(_TRIES_MAX):
        existing = _find(project_id, name)
        if _wish(existing.wish) == wish:
            return view(existing)
        if written := _written(project_id, name, wish, existing):
            return view(written)
    raise _busy()


def delete(project_id: str, name: str) -> dict[str, Any]:
    """Take a router away; its versions stay for the generations that name them. Raises NotFound."""
    existing = _find(project_id, name)
    existing.change([tables.Router.deleted_at.set(ids.timestamp(ids.now()))])
    return view(existing)


def listed(project_id: str) -> dict[str, Any]:
    """A project's routers, by name."""
    return {"items": [view(one) for one in _living(project_id)], "next_cursor": None}


def detail(project_id: str, name: str, version: int | None = None) -> dict[str, Any]:
    """A router as it is, or as it was in a version. Raises NotFound."""
    if version is None:
        return view(_find(project_id, name))
    found = _find_version(project_id, name, version)
    return {"name": name, "version": version, **_shown(found.wish), "created_at": found.created_at}


def named(project_id: str, name: str) -> Named:
    """The router that a request names in the place of a model. Raises UnknownModel."""
    try:
        return version_of(project_id, name, None)
    except NotFound as error:
        hint = "GET /v1/routers lists the project's routers."
        raise UnknownModel(error.message, hint=hint, field="model") from error


def version_of(project_id: str, name: str, version: int | None) -> Named:
    """A router as it is, or as it was in a version. Raises NotFound."""
    if version is None:
        found = _find(project_id, name)
        return Named(name, int(found.version), _wish(found.wish))
    return Named(name, version, _wish(_find_version(project_id, name, version).wish))


def view(router: tables.Router) -> dict[str, Any]:
    """The contract's shape of a router."""
    moments = {name: getattr(router, name) for name in ("created_at", "changed_at", "deleted_at")}
    return _view(router.name, int(router.version), router.wish) | moments


def _view(name: str, version: int, wish: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "model": f"router/{name}", "version": version, **_shown(wish)}


def _check(wish: routing.Wish) -> None:
    """Refuse a wish that says nothing of the model, or names what is not there."""
    if not wish.required and not wish.policy.models:
        message = "A router needs a mode, capabilities, or the models that it may choose from."
        raise BadRequest(message, field="mode", allowed=list(routing.MODES))
    snapshot = catalog.current()
    for model_id in (*wish.policy.models, *wish.policy.exclude_models, *wish.policy.fallback_order):
        snapshot.model(model_id)


def _replayed(project_id: str, before: tables.RouterRequest, request: tables.RouterRequest) -> dict[str, Any]:
    """What the first request under an Idempotency-Key was answered. Raises IdempotencyKeyReused for another one."""
    if fields := ids.differing(before.fingerprint, request.fingerprint):
        raise IdempotencyKeyReused("This Idempotency-Key was used for another router.", fields=fields)
    made = _find_version(project_id, before.name, int(before.version))
    moments = {"created_at": made.created_at, "changed_at": made.created_at, "deleted_at": None}
    return _view(before.name, int(before.version), made.wish) | moments


def _written(
    project_id: str,
    name: str,
    wish: routing.Wish,
    existing: tables.Router | None,
    request: tables.RouterRequest | None = None,
) -> tables.Router | None:
    """The router with its next version; None when somebody else was first."""
    now = ids.timestamp(ids.now())
    router = tables.Router(
        f"PROJECT#{project_id}",
        f"ROUTER#{name}",
        name=name,
        version=int(existing.version) + 1 if existing else 1,
        wish=asdict(wish),
        created_at=existing.created_at if existing and existing.deleted_at is None else now,
        changed_at=now,
    )
    try:
        with tables.transaction() as tx:
            tx.insert("version", tables.RouterVersion.of(router))
            if request is not None:
                request.version = router.version
                tx.insert("request", request)
            if existing is None:
                tx.insert("router", router)
            else:
                changes = [getattr(tables.Router, field).set(getattr(router, field)) for field in _CHANGING]
                as_read = tables.unchanged(tables.Router.version, existing.version)
                as_read &= tables.unchanged(tables.Router.deleted_at, existing.deleted_at)
                tx.update("router", existing, [*changes, tables.Router.deleted_at.remove()], as_read)
    except tables.ConditionFailed:
        return None
    return router


def _find(project_id: str, name: str) -> tables.Router:
    found = tables.Router.find(project_id, name)
    if found is None or found.deleted_at is not None:
        raise NotFound(f"There is no router '{name[:64]}'.")
    return found


def _find_version(project_id: str, name: str, version: int) -> tables.RouterVersion:
    found = tables.RouterVersion.find(project_id, name, version)
    if found is None:
        raise NotFound(f"There is no version {version} of a router '{name[:64]}'.")
    return found


def _living(project_id: str) -> list[tables.Router]:
    return [one for one in tables.Router.all_of(project_id) if one.deleted_at is None]


def _wish(stored: Mapping[str, Any]) -> routing.Wish:
    policy: dict[str, Any] = {
        field: tuple(value) if isinstance(value, list) else value for field, value in stored["policy"].items()
    }
    return routing.Wish(stored["mode"], tuple(stored["capabilities"]), routing.Policy(**policy))


def _shown(stored: Mapping[str, Any]) -> dict[str, Any]:
    return {"mode": stored["mode"], "capabilities": stored["capabilities"], **stored["policy"]}


def _busy() -> Unavailable:
    return Unavailable("This router is being changed by others; nothing was changed.")
