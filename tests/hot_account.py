"""One busy account against DynamoDB's published limits: holds and settles, simulated event by event.

What is simulated, worst case where the documents leave a choice:

- A shard's balance is one item, and an item lives in one partition: 1,000 write units a second, of which a transaction
  takes two for an item of up to 1 KB. Burst credit is left out; a transaction that is cancelled takes them too.
- A transaction that comes while another has one of its items is cancelled with `TransactionConflict`. It has its items
  for all of its latency, which is drawn anew each time; as long takes the answer that it was cancelled.
- It is tried again as `gateway.tables.transactions` does it: the policy is observed on the real commit.
- Holds arrive by chance (Poisson), each at the shard that the hash of its id names. It is settled at the same shard
  after the job's time. A settle that gives up is run again as the state machine's definition says.
- The money is there. A hold whose shard is short goes to another that has enough, or has some shards levelled, in one
  transaction over all of their items; it is refused when all shards together have too little.

Time is in seconds, and virtual; the same seed gives the same run.
"""

import heapq
import itertools
import json
import math
import random
from collections.abc import Generator, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from pynamodb.exceptions import CancellationReason, TransactWriteError, VerboseClientError

from gateway.errors import Unavailable
from gateway.tables import transactions

PARTITION_UNITS_PER_SECOND = 1_000
TRANSACTION_UNITS = 2
LATENCY_P50_SECONDS = 0.009
LATENCY_P99_SECONDS = 0.025
"""Of a transaction of four or five items; log-normal. Assumed: DynamoDB promises none."""
JOB_SECONDS = 0.2
"""How long jobs take on average. It moves the settles, and makes them neither more nor less regular."""
NORMAL_P99 = 2.3263
"""Standard deviations above the mean, of a normal distribution."""
SHORT_MAX = 4
"""How often a hold may find its shard short before it gives up."""
HOLD_MICROS = (20_000, 200_000)
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
    looks_elsewhere: bool = True
    """Whether a hold whose shard is short goes to any other that has enough, before shards are levelled."""
    levelled: int = 2
    """How many shards one transaction levels, the short one and the richest; more where these have too little."""

    @property
    def patience_seconds(self) -> float:
        """How long one waits on average who gives up in the end."""
        return sum(low + high for low, high in self.waits) / 2


def doubling(retries: int, first_seconds: float, most_seconds: float = math.inf, **more: Any) -> Policy:
    """Full jitter: each wait between nothing and a bound that doubles, up to a most."""
    return Policy(tuple((0.0, min(most_seconds, first_seconds * 2**n)) for n in range(retries)), **more)


def policy_in_force() -> Policy:
    """The policy of `gateway.tables.transactions`, as its commit shows it where every transaction is cancelled."""
    return Policy(_waits("TransactionConflict"), retries_throttled=bool(_waits("ThrottlingError")))


def _waits(code: str) -> tuple[Bounds, ...]:
    """The waits of the real commit between its tries. Raises RuntimeError when it waits otherwise than it draws."""
    drawn: list[Bounds] = []
    waits: list[Bounds] = []

    def cancelled(**_: Any) -> None:
        waits.append((0.0, 0.0))
        response = {"Error": {"Code": "TransactionCanceledException"}}
        reasons = [CancellationReason(code)]
        cause = VerboseClientError(response, "TransactWriteItems", cancellation_reasons=reasons)
        raise TransactWriteError("cancelled", cause)

    def uniform(low: float, high: float) -> float:
        drawn.append((low, high))
        return high

    def sleep(seconds: float) -> None:
        if not drawn or seconds != drawn[-1][1]:
            raise RuntimeError("the commit waits otherwise than evenly drawn; the simulation must learn how")
        waits[-1] = drawn.pop()

    with (
        patch.object(transactions, "connection", lambda: SimpleNamespace(transact_write_items=cancelled)),
        patch.object(transactions, "random", SimpleNamespace(uniform=uniform)),
        patch.object(transactions, "time", SimpleNamespace(sleep=sleep)),
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
    charged_micros: int = 0
    """What all settles charged, counted beside the balances, whenever they began."""

    @property
    def holds_per_second(self) -> float:
        """Holds that were taken."""
        return self.holds[DONE] / self.load.seconds

    @property
    def failed_percent(self) -> float:
        """Of the holds that the account's credit covered, those that gave up."""
        return _percent(self.holds[GAVE_UP], self.holds[DONE])

    @property
    def put_off_percent(self) -> float:
        """Of the settles, those that gave up and are left to the state machine."""
        return _percent(self.settles[GAVE_UP], self.settles[DONE])


def _percent(part: int, rest: int) -> float:
    return 100 * part / (part + rest) if part else 0.0


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
        self.granted_micros = sum(shard.available_micros for shard in self.shards)
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
        for _ in range(SHORT_MAX):
            result, shard = yield from self._transact(((shard, change),), self.policy.moves_after)
            if result != SHORT:
                return result, shard
            # All shards are read at once.
            yield self._latency()
            if _available(self.shards) < amount_micros:
                return UNFUNDED, shard
            able = [one for one in self.shards if one.available_micros >= amount_micros]
            if able and self.policy.looks_elsewhere:
                shard = self._chance.choice(able)
            elif shard.available_micros < amount_micros:
                yield from self._level(shard, amount_micros)
        return GAVE_UP, shard

    def _settle(self, shard: Shard, amount_micros: int) -> Process:
        charge_micros = self._chance.randint(amount_micros // 2, amount_micros)
        changes = ((shard, (amount_micros - charge_micros, -amount_micros, charge_micros)),)
        for most_seconds in itertools.chain(self._settle_waits, itertools.repeat(RECONCILED_SECONDS)):
            counts = self._counts()
            result, _ = yield from self._transact(changes)
            self.outcome.settles[result] += counts
            if result == DONE:
                self.outcome.charged_micros += charge_micros
                return
            yield self._chance.uniform(0, most_seconds)

    def _level(self, short: Shard, amount_micros: int) -> Process:
        """Share out evenly what the richest shards and the short one have; together, all have the amount."""
        richest = sorted((one for one in self.shards if one is not short), key=lambda one: -one.available_micros)
        count = min(self.policy.levelled, len(self.shards)) - 1
        while (pool_micros := short.available_micros + _available(richest[:count])) < amount_micros:
            count += 1
        kept_micros = min(pool_micros // (count + 1), (pool_micros - amount_micros) // count)
        given = [(one, (kept_micros - one.available_micros, 0, 0)) for one in richest[:count]]
        taken = (pool_micros - kept_micros * count - short.available_micros, 0, 0)
        result, _ = yield from self._transact((*given, (short, taken)))
        self.outcome.levellings[result] += 1

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
                changes = ((self._any_shard(), changes[0][1]),)
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

    def _any_shard(self) -> Shard:
        """As even as the hash of an id."""
        return self.shards[int(self._chance.random() * len(self.shards))]

    def _latency(self) -> float:
        return math.exp(self._chance.gauss(self._mu, self._sigma))

    def _counts(self) -> bool:
        return self._counted[0] <= self.now < self._counted[1]


def _available(shards: Iterable[Shard]) -> int:
    return sum(shard.available_micros for shard in shards)
