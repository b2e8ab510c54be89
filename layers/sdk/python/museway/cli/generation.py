"""Commands that speak of generations: run, status, cancel, upload."""

from pathlib import Path
from typing import Annotated, Any

import typer

from museway.cli._context import LocalSystem, local_system, make_client
from museway.cli._inputs import called, invalid_argument, wish
from museway.cli._output import money, progress_bar, say, say_json, say_pairs
from museway.client import Client, Generation
from museway.errors import MusewayError

OptionalModel = Annotated[
    str | None, typer.Argument(metavar="[MODEL]", help="A model's id or router/NAME; none: by mode or capabilities.")
]
Mode = Annotated[str | None, typer.Option(help="image, video, music, speech, ...; several: chat+image.")]
Prefer = Annotated[str | None, typer.Option(help="balanced, price, quality or speed.")]
Usd = Annotated[str | None, typer.Option(metavar="USD", help="The most that a call may cost.")]
Names = Annotated[str | None, typer.Option(metavar="A,B")]
Tier = Annotated[str | None, typer.Option(help="fast, standard, pro or ultra: the lowest that will do.")]
PlatformKey = Annotated[
    bool,
    typer.Option("--allow-platform-key", help="From a provider key of the project's own, fall back to the gateway's."),
]
Inputs = Annotated[
    list[str] | None,
    typer.Argument(metavar="key=value ...", help="Inputs; JSON numbers, booleans, arrays and objects are read."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def run(
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
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Save the file here.")] = None,
    output_path: Annotated[
        str | None, typer.Option(metavar="PATH", help="The file's name in the project's drive.")
    ] = None,
    output_url_path: Annotated[
        str | None, typer.Option(metavar="PATH", help="Where the model's answer has its URL.")
    ] = None,
    kind: Annotated[str, typer.Option(help="image, video, audio, text or auto.")] = "auto",
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", min=0, help="Stop waiting; the generation goes on.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Generate, wait, and print where the file is and what it cost.

    Local files may stand where a URL is expected: museway run MODEL image_url=bicycle.png duration=8
    """
    named, given = called(model, inputs)
    if named is None and mode is None and capabilities is None:
        raise typer.BadParameter("Name a model, a --mode or --capabilities.", param_hint="MODEL")
    choice = wish(
        mode=mode, capabilities=capabilities, prefer=prefer, quality_min=quality_min, max_usd=max_usd,
        providers=providers, exclude_providers=exclude_providers, allow_platform_key=allow_platform_key,
    )  # fmt: skip
    paths = {"output_path": output_path, "output_url_path": output_url_path}
    with make_client() as client:
        generation = client.submit(named, given, kind=kind, **paths, **choice)
        result = _awaited(generation, str(generation.accepted.get("model")), timeout, is_watched=not as_json)
        saved = client.download(result, output) if output else None
    if as_json:
        say_json(result)
        return
    say_pairs(
        [
            ("model", result["model"]),
            ("kind", result["kind"]),
            ("saved", saved),
            ("drive_path", result["drive_path"]),
            ("output_url", None if saved else result["output_url"]),
            ("generation", generation.id),
            ("billed", money(result["billed_micros"])),
        ]
    )


def status(
    generation_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="A generation's id.")] = None,
    local: Annotated[bool, typer.Option("--local", help="Whether the system on this machine runs.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print the state of a generation, or with --local of the system on this machine."""
    if local == (generation_id is not None):
        raise invalid_argument(
            "Status needs either a generation's id or --local.",
            hint="Write: museway status ID, or: museway status --local",
        )
    if generation_id is None:
        _local_status(as_json=as_json)
        return
    with make_client() as client:
        answer = client.generation(generation_id).status()
    if as_json:
        say_json(answer)
        return
    billed = answer.get("billed_micros")
    reason = answer.get("error") or {}
    say_pairs(
        [
            ("generation", answer.get("generation_id")),
            ("model", answer.get("model")),
            ("status", f"{answer.get('status')} ({answer.get('progress')} %)"),
            ("error", f"{reason.get('message')} ({reason.get('code')})" if reason else None),
            *(("output", output.get("drive_path")) for output in answer.get("outputs") or []),
            ("billed", None if billed is None else money(billed)),
            ("created", answer.get("created_at")),
            ("completed", answer.get("completed_at")),
        ]
    )


def cancel(
    generation_id: Annotated[str, typer.Argument(metavar="ID", help="A generation's id.")],
    as_json: AsJson = False,
) -> None:
    """Stop a generation that has not been delivered; nothing is charged for it."""
    with make_client() as client:
        answer = client.cancel(generation_id)
    say_json(answer) if as_json else say(str(answer.get("status")))


def upload(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An image, a video or audio.")],
    as_json: AsJson = False,
) -> None:
    """Put a file into the project's drive and print the URL that models take."""
    with make_client() as client:
        stored = client.upload(file)
    say_json(stored) if as_json else say(stored["url"])


def _awaited(generation: Generation, title: str, timeout: float | None, *, is_watched: bool) -> dict[str, Any]:
    try:
        with progress_bar(title, is_shown=is_watched) as on_progress:
            return generation.result(timeout=timeout, on_progress=on_progress)
    except KeyboardInterrupt:
        say(f"{generation.id} goes on; see it with: museway status {generation.id}", to_stderr=True)
        raise


def _local_status(*, as_json: bool) -> None:
    """Exits 1 when there is no local system or it does not answer."""
    found = local_system()
    health = _health(found) if found else None
    if as_json:
        say_json({"running": health is not None, "url": found and found.url, "health": health})
    elif found and health is not None:
        versions = f"version {health.get('version')}, catalog {health.get('catalog_version')}"
        say(f"running at {found.url} ({versions})")
    elif found:
        say(f"not running: nothing answers at {found.url}; start it with `museway up`", to_stderr=True)
    else:
        say("not running: there is no .museway/local.json here; start it with `museway up`", to_stderr=True)
    if health is None:
        raise typer.Exit(1)


def _health(found: LocalSystem) -> dict[str, Any] | None:
    with Client(found.url, found.api_key) as client:
        try:
            return client.health()
        except MusewayError:
            return None
