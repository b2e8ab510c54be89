"""What was held and spent under a limit. Counted in the very transaction that holds, so no two calls overshoot.

A hold is counted in full, in the day and month it was taken; settling gives back what was not charged, releasing
and refunding what returned, in those same periods. What is not limited is not counted.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from gateway import ids, spending, tables
from gateway.errors import SpendingLimitReached, Unavailable
from gateway.ledger.accounts import Account
from gateway.spending import SpendingLimit

JOIN_TRIES_MAX = 10
"""A call moves on a few times in its life, and this reads it again each time."""
_NAMED = {"day": "of the day", "month": "of the month", "total": "in all"}


@dataclass(frozen=True)
class Counter:
    """One limit and whose it is: a key's (`KEY#<key_id>`) or a project's (`PROJECT#<project_id>`)."""

    counter_id: str
    limit: SpendingLimit

    @property
    def scope(self) -> str:
        """`key` or `project`, as callers are told."""
        return self.counter_id.partition("#")[0].lower()

    @property
    def label(self) -> str:
        """What its write is called in a transaction."""
        return f"counter {self.counter_id}"

    def covers(self, project_id: str, key_id: str) -> bool:
        """Whether a call of this project and key counts here."""
        return self.counter_id in {f"KEY#{key_id}", f"PROJECT#{project_id}"}

    @classmethod
    def of_key(cls, key_id: str, limit: SpendingLimit) -> "Counter":
        """The counter of a key."""
        return cls(f"KEY#{key_id}", limit)

    @classmethod
    def of_project(cls, project_id: str, limit: SpendingLimit) -> "Counter":
        """The counter of a whole project."""
        return cls(f"PROJECT#{project_id}", limit)


def limits_of(project: tables.Project, key_id: str, key_limit: SpendingLimit | None) -> list[Counter]:
    """The limits that a call of a key counts under: the key's own and its project's, where they have one."""
    found = [] if key_limit is None else [Counter.of_key(key_id, key_limit)]
    if project.spending_limit is not None:
        found.append(Counter.of_project(project.project_id, SpendingLimit.from_dict(project.spending_limit)))
    return found


def count(tx: tables.Transaction, counters: Iterable[Counter], amount_micros: int, now: datetime) -> None:
    """Count a hold under each limit; the counter's label fails where there is no room for it.

    Raises SpendingLimitReached for what no counter could ever have room for.
    """
    names = spending.period_names(now)
    for counter in counters:
        bounds = {names[period]: most for period, most in counter.limit.by_period().items() if most is not None}
        if any(most < amount_micros for most in bounds.values()):
            # A counter that has not begun fulfils any condition, so what can never fit is refused here.
            raise refusal([counter], amount_micros, now) or ValueError("a limit below the amount has no room")
        room = tables.Spending.at_most({name: most - amount_micros for name, most in bounds.items()})
        item = tables.Spending.key(counter.counter_id)
        tx.update(counter.label, item, tables.Spending.add(names.values(), amount_micros), room)


def give_back(tx: tables.Transaction, held: tables.Hold, amount_micros: int) -> None:
    """Take off what a hold counted and will not be spent, in the periods that it was counted in."""
    if amount_micros == 0:
        return
    names = spending.period_names(ids.moment(held.created_at)).values()
    for counter_id in held.counters or ():
        item = tables.Spending.key(counter_id)
        tx.update(
            f"counter {counter_id}", item, tables.Spending.add(names, -amount_micros), tables.Spending.pk.exists()
        )


def refusal(counters: Iterable[Counter], needed_micros: int, now: datetime) -> SpendingLimitReached | None:
    """The first of these limits that has no room: whose, of which period, how much is left; None when all have."""
    names = spending.period_names(now)
    for counter in counters:
        sums = tables.Spending.counted(counter.counter_id)
        for period, most in counter.limit.by_period().items():
            counted_micros = sums.get(names[period], 0)
            if most is not None and counted_micros + needed_micros > most:
                return SpendingLimitReached(
                    f"The {counter.scope}'s limit {_NAMED[period]} leaves no room for this call.",
                    scope=counter.scope,
                    period=period,
                    limit_micros=most,
                    counted_micros=counted_micros,
                    needed_micros=needed_micros,
                )
    return None


def counted(counter: Counter, now: datetime) -> dict[str, dict[str, int | None]]:
    """By period, the limit and what is held and spent under it now."""
    names, sums = spending.period_names(now), tables.Spending.counted(counter.counter_id)
    return {
        period: {"limit_micros": most, "counted_micros": sums.get(names[period], 0)}
        for period, most in counter.limit.by_period().items()
    }


def begin_counting(tx: tables.Transaction, counter: Counter, now: datetime) -> None:
    """Have a key that is only being made counted from its beginning."""
    item = tables.Spending.key(counter.counter_id)
    item.since = item.based_at = ids.timestamp(now)
    item.base_micros = 0
    tx.insert("counter", item)


def start_counting(account: Account, counter: Counter, now: datetime) -> None:
    """Count what was held and spent before a key or a project got its first limit, once.

    Called after a limit is in force, so that new holds count themselves. Open holds of before are joined to the
    counter; records of before are added as they were settled. A call that was accepted in the very moment in which
    the limit was set may stay uncounted. Running it again after a crash finishes it; once done it is one read.
    """
    spent = tables.Spending
    item = spent.key(counter.counter_id)
    if (found := spent.find_at(item.pk, item.sk)) and found.based_at:
        return
    with suppress(tables.ConditionFailed), tables.transaction() as tx:
        tx.update("since", item, [spent.since.set(ids.timestamp(now))], spent.since.does_not_exist())
    since = str(item.reread().since)
    for held in tables.listed(tables.Hold.by_listing, account.listings("HOLD")):
        if counter.covers(held.project_id, held.key_id):
            _join(held, counter)
    sums: dict[str, int] = {}
    for record in tables.listed(tables.Record.by_listing, account.listings("RECORD")):
        if not counter.covers(record.body["project_id"], record.body["key_id"]):
            continue
        if record.listed_at < since:
            for name in spending.period_names(ids.moment(record.body["created_at"])).values():
                sums[name] = sums.get(name, 0) + int(record.amount_micros)
        elif held := tables.Hold.find(record.body["generation_id"]):
            # Open when counting began, settled before it was joined.
            _join(held, counter)
    actions = [action for name, micros in sums.items() for action in spent.add([name], micros)]
    actions += [spent.based_at.set(ids.timestamp(ids.now())), spent.base_micros.set(sums.get("total", 0))]
    with suppress(tables.ConditionFailed), tables.transaction() as tx:
        tx.update("base", item, actions, spent.based_at.does_not_exist())


def _join(held: tables.Hold, counter: Counter) -> None:
    """Have a hold of before counted from now on, with what it holds or came to; one that moves on is read again."""
    for _ in range(JOIN_TRIES_MAX):
        if counter.counter_id in (held.counters or ()):
            return
        charge_micros = int(held.charged_micros or 0) - int(held.refunded_micros or 0)
        counts_micros = int(held.amount_micros) if held.closed_at is None else charge_micros
        names = spending.period_names(ids.moment(held.created_at)).values()
        try:
            with tables.transaction() as tx:
                joined = [*(held.counters or ()), counter.counter_id]
                condition = tables.Hold.status == held.status
                condition &= tables.unchanged(tables.Hold.counters, held.counters)
                condition &= tables.unchanged(tables.Hold.refunded_micros, held.refunded_micros)
                tx.update("hold", tables.Hold.key(held.generation_id), [tables.Hold.counters.set(joined)], condition)
                item = tables.Spending.key(counter.counter_id)
                tx.update("counter", item, tables.Spending.add(names, counts_micros), None)
            return
        except tables.ConditionFailed:
            held = held.reread()
    raise Unavailable("A call of before keeps changing; set the limit again and it is counted.")
