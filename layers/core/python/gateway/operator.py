"""What the operator does with AWS credentials: projects, credits, keys, the catalog's publication."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gateway import auth, catalog, ids, ledger, tables
from gateway.errors import BadRequest, InvalidField, NotFound

COMPILED_CATALOG = Path(catalog.__file__).parent / "compiled.json"
"""Written by the build of the core layer."""


def perform(request: Mapping[str, Any]) -> dict[str, Any]:
    """Carry out one request, `{"action": ..., ...}`. Raises a GatewayError that says what is wrong with it."""
    action = str(request.get("action"))
    if action not in _ACTIONS:
        raise BadRequest(
            f"There is no action '{action}'.",
            field="action",
            allowed=sorted(_ACTIONS),
            hint="Name one of the allowed actions.",
        )
    return _ACTIONS[action](request)


def publish_catalog() -> str:
    """Publish the catalog that was built into this deployment; answers its version."""
    return catalog.publish(json.loads(COMPILED_CATALOG.read_text()))


def _project_create(request: Mapping[str, Any]) -> dict[str, Any]:
    name = _text(request, "name")
    project_id = str(request.get("project_id") or ids.fresh("prj"))
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{1,63}", project_id):
        raise InvalidField("'project_id' may hold a-z, 0-9, - and _.", field="project_id")
    project = tables.Project(
        f"PROJECT#{project_id}",
        "PROJECT",
        project_id=project_id,
        name=name,
        created_at=ids.timestamp(ids.now()),
    )
    if not project.insert():
        raise BadRequest(
            f"There is a project '{project_id}' already.",
            field="project_id",
            hint="Use it, or choose another id.",
        )
    return {"project_id": project_id, "name": name}


def _project_grant(request: Mapping[str, Any]) -> dict[str, Any]:
    project_id = _text(request, "project_id")
    amount_micros = request.get("amount_micros")
    if not isinstance(amount_micros, int) or isinstance(amount_micros, bool):
        raise InvalidField("'amount_micros' must be a whole number.", field="amount_micros")
    if tables.Project.find(project_id) is None:
        raise NotFound(f"There is no project '{project_id}'.")
    note = request.get("note")
    totals = ledger.grant(project_id, amount_micros, _text(request, "grant_id"), None if note is None else str(note))
    return {
        "project_id": project_id,
        "amount_micros": amount_micros,
        "available_micros": totals.available_micros,
    }


def _project_key(request: Mapping[str, Any]) -> dict[str, Any]:
    key_id, api_key = auth.create_key(_text(request, "project_id"), str(request.get("name") or "key"))
    return {"key_id": key_id, "api_key": api_key}


def _project_key_revoke(request: Mapping[str, Any]) -> dict[str, Any]:
    key_id = _text(request, "key_id")
    return {"key_id": key_id, "revoked_at": auth.revoke_key(_text(request, "project_id"), key_id)}


def _catalog_publish(_request: Mapping[str, Any]) -> dict[str, Any]:
    return {"catalog_version": publish_catalog()}


_ACTIONS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "project.create": _project_create,
    "project.grant": _project_grant,
    "project.key": _project_key,
    "project.key.revoke": _project_key_revoke,
    "catalog.publish": _catalog_publish,
}


def _text(request: Mapping[str, Any], name: str) -> str:
    value = request.get(name)
    if not isinstance(value, str) or not value.strip():
        raise InvalidField(f"'{name}' is required.", field=name)
    return value.strip()
