"""`make chaos`: the whole proof, in some processes, and what came of it in tests/RELIABILITY.md."""

import itertools
import os
import platform
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tests.chaos import points
from tests.chaos.points import Point, Verdict
from tests.chaos.scenarios import ENGINE, EVERYWHERE, SCENARIOS, Scenario
from tests.chaos.stories import PATHS

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "tests/RELIABILITY.md"
CRASHES = ("one crash", "two crashes", "a rival and a crash")
RIVALS_AND_CRASHES_PERCENT = 20
"""Of the crash points that are drawn by a seed; the others are two crashes in a row."""
SHOWN_MAX = 20
FRAMES_MAX = 3
ERROR_CHARACTERS_MAX = 300


@dataclass
class Run:
    """What was asked for and what came of it."""

    points_min: int
    runs: int
    seed: int
    processes: int
    verdicts: list[Verdict] = field(default_factory=list)
    engine_faults: dict[int, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def broken(self) -> list[Verdict]:
        """Points at which a promise was not kept."""
        return [verdict for verdict in self.verdicts if verdict.found]

    @property
    def groups(self) -> Counter[str]:
        """Points by what they count as."""
        return Counter(verdict.point.group for verdict in self.verdicts)

    @property
    def crash_points(self) -> int:
        """Points with at least one crash."""
        return sum(self.groups[group] for group in CRASHES)


def judged(point: Point) -> Verdict:
    """A point's verdict, also when the run itself broke."""
    try:
        return points.run(point)
    except Exception as broken:
        # Whatever broke is the finding; the other points are judged all the same.
        return Verdict(point, [], [broke_at(broken)])


def broke_at(error: BaseException) -> str:
    """What broke, in one line: the error and the last places of our own that it passed, from the root on."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(ROOT)]
    own = [frame for frame in frames if ".venv" not in frame.filename][-FRAMES_MAX:]
    places = [f"{Path(frame.filename).relative_to(ROOT)}:{frame.lineno} {frame.name}" for frame in own]
    inner = [broke_at(one) for one in getattr(error, "exceptions", ())]
    told = " ".join(str(error).replace(str(ROOT), "").split())[:ERROR_CHARACTERS_MAX]
    return "; ".join([f"{type(error).__name__}: {told} at {' < '.join(reversed(places))}", *inner])


def singles(path: str) -> list[Point]:
    """Everything that is enumerated of a path."""
    return [*points.single_crashes(path), *points.other_faults(path), *points.rivals(path)]


def drawn(seed: int, count: int) -> list[Point]:
    """So many crash points by a seed, none twice."""
    few = count * RIVALS_AND_CRASHES_PERCENT // 100
    found = dict.fromkeys(itertools.islice(points.rivals_and_crashes(seed), few))
    for point in points.double_crashes(seed):
        if len(found) >= count:
            return list(found)
        found[point] = None
    return []


def engine_run(seed: int) -> tuple[int, str]:
    """One run of the state machine; what broke, or nothing."""
    from tests.chaos import engine

    try:
        engine.run(seed)
    except BaseException as broken:
        # As above; Hypothesis may also raise groups.
        return seed, broke_at(broken)
    return seed, ""


def prove(run: Run) -> None:
    """Enumerate, draw and run everything, telling how far it is."""
    with ProcessPoolExecutor(run.processes, mp_context=get_context("spawn")) as pool:
        started = time.monotonic()
        enumerated = [point for found in pool.map(singles, PATHS) for point in found]
        crashes = sum(point.group in CRASHES for point in enumerated)
        if crashes > run.points_min:
            # Asked for less than there is: a share of everything.
            count = len(enumerated) * run.points_min // crashes
            enumerated = random.Random(run.seed).sample(enumerated, count)
        asked = enumerated + drawn(run.seed, max(run.points_min // 10, run.points_min - crashes))
        random.Random(run.seed).shuffle(asked)
        run.verdicts = list(_told("points", pool.map(judged, asked, chunksize=20), len(asked)))
        run.seconds["points"] = time.monotonic() - started
        started = time.monotonic()
        seeds = range(run.seed, run.seed + run.runs)
        ended = _told("runs", pool.map(engine_run, seeds), run.runs)
        run.engine_faults = {seed: fault for seed, fault in ended if fault}
        run.seconds["runs"] = time.monotonic() - started


def _told(what: str, results: Iterable[Any], count: int) -> Iterator[Any]:
    for number, result in enumerate(results, 1):
        if number % 1000 == 0 or number == count:
            print(f"{number} of {count} {what}", file=sys.stderr, flush=True)
        yield result


METHOD = """The real handlers run over the store's semantics in memory (`tests/chaos/store.py`, held against the
emulator call by call), in virtual time, with a scripted provider. Each path is lived once without a fault, its calls
are numbered, and it is lived again with a fault around one call or several. Then everything heals: the client repeats
its request under its key, the state machine tries again or its execution is dead and the reconciler finds it, the
stream delivers again. At the crash itself and at rest every invariant of `tests/invariants.py` must hold on the raw
tables; at rest also: every generation final and announced as what it is, every delivered output in the drive, no
submission paid for twice, the hold equal to the price that was answered, the bill equal to the price of what came,
every sum of the account exact, every BillingRecord recomputed by `museway verify`'s own code, nothing left on
shards that take no holds.

One point again: `python -m tests.chaos point 'delivered/dead/12-crash_before+30-crash_after'`.
One run again: `python -m tests.chaos run SEED`.
"""


def text(run: Run) -> str:
    """The report."""
    verdict = "No promise was broken" if not run.broken and not run.engine_faults else "Promises were broken"
    lines = [
        f"""# Reliability, proved by breaking it

Written by `make chaos POINTS={run.points_min} RUNS={run.runs} SEED={run.seed}`. {verdict}:
{run.crash_points:,} crash points, {len(run.verdicts) - run.crash_points:,} other faults and {run.runs:,} runs of the
state machine.

On {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {platform.system()} {platform.machine()}, Python {platform.python_version()},
{os.cpu_count()} processors, {run.processes} processes: {run.seconds["points"]:.0f} s for the points and
{run.seconds["runs"]:.0f} s for the runs.
""",
        METHOD,
        *_counts(run),
        *_paths(run),
        *_scenarios(run),
        *_engine(run),
        *_failures(run),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _counts(run: Run) -> Iterator[str]:
    yield from ("## Points by kind", "", "| kind | points | broken |", "|---|---:|---:|")
    broken = Counter(verdict.point.group for verdict in run.broken)
    how = {
        "one crash": "around calls of every path, before and after, retried and with the execution dead",
        "two crashes": f"drawn by seed {run.seed}: the second after healing began",
        "a rival and a crash": f"drawn by seed {run.seed}",
        "a rival between two calls": "any that the path may have, before calls of it",
        "conflicts and throttling": f"calls to tables; transactions {points.FEW} and {points.MANY} times in a row",
    }
    for group, count in sorted(run.groups.items()):
        note = f" ({how[group]})" if group in how else ""
        yield f"| {group}{note} | {count:,} | {broken[group]} |"
    yield ""


def _paths(run: Run) -> Iterator[str]:
    yield from ("## Points by path", "", "| path | calls | points | ended | broken |", "|---|---:|---:|---|---:|")
    for path in PATHS:
        of_path = [verdict for verdict in run.verdicts if verdict.point.path == path]
        ends = Counter(end for verdict in of_path for end in verdict.ends)
        told = ", ".join(f"{count:,} {end}" for end, count in ends.most_common())
        broken = sum(bool(verdict.found) for verdict in of_path)
        yield f"| {path} | {len(points.calls_of(path))} | {len(of_path):,} | {told} | {broken} |"
    yield ""


def _scenarios(run: Run) -> Iterator[str]:
    yield from (
        "## Scenarios",
        "",
        "| # | injected | what holds | where | points | broken |",
        "|---|---|---|---|---:|---:|",
    )
    for scenario in SCENARIOS:
        if scenario.not_built:
            yield f"| {scenario.number} | {scenario.injected} | | not built yet: {scenario.not_built} | | |"
            continue
        of_it = [verdict for verdict in run.verdicts if concerns(scenario, verdict.point)]
        names = {EVERYWHERE: "every path", ENGINE: "the state machine"}
        where = [names.get(path, path) for path in scenario.paths] + [f"`tests/{test}`" for test in scenario.tests]
        broken = sum(bool(verdict.found) for verdict in of_it)
        told = f"{len(of_it):,} | {broken}" if of_it else " | "
        yield f"| {scenario.number} | {scenario.injected} | {scenario.holds} | {'; '.join(where)} | {told} |"
    yield ""


def concerns(scenario: Scenario, point: Point) -> bool:
    """Whether a point injects a scenario."""
    here = point.path in scenario.paths or EVERYWHERE in scenario.paths
    return here and (
        not scenario.kinds or any(kind.startswith(begin) for _, kind in point.faults for begin in scenario.kinds)
    )


def _engine(run: Run) -> Iterator[str]:
    yield f"""## Runs of the state machine

{run.runs:,} runs of Hypothesis, each by a seed of its own, {run.seed} to {run.seed + run.runs - 1};
{len(run.engine_faults)} broke a promise. After every step all invariants hold on the raw tables, statuses have only
gone forward, and what was written once is as it was; at the end everything comes to rest.
"""


def _failures(run: Run) -> Iterator[str]:
    if not run.broken and not run.engine_faults:
        return
    yield from ("## Broken", "")
    for verdict in run.broken[:SHOWN_MAX]:
        yield f"- `{verdict.point}`: {'; '.join(verdict.found[:3])}"
    for seed, fault in list(run.engine_faults.items())[:SHOWN_MAX]:
        yield f"- run {seed}: `{fault}`"


def main(write: Callable[[str], object], run: Run) -> int:
    """Prove, write the report, answer the exit status."""
    prove(run)
    write(text(run))
    print(f"{run.crash_points} crash points, {len(run.verdicts)} points, {run.runs} runs by the seeds {run.seed} to "
          f"{run.seed + run.runs - 1}; broken: {len(run.broken)} points, {len(run.engine_faults)} runs")  # fmt: skip
    for verdict in run.broken[:SHOWN_MAX]:
        print(f"  python -m tests.chaos point '{verdict.point}'\n    {verdict.found[0]}")
    for seed in list(run.engine_faults)[:SHOWN_MAX]:
        print(f"  python -m tests.chaos run {seed}")
    return 1 if run.broken or run.engine_faults else 0
