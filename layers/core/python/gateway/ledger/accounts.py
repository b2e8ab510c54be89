"""Where a project's money lies: one balance, or several shards of it.

One item takes some 25 transactions a second before they get into each other's way, so a busy account is split. A
hold comes from a shard that has enough, and is settled there; when no shard has enough though all together have,
they are levelled. What a shard is given or loses it is also granted or deprived of, so each shard's own equation
holds. A shard that takes no holds any more (the account was shrunk) keeps its history and gives away what returns.
"""

import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from gateway import ids, tables
from gateway.errors import Conflict, InsufficientCredits, InvalidField, NotFound, Unavailable
from gateway.money import number, to_credits

SHARDS_MAX = 64
"""All are read in one transaction, which takes 100 items."""
LEVEL_TRIES_MAX = 8


@dataclass(frozen=True)
class Account:
    """How many shards of a project take holds now, and how many there ever were."""

    project_id: str
    shard_count: int = 1
    shards_ever: int = 1

    @classmethod
    def of(cls, project: tables.Project) -> "Account":
        """The account of a project as it is stored."""
        count = int(project.shard_count)
        return cls(project.project_id, count, max(count, int(project.shards_ever or 1)))

    def home(self, reference: str) -> int:
        """The shard that something goes to first: always the same one for the same thing."""
        return zlib.crc32(reference.encode()) % self.shard_count

    def listings(self, what: str) -> list[str]:
        """The listing partitions of the project's ENTRY, RECORD, LEVEL or (open) HOLD items."""
        return [listing(self.project_id, shard, what) for shard in range(self.shards_ever)]


@dataclass(frozen=True)
class Totals:
    """A project's money over all its shards, in micros."""

    granted_micros: int = 0
    available_micros: int = 0
    held_micros: int = 0
    spent_micros: int = 0

    @classmethod
    def over(cls, balances: Sequence[tables.Balance]) -> "Totals":
        """The sums of some shards."""
        names = ("granted_micros", "available_micros", "held_micros", "spent_micros")
        return cls(*(sum(int(getattr(balance, name)) for balance in balances) for name in names))

    def to_dict(self) -> dict[str, Any]:
        """As `GET /v1/balance` shows it."""
        return {
            "available_micros": self.available_micros,
            "held_micros": self.held_micros,
            "spent_micros": self.spent_micros,
            "granted_micros": self.granted_micros,
            "credits": number(to_credits(self.available_micros)),
        }


def project_of(project_id: str) -> tables.Project:
    """The project of an id, read now. Raises NotFound."""
    project = tables.Project.find(project_id)
    if project is None:
        raise NotFound(f"There is no project '{project_id}'.")
    return project


def account_of(project_id: str) -> Account:
    """The account of a project. Raises NotFound."""
    return Account.of(project_of(project_id))


def balances(account: Account) -> list[tables.Balance]:
    """Every shard's balance; see `tables.Balance.all_of`."""
    return tables.Balance.all_of(account.project_id, account.shards_ever)


def totals(account: Account) -> Totals:
    """A project's money now."""
    return Totals.over(balances(account))


def listing(project_id: str, shard: int, what: str) -> str:
    """The partition of the listing that one shard's items of a kind stand in."""
    return f"{project_id}#{shard:03}#{what}"


def shard_with(account: Account, needed_micros: int) -> int:
    """A shard that has so much available, after levelling if need be.

    Raises InsufficientCredits when all together have less, Unavailable when others keep taking what was levelled.
    """
    short_before = False
    for _ in range(LEVEL_TRIES_MAX):
        found = balances(account)
        open_shards = range(account.shard_count)
        richest = max(open_shards, key=lambda shard: int(found[shard].available_micros))
        if int(found[richest].available_micros) >= needed_micros:
            return richest
        available_micros = Totals.over(found).available_micros
        if available_micros < needed_micros:
            # What was levelled while the shards were read may have been seen in neither; and where the account was
            # resized meanwhile, money lies on shards that were not asked.
            account, former = account_of(account.project_id), account
            if account == former and (short_before or account.shards_ever == 1):
                raise insufficient(needed_micros, available_micros)
            short_before = True
        elif _moved(account, richest, found, needed_micros):
            return richest
    raise Unavailable("The account is busy; nothing was changed.")


def insufficient(needed_micros: int, available_micros: int) -> InsufficientCredits:
    """The refusal of what the balance does not cover."""
    return InsufficientCredits(
        "The balance does not cover this call.",
        needed_micros=needed_micros,
        available_micros=available_micros,
        needed_credits=number(to_credits(needed_micros)),
        available_credits=number(to_credits(available_micros)),
    )


def level(account: Account) -> int:
    """Bring what lies on former shards to those that take holds, and give those that are poor their equal share.

    So no hold has to look for a shard that has enough while another is rich. Answers the micros moved.
    """
    has_micros = [int(balance.available_micros) for balance in balances(account)]
    share_micros = sum(has_micros) // account.shard_count
    moved_micros = 0
    for shard in range(account.shard_count):
        if has_micros[shard] >= share_micros // 2:
            continue
        spare = {
            other: micros - (share_micros if other < account.shard_count else 0)
            for other, micros in enumerate(has_micros)
        }
        amounts = _taken(spare, share_micros - has_micros[shard])
        if not _move(account, shard, amounts):
            continue
        for other, micros in amounts.items():
            has_micros[other] -= micros
            has_micros[shard] += micros
        moved_micros += sum(amounts.values())
    stranded = {shard: has_micros[shard] for shard in range(account.shard_count, len(has_micros)) if has_micros[shard]}
    if stranded and _move(account, 0, stranded):
        moved_micros += sum(stranded.values())
    return moved_micros


def resize(project_id: str, shard_count: int) -> Account:
    """Have a project's money in so many shards from now on, while traffic runs; answers its new account.

    Holds of before are settled where they were taken. Raises InvalidField, NotFound, Conflict when somebody else
    resized it at the same time.
    """
    if type(shard_count) is not int or not 1 <= shard_count <= SHARDS_MAX:
        allowed = {"minimum": 1, "maximum": SHARDS_MAX}
        raise InvalidField("'shard_count' is out of range.", field="shard_count", allowed=allowed)
    project = project_of(project_id)
    before = Account.of(project)
    after = Account(project_id, shard_count, max(shard_count, before.shards_ever))
    for shard in range(shard_count):
        tables.Balance.key(project_id, shard).insert()
    changed = project.change(
        [tables.Project.shard_count.set(after.shard_count), tables.Project.shards_ever.set(after.shards_ever)],
        condition=tables.Project.shard_count == before.shard_count,
    )
    # Found as it was asked for, it is our own write whose answer was lost.
    if not changed and Account.of(project_of(project_id)) != after:
        raise Conflict("The account was resized by somebody else.", code="account_resized")
    with suppress(Unavailable):
        # Where others keep taking what was to be moved, the reconciler goes on with it.
        level(after)
    return after


def _moved(account: Account, to_shard: int, found: Sequence[tables.Balance], needed_micros: int) -> bool:
    """Bring a shard up to what is needed, and to the mean where that is more, from the richest others."""
    has_micros = {shard: int(balance.available_micros) for shard, balance in enumerate(found)}
    goal_micros = max(needed_micros, sum(has_micros.values()) // account.shard_count)
    gap_micros = goal_micros - has_micros.pop(to_shard)
    return _move(account, to_shard, _taken(has_micros, gap_micros))


def _taken(spare: Mapping[int, int], wanted_micros: int) -> dict[int, int]:
    """What to take from whom, the richest first, to come to an amount."""
    amounts: dict[int, int] = {}
    for shard, micros in sorted(spare.items(), key=lambda item: -item[1]):
        if wanted_micros <= 0 or micros <= 0:
            break
        amounts[shard] = min(wanted_micros, micros)
        wanted_micros -= amounts[shard]
    return amounts


def _move(account: Account, to_shard: int, amounts: dict[int, int]) -> bool:
    """Level: take from shards what they have, in one transaction; False when one of them has it no more."""
    now, total_micros = ids.now(), sum(amounts.values())
    entry_id, stamp = ids.fresh("level"), ids.timestamp(now)
    entry = tables.Entry(
        f"ENTRY#{entry_id}",
        "ENTRY",
        entry_id=entry_id,
        project_id=account.project_id,
        shard=to_shard,
        type="level",
        amount_micros=total_micros,
        moves={str(shard): -micros for shard, micros in amounts.items()} | {str(to_shard): total_micros},
        created_at=stamp,
        listing=listing(account.project_id, to_shard, "LEVEL"),
        listed_at=f"{stamp}#{entry_id}",
    )
    granted, available = tables.Balance.granted_micros, tables.Balance.available_micros
    try:
        with tables.transaction() as tx:
            tx.insert("level", entry)
            for shard, micros in {**{s: -m for s, m in amounts.items()}, to_shard: total_micros}.items():
                tx.update(
                    f"balance#{shard}",
                    tables.Balance.key(account.project_id, shard),
                    [granted.add(micros), available.add(micros)],
                    tables.Balance.pk.exists() if micros > 0 else available >= -micros,
                )
    except tables.ConditionFailed:
        return False
    return True
