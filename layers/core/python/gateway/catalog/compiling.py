"""From the documents of the reviewed catalog to what is published. Checks everything; refuses all of it for one fault.

Used by the build, by `museway admin catalog check`, and by the operator's function, which compiles what it is
sent itself: no way leads a broken catalog into the store.
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from gateway.catalog.checks import Fault, faults
from gateway.catalog.shapes import FamilyShape, ModelShape
from gateway.catalog.shapes.providers import ProviderShape

PROVIDERS = "providers/"
"""How the names of documents begin that describe a provider; the others are families."""


class BrokenCatalog(Exception):
    """What is wrong with the catalog, fault by fault."""

    def __init__(self, found: list[Fault]) -> None:
        super().__init__("\n".join(f"{fault.document}: {fault.message}" for fault in found))
        self.faults = found


def compile_documents(
    documents: Mapping[str, Any], providers: Collection[str] | None, *, whole: bool = True
) -> dict[str, Any]:
    """Check and compile documents (file name -> contents) of families and providers. Raises BrokenCatalog with every
    fault.

    `providers` are names that offers may have besides those of the documents; None leaves them unchecked. `whole`
    False says that other documents could not even be read, so that nothing is missed that they may hold.
    """
    families: dict[str, FamilyShape] = {}
    described: dict[str, ProviderShape] = {}
    found: list[Fault] = []
    for name, contents in sorted(documents.items()):
        try:
            if name.startswith(PROVIDERS):
                described[name] = ProviderShape.model_validate(contents)
            else:
                families[name] = FamilyShape.model_validate(contents)
        except ValidationError as error:
            found += [Fault(name, one["loc"], _said(one)) for one in error.errors()]
    found += _named_otherwise(described)
    all_known = providers is not None and len(described) == sum(name.startswith(PROVIDERS) for name in documents)
    known = {*(providers or ()), *(one.provider for one in described.values())} if all_known else None
    found += faults(families, known, whole=whole and len(families) + len(described) == len(documents))
    if found or not families:
        raise BrokenCatalog(found or [Fault("catalog", (), "there is no model")])
    return {
        "providers": {one.provider: one.compiled() for one in described.values()},
        "models": [_compiled(model, family.family) for family in families.values() for model in family.models],
        "families": {
            family.family: [model.id for model in family.models]
            for family in families.values()
            if family.variant_required
        },
    }


def _named_otherwise(described: Mapping[str, ProviderShape]) -> Iterator[Fault]:
    """A provider's document has its name, so that none is described twice."""
    for document, one in described.items():
        if document.removeprefix(PROVIDERS).partition(".")[0] != one.provider:
            yield Fault(document, ("provider",), f"the file of '{one.provider}' is named {one.provider}.yaml")


def _said(error: Any) -> str:
    where = ".".join(map(str, error["loc"]))
    return f"{where}: {error['msg'].removeprefix('Value error, ')}"


def _compiled(model: ModelShape, family: str) -> dict[str, Any]:
    compiled = model.model_dump(mode="json", exclude_defaults=True)
    compiled["family"] = family
    _complete(compiled["price_books"], compiled["meters"])
    for number, offer in enumerate(compiled["offers"], start=1):
        _complete(offer.get("costs", []), compiled["meters"])
        offer["offer_id"] = f"{model.id}@{offer['provider']}" + (f"-{number}" if number > 1 else "")
    return compiled


def _complete(books: list[dict[str, Any]], meters: Mapping[str, Any]) -> None:
    """Write rates exactly, give books the moment from which they hold, and name them by their contents."""
    for book in books:
        starts_on = book["effective_from"]
        book["effective_from"] = datetime.combine(date.fromisoformat(starts_on), time(), UTC).isoformat()
        for row in book["rows"]:
            for component in row["components"]:
                component["rate"] = str(Decimal(component["rate"]))
        contents = json.dumps([book["rows"], meters], sort_keys=True)
        book["version"] = f"{starts_on}-{hashlib.sha256(contents.encode()).hexdigest()[:12]}"
