"""What was found: one `Difference` for each thing that is not as it should be."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

_SHOWN_MAX = 100


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not what it should be.

    `kind` says what `position` (from 1) counts: `record`, `entry` (of the ledger), `line` or `item` (that could
    not be read); of a whole `file` the position is 0. `generation_id` is None where there is none. `field` is a
    path such as `lines[0].amount`, empty for the thing itself; `expected` and `found` are for people to read.
    `file` names the file where several are checked.
    """

    position: int
    generation_id: str | None
    field: str
    expected: str
    found: str
    kind: str = "record"
    file: str = ""

    def __str__(self) -> str:
        where = f"{self.file}: " if self.file else ""
        if self.kind in {"record", "entry"}:
            where += f"{self.kind} {self.position} {self.generation_id or '(no generation_id)'}: "
        elif self.kind != "file":
            where += f"{self.kind} {self.position} "
        field = f"{self.field} " if self.field else ""
        return f"{where}{field}should be {self.expected}, is {self.found}"


class Findings:
    """Collects what one record, entry or manifest has wrong, as (field, expected, found)."""

    __slots__ = ("items",)

    def __init__(self) -> None:
        self.items: list[tuple[str, str, str]] = []

    def add(self, field: str, expected: object, found: object) -> None:
        """Note a field that is not as it should be."""
        self.items.append((field, str(expected), str(found)))

    def compare(self, field: str, expected: Decimal | int, found: Decimal | int | None) -> None:
        """Note a figure that differs; one that is malformed (None) was noted when it was read."""
        if found is not None and expected != found:
            self.add(field, _figure(expected), _figure(found))


def shown(value: Any) -> str:
    """A value as it was found, cut where nobody would read on."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):
        # Python shows neither an integer of thousands of digits nor what is nested without end.
        return f"a {type(value).__name__} that is too large to show"
    return text if len(text) <= _SHOWN_MAX else f"{text[: _SHOWN_MAX - 3]}..."


def _figure(value: Decimal | int) -> str:
    text = format(Decimal(value), "f")
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text
