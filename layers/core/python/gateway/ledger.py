"""Money moves here and nowhere else: grant, hold, settle, release. Two-phase, integer, refused by the store.

Every movement is an immutable entry, written in the same transaction as the balance it changes, so

    granted = available + held + spent      held = sum of open holds      spent = sum of BillingRecords

hold at every moment. `hold`, `settle` and `release` add their writes to a transaction that the caller
commits together with the generation's own change; nothing here commits by itself but `grant`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway import ids, tables
from gateway.errors import BadRequest, InvalidField
from gateway.money import number, to_credits

SHARD = 0
"""Every key carries a shard number; one shard serves an account until it is split."""

HOLD_SECONDS = 7 * 24 * 3600
"""A hold outlives the state machine's own timeout (2 days) by far; only the reconciler may then release it."""

OPEN, SETTLED, RELEASED = "open", "settled", "released"


@dataclass(frozen=True)
class Totals:
    """A project's money over all its shards, in micros."""

    granted_micros: int = 0
    available_micros: int = 0
    held_micros: int = 0
    spent_micros: int = 0

    def to_dict(self) -> dict[str, Any]:
        """As `GET /v1/balance` shows it."""
        return {
            "available_micros": self.available_micros,
            "held_micros": self.held_micros,
            "spent_micros": self.spent_micros,
            "granted_micros": self.granted_micros,
            "credits": number(to_credits(self.available_micros)),
            "currency": "USD",
            "limits": {},
        }


def totals(project_id: str) -> Totals:
    """A project's money now. One consistent read per shard."""
    balance = tables.Balance.find(project_id, SHARD)
    if balance is None:
        return Totals()
    return Totals(
        int(balance.granted_micros),
        int(balance.available_micros),
        int(balance.held_micros),
        int(balance.spent_micros),
    )


def grant(project_id: str, amount_micros: int, grant_id: str, note: str | None = None) -> Totals:
    """Give a project credits, once per `grant_id`: repeating a grant changes nothing.

    Raises InvalidField when the amount is not positive, BadRequest for a grant_id that gave another amount.
    """
    if amount_micros <= 0:
        raise InvalidField("A grant must be more than nothing.", field="amount_micros")
    now = ids.now()
    balance = tables.Balance.key(project_id, SHARD)
    balance.insert()
    entry = _entry(project_id, SHARD, "grant", amount_micros, f"grant-{project_id}#{grant_id}", now, note=note)
    try:
        with tables.transaction() as tx:
            tx.insert("grant", entry)
            tx.update(
                "balance",
                balance,
                [
                    tables.Balance.granted_micros.add(amount_micros),
                    tables.Balance.available_micros.add(amount_micros),
                ],
                tables.Balance.pk.exists(),
            )
    except tables.ConditionFailed:
        # This grant was made before; the balance already shows it.
        made = tables.Entry.find(entry.entry_id)
        if made is None or int(made.amount_micros) != amount_micros:
            raise BadRequest(
                "This grant_id was used for another amount.",
                code="grant_id_reused",
                field="grant_id",
                hint="Use a new grant_id for a new grant.",
            ) from None
    return totals(project_id)


def hold(tx: tables.Transaction, project_id: str, generation_id: str, amount_micros: int, now: datetime) -> None:
    """Reserve credits for a generation. The label `balance` fails when not enough are available."""
    stamp = ids.timestamp(now)
    tx.update(
        "balance",
        tables.Balance.key(project_id, SHARD),
        [tables.Balance.available_micros.add(-amount_micros), tables.Balance.held_micros.add(amount_micros)],
        tables.Balance.available_micros >= amount_micros,
    )
    item = tables.Hold.key(generation_id)
    item.generation_id = generation_id
    item.project_id = project_id
    item.shard = SHARD
    item.amount_micros = amount_micros
    item.status = OPEN
    item.expires_at = int(now.timestamp()) + HOLD_SECONDS
    item.created_at = stamp
    item.listing = listing(project_id, "HOLD")
    item.listed_at = f"{stamp}#{generation_id}"
    tx.insert("hold", item)
    tx.insert("entry", _entry(project_id, SHARD, "hold", amount_micros, f"hold-{generation_id}", now, generation_id))


def settle(tx: tables.Transaction, held: tables.Hold, record: Mapping[str, Any], now: datetime) -> None:
    """Turn a hold into a charge of at most its amount and write the BillingRecord; the rest returns.

    The label `hold` fails when the hold is no longer open. Raises ValueError for a charge above the hold:
    nothing that is frozen at the submit can lead there.
    """
    charge_micros = int(record["amount_micros"])
    held_micros = int(held.amount_micros)
    if not 0 <= charge_micros <= held_micros:
        raise ValueError(f"a charge of {charge_micros} does not fit a hold of {held_micros}")
    _close(tx, held, SETTLED, spent_micros=charge_micros, now=now)
    stamp = str(record["created_at"])
    item = tables.Record(
        f"RECORD#{held.generation_id}",
        "RECORD",
        body=dict(record),
        amount_micros=charge_micros,
        listing=listing(held.project_id, "RECORD"),
        listed_at=f"{stamp}#{held.generation_id}",
    )
    tx.insert("record", item)
    entry = _entry(
        held.project_id,
        int(held.shard),
        "settle",
        charge_micros,
        f"settle-{held.generation_id}",
        now,
        held.generation_id,
    )
    tx.insert("entry", entry)


def release(tx: tables.Transaction, held: tables.Hold, now: datetime) -> None:
    """Give a hold back whole. The label `hold` fails when the hold is no longer open."""
    _close(tx, held, RELEASED, spent_micros=0, now=now)
    entry = _entry(
        held.project_id,
        int(held.shard),
        "release",
        int(held.amount_micros),
        f"release-{held.generation_id}",
        now,
        held.generation_id,
    )
    tx.insert("entry", entry)


def listing(project_id: str, what: str) -> str:
    """The listing partition of a project's ENTRY, RECORD or (open) HOLD items; it carries the shard number."""
    return f"{project_id}#{SHARD:03}#{what}"


def _close(tx: tables.Transaction, held: tables.Hold, status: str, *, spent_micros: int, now: datetime) -> None:
    held_micros = int(held.amount_micros)
    tx.update(
        "hold",
        tables.Hold.key(held.generation_id),
        [
            tables.Hold.status.set(status),
            tables.Hold.closed_at.set(ids.timestamp(now)),
            tables.Hold.listing.remove(),
            tables.Hold.listed_at.remove(),
        ],
        tables.Hold.status == OPEN,
    )
    tx.update(
        "balance",
        tables.Balance.key(held.project_id, int(held.shard)),
        [
            tables.Balance.held_micros.add(-held_micros),
            tables.Balance.spent_micros.add(spent_micros),
            tables.Balance.available_micros.add(held_micros - spent_micros),
        ],
        tables.Balance.held_micros >= held_micros,
    )


def _entry(
    project_id: str,
    shard: int,
    type_: str,
    amount_micros: int,
    entry_id: str,
    now: datetime,
    generation_id: str | None = None,
    *,
    note: str | None = None,
) -> tables.Entry:
    stamp = ids.timestamp(now)
    return tables.Entry(
        f"ENTRY#{entry_id}",
        "ENTRY",
        entry_id=entry_id,
        project_id=project_id,
        shard=shard,
        type=type_,
        amount_micros=amount_micros,
        generation_id=generation_id,
        note=note,
        created_at=stamp,
        listing=listing(project_id, "ENTRY"),
        listed_at=f"{stamp}#{entry_id}",
    )
