"""The faults of every path, enumerated or sampled by a seed; and one of them run and judged.

A point is written `path/mode/number-kind[*times][+number-kind]`: which calls of the path, counted from nothing,
something happens around. `retried`: the state machine tries a step again; `dead`: the execution dies with the step.
"""

import functools
import itertools
import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from gateway import audit, ids, ledger
from gateway.tables.transactions import CONFLICT_RETRIES_MAX
from tests.chaos import faults, stories
from tests.chaos.faults import Fault, Faults
from tests.chaos.stories import PATHS, PROJECT, Callers, Path
from tests.integration.world import World, world

READS = {
    "GetItem", "Query", "Scan", "BatchGetItem", "TransactGetItems", "HeadObject", "GetObject", "provider.poll",
    "states.describe_execution",
}  # fmt: skip
OF_TABLES = {
    "GetItem", "Query", "Scan", "BatchGetItem", "TransactGetItems", "PutItem", "UpdateItem", "TransactWriteItems",
    "BatchWriteItem",
}  # fmt: skip
KINDS: dict[str, Fault] = {
    "crash_before": faults.crash_before,
    "crash_after": faults.crash_after,
    "error_before": faults.error_before,
    "error_after": faults.error_after,
    "repeated": faults.repeated,
    "throttle": faults.throttle,
    "throttle_one": faults.throttle_one,
    "conflict": faults.conflict,
}
RETRIED, DEAD = "retried", "dead"
FEW, MANY = 3, CONFLICT_RETRIES_MAX + 1
"""Conflicts in a row: fewer than a transaction is repeated, and one more."""


@dataclass(frozen=True)
class Point:
    """One run of a path: what happens around which of its calls."""

    path: str
    mode: str = RETRIED
    faults: tuple[tuple[int, str], ...] = ()

    def __str__(self) -> str:
        return f"{self.path}/{self.mode}/{'+'.join(f'{number}-{kind}' for number, kind in self.faults)}"

    @classmethod
    def parse(cls, text: str) -> "Point":
        """The point that is written so."""
        path, mode, given = text.split("/")
        found = [re.fullmatch(r"(\d+)-(.+)", one) for one in given.split("+") if one]
        return cls(path, mode, tuple((int(one[1]), one[2]) for one in found if one))

    @property
    def rivals(self) -> frozenset[str]:
        """Who acts between its calls."""
        return frozenset(kind.removeprefix("rival:") for _, kind in self.faults if kind.startswith("rival:"))

    @property
    def group(self) -> str:
        """What it counts as in the report."""
        kinds = {kind.partition(":")[0] for _, kind in self.faults}
        crashes = sum(kind.startswith("crash") for _, kind in self.faults)
        if crashes == len(self.faults):
            return "one crash" if crashes == 1 else "two crashes"
        if kinds == {"rival"}:
            return "a rival between two calls"
        if "rival" in kinds:
            return "a rival and a crash"
        names = {
            "error_before": "an error, nothing done",
            "error_after": "an error, and it was done",
            "repeated": "answer lost, repeated by the SDK",
        }
        return names.get(next(iter(kinds)), "conflicts and throttling")


@dataclass
class Verdict:
    """What came of a point."""

    point: Point
    ends: list[str] = field(default_factory=list)
    found: list[str] = field(default_factory=list)


def run(point: Point) -> Verdict:
    """Live through a path with its faults, and judge it."""
    verdict = Verdict(point)
    lived(point, verdict)
    return verdict


def lived(point: Point, verdict: Verdict) -> list[str]:
    """As `run`, into a verdict; answers the calls that were made."""
    path = PATHS[point.path]
    with pytest.MonkeyPatch.context() as patch:
        numbers = itertools.count()
        patch.setattr(ids, "fresh", lambda prefix: ids.derived(prefix, str(next(numbers))))
        random.seed(0)
        met = Faults()
        with world(
            path.environment, faults=met, dies_on_crash=point.mode == DEAD, models={"nano-banana"},
            in_memory=True, changed=path.changed,
        ) as museway:  # fmt: skip
            museway.tampered = "a point judges for itself"
            for name, value in path.provider.items():
                setattr(museway.provider, name, value)
            callers = Callers(museway, rivals=point.rivals)
            if path.before:
                met.active = False
                path.before(callers)
                met.active = True
            met.calls.clear()
            met.plan = dict(_planned(point, callers))
            met.on_crash = lambda: callers.found.extend(f"as it crashed: {one}" for one in museway.violations())
            try:
                path.story(callers)
            except AssertionError as stuck:
                callers.found.append(str(stuck))
            met.active = False
            verdict.found = [*callers.found, *_judged(path, callers, verdict)]
    return list(met.calls)


def _planned(point: Point, callers: Callers) -> Iterator[tuple[int, Fault]]:
    for number, kind in point.faults:
        name, _, times = kind.partition("*")
        fault = _fault(name, callers)
        for more in range(int(times or 1)):
            yield number + more, fault


def _fault(kind: str, callers: Callers) -> Fault:
    if not kind.startswith("rival:"):
        return KINDS[kind]
    act, met = stories.RIVALS[kind.removeprefix("rival:")], callers.world.faults

    def undisturbed() -> None:
        met.active = False
        try:
            act(callers)
        finally:
            met.active = True

    return faults.rival(undisturbed)


def _judged(path: Path, callers: Callers, verdict: Verdict) -> Iterator[str]:
    museway, provider = callers.world, callers.world.provider
    for _ in range(2):  # what lies on former shards is gathered by the clock
        museway.reconcile(after_seconds=61)
    yield from museway.violations(at_rest=True)
    yield from audit.faults(ledger.project_of(PROJECT))
    items = museway.store.tables["jobs"].values()
    generations = {item["generation_id"]["S"]: item for item in items if item["sk"]["S"] == "GENERATION"}
    for missing in callers.prices_micros.keys() - generations.keys():
        yield f"{missing} was accepted and is not there"
    rivals_may_end = {"cancelled"} if any("cancel" in kind for _, kind in verdict.point.faults) else set()
    rivals_may_end |= {"failed", "completed"} if callers.rivals else set()
    for generation_id, item in generations.items():
        status, billed = item["status"]["S"], int(item.get("billed_micros", {"N": "0"})["N"])
        verdict.ends.append(status)
        if status not in {path.usual, *path.may_end, *rivals_may_end}:
            yield f"{generation_id} ended as {status}"
        if generation_id == stories.key_of("k") and status == "completed" and billed != path.billed_micros:
            yield f"{generation_id} was billed {billed}"
        if (asked := callers.prices_micros.get(generation_id)) and asked != int(item["held_micros"]["N"]):
            yield f"{generation_id} was held for another price than it was answered"
        paid = [one for one in provider.paid if one.rsplit("-", 1)[0] == generation_id]
        if len(paid) > path.paid_at_most:
            yield f"{generation_id} was paid for {len(paid)} times"
        yield from delivered(museway, generation_id, status)
    attempts = {f"{i['generation_id']['S']}-{i['attempt_no']['N']}" for i in items if i["sk"]["S"][:8] == "ATTEMPT#"}
    if len(provider.paid) != len(set(provider.paid)) or not set(provider.paid) <= attempts:
        yield f"paid for {provider.paid}, written ahead {sorted(attempts)}"
    yield from _money(callers, generations)


def delivered(museway: World, generation_id: str, status: str) -> Iterator[str]:
    """The end was told on the bus as what it is, and what was delivered is in the drive."""
    told = {
        e["DetailType"] for e in museway.store.events if json.loads(e["Detail"]).get("generation_id") == generation_id
    }
    if told != {f"Generation{status.capitalize()}"}:
        yield f"{generation_id} is {status} and was announced as {sorted(told)}"
    if status == "completed":
        shown = museway.generation(generation_id)["outputs"]
        kept = [one for one in shown if any(name.endswith(one["drive_path"]) for name in museway.store.files)]
        if not shown or kept != shown:
            yield f"{generation_id} is completed and has {len(kept)} of {len(shown)} outputs"


def _money(callers: Callers, generations: dict[str, dict[str, dict[str, str]]]) -> Iterator[str]:
    totals, account = callers.world.totals(), ledger.account_of(PROJECT)
    entries = [i for i in callers.world.store.tables["ledger"].values() if i["sk"]["S"] == "ENTRY"]
    back = sum(int(item["amount_micros"]["N"]) for item in entries if item["type"]["S"] == "refund")
    billed = sum(int(item.get("billed_micros", {"N": "0"})["N"]) for item in generations.values())
    if totals.granted_micros != callers.granted_micros or totals.spent_micros != billed - back or totals.held_micros:
        yield f"{totals} after {callers.granted_micros} granted, {billed} billed and {back} refunded"
    shards = [int(one.available_micros) for one in ledger.accounts.balances(account)]
    if any(shards[account.shard_count :]):
        yield f"{shards} are available on {account.shard_count} shards"


@functools.cache
def calls_of(path: str) -> tuple[str, ...]:
    """The calls that a path makes when nothing goes wrong."""
    verdict = Verdict(Point(path))
    calls = lived(verdict.point, verdict)
    if verdict.found:
        raise AssertionError(f"{path} breaks promises without any fault: {verdict.found}")
    return tuple(calls)


def single_crashes(path: str) -> Iterator[Point]:
    """A crash before and after every call. Nothing happens between a read and the next call, so dying after it is
    dying before that one."""
    for mode, (number, name) in itertools.product((RETRIED, DEAD), enumerate(calls_of(path))):
        for kind in ("crash_before",) if name in READS else ("crash_before", "crash_after"):
            yield Point(path, mode, ((number, kind),))


def other_faults(path: str) -> Iterator[Point]:
    """Errors, lost acknowledgements, repeats, conflicts and throttling at every call that can have them."""
    for number, name in enumerate(calls_of(path)):
        if name.startswith("provider."):
            continue  # an adapter never raises: what goes wrong with a provider is told in the scripts
        kinds = ["error_before"]
        if name not in READS:
            kinds += ["error_after", "repeated"]
        if name in OF_TABLES:
            kinds.append("throttle")
        for kind in kinds:
            yield Point(path, RETRIED, ((number, kind),))
        if name == "TransactWriteItems":
            for kind, times in itertools.product(("conflict", "throttle_one"), (FEW, MANY)):
                yield Point(path, RETRIED, ((number, f"{kind}*{times}"),))


def rivals(path: str) -> Iterator[Point]:
    """Somebody else acts just before each call."""
    for rival, number in itertools.product(PATHS[path].rivals, range(len(calls_of(path)))):
        yield Point(path, RETRIED, ((number, f"rival:{rival}"),))


def double_crashes(seed: int) -> Iterator[Point]:
    """Without end: a crash anywhere in any path, and another one after healing began."""
    draw = random.Random(seed)
    while True:
        path = draw.choice(list(PATHS))
        first = draw.randrange(len(calls_of(path)))
        # Healing makes calls that the path alone does not make.
        second = first + 1 + draw.randrange(len(calls_of(path)) + 10)
        kinds = [draw.choice(("crash_before", "crash_after")) for _ in range(2)]
        yield Point(path, draw.choice((RETRIED, DEAD)), ((first, kinds[0]), (second, kinds[1])))


def rivals_and_crashes(seed: int) -> Iterator[Point]:
    """Without end: a rival between two calls of a path, and a crash somewhere."""
    draw = random.Random(seed)
    while True:
        path = draw.choice(list(PATHS))
        count = len(calls_of(path))
        rival = (draw.randrange(count), f"rival:{draw.choice(PATHS[path].rivals)}")
        crash = (draw.randrange(count + 10), draw.choice(("crash_before", "crash_after")))
        if rival[0] != crash[0]:
            yield Point(path, draw.choice((RETRIED, DEAD)), (rival, crash))


def sampled(path: str, seed: int, count: int) -> list[Point]:
    """So many of the single faults of a path, drawn by a seed: what a quick run looks at."""
    every = [*single_crashes(path), *other_faults(path), *rivals(path)]
    return random.Random(f"{seed} {path}").sample(every, min(count, len(every)))
