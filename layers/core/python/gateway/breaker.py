"""Whether an offer is to be used, judged by how its last attempts ended. Pure.

    closed      used like any other
    open        it failed too often: used where nothing else is left
    half_open   the cool-down is over: a share of the generations tries it, and what comes of them decides

Opening wants samples, and closing wants a lower rate of failures than opening did, so that no single attempt and no
rate about a threshold makes it flap. Only minutes that began after the last change are judged.
"""

import math
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, Self

from gateway import histograms, ids
from gateway.nondelivery import NonDelivery

State = Literal["closed", "open", "half_open"]
CLOSED: State
OPEN: State
HALF_OPEN: State
CLOSED, OPEN, HALF_OPEN = "closed", "open", "half_open"

SAYS_NOTHING = frozenset(
    {
        NonDelivery.INVALID_INPUTS,
        NonDelivery.MODERATED_INPUT,
        NonDelivery.MODERATED_OUTPUT,
        NonDelivery.CANCELLED,
    }
)
"""Reasons that lie with the call and not with who served it."""
WINDOW_MINUTES = 15
"""What ended before is not looked at."""
HALF_LIFE_MINUTES = 2
"""After how long an outcome counts half as much: an outage is half of all within so much time."""
SAMPLES_MIN = 5
"""Outcomes without which no breaker opens, and no quantile by parameters is given."""
OPENING_FAILURE_RATE = 0.5
CLOSING_FAILURE_RATE_MAX = 0.2
COOL_DOWN_SECONDS = 120
PROBE_SHARE = 0.1
"""Of the generations, in the first minute of half_open; twice as many in each that follows, so that an offer which
few ask for is not left out for hours."""
FORGOTTEN_SECONDS = 24 * 3600
"""How long an offer that nobody uses is kept after its last change."""


@dataclass(frozen=True)
class Outcome:
    """Attempts of one offer that ended alike within one minute."""

    minute: int
    """Since the epoch."""
    offer_id: str
    parameters: str
    """What tells a short run from a long one, see `durations.parameters_of`; empty of what failed."""
    bin: int | None
    """How long the provider took, on the scale of `histograms`; None: it failed."""
    count: int


@dataclass(frozen=True)
class OfferHealth:
    """How one offer does. Rates and times are weighted: what ended lately counts more."""

    state: State = CLOSED
    since: str | None = None
    """When the state last changed; None: never."""
    success_rate: float | None = None
    """0..1; None: nothing ended lately."""
    p50_seconds: float | None = None
    p95_seconds: float | None = None
    """Of what was delivered, from the submission until the provider was known to be done."""
    samples: int = 0
    """Attempts that ended within the window."""
    probe_share: float = 0.0
    """Of the generations, those that try it while it is half_open."""
    by_parameters: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """p50 and p95 seconds of runs alike, where enough of them were delivered."""

    def takes(self, generation_id: str) -> bool:
        """Whether a generation should use the offer where it has another; always the same for the same snapshot."""
        if self.state == HALF_OPEN:
            return zlib.crc32(generation_id.encode()) / 2**32 < self.probe_share
        return self.state == CLOSED

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """What `to_dict` gave."""
        pairs = {name: (p50, p95) for name, (p50, p95) in stored["by_parameters"].items()}
        return cls(**{**stored, "by_parameters": pairs})


def minute_of(moment: datetime) -> int:
    """The minute, since the epoch, in which an outcome of a moment is counted."""
    return int(moment.timestamp() // 60)


def judged(before: Mapping[str, OfferHealth], outcomes: Iterable[Outcome], now: datetime) -> dict[str, OfferHealth]:
    """How every offer does now, by its id, after how it did before and how attempts of the window ended.

    The same once more when it is asked again with the same. An offer that is not named does well.
    """
    by_offer: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.minute > minute_of(now) - WINDOW_MINUTES:
            by_offer[outcome.offer_id].append(outcome)
    after = {}
    for offer_id in sorted({*before, *by_offer}):
        health = _moved(before.get(offer_id, OfferHealth()), by_offer[offer_id], now)
        if health.samples or _age_seconds(health, now) < FORGOTTEN_SECONDS:
            after[offer_id] = health
    return after


def closed_by_hand(health: OfferHealth, now: datetime) -> OfferHealth:
    """Its breaker closed; what ended until now is held against it no more."""
    return replace(health, state=CLOSED, since=ids.timestamp(now), probe_share=0.0)


def _moved(before: OfferHealth, outcomes: list[Outcome], now: datetime) -> OfferHealth:
    """The next state of one offer, and its figures."""
    state = _following(before, outcomes, now)
    since = before.since if state == before.state else ids.timestamp(now)
    moved = OfferHealth(state, since)
    return replace(moved, probe_share=_probe_share(moved, now), **_figures(outcomes, now))


def _following(before: OfferHealth, outcomes: list[Outcome], now: datetime) -> State:
    fresh = [outcome for outcome in outcomes if outcome.minute * 60 >= _since_seconds(before)]
    samples, failure_rate = _samples(fresh), _failure_rate(fresh, now)
    if before.state == CLOSED:
        return OPEN if samples >= SAMPLES_MIN and failure_rate >= OPENING_FAILURE_RATE else CLOSED
    if before.state == OPEN:
        return HALF_OPEN if _age_seconds(before, now) >= COOL_DOWN_SECONDS else OPEN
    if not samples:
        return HALF_OPEN
    return CLOSED if failure_rate <= CLOSING_FAILURE_RATE_MAX else OPEN


def _figures(outcomes: list[Outcome], now: datetime) -> dict[str, Any]:
    if not outcomes:
        return {}
    delivered: Counter[str] = Counter()
    by_parameters: dict[str, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    every: dict[int, float] = defaultdict(float)
    for outcome in outcomes:
        if outcome.bin is not None:
            delivered[outcome.parameters] += outcome.count
            by_parameters[outcome.parameters][outcome.bin] += _weight(outcome, now)
            every[outcome.bin] += _weight(outcome, now)
    p50_seconds, p95_seconds = _quantiles(every) if every else (None, None)
    return {
        "success_rate": round(1 - _failure_rate(outcomes, now), 4),
        "p50_seconds": p50_seconds,
        "p95_seconds": p95_seconds,
        "samples": _samples(outcomes),
        "by_parameters": {
            name: _quantiles(bins) for name, bins in by_parameters.items() if delivered[name] >= SAMPLES_MIN
        },
    }


def _quantiles(bins: Mapping[int, float]) -> tuple[float, float]:
    return round(histograms.quantile(bins, 0.5), 2), round(histograms.quantile(bins, 0.95), 2)


def _samples(outcomes: list[Outcome]) -> int:
    return sum(outcome.count for outcome in outcomes)


def _failure_rate(outcomes: list[Outcome], now: datetime) -> float:
    """0 where nothing ended."""
    failed = sum(_weight(outcome, now) for outcome in outcomes if outcome.bin is None)
    return failed / (sum(_weight(outcome, now) for outcome in outcomes) or 1)


def _weight(outcome: Outcome, now: datetime) -> float:
    age_minutes = max(0, minute_of(now) - outcome.minute)
    return float(outcome.count * 0.5 ** (age_minutes / HALF_LIFE_MINUTES))


def _probe_share(health: OfferHealth, now: datetime) -> float:
    if health.state != HALF_OPEN:
        return 0.0
    minutes = int(_age_seconds(health, now) // 60)
    return min(1.0, PROBE_SHARE * 2.0 ** min(minutes, 10))


def _since_seconds(health: OfferHealth) -> float:
    return ids.moment(health.since).timestamp() if health.since else 0.0


def _age_seconds(health: OfferHealth, now: datetime) -> float:
    """Since the last change; for ever where there was none."""
    return now.timestamp() - _since_seconds(health) if health.since else math.inf
