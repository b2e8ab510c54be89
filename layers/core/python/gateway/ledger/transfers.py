"""The movements of money. A failed condition is read back: what was done already is no failure.

grant, adjust        granted +-, available +-                               by the operator
reserve              available -> held           for one generation or many, in one transaction
settle               held -> spent, the rest -> available, and the BillingRecord
release              held -> available
refund               spent -> available          at most what was charged
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway import ids, tables
from gateway.errors import BadRequest, InvalidField, NotFound, Unavailable
from gateway.ledger import accounts, counters, reading
from gateway.ledger.accounts import Account, Totals
from gateway.ledger.counters import Counter

HOLD_SECONDS = 7 * 24 * 3600
"""A hold outlives the state machine's own timeout (2 days) by far; only the reconciler may then release it."""
AMOUNT_MICROS_MAX = 10**15
"""A billion dollars: what is above it is a mistake."""
RESERVE_TRIES_MAX = 8

OPEN, SETTLED, RELEASED = "open", "settled", "released"
BALANCE = "balance"
"""The label of the write that fails when not enough is available."""


@dataclass(frozen=True)
class Reservation:
    """What is to be held for one generation."""

    generation_id: str
    amount_micros: int


def grant(project_id: str, amount_micros: int, grant_id: str, note: str | None = None) -> Totals:
    """Give a project credits, once per `grant_id`: repeating a grant changes nothing.

    Raises InvalidField for an amount that is none, NotFound, BadRequest for a grant_id that gave another amount.
    """
    _check_amount(amount_micros, "amount_micros")
    return _granted("grant", project_id, amount_micros, f"grant-{project_id}#{grant_id}", "grant_id", note)


def adjust(project_id: str, amount_micros: int, adjust_id: str, note: str) -> Totals:
    """Correct what a project was granted, up or down, once per `adjust_id`.

    Raises InvalidField, NotFound, BadRequest for a reused adjust_id, InsufficientCredits when less is available.
    """
    _check_amount(abs(amount_micros) if type(amount_micros) is int else amount_micros, "amount_micros")
    return _granted("adjust", project_id, amount_micros, f"adjust-{project_id}#{adjust_id}", "adjust_id", note)


def refund(generation_id: str, amount_micros: int | None, refund_id: str, note: str | None = None) -> tables.Hold:
    """Give back what a generation was charged, or a part of it (None: all that is left), once per `refund_id`.

    The BillingRecord stays as it is; the refund is an entry of its own. Raises NotFound, BadRequest for a generation
    that was not charged, for more than is left of its charge (`refund_above_charge`), and for a reused refund_id.
    """
    held = hold_of(generation_id)
    entry_id = f"refund-{generation_id}#{refund_id}"
    if _was_made(entry_id, amount_micros, "refund_id"):
        return held
    charged_micros, refunded_micros = int(held.charged_micros or 0), int(held.refunded_micros or 0)
    if amount_micros is None:
        amount_micros = charged_micros - refunded_micros
    else:
        _check_amount(amount_micros, "amount_micros")
    if not 0 < amount_micros <= charged_micros - refunded_micros:
        raise BadRequest(
            "A refund cannot be above what is left of the charge.",
            code="refund_above_charge",
            field="amount_micros",
            hint="Name at most what was charged and not refunded yet.",
            charged_micros=charged_micros,
            refunded_micros=refunded_micros,
        )
    now, shard = ids.now(), int(held.shard)
    entry = _entry(held.project_id, shard, "refund", amount_micros, entry_id, now, generation_id, note=note)
    refunded = tables.Hold.refunded_micros.set(refunded_micros + amount_micros)
    # Neither refunded by another nor joined to the counter of a limit that was set meanwhile.
    unmoved = tables.unchanged(tables.Hold.refunded_micros, held.refunded_micros)
    unmoved &= tables.unchanged(tables.Hold.counters, held.counters)
    try:
        with tables.transaction() as tx:
            tx.insert("refund", entry)
            tx.update("hold", tables.Hold.key(generation_id), [refunded], unmoved)
            tx.update(
                BALANCE,
                tables.Balance.key(held.project_id, shard),
                [
                    tables.Balance.spent_micros.add(-amount_micros),
                    tables.Balance.available_micros.add(amount_micros),
                ],
                tables.Balance.spent_micros >= amount_micros,
            )
            counters.give_back(tx, held, amount_micros)
    except tables.ConditionFailed:
        if not _was_made(entry_id, amount_micros, "refund_id"):
            raise Unavailable("The charge changed just now; nothing was refunded.") from None
    return hold_of(generation_id)


def reserve(
    account: Account,
    key_id: str,
    reservations: Sequence[Reservation],
    limits: Sequence[Counter],
    now: datetime,
    accompany: Callable[[tables.Transaction], None] | None,
) -> None:
    """Hold credits for generations, all or none, in one transaction with what `accompany` adds to it.

    Without it the holds come first, as a batch, and their generations are inserted afterwards. Raises
    InsufficientCredits, SpendingLimitReached or Unavailable with nothing changed; tables.ConditionFailed when a hold
    is there already (label `hold`) or a write of `accompany` failed, for the caller to read back.
    """
    needed_micros = sum(one.amount_micros for one in reservations)
    shard = account.home(reservations[0].generation_id)
    for _ in range(RESERVE_TRIES_MAX):
        try:
            with tables.transaction() as tx:
                counters.count(tx, limits, needed_micros, now)
                _hold(tx, account.project_id, key_id, shard, reservations, limits, now, is_batch=accompany is None)
                if accompany is not None:
                    accompany(tx)
            return
        except tables.ConditionFailed as failed:
            limited = [one for one in limits if one.label in failed.labels]
            if failed.labels - {BALANCE} - {one.label for one in limited}:
                raise
            if BALANCE in failed.labels:
                shard = accounts.shard_with(account, needed_micros)
            elif refusal := counters.refusal(limited, needed_micros, now):
                raise refusal from None
    raise Unavailable("The account is busy; nothing was changed.")


def settle(tx: tables.Transaction, held: tables.Hold, record: Mapping[str, Any], now: datetime) -> None:
    """Turn a hold into a charge of at most its amount and write the BillingRecord; the rest returns.

    The label `hold` fails when the hold is no longer open. Raises ValueError for a charge above the hold, which
    `records.billing_record` caps.
    """
    charge_micros = int(record["amount_micros"])
    held_micros = int(held.amount_micros)
    if not 0 <= charge_micros <= held_micros:
        raise ValueError(f"a charge of {charge_micros} does not fit a hold of {held_micros}")
    _close(tx, held, SETTLED, charge_micros, now)
    session_id = record["session_id"]
    item = tables.Record(
        f"RECORD#{held.generation_id}",
        "RECORD",
        body=dict(record),
        amount_micros=charge_micros,
        listing=accounts.listing(held.project_id, int(held.shard), "RECORD"),
        listed_at=f"{record['created_at']}#{held.generation_id}",
        session=None if session_id is None else reading.session_partition(held.project_id, session_id),
    )
    tx.insert("record", item)


def release(tx: tables.Transaction, held: tables.Hold, now: datetime) -> None:
    """Give a hold back whole. The label `hold` fails when the hold is no longer open."""
    _close(tx, held, RELEASED, 0, now)


def hold_of(generation_id: str) -> tables.Hold:
    """The hold of a generation, read now. Raises NotFound."""
    held = tables.Hold.find(generation_id)
    if held is None:
        raise NotFound(f"There is no hold for '{generation_id[:80]}'.")
    return held


def _hold(
    tx: tables.Transaction,
    project_id: str,
    key_id: str,
    shard: int,
    reservations: Sequence[Reservation],
    limits: Sequence[Counter],
    now: datetime,
    *,
    is_batch: bool,
) -> None:
    stamp, total_micros = ids.timestamp(now), sum(one.amount_micros for one in reservations)
    tx.update(
        BALANCE,
        tables.Balance.key(project_id, shard),
        [tables.Balance.available_micros.add(-total_micros), tables.Balance.held_micros.add(total_micros)],
        tables.Balance.available_micros >= total_micros,
    )
    batch_id = ids.derived("batch", *(one.generation_id for one in reservations)) if is_batch else None
    single = None if is_batch else reservations[0].generation_id
    for one in reservations:
        item = tables.Hold.key(one.generation_id)
        item.generation_id, item.project_id, item.key_id, item.shard = one.generation_id, project_id, key_id, shard
        item.amount_micros, item.status, item.batch_id = one.amount_micros, OPEN, batch_id
        item.counters = [counter.counter_id for counter in limits] or None
        item.expires_at = int(now.timestamp()) + HOLD_SECONDS
        item.created_at = stamp
        item.listing = accounts.listing(project_id, shard, "HOLD")
        item.listed_at = f"{stamp}#{one.generation_id}"
        tx.insert(f"hold {one.generation_id}" if batch_id else "hold", item)
    entry_id = f"hold-{single or batch_id}"
    tx.insert("entry", _entry(project_id, shard, "hold", total_micros, entry_id, now, single))


def _close(tx: tables.Transaction, held: tables.Hold, status: str, charge_micros: int, now: datetime) -> None:
    """Close a hold with its entry: settled for a charge, or released."""
    held_micros, generation_id = int(held.amount_micros), held.generation_id
    returned_micros = held_micros - charge_micros
    tx.update(
        "hold",
        tables.Hold.key(generation_id),
        [
            tables.Hold.status.set(status),
            tables.Hold.charged_micros.set(charge_micros),
            tables.Hold.closed_at.set(ids.timestamp(now)),
            tables.Hold.listing.remove(),
            tables.Hold.listed_at.remove(),
        ],
        # A limit set meanwhile may have joined the hold to its counter; whoever closes it then reads it again.
        (tables.Hold.status == OPEN) & tables.unchanged(tables.Hold.counters, held.counters),
    )
    tx.update(
        BALANCE,
        tables.Balance.key(held.project_id, int(held.shard)),
        [
            tables.Balance.held_micros.add(-held_micros),
            tables.Balance.spent_micros.add(charge_micros),
            tables.Balance.available_micros.add(returned_micros),
        ],
        tables.Balance.held_micros >= held_micros,
    )
    counters.give_back(tx, held, returned_micros)
    type_, amount_micros = ("settle", charge_micros) if status == SETTLED else ("release", held_micros)
    entry_id = f"{type_}-{generation_id}"
    tx.insert("entry", _entry(held.project_id, int(held.shard), type_, amount_micros, entry_id, now, generation_id))


def _granted(type_: str, project_id: str, amount_micros: int, entry_id: str, id_field: str, note: str | None) -> Totals:
    """Move what a project was granted, once per entry."""
    account = accounts.account_of(project_id)
    shard = account.home(entry_id)
    tables.Balance.key(project_id, shard).insert()
    for _ in range(RESERVE_TRIES_MAX):
        available = tables.Balance.available_micros
        enough = tables.Balance.pk.exists() if amount_micros > 0 else available >= -amount_micros
        try:
            with tables.transaction() as tx:
                tx.insert("entry", _entry(project_id, shard, type_, amount_micros, entry_id, ids.now(), note=note))
                moved = [tables.Balance.granted_micros.add(amount_micros), available.add(amount_micros)]
                tx.update(BALANCE, tables.Balance.key(project_id, shard), moved, enough)
            break
        except tables.ConditionFailed:
            if _was_made(entry_id, amount_micros, id_field):
                break
            shard = accounts.shard_with(account, -amount_micros)
    else:
        raise Unavailable("The account is busy; nothing was changed.")
    return accounts.totals(account)


def _was_made(entry_id: str, amount_micros: int | None, id_field: str) -> bool:
    """Whether a movement was made before. Raises BadRequest when it was made with another amount."""
    made = tables.Entry.find(entry_id)
    if made is None:
        return False
    if amount_micros is not None and int(made.amount_micros) != amount_micros:
        raise BadRequest(
            f"This {id_field} was used for another amount.",
            code=f"{id_field}_reused",
            field=id_field,
            hint=f"Use a new {id_field}.",
        )
    return True


def _check_amount(amount_micros: Any, field: str) -> None:
    # type() and not isinstance: True is no amount.
    if type(amount_micros) is not int or not 1 <= amount_micros <= AMOUNT_MICROS_MAX:
        allowed = {"minimum": 1, "maximum": AMOUNT_MICROS_MAX}
        raise InvalidField(f"'{field}' must be a whole number of micros.", field=field, allowed=allowed)


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
        listing=accounts.listing(project_id, shard, "ENTRY"),
        listed_at=f"{stamp}#{entry_id}",
    )
