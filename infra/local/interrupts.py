"""Ctrl-C, SIGTERM and a closed terminal, in one form, and never between starting a process and noting it."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """While entered, each of these signals raises KeyboardInterrupt in the main thread.

    Inside `shielded()` it waits until the block is done; after `ignore()` it is lost, for the clean-up.
    """

    def __init__(self) -> None:
        self._shields = 0
        self._pending = False
        self._ignoring = False

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Install the handlers for the block, and put the former ones back."""
        # Under nohup a closed terminal is to be ignored; Ctrl-C is not, even where a script's shell says so.
        deaf = {signal.SIGHUP} if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else set()
        former = {number: signal.signal(number, self._receive) for number in _SIGNALS if number not in deaf}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)

    @contextmanager
    def shielded(self) -> Iterator[None]:
        """Hold interrupts back until the block has ended."""
        self._shields += 1
        try:
            yield
        finally:
            self._shields -= 1
            if self._pending and not self._shields:
                self._pending = False
                self._raise()

    def ignore(self) -> None:
        """From now on, nothing interrupts."""
        self._ignoring = True

    def _receive(self, _number: int, _frame: FrameType | None) -> None:
        if self._shields:
            self._pending = True
        else:
            self._raise()

    def _raise(self) -> None:
        if not self._ignoring:
            raise KeyboardInterrupt
