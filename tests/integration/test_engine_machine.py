"""The whole engine under everything at once: some of the runs that `make chaos` makes."""

from hypothesis.stateful import run_state_machine_as_test

from tests.chaos.engine import Engine, asked_for


def test_the_engine_keeps_its_promises_whatever_happens() -> None:
    run_state_machine_as_test(Engine, settings=asked_for(25, 30, derandomize=True))
