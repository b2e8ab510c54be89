"""The package's public names, and how little importing it costs."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import museway
from museway import client, errors, media, records

CHECKOUT = Path(__file__).parents[3]


def test_all_lists_exactly_the_public_names() -> None:
    assert museway.__all__ == sorted(museway.__all__)
    assert set(museway.__all__) == {*museway._HOMES, "errors", "media", "records"}
    assert {*errors.__all__, *client.__all__} == set(museway._HOMES)
    assert {"__version__", *museway.__all__} == set(dir(museway))


@pytest.mark.parametrize("name", museway.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(museway, name) is not None


@pytest.mark.parametrize("module", [media, records, client, errors])
def test_modules_export_their_public_names(module: object) -> None:
    own = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and str(getattr(value, "__module__", "")).startswith((module.__name__, client.__name__))  # type: ignore[attr-defined]
    }
    imported = {"AsyncClient", "Client"} if module is media else set()
    assert own - imported == set(module.__all__)  # type: ignore[attr-defined]


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        museway.nothing  # noqa: B018


def test_the_version_is_the_distributions() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    assert museway.__version__ == project["version"]


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import museway", ["httpx", "pydantic", "asyncio", "json", "museway.client"]),
        ("from museway import media", ["httpx", "pydantic", "asyncio", "typer", "boto3"]),
        ("import museway.cli", ["httpx", "typer", "rich", "boto3"]),
        ("import museway.cli.app", ["httpx", "rich", "boto3", "sqlite3", "infra", "gateway"]),
    ],
)
def test_imports_are_late(statement: str, absent: list[str]) -> None:
    check = f"{statement}; import sys; print([name for name in {absent!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
