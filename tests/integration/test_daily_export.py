"""The archive of days: written once, in an unbroken chain, healed after any crash, never overwritten."""

import csv
import importlib
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest

from gateway import archive, ids, keys, ledger, operator, tables, telemetry
from museway.records import Difference, verify, verify_export
from tests import focus
from tests.integration.world import PROJECT, Crash, World, sha256, world

DAY_SECONDS = 86_400
NAMES = ["records.jsonl", "records.focus.csv", "ledger.jsonl", "manifest.json"]
Bucket = dict[str, bytes]


class Context:
    """What Lambda tells a function of its time."""

    def __init__(self, *seconds: float) -> None:
        self._seconds = list(seconds) or [900.0]

    def get_remaining_time_in_millis(self) -> int:
        left = self._seconds.pop(0) if len(self._seconds) > 1 else self._seconds[0]
        return int(left * 1000)


@pytest.fixture(scope="module")
def lived() -> Iterator[World]:
    """Four days: two calls over several shards on the 21st, nothing on the 22nd, a refund on the 23rd."""
    with world(models={"nano-banana"}) as museway:
        ledger.resize(PROJECT, 4)
        for number in range(8):
            ledger.grant(PROJECT, 1_000_000, f"to some shard {number}")
        made = [museway.generate(num_images=number + 1) for number in range(3)]
        museway.settle_down()
        museway.clock.seconds = 2 * DAY_SECONDS + 3600
        ledger.refund(made[0], 10_000, "1", "a gift")
        museway.clock.seconds = 3 * DAY_SECONDS + 900
        yield museway


@pytest.fixture
def museway(lived: World) -> Iterator[World]:
    """The same world with nothing exported yet."""
    bucket = boto3.resource("s3").Bucket("drive")
    bucket.objects.filter(Prefix="exports/").delete()
    before = lived.clock.seconds
    yield lived
    lived.clock.seconds, lived.faults.at = before, None


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    found: dict[str, float] = {}
    monkeypatch.setattr(telemetry, "measure", lambda values, **_: found.update(values))
    return found


def run(*seconds: float) -> dict[str, int]:
    """One run of the function, as the clock calls it."""
    function = importlib.import_module("functions.daily_export.handler")
    done: dict[str, int] = function.handler({"source": "aws.events"}, Context(*seconds))
    return done


def stored(project_id: str = PROJECT) -> Bucket:
    """Every object of a project's archive by its key below `exports/<project>/`."""
    prefix = f"exports/{project_id}/"
    found = boto3.resource("s3").Bucket("drive").objects.filter(Prefix=prefix)
    return {item.key.removeprefix(prefix): item.get()["Body"].read() for item in found}


def day_of(bucket: Bucket, day: str) -> dict[str, bytes]:
    return {name: bucket[f"{day}/{name}"] for name in NAMES}


def chain(bucket: Bucket) -> list[dict[str, Any]]:
    """The manifests in their order, each held to the one before and to its day's files."""
    written = sorted(key for key in bucket if key.endswith("/manifest.json"))
    previous = None
    found = []
    for key in written:
        manifest = json.loads(bucket[key])
        assert manifest["previous_sha256"] == previous
        previous = sha256(bucket[key])
        for file in manifest["files"]:
            content = bucket[key.replace("manifest.json", file["name"])]
            assert (file["bytes"], file["sha256"]) == (len(content), sha256(content))
        found.append(manifest)
    return found


def without_moments(bucket: Bucket) -> dict[str, Any]:
    """A bucket without what differs between runs: when manifests were made, and thereby their digests."""
    moving = {"created_at", "previous_sha256"}
    return {
        key: {name: value for name, value in json.loads(content).items() if name not in moving}
        if key.endswith("manifest.json")
        else content
        for key, content in bucket.items()
    }


def test_every_day_that_is_over_is_written_with_its_files(museway: World, measured: dict[str, float]) -> None:
    assert run() == {"written": 3, "differing": 0, "failed": 0}
    assert measured == {"DaysExported": 3, "ExportsDiffer": 0}
    bucket = stored()
    assert sorted({key.rpartition("/")[0] for key in bucket}) == ["2026/11/21", "2026/11/22", "2026/11/23"]
    manifests = chain(bucket)
    assert [manifest["day"] for manifest in manifests] == ["2026-11-21", "2026-11-22", "2026-11-23"]

    first = day_of(bucket, "2026/11/21")
    records = [json.loads(line) for line in first["records.jsonl"].splitlines()]
    assert records == museway.request("GET", "/v1/records")[1]["items"][::-1]
    assert list(verify(records)) == []
    assert focus.faults(first["records.focus.csv"].decode()) == []
    rows = list(csv.DictReader(io.StringIO(first["records.focus.csv"].decode(), newline="")))
    assert {(row["BillingAccountName"], row["SubAccountName"]) for row in rows} == {("", museway.key_id)}
    movements = [
        json.loads(line)
        for content in bucket
        if content.endswith("ledger.jsonl")
        for line in bucket[content].splitlines()
    ]
    assert movements == museway.request("GET", "/v1/ledger")[1]["items"][::-1]
    spent_micros = sum(record["amount_micros"] for record in records)
    assert manifests[0] == {
        "format": "museway-export-1",
        "project_id": PROJECT,
        "day": "2026-11-21",
        "created_at": ids.timestamp(museway.clock.now()),
        "files": manifests[0]["files"],
        "totals": {
            "records": 3,
            "amount_micros": spent_micros,
            "settled_micros": spent_micros,
            "refunded_micros": 0,
        },
        "previous_sha256": None,
    }
    assert [(file["name"], file["lines"]) for file in manifests[0]["files"]] == [
        ("records.jsonl", 3),
        ("records.focus.csv", 3),
        ("ledger.jsonl", 15),
    ]
    refunded = {"records": 0, "amount_micros": 0, "settled_micros": 0, "refunded_micros": 10_000}
    assert [manifest["totals"] for manifest in manifests[1:]] == [dict.fromkeys(refunded, 0), refunded]
    assert spent_micros - 10_000 == museway.totals().spent_micros


def test_what_is_archived_verifies_offline_and_a_changed_byte_does_not(museway: World, tmp_path: Path) -> None:
    run()
    for key, content in stored().items():
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / key).write_bytes(content)
    found: list[Difference] = []
    totals = verify_export(tmp_path, found.append)
    assert found == []
    assert (totals.days, totals.records, totals.spent_micros) == (3, 3, museway.totals().spent_micros)

    records = tmp_path / "2026/11/21/records.jsonl"
    records.write_bytes(records.read_bytes().replace(b"nano-banana", b"nano-bandna", 1))
    verify_export(tmp_path, found.append)
    assert found


def test_an_empty_day_is_a_link_of_the_chain(museway: World) -> None:
    run()
    empty = day_of(stored(), "2026/11/22")
    assert (empty["records.jsonl"], empty["ledger.jsonl"]) == (b"", b"")
    assert empty["records.focus.csv"].count(b"\n") == 1
    assert {file["lines"] for file in json.loads(empty["manifest.json"])["files"]} == {0}


def test_a_day_is_written_ten_minutes_after_its_end(museway: World) -> None:
    museway.clock.seconds = 3 * DAY_SECONDS + 599
    assert run()["written"] == 2
    museway.clock.seconds += 1
    assert run()["written"] == 1


def test_a_second_run_changes_nothing_and_looks_once(museway: World) -> None:
    run()
    before = stored()
    museway.clock.seconds += 3600
    museway.faults.calls.clear()
    assert run()["written"] == 0
    assert museway.faults.calls == ["Scan", "GetObject"]
    assert stored() == before


def test_days_go_on_where_they_were_left(museway: World) -> None:
    run()
    before = stored()
    museway.clock.seconds += 2 * DAY_SECONDS
    assert run()["written"] == 2
    after = stored()
    assert len(chain(after)) == 5
    assert {key: after[key] for key in before} == before


def test_a_crash_anywhere_is_healed_by_the_next_run(museway: World) -> None:
    museway.clock.seconds -= DAY_SECONDS
    museway.faults.calls.clear()
    run()
    calls, whole = list(museway.faults.calls), without_moments(stored())
    assert Counter(calls) == {"Scan": 1, "GetObject": 2, "Query": 16, "PutObject": 8}
    bucket = boto3.resource("s3").Bucket("drive")
    # Reading changes nothing, so dying after a write is dying at whatever comes before the next one.
    points = [(n, "before") for n, name in enumerate(calls) if name in {"Scan", "PutObject"}]
    points.append((len(calls) - 1, "after"))
    for number, when in points:
        museway.faults.at = None
        bucket.objects.filter(Prefix="exports/").delete()
        museway.faults.calls.clear()
        museway.faults.at, museway.faults.when = number, when
        with pytest.raises(Crash):
            run()
        museway.faults.at = None
        museway.clock.seconds += 60
        assert run().items() >= {"differing": 0, "failed": 0}.items(), (number, when)
        bucket_now = stored()
        assert len(chain(bucket_now)) == 2
        assert without_moments(bucket_now) == whole, (number, when)


def put(name: str, content: bytes) -> None:
    boto3.client("s3").put_object(Bucket="drive", Key=f"exports/{PROJECT}/2026/11/22/{name}", Body=content)


@pytest.mark.parametrize("name", NAMES[:3])
def test_a_file_with_other_bytes_stands_and_holds_the_chain(
    museway: World, measured: dict[str, float], name: str
) -> None:
    put(name, b"something else\n")
    for _ in range(2):
        done = run()
        assert (done["differing"], measured["ExportsDiffer"]) == (1, 1)
        assert stored()[f"2026/11/22/{name}"] == b"something else\n"
        assert [manifest["day"] for manifest in chain(stored())] == ["2026-11-21"]
    boto3.client("s3").delete_object(Bucket="drive", Key=f"exports/{PROJECT}/2026/11/22/{name}")
    assert run() == {"written": 2, "differing": 0, "failed": 0}
    assert len(chain(stored())) == 3


def test_a_file_with_the_same_bytes_is_accepted(museway: World, measured: dict[str, float]) -> None:
    put("records.jsonl", b"")
    assert run()["written"] == 3
    assert measured["ExportsDiffer"] == 0


@pytest.mark.parametrize(("change", "differing"), [({}, 0), ({"totals": {}}, 1)])
def test_a_manifest_of_a_run_that_was_quicker_counts_when_it_says_the_same(
    museway: World, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], differing: int
) -> None:
    run()
    theirs = json.loads(stored()["2026/11/23/manifest.json"]) | {"created_at": "earlier"} | change
    content = json.dumps(theirs).encode()
    key = f"exports/{PROJECT}/2026/11/23/manifest.json"
    boto3.client("s3").put_object(Bucket="drive", Key=key, Body=content)
    real, hidden = archive.read, [True]
    monkeypatch.setattr(
        archive, "read", lambda asked: None if asked == key and hidden and hidden.pop() else real(asked)
    )
    assert run()["differing"] == differing
    assert stored()["2026/11/23/manifest.json"] == content


def test_the_store_itself_refuses_to_overwrite(museway: World) -> None:
    for content, expected in ((b"one", True), (b"one", True), (b"two", False)):
        with archive.Spool(content.decode()) as spool:
            assert archive.keep("exports/x", spool, "text/plain") is expected
    assert archive.read("exports/x") == b"one"


def test_records_without_their_settlements_are_waited_for(museway: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index that lags: what is there of one day must not be sealed as all of it."""
    real = ledger.entries
    lagging: Callable[..., Any] = lambda *asked: (e for e in real(*asked) if e["type"] != "settle")  # noqa: E731
    monkeypatch.setattr(ledger, "entries", lagging)
    with pytest.raises(RuntimeError, match="1 projects failed"):
        run()
    assert stored() == {}
    monkeypatch.setattr(ledger, "entries", real)
    assert run()["written"] == 3


def test_no_day_is_begun_without_time_and_the_next_run_goes_on(museway: World) -> None:
    assert run(900, 59)["written"] == 1
    assert run(60, 59)["written"] == 1
    assert run(59)["written"] == 0
    assert run()["written"] == 1
    assert len(chain(stored())) == 3


def test_one_projects_trouble_is_not_the_others(museway: World) -> None:
    tables.Project("PROJECT#broken", "PROJECT", project_id="broken", name="Broken", created_at="once").insert()
    try:
        with pytest.raises(RuntimeError, match="1 projects failed"):
            run()
        assert len(chain(stored())) == 3
    finally:
        tables.Project("PROJECT#broken", "PROJECT").delete()


def get(museway: World, query: str = "", **how: Any) -> dict[str, Any]:
    status, body, _ = museway.request("GET", f"/v1/exports{query}", **how)
    assert status == 200, body
    return body


def test_days_are_listed_with_what_leads_to_their_files(museway: World) -> None:
    assert get(museway)["items"] == []
    run()
    answer = get(museway)
    assert answer["expires_at"] == ids.timestamp(museway.clock.now() + timedelta(hours=1))
    assert [item["day"] for item in answer["items"]] == ["2026-11-23", "2026-11-22", "2026-11-21"]
    bucket = stored()
    for item in answer["items"]:
        assert [file["name"] for file in item["files"]] == NAMES
        for file in item["files"]:
            key = f"{item['day'].replace('-', '/')}/{file['name']}"
            assert (file["bytes"], file["sha256"]) == (len(bucket[key]), sha256(bucket[key]))
            url = httpx.URL(file["url"])
            assert url.path.endswith(f"/exports/{PROJECT}/{key}")
            assert url.params["X-Amz-Expires"] == "3600"
    assert [item["totals"]["records"] for item in answer["items"]] == [0, 0, 3]


def test_days_come_in_pages_and_intervals(museway: World) -> None:
    run()
    shown, cursor = [], ""
    for _ in range(3):
        page = get(museway, f"?limit=1{cursor}")
        shown += [item["day"] for item in page["items"]]
        cursor = f"&cursor={page['next_cursor']}"
    assert (shown, page["next_cursor"]) == (["2026-11-23", "2026-11-22", "2026-11-21"], None)
    for query, days in {
        "?since=2026-11-22": [23, 22],
        "?until=2026-11-22": [21],
        "?until=2026-11-22T00:00:01Z": [22, 21],
        "?since=2026-11-21T23:59:59Z&until=2026-11-22": [21],
        "?since=2027-01-01": [],
        "?until=0001-01-01": [],
        "?cursor=9999-12-31&limit=1": [23],
    }.items():
        assert [item["day"] for item in get(museway, query)["items"]] == [f"2026-11-{day}" for day in days], query
    for query, field in {"?limit=32": "limit", "?cursor=x": "cursor", "?since=noon": "since"}.items():
        status, body, _ = museway.request("GET", f"/v1/exports{query}")
        assert (status, body["field"]) == (422, field)


def test_other_projects_have_an_archive_of_their_own(museway: World) -> None:
    operator.perform({"action": "project.create", "project_id": "other", "name": "Other"})
    key = keys.create("other", "key")["api_key"]
    museway.clock.seconds += DAY_SECONDS
    run()
    assert [item["day"] for item in get(museway, key=key)["items"]] == ["2026-11-24"]
    assert [manifest["project_id"] for manifest in chain(stored("other"))] == ["other"]
    assert all("/exports/other/" in file["url"] for file in get(museway, key=key)["items"][0]["files"])
