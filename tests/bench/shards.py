"""Holds per second on one account, by the shards of its balance: simulated against DynamoDB's limits."""

from collections.abc import Sequence
from dataclasses import replace

from tests.bench.measuring import Figure, Section, figure, percentile
from tests.hot_account import (
    DONE,
    GAVE_UP,
    HOLD_MICROS,
    LATENCY_P50_SECONDS,
    LATENCY_P99_SECONDS,
    UNFUNDED,
    HotAccount,
    Load,
    Outcome,
    Policy,
    doubling,
    policy_in_force,
)

FAILED_BUDGET_PERCENT = 0.1
BUSY = Load(holds_per_second=1_000, shards=32, seconds=10)
SEEDS = (1, 2, 3)

RATES = (20, 50, 100, 200, 500, 1_000, 3_000)
SHARDS = (1, 4, 8, 16, 32, 64)
HOLDS_COUNTED = 2_000
"""In each cell of the table."""

CAPPED = doubling(24, 0.02, 0.1)
POLICIES = {
    "8 retries, 20 ms, doubling": doubling(8, 0.02),
    "16 retries, 20 ms, doubling to 100 ms": doubling(16, 0.02, 0.1),
    "24 retries, 20 ms, doubling to 100 ms": CAPPED,
    "and after each conflict another shard": replace(CAPPED, moves_after=1),
    "24 retries, 2 ms, after each conflict another shard": doubling(24, 0.002, 0.002, moves_after=1),
}
LIMITED = replace(BUSY, is_limited=True, seconds=2)
ENDING = replace(BUSY, credit=0.86)
"""What is granted is used up just as the run ends: a job is charged some 94 % of its hold on average."""


def section() -> Section:
    """The budget's load, every rate over every number of shards, other policies, and an account that runs dry."""
    policy = policy_in_force()
    return Section(
        "One account's holds, simulated",
        "tests/hot_account.py says what is simulated: one balance item per shard, each in a partition of 1,000 write "
        "units a second, two for a transaction; one that meets another on its item is cancelled, and tried again by "
        "the policy that is observed on gateway.tables; a transaction has its items for all of its "
        f"latency, log-normal with {LATENCY_P50_SECONDS * 1e3:g} ms at the median and {LATENCY_P99_SECONDS * 1e3:g} ms "
        "at p99. Every hold is followed by its settle on the same shard, so each costs two transactions. A hold fails "
        "when it gives up; a settle that does is run again by the state machine. Percentages are of each seed's run: "
        "the median and the most.",
        _figures(BUSY, policy),
        "\n\n".join([_by_shards(policy), _by_policy(policy), _by_shortage(policy)]),
    )


def _figures(load: Load, policy: Policy) -> list[Figure]:
    runs = [_run(load, policy, seed).outcome for seed in SEEDS]
    what = f"{load.holds_per_second:,} holds/s, {load.shards} shards"
    over = f"{sum(sum(run.holds.values()) for run in runs)} holds, seeds {', '.join(map(str, SEEDS))}"
    failed, put_off = [run.failed_percent for run in runs], [run.put_off_percent for run in runs]
    unread = [run.unread_percent for run in runs]
    milliseconds = [seconds * 1e3 for run in runs for seconds in run.hold_seconds]
    return [
        Figure(f"{what}: failed", "%", percentile(failed, 50), max(failed), over, FAILED_BUDGET_PERCENT),
        Figure(f"{what}: settles put off", "%", percentile(put_off, 50), max(put_off), over),
        figure(f"{what}: time of a hold", "ms", milliseconds, over),
        Figure(f"{what}: balance not readable", "%", percentile(unread, 50), max(unread), over),
        _limited(policy),
    ]


def _limited(policy: Policy) -> Figure:
    """One counter is in every transaction, whatever the number of shards."""
    percent = _run(LIMITED, policy).outcome.failed_percent
    what = f"{LIMITED.holds_per_second:,} holds/s, {LIMITED.shards} shards, a spending limit: failed"
    return Figure(what, "%", percent, percent, f"seed {SEEDS[0]}")


def _by_shards(policy: Policy) -> str:
    rows = [
        [f"{rate:,}", *(_told(_run(Load(rate, shards, HOLDS_COUNTED / rate), policy)) for shards in SHARDS)]
        for rate in RATES
    ]
    heads = ["holds/s", *(f"{shards} shard{'s' if shards > 1 else ''}" for shards in SHARDS)]
    return f"Holds taken a second, failed, p50 / p99 of their time (seed {SEEDS[0]}):\n\n{_table(heads, rows)}"


def _by_policy(in_force: Policy) -> str:
    load = replace(BUSY, seconds=BUSY.seconds / 2)
    others = {name: replace(policy, read_waits=in_force.read_waits) for name, policy in POLICIES.items()}
    rows = [[name, _told(_run(load, policy))] for name, policy in {"as it is": in_force, **others}.items()]
    heads = ["retries, each wait between nothing and", f"{load.holds_per_second:,} holds/s, {load.shards} shards"]
    return f"The same by other policies:\n\n{_table(heads, rows)}"


def _by_shortage(in_force: Policy) -> str:
    capped = replace(in_force, waits=CAPPED.waits)
    one_by_one = replace(capped, read_waits=None)
    ways = {
        "as it is": in_force,
        "24 retries, 20 ms, doubling to 100 ms": capped,
        "and balances are read one by one": one_by_one,
        "and any shard that has enough takes the hold": replace(one_by_one, picks_richest=False),
    }
    rows = []
    for name, policy in ways.items():
        run = _run(ENDING, policy)
        taken, lost = run.outcome.holds[DONE], run.outcome.holds[GAVE_UP] + run.outcome.holds[UNFUNDED]
        left = sum(shard.available_micros for shard in run.shards) / (sum(HOLD_MICROS) / 2)
        levellings = run.outcome.levellings
        told = f"{levellings[DONE]} of {sum(levellings.values())}"
        rows.append([name, f"{100 * lost / (taken + lost):.2g} %", f"{left:.1f}", told])
    heads = ["a shard that is short", "refused", "credit left, in holds", "levellings that succeed"]
    return (
        f"{ENDING.holds_per_second:,} holds/s on {ENDING.shards} shards, of credit that is used up as the run ends:"
        f"\n\n{_table(heads, rows)}"
    )


def _run(load: Load, policy: Policy, seed: int = SEEDS[0]) -> HotAccount:
    run = HotAccount(load, policy, seed)
    run.run()
    return run


def _told(run: HotAccount) -> str:
    outcome: Outcome = run.outcome
    if not outcome.hold_seconds:
        return "none"
    p50, p99 = (percentile(outcome.hold_seconds, percent) * 1e3 for percent in (50, 99))
    return f"{outcome.holds_per_second:,.0f}, {outcome.failed_percent:.2g} %, {p50:,.0f} / {p99:,.0f} ms"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---", *["--:"] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
