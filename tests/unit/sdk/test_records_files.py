"""Files of records and of entries: whatever is damaged, doubled, missing or unequal is named, in constant memory."""

import io
import json
import random
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from museway.records import Totals, UnreadableRecords, books, reading, verify_file
from tests.unit.billing_records import record, signed
from tests.unit.sdk.export_builder import build_entry, ledger_of, text_of, write_lines

RECORDS = [record(number=number, lines=[(str(number), "0.084")]) for number in range(1, 5)]
LEDGER = ledger_of(RECORDS)
LINES = [line.encode() for line in text_of(RECORDS).splitlines()]


def differences(content: bytes, ledger: bytes | None = None) -> list[str]:
    found: list[str] = []
    of_ledger = None if ledger is None else io.BytesIO(ledger)
    totals = verify_file(io.BytesIO(content), lambda difference: found.append(str(difference)), ledger=of_ledger)
    assert totals.differences == len(found)
    return found


def against(records: list[dict[str, Any]], entries: list[dict[str, Any]], tmp_path: Path) -> list[str]:
    """What differs between records and their ledger, without the sum that follows from it."""
    found: list[str] = []
    file, ledger = write_lines(tmp_path / "r", records), write_lines(tmp_path / "l", entries)
    verify_file(file, lambda difference: found.append(str(difference)), ledger=ledger)
    return [text.replace(f"{tmp_path}/", "") for text in found if "the sum of the records" not in text]


def joined(*lines: bytes) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def test_what_is_right_comes_to_its_sums(tmp_path: Path) -> None:
    entries = [*LEDGER, build_entry("refund", 84_000, "gen_2"), build_entry("adjust", -5)]
    file, ledger = write_lines(tmp_path / "r", RECORDS), write_lines(tmp_path / "l", entries)
    totals = verify_file(file, pytest.fail, ledger=ledger)
    assert totals == Totals(
        records=4, amount_micros=840_000, entries=11, settled_micros=840_000, refunded_micros=84_000
    )
    assert totals.spent_micros == 756_000


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        joined(*LINES),
        joined(*LINES).rstrip(b"\n"),
        b"\xef\xbb\xbf" + joined(*LINES).replace(b"\n", b"\r\n"),
        joined(LINES[0], b"", b"  \t", LINES[1]),
        joined(*reversed(LINES)),
        json.dumps({"items": RECORDS, "next_cursor": None}).encode(),
        json.dumps({"items": RECORDS}, indent=2).encode(),
        b'{"items": [\n' + b",\n".join(LINES) + b"\n]}",
        json.dumps(RECORDS[0], indent=2).encode(),
        text_of([{"items": RECORDS[:2]}, {"items": RECORDS[2:]}]).encode(),
    ],
)
def test_how_it_is_laid_out_makes_no_difference(content: bytes) -> None:
    assert differences(content) == []
    mixed = random.Random(1).sample(LEDGER, len(LEDGER))
    if b"gen_4" in content:
        assert differences(content, text_of(mixed).encode()) == []


@pytest.mark.parametrize(
    ("damaged", "found"),
    [
        (LINES[1][:-20], "not JSON: Unterminated string"),
        (LINES[1][:10], "not JSON: "),
        (LINES[1].replace(b"rec_2", b"rec_\xff"), "not UTF-8: invalid start byte at byte 19"),
        (b"\x00\x00", "not JSON: Expecting value at column 1"),
        (b"5", "not a JSON object"),
        (LINES[1].replace(b'"byok":false', b'"byok":false,"byok":true'), "not JSON: the field 'byok' is given twice"),
        (LINES[1] + LINES[1], f"not JSON: Extra data at column {len(LINES[1].decode()) + 1}"),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_damaged_line_is_named_and_the_rest_is_checked(damaged: bytes, found: str, place: int) -> None:
    lines = [LINES[0], LINES[2]]
    lines.insert(place, damaged)
    wrong = json.dumps(signed(RECORDS[3] | {"amount_micros": 5, "credits": "0.0005"})).encode()
    first, second = differences(joined(*lines, wrong))
    assert first.startswith(f"line {place + 1} should be a JSON object, is {found}")
    assert second == "record 4 gen_4: amount_micros should be 336000, is 5"


def test_a_truncated_last_line_is_named() -> None:
    place = LINES[3].decode().index('"sha256:') + 1
    assert differences(joined(*LINES)[:-30]) == [
        f"line 4 should be a JSON object, is not JSON: Unterminated string starting at column {place}"
    ]


def test_one_damaged_record_alone_is_a_difference() -> None:
    assert differences(LINES[0][:100])[0].startswith("line 1 should be a JSON object")


def test_lines_are_counted_as_they_stand_in_the_file_and_records_as_they_come() -> None:
    found = differences(joined(b"", LINES[0], b"", b"{", LINES[1].replace(b"prj_1", b"prj_2")))
    assert [text.split(" should")[0] for text in found] == ["line 4", "record 3 gen_2: digest"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"hello", "line 1 is not JSON"),
        (b"\xff\xfe{\x00}\x00", "line 1 is not UTF-8"),
        (b"\x89PNG\r\n\x1a\n" + b"\x00\n" * 200, "line 1 is not UTF-8"),
        (b"Id,Cost\nrec_1,5\n", "line 1 is not JSON"),
        (b"[1, 2]", "line 1 is not a JSON object"),
        (json.dumps({"items": RECORDS}, indent=2).encode()[:-10], "the document is not JSON: .* at line"),
    ],
)
def test_what_is_no_export_at_all_is_unreadable(content: bytes, reason: str) -> None:
    with pytest.raises(UnreadableRecords, match=f"^stdin: {reason}"):
        differences(content)
    with pytest.raises(UnreadableRecords, match=f"^stdin: {reason}"):
        differences(b"", content)


def test_a_file_that_is_not_there_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        verify_file(tmp_path / "none", pytest.fail)
    with pytest.raises(FileNotFoundError):
        verify_file(io.BytesIO(), pytest.fail, ledger=tmp_path / "none")


def test_a_line_too_long_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "READ_BYTES_MAX", 2_000)
    monkeypatch.setattr(reading, "_SKIPPED_BYTES", 100)
    long = json.dumps(RECORDS[1] | {"model": "x" * 2_000}).encode()
    for lines in ([long, LINES[0]], [LINES[0], long, LINES[2]], [LINES[0], LINES[2], long]):
        (found,) = differences(joined(*lines))
        assert found.startswith(f"line {lines.index(long) + 1} should be a JSON object, is longer than")


def test_a_document_over_several_lines_is_read_up_to_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "READ_BYTES_MAX", 2_000)
    with pytest.raises(UnreadableRecords, match="JSON lines are read at any size"):
        differences(json.dumps({"items": RECORDS}, indent=2).encode())
    # Lines of which the first is damaged are not mistaken for one.
    assert len(differences(joined(LINES[0][:-1], *LINES[1:]))) == 1


def test_an_item_that_is_no_object_is_named() -> None:
    assert differences(json.dumps({"items": [RECORDS[0], 1]}).encode()) == [
        "item 2 should be a JSON object, is not a JSON object"
    ]


def test_a_doubled_record_is_named_with_its_first() -> None:
    assert differences(joined(LINES[0], LINES[1], LINES[0], LINES[0])) == [
        "record 3 gen_1: record_id should be given once, is rec_1, which record 1 has already",
        "record 4 gen_1: record_id should be given once, is rec_1, which record 1 has already",
        "record 3 gen_1: generation_id should be billed once, is gen_1, which record 1 has already",
        "record 4 gen_1: generation_id should be billed once, is gen_1, which record 1 has already",
    ]


def test_names_that_are_no_text_do_no_harm() -> None:
    odd = [{"record_id": "\ud800", "generation_id": "\ud800"}, {"record_id": 5, "generation_id": None}] * 2
    content = "".join(f"{json.dumps(one)}\n" for one in odd)
    assert sum("which record 1 has already" in text for text in differences(content.encode())) == 2


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            lambda entries: entries.pop(2),
            ["r: record 1 gen_1: settle should be an entry of 84000 in the ledger, is missing"],
        ),
        (
            lambda entries: entries.append(build_entry("settle", 7, "gen_9")),
            ["l: entry 10 gen_9: record should be a record of 7, is missing"],
        ),
        (
            lambda entries: entries[4].update(amount_micros=168_001),
            ["l: entry 5 gen_2: amount_micros should be 168000, as record 2 of r has it, is 168001"],
        ),
        (
            lambda entries: entries.append(entries[4]),
            [
                "l: entry 10 gen_2: entry_id should be given once, is ent_settle_gen_2, which entry 5 of l has already",
                "l: entry 10 gen_2: generation_id should be settled once, is gen_2, which entry 5 of l has already",
            ],
        ),
        (
            lambda entries: entries.append(entries[4] | {"entry_id": "ent_other"}),
            ["l: entry 10 gen_2: generation_id should be settled once, is gen_2, which entry 5 of l has already"],
        ),
        (
            lambda entries: entries.append(entries[1]),
            ["l: entry 10 gen_1: entry_id should be given once, is ent_hold_gen_1, which entry 2 of l has already"],
        ),
        (
            lambda entries: entries.insert(0, build_entry("refund", 84_001, "gen_1")),
            ["l: entry 1 gen_1: refunded_micros should be at most 84000, the charge, is 84001"],
        ),
        (
            lambda entries: entries.extend(
                build_entry("refund", 42_001, "gen_1") | {"entry_id": f"ent_{n}"} for n in range(2)
            ),
            ["l: entry 11 gen_1: refunded_micros should be at most 84000, the charge, is 84002"],
        ),
        (
            lambda entries: entries.append(build_entry("refund", 1, "gen_9")),
            ["l: entry 10 gen_9: refunded_micros should be of a generation that was charged, is 1"],
        ),
        (
            lambda entries: entries[4].update(amount_micros=-1),
            ["l: entry 5 gen_2: amount_micros should be 0 or more, is -1"],
        ),
        (
            lambda entries: entries[2].update(type="release"),
            ["r: record 1 gen_1: settle should be an entry of 84000 in the ledger, is missing"],
        ),
        (
            lambda entries: entries[2].update(generation_id="gen_7"),
            [
                "r: record 1 gen_1: settle should be an entry of 84000 in the ledger, is missing",
                "l: entry 3 gen_7: record should be a record of 84000, is missing",
            ],
        ),
    ],
)
def test_what_records_and_ledger_disagree_about_is_named(change: Any, expected: list[str], tmp_path: Path) -> None:
    entries = [dict(entry) for entry in LEDGER]
    change(entries)
    assert against(RECORDS, entries, tmp_path) == expected


def test_a_missing_record_is_seen_in_the_ledger_and_in_the_sum(tmp_path: Path) -> None:
    assert differences(joined(*LINES[1:]), text_of(LEDGER).encode()) == [
        "stdin: settled_micros should be 756000, the sum of the records, is 840000",
        "stdin: entry 3 gen_1: record should be a record of 84000, is missing",
    ]


def test_a_generation_may_be_charged_nothing(tmp_path: Path) -> None:
    records = [record(byok=True, platform_fee_bps=0)]
    assert against(records, ledger_of(records), tmp_path) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("entry_id", None),
        ("type", "gift"),
        ("amount_micros", "5"),
        ("amount_micros", 1.5),
        ("amount_micros", 10**19),
        ("generation_id", None),
        ("generation_id", 5),
        ("note", 5),
        ("created_at", "yesterday"),
        ("extra", 1),
    ],
)
def test_a_malformed_field_of_an_entry_is_named(field: str, value: object, tmp_path: Path) -> None:
    entries = [dict(entry) for entry in LEDGER]
    entries[2][field] = value
    assert any(f": {field} should be" in text for text in against(RECORDS, entries, tmp_path))
    del entries[2][field]
    if field != "extra":
        assert any(f": {field} should be" in text for text in against(RECORDS, entries, tmp_path))


def test_one_digit_more_in_any_amount_of_a_settle_is_found() -> None:
    for number, entry in enumerate(LEDGER, 1):
        if entry["type"] != "settle":
            continue
        text = str(entry["amount_micros"])
        for place, digit in enumerate(text):
            other = int(f"{text[:place]}{(int(digit) + 1) % 10}{text[place + 1 :]}")
            entries = [*LEDGER[: number - 1], entry | {"amount_micros": other}, *LEDGER[number:]]
            found = differences(joined(*LINES), text_of(entries).encode())
            assert any(f"entry {number} {entry['generation_id']}: amount_micros" in text for text in found)


class Lines(io.RawIOBase):
    """A file of so many lines that is never in memory as a whole."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        super().__init__()
        self._lines = lines

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        line = next(self._lines, b"")
        buffer[: len(line)] = line
        return len(line)


def lines_of(count: int, template: dict[str, Any]) -> Iterator[bytes]:
    for number in range(count):
        names = {
            name: f"{template[name][:4]}{number:026}" for name in ("record_id", "generation_id") if name in template
        }
        if "entry_id" in template:
            names["entry_id"] = f"ent_{number:026}"
        item = template | names
        yield json.dumps(signed(item) if "digest" in item else item).encode() + b"\n"


def peak_bytes(count: int) -> int:
    """The most memory that a file of so many records and entries took."""
    records = io.BufferedReader(Lines(lines_of(count, RECORDS[0])), 4096)
    entries = io.BufferedReader(Lines(lines_of(count, LEDGER[2])), 4096)
    tracemalloc.start()
    try:
        totals = verify_file(records, pytest.fail, ledger=entries)
        assert (totals.records, totals.entries, totals.differences) == (count, count, 0)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(books, "_ROWS_AT_ONCE", 50)
    peak_bytes(100)  # What is allocated once.
    assert peak_bytes(1_000) < 1.2 * peak_bytes(200)
