"""What the operator does with AWS credentials: projects, credits, keys, the catalog's versions.

What compiles a catalog, and says what changes in it, is loaded by the actions that need it: the function
starts as light as the others.
"""

import base64
import json
import re
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gateway import audit, auth, catalog, health, ids, jobs, keys, ledger, margins, tables, telemetry
from gateway.errors import BadRequest, InvalidField, NotFound, Unavailable

COMPILED_CATALOG = Path(catalog.__file__).parent / "compiled.json"
"""Written by the build of the core layer."""
DOCUMENTS_BYTES_MAX = 20_000_000
"""Of the catalog's documents, unpacked; those of 134 models come to a third of a megabyte."""
FAULTS_MAX = 100
"""Of a broken catalog, listed in an answer."""
PLAN = ("margin_bps", "platform_fee_bps")
PLAN_BPS_MAX = 100_000
"""Ten times the list price: what is above it is a mistake."""
PARKED_MAX = 100
"""Of parked generations, listed in an answer."""


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
    return catalog.publish(_built_in()).to_version


def _built_in() -> dict[str, Any]:
    compiled: dict[str, Any] = json.loads(COMPILED_CATALOG.read_text())
    return compiled


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


def _project_list(_request: Mapping[str, Any]) -> dict[str, Any]:
    found = sorted(tables.Project.every(), key=lambda one: one.project_id)
    return {"items": [{"project_id": one.project_id, "name": one.name} for one in found]}


def _project_grant(request: Mapping[str, Any]) -> dict[str, Any]:
    project_id, amount_micros = _text(request, "project_id"), _whole(request, "amount_micros")
    totals = ledger.grant(project_id, amount_micros, _text(request, "grant_id"), _note(request))
    return {"project_id": project_id, "amount_micros": amount_micros, "available_micros": totals.available_micros}


def _project_adjust(request: Mapping[str, Any]) -> dict[str, Any]:
    project_id, amount_micros = _text(request, "project_id"), _whole(request, "amount_micros")
    totals = ledger.adjust(project_id, amount_micros, _text(request, "adjust_id"), _text(request, "note"))
    return {"project_id": project_id, "amount_micros": amount_micros, "available_micros": totals.available_micros}


def _project_shards(request: Mapping[str, Any]) -> dict[str, Any]:
    account = ledger.resize(_text(request, "project_id"), _whole(request, "shard_count"))
    return {"project_id": account.project_id, "shard_count": account.shard_count, "shards_ever": account.shards_ever}


def _project_audit(request: Mapping[str, Any]) -> dict[str, Any]:
    return audit.report(ledger.project_of(_text(request, "project_id")))


def _project_margin(request: Mapping[str, Any]) -> dict[str, Any]:
    since, until = (None if request.get(name) is None else _text(request, name) for name in ("since", "until"))
    return margins.report(_text(request, "project_id"), _text(request, "group_by"), since, until)


def _project_plan(request: Mapping[str, Any]) -> dict[str, Any]:
    """What the plan adds to list prices, in basis points; what is not named stays."""
    project = ledger.project_of(_text(request, "project_id"))
    given = {name: _whole(request, name) for name in PLAN if request.get(name) is not None}
    for name, bps in given.items():
        if not 0 <= bps <= PLAN_BPS_MAX:
            allowed = {"minimum": 0, "maximum": PLAN_BPS_MAX}
            raise InvalidField(f"'{name}' is out of range.", field=name, allowed=allowed)
    if given:
        project.change([getattr(tables.Project, name).set(bps) for name, bps in given.items()])
    return {"project_id": project.project_id} | {name: int(getattr(project, name)) for name in PLAN}


def _generation_refund(request: Mapping[str, Any]) -> dict[str, Any]:
    amount_micros = None if request.get("amount_micros") is None else _whole(request, "amount_micros")
    generation_id = _text(request, "generation_id")
    held = ledger.refund(generation_id, amount_micros, _text(request, "refund_id"), _note(request))
    return {
        "generation_id": generation_id,
        "project_id": held.project_id,
        "charged_micros": int(held.charged_micros or 0),
        "refunded_micros": int(held.refunded_micros or 0),
    }


def _generation_parked(_request: Mapping[str, Any]) -> dict[str, Any]:
    """What the reconciler could not finish in many tries; its log says why."""
    items = [
        {
            "generation_id": one.generation_id,
            "project_id": one.project_id,
            "status": one.status,
            "failures": int(one.reconcile_failures or 0),
            "created_at": one.created_at,
        }
        for one in jobs.parked(PARKED_MAX)
    ]
    return {"items": items}


def _project_key(request: Mapping[str, Any]) -> dict[str, Any]:
    """A new key; the operator may give every scope, by its name or as `all`."""
    given = {field: request.get(field) for field in ("scopes", "spending_limit", "expires_at")}
    if given["scopes"] == "all":
        given["scopes"] = auth.SCOPES
    return keys.create(_text(request, "project_id"), request.get("name") or "key", **given)


def _project_key_revoke(request: Mapping[str, Any]) -> dict[str, Any]:
    revoked = keys.revoke(_text(request, "project_id"), _text(request, "key_id"))
    return {field: revoked[field] for field in ("key_id", "revoked_at")}


def _provider_list(_request: Mapping[str, Any]) -> dict[str, Any]:
    """How every offer that is still served does, by provider."""
    now = ids.now()
    offers = [offer for model in catalog.current().models.values() for offer in model.live_offers(now)]
    found = sorted(offers, key=lambda offer: (offer.provider, offer.offer_id))
    return {"items": [_offer_view(offer.offer_id, offer.provider) for offer in found]}


def _provider_reset(request: Mapping[str, Any]) -> dict[str, Any]:
    """An offer's breaker, closed by hand. Raises NotFound for what is no offer."""
    offer_id, models = _text(request, "offer"), catalog.current().models.values()
    offer = next((one for model in models for one in model.offers if one.offer_id == offer_id), None)
    if offer is None:
        raise NotFound(f"There is no offer '{offer_id[:200]}'.", hint="`museway admin providers --all` lists them.")
    health.reset(offer_id)
    return _offer_view(offer_id, offer.provider)


def _offer_view(offer_id: str, provider: str) -> dict[str, Any]:
    known = health.of(offer_id)
    shown = ("state", "since", "success_rate", "p50_seconds", "p95_seconds", "samples")
    return {"provider": provider, "offer": offer_id, **{name: getattr(known, name) for name in shown}}


def _catalog_publish(request: Mapping[str, Any]) -> dict[str, Any]:
    compiled = _built_in() if request.get("documents") is None else _compiled(request)
    move = catalog.publish(compiled)
    return {
        "catalog_version": move.to_version,
        "previous_version": move.from_version,
        "models": len(compiled["models"]),
        "changes": _changes(_contents(move.from_version), compiled),
    }


def _catalog_rollback(request: Mapping[str, Any]) -> dict[str, Any]:
    version = request.get("version")
    move = catalog.rollback(None if version is None else _text(request, "version"))
    _, after = catalog.compiled_of(move.to_version)
    return {
        "from_version": move.from_version,
        "to_version": move.to_version,
        "models": len(after["models"]),
        "changes": _changes(_contents(move.from_version), after),
    }


def _catalog_versions(_request: Mapping[str, Any]) -> dict[str, Any]:
    return {"items": catalog.versions()}


def _catalog_diff(request: Mapping[str, Any]) -> dict[str, Any]:
    """From a version (the current one, unless named) to documents, or to a version (the current one)."""
    named = [None if request.get(name) is None else _text(request, name) for name in ("from_version", "to_version")]
    from_version, before = catalog.compiled_of(named[0])
    if request.get("documents") is None:
        to_version, after = catalog.compiled_of(named[1])
    else:
        after = _compiled(request)
        to_version = catalog.version_of(after)
    return {"from_version": from_version, "to_version": to_version, "changes": _changes(before, after)}


def _contents(version: str | None) -> dict[str, Any] | None:
    """What a version holds; None where there is none, or none that can be read."""
    try:
        return catalog.compiled_of(version)[1] if version else None
    except (NotFound, Unavailable):
        return None


def _changes(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """What differs, in words; None where it cannot be told, which stops no publication."""
    from gateway.catalog.changes import changes

    if before is None:
        return None
    try:
        return [change.to_dict() for change in changes(before, after, ids.now().date())]
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError):
        # A version that an older release compiled may have another shape.
        telemetry.logger.exception("the catalogs cannot be compared")
        return None


def _compiled(request: Mapping[str, Any]) -> dict[str, Any]:
    """Check and compile the documents of a request. Raises BadRequest (`broken_catalog`) with every fault."""
    from gateway.catalog.compiling import BrokenCatalog, compile_documents

    documents = _documents(request["documents"])
    try:
        return compile_documents(documents, ())
    except BrokenCatalog as broken:
        count = len(broken.faults)
        listed = [
            {"document": fault.document, "path": list(fault.path), "message": fault.message}
            for fault in broken.faults[:FAULTS_MAX]
        ]
        raise BadRequest(
            f"The catalog has {count} fault{'s' if count > 1 else ''}; nothing was published.",
            code="broken_catalog",
            hint="Correct them and try again; `museway admin catalog check` names their lines.",
            faults=listed,
        ) from None


def _documents(packed: Any) -> dict[str, Any]:
    """Documents by file name, from JSON that was compressed by zlib and written in base64."""
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(base64.b64decode(packed, validate=True), DOCUMENTS_BYTES_MAX)
        documents = json.loads(text) if unpacker.eof else None
    except (zlib.error, ValueError, TypeError, RecursionError):
        documents = None
    if not isinstance(documents, dict):
        raise InvalidField("'documents' must be an object, as JSON in zlib in base64.", field="documents")
    return documents


_ACTIONS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "project.create": _project_create,
    "project.list": _project_list,
    "project.grant": _project_grant,
    "project.adjust": _project_adjust,
    "project.shards": _project_shards,
    "project.audit": _project_audit,
    "project.margin": _project_margin,
    "project.plan": _project_plan,
    "generation.refund": _generation_refund,
    "generation.parked": _generation_parked,
    "project.key": _project_key,
    "project.key.revoke": _project_key_revoke,
    "provider.list": _provider_list,
    "provider.reset": _provider_reset,
    "catalog.publish": _catalog_publish,
    "catalog.rollback": _catalog_rollback,
    "catalog.versions": _catalog_versions,
    "catalog.diff": _catalog_diff,
}


def _text(request: Mapping[str, Any], name: str) -> str:
    value = request.get(name)
    if not isinstance(value, str) or not value.strip():
        raise InvalidField(f"'{name}' is required.", field=name)
    return value.strip()


def _whole(request: Mapping[str, Any], name: str) -> int:
    value = request.get(name)
    # type() and not isinstance: True is no number of anything.
    if type(value) is not int:
        raise InvalidField(f"'{name}' must be a whole number.", field=name)
    return value


def _note(request: Mapping[str, Any]) -> str | None:
    return None if request.get("note") is None else str(request["note"])
