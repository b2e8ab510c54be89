"""Who serves a model and how it is asked, as a person writes it."""

from collections.abc import Iterator
from datetime import date
from typing import Any

from pydantic import Field, model_validator

from gateway.catalog.shapes.inputs import Strict
from gateway.catalog.shapes.prices import PriceBookShape


class EndpointShape(Strict):
    """A provider endpoint and when it is called."""

    endpoint: str
    when: dict[str, Any] = {}


class CaseShape(Strict):
    """Fields that are sent, and lists that are spread, when conditions hold."""

    when: dict[str, Any]
    send: dict[str, Any] = {}
    spread: dict[str, list[str]] = {}


class EntriesShape(Strict):
    """How a list of objects becomes the provider's; `called` is what `@name` in `text` becomes."""

    into: str
    entry: "RequestShape"
    text: str
    key: str
    called: str


class RequestShape(Strict):
    """How inputs become the provider's body; see `gateway.templates.RequestTemplate`."""

    rename: dict[str, str] = {}
    text: dict[str, str] = {}
    words: dict[str, dict[str, Any]] = {}
    spread: dict[str, list[str]] = {}
    entries: dict[str, EntriesShape] = {}
    constants: dict[str, Any] = {}
    cases: list[CaseShape] = []
    drop: list[str] = []

    def inputs_named(self) -> Iterator[str]:
        """Every input that this mapping speaks of, but for conditions."""
        for named in (self.rename, self.text, self.words, self.spread, self.entries, self.drop):
            yield from named
        for case in self.cases:
            yield from case.spread


class OfferShape(Strict):
    """One provider that serves the model."""

    provider: str
    when: dict[str, Any] = {}
    """What of the model it serves; the other requests have the other offers."""
    endpoints: list[EndpointShape] = Field(min_length=1)
    webhook: bool
    typical_seconds: int = Field(gt=0)
    deadline_seconds: int = Field(gt=0)
    request: RequestShape = RequestShape()
    sunset_at: date | None = None
    own_accounts: bool = True
    """Whether it can be called on a project's own account; else it is always on ours."""
    cost_basis: str
    costs: list[PriceBookShape] = []
    """What the provider asks of us, where it is not what we ask: the same quantities at other rates."""
    source: str = Field(min_length=1)

    def conditions(self) -> list[dict[str, Any]]:
        """Every condition that this offer asks of the inputs."""
        asked = [self.when, *(item.when for item in self.endpoints), *(case.when for case in self.request.cases)]
        return asked + [row.when for book in self.costs for row in book.rows]

    @model_validator(mode="after")
    def _always_an_endpoint(self) -> "OfferShape":
        if self.endpoints[-1].when:
            raise ValueError("the last endpoint must be unconditional")
        return self
