"""The catalog that ships, as the functions see it."""

from datetime import UTC, datetime

from gateway import catalog, pricing
from gateway.catalog.source import compile_catalog

COMPILED = compile_catalog()
SNAPSHOT = catalog.from_compiled("shipped", COMPILED)
NOW = datetime(2026, 11, 21, tzinfo=UTC)
LIST_TERMS = pricing.Terms()


def quote(model_id: str, terms: pricing.Terms = LIST_TERMS, **inputs: object) -> pricing.Quote:
    """The price of a model's inputs; what is not given has its default."""
    model = SNAPSHOT.model(model_id)
    defaults = {name: item.default for name, item in model.limits.inputs.items() if item.default is not None}
    return model.quote(defaults | inputs, NOW, terms)
