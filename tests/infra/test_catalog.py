"""The checkout's side of `museway admin catalog`: faults as a person finds them, the summary, the packing."""

import base64
import json
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.catalog.compiling import compile_documents
from gateway.catalog.source import CatalogError, compile_catalog
from infra import catalog
from museway.cli.app import app
from tests.unit.gateway.fox import OFFER, book, setting, written

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_faults_of_several_files_are_found_by_path_and_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = tmp_path / "models"
    models.mkdir()
    written(models, setting("colour", to="red"), name="a.yaml", model_id="a")
    written(models, setting(*OFFER, "provider", to="acme"), name="b.yaml", model_id="b")
    (models / "c.yaml").write_text("family: c\nmodels: [\n")
    monkeypatch.chdir(tmp_path)
    report = catalog.check(models, NOW)
    assert report["summary"] is None
    lines = {name: (models / name).read_text().splitlines() for name in ("a.yaml", "b.yaml")}
    found = [(fault["file"], fault["line"]) for fault in report["faults"]]
    assert [file for file, _ in found] == ["models/a.yaml", "models/b.yaml", "models/c.yaml"]
    assert "colour: red" in lines["a.yaml"][found[0][1] - 1]
    assert "provider: acme" in lines["b.yaml"][found[1][1] - 1]

    result = CliRunner().invoke(app, ["admin", "catalog", "check", "--directory", "models"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines()[0] == (
        f"models/a.yaml:{found[0][1]}: models.0.colour: Extra inputs are not permitted"
    )
    assert result.stderr.splitlines()[-1] == "3 faults."


def test_a_model_that_cannot_be_priced_today_is_a_fault_where_it_begins(tmp_path: Path) -> None:
    written(tmp_path, name="a.yaml", model_id="a")
    written(tmp_path, setting("price_books", 0, "effective_from", to="2027-01-01"))
    (fault,) = catalog.check(tmp_path, NOW)["faults"]
    assert fault["file"].endswith("fox.yaml")
    assert fault["message"] == "fox-1 has no price: no price book is in force yet"
    assert (tmp_path / "fox.yaml").read_text().splitlines()[fault["line"] - 1].startswith("- id: fox-1")


def test_the_summary(tmp_path: Path) -> None:
    def ending(on: str) -> tuple[Any, Any]:
        return setting(*OFFER, "sunset_at", to=on), setting("successor", to="a")

    written(tmp_path, book("2027-01-01"), book("2026-06-01"), name="a.yaml", model_id="a")
    written(tmp_path, *ending("2027-06-01"), name="b.yaml", model_id="b")
    written(tmp_path, *ending("2027-02-01"), name="c.yaml", model_id="c")
    written(tmp_path, *ending("2026-12-24"), name="d.yaml", model_id="d")
    written(tmp_path, *ending("2026-11-21"), name="e.yaml", model_id="e")
    assert catalog.check(tmp_path, NOW) == {
        "faults": [],
        "summary": {
            "models": 5,
            "families": 1,
            "prices_in_force": 5,
            "prices_that_start_later": [{"model": "a", "starts_on": "2027-01-01"}],
            "ending": [
                {"model": "d", "ends_on": "2026-12-24", "successor": "a"},
                {"model": "c", "ends_on": "2027-02-01", "successor": "a"},
            ],
            "retired": [{"model": "e", "ends_on": "2026-11-21", "successor": "a"}],
        },
    }


def test_what_is_packed_compiles_to_what_the_build_ships() -> None:
    documents = json.loads(zlib.decompress(base64.b64decode(catalog.packed())))
    assert documents == catalog.documents()
    assert compile_documents(documents, ()) == compile_catalog()


def test_dates_and_keys_become_text(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("day: 2026-01-01\nwords: {5: five}\nlist: [2026-01-02, 1.5, null]\n")
    assert catalog.documents(tmp_path)["x.yaml"] == {
        "day": "2026-01-01", "words": {"5": "five"}, "list": ["2026-01-02", 1.5, None]
    }  # fmt: skip


def test_what_is_not_yaml_cannot_be_packed(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("a: b: c")
    with pytest.raises(CatalogError, match=r"x\.yaml:1: is not YAML"):
        catalog.packed(tmp_path)
