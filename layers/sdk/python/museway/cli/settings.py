"""Commands that speak of the project's settings: show, set."""

from typing import Annotated, Any

import typer

from museway.cli._context import make_client
from museway.cli._inputs import NONE, given_limits, invalid_argument, parse_usd
from museway.cli._output import limits, money, say_json, say_pairs
from museway.cli.generation import AsJson
from museway.cli.keys import Usd

settings = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@settings.command("show")
def show(as_json: AsJson = False) -> None:
    """Show the project's settings."""
    with make_client() as client:
        _show(client.settings(), as_json)


@settings.command("set")
def change(
    currency: Annotated[str | None, typer.Option(metavar="CODE", help="Such as EUR; none is USD.")] = None,
    day_usd: Usd = None,
    month_usd: Usd = None,
    total_usd: Usd = None,
    balance_low_usd: Annotated[
        str | None, typer.Option(metavar="USD", help="Tell when less is available, or none.")
    ] = None,
    limit_near_percent: Annotated[
        str | None, typer.Option(metavar="N", help="Tell when so much of a limit is used; none is 80.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Change what is named; everything else stays, and none sets a thing back."""
    changes: dict[str, Any] = {}
    if currency is not None:
        changes["currency"] = None if currency.lower() == NONE else currency.upper()
    if limit := given_limits(day_usd, month_usd, total_usd):
        changes["spending_limit"] = limit
    alerts: dict[str, int | None] = {}
    if balance_low_usd is not None:
        alerts["balance_low_micros"] = parse_usd("balance-low-usd", balance_low_usd)
    if limit_near_percent is not None:
        alerts["limit_near_percent"] = _percent(limit_near_percent)
    if alerts:
        changes["alerts"] = alerts
    if not changes:
        raise invalid_argument(
            "Nothing was named to be set.", hint="Write: museway settings set --currency EUR --month-usd 500"
        )
    with make_client() as client:
        _show(client.change_settings(**changes), as_json)


def _percent(text: str) -> int | None:
    if text.lower() == NONE:
        return None
    if not (text.isascii() and text.isdigit()):
        raise invalid_argument(
            f"{text!r} is not a percentage.",
            hint="Give a whole number from 1 to 100, or none.",
            field="limit-near-percent",
        )
    return int(text)


def _show(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        say_json(found)
        return
    alerts = found.get("alerts") or {}
    low_micros = alerts.get("balance_low_micros")
    say_pairs(
        [
            ("currency", found.get("currency")),
            ("limit", limits(found.get("spending_limit")) or NONE),
            ("balance low", NONE if low_micros is None else f"below {money(low_micros)}"),
            ("limit near", f"at {alerts.get('limit_near_percent')} %"),
        ]
    )
