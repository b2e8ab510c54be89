"""What callers are shown of their money: the balance, records and movements, and what records come to."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from gateway import ids, ledger, listings, tables
from gateway.auth import Principal
from gateway.errors import InvalidField, TooManyRecords
from gateway.money import exact, to_credits

GROUPS_MAX = 10_000
"""Groups that one answer holds: some 3 MB at the longest session ids, and Lambda answers with 6 at most."""
SESSION_RECORDS_MAX = 10_000
"""Records of a session that its cost is added up of: each one's refunds are read too, a hundred at a time."""
REFUNDS_AT_ONCE = 100

GROUPS: Mapping[str, Callable[[Mapping[str, Any]], str | None]] = {
    "model": lambda record: record["model"],
    "key": lambda record: record["key_id"],
    "session": lambda record: record["session_id"],
    "workflow": lambda record: record["workflow_id"],
    "day": lambda record: record["created_at"][:10],
}
"""What records can be grouped by, and the value that puts a record in its group; days are UTC days."""


@dataclass
class Sum:
    """What some records come to."""

    records: int = 0
    amount_micros: int = 0

    def add(self, amount_micros: int) -> None:
        """Count one record."""
        self.records += 1
        self.amount_micros += amount_micros

    def to_dict(self) -> dict[str, Any]:
        """As it is shown; credits are exact text, as in a record."""
        credits_text = exact(to_credits(self.amount_micros))
        return {"records": self.records, "amount_micros": self.amount_micros, "credits": credits_text}


def balance(principal: Principal) -> dict[str, Any]:
    """A project's money now, and what is counted under its spending limit and the key's own."""
    project, now = ledger.project_of(principal.project_id), ids.now()
    limits = ledger.limits_of(project, principal.key_id, principal.spending_limit)
    return ledger.totals(ledger.Account.of(project)).to_dict() | {
        "currency": project.currency,
        "limits": {one.scope: ledger.counted(one, now) for one in limits},
    }


def records(project_id: str, limit: int, cursor: str | None, since: str | None, until: str | None) -> dict[str, Any]:
    """A page of BillingRecords, newest first, exactly as they were frozen."""
    partitions = ledger.account_of(project_id).listings("RECORD")
    found, following = _page(tables.Record.by_listing, partitions, limit, cursor, listings.span(since, until))
    return {"items": [record.body for record in found], "next_cursor": following}


def entries(project_id: str, limit: int, cursor: str | None, since: str | None, until: str | None) -> dict[str, Any]:
    """A page of the ledger's movements, newest first."""
    partitions = ledger.account_of(project_id).listings("ENTRY")
    found, following = _page(tables.Entry.by_listing, partitions, limit, cursor, listings.span(since, until))
    return {"items": [ledger.entry_view(entry) for entry in found], "next_cursor": following}


def grouped(project_id: str, group_by: str, since: str | None, until: str | None) -> dict[str, Any]:
    """What a project's records come to by group, and in all: days from the first on, others from the dearest on.

    Records stay as they are when something is refunded, so refunds are not taken off here; `GET /v1/ledger` has them.
    Raises InvalidField for what there is no group by, TooManyRecords when there are too many of them, or of groups.
    """
    if group_by not in GROUPS:
        raise InvalidField(f"Records have no '{group_by[:40]}'.", field="group_by", allowed=list(GROUPS))
    span, group_of = listings.span(since, until), GROUPS[group_by]
    sums: dict[str | None, Sum] = {}
    total = Sum()
    for record in ledger.bounded(ledger.records(ledger.account_of(project_id), span)):
        sums.setdefault(group_of(record), Sum()).add(record["amount_micros"])
        total.add(record["amount_micros"])
        if len(sums) > GROUPS_MAX:
            message = f"That is more than the {GROUPS_MAX} groups that one answer can hold."
            raise TooManyRecords(message, code="too_many_groups", maximum=GROUPS_MAX)
    by_name = sorted(sums.items(), key=lambda item: item[0] or "")
    ordered = by_name if group_by == "day" else sorted(by_name, key=lambda item: -item[1].amount_micros)
    items = [{group_by: value} | group.to_dict() for value, group in ordered]
    return {"items": items, "next_cursor": None, "totals": total.to_dict()}


def session_cost(
    project_id: str, session_id: str, limit: int, cursor: str | None, since: str | None, until: str | None
) -> dict[str, Any]:
    """What one session cost, call by call, newest first, and in all, whatever page is shown.

    A call's `refunded_micros` is the sum of the ledger's entries of type `refund` for its generation, whenever they
    were made; `net_micros` is the charge without them. A session that nobody named costs nothing.
    """
    span = listings.span(since, until)
    partition = ledger.session_partition(project_id, session_id)
    found, following = _page(tables.Record.by_session, [partition], limit, cursor, span)
    refunds = ledger.refunded(record.body["generation_id"] for record in found)
    items = [_line_item(record.body, refunds) for record in found]
    return {
        "session_id": session_id,
        "items": items,
        "next_cursor": following,
        "totals": _session_totals(ledger.session_records(project_id, session_id, span)),
    }


def _session_totals(found: Iterable[dict[str, Any]]) -> dict[str, Any]:
    total, refunded_micros = Sum(), 0
    bounded = ledger.bounded(found, SESSION_RECORDS_MAX)
    while some := list(islice(bounded, REFUNDS_AT_ONCE)):
        refunded_micros += sum(ledger.refunded(record["generation_id"] for record in some).values())
        for record in some:
            total.add(record["amount_micros"])
    net_micros = total.amount_micros - refunded_micros
    return {
        "records": total.records,
        "amount_micros": total.amount_micros,
        "refunded_micros": refunded_micros,
        "net_micros": net_micros,
        "credits": exact(to_credits(net_micros)),
    }


def _line_item(record: Mapping[str, Any], refunds: Mapping[str, int]) -> dict[str, Any]:
    names = ("generation_id", "record_id", "model", "key_id", "lines", "amount_micros")
    refunded_micros = refunds.get(record["generation_id"], 0)
    return {name: record[name] for name in names} | {
        "refunded_micros": refunded_micros,
        "net_micros": record["amount_micros"] - refunded_micros,
        "created_at": record["created_at"],
    }


def _page(
    index: Any, partitions: list[str], limit: int, cursor: str | None, span: tuple[str, str]
) -> tuple[list[Any], str | None]:
    return tables.page(index, partitions, listings.checked_limit(limit), cursor, span)
