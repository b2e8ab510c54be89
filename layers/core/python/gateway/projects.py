"""A project's settings: the currency it is billed in, what it may spend, and when it wants to be told."""

from collections.abc import Mapping
from typing import Any

from gateway import fx, ids, ledger, spending, tables
from gateway.errors import InvalidField, NotFound, Unavailable
from gateway.spending import SpendingLimit

LIMIT_NEAR_PERCENT = 80
"""The part of a limit at which a project is told, unless it says otherwise."""
_TRIES_MAX = 5


def settings(project_id: str) -> dict[str, Any]:
    """A project's settings. Raises NotFound."""
    return view(_find(project_id))


def change_settings(project_id: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Change the settings that are named, in objects too; null sets one back. Answers all of them.

    The values have the types of `gateway.api.accounts`. Raises InvalidField and NotFound.
    """
    for _ in range(_TRIES_MAX):
        project = _find(project_id)
        actions = _actions(project, changes)
        # Parts of an object that somebody else sets at the same time are not lost.
        as_read = tables.unchanged(tables.Project.spending_limit, project.spending_limit)
        as_read &= tables.unchanged(tables.Project.alerts, project.alerts)
        if not actions or project.change(actions, as_read):
            if project.spending_limit is not None:
                limit = SpendingLimit.from_dict(project.spending_limit)
                counter = ledger.Counter.of_project(project_id, limit)
                ledger.start_counting(ledger.Account.of(project), counter, ids.now())
            return view(project)
    raise Unavailable("These settings are being changed by others; nothing was changed.")


def view(project: tables.Project) -> dict[str, Any]:
    """The contract's shape of a project's settings, defaults filled in."""
    alerts = project.alerts or {}
    return {
        "currency": project.currency,
        "spending_limit": spending.shown(project.spending_limit),
        "alerts": {
            "balance_low_micros": alerts.get("balance_low_micros"),
            "limit_near_percent": alerts.get("limit_near_percent") or LIMIT_NEAR_PERCENT,
        },
    }


def _find(project_id: str) -> tables.Project:
    project = tables.Project.find(project_id)
    if project is None:
        raise NotFound("This key's project no longer exists.")
    return project


def _actions(project: tables.Project, changes: Mapping[str, Any]) -> list[Any]:
    """The updates of a project that some changes come to. Raises InvalidField."""
    actions = []
    if "currency" in changes:
        currency = fx.BASE if changes["currency"] is None else changes["currency"]
        if currency not in fx.CURRENCIES:
            reason = f"There is no account in '{currency}'."
            raise InvalidField(reason, field="currency", allowed=list(fx.CURRENCIES))
        actions.append(tables.Project.currency.set(currency))
    if "spending_limit" in changes:
        limit = spending.changed(project.spending_limit, changes["spending_limit"])
        actions += [] if limit is None else [tables.Project.spending_limit.set(limit)]
    if "alerts" in changes:
        alerts = changes["alerts"]
        kept = tables.Project.alerts
        actions.append(kept.remove() if alerts is None else kept.set({**(project.alerts or {}), **alerts}))
    return actions
