"""Which model and offer serve a request best, and why each other one does not. Pure: no I/O, no clock.

A request names a model, or what a model must be able to do. `ranked` puts what could serve it in an order that equal
inputs always have, and gives every candidate its reason in words.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from gateway.errors import BadRequest

Prefer = Literal["balanced", "price", "quality", "speed"]
PREFERENCES: tuple[str, ...] = get_args(Prefer)
Quality = Literal["fast", "standard", "pro", "ultra"]
TIERS: tuple[str, ...] = get_args(Quality)
"""Tiers of quality (seed 002), lowest first."""
TIER_WORTH: Mapping[str, int] = {"fast": 1, "standard": 16, "pro": 48, "ultra": 96}
"""In the balance, how much price times time a tier outweighs: the usual one is worth much more than a draft, and what
is better still is wanted at up to three times, and then twice, as much."""
SUCCESS_RATE_MIN = 0.05
"""Below this, an offer's expected time counts no longer: a breaker takes care of it."""


@dataclass(frozen=True)
class Mode:
    """What a product surface asks of a model (seed 000)."""

    name: str
    capabilities: tuple[str, ...]
    description: str


MODES: Mapping[str, Mode] = {
    mode.name: mode
    for mode in (
        Mode("chat", ("text",), "Words for words"),
        Mode("code", ("text", "code"), "Words for words, by models made for programs"),
        Mode("image", ("image-gen",), "Images, from words or from other images"),
        Mode("video", ("video-gen",), "Videos, from words, images or other videos"),
        Mode("music", ("audio-out", "music"), "Music"),
        Mode("speech", ("audio-out", "tts"), "Words, spoken"),
        Mode("sound", ("audio-out", "sound-effects"), "Sound effects"),
    )
}
"""`chat+image` is both at once: a model that can do all that either asks for."""


@dataclass(frozen=True)
class Health:
    """How an offer fares, as its attempts told."""

    state: Literal["closed", "half_open", "open"] = "closed"
    """The breaker: `open` lets nothing through, `half_open` is being tried."""
    success_rate: float = 1.0
    p50_seconds: float | None = None
    probe: bool = False
    """Whether this request is to find out if it works again: then it is ranked like a healthy one."""


HEALTHY = Health()


@dataclass(frozen=True)
class Candidate:
    """One offer of one model that might serve a request."""

    model: str
    offer: str
    provider: str
    position: int
    """Its place among the model's offers in the catalog."""
    quality: str
    seconds: float
    """How long it takes, by the catalog."""
    expected_micros: int | None = None
    """What the caller pays when all is delivered; None where the request does not fit."""
    maximum_micros: int | None = None
    cost_micros: int | None = None
    """What the provider asks of us, where that is known."""
    health: Health = HEALTHY
    unfit: str = ""
    """Why it cannot take the request at all; empty: it can."""

    @property
    def seconds_expected(self) -> float:
        """Until a success, by its health where that is known."""
        return (self.health.p50_seconds or self.seconds) / max(self.health.success_rate, SUCCESS_RATE_MIN)


@dataclass(frozen=True)
class Policy:
    """What a caller or a saved router wants of the choice. Empty tuples exclude nothing."""

    prefer: str = "balanced"
    max_price_micros: int | None = None
    quality_min: str | None = None
    providers: tuple[str, ...] = ()
    exclude_providers: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    exclude_models: tuple[str, ...] = ()
    fallback_order: tuple[str, ...] = ()
    """Models that come before all others, in this order."""


USUAL = Policy()


@dataclass(frozen=True)
class Wish:
    """What is asked of whatever model serves a request."""

    mode: str | None = None
    capabilities: tuple[str, ...] = ()
    policy: Policy = USUAL

    @property
    def required(self) -> frozenset[str]:
        """Every capability that is asked for. Raises BadRequest for an unknown mode."""
        return frozenset(self.capabilities).union(*(_mode(name).capabilities for name in self._modes))

    @property
    def _modes(self) -> list[str]:
        return self.mode.split("+") if self.mode else []


ANYTHING = Wish()


@dataclass(frozen=True)
class Ranked:
    """A candidate and what became of it."""

    candidate: Candidate
    kept: bool
    reason: str

    def view(self) -> dict[str, Any]:
        """As callers are shown it."""
        one = self.candidate
        return {
            "model": one.model,
            "offer": one.offer,
            "provider": one.provider,
            "price_micros": one.expected_micros,
            "maximum_micros": one.maximum_micros,
            "quality": one.quality,
            "seconds": round(one.health.p50_seconds or one.seconds, 1),
            "health": one.health.state,
            "kept": self.kept,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class Decision:
    """Why an order is served by these offers, in this order."""

    wish: Wish
    router: tuple[str, int] | None
    """The name and the version of the saved router that chose."""
    kept: tuple[Candidate, ...]
    viable: int
    """How many more could have served it."""
    dropped: int

    def to_dict(self) -> dict[str, Any]:
        """As it is frozen beside the offers, in few bytes: what stands in those is not said again."""
        policy = self.wish.policy
        facts = {
            "mode": self.wish.mode,
            "capabilities": list(self.wish.capabilities),
            "prefer": policy.prefer,
            "order": list(policy.fallback_order),
            "router": self.router and list(self.router),
            "kept": [[getattr(one, name) for name in _FACTS] + _told(one.health) for one in self.kept],
            "others": [self.viable, self.dropped],
        }
        return {name: value for name, value in facts.items() if value}

    @classmethod
    def from_dict(cls, frozen: Mapping[str, Any], offers: Sequence[Mapping[str, Any]], model: str) -> "Decision":
        """What `to_dict` froze; `model` is that of the offers that name no other."""
        policy = Policy(prefer=frozen["prefer"], fallback_order=tuple(frozen.get("order", ())))
        kept = tuple(
            Candidate(
                offer.get("model", model),
                offer["offer_id"],
                offer["provider"],
                position=0,
                **dict(zip(_FACTS, facts, strict=False)),
                health=Health(*facts[len(_FACTS) :]),
            )
            for offer, facts in zip(offers, frozen["kept"], strict=False)
        )
        name, version = frozen.get("router", (None, 0))
        wish = Wish(frozen.get("mode"), tuple(frozen.get("capabilities", ())), policy)
        return cls(wish, (name, version) if name else None, kept, *frozen["others"])

    def view(self) -> dict[str, Any]:
        """As callers are shown it."""
        policy = self.wish.policy
        return {
            **asked(self.wish, self.router),
            "candidates": [Ranked(one, kept=True, reason=_kept_because(one, policy)).view() for one in self.kept],
            "others": {"viable": self.viable, "dropped": self.dropped},
        }


_FACTS = ("quality", "seconds", "expected_micros", "maximum_micros")


def _told(health: Health) -> list[Any]:
    return [] if health == HEALTHY else [health.state, health.success_rate, health.p50_seconds, health.probe]


def asked(wish: Wish, router: tuple[str, int] | None) -> dict[str, Any]:
    """What was asked of the model, as callers are shown it."""
    return {
        "mode": wish.mode,
        "capabilities": sorted(wish.required),
        "prefer": wish.policy.prefer,
        "router": {"name": router[0], "version": router[1]} if router else None,
    }


def ranked(candidates: Iterable[Candidate], policy: Policy, *, keeps_down: bool = False) -> tuple[Ranked, ...]:
    """Every candidate, best first, then those that were dropped. The order of the candidates makes no difference.

    Those whose breaker is open are dropped, or with `keeps_down` come last, where there may be nothing else to try.

    `price`: the price, then our cost. `quality`: the tier, then the price. `speed`: the time until a success.
    `balanced`: price times time, divided by what the tier is worth. Ties go on to price, cost, time, the place in the
    catalog and the name.
    """
    kept: list[Candidate] = []
    dropped: list[Candidate] = []
    for one in candidates:
        (dropped if _dropped_because(one, policy, keeps_down) else kept).append(one)
    kept.sort(key=lambda one: _key(one, policy))
    dropped.sort(key=lambda one: (one.model, one.position, one.offer))
    return (
        *(Ranked(one, kept=True, reason=_kept_because(one, policy)) for one in kept),
        *(Ranked(one, kept=False, reason=_dropped_because(one, policy, keeps_down)) for one in dropped),
    )


def _dropped_because(one: Candidate, policy: Policy, keeps_down: bool) -> str:
    """Why a candidate may not serve the request; empty where it may."""
    if one.unfit:
        return one.unfit
    if policy.models and one.model not in policy.models:
        return "It is not one of the models that were allowed."
    if one.model in policy.exclude_models:
        return "The model was excluded."
    if policy.providers and one.provider not in policy.providers:
        return f"The provider {one.provider} is not one of those that were asked for."
    if one.provider in policy.exclude_providers:
        return f"The provider {one.provider} was excluded."
    if policy.quality_min and _tier(one.quality) < _tier(policy.quality_min):
        return f"Its quality is {one.quality}; {policy.quality_min} is the least that was asked for."
    ceiling_micros, maximum_micros = policy.max_price_micros, one.maximum_micros or 0
    if ceiling_micros is not None and maximum_micros > ceiling_micros:
        return f"It may cost {maximum_micros} micros; {ceiling_micros} are the most that was allowed."
    if one.health.state == "open" and not keeps_down:
        return "The provider has failed too often of late, and is left alone for a while."
    return ""


def _kept_because(one: Candidate, policy: Policy) -> str:
    price = f"{one.expected_micros} micros"
    seconds = f"about {one.seconds_expected:.0f} s"
    by = {
        "price": f"By price: {price}.",
        "quality": f"By quality: {one.quality}, then {price}.",
        "speed": f"By speed: {seconds} until a success.",
        "balanced": f"By the balance of price, time and quality: {price}, {seconds}, {one.quality}.",
    }[policy.prefer]
    if one.model in policy.fallback_order:
        by = f"By the given order: number {policy.fallback_order.index(one.model) + 1}. {by}"
    return f"{by} {_DOUBT[_doubt(one)]}".rstrip()


def _key(one: Candidate, policy: Policy) -> tuple[Any, ...]:
    order = policy.fallback_order
    place = order.index(one.model) if one.model in order else len(order)
    expected_micros = one.expected_micros or 0
    cost_micros = expected_micros if one.cost_micros is None else one.cost_micros
    tier, seconds = _tier(one.quality), one.seconds_expected
    score = {
        "price": 0.0,
        "quality": -tier,
        "speed": seconds,
        "balanced": max(expected_micros, 1) * seconds / TIER_WORTH[one.quality],
    }[policy.prefer]
    return (
        *(_doubt(one), place, score),
        *(expected_micros, cost_micros, seconds, one.position, one.model, one.offer),
    )


_DOUBT = ("", "After all healthy ones: it is being tried again.", "Last of all: it has failed too often of late.")


def _doubt(one: Candidate) -> int:
    if one.health.probe:
        return 0
    return {"closed": 0, "half_open": 1, "open": 2}[one.health.state]


def _tier(quality: str) -> int:
    return TIERS.index(quality)


def _mode(name: str) -> Mode:
    if name not in MODES:
        raise BadRequest(
            f"There is no mode '{name[:40]}'.",
            code="unknown_mode",
            hint="GET /v1/modes lists the modes; several at once are written chat+image.",
            field="mode",
            allowed=list(MODES),
        )
    return MODES[name]
