"""Whether the money adds up: every equation of the ledger, recomputed from its items.

granted = available + held + spent          for the project and for each shard
granted = grants + adjustments + levelling  spent = settled - refunded      held = open holds
settled = BillingRecords                    refunds of a call <= its charge <= its hold
"""

import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from gateway import ledger, tables

LOOKS = 3
PAUSE_SECONDS = 1.0


def faults(project: tables.Project, *, with_records: bool = True) -> list[str]:
    """What does not add up in a project's ledger, in words; empty when every equation holds.

    Without records only balances and open holds are asked, which costs the same however long the project lives. The
    listings lag a moment behind the balance, so a difference is told only when a later look confirms it.
    """
    for _ in range(LOOKS - 1):
        if not _found(project, with_records):
            return []
        time.sleep(PAUSE_SECONDS)
    return _found(project, with_records)


def report(project: tables.Project) -> dict[str, Any]:
    """A project's money and every fault in it, for the operator."""
    account = ledger.Account.of(project)
    return {
        "project_id": project.project_id,
        "shards": account.shards_ever,
        **ledger.totals(account).to_dict(),
        "faults": faults(project),
    }


@dataclass
class _Sums:
    """What a shard's items come to, in micros."""

    granted: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    held: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    spent: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    settled_by_call: dict[str, int] = field(default_factory=dict)
    refunded_by_call: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    recorded_by_call: dict[str, int] = field(default_factory=dict)


def _found(project: tables.Project, with_records: bool) -> list[str]:
    account = ledger.Account.of(project)
    before = tables.Balance.all_of(account.project_id, account.shards_ever)
    sums = _sums(account, with_records)
    now = tables.Balance.all_of(account.project_id, account.shards_ever)
    if [_figures(one) for one in before] != [_figures(one) for one in now]:
        return []  # Money moved while we counted; the next run looks again.
    told = [fault for shard, balance in enumerate(now) for fault in _of_shard(shard, balance, sums, with_records)]
    told += _of_calls(sums) if with_records else []
    return [f"{project.project_id}: {fault}" for fault in told]


def _sums(account: ledger.Account, with_records: bool) -> _Sums:
    sums = _Sums()
    for held in tables.listed(tables.Hold.by_listing, account.listings("HOLD")):
        sums.held[int(held.shard)] += int(held.amount_micros)
    if not with_records:
        return sums
    for entry in tables.listed(tables.Entry.by_listing, account.listings("ENTRY")):
        shard, micros = int(entry.shard), int(entry.amount_micros)
        match entry.type:
            case "grant" | "adjust":
                sums.granted[shard] += micros
            case "settle":
                sums.spent[shard] += micros
                sums.settled_by_call[entry.generation_id] = micros
            case "refund":
                sums.spent[shard] -= micros
                sums.refunded_by_call[entry.generation_id] += micros
    for entry in tables.listed(tables.Entry.by_listing, account.listings("LEVEL")):
        for shard_text, micros in entry.moves.items():
            sums.granted[int(shard_text)] += int(micros)
    for record in tables.listed(tables.Record.by_listing, account.listings("RECORD")):
        sums.recorded_by_call[record.body["generation_id"]] = int(record.amount_micros)
    return sums


def _of_shard(shard: int, balance: tables.Balance, sums: _Sums, with_records: bool) -> Iterator[str]:
    granted, available, held, spent = _figures(balance)
    name = f"shard {shard}"
    if granted != available + held + spent:
        yield f"{name}: granted {granted} is not available + held + spent {available + held + spent}"
    if min(granted, available, held, spent) < 0:
        yield f"{name}: an amount is negative"
    if held != sums.held[shard]:
        yield f"{name}: held {held} is not the open holds' {sums.held[shard]}"
    if with_records and granted != sums.granted[shard]:
        yield f"{name}: granted {granted} is not the {sums.granted[shard]} of its grants, adjustments and levelling"
    if with_records and spent != sums.spent[shard]:
        yield f"{name}: spent {spent} is not the {sums.spent[shard]} of its settlements less refunds"


def _of_calls(sums: _Sums) -> Iterator[str]:
    for generation_id in sorted({*sums.settled_by_call, *sums.recorded_by_call}):
        settled, recorded = sums.settled_by_call.get(generation_id), sums.recorded_by_call.get(generation_id)
        if settled != recorded:
            yield f"{generation_id}: settled {settled}, recorded {recorded}"
    for generation_id, refunded in sums.refunded_by_call.items():
        if refunded > sums.settled_by_call.get(generation_id, 0):
            yield f"{generation_id}: refunded {refunded} of {sums.settled_by_call.get(generation_id, 0)}"


def _figures(balance: tables.Balance) -> tuple[int, int, int, int]:
    return (
        int(balance.granted_micros),
        int(balance.available_micros),
        int(balance.held_micros),
        int(balance.spent_micros),
    )
