"""How long a model takes, from what was observed: `POST /v1/estimate` answers it, settling feeds it.

A run counts for its model and for the parameters that tell short from long: the price rows it hit and their
quantities. Counters are bins of a logarithmic scale, kept by week, so that no item is hot and old weeks fade.
"""

import math
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from gateway import histograms, ids, tables
from gateway.pricing import Quote

WEEKS = 2
SAMPLES_MIN = 5
SAMPLES_MANY = 30
KEPT_SECONDS = 60
"""How long a container goes on with the counters it has read."""

Confidence = Literal["high", "medium", "low"]


@dataclass(frozen=True)
class Estimate:
    """A time, how far to trust it, and on how many runs it rests."""

    seconds: int
    confidence: Confidence
    sample_size: int


def observe(model_id: str, quote: Quote, seconds: float, now: datetime) -> None:
    """Count a delivered run."""
    tables.DurationCount.add(model_id, f"{_week(now)}#{parameters_of(quote)}#{histograms.bin_of(seconds):+04d}")


def estimate(model_id: str, quote: Quote, fallback_seconds: int) -> Estimate:
    """The median of runs with the same parameters; else of the model's; else the catalog's figure.

    Confidence is high from 30 runs with the same parameters on, medium from 5, low otherwise.
    """
    counted = _counted(model_id)
    same = counted.get(parameters_of(quote), Counter())
    if same.total() >= SAMPLES_MIN:
        confidence: Confidence = "high" if same.total() >= SAMPLES_MANY else "medium"
        return Estimate(_median_seconds(same), confidence, same.total())
    every: Counter[int] = sum(counted.values(), Counter())
    if every.total() >= SAMPLES_MIN:
        return Estimate(_median_seconds(every), "low", every.total())
    return Estimate(fallback_seconds, "low", 0)


def parameters_of(quote: Quote) -> str:
    """What tells a short run from a long one: rows and quantities, large quantities by their power of two."""
    return "+".join(f"{line.row_id}*{_rough(line.quantity)}" for line in quote.lines)


def forget() -> None:
    """Drop the counters in memory, so that the next estimate reads the store."""
    _cache.clear()


_cache: dict[str, tuple[float, Mapping[str, Counter[int]]]] = {}


def _counted(model_id: str) -> Mapping[str, Counter[int]]:
    """Runs by parameters and bin over the last weeks; read at most once a minute for each model."""
    read_at, counted = _cache.get(model_id, (-math.inf, {}))
    if time.monotonic() - read_at < KEPT_SECONDS:
        return counted
    found: dict[str, Counter[int]] = {}
    first_week = _week(ids.now() - timedelta(weeks=WEEKS - 1))
    for counter in tables.DurationCount.since(model_id, first_week):
        _, parameters, number = counter.sk.split("#")
        found.setdefault(parameters, Counter())[int(number)] += int(counter.runs)
    _cache[model_id] = (time.monotonic(), found)
    return found


def _week(moment: datetime) -> str:
    return str((moment - timedelta(days=moment.weekday())).date())


def _median_seconds(bins: Counter[int]) -> int:
    return max(1, round(histograms.quantile(bins, 0.5)))


def _rough(quantity: Decimal) -> str:
    if 0 < quantity <= 64 and quantity == quantity.to_integral_value():
        return str(int(quantity))
    return "0" if quantity <= 0 else f"2^{math.ceil(math.log2(quantity))}"
