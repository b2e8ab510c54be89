"""Exports: a change of any byte of any file of any day is found, and a day that is missing is named."""

import json
from pathlib import Path
from typing import Any

import pytest

from museway.records import Totals, UnreadableRecords, is_export, verify_export, verify_file
from tests.unit.billing_records import record, signed
from tests.unit.sdk.export_builder import at_day, build_entry, ledger_of, records_of, sha256, text_of, write_export

NAMES = ["records.jsonl", "ledger.jsonl", "records.focus.csv"]
DAYS = ["2026-11-21", "2026-11-22", "2026-11-23", "2026-11-24"]


def differences(path: Path, totals: Totals | None = None) -> list[str]:
    found: list[str] = []
    answer = verify_export(path, lambda difference: found.append(str(difference)))
    assert answer.differences == len(found)
    assert totals is None or answer == totals
    return found


@pytest.fixture
def day(tmp_path: Path) -> Path:
    """A day's folder."""
    write_export(tmp_path / "day", [record(number=number) for number in (1, 2)])
    return tmp_path / "day"


@pytest.fixture
def days(tmp_path: Path) -> Path:
    """A folder of four days, each with two records; the second day refunds one of the first."""
    previous = None
    for number, date in enumerate(DAYS):
        records = records_of(date, (2 * number, 2 * number + 1))
        entries = ledger_of(records) + ([build_entry("refund", 672_000, "gen_0")] if number == 1 else [])
        entries = [at_day(entry | {"entry_id": f"{entry['entry_id']}_{number}"}, date) for entry in entries]
        folder = tmp_path / "exports" / "prj_1" / Path(*date.split("-"))
        previous = write_export(folder, records, entries, day=date, previous=previous)
    return tmp_path / "exports"


def folder_of(days: Path, number: int) -> Path:
    return days / "prj_1" / Path(*DAYS[number].split("-"))


def rewrite(manifest: Path, **changes: Any) -> None:
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | changes, indent=2))


def test_a_day_that_is_right(day: Path) -> None:
    totals = Totals(days=1, records=2, amount_micros=1_344_000, entries=5, settled_micros=1_344_000)
    assert differences(day, totals) == []
    assert differences(day / "manifest.json", totals) == []


def test_a_day_without_records_is_right(tmp_path: Path) -> None:
    write_export(tmp_path, [], [])
    assert differences(tmp_path, Totals(days=1, entries=0)) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_change_of_any_byte_of_any_file_is_found(day: Path, name: str) -> None:
    content = (day / name).read_bytes()
    for place in range(0, len(content), 37):
        (day / name).write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        found = differences(day)
        assert f"{name}: sha256 should be {sha256(content)}, as its manifest says" in "\n".join(found)


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_named(day: Path, name: str) -> None:
    (day / name).unlink()
    assert differences(day) == [f"{name}: should be beside its manifest, is missing"]


@pytest.mark.parametrize(("name", "lines"), [("records.jsonl", 2), ("ledger.jsonl", 5), ("records.focus.csv", 2)])
def test_bytes_and_lines_are_counted(day: Path, name: str, lines: int) -> None:
    content = (day / name).read_bytes()
    (day / name).write_bytes(content + content[content.index(b"\n") + 1 :])
    found = "\n".join(differences(day))
    more = len(content) - content.index(b"\n") - 1
    assert f"{name}: bytes should be {len(content)}, as its manifest says, is {len(content) + more}" in found
    assert f"{name}: lines should be {lines}, as its manifest says, is " in found


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"a,b\r\n" + b'"' + b"x" * 200_000])
def test_a_csv_that_cannot_be_read_is_named(day: Path, content: bytes) -> None:
    (day / "records.focus.csv").write_bytes(content)
    assert any(text.startswith("records.focus.csv: lines should be 2") for text in differences(day))


def test_records_that_are_no_export_are_named_and_the_ledger_is_checked(day: Path) -> None:
    (day / "records.jsonl").write_bytes(b"hello")
    found = differences(day)
    assert (
        "records.jsonl: should be JSON lines, is no export: line 1 is not JSON: Expecting value at column 1." in found
    )
    assert "ledger.jsonl: entry 3 gen_1: record should be a record of 672000, is missing" in found


@pytest.mark.parametrize(
    ("totals", "found"),
    [
        ({"records": 3}, "totals.records should be 2, is 3"),
        ({"amount_micros": 1}, "totals.amount_micros should be 1344000, is 1"),
        ({"settled_micros": 1}, "totals.settled_micros should be 1344000, is 1"),
        ({"refunded_micros": 1}, "totals.refunded_micros should be 0, is 1"),
        ({"records": "2"}, "totals.records should be a whole number, 0 or more, is '2'"),
        ({"more": 1}, "totals.more should be absent, is an unknown field"),
    ],
)
def test_totals_are_recomputed(day: Path, totals: dict[str, Any], found: str) -> None:
    path = day / "manifest.json"
    rewrite(path, totals=json.loads(path.read_text())["totals"] | totals)
    assert differences(day) == [f"manifest.json: {found}"]


def test_records_and_entries_are_of_the_projects_day(tmp_path: Path) -> None:
    records = [record(), signed(at_day(record(number=2), "2026-11-22") | {"project_id": "prj_2"})]
    entries = [*ledger_of(records)[:-1], at_day(ledger_of(records)[-1], "2026-11-22")]
    write_export(tmp_path, records, entries)
    assert differences(tmp_path) == [
        "records.jsonl: record 2 gen_2: project_id should be prj_1, is prj_2",
        "records.jsonl: record 2 gen_2: created_at should be on 2026-11-21, is 2026-11-22T03:45:00.123456Z",
        "ledger.jsonl: entry 5 gen_2: created_at should be on 2026-11-21, is 2026-11-22T03:45:00.123456Z",
    ]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"format": "museway-export-2"}, "format should be museway-export-1, is 'museway-export-2'"),
        ({"project_id": None}, "project_id should be a string, is None"),
        ({"day": "2026-11-31"}, "day should be a day such as 2026-11-20, is '2026-11-31'"),
        ({"created_at": 5}, "created_at should be a UTC time such as 2026-11-21T03:45:00.123456Z, is 5"),
        ({"totals": None}, "totals should be an object, is None"),
        ({"files": None}, "files should be a list, is None"),
        ({"previous_sha256": "x"}, "previous_sha256 should be a SHA-256 in 64 hexadecimal digits, or null, is 'x'"),
        ({"note": 1}, "note should be absent, is an unknown field"),
    ],
)
def test_a_malformed_manifest_is_named(day: Path, changes: dict[str, Any], found: str) -> None:
    rewrite(day / "manifest.json", **changes)
    assert differences(day) == [f"manifest.json: {found}"]


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"{", b'{"day": 1, "day": 1}', b" " * 2**21])
def test_a_manifest_that_is_no_object_is_named(day: Path, content: bytes) -> None:
    (day / "manifest.json").write_bytes(content)
    (found,) = differences(day)
    assert found.startswith("manifest.json: should be a JSON object, is ")


@pytest.mark.parametrize(
    ("listed", "found"),
    [
        ({"name": "../day/records.jsonl"}, "files[0].name should be the plain name of a file in the manifest's folder"),
        ({"name": "/etc/hosts"}, "files[0].name should be the plain name"),
        ({"name": ".."}, "files[0].name should be the plain name"),
        ({"name": "ledger.jsonl"}, "files[1].name should be given once, is ledger.jsonl"),
        ({"bytes": -1}, "files[0].bytes should be a whole number, 0 or more, is -1"),
        ({"sha256": "A" * 64}, "files[0].sha256 should be a SHA-256"),
        ({"mode": 1}, "files[0].mode should be absent"),
        (None, "files[0] should be an object, is None"),
    ],
)
def test_a_malformed_file_of_a_manifest_is_named(day: Path, listed: dict[str, Any] | None, found: str) -> None:
    path = day / "manifest.json"
    files = json.loads(path.read_text())["files"]
    rewrite(path, files=[None if listed is None else files[0] | listed, *files[1:]])
    assert any(text.startswith(f"manifest.json: {found}") for text in differences(day))


def test_a_manifest_lists_the_records_and_the_ledger(day: Path) -> None:
    path = day / "manifest.json"
    rewrite(path, files=json.loads(path.read_text())["files"][2:])
    assert differences(day) == [
        "manifest.json: files should be a list with ledger.jsonl, is one without",
        "manifest.json: files should be a list with records.jsonl, is one without",
    ]


def test_days_that_follow_each_other(days: Path) -> None:
    totals = Totals(
        days=4, records=8, amount_micros=5_376_000, entries=21, settled_micros=5_376_000, refunded_micros=672_000
    )
    assert differences(days, totals) == []
    assert differences(days / "prj_1") == []


def test_a_day_taken_out_is_named(days: Path) -> None:
    for path in folder_of(days, 2).iterdir():
        path.unlink()
    (found,) = differences(days)
    expected = "that of a day which is not here: 2026-11-23 is missing"
    assert found.startswith(f"prj_1/2026/11/24/manifest.json: previous_sha256 should be {expected}, is '")
    for path in folder_of(days, 1).iterdir():
        path.unlink()
    assert "2026-11-22 to 2026-11-23 are missing" in differences(days)[0]


def test_a_day_that_denies_the_one_before_it_is_named(days: Path) -> None:
    rewrite(folder_of(days, 3) / "manifest.json", previous_sha256=None)
    (found,) = differences(days)
    assert found.startswith("prj_1/2026/11/24/manifest.json: previous_sha256 should be ")
    assert found.endswith(", that of prj_1/2026/11/23/manifest.json, is None")


def test_a_day_on_which_nothing_was_exported_is_no_gap(tmp_path: Path) -> None:
    first = write_export(tmp_path / "1", [record()])
    write_export(tmp_path / "2", records_of(DAYS[3], [2]), ledger_of_day(DAYS[3], 2), day=DAYS[3], previous=first)
    assert differences(tmp_path) == []


def ledger_of_day(day: str, number: int) -> list[dict[str, Any]]:
    return [at_day(entry, day) for entry in ledger_of(records_of(day, [number]))[1:]]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_manifest_that_was_changed_is_found_by_the_next(days: Path, number: int) -> None:
    rewrite(folder_of(days, number) / "manifest.json", created_at=f"{DAYS[number]}T23:59:58.000000Z")
    (found,) = differences(days)
    path, former = (folder_of(days, n).relative_to(days) / "manifest.json" for n in (number + 1, number))
    digest = sha256((days / former).read_bytes())
    assert found.startswith(f"{path}: previous_sha256 should be {digest}, that of {former}, is '")


def test_a_day_whose_records_were_forged_with_their_manifest_is_found(days: Path) -> None:
    folder = folder_of(days, 1)
    previous = folder_of(days, 0) / "manifest.json"
    write_export(folder, records_of(DAYS[1], [2]), day=DAYS[1], previous=previous)
    assert any("2026/11/23/manifest.json: previous_sha256 should be" in text for text in differences(days))


def test_a_day_given_twice_is_named(days: Path) -> None:
    folder = days / "prj_1" / "copy"
    folder.mkdir()
    for path in folder_of(days, 3).iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    found = differences(days)
    assert any(text.startswith("prj_1/copy/manifest.json: day should be given once, is 2026-11-24") for text in found)
    assert any("which record 1 of prj_1/2026/11/24/records.jsonl has already" in text for text in found)


def test_each_project_has_a_chain_of_its_own(days: Path) -> None:
    records = [signed(record(number=99) | {"project_id": "prj_2"})]
    entries = ledger_of(records)[1:]
    rewrite(write_export(days / "prj_2", records, entries), project_id="prj_2")
    assert differences(days) == []


def test_a_record_billed_on_two_days_is_named(tmp_path: Path) -> None:
    first = write_export(tmp_path / "1", [record()])
    entries = [at_day(entry | {"entry_id": f"{entry['entry_id']}_2"}, DAYS[1]) for entry in ledger_of([record()])]
    write_export(tmp_path / "2", records_of(DAYS[1], [1]), entries, day=DAYS[1], previous=first)
    found = differences(tmp_path)
    for name, once, first in (("records", "billed", "record 1"), ("ledger", "settled", "entry 3")):
        place = f"2/{name}.jsonl: {first} gen_1"
        has_already = f"gen_1, which {first} of 1/{name}.jsonl has already"
        assert f"{place}: generation_id should be {once} once, is {has_already}" in found


def test_refunds_of_charges_before_what_is_read_are_only_summed(days: Path) -> None:
    found: list[object] = []
    totals = verify_export(folder_of(days, 1), found.append)
    assert found == []
    assert (totals.has_earlier_days, totals.refunded_micros, totals.earlier_refunds_micros) == (True, 672_000, 672_000)


@pytest.mark.parametrize("gone", [[], [0]])
def test_a_refund_without_a_charge_is_named_when_all_days_are_there(days: Path, gone: list[int]) -> None:
    folder, previous = folder_of(days, 3), folder_of(days, 2) / "manifest.json"
    entries = [*ledger_of_day(DAYS[3], 6), at_day(build_entry("refund", 5, "gen_77"), DAYS[3])]
    write_export(folder, records_of(DAYS[3], [6]), entries, day=DAYS[3], previous=previous)
    for number in gone:
        for path in folder_of(days, number).iterdir():
            path.unlink()
    expected = "entry 3 gen_77: refunded_micros should be of a generation that was charged, is 5"
    assert differences(days) == ([] if gone else [f"prj_1/2026/11/24/ledger.jsonl: {expected}"])


def test_a_folder_without_an_export_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(UnreadableRecords, match=r"there is no manifest.json in it or below it"):
        verify_export(tmp_path, pytest.fail)
    with pytest.raises(FileNotFoundError):
        verify_export(tmp_path / "manifest.json", pytest.fail)


def test_what_is_an_export(day: Path) -> None:
    assert [is_export(path) for path in (day, day / "manifest.json", day / "records.jsonl")] == [True, True, False]


def with_manifest(file: Path, day: Path, ledger: Path | None = None) -> list[str]:
    found: list[str] = []
    verify_file(file, lambda it: found.append(str(it)), ledger=ledger, manifest=day / "manifest.json")
    return [text.replace(f"{day.parent}/", "") for text in found]


def test_a_file_is_held_against_a_manifest(day: Path, tmp_path: Path) -> None:
    assert with_manifest(day / "records.jsonl", day) == []
    assert with_manifest(day / "records.jsonl", day, day / "ledger.jsonl") == []
    # Fetched otherwise: other bytes, the same content.
    mine = tmp_path / "mine.json"
    mine.write_text(json.dumps({"items": [record(number=2), record(number=1)]}))
    assert with_manifest(mine, day) == []
    mine.write_text(text_of([record(number=2)]))
    assert with_manifest(mine, day) == [
        "day/manifest.json: totals.records should be 1, is 2",
        "day/manifest.json: totals.amount_micros should be 672000, is 1344000",
        "day/ledger.jsonl: settled_micros should be 672000, the sum of the records, is 1344000",
        "day/ledger.jsonl: entry 3 gen_1: record should be a record of 672000, is missing",
    ]


def test_a_given_file_that_is_no_export_is_unreadable(day: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("hello")
    with pytest.raises(UnreadableRecords, match=r"mine: line 1 is not JSON"):
        with_manifest(tmp_path / "mine", day)
    with pytest.raises(FileNotFoundError):
        with_manifest(tmp_path / "none", day)
