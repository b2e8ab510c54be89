"""The catalog: an immutable snapshot of every model, its limits, prices and offers.

DynamoDB holds published versions in chunks and one head that names the current version. A container keeps
the snapshot in memory and looks at the head at most once a minute, so a new version is picked up without
a deployment. `gateway.catalog.source` turns the reviewed YAML into what is published.
"""

import base64
import hashlib
import json
import time
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from gateway import tables, telemetry
from gateway.catalog.snapshot import Model, Offer, Snapshot, from_compiled
from gateway.errors import Unavailable

HEAD_CHECK_SECONDS = 60
"""How long a container may serve a snapshot without looking at the head."""
CHUNK_BYTES = 300_000
"""Below DynamoDB's 400 KB per item, with room for the attributes."""


class _Cache:
    snapshot: Snapshot | None = None
    checked_at_seconds: float = 0.0


def current() -> Snapshot:
    """The current snapshot; looks at the head at most once a minute.

    A version that cannot be read is reported, and the one in memory served on. Raises Unavailable when there
    is none in memory, or none is published.
    """
    age_seconds = time.monotonic() - _Cache.checked_at_seconds
    if _Cache.snapshot is not None and age_seconds < HEAD_CHECK_SECONDS:
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


def publish(compiled: Mapping[str, Any]) -> str:
    """Store a compiled catalog and move the head to it, and answer its version.

    A version is named by its contents, so publishing the same catalog again changes nothing. The head moves
    by a conditional write; a publication that raced another raises `tables.ConditionFailed`.
    """
    text = json.dumps(compiled, sort_keys=True, separators=(",", ":"))
    version = hashlib.sha256(text.encode()).hexdigest()[:16]
    packed = base64.b64encode(zlib.compress(text.encode(), 9)).decode()
    chunks = [packed[start : start + CHUNK_BYTES] for start in range(0, len(packed), CHUNK_BYTES)]
    tables.CatalogChunk.save_all(version, chunks)
    tables.CatalogHead.move_to(version, len(chunks))
    return version


def load(version: str, chunks: Sequence[str]) -> Snapshot:
    """Rebuild a snapshot from its chunks. Raises Unavailable for chunks that hold no catalog."""
    try:
        return from_compiled(version, json.loads(zlib.decompress(base64.b64decode("".join(chunks)))))
    except (zlib.error, ValueError, ArithmeticError, LookupError, TypeError) as error:
        raise Unavailable("The published catalog cannot be read.", hint="Publish the catalog again.") from error


__all__ = ["Model", "Offer", "Snapshot", "current", "forget", "from_compiled", "load", "publish"]
