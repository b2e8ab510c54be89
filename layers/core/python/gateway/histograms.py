"""How long things took, counted in bins of a logarithmic scale: small, summable, right within a tenth. Pure."""

import math
from collections.abc import Mapping

BINS_PER_DOUBLING = 4
"""A bin is a fifth wide, so its middle is right within a tenth."""
SECONDS_MIN = 0.1
"""What took less counts as so much."""


def bin_of(seconds: float) -> int:
    """The bin that a time falls into."""
    return math.floor(BINS_PER_DOUBLING * math.log2(max(seconds, SECONDS_MIN)))


def quantile(bins: Mapping[int, float], share: float) -> float:
    """The seconds within which a share (0..1) of what was counted was done; counts may be weighted.

    Raises ValueError where nothing was counted.
    """
    if not bins:
        raise ValueError("nothing was counted")
    wanted, seen = share * sum(bins.values()), 0.0
    for number in sorted(bins):
        seen += bins[number]
        if seen >= wanted:
            break
    return float(2 ** ((number + 0.5) / BINS_PER_DOUBLING))
