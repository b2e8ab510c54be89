"""What a cold start pays for imports: the API's functions and the client, against what everybody pays."""

import os
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from infra import manifest
from infra.bundle import Bundle
from infra.settings import HOST
from tests.bench.measuring import RATIO, Figure, Section, child_ms, figure, percentile

FUNCTION_BUDGET = 1.5
CLIENT_BUDGET = 0.5
ROUNDS = 11
BASELINE = (
    "import boto3; boto3.client('dynamodb', region_name='us-east-1', aws_access_key_id='x', aws_secret_access_key='x')"
)
LAYERS = ("core", "vendor")
STOCK, TRIMMED = "as installed", "of our layer"
_BARE = ("-I", "-S")


def section() -> Section:
    """Processor time of imports as ratios, each taken against a baseline of the same round."""
    return Section(
        "Imports",
        "Each in a Python of its own whose start does not count; a ratio is taken within one round, in which each is "
        "imported once. Functions run from their built assets: layers with hash-based bytecode, a botocore with our "
        "services only, no site-packages. The baseline is boto3 as pip installs it, with bytecode, and one client; the "
        "same from our layer is quicker, and stands beside.",
        [*_functions(), *_client()],
    )


def _functions() -> list[Figure]:
    behind = {route.function for route in manifest.ROUTES} | {"authorizer"}
    names = [function.name for function in manifest.FUNCTIONS if function.name in behind]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        layers = [_unpacked(Bundle(HOST).layer(name).path, root / f"layer-{name}") / "python" for name in LAYERS]
        homes = {name: _unpacked(Bundle(HOST).function(name).path, root / name) for name in names}
        rounds = [_round(layers, homes) for _ in range(ROUNDS + 1)][1:]
    stock, trimmed = ([found[name] for found in rounds] for name in (STOCK, TRIMMED))
    over = f"{ROUNDS} rounds"
    figures = [
        figure(f"`import boto3` and one client, {STOCK} (baseline)", "ms", stock, over),
        figure(f"`import boto3` and one client, {TRIMMED}", "ms", trimmed, over),
    ]
    for name in names:
        ours = [found[name] for found in rounds]
        beside = percentile([one / theirs for one, theirs in zip(ours, trimmed, strict=True)], 50)
        ratios = [one / theirs for one, theirs in zip(ours, stock, strict=True)]
        against = f"{over}; {beside:.2f} x that {TRIMMED}"
        figures.append(figure(f"Import of `{name}`", RATIO, ratios, against, FUNCTION_BUDGET))
    return figures


def _round(layers: list[Path], homes: Mapping[str, Path]) -> dict[str, float]:
    """Milliseconds of each import, once."""
    found = {STOCK: _bare_ms([Path(sysconfig.get_path("purelib"))], BASELINE), TRIMMED: _bare_ms(layers, BASELINE)}
    return found | {name: _bare_ms([home, *layers], "import handler") for name, home in homes.items()}


def _client() -> list[Figure]:
    statements = ("import fal_client", "import museway", "from museway import Client")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    rounds = [[child_ms(one, environment) for one in statements] for _ in range(ROUNDS + 1)][1:]
    over = f"{ROUNDS} rounds"
    return [
        figure("`import fal_client` (baseline)", "ms", [theirs for theirs, _, _ in rounds], over),
        figure("`import museway`", RATIO, [ours / theirs for theirs, ours, _ in rounds], over, CLIENT_BUDGET),
        figure("`from museway import Client`", RATIO, [client / theirs for theirs, _, client in rounds], over),
    ]


def _bare_ms(folders: list[Path], statements: str) -> float:
    place = f"import sys; sys.path[:0] = {[str(folder) for folder in folders]!r}; sys.dont_write_bytecode = True"
    return child_ms(f"{place}\n{statements}", manifest.ENVIRONMENT, *_BARE)


def _unpacked(archive: Path, into: Path) -> Path:
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(into)
    return into
