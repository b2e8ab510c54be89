"""The store of faults: which one strikes, and when it is used up."""

from __future__ import annotations

from infra.sandbox import faults as module
from infra.sandbox.faults import MOMENTS, Fault, Faults, Moment


def names(faults: Faults) -> list[str]:
    return [fault.name for fault in faults.armed()]


def test_the_fault_armed_first_strikes_first() -> None:
    faults = Faults()
    faults.arm(Fault("*", "server_error", 1, ""))
    faults.arm(Fault("fal", "refuse", 1, ""))
    taken = [faults.take(Moment.SUBMISSION, "fal", "a fox") for _ in range(3)]
    assert [fault.name if fault else None for fault in taken] == ["server_error", "refuse", None]


def test_provider_moment_and_match_must_fit() -> None:
    faults = Faults()
    faults.arm(Fault("fal", "refuse", 1, "fox"))
    assert faults.take(Moment.SUBMISSION, "openai", "a fox") is None
    assert faults.take(Moment.ENDING, "fal", "a fox") is None
    assert faults.take(Moment.SUBMISSION, "fal", "a wolf") is None
    assert faults.take(Moment.SUBMISSION, "fal", "a fox") is not None


def test_explicit_skips_faults_without_a_match() -> None:
    faults = Faults()
    faults.arm(Fault("fal", "refuse", 1, ""))
    assert faults.take(Moment.SUBMISSION, "fal", "/requests/1/status", explicit=True) is None
    assert names(faults) == ["refuse"]


def test_webhook_faults_are_used_up_on_their_own() -> None:
    faults = Faults()
    faults.arm(Fault("fal", "forged_webhook", 1, ""))
    faults.arm(Fault("fal", "lost_webhook", None, ""))
    assert faults.take_named("lost_webhook", "fal", "a fox")
    assert faults.take_named("forged_webhook", "fal", "a fox")
    assert not faults.take_named("forged_webhook", "fal", "a fox")
    assert names(faults) == ["lost_webhook"]


def test_delay() -> None:
    faults = Faults()
    faults.arm(Fault("*", "slow", 1, ""))
    faults.arm(Fault("*", "slow", 1, "", seconds=0.5))
    assert [faults.take_delay("fal", "") for _ in range(3)] == [3.0, 0.5, 0.0]


def test_the_table_documents_every_fault_with_its_moment() -> None:
    assert module.__doc__ is not None
    rows = dict(line.split()[:2] for line in module.__doc__.splitlines() if line[:1].islower() and "  " in line)
    rows.pop("fault")
    assert rows == {**MOMENTS, "none": "-"}
