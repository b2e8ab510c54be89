"""Commands that speak of API keys: list, create, show, limit, revoke."""

from typing import Annotated, Any

import typer

from museway.cli._context import make_client
from museway.cli._inputs import given_limits, invalid_argument, parse_names
from museway.cli._output import limits, say, say_json, say_pairs, say_table
from museway.cli.generation import AsJson

KeyId = Annotated[str, typer.Argument(metavar="KEY_ID", help="As `museway keys list` shows it.")]
Usd = Annotated[str | None, typer.Option(metavar="USD", help="The most that may be spent in that time (UTC), or none.")]

keys = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@keys.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """List the project's keys, newest first, with those that expired or were revoked."""
    with make_client() as client:
        items = client.keys()
    if as_json:
        say_json({"items": items})
        return
    rows = [
        (
            item.get("key_id"),
            item.get("name"),
            " ".join(item.get("scopes") or []),
            limits(item.get("spending_limit")),
            item.get("expires_at"),
            item.get("revoked_at"),
        )
        for item in items
    ]
    say_table(("key_id", "name", "scopes", "limit", "expires_at", "revoked_at"), rows)


@keys.command("create")
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is for.")],
    scopes: Annotated[str | None, typer.Option(metavar="A,B", help="What it may do, of what your key may do.")] = None,
    day_usd: Usd = None,
    month_usd: Usd = None,
    total_usd: Usd = None,
    expires_at: Annotated[str | None, typer.Option(metavar="TIME", help="An ISO 8601 time; default: never.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key, which is shown this once."""
    limit = given_limits(day_usd, month_usd, total_usd)
    with make_client() as client:
        made = client.create_key(name, scopes=parse_names(scopes), spending_limit=limit or None, expires_at=expires_at)
    show_new_key(made, as_json)


@keys.command("show")
def show(key_id: KeyId, as_json: AsJson = False) -> None:
    """Show what a key may do and spend; never the key itself."""
    with make_client() as client:
        _show(client.key(key_id), as_json)


@keys.command("limit")
def limit(
    key_id: KeyId, day_usd: Usd = None, month_usd: Usd = None, total_usd: Usd = None, as_json: AsJson = False
) -> None:
    """Limit what a key may spend. What is not named stays; none takes a limit off."""
    given = given_limits(day_usd, month_usd, total_usd)
    if not given:
        raise invalid_argument(
            "Nothing was named to be limited.", hint="Write: museway keys limit KEY_ID --day-usd 5 --month-usd none"
        )
    with make_client() as client:
        _show(client.change_key(key_id, spending_limit=given), as_json)


@keys.command("revoke")
def revoke(key_id: KeyId, as_json: AsJson = False) -> None:
    """Refuse a key from now on, for good."""
    with make_client() as client:
        _show(client.revoke_key(key_id), as_json)


def show_new_key(made: dict[str, Any], as_json: bool) -> None:
    """Print a key that was just made, and that it is now or never."""
    _show(made, as_json)
    say("Keep the api_key now: it is not stored and cannot be shown again.", to_stderr=True)


def _show(key: dict[str, Any], as_json: bool) -> None:
    if as_json:
        say_json(key)
        return
    say_pairs(
        [
            ("key", key.get("key_id")),
            ("api_key", key.get("api_key")),
            ("name", key.get("name")),
            ("scopes", " ".join(key.get("scopes") or [])),
            ("limit", limits(key.get("spending_limit"))),
            ("created", key.get("created_at")),
            ("expires", key.get("expires_at")),
            ("revoked", key.get("revoked_at")),
        ]
    )
