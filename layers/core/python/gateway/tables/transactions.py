"""Writes that belong together."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pynamodb.exceptions import TransactWriteError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from gateway.errors import Unavailable
from gateway.tables.items import PASSING, Item, connection, pause

CONFLICT_RETRIES_MAX = 30
"""A transaction that met another on the same item is safe to repeat: every write in it is conditional. Short pauses,
many times, at most 3 seconds in all: what the simulated hot account (`make bench`) bears best."""


class ConditionFailed(Exception):
    """A conditional write found another state than it assumed; `labels` names the writes concerned."""

    def __init__(self, labels: frozenset[str]) -> None:
        super().__init__(f"condition failed: {', '.join(sorted(labels))}")
        self.labels = labels


class Transaction:
    """Writes that all happen or all do not. Every write carries a label and usually a condition."""

    def __init__(self) -> None:
        self._checks: list[tuple[str, dict[str, Any]]] = []
        self._puts: list[tuple[str, dict[str, Any]]] = []
        self._updates: list[tuple[str, dict[str, Any]]] = []

    def insert(self, label: str, item: Item) -> None:
        """Write an item that must not exist yet."""
        arguments = item.get_save_kwargs_from_instance(condition=type(item).pk.does_not_exist())
        self._puts.append((label, arguments))

    def update(self, label: str, item: Item, actions: Sequence[Action], condition: Condition | None) -> None:
        """Change an item that must fulfil the condition; without one it may also not be there yet."""
        arguments = item.get_update_kwargs_from_instance(actions=list(actions), condition=condition)
        self._updates.append((label, arguments))

    def check(self, label: str, item: Item, condition: Condition) -> None:
        """Have an item, which is not written here, fulfil the condition."""
        arguments = type(item).get_operation_kwargs_from_class(item.pk, item.sk, condition=condition)
        self._checks.append((label, arguments))

    def commit(self) -> None:
        """Write. Raises ConditionFailed with the labels concerned; conflicts are retried, then Unavailable."""
        for attempt in range(CONFLICT_RETRIES_MAX + 1):
            try:
                self._write()
                return
            except TransactWriteError as error:
                codes = [reason.code if reason else None for reason in error.cancellation_reasons]
                labels = [label for label, _ in (*self._checks, *self._puts, *self._updates)]
                failed = frozenset(
                    label for label, code in zip(labels, codes, strict=False) if code == "ConditionalCheckFailed"
                )
                if failed:
                    raise ConditionFailed(failed) from error
                if PASSING.isdisjoint(codes) and error.cause_response_code not in PASSING:
                    raise
            if attempt < CONFLICT_RETRIES_MAX:
                pause(attempt)
        raise Unavailable("The account is busy; nothing was changed.")

    def _write(self) -> None:
        connection().transact_write_items(
            condition_check_items=[arguments for _, arguments in self._checks],
            delete_items=[],
            put_items=[arguments for _, arguments in self._puts],
            update_items=[arguments for _, arguments in self._updates],
        )


@contextmanager
def transaction() -> Iterator[Transaction]:
    """Collect writes and commit them at the end of the block; nothing is written when the block raises."""
    writes = Transaction()
    yield writes
    writes.commit()
