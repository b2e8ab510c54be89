"""The YAML as it is read: every fault of every file at once, each in the line where it stands."""

from pathlib import Path

import pytest
import yaml

from gateway.catalog.source import CatalogError, compile_catalog, read_documents
from tests.unit.gateway.fox import compiled, family, rows, setting, written

PROVIDERS = {"fal", "openai"}

FOX = """\
family: fox
shared:
  limits: &limits
    prompt: {required: true, max_length: 2500}
    tier: {enum: [low, high], default: low}
  length: &length
    seconds: {type: integer, minimum: 3, maximum: 15, default: 5}
    tier: {enum: [low, high, top], default: low}
models:
  - &first
    id: fox-1
    name: Fox
    kind: audio
    modes: [speech]
    capabilities: {tts: true}
    generation_types: [text-to-speech]
    estimated_time_seconds: 30
    inputs:
      <<: [*limits, *length]
      style: {}
    meters: &meters
      seconds: {input: seconds}
    price_books: &prices
      - effective_from: 2026-01-01
        source: a list
        rows:
          - {row_id: low, when: {tier: low}, unit: call, rate: "0.1", meter: seconds, modality: audio}
          - {row_id: high, unit: call, rate: "0.2", meter: seconds, modality: audio}
    offers:
      - provider: fal
        endpoints:
          - {endpoint: fal-ai/fox}
        webhook: true
        typical_seconds: 30
        deadline_seconds: 300
        cost_basis: list
        source: a list
  - <<: *first
    id: fox-2
    name: Second fox
"""


def line_of(text: str, marked: str) -> int:
    """The number of the one line that contains a text."""
    (number,) = (number for number, line in enumerate(text.splitlines(), 1) if marked in line)
    return number


def faults(directory: Path) -> list[str]:
    with pytest.raises(CatalogError) as caught:
        compile_catalog(directory, PROVIDERS)
    assert str(caught.value).splitlines() == [str(fault) for fault in caught.value.faults]
    return str(caught.value).splitlines()


def test_the_file_is_sound(tmp_path: Path) -> None:
    (tmp_path / "fox.yaml").write_text(FOX)
    assert [model["id"] for model in compile_catalog(tmp_path, PROVIDERS)["models"]] == ["fox-1", "fox-2"]


@pytest.mark.parametrize(
    ("old", "new", "marked", "fault"),
    [
        # YAML itself
        ("modes: [speech]", "modes: [speech", "capabilities", "is not YAML: "),
        ("name: Fox", "name: Fox: fox", "name: Fox: fox", "is not YAML: mapping values are not allowed in this"),
        ("style: {}", "style: *metres", "*metres", "is not YAML: found undefined alias"),
        ("name: Fox", "name: Fox\n    name: Vixen", "name: Vixen", "the key 'name' stands twice in one place"),
        # shapes
        ("name: Fox", "nam: Fox", "nam: Fox", "models.0.nam: Extra inputs are not permitted"),
        ("name: Fox", "", "&first", "models.0.name: Field required"),
        ("id: fox-2", "id: fox-2\n    colour: red", "colour: red", "models.1.colour: Extra inputs"),
        ("webhook: true", "webhook: maybe", "webhook: maybe", "models.0.offers.0.webhook: Input should be"),
        (
            "estimated_time_seconds: 30",
            "estimated_time_seconds: soon",
            "estimated_time_seconds: soon",
            "models.0.estimated_time_seconds: Input should be a valid integer",
        ),
        ('rate: "0.2"', "rate: 0.2", "rate: 0.2", "rows.1.components.0.rate: Input should be a valid string"),
        ('rate: "0.2"', 'ratte: "0.2"', "ratte", "ratte: Extra inputs"),
        # inside of what is shared
        ("max_length: 2500", "max_length: long", "max_length: long", "models.0.inputs.prompt.max_length: "),
        ("minimum: 3,", "minimum: few,", "minimum: few", "models.0.inputs.seconds.minimum"),
        ("style: {}", "style: {enumm: []}", "enumm", "models.0.inputs.style.enumm: Extra inputs"),
        # across shapes
        ("{row_id: high, unit", "{row_id: high, when: {seconds: {gt: 5}}, unit", "rows:", "fox-1: no price row for "),
        ("{row_id: low, when: {tier: low}, unit", "{row_id: low, unit", "row_id: high", "row 'high' can never be hit"),
        ("provider: fal", "provider: acme", "provider: acme", "fox-1: there is no provider 'acme'"),
        ("id: fox-2", "id: 'fox-1'", "id: 'fox-1'", "'fox-1' is already defined in fox.yaml"),
        ("webhook: true", "webhook: true\n        sunset_at: 2026-12-24", "sunset_at", "a `successor` must be named"),
        (
            "name: Second fox",
            "name: Second fox\n    successor: wolf",
            "successor: wolf",
            "fox-2: the successor 'wolf' is not another model of the catalog",
        ),
    ],
)
def test_a_fault_is_in_its_line(tmp_path: Path, old: str, new: str, marked: str, fault: str) -> None:
    assert old in FOX
    text = FOX.replace(old, new, 1)
    (tmp_path / "fox.yaml").write_text(text)
    start, found = f"fox.yaml:{line_of(text, marked)}: ", faults(tmp_path)
    assert any(line.startswith(start) and fault in line for line in found), found


def test_what_overrides_a_merged_part_is_where_it_is_written(tmp_path: Path) -> None:
    text = FOX.replace("style: {}", "style: {}\n      prompt: {required: true, max_length: none}")
    (tmp_path / "fox.yaml").write_text(text)
    found = faults(tmp_path)
    assert found[0].startswith(f"fox.yaml:{line_of(text, 'max_length: none')}: models.0.inputs.prompt.max_length")


def test_of_several_merged_parts_the_first_is_meant(tmp_path: Path) -> None:
    text = FOX.replace("tier: {enum: [low, high], default", "tier: {enum: [low, high], defualt")
    (tmp_path / "fox.yaml").write_text(text)
    found = faults(tmp_path)
    assert all(line.startswith(f"fox.yaml:{line_of(text, 'defualt')}: ") for line in found), found


@pytest.mark.parametrize(
    ("contents", "line"),
    [
        (b"models: [", 2),
        (b"family: fox\n\tmodels: []", 2),
        (b"a: b: c", 1),
        (b"family: fox\nmodels: !!python/object:os.x {}", 2),
        (b"\xff\xfe\x00fox", 1),
        (b"family: \x07fox", 1),
    ],
)
def test_what_is_not_yaml(tmp_path: Path, contents: bytes, line: int) -> None:
    (tmp_path / "torn.yaml").write_bytes(contents)
    (fault,) = faults(tmp_path)
    assert fault.startswith(f"torn.yaml:{line}: is not YAML: ")


@pytest.mark.parametrize("contents", ["", "- a\n- b\n", "fox", "family: fox\nmodels: []\n"])
def test_yaml_that_is_no_family(tmp_path: Path, contents: str) -> None:
    (tmp_path / "empty.yaml").write_text(contents)
    assert all(fault.startswith("empty.yaml:") for fault in faults(tmp_path))


def test_every_fault_of_every_file_is_listed_in_order(tmp_path: Path) -> None:
    written(tmp_path, rows({"tier": "high"}), name="a.yaml", model_id="a")
    written(tmp_path, setting("kind", to="smell"), setting("colour", to="red"), name="b.yaml", model_id="b")
    (tmp_path / "c.yaml").write_text("models: [")
    written(tmp_path, setting("successor", to="c"), name="d.yaml", model_id="d")
    written(tmp_path, name="e.yaml", model_id="a")
    found = faults(tmp_path)
    # d's successor may stand in the file that cannot be read, so it is not missed.
    assert [fault.split(":")[0] for fault in found] == ["a.yaml", "b.yaml", "b.yaml", "c.yaml", "e.yaml"]
    lines = [int(fault.split(":")[1]) for fault in found if fault.startswith("b.yaml")]
    assert lines == sorted(lines)
    assert "already defined in a.yaml" in found[-1]


def test_nothing_to_compile(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path)
    assert "there is no model" in fault


def test_a_file_reads_as_its_document(tmp_path: Path) -> None:
    documents, found = read_documents(written(tmp_path))
    assert (found, documents["fox.yaml"].contents) == ([], family())
    assert compile_catalog(tmp_path, PROVIDERS) | {"providers": {}} == compiled()
    (tmp_path / "notes.txt").write_text("not read")
    assert {name for name in read_documents(tmp_path)[0] if not name.startswith("providers/")} == {"fox.yaml"}


def test_a_place_that_is_not_written_has_the_line_of_what_contains_it(tmp_path: Path) -> None:
    (tmp_path / "fox.yaml").write_text(FOX)
    document = read_documents(tmp_path)[0]["fox.yaml"]
    assert document.contents == yaml.safe_load(FOX)
    assert document.line_of(()) == 1
    assert document.line_of(("models", 0, "inputs", "nothing", 3)) == line_of(FOX, "inputs:")
    assert document.line_of(("models", 1, "offers", 0, "provider")) == line_of(FOX, "provider: fal")
