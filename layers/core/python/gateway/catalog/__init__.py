"""The catalog: an immutable snapshot of every model, its limits, prices and offers.

DynamoDB holds published versions in chunks and one head that names the current version. A container keeps
the snapshot in memory and looks at the head at most once a minute, so a new version is picked up without
a deployment, and so is an earlier one that was made current again. `gateway.catalog.source` reads the
reviewed YAML, `compiling` turns it into what is published, `changes` says what differs between two versions.
"""

import base64
import hashlib
import json
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway import ids, tables, telemetry
from gateway.catalog.snapshot import Model, Offer, Snapshot, from_compiled
from gateway.config import settings
from gateway.errors import BadRequest, Conflict, NotFound, Unavailable

CHUNK_BYTES = 300_000
"""Below DynamoDB's 400 KB per item, with room for the attributes."""


class _Cache:
    snapshot: Snapshot | None = None
    checked_at_seconds: float = 0.0


def current() -> Snapshot:
    """The current snapshot; looks at the head at most once a minute (`catalog_kept_seconds`).

    A version that cannot be read is reported, and the one in memory served on. Raises Unavailable when there
    is none in memory, or none is published.
    """
    age_seconds = time.monotonic() - _Cache.checked_at_seconds
    if _Cache.snapshot is not None and age_seconds < settings().catalog_kept_seconds:
        return _Cache.snapshot
    head = tables.CatalogHead.find()
    if head is None:
        raise Unavailable(
            "No catalog has been published yet.", hint="Deploy again, or run `museway admin catalog publish`."
        )
    if _Cache.snapshot is None or _Cache.snapshot.version != head.version:
        try:
            _Cache.snapshot = load(head.version, tables.CatalogChunk.all_of(head.version, int(head.chunk_count)))
        except Unavailable:
            if _Cache.snapshot is None:
                raise
            telemetry.logger.exception("the current catalog is unreadable", extra={"catalog_version": head.version})
            telemetry.measure({"UnreadableCatalogs": 1})
    _Cache.checked_at_seconds = time.monotonic()
    return _Cache.snapshot


def forget() -> None:
    """Drop the snapshot in memory, so that the next use reads the store."""
    _Cache.snapshot = None


@dataclass(frozen=True)
class Move:
    """The head's way from one version to another; the same twice when nothing was to be done."""

    from_version: str | None
    """None before the first publication."""
    to_version: str


def publish(compiled: Mapping[str, Any]) -> Move:
    """Prove and store a compiled catalog, and make it the current one.

    A version is named by its contents, so publishing the same catalog again changes nothing. Raises
    BadRequest (`broken_catalog`) for one that cannot be read or priced, and Conflict (`catalog_moved`) when
    another publication came between; the version that was current stays so then.
    """
    from gateway.catalog import proof  # publishing alone needs it

    head = tables.CatalogHead.find()
    text = _text(compiled)
    version = _named(text)
    found = proof.faults_of(version, json.loads(text), ids.now())
    if found:
        raise BadRequest(
            f"The catalog cannot be published: {'; '.join(f'{about} {fault}' for about, fault in found.items())}.",
            code="broken_catalog",
            hint="Correct the catalog and publish it again; the version before is still current.",
        )
    packed = base64.b64encode(zlib.compress(text.encode(), 9)).decode()
    chunks = [packed[start : start + CHUNK_BYTES] for start in range(0, len(packed), CHUNK_BYTES)]
    tables.CatalogChunk.save_all(version, chunks)
    tables.CatalogProviders.keep(version, compiled["providers"])
    published_at = ids.timestamp(ids.now())
    try:
        tables.CatalogHead.publish(head, version, len(chunks), len(compiled["models"]), published_at)
    except tables.ConditionFailed as error:
        # Current as it was asked for, it is our own write whose answer was lost.
        current_one = tables.CatalogHead.find()
        if current_one is None or current_one.version != version:
            raise _moved() from error
    return Move(head.version if head else None, version)


def rollback(version: str | None = None) -> Move:
    """Make an earlier version current again: the one named, else the one that the current one replaced.

    The version is read as a whole before the head moves. Raises NotFound when there is none of that name or
    nothing to go back to, Unavailable when it cannot be read, and Conflict (`catalog_moved`) when another
    publication came between.
    """
    head = tables.CatalogHead.find()
    if head is None:
        raise NotFound("No catalog has been published yet.", hint="Run `museway admin catalog publish`.")
    if version is None:
        current_one = tables.CatalogVersion.find(head.version)
        version = current_one.replaced if current_one else None
    target = tables.CatalogVersion.find(version) if version else None
    if target is None:
        missing = f"There is no version '{version[:40]}'." if version else "There is nothing to go back to."
        raise NotFound(missing, hint="`museway admin catalog versions` lists every version.")
    load(target.sk, tables.CatalogChunk.all_of(target.sk, int(target.chunk_count)))
    move = Move(head.version, target.sk)
    if move.from_version != move.to_version and not tables.CatalogHead.go_back(head, target):
        raise _moved()
    return move


def versions() -> list[dict[str, Any]]:
    """Every published version, newest first, as the operator sees it."""
    head = tables.CatalogHead.find()
    return [
        {
            "version": item.sk,
            "published_at": item.published_at,
            "models": int(item.models),
            "replaced": item.replaced,
            "current": head is not None and item.sk == head.version,
        }
        for item in tables.CatalogVersion.newest_first()
    ]


def compiled_of(version: str | None = None) -> tuple[str, dict[str, Any]]:
    """A published version - by default the current one - and what was compiled into it.

    Raises NotFound when there is none, Unavailable when it cannot be read.
    """
    if version is None:
        head = tables.CatalogHead.find()
        version = head.version if head else None
    item = tables.CatalogVersion.find(version) if version else None
    if item is None:
        missing = f"There is no version '{version[:40]}'." if version else "No catalog has been published yet."
        raise NotFound(missing, hint="`museway admin catalog versions` lists every version.")
    return item.sk, _unpacked(tables.CatalogChunk.all_of(item.sk, int(item.chunk_count)))


def version_of(compiled: Mapping[str, Any]) -> str:
    """The name that a compiled catalog has by its contents."""
    return _named(_text(compiled))


def load(version: str, chunks: Sequence[str]) -> Snapshot:
    """Rebuild a snapshot from its chunks. Raises Unavailable for chunks that hold no catalog."""
    try:
        return from_compiled(version, _unpacked(chunks))
    except (ValueError, ArithmeticError, LookupError, TypeError) as error:
        raise _unreadable() from error


def _text(compiled: Mapping[str, Any]) -> str:
    return json.dumps(compiled, sort_keys=True, separators=(",", ":"))


def _named(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _unpacked(chunks: Sequence[str]) -> dict[str, Any]:
    try:
        compiled: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode("".join(chunks))))
    except (zlib.error, ValueError) as error:
        raise _unreadable() from error
    return compiled


def _unreadable() -> Unavailable:
    return Unavailable("The published catalog cannot be read.", hint="Publish the catalog again.")


def _moved() -> Conflict:
    return Conflict(
        "Another publication or rollback came between; nothing was changed.",
        code="catalog_moved",
        hint="Look at `museway admin catalog versions` and `diff`, then decide again.",
    )


__all__ = [
    "Model",
    "Move",
    "Offer",
    "Snapshot",
    "compiled_of",
    "current",
    "forget",
    "from_compiled",
    "load",
    "publish",
    "rollback",
    "version_of",
    "versions",
]
