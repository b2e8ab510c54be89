"""Concurrency: an invocation that finds no free slot waits for its turn instead of being throttled at once.

An account on AWS has 1,000 slots, this machine a dozen: what is throttled here would run there. First come, first
served; an invocation whose function is at its own limit lets others pass.
"""

import importlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

# After this long even a crowded machine has an answer to give, and the invocation is throttled as on AWS.
WAIT_SECONDS_MAX = 60.0

Acquire = Callable[[Any, Any], tuple[Any, Any]]


def install() -> None:
    """Put the queue in front of MiniStack's own accounting."""
    service: Any = importlib.import_module("ministack.services.lambda_svc")
    turns = Turns(service._acquire_execution_slot, service._release_execution_slot)
    service._acquire_execution_slot = turns.take
    service._release_execution_slot = turns.give_back


@dataclass(eq=False, slots=True)
class _Ticket:
    func: Any
    config: Any
    slot: Any = None
    granted: threading.Event = field(default_factory=threading.Event)


class Turns:
    """A queue for slots; `acquire` answers (slot, None), or (None, "function" | "account") when there is none."""

    def __init__(
        self, acquire: Acquire, release: Callable[[Any], None], wait_seconds: float = WAIT_SECONDS_MAX
    ) -> None:
        self._acquire = acquire
        self._release = release
        self._wait_seconds = wait_seconds
        self._guard = threading.Lock()
        self._waiting: list[_Ticket] = []

    def take(self, func: Any, config: Any) -> tuple[Any, Any]:
        """A slot, after those who came before; none when that takes too long."""
        ticket = _Ticket(func, config)
        with self._guard:
            self._waiting.append(ticket)
            self._serve()
        ticket.granted.wait(self._wait_seconds)
        with self._guard:
            if ticket.granted.is_set():
                return ticket.slot, None
            self._waiting.remove(ticket)
            return None, "account"

    def give_back(self, slot: Any) -> None:
        """Free a slot for the next one."""
        self._release(slot)
        with self._guard:
            self._serve()

    def _serve(self) -> None:
        for ticket in list(self._waiting):
            ticket.slot, limit = self._acquire(ticket.func, ticket.config)
            if ticket.slot is not None:
                self._waiting.remove(ticket)
                ticket.granted.set()
            elif limit == "account":
                return
