"""Records that leave on request: in each format, as lines while they fit, else as a file; for oneself alone."""

import base64
import csv
import io
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import boto3
import httpx
import pytest

from gateway import downloads, keys, ledger, operator
from museway.records import verify
from tests import focus
from tests.integration.world import PROJECT, World, sha256, world


@pytest.fixture(scope="module")
def museway() -> Iterator[World]:
    """One world for all: nothing here changes what another test reads."""
    with world(models={"nano-banana"}) as made:
        ledger.resize(PROJECT, 4)
        for number in range(8):
            ledger.grant(PROJECT, 1_000_000, f"to some shard {number}")
        for hour in range(3):
            made.clock.seconds = hour * 3600
            for number in range(2):
                made.generate(session_id="=1+1", num_images=number + 1)
            made.settle_down()
        made.clock.seconds = 3 * 3600
        yield made


def export(museway: World, query: str = "", **how: Any) -> tuple[bytes, dict[str, str]]:
    """The body of an export and its headers, as API Gateway passes them on."""
    answer = museway.answer("GET", f"/v1/records/export{query}", **how)
    assert answer["statusCode"] == 200, answer
    headers = answer["headers"] | {name: values[0] for name, values in answer.get("multiValueHeaders", {}).items()}
    body = answer["body"]
    return base64.b64decode(body) if answer["isBase64Encoded"] else body.encode(), headers


def records(museway: World) -> list[dict[str, Any]]:
    """The records as they are listed, oldest first."""
    return museway.request("GET", "/v1/records")[1]["items"][::-1]


def test_json_lines_are_the_records_oldest_first(museway: World) -> None:
    content, headers = export(museway)
    assert headers["Content-Type"] == "application/x-ndjson"
    assert headers["content-disposition"] == 'attachment; filename="records.jsonl"'
    assert headers["x-request-id"]
    found = [json.loads(line) for line in content.splitlines()]
    assert found == records(museway)
    assert list(verify(found)) == []
    assert sum(record["amount_micros"] for record in found) == museway.totals().spent_micros


def test_the_table_guards_spreadsheets(museway: World) -> None:
    content, headers = export(museway, "?format=csv")
    assert headers["content-disposition"] == 'attachment; filename="records.csv"'
    rows = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    assert [row["record_id"] for row in rows] == [record["record_id"] for record in records(museway)]
    assert {row["session_id"] for row in rows} == {"'=1+1"}


def test_focus_is_what_the_specification_asks_for_and_names_who_paid(museway: World) -> None:
    content, headers = export(museway, "?format=focus")
    assert headers["Content-Type"].startswith("text/csv")
    assert headers["content-disposition"] == 'attachment; filename="records.focus.csv"'
    text = content.decode()
    assert focus.faults(text) == []
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert {(row["BillingAccountName"], row["SubAccountName"]) for row in rows} == {("Demo", "test")}
    assert sum(Decimal(row["BilledCost"]) for row in rows) * 1_000_000 == museway.totals().spent_micros


def test_an_interval_bounds_an_export(museway: World) -> None:
    content, _ = export(museway, "?since=2026-11-21T01:00:00Z&until=2026-11-21T02:00:00Z")
    assert [json.loads(line)["created_at"][11:13] for line in content.splitlines()] == ["01", "01"]
    assert export(museway, "?since=2026-12-01")[0] == b""


@pytest.mark.parametrize("name", ["jsonl", "csv", "focus"])
def test_what_does_not_fit_an_answer_is_fetched_with_the_same_bytes(
    museway: World, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    content, headers = export(museway, f"?format={name}")
    monkeypatch.setattr(downloads, "INLINE_BYTES_MAX", len(content))
    assert export(museway, f"?format={name}")[0] == content
    monkeypatch.setattr(downloads, "INLINE_BYTES_MAX", len(content) - 1)
    status, stored, _ = museway.request("GET", f"/v1/records/export?format={name}")
    assert (status, stored["records"]) == (200, 6)
    assert (stored["bytes"], stored["sha256"]) == (len(content), sha256(content))
    assert stored["expires_at"] == "2026-11-21T04:00:00.000000Z"
    assert fetched(stored["url"]) == (content, headers["Content-Type"])


def fetched(url: str) -> tuple[bytes, str]:
    """What a signed URL leads to."""
    parts = httpx.URL(url)
    assert (parts.params["X-Amz-Expires"], parts.path.split("/")[2]) == ("3600", "downloads")
    key = parts.path.partition("/drive/")[2]
    found = boto3.client("s3").get_object(Bucket="drive", Key=key)
    return found["Body"].read(), found["ContentType"]


def test_no_path_of_the_drive_leads_to_exports(museway: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "INLINE_BYTES_MAX", 0)
    url = museway.request("GET", "/v1/records/export")[1]["url"]
    key = httpx.URL(url).path.partition("/drive/")[2]
    for path in (key, f"../../{key}", f"/{key}"):
        assert museway.request("POST", "/v1/drive/sign", {"drive_path": path})[0] in {400, 404}


@pytest.mark.parametrize(
    ("query", "field"),
    [("format=xlsx", "format"), ("format=", "format"), ("since=noon", "since"), ("until=2026-99-01", "until")],
)
def test_what_makes_no_sense_is_refused(museway: World, query: str, field: str) -> None:
    status, body, _ = museway.request("GET", f"/v1/records/export?{query}")
    assert (status, body["error"], body["field"]) == (422, "invalid_request", field)


def test_too_many_records_are_refused_and_nothing_is_stored(museway: World, monkeypatch: pytest.MonkeyPatch) -> None:
    before = boto3.client("s3").list_objects_v2(Bucket="drive", Prefix="downloads/")["KeyCount"]
    monkeypatch.setattr(downloads, "INLINE_BYTES_MAX", 0)
    monkeypatch.setattr(ledger.bounded, "__defaults__", (5,))
    status, body, _ = museway.request("GET", "/v1/records/export?format=focus")
    assert (status, body["error"]) == (400, "too_many_records")
    stored = boto3.client("s3").list_objects_v2(Bucket="drive", Prefix="downloads/")
    assert stored["KeyCount"] == before


def test_each_name_is_looked_up_once_and_never_another_projects(museway: World) -> None:
    operator.perform({"action": "project.create", "project_id": "another", "name": "Another"})
    foreign = keys.create("another", "secret name")["key_id"]
    names = downloads.DisplayNames(ledger.project_of(PROJECT))
    museway.faults.calls.clear()
    for _ in range(2):
        shown = [names.get(one) for one in (PROJECT, museway.key_id, foreign, "gone")]
        assert shown == ["Demo", "test", "", ""]
    assert museway.faults.calls == ["GetItem"] * 3
    assert dict(names) == {PROJECT: "Demo", museway.key_id: "test", foreign: "", "gone": ""}


def test_other_projects_export_nothing_of_it(museway: World) -> None:
    operator.perform({"action": "project.create", "project_id": "other", "name": "Other"})
    key = keys.create("other", "key")["api_key"]
    assert export(museway, key=key)[0] == b""
