"""Commands that speak of routing: route, and saved routers."""

from typing import Annotated, Any

import typer

from museway.cli._context import make_client
from museway.cli._inputs import called, wish
from museway.cli._output import money, say, say_json, say_list, say_pairs, say_table
from museway.cli.generation import AsJson, Inputs, Mode, Names, OptionalModel, PlatformKey, Prefer, Tier, Usd

Name = Annotated[str, typer.Argument(metavar="NAME", help="As `museway routers list` shows it.")]
Version = Annotated[int | None, typer.Option(help="One of its versions; default: the present one.")]
_CANDIDATE = ("model", "provider", "price_micros", "quality", "seconds", "health", "kept", "reason")

routers = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


def route(
    model: OptionalModel = None,
    inputs: Inputs = None,
    mode: Mode = None,
    capabilities: Names = None,
    prefer: Prefer = None,
    quality_min: Tier = None,
    max_usd: Usd = None,
    providers: Names = None,
    exclude_providers: Names = None,
    allow_platform_key: PlatformKey = False,
    as_json: AsJson = False,
) -> None:
    """Print which models would serve a request, best first, and why; starts nothing.

    museway route --mode video --prefer price prompt="rainy alley" duration=8
    """
    named, given = called(model, inputs)
    choice = wish(
        mode=mode, capabilities=capabilities, prefer=prefer, quality_min=quality_min, max_usd=max_usd,
        providers=providers, exclude_providers=exclude_providers, allow_platform_key=allow_platform_key,
    )  # fmt: skip
    with make_client() as client:
        answer = client.route(named, given, **choice)
    say_list({"items": answer.get("candidates")}, _CANDIDATE, as_json=False) if not as_json else say_json(answer)


@routers.command("list")
def list_routers(as_json: AsJson = False) -> None:
    """List the project's saved routers."""
    with make_client() as client:
        items = client.routers()
    say_list({"items": items}, ("name", "version", "mode", "prefer", "quality_min", "changed_at"), as_json=as_json)


@routers.command("show")
def show(name: Name, version: Version = None, as_json: AsJson = False) -> None:
    """Show what a router says, or said in a version."""
    with make_client() as client:
        _show(client.router(name, version=version), as_json)


@routers.command("save")
def save(
    name: Annotated[str, typer.Argument(metavar="NAME", help="It is then called as router/NAME.")],
    mode: Mode = None,
    capabilities: Names = None,
    prefer: Prefer = None,
    quality_min: Tier = None,
    max_usd: Usd = None,
    providers: Names = None,
    exclude_providers: Names = None,
    models: Names = None,
    exclude_models: Names = None,
    fallback_order: Names = None,
    change: Annotated[bool, typer.Option("--change", help="It is there already: make its next version.")] = False,
    as_json: AsJson = False,
) -> None:
    """Save what is wanted of a model, as a whole, under a name."""
    said = wish(
        mode=mode, capabilities=capabilities, prefer=prefer, quality_min=quality_min, max_usd=max_usd,
        providers=providers, exclude_providers=exclude_providers, models=models, exclude_models=exclude_models,
        fallback_order=fallback_order,
    )  # fmt: skip
    with make_client() as client:
        _show(client.change_router(name, **said) if change else client.create_router(name, **said), as_json)


@routers.command("delete")
def delete(name: Name, as_json: AsJson = False) -> None:
    """Take a router away."""
    with make_client() as client:
        _show(client.delete_router(name), as_json)


@routers.command("dry-run")
def dry_run(
    name: Name,
    version: Version = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many of the last requests.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Print what a router would have made of the last requests, in model and price; starts nothing."""
    with make_client() as client:
        answer = client.try_router(name, version=version, limit=limit)
    if as_json:
        say_json(answer)
        return
    rows = []
    for item in answer.get("items") or []:
        was, chosen = item.get("was") or {}, item.get("chosen") or {}
        said = f"not known: {', '.join(item['unknown'])}" if item.get("unknown") else ""
        sides = (was.get("model"), was.get("price_micros"), chosen.get("model"), chosen.get("price_micros"))
        rows.append((item.get("generation_id"), *sides, said or ("" if chosen else item.get("reason"))))
    say_table(("generation", "was", "micros", "would be", "micros", "note"), rows)
    totals = answer.get("totals") or {}
    say()
    say_pairs(
        [
            ("served", f"{totals.get('served')} of {totals.get('requests')}, {totals.get('changed')} otherwise"),
            ("was", money(int(totals.get("was_micros") or 0))),
            ("would be", money(int(totals.get("would_be_micros") or 0))),
        ]
    )


def _show(router: dict[str, Any], as_json: bool) -> None:
    if as_json:
        say_json(router)
        return
    say_pairs(
        [(name.replace("_", " "), ", ".join(map(str, value)) if isinstance(value, list) else value)
         for name, value in router.items()]
    )  # fmt: skip
