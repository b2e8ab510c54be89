"""The reviewed catalog of this checkout, for `museway admin catalog`: checked, summed up, packed to be published.

Answers plain data; the command line prints it. The client loads this module by its name, because it must not
depend on the checkout that it is part of.
"""

import base64
import json
import os
import zlib
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from gateway import pricing
from gateway.catalog import proof
from gateway.catalog.snapshot import Model, Snapshot, from_compiled
from gateway.catalog.source import MODELS_DIRECTORY, CatalogError, SourceFault, compile_catalog, read_documents


def check(directory: Path | None = None, now: datetime | None = None) -> dict[str, Any]:
    """Every check of the YAML in a directory, by default the checkout's.

    Answers `faults`, each with its `file` (as seen from the working directory), `line` and `message`, and
    without any of them the `summary` of what would be for sale at the moment `now`.
    """
    directory, now = directory or MODELS_DIRECTORY, now or datetime.now(UTC)
    try:
        compiled = compile_catalog(directory)
    except CatalogError as error:
        return {"faults": [_shown(fault, directory) for fault in error.faults], "summary": None}
    if unproven := proof.faults_of("checked", compiled, now):
        found = [_located(directory, about, message) for about, message in unproven.items()]
        return {"faults": [_shown(fault, directory) for fault in sorted(found)], "summary": None}
    return {"faults": [], "summary": _summary(from_compiled("checked", compiled), now)}


def packed(directory: Path | None = None) -> str:
    """The YAML of a directory, by default the checkout's, as the operator's function takes it.

    JSON, compressed by zlib, in base64. Raises CatalogError for what is not YAML.
    """
    text = json.dumps(documents(directory), separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()


def documents(directory: Path | None = None) -> dict[str, Any]:
    """The family documents by file name, as JSON has them: dates as ISO text, keys as text.

    Raises CatalogError for what is not YAML.
    """
    read, faults = read_documents(directory or MODELS_DIRECTORY)
    if faults:
        raise CatalogError(faults)
    return {name: _plain(document.contents) for name, document in read.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    return value.isoformat() if isinstance(value, date) else value


def _shown(fault: SourceFault, directory: Path) -> dict[str, Any]:
    path = Path(os.path.relpath(directory / fault.file))
    return {"file": str(path), "line": fault.line, "message": fault.message}


def _located(directory: Path, model_id: str, message: str) -> SourceFault:
    """A fault of a model that compiles, in the line where the model begins."""
    for name, document in read_documents(directory)[0].items():
        for number, model in enumerate(document.contents["models"]):
            if model["id"] == model_id:
                return SourceFault(name, document.line_of(("models", number)), f"{model_id} {message}")
    return SourceFault("", 1, f"{model_id} {message}")


def _summary(snapshot: Snapshot, now: datetime) -> dict[str, Any]:
    models = list(snapshot.models.values())
    return {
        "models": len(models),
        "families": len({model.family for model in models}),
        "prices_in_force": sum(len(pricing.book_at(model.price_books, now).rows) for model in models),
        "prices_that_start_later": [
            {"model": model.model_id, "starts_on": book.effective_from.date().isoformat()}
            for model in models
            for book in model.price_books
            if book.effective_from > now
        ],
        "ending": _ends(model for model in models if model.is_ending(now) and model.live_offers(now)),
        "retired": _ends(model for model in models if not model.live_offers(now)),
    }


def _ends(models: Iterable[Model]) -> list[dict[str, Any]]:
    """Where models end and what follows them, the first to end first."""
    found = [{"model": one.model_id, "ends_on": str(one.ends_on), "successor": one.successor} for one in models]
    return sorted(found, key=lambda end: str(end["ends_on"]))
