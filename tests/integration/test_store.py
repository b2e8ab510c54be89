"""The store in memory answers as the emulator does, call by call, along every path."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.chaos.faults import Action
from tests.chaos.points import OF_TABLES
from tests.chaos.store import Store, cancelled
from tests.chaos.stories import PATHS, Callers
from tests.integration.world import world

UNLIKE = {"ResponseMetadata", "ConsumedCapacity", "LastEvaluatedKey", "ScannedCount", "Count", "UnprocessedItems"}
"""What nobody reads, or what the emulator leaves out on a page that is just full."""
TOLD = ("levelled", "limited while held", "batch under a key", "price and rate change", "refunded")
"""Together they make every kind of call there is."""


class Compared:
    """Does each call to a table twice, at the emulator and in memory, and compares the answers."""

    def __init__(self) -> None:
        self.store = Store.empty()
        self.compared: list[str] = []
        self.differing: list[str] = []

    def compare(self, operation: str, arguments: Any, action: Action) -> Any:
        """Answer as the emulator does."""
        if operation not in OF_TABLES:
            return action()
        here = self._answer(lambda: self.store.call(operation, arguments))
        there = self._answer(action)
        self.compared.append(operation)
        if operation == "Scan":  # in no order
            here, there = ({**one, "Items": sorted(one["Items"], key=str)} for one in (here, there))
        if _shown(here) != _shown(there):
            self.differing.append(f"{operation} {arguments}: {_shown(here)} is not {_shown(there)}")
        if isinstance(there, ClientError):
            raise there
        return there

    @staticmethod
    def _answer(action: Action) -> Any:
        try:
            return action()
        except ClientError as error:
            return error


def _shown(answer: Any) -> Any:
    if isinstance(answer, ClientError):
        reasons = [one["Code"] for one in answer.response.get("CancellationReasons", [])]
        return answer.response["Error"]["Code"], reasons
    shown = {name: value for name, value in answer.items() if name not in UNLIKE}
    return {name: value for name, value in shown.items() if value}


@pytest.mark.parametrize("path", TOLD)
def test_the_store_in_memory_answers_as_the_emulator(path: str) -> None:
    told, compared = PATHS[path], Compared()
    with world(told.environment, models={"nano-banana"}, changed=told.changed, compared=compared.compare) as museway:
        for name, value in told.provider.items():
            setattr(museway.provider, name, value)
        callers = Callers(museway)
        if told.before:
            told.before(callers)
        told.story(callers)
    assert callers.found == []
    assert compared.differing == []
    assert len(compared.compared) > 60


def test_a_transaction_that_was_cancelled_says_why_for_each_write() -> None:
    error = cancelled(["None", "TransactionConflict"])
    assert [one["Code"] for one in error.response["CancellationReasons"]] == ["None", "TransactionConflict"]
