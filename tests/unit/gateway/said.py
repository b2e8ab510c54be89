"""What `gateway.catalog.changes` says of two versions of the fox."""

from datetime import date

from gateway.catalog.changes import Change, changes
from tests.unit.gateway.fox import Changed, compiled

TODAY = date(2026, 11, 21)


def differing(old: tuple[Changed, ...], new: tuple[Changed, ...]) -> list[Change]:
    """The changes between two versions of the fox."""
    return changes(compiled(*old), compiled(*new), TODAY)


def said(*new: Changed, old: tuple[Changed, ...] = ()) -> list[tuple[str, bool]]:
    """The sentences without the model's name, and whether each breaks something."""
    return [(one.sentence.removeprefix("fox-1: "), one.breaking) for one in differing(old, new)]
