"""An order: one generation that is asked for, of a named model or of whatever model serves it best."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from gateway import drive, ids, pricing, routing, tables
from gateway.errors import BadRequest

BATCH_MAX = 90
"""Orders that may come at once: with the balance, an entry and two counters, a transaction for so many holds stays
under 100 writes."""
ROUTER = "router/"
"""How a saved router is named where a model could be."""


@dataclass(frozen=True)
class Order:
    """A request for one generation, typed (`native` False, seed 002) or native (seed 001)."""

    model: str | None
    """A model's id, `router/NAME`, or None where `wish` says what the model must be able to do."""
    native: bool
    inputs: Mapping[str, Any]
    session_id: str | None = None
    metadata: Mapping[str, Any] | None = None
    max_price_micros: int | None = None
    output_path: str | None = None
    output_url_path: str | None = None
    kind: str = "auto"
    allow_platform_key: bool = False
    """Whether our key may be used where the project's own at a provider does not serve."""
    batch_size: int | None = None
    """How many orders came with it, where it came in a batch: a repeat of the batch is of the same size."""
    wish: routing.Wish = routing.ANYTHING

    @property
    def router(self) -> str | None:
        """The saved router that it names."""
        return self.model.removeprefix(ROUTER) if self.model and self.model.startswith(ROUTER) else None

    @property
    def is_routed(self) -> bool:
        """Whether the model is chosen for it."""
        return self.model is None or self.router is not None

    def fingerprint(self) -> dict[str, str]:
        """A short digest per field, so that a reused key can name what differs without keeping values."""
        usual = asdict(routing.USUAL)
        fields = {
            "model": self.model,
            "native": self.native or None,
            "session_id": self.session_id,
            "metadata": self.metadata,
            "max_price_micros": self.max_price_micros,
            "output_path": self.output_path,
            "output_url_path": self.output_url_path,
            "kind": None if self.kind == "auto" else self.kind,
            "allow_platform_key": self.allow_platform_key or None,
            "batch_size": self.batch_size,
            "mode": self.wish.mode,
            "capabilities": self.wish.capabilities or None,
            **{name: value for name, value in asdict(self.wish.policy).items() if value != usual[name]},
            **{f"inputs.{name}": value for name, value in self.inputs.items()},
        }
        return {name: ids.digest(value) for name, value in fields.items() if value is not None}


def terms_of(project: tables.Project) -> pricing.Terms:
    """The terms of a project's plan, with the providers that it has keys at."""
    bps = (int(project.margin_bps), int(project.platform_fee_bps))
    return pricing.Terms(*bps, own_providers=project.own_providers)


def check_paths(order: Order) -> None:
    """Refuse a place for the outputs that cannot be, and a pointer into the answer that cannot be read."""
    if order.output_path is not None:
        drive.checked_path(order.output_path, "output_path")
    if order.output_url_path is None:
        return
    if order.is_routed:
        raise BadRequest(
            "'output_url_path' points into one model's own answer.",
            field="output_url_path",
            hint="Name the model, or leave output_url_path out.",
        )
    import jmespath  # few calls carry one

    try:
        jmespath.compile(order.output_url_path)
    except jmespath.exceptions.JMESPathError:
        raise BadRequest(
            "'output_url_path' is no JMESPath expression.",
            field="output_url_path",
            hint="Write it such as outputs[0].asset.url.",
        ) from None
