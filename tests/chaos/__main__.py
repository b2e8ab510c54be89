"""`python -m tests.chaos` [--points N] [--runs N] [--seed N]; `... point POINT`; `... run SEED`."""

import argparse
import os
import sys

from tests import conftest  # noqa: F401 - what must be set before anything of AWS is imported
from tests.chaos import engine, points, report


def parser() -> argparse.ArgumentParser:
    """What can be asked for."""
    made = argparse.ArgumentParser(prog="python -m tests.chaos", description="Break it everywhere, and look.")
    made.add_argument("--points", type=int, default=20_000, help="at least so many crash points")
    made.add_argument("--runs", type=int, default=500, help="runs of the state machine")
    made.add_argument("--seed", type=int, default=1, help="of what is drawn, and the first run's")
    made.add_argument("--processes", type=int, default=min(os.cpu_count() or 1, 8))
    one = made.add_subparsers(dest="one")
    one.add_parser("point", help="one point again").add_argument("which")
    one.add_parser("run", help="one run again").add_argument("which", type=int)
    return made


def main() -> int:
    """Do what was asked for; answers the exit status."""
    asked = parser().parse_args()
    if asked.one == "point":
        verdict = points.run(points.Point.parse(asked.which))
        print(f"ended {verdict.ends}", *(verdict.found or ["every promise was kept"]), sep="\n")
        return bool(verdict.found)
    if asked.one == "run":
        engine.run(asked.which)
        print("every promise was kept")
        return 0
    run = report.Run(asked.points, asked.runs, asked.seed, asked.processes)
    return report.main(report.REPORT.write_text, run)


if __name__ == "__main__":
    sys.exit(main())
