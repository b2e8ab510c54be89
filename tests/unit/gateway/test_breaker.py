"""The breaker of an offer: opens by what it has seen, closes by what a few tried, and never of itself."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import breaker, histograms, ids
from gateway.breaker import CLOSED, HALF_OPEN, OPEN, OfferHealth, Outcome
from gateway.nondelivery import NonDelivery

START = datetime(2026, 11, 21, 12, 0, 10, tzinfo=UTC)
OFFER = "fox-1@fal"
BIN = histograms.bin_of(8)
EDGES = {(CLOSED, OPEN), (OPEN, HALF_OPEN), (HALF_OPEN, CLOSED), (HALF_OPEN, OPEN)}


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def ended(minute: int, delivered: int, failed: int, seconds: float = 8, parameters: str = "image*1") -> list[Outcome]:
    minute += breaker.minute_of(START)
    found = [
        Outcome(minute, OFFER, parameters, histograms.bin_of(seconds), delivered),
        Outcome(minute, OFFER, "", None, failed),
    ]
    return [one for one in found if one.count]


def lived(minutes: list[tuple[int, int]], before: OfferHealth | None = None) -> Iterator[OfferHealth]:
    """How an offer does at each minute that follows one in which so many were delivered and so many failed."""
    known = {OFFER: before} if before else {}
    outcomes: list[Outcome] = []
    for minute, (delivered, failed) in enumerate(minutes):
        outcomes += ended(minute, delivered, failed)
        known = breaker.judged(known, outcomes, at(minute + 1))
        yield known.get(OFFER, OfferHealth())


def states(minutes: list[tuple[int, int]], before: OfferHealth | None = None) -> list[str]:
    return [health.state for health in lived(minutes, before)]


def opened(minutes_ago: float = 0) -> OfferHealth:
    return OfferHealth(OPEN, since=ids.timestamp(at(-minutes_ago)))


def test_an_offer_of_which_nothing_is_known_does_well() -> None:
    assert breaker.judged({}, [], START) == {}
    assert OfferHealth().takes("gen_1")


def test_a_failing_offer_opens_cools_down_is_probed_and_closes() -> None:
    minutes = [(0, 5), (0, 0), (0, 0), (0, 0), (1, 0), (0, 0)]
    assert states(minutes) == [OPEN, OPEN, HALF_OPEN, HALF_OPEN, CLOSED, CLOSED]


def test_a_probe_that_fails_opens_it_again_for_another_cool_down() -> None:
    # The minute in which it began to be tried is over before one that counts begins.
    minutes = [(0, 0), (1, 0), (0, 1), (0, 0), (0, 0)]
    assert states(minutes, opened(2)) == [HALF_OPEN, HALF_OPEN, OPEN, OPEN, HALF_OPEN]


@pytest.mark.parametrize(("minutes", "expected"), [([(0, 4)], CLOSED), ([(0, 5)], OPEN), ([(0, 1)] * 5, OPEN)])
def test_it_opens_by_enough_samples_only(minutes: list[tuple[int, int]], expected: str) -> None:
    assert states(minutes)[-1] == expected


@pytest.mark.parametrize(("delivered", "failed", "expected"), [(50, 50, OPEN), (51, 49, CLOSED), (100, 0, CLOSED)])
def test_it_opens_at_half_of_all_failing(delivered: int, failed: int, expected: str) -> None:
    assert states([(delivered, failed)]) == [expected]


def test_an_outage_opens_a_busy_offer_within_three_minutes() -> None:
    assert OPEN in states([(100, 0)] * 15 + [(0, 100)] * 3)


def test_one_that_fails_now_and_then_stays_closed() -> None:
    assert set(states([(6, 4)] * 30)) == {CLOSED}


@pytest.mark.parametrize(("delivered", "failed", "expected"), [(8, 2, CLOSED), (7, 3, OPEN)])
def test_closing_wants_fewer_failures_than_opening(delivered: int, failed: int, expected: str) -> None:
    assert states([(0, 0), (0, 0), (delivered, failed)], opened(2))[-1] == expected


def test_what_ended_before_the_last_change_is_held_against_it_no_more() -> None:
    closed = breaker.closed_by_hand(opened(5), at(0.5))
    assert closed.state == CLOSED
    assert states([(0, 50), (1, 4), (1, 0)], closed) == [CLOSED, OPEN, OPEN]
    assert states([(0, 50), (4, 0), (4, 0)], closed) == [CLOSED] * 3


def test_what_ended_before_the_window_is_forgotten() -> None:
    old = ended(-breaker.WINDOW_MINUTES, 0, 50)
    assert breaker.judged({}, old, START) == {}
    assert breaker.judged({}, ended(1 - breaker.WINDOW_MINUTES, 0, 50), START)[OFFER].state == OPEN


def test_rates_and_times_are_of_lately() -> None:
    outcomes = [*ended(-10, 10, 0, seconds=60), *ended(-1, 10, 0, seconds=4), *ended(0, 0, 2)]
    found = breaker.judged({}, outcomes, START)[OFFER]
    assert (found.state, found.samples) == (CLOSED, 22)
    assert found.success_rate == pytest.approx(0.79, abs=0.01)
    assert found.p50_seconds == pytest.approx(4, rel=0.1)
    assert found.p95_seconds == pytest.approx(4, rel=0.1)
    assert breaker.judged({}, outcomes[:1], START)[OFFER].p95_seconds == pytest.approx(60, rel=0.1)


def test_runs_alike_have_their_own_times() -> None:
    short, long = ended(0, 5, 0, 5, "video*5"), ended(0, 5, 0, 40, "video*15")
    found = breaker.judged({}, [*short, *long, *ended(0, 4, 0, 90, "video*30")], START)[OFFER]
    assert found.by_parameters.keys() == {"video*5", "video*15"}
    assert found.by_parameters["video*15"] == pytest.approx((40, 40), rel=0.1)


def test_one_that_only_failed_has_a_rate_and_no_times() -> None:
    found = breaker.judged({}, ended(0, 0, 3), START)[OFFER]
    assert (found.success_rate, found.p50_seconds, found.p95_seconds, found.by_parameters) == (0, None, None, {})


def test_the_share_that_probes_grows_until_somebody_has_tried() -> None:
    shares = [health.probe_share for health in lived([(0, 0)] * 6, opened(1))]
    assert shares == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


def test_a_share_of_the_generations_probes_and_always_the_same() -> None:
    half_open = OfferHealth(HALF_OPEN, probe_share=0.1)
    takers = [number for number in range(10_000) if half_open.takes(f"gen_{number}")]
    assert 900 < len(takers) < 1_100
    assert takers == [number for number in range(10_000) if half_open.takes(f"gen_{number}")]
    assert not any(OfferHealth(OPEN).takes(f"gen_{number}") for number in range(100))
    assert all(OfferHealth(HALF_OPEN, probe_share=1).takes(f"gen_{number}") for number in range(100))


def test_an_offer_that_nobody_uses_is_forgotten_a_day_after_its_last_change() -> None:
    closed = OfferHealth(CLOSED, since=ids.timestamp(START))
    assert OFFER in breaker.judged({OFFER: closed}, [], at(24 * 60 - 1))
    assert breaker.judged({OFFER: closed}, [], at(24 * 60)) == {}


def test_what_lies_with_the_call_says_nothing_of_the_offer() -> None:
    speaking = set(NonDelivery) - breaker.SAYS_NOTHING
    assert {NonDelivery.PROVIDER_UNAVAILABLE, NonDelivery.RATE_LIMITED, NonDelivery.PROVIDER_AUTH} <= speaking
    assert {NonDelivery.PROVIDER_LOST, NonDelivery.PROVIDER_ERROR, NonDelivery.EMPTY_OUTPUT} <= speaking


# Whatever happens

MINUTES = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=60)


@given(MINUTES)
def test_states_follow_each_other_as_they_may(minutes: list[tuple[int, int]]) -> None:
    before = OfferHealth()
    for minute, after in enumerate(lived(minutes)):
        assert after.state == before.state or (before.state, after.state) in EDGES
        if after.state == before.state:
            assert after.since in {before.since, None}
        else:
            assert after.since == ids.timestamp(at(minute + 1))
        if (before.state, after.state) != (OPEN, HALF_OPEN) and after.state != before.state:
            assert after.samples > 0
        if (before.state, after.state) == (CLOSED, OPEN):
            assert after.samples >= breaker.SAMPLES_MIN
        assert after.success_rate is None or 0 <= after.success_rate <= 1
        before = after


@given(MINUTES, st.integers(1, 90))
def test_without_samples_a_closed_breaker_stays_closed_and_an_open_one_waits_to_be_tried(
    minutes: list[tuple[int, int]], idle: int
) -> None:
    first, *rest = list(lived([*minutes, *[(0, 0)] * (breaker.WINDOW_MINUTES + idle)]))[-idle - 1 :]
    assert {health.state for health in rest} <= ({CLOSED} if first.state == CLOSED else {OPEN, HALF_OPEN})


@given(MINUTES)
def test_it_recovers(minutes: list[tuple[int, int]]) -> None:
    """Once everything succeeds, also of the few that are tried, it is closed after two cool-downs at most."""
    healed = states([*minutes, *[(10, 0)] * 9])
    assert healed[-1] == CLOSED


@given(MINUTES)
def test_judging_twice_gives_the_same(minutes: list[tuple[int, int]]) -> None:
    outcomes = [one for minute, (good, bad) in enumerate(minutes) for one in ended(minute, good, bad)]
    moment = at(len(minutes))
    once = breaker.judged({}, outcomes, moment)
    assert breaker.judged(once, outcomes, moment) == once


@given(MINUTES)
def test_what_is_stored_is_what_was_judged(minutes: list[tuple[int, int]]) -> None:
    for health in lived(minutes):
        assert OfferHealth.from_dict(health.to_dict()) == health
