"""Times on a logarithmic scale: a bin's middle is right within a tenth."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import histograms


@given(st.floats(0.1, 100_000))
def test_one_time_comes_out_within_a_tenth(seconds: float) -> None:
    found = histograms.quantile({histograms.bin_of(seconds): 1}, 0.5)
    assert found == pytest.approx(seconds, rel=0.1)


@pytest.mark.parametrize("seconds", [0, -5, 0.05])
def test_what_is_too_short_counts_as_the_shortest(seconds: float) -> None:
    assert histograms.bin_of(seconds) == histograms.bin_of(0.1)


@given(st.lists(st.floats(0.1, 10_000), min_size=1), st.floats(0, 1))
def test_a_quantile_is_that_of_the_sorted_times(seconds: list[float], share: float) -> None:
    bins: dict[int, float] = {}
    for one in seconds:
        bins[histograms.bin_of(one)] = bins.get(histograms.bin_of(one), 0) + 1
    place = next(index for index in range(len(seconds)) if index + 1 >= share * len(seconds))
    assert histograms.quantile(bins, share) == pytest.approx(sorted(seconds)[place], rel=0.1)


def test_weights_count() -> None:
    assert histograms.quantile({0: 0.1, 8: 0.9}, 0.5) > 3 * histograms.quantile({0: 0.9, 8: 0.1}, 0.5)


def test_nothing_has_no_quantile() -> None:
    with pytest.raises(ValueError, match="nothing"):
        histograms.quantile({}, 0.5)
