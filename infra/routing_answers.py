"""The shapes of answers that speak of routing: modes, candidates, decisions, saved routers."""

from typing import Literal

from pydantic import Field

from infra.answer import Answer, Micros, Page, Timestamp

Quality = Literal["fast", "standard", "pro", "ultra"]
Prefer = Literal["balanced", "price", "quality", "speed"]


class CandidateAnswer(Answer):
    """One offer of one model that might serve a request."""

    model: str
    offer: str
    provider: str
    price_micros: Micros | None = Field(description="Null where the request does not fit")
    maximum_micros: Micros | None
    quality: Quality
    seconds: float
    health: Literal["closed", "half_open", "open"] = Field(description="The breaker; open lets nothing through")
    kept: bool
    reason: str


class RouterNamed(Answer):
    """A saved router in one of its versions."""

    name: str
    version: int


class Asked(Answer):
    """What was asked of the model."""

    mode: str | None
    capabilities: list[str]
    prefer: Prefer
    router: RouterNamed | None


class Route(Asked):
    """Every candidate, best first, then those that were dropped."""

    candidates: list[CandidateAnswer]


class Others(Answer):
    """How many more candidates there were."""

    viable: int
    dropped: int


class Decision(Asked):
    """Why it is this model and this offer: those that may serve it, best first."""

    candidates: list[CandidateAnswer]
    others: Others


class ModeAnswer(Answer):
    """What a product surface asks of a model."""

    mode: str
    description: str
    capabilities: list[str]
    models: int = Field(description="How many have them")


class Modes(Answer):
    """The modes; several at once are written chat+image."""

    items: list[ModeAnswer]


class RouterSaid(RouterNamed):
    """What a router says in one of its versions."""

    mode: str | None
    capabilities: list[str]
    prefer: Prefer
    quality_min: Quality | None
    max_price_micros: Micros | None
    providers: list[str]
    exclude_providers: list[str]
    models: list[str]
    exclude_models: list[str]
    fallback_order: list[str]
    created_at: Timestamp


class RouterAnswer(RouterSaid):
    """A saved router."""

    model: str = Field(description="How a request names it")
    changed_at: Timestamp
    deleted_at: Timestamp | None


class Routers(Page):
    """The project's routers, by name."""

    items: list[RouterAnswer]


class Was(Answer):
    """What a request was served by."""

    model: str
    price_micros: Micros


class Chosen(Was):
    """What a request would be served by."""

    offer: str


class Rehearsed(Answer):
    """One past request, and what the router would have made of it."""

    generation_id: str
    created_at: Timestamp
    was: Was
    chosen: Chosen | None
    changed: bool
    reason: str
    unknown: list[str] = Field(description="Fields that were given and whose values are not known")


class RehearsalTotals(Answer):
    """What the requests that the router serves come to."""

    requests: int
    served: int
    changed: int
    was_micros: Micros
    would_be_micros: Micros


class Rehearsal(Answer):
    """What a router would have made of the last requests, newest first, at today's prices."""

    router: RouterNamed
    items: list[Rehearsed]
    totals: RehearsalTotals
