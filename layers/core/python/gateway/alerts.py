"""Tells a project in time: when its balance gets low, and when a spending limit is near.

An alert is put on the bus first and noted then, so it is told at least once; what is told again carries the same
`id`. It is told once for each crossing: of a balance, which must recover before it can get low again, and of a
limit, which starts anew with its period. Another threshold, limit or percentage is another crossing.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from gateway import events, ids, ledger, projects, tables, telemetry
from gateway.spending import SpendingLimit, period_names


def check_call(project_id: str, key_id: str) -> int:
    """`check` for a project and the key of a call, read now. Raises NotFound for a project that is none."""
    return check(ledger.project_of(project_id), tables.ApiKey.find(key_id))


def check(project: tables.Project, key: tables.ApiKey | None = None) -> int:
    """Tell a project what has become low or near, of its own and of one key's; answers how many alerts were put.

    Costs nothing but reads, and only where there is a threshold or a limit.
    """
    count = _check_balance(project)
    if project.spending_limit is not None:
        count += _check_limit(project, None)
    if key is not None and key.spending_limit is not None:
        count += _check_limit(project, key)
    return count


def _check_balance(project: tables.Project) -> int:
    threshold_micros = projects.view(project)["alerts"]["balance_low_micros"]
    told = _told(project).get("balance_low")
    if threshold_micros is None and told is None:
        return 0
    available_micros = ledger.totals(ledger.Account.of(project)).available_micros
    is_low = threshold_micros is not None and available_micros < threshold_micros
    low_at_micros = threshold_micros if is_low else None
    if low_at_micros == (told and told["low_at_micros"]):
        return 0
    number = (told["number"] if told else 0) + is_low
    if is_low:
        detail = {
            "id": f"{project.project_id}.balance-low.{number}",
            "project_id": project.project_id,
            "available_micros": available_micros,
            "balance_low_micros": threshold_micros,
        }
        _put("BalanceLow", detail)
    _note(project, "balance_low", {"number": number, "low_at_micros": low_at_micros})
    return int(is_low)


def _check_limit(project: tables.Project, key: tables.ApiKey | None) -> int:
    """Tell of each period of a project's limit, or of one key's, that is near, once."""
    limited, now = key or project, ids.now()
    limit = SpendingLimit.from_dict(limited.spending_limit)
    of_project = ledger.Counter.of_project(project.project_id, limit)
    counter = ledger.Counter.of_key(key.key_id, limit) if key else of_project
    percent = projects.view(project)["alerts"]["limit_near_percent"]
    count = 0
    for period, limit_micros, counted_micros in _near(counter, percent, now):
        name = period_names(now)[period]
        crossing = f"{name}.{limit_micros}.{percent}"
        if _told(limited).get(period) == crossing:
            continue
        detail = {
            "id": f"{counter.counter_id}.limit-near.{crossing}",
            "project_id": project.project_id,
            "scope": counter.scope,
            "key_id": key.key_id if key else None,
            "period": period,
            "limit_micros": limit_micros,
            "counted_micros": counted_micros,
            "percent": percent,
        }
        _put("SpendingLimitNear", detail)
        _note(limited, period, crossing)
        count += 1
    return count


def _near(counter: ledger.Counter, percent: int, now: datetime) -> Iterator[tuple[str, int, int]]:
    """The periods of which so much is counted; a limit of nothing is no limit to come near to."""
    if not any(counter.limit.by_period().values()):
        return
    for period, sums in ledger.counted(counter, now).items():
        limit_micros, counted_micros = sums["limit_micros"], sums["counted_micros"] or 0
        if limit_micros and counted_micros * 100 >= limit_micros * percent:
            yield period, limit_micros, counted_micros


def _told(item: tables.Project | tables.ApiKey) -> dict[str, Any]:
    """What was told already, by what it was about."""
    return item.alerted or {}


def _note(item: tables.Project | tables.ApiKey, about: str, what: Any) -> None:
    """Remember what was told; whoever noted something else meanwhile is believed, and it is told again."""
    alerted = type(item).alerted
    item.change([alerted.set({**_told(item), about: what})], tables.unchanged(alerted, item.alerted))


def _put(detail_type: str, detail: dict[str, Any]) -> None:
    events.put(detail_type, detail)
    telemetry.logger.info("alert put on the bus", extra={"alert": detail_type, "alert_id": detail["id"]})
