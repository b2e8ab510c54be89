"""Money moves here and nowhere else. Two-phase, integer, refused by the store.

Every movement is an immutable entry, written in the same transaction as the balance it changes, so

    granted = available + held + spent      held = sum of open holds      spent = sum of BillingRecords - refunds

hold at every moment, for a project and for each shard of its balance. Every movement is idempotent: its id is
derived from what it is for, and a repeat finds that it was made.

    accounts     where a project's money lies: shards, their levelling, growing and shrinking
    transfers    grant, adjust, refund; reserve (hold for one or many), settle, release
    counters     what was held and spent under a key's or a project's limit
    reading      records and movements, read again
"""

from gateway.ledger.accounts import (
    SHARDS_MAX,
    Account,
    Totals,
    account_of,
    insufficient,
    level,
    listing,
    project_of,
    resize,
    totals,
)
from gateway.ledger.counters import Counter, begin_counting, counted, limits_of, start_counting
from gateway.ledger.reading import (
    bounded,
    entries,
    entry_view,
    records,
    refunded,
    session_partition,
    session_records,
)
from gateway.ledger.transfers import (
    AMOUNT_MICROS_MAX,
    OPEN,
    RELEASED,
    SETTLED,
    Reservation,
    adjust,
    grant,
    hold_of,
    refund,
    release,
    reserve,
    settle,
)

__all__ = [
    "AMOUNT_MICROS_MAX", "OPEN", "RELEASED", "SETTLED", "SHARDS_MAX", "Account", "Counter", "Reservation", "Totals",
    "account_of", "adjust", "begin_counting", "bounded", "counted", "entries", "entry_view", "grant", "hold_of",
    "insufficient", "level", "limits_of", "listing", "project_of", "records", "refund", "refunded", "release",
    "reserve", "resize", "session_partition", "session_records", "settle", "start_counting", "totals",
]  # fmt: skip
