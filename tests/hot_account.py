"""One busy account against DynamoDB's published limits: holds and settles, simulated event by event.

What is simulated, worst case where the documents leave a choice:

- A shard's balance is one item, and an item lives in one partition: 1,000 write units a second, of which a transaction
  takes two for an item of up to 1 KB. Burst credit is left out; a transaction that is cancelled takes them too.
- A transaction that comes while another has one of its items is cancelled with `TransactionConflict`. It has its items
  for all of its latency, which is drawn anew each time; as long takes the answer that it was cancelled.
- It is tried again as `gateway.tables.transactions` does it: the policy is observed on the real commit.
- Holds arrive by chance (Poisson), each at the shard that the hash of its id names. It is settled at the same shard
  after the job's time. A settle that gives up is run again as the state machine's definition says.
- The money is there. A hold whose shard is short finds another as `gateway.ledger` does: all balances are read, one by
  one where no moment is to be had for all; the richest takes the hold, levelled first if need be.
- Where the project has a spending limit, its counter is one item more in each hold, and in each settle that gives back.

Time is in seconds, and virtual; the same seed gives the same run.
"""

import heapq
import itertools
import json
import math
import random
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from pynamodb.exceptions import CancellationReason, TransactWriteError, VerboseClientError

from gateway.errors import Unavailable
from gateway.ledger.accounts import LEVEL_TRIES_MAX
from gateway.ledger.transfers import RESERVE_TRIES_MAX
from gateway.tables import items, transactions

PARTITION_UNITS_PER_SECOND = 1_000
TRANSACTION_UNITS = 2
LATENCY_P50_SECONDS = 0.009
LATENCY_P99_SECONDS = 0.025
"""Of a transaction of four or five items; log-normal. Assumed: DynamoDB promises none."""
JOB_SECONDS = 0.2
"""How long jobs take on average. It moves the settles, and makes them neither more nor less regular."""
NORMAL_P99 = 2.3263
"""Standard deviations above the mean, of a normal distribution."""
HOLD_MICROS = (20_000, 200_000)
FULL_CHARGES = 0.75
"""The part of the jobs that are charged all that was held; the others, at least half of it."""
BALANCE_READS_PER_SECOND = 5.0
"""By those who look at the balance. A read keeps nobody from writing."""
DEFINITION = Path(__file__).parents[1] / "infra" / "state_machines" / "generation.asl.json"

RECONCILED_SECONDS = 60.0
"""How often the reconciler comes by, when the state machine itself has given up."""

DONE, SHORT, UNFUNDED, GAVE_UP = "done", "short", "unfunded", "gave up"
CONFLICT, THROTTLED = "conflict", "throttled"

Bounds = tuple[float, float]
Change = tuple[int, int, int]
"""Micros by which a balance's available, held and spent change."""
Process = Generator[float, None, None]
"""Something that goes on over time; it yields how many seconds pass until it goes on."""


@dataclass(frozen=True)
class Policy:
    """When a cancelled transaction is tried again."""

    waits: tuple[Bounds, ...]
    """Between what the wait before each further try is drawn, evenly."""
    retries_throttled: bool = True
    """Whether it is tried again too when the partition's units are used up."""
    moves_after: int | None = None
    """After how many conflicts each a hold goes to another shard; None: never."""
    read_waits: tuple[Bounds, ...] | None = None
    """The same of reading all balances at one moment; None: they are read one by one, which fails for nobody."""
    picks_richest: bool = True
    """Whether a hold whose shard is short goes to the richest, or to any that has enough."""

    @property
    def patience_seconds(self) -> float:
        """How long one waits on average who gives up in the end."""
        return sum(low + high for low, high in self.waits) / 2


def doubling(retries: int, first_seconds: float, most_seconds: float = math.inf, **more: Any) -> Policy:
    """Full jitter: each wait between nothing and a bound that doubles, up to a most."""
    return Policy(tuple((0.0, min(most_seconds, first_seconds * 2**n)) for n in range(retries)), **more)


def policy_in_force() -> Policy:
    """The policy of the gateway, as its own code shows it where everything is cancelled.

    Raises RuntimeError when it waits otherwise than evenly drawn.
    """
    conflicts, throttled = (_waits(code) for code in ("TransactionConflict", "ThrottlingError"))
    return Policy(conflicts, retries_throttled=bool(throttled))


def _waits(code: str) -> tuple[Bounds, ...]:
    """The waits of a commit between its tries, when it is cancelled for this reason each time."""
    drawn: list[Bounds] = []
    waits: list[Bounds] = []

    def cancelled(*_: Any, **__: Any) -> None:
        waits.append((0.0, 0.0))
        response = {"Error": {"Code": "TransactionCanceledException"}}
        reasons = [CancellationReason(code)]
        raise TransactWriteError("cancelled", VerboseClientError(response, "", cancellation_reasons=reasons))

    def uniform(low: float, high: float) -> float:
        drawn.append((low, high))
        return high

    def sleep(seconds: float) -> None:
        if not drawn or seconds != drawn[-1][1]:
            raise RuntimeError("a commit waits otherwise than evenly drawn; the simulation must learn how")
        waits[-1] = drawn.pop()

    with (
        patch.object(transactions, "connection", lambda: SimpleNamespace(transact_write_items=cancelled)),
        patch.object(items, "random", SimpleNamespace(uniform=uniform)),
        patch.object(items, "time", SimpleNamespace(sleep=sleep)),
        suppress(Unavailable, TransactWriteError),
    ):
        transactions.Transaction().commit()
    # What is waited after the last try delays the refusal only.
    return tuple(waits[:-1])


def settle_waits() -> tuple[float, ...]:
    """The most that the state machine waits before it runs a settle that gave up again, time after time."""
    states = json.loads(DEFINITION.read_text())["States"]
    rule = next(rule for rule in states["Settle"]["Retry"] if "States.ALL" in rule["ErrorEquals"])
    numbers = range(rule["MaxAttempts"])
    return tuple(min(rule["MaxDelaySeconds"], rule["IntervalSeconds"] * rule["BackoffRate"] ** n) for n in numbers)


@dataclass(frozen=True)
class Load:
    """What comes to the account."""

    holds_per_second: float
    shards: int
    seconds: float
    """How long is counted. Holds come before and after, too, as long as it takes to give up."""
    credit: float = 2.0
    """What was granted, as a multiple of what all the holds come to on average."""
    is_limited: bool = False
    """Whether the project has a spending limit."""
    latency_p50_seconds: float = LATENCY_P50_SECONDS
    latency_p99_seconds: float = LATENCY_P99_SECONDS


@dataclass(slots=True, eq=False)
class Shard:
    """One balance item and the partition that it lives in."""

    available_micros: int
    held_micros: int = 0
    spent_micros: int = 0
    busy_until: float = 0.0
    units: float = PARTITION_UNITS_PER_SECOND
    """What the partition has left of the present second's."""
    seen_at: float = 0.0

    def takes(self, now: float) -> bool:
        """Take a transaction's units; False when the partition has not so many."""
        units = min(self.units + (now - self.seen_at) * PARTITION_UNITS_PER_SECOND, PARTITION_UNITS_PER_SECOND)
        self.seen_at = now
        has_enough = units >= TRANSACTION_UNITS
        self.units = units - TRANSACTION_UNITS if has_enough else units
        return has_enough


@dataclass
class Outcome:
    """What became of the holds and settles that began in the counted time."""

    load: Load
    hold_seconds: list[float] = field(default_factory=list)
    """Of each hold that was taken, from its arrival on."""
    holds: dict[str, int] = field(default_factory=lambda: dict.fromkeys((DONE, GAVE_UP, UNFUNDED), 0))
    settles: dict[str, int] = field(default_factory=lambda: dict.fromkeys((DONE, GAVE_UP), 0))
    levellings: dict[str, int] = field(default_factory=lambda: dict.fromkeys((DONE, SHORT, GAVE_UP), 0))
    reads: dict[str, int] = field(default_factory=lambda: dict.fromkeys((DONE, GAVE_UP), 0))
    """Of the balance, by those who look at it."""
    charged_micros: int = 0
    """What all settles charged, counted beside the balances, whenever they began."""

    @property
    def holds_per_second(self) -> float:
        """Holds that were taken."""
        return self.holds[DONE] / self.load.seconds

    @property
    def failed_percent(self) -> float:
        """Of the holds that the account's credit covered, those that gave up."""
        return _failed_percent(self.holds)

    @property
    def put_off_percent(self) -> float:
        """Of the settles, those that gave up and are left to the state machine."""
        return _failed_percent(self.settles)

    @property
    def unread_percent(self) -> float:
        """Of the reads of the balance, those that gave up."""
        return _failed_percent(self.reads)


def _failed_percent(results: Mapping[str, int]) -> float:
    return 100 * results[GAVE_UP] / (results[GAVE_UP] + results[DONE]) if results[GAVE_UP] else 0.0


class HotAccount:
    """One run. `run` goes on until everything that was held is settled."""

    def __init__(self, load: Load, policy: Policy, seed: int) -> None:
        self.load, self.policy = load, policy
        self.now = 0.0
        self.outcome = Outcome(load)
        margin_seconds = JOB_SECONDS + policy.patience_seconds
        self._counted = margin_seconds, margin_seconds + load.seconds
        self._ends_at = load.seconds + 2 * margin_seconds
        all_micros = int(load.credit * load.holds_per_second * self._ends_at * sum(HOLD_MICROS) / 2)
        self.shards = [Shard(all_micros // load.shards) for _ in range(load.shards)]
        self.granted_micros = self._available_micros()
        # The counter of the limit, which has room for all.
        self._beside: tuple[tuple[Shard, Change], ...] = ((Shard(0), (0, 0, 0)),) if load.is_limited else ()
        self._settle_waits = settle_waits()
        self._chance = random.Random(seed)
        self._mu = math.log(load.latency_p50_seconds)
        self._sigma = math.log(load.latency_p99_seconds / load.latency_p50_seconds) / NORMAL_P99
        self._queue: list[tuple[float, int, Process]] = []
        self._numbers = itertools.count()

    def run(self) -> Outcome:
        """Let everything happen."""
        queue, numbers = self._queue, self._numbers
        self._begin(self._arrivals())
        self._begin(self._looks())
        while queue:
            self.now, _, process = heapq.heappop(queue)
            seconds = next(process, None)
            if seconds is not None:
                heapq.heappush(queue, (self.now + seconds, next(numbers), process))
        return self.outcome

    def _begin(self, process: Process) -> None:
        heapq.heappush(self._queue, (self.now, next(self._numbers), process))

    def _arrivals(self) -> Process:
        while self.now < self._ends_at:
            yield self._chance.expovariate(self.load.holds_per_second)
            self._begin(self._job())

    def _looks(self) -> Process:
        while self.now < self._ends_at:
            yield self._chance.expovariate(BALANCE_READS_PER_SECOND)
            self._begin(self._look())

    def _look(self) -> Process:
        counts = self._counts()
        result = yield from self._read()
        self.outcome.reads[result] += counts

    def _job(self) -> Process:
        began, counts = self.now, self._counts()
        amount_micros = self._chance.randint(*HOLD_MICROS)
        result, shard = yield from self._hold(amount_micros)
        self.outcome.holds[result] += counts
        if result != DONE:
            return
        if counts:
            self.outcome.hold_seconds.append(self.now - began)
        yield self._chance.expovariate(1 / JOB_SECONDS)
        yield from self._settle(shard, amount_micros)

    def _hold(self, amount_micros: int) -> Generator[float, None, tuple[str, Shard]]:
        """Answers how it ended, and at which shard."""
        change = (-amount_micros, amount_micros, 0)
        shard = self._any_shard()
        for _ in range(RESERVE_TRIES_MAX):
            result, shard = yield from self._transact(((shard, change), *self._beside), self.policy.moves_after)
            if result != SHORT:
                return result, shard
            result, shard = yield from self._shard_with(amount_micros)
            if result != DONE:
                return result, shard
        return GAVE_UP, shard

    def _settle(self, shard: Shard, amount_micros: int) -> Process:
        is_full = self._chance.random() < FULL_CHARGES
        charge_micros = amount_micros if is_full else self._chance.randint(amount_micros // 2, amount_micros - 1)
        change = (amount_micros - charge_micros, -amount_micros, charge_micros)
        changes = ((shard, change), *(() if is_full else self._beside))
        for most_seconds in itertools.chain(self._settle_waits, itertools.repeat(RECONCILED_SECONDS)):
            counts = self._counts()
            result, _ = yield from self._transact(changes)
            self.outcome.settles[result] += counts
            if result == DONE:
                self.outcome.charged_micros += charge_micros
                return
            yield self._chance.uniform(0, most_seconds)

    def _shard_with(self, amount_micros: int) -> Generator[float, None, tuple[str, Shard]]:
        """Find a shard that has enough, after levelling if need be; answers how that ended, and the shard."""
        richest = self.shards[0]
        for _ in range(LEVEL_TRIES_MAX):
            if (yield from self._read()) != DONE:
                return GAVE_UP, richest
            able = [one for one in self.shards if one.available_micros >= amount_micros]
            if able and not self.policy.picks_richest:
                return DONE, self._chance.choice(able)
            richest = max(self.shards, key=lambda one: one.available_micros)
            if able:
                return DONE, richest
            if self._available_micros() < amount_micros:
                return UNFUNDED, richest
            result = yield from self._level(richest, amount_micros)
            if result == DONE:
                return DONE, richest
        return GAVE_UP, richest

    def _level(self, richest: Shard, amount_micros: int) -> Generator[float, None, str]:
        """Bring the richest shard up to an amount that all have together, from the next ones."""
        gap_micros = amount_micros - richest.available_micros
        given: list[tuple[Shard, Change]] = []
        for one in sorted(self.shards, key=lambda one: -one.available_micros):
            if one is not richest and gap_micros > 0:
                micros = min(gap_micros, one.available_micros)
                gap_micros -= micros
                given.append((one, (-micros, 0, 0)))
        taken = (-sum(change for _, (change, _, _) in given), 0, 0)
        result, _ = yield from self._transact(((richest, taken), *given))
        self.outcome.levellings[result] += 1
        return result

    def _read(self) -> Generator[float, None, str]:
        """Read all balances, as they are at its end."""
        if self.policy.read_waits is None:
            yield self._latency()
            return DONE
        for bounds in (*self.policy.read_waits, None):
            is_cancelled = any(shard.busy_until > self.now for shard in self.shards)
            yield self._latency()
            if not is_cancelled:
                return DONE
            if bounds is not None:
                yield self._chance.uniform(*bounds)
        return GAVE_UP

    def _transact(
        self, changes: Sequence[tuple[Shard, Change]], moves_after: int | None = None
    ) -> Generator[float, None, tuple[str, Shard]]:
        """Change balances by the policy; answers how it ended, and at which shard (of several, the first)."""
        for tries, bounds in enumerate((*self.policy.waits, None), 1):
            seconds = self._latency()
            result = self._try(changes, seconds)
            if result in {DONE, SHORT}:
                yield seconds
                return result, changes[0][0]
            if bounds is None or (result == THROTTLED and not self.policy.retries_throttled):
                break
            yield seconds + self._chance.uniform(*bounds)
            if moves_after and tries % moves_after == 0:
                changes = ((self._any_shard(), changes[0][1]), *changes[1:])
        yield seconds
        return GAVE_UP, changes[0][0]

    def _try(self, changes: Sequence[tuple[Shard, Change]], seconds: float) -> str:
        """One transaction, which begins now and has its items for so long, unless it is cancelled."""
        now = self.now
        if not all(shard.takes(now) for shard, _ in changes):
            return THROTTLED
        for shard, _ in changes:
            if shard.busy_until > now:
                return CONFLICT
        for shard, (available, _, _) in changes:
            if shard.available_micros + available < 0:
                return SHORT
        for shard, (available, held, spent) in changes:
            shard.available_micros += available
            shard.held_micros += held
            shard.spent_micros += spent
            shard.busy_until = now + seconds
        return DONE

    def _available_micros(self) -> int:
        return sum(shard.available_micros for shard in self.shards)

    def _any_shard(self) -> Shard:
        """As even as the hash of an id."""
        return self.shards[int(self._chance.random() * len(self.shards))]

    def _latency(self) -> float:
        return math.exp(self._chance.gauss(self._mu, self._sigma))

    def _counts(self) -> bool:
        return self._counted[0] <= self.now < self._counted[1]
