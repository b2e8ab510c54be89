"""Commands that speak of the catalog: models, pricing, estimate."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from museway._wire import require
from museway.cli._context import make_client
from museway.cli._inputs import called, wish
from museway.cli._output import money, say, say_json, say_list, say_pairs, say_table
from museway.cli.generation import AsJson, Inputs, Mode, Names, OptionalModel, PlatformKey, Prefer, Tier, Usd

OneModel = Annotated[str | None, typer.Argument(metavar="[MODEL]", help="Show this one alone.")]
Kind = Annotated[str | None, typer.Option(help="image, video, audio or text.")]
Family = Annotated[str | None, typer.Option(help="A family's label, such as seedance-2-fast.")]
Status = Annotated[str | None, typer.Option(help="active, ending (within 90 days) or retired.")]
Words = Annotated[str | None, typer.Option("--q", help="Words to look for.")]


def models(
    model: OneModel = None,
    kind: Kind = None,
    family: Family = None,
    status: Status = None,
    q: Words = None,
    as_json: AsJson = False,
) -> None:
    """List the models, or show what one takes and costs."""
    with make_client() as client:
        if model is not None:
            found = client.model(model)
            say_json(found) if as_json else _say_model(found)
            return
        items = client.models(kind=kind, family=family, status=status, q=q)
    say_list({"items": items}, ("id", "kind", "family", "status", "name"), as_json=as_json)


def pricing(
    kind: Kind = None, family: Family = None, status: Status = None, q: Words = None, as_json: AsJson = False
) -> None:
    """List the models' rates; `museway estimate` prices a call."""
    with make_client() as client:
        items = client.pricing(kind=kind, family=family, status=status, q=q)
    if as_json:
        say_json({"items": items})
        return
    rows = [(item.get("model"), *_rate(row)) for item in items for row in item.get("rate_table") or []]
    say_table(("model", *RATE_HEADS), rows)


def estimate(
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
    """Print what a run would cost and how long it would take; starts nothing."""
    named, given = called(model, inputs)
    choice = wish(
        mode=mode, capabilities=capabilities, prefer=prefer, quality_min=quality_min, max_usd=max_usd,
        providers=providers, exclude_providers=exclude_providers, allow_platform_key=allow_platform_key,
    )  # fmt: skip
    with make_client() as client:
        answer = client.estimate(named, given, **choice)
    if as_json:
        say_json(answer)
        return
    lines = answer.get("lines") or []
    heads = ("row_id", "meter", "quantity", "unit", "rate", "amount")
    say_table(heads, [[line.get(head) for head in heads] for line in lines])
    say()
    runs = answer.get("sample_size")
    basis = f"{answer.get('confidence')} confidence, {f'from {runs} runs' if runs else 'not observed yet'}"
    say_pairs(
        [
            ("model", None if named == answer.get("model") else answer.get("model")),
            ("expected", money(require(answer, "expected_micros", int))),
            ("at most", money(require(answer, "maximum_micros", int))),
            ("takes about", f"{answer.get('estimated_time_seconds')} s ({basis})"),
            ("assumes", " ".join(answer.get("assumptions") or [])),
            ("note", " ".join(answer.get("warnings") or [])),
        ]
    )


RATE_HEADS = ("row", "rate", "unit", "meter", "when")


def _rate(row: Mapping[str, Any]) -> tuple[object, ...]:
    return row.get("row_id"), f"${row.get('rate')}", row.get("unit"), row.get("meter"), _when(row.get("when"))


def _say_model(found: Mapping[str, Any]) -> None:
    limits = found.get("limits") or {}
    ends = f", until {found.get('sunset_at')}" if found.get("sunset_at") else ""
    say_pairs(
        [
            ("model", found.get("id")),
            ("name", found.get("name")),
            ("status", f"{found.get('status')}{ends}"),
            ("successor", found.get("successor")),
            ("does", ", ".join(found.get("generation_types") or [])),
            ("sources", "; ".join(_source(source) for source in limits.get("sources") or [])),
            ("video audio", (found.get("capabilities") or {}).get("video_audio")),
            ("takes about", f"{found.get('estimated_time_seconds')} s"),
        ]
    )
    say()
    schema = found.get("input_schema") or {}
    needed = set(schema.get("required") or [])
    rows = [
        (name, "yes" if name in needed else "", shape.get("default"), _allowed(shape), shape.get("description"))
        for name, shape in (schema.get("properties") or {}).items()
    ]
    say_table(("input", "required", "default", "takes", "description"), rows)
    say()
    say_table(RATE_HEADS, [_rate(row) for row in found.get("rate_table") or []])
    for rule in limits.get("rules") or []:
        say(f"{rule.get('code')}: {rule.get('message')}")


def _source(source: Mapping[str, Any]) -> str:
    """`image: text-to-video 0-9, image-to-video 1-2`."""
    counts = [
        f"{name} {low}" if low == high else f"{name} {low}-{high}"
        for name, (low, high) in (source.get("counts") or {}).items()
    ]
    return f"{source.get('kind')}: {', '.join(counts)}"


def _allowed(shape: Mapping[str, Any]) -> str:
    """What an input takes, in a few words."""
    if "anyOf" in shape:
        # A duration may be written with its unit too, "5s", which need not be said by its pattern.
        return " or ".join(dict.fromkeys(_allowed(one) for one in shape["anyOf"] if "pattern" not in one))
    if "enum" in shape:
        return ", ".join(map(str, shape["enum"]))
    if shape.get("type") == "array":
        least, most = shape.get("minItems", 0), shape.get("maxItems", "any number")
        return f"list of {least}-{most}" if most else "nothing"
    if "minimum" in shape and abs(shape["maximum"]) < 10**20:
        return f"{shape['minimum']} to {shape['maximum']}"
    if "maxLength" in shape:
        return f"text of up to {shape['maxLength']} characters"
    return str(shape.get("format") or shape.get("type"))


def _when(condition: object) -> str:
    if isinstance(condition, Mapping):
        return ", ".join(f"{name}={_expected(value)}" for name, value in condition.items())
    return str(condition or "")


def _expected(value: object) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{name} {_expected(bound)}" for name, bound in value.items())
    return "|".join(map(str, value)) if isinstance(value, list) else str(value)
