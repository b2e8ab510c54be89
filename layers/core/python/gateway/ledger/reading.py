"""What was written, read again: records and movements of an account, over all its shards, exactly as they stand.

Read from an index, so what was written in the last moments may still be missing.
"""

import time
from collections.abc import Iterable, Iterator
from typing import Any

from gateway import tables
from gateway.errors import TooManyRecords
from gateway.ledger.accounts import Account

RECORDS_MAX = 50_000
"""Records that one request may read: 4 s of a whole processor, and as long again for the store's hundred pages."""
SECONDS_MAX = 20.0
"""How long one request may read; API Gateway gives up after 30."""

Span = tuple[str, str]
"""Two positions of a listing, the second exclusive."""


def records(account: Account, span: Span) -> Iterator[dict[str, Any]]:
    """Every BillingRecord as it was frozen, oldest first, read as it is taken."""
    found = tables.listed(tables.Record.by_listing, account.listings("RECORD"), span)
    return (record.body for record in found)


def entries(account: Account, span: Span) -> Iterator[dict[str, Any]]:
    """Every movement as it is shown, oldest first, read as it is taken."""
    found = tables.listed(tables.Entry.by_listing, account.listings("ENTRY"), span)
    return (entry_view(entry) for entry in found)


def session_partition(project_id: str, session_id: str) -> str:
    """Where the records of one session of a project are listed."""
    return f"{project_id}#{session_id}"


def session_records(project_id: str, session_id: str, span: Span) -> Iterator[dict[str, Any]]:
    """Every BillingRecord of one session, oldest first, read as it is taken."""
    found = tables.listed(tables.Record.by_session, [session_partition(project_id, session_id)], span)
    return (record.body for record in found)


def refunded(generation_ids: Iterable[str]) -> dict[str, int]:
    """What was given back of each of these charges, in micros; those of which nothing was are left out."""
    found = tables.Hold.find_many((f"HOLD#{one}", "HOLD") for one in generation_ids)
    return {hold.generation_id: int(hold.refunded_micros) for hold in found if hold.refunded_micros}


def bounded(found: Iterable[dict[str, Any]], most: int = RECORDS_MAX) -> Iterator[dict[str, Any]]:
    """The same, as long as one request can bear it. Raises TooManyRecords for what is more or takes too long."""
    ends_at = time.monotonic() + SECONDS_MAX
    for number, record in enumerate(found):
        if number == most or time.monotonic() > ends_at:
            raise TooManyRecords(f"That is more than the {most} records that one answer can be made of.", maximum=most)
        yield record


def entry_view(entry: tables.Entry) -> dict[str, Any]:
    """A movement as callers see it and as it is exported."""
    return {
        "entry_id": entry.entry_id,
        "type": entry.type,
        "amount_micros": int(entry.amount_micros),
        "generation_id": entry.generation_id,
        "note": entry.note,
        "created_at": entry.created_at,
    }
