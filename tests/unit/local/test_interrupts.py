"""Ctrl-C waits for a shielded block, and is lost during the clean-up."""

import os
import signal

import pytest

from infra.local.interrupts import Interrupts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_each_signal_interrupts(number: signal.Signals) -> None:
    # Whatever started the tests may ignore some, as nohup does.
    former = signal.signal(number, signal.SIG_DFL)
    try:
        with pytest.raises(KeyboardInterrupt), Interrupts().handled():
            os.kill(os.getpid(), number)
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, former)


def test_under_nohup_a_closed_terminal_does_not_interrupt() -> None:
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupts().handled():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, former)


def test_a_shielded_block_ends_first() -> None:
    interrupts, done = Interrupts(), []

    def shielded() -> None:
        with interrupts.shielded():
            with interrupts.shielded():
                os.kill(os.getpid(), signal.SIGTERM)
            done.append("whole block")

    with interrupts.handled():
        with pytest.raises(KeyboardInterrupt):
            shielded()
        with interrupts.shielded():
            done.append("not raised twice")
    assert done == ["whole block", "not raised twice"]


def test_nothing_interrupts_the_clean_up() -> None:
    interrupts = Interrupts()
    with interrupts.handled():
        interrupts.ignore()
        os.kill(os.getpid(), signal.SIGINT)
