"""Processor time, percentiles, and the figures that a run comes to."""

import gc
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

RATIO = "x"


@dataclass(frozen=True)
class Figure:
    """One line of the results. `budget` is the most that `held` may be; None where nothing was promised."""

    name: str
    unit: str
    p50: float
    p95: float
    """Of counts, the most."""
    over: str
    """What was measured, and how often."""
    budget: float | None = None

    @property
    def held(self) -> float:
        """What is held against the budget: p95, but of a ratio, which two disturbed figures make, the median."""
        return self.p50 if self.unit == RATIO else self.p95

    @property
    def is_missed(self) -> bool:
        """Whether the budget is exceeded."""
        return self.budget is not None and self.held > self.budget


@dataclass(frozen=True)
class Section:
    """Figures of one subject, with what a reader must know of how they came about."""

    title: str
    told: str
    figures: Sequence[Figure]
    tables: str = ""
    """What two dimensions show better, in Markdown."""


def percentile(values: Iterable[float], percent: int) -> float:
    """The smallest value that so many percent of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def figure(name: str, unit: str, values: Sequence[float], over: str, budget: float | None = None) -> Figure:
    """A figure of many measurements."""
    return Figure(name, unit, percentile(values, 50), percentile(values, 95), over, budget)


def size(name: str, unit: str, value: float, over: str) -> Figure:
    """A figure that is the same each time."""
    return Figure(name, unit, value, value, over)


def most(name: str, counts: Sequence[int], over: str, budget: int | None = None) -> Figure:
    """A figure that is counted, and whose every case must fit the budget: the median, and the most."""
    return Figure(name, "", percentile(counts, 50), max(counts), over, budget)


def cpu_ms(action: Callable[[], object]) -> float:
    """Milliseconds of processor time that one call takes."""
    started = time.process_time_ns()
    action()
    return (time.process_time_ns() - started) / 1e6


def in_rounds(actions: Sequence[Callable[[], object]], rounds: int) -> list[float]:
    """Milliseconds of every action in every round. One round more goes before, which does not count."""
    for action in actions:
        action()
    # What lies about from before is no part of it; what the actions leave to be collected is.
    gc.collect()
    return [cpu_ms(action) for _ in range(rounds) for action in actions]


def child_ms(statements: str, environment: dict[str, str], *options: str) -> float:
    """Milliseconds of processor time that statements take in a Python of their own, whose start does not count."""
    script = f"import time; t = time.process_time_ns()\n{statements}\nprint((time.process_time_ns() - t) / 1e6)"
    command = [sys.executable, *options, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=120)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return float(done.stdout.split()[-1])


def machine() -> str:
    """The class of machine, without its name."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores of {platform.machine()}, {memory_gib:.0f} GiB, Python {platform.python_version()}"
