"""Measures everything and writes `RESULTS.md`: `make bench`."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from textwrap import fill

from gateway import catalog
from gateway.catalog.source import compile_catalog
from tests.bench import imports, listings, routes, shards, submits
from tests.bench.measuring import Figure, Section, machine
from tests.bench.wire import instead_of_aws

RESULTS = Path(__file__).with_name("RESULTS.md")
LATER = ("platform cost of one generation, priced from the calls made",)
"""Lines of the budget that nothing measures yet."""
WIDTH = 120
INTRODUCTION = """\
# What the performance budget comes to

Written by `make bench`; never a test. Times are processor time, which a busy machine disturbs less than the clock on
the wall, but for those of a delivery; p50 and p95 are of single calls. A budget is held against p95, of counts against
the most, of ratios against the median. Counts, ratios and the share of a budget that is used carry over to other
machines; Lambda gives a function of 1,769 MB one processor, and a smaller one its part of it.
"""


def main() -> None:
    """Measure, write, and say what misses its budget."""
    with _silent(), instead_of_aws() as wire:
        compiled = compile_catalog()
        catalog.publish(compiled)
        samples = routes.samples_of(catalog.current())
        sections = [submits.section(wire, samples), listings.section(wire), routes.section(compiled)]
    # Brings moto, whose objects would slow down every collection of garbage before.
    from tests.bench import delivery, transitions, write_units

    with _silent():
        sections += [imports.section(), transitions.section(), write_units.section(), shards.section()]
        sections.append(delivery.section())
    RESULTS.write_text(_written(sections))
    missed = [figure.name for section in sections for figure in section.figures if figure.is_missed]
    sys.stdout.write(f"{RESULTS.name} is written; budgets missed: {', '.join(missed) or 'none'}\n")


@contextmanager
def _silent() -> Iterator[None]:
    """Logs and metrics are written, since that costs time, but to nowhere."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def _written(sections: list[Section]) -> str:
    parts = [INTRODUCTION, f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {machine()}.\n"]
    for section in sections:
        rows = "\n".join(map(_row, section.figures))
        head = "| figure | budget | p50 | p95, or most | used | over |\n|---|--:|--:|--:|--:|---|"
        tables = f"\n{section.tables}\n" if section.tables else ""
        parts.append(f"## {section.title}\n\n{fill(section.told, WIDTH)}\n\n{head}\n{rows}\n{tables}")
    later = "\n".join(f"- {line}" for line in LATER)
    parts.append(f"## Not measured yet\n\n{later}\n")
    return "\n".join(parts)


def _row(figure: Figure) -> str:
    budget = "" if figure.budget is None else f"{_number(figure.budget)} {figure.unit}".rstrip()
    used = f"{figure.held / figure.budget:.0%}" if figure.budget else ""
    used = f"**{used} missed**" if figure.is_missed else used
    p50, p95 = (f"{_number(value)} {figure.unit}".rstrip() for value in (figure.p50, figure.p95))
    return f"| {figure.name} | {budget} | {p50} | {p95} | {used} | {figure.over} |"


def _number(value: float) -> str:
    if value == int(value):
        return str(int(value))
    return f"{value:.3f}" if value < 1 else f"{value:.2f}" if value < 10 else f"{value:.0f}"


if __name__ == "__main__":
    main()
