"""The simulation of a busy account loses no money, is the same each time, and is right where the result is known."""

import math
from collections.abc import Sequence

import pytest

from gateway.tables import items, transactions
from tests.hot_account import (
    DONE,
    GAVE_UP,
    PARTITION_UNITS_PER_SECOND,
    TRANSACTION_UNITS,
    UNFUNDED,
    Change,
    HotAccount,
    Load,
    Policy,
    Shard,
    doubling,
    policy_in_force,
    settle_waits,
)

CAPPED = doubling(24, 0.02, 0.1)


class Watched(HotAccount):
    """Looks at the money at each transaction."""

    def _try(self, changes: Sequence[tuple[Shard, Change]], seconds: float) -> str:
        result = super()._try(changes, seconds)
        amounts = [(one.available_micros, one.held_micros, one.spent_micros) for one in self.shards]
        assert sum(map(sum, amounts)) == self.granted_micros
        assert min(map(min, amounts)) >= 0
        return result


@pytest.mark.parametrize(
    ("credit", "policy"),
    [
        (2.0, policy_in_force()),
        (0.5, policy_in_force()),
        (0.5, CAPPED),
        (0.5, doubling(24, 0.02, 0.1, picks_richest=False)),
        (0.5, doubling(4, 0.02, moves_after=1)),
    ],
)
def test_no_money_is_made_or_lost(credit: float, policy: Policy) -> None:
    account = Watched(Load(100, 4, 4, credit=credit, is_limited=True), policy, seed=7)
    outcome = account.run()
    assert outcome.holds[DONE] > 50
    assert (outcome.holds[UNFUNDED] > 0) == (credit < 1)
    assert sum(shard.held_micros for shard in account.shards) == 0
    assert sum(shard.spent_micros for shard in account.shards) == outcome.charged_micros


def test_the_same_seed_gives_the_same_run() -> None:
    load = Load(200, 4, 1)
    first, again, other = (HotAccount(load, policy_in_force(), seed).run() for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_one_shard_fails_heavily_where_32_do_not() -> None:
    one, many = (HotAccount(Load(400, shards, 3), policy_in_force(), seed=1).run() for shards in (1, 32))
    assert one.failed_percent > 30
    assert many.failed_percent == 0
    assert many.holds_per_second == pytest.approx(400, rel=0.1)


def test_a_thousand_holds_a_second_on_32_shards() -> None:
    outcome = HotAccount(Load(1_000, 32, 3), policy_in_force(), seed=1).run()
    assert outcome.failed_percent < 0.1
    assert outcome.put_off_percent < 0.1
    assert outcome.holds_per_second == pytest.approx(1_000, rel=0.1)


def test_without_retries_a_shard_loses_what_a_server_without_a_queue_loses() -> None:
    """Erlang: of a load of r, r / (1 + r) is lost. Settles come as often as holds: they are run until they succeed."""
    load = Load(20, 1, 200)
    outcome = HotAccount(load, Policy(()), seed=1).run()
    sigma = math.log(load.latency_p99_seconds / load.latency_p50_seconds) / 2.3263
    busy = 2 * load.holds_per_second * load.latency_p50_seconds * math.exp(sigma**2 / 2)
    assert outcome.failed_percent == pytest.approx(100 * busy / (1 + busy), abs=3)


@pytest.mark.parametrize(
    ("transactions_per_second", "shards", "achieved", "failed_percent"),
    [(80, 1, 65, 17), (200, 1, 76, 62), (200, 8, 199, 0.03), (1_000, 16, 911, 8.7), (1_000, 32, 997, 0.06)],
)
def test_an_independent_simulation_comes_to_the_same(
    transactions_per_second: int, shards: int, achieved: int, failed_percent: float
) -> None:
    """Its latency and policy are not known; a median of 12 ms and seven retries give its figures best."""
    load = Load(
        transactions_per_second / 2,
        shards,
        max(2, 2_000 / transactions_per_second),
        latency_p50_seconds=0.012,
        latency_p99_seconds=0.03,
    )
    outcome = HotAccount(load, doubling(7, 0.02), seed=1).run()
    assert (outcome.holds[DONE] + outcome.settles[DONE]) / load.seconds == pytest.approx(achieved, rel=0.2)
    assert outcome.failed_percent == pytest.approx(failed_percent, abs=8)


def test_what_every_transaction_counts_in_undoes_the_shards() -> None:
    free, limited = (HotAccount(Load(200, 32, 2, is_limited=one), CAPPED, seed=1).run() for one in (False, True))
    assert free.failed_percent == 0
    assert limited.failed_percent > 30


def test_balances_that_are_read_one_by_one_can_be_read_under_any_load() -> None:
    load = Load(500, 32, 2)
    together, alone = (
        HotAccount(load, doubling(8, 0.02, read_waits=waits), seed=1).run() for waits in (((0.0, 0.1),) * 5, None)
    )
    assert together.unread_percent > 90
    assert alone.unread_percent == 0


def test_a_partition_takes_its_units_and_no_more() -> None:
    shard = Shard(0)
    taken = sum(shard.takes(number / 10_000) for number in range(20_000))
    assert taken == pytest.approx(3 * PARTITION_UNITS_PER_SECOND / TRANSACTION_UNITS, rel=0.01)


def test_the_policy_is_that_of_the_real_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = policy_in_force()
    assert len(policy.waits) == transactions.CONFLICT_RETRIES_MAX
    assert all(0 == low < high <= items.PAUSE_SECONDS_MAX for low, high in policy.waits)
    assert policy.retries_throttled
    monkeypatch.setattr(transactions, "CONFLICT_RETRIES_MAX", 2)
    monkeypatch.setattr(transactions, "PASSING", transactions.PASSING - {"ThrottlingError"})
    assert len(policy_in_force().waits) == 2
    assert not policy_in_force().retries_throttled


def test_a_policy_that_cannot_be_followed_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def commit(_: transactions.Transaction) -> None:
        items.time.sleep(1)

    monkeypatch.setattr(transactions.Transaction, "commit", commit)
    with pytest.raises(RuntimeError, match="must learn"):
        policy_in_force()


def test_a_settle_that_gives_up_is_run_again_by_the_machine() -> None:
    waits = settle_waits()
    assert list(waits) == sorted(waits)
    assert len(waits) > 1
    outcome = HotAccount(Load(100, 1, 2), Policy(()), seed=1).run()
    assert outcome.settles[GAVE_UP] > 0
