"""The compiled catalog as it is shipped: the one place where the infrastructure meets `gateway.catalog`."""

import hashlib
import json
from dataclasses import dataclass
from functools import cache

from gateway.catalog.source import compile_catalog

PATH_IN_CORE = "gateway/catalog/compiled.json"
"""Where `gateway.operator` looks for it in the core layer, to publish it."""


@dataclass(frozen=True)
class CompiledCatalog:
    """The catalog's JSON and its digest."""

    contents: bytes
    digest: str


@cache
def compiled_catalog() -> CompiledCatalog:
    """Compile and check the reviewed YAML. Raises `gateway.catalog.source.CatalogError` listing each fault."""
    contents = json.dumps(compile_catalog(), sort_keys=True, separators=(",", ":")).encode()
    return CompiledCatalog(contents, hashlib.sha256(contents).hexdigest())
