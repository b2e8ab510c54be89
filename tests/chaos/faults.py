"""What can go wrong around one call to the store, the state machine, the bus or a provider."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.store import cancelled, failure

Action = Callable[[], Any]
Fault = Callable[[str, Action], Any]


class Crash(BaseException):
    """The process dies here. Not an Exception: nothing may catch it."""


@dataclass
class Faults:
    """Counts calls, and has a fault around some of them, by their number; `at` and `when` name one crash."""

    at: int | None = None
    when: str = "before"
    plan: dict[int, Fault] = field(default_factory=dict)
    next_of: dict[str, list[Fault]] = field(default_factory=dict)
    """What goes wrong with the next calls of a name."""
    each_of: dict[str, Fault] = field(default_factory=dict)
    """What goes wrong with every call of a name."""
    calls: list[str] = field(default_factory=list)
    active: bool = False
    on_crash: Callable[[], None] | None = None
    """Looks at what a crash leaves behind, before anything heals it."""

    def around(self, name: str, action: Action) -> Any:
        """Do a call, or what has been planned around it."""
        if not self.active:
            return action()
        number = len(self.calls)
        self.calls.append(name)
        fault = self.plan.get(number, self.each_of.get(name))
        if number == self.at:
            fault = crash_before if self.when == "before" else crash_after
        if self.next_of.get(name):
            fault = self.next_of[name].pop()
        if fault is None:
            return action()
        try:
            return fault(name, action)
        except Crash:
            if self.on_crash:
                self.on_crash()
            raise


def crash_before(name: str, _action: Action) -> Any:
    """The process dies, and the call was not made."""
    raise Crash(name)


def crash_after(name: str, action: Action) -> Any:
    """The call was made; the process dies before it learns so."""
    action()
    raise Crash(name)


def error_before(name: str, _action: Action) -> Any:
    """The call fails and did nothing; the process lives on."""
    raise failure(name, "InternalServerError")


def error_after(name: str, action: Action) -> Any:
    """The call was made and its answer is an error: the acknowledgement is lost."""
    action()
    raise failure(name, "InternalServerError")


def repeated(_name: str, action: Action) -> Any:
    """The answer got lost on the wire and the SDK made the call again: what counts is the second answer."""
    action()
    return action()


def conflict(_name: str, _action: Action) -> Any:
    """Another transaction was at the same item."""
    raise cancelled(["TransactionConflict"])


def throttle(name: str, _action: Action) -> Any:
    """The table's capacity was exceeded, longer than the SDK repeats it by itself."""
    raise failure(name, "ProvisionedThroughputExceededException")


def throttle_one(_name: str, _action: Action) -> Any:
    """One item of a transaction was asked for too often."""
    raise cancelled(["ThrottlingError"])


def rival(act: Callable[[], object]) -> Fault:
    """Somebody else does something just before the call; what goes wrong there is theirs."""

    def fault(_name: str, action: Action) -> Any:
        act()
        return action()

    return fault
