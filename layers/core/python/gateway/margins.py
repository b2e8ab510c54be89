"""What the operator keeps: what a project's calls brought in, less what their providers asked."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from gateway import ledger, listings
from gateway.errors import InvalidField

GROUPS = ("model", "offer", "provider")


@dataclass
class Margin:
    """What some records come to. Refunds are not taken off: records stay as they are."""

    records: int = 0
    revenue_micros: int = 0
    unknown_micros: int = 0
    """The part of the revenue whose calls cost what nobody knows; it is in no margin."""
    cost_micros: int = 0

    def add(self, record: Mapping[str, Any]) -> None:
        """Count one record."""
        amount_micros, cost_micros = int(record["amount_micros"]), record["provider_cost"]["amount_micros"]
        self.records += 1
        self.revenue_micros += amount_micros
        if cost_micros is None:
            self.unknown_micros += amount_micros
        else:
            self.cost_micros += int(cost_micros)

    def to_dict(self) -> dict[str, int]:
        """As the operator is shown it."""
        margin_micros = self.revenue_micros - self.unknown_micros - self.cost_micros
        return asdict(self) | {"margin_micros": margin_micros}


def report(project_id: str, group_by: str, since: str | None, until: str | None) -> dict[str, Any]:
    """A project's margin by model, offer or provider, the greatest revenue first.

    Raises InvalidField for what there is no group by or no time, NotFound.
    """
    if group_by not in GROUPS:
        raise InvalidField(f"Margins have no '{group_by[:40]}'.", field="group_by", allowed=list(GROUPS))
    found: dict[str, Margin] = {}
    for record in ledger.records(ledger.account_of(project_id), listings.span(since, until)):
        found.setdefault(record[group_by], Margin()).add(record)
    ordered = sorted(found.items(), key=lambda item: (-item[1].revenue_micros, item[0]))
    return {"project_id": project_id, "items": [{group_by: name} | one.to_dict() for name, one in ordered]}
