"""Reading the money by the client: sums, sessions, the ledger, exports and the archive of days."""

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import httpx
import pytest

from museway.client import Client
from museway.errors import InvalidRequest, NotFound, ServerError
from tests.unit.sdk.fake_gateway import FILES_URL, FakeGateway, answer, refusal

LINES = b'{"record_id":"1"}\n{"record_id":"2"}\n'
TOTALS = {"records": 3, "amount_micros": 117_000, "credits": "11.7"}
SPAN = {"since": "2026-11-01", "until": "2026-12-01"}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def archive(gateway: FakeGateway, days: int = 3) -> list[dict[str, Any]]:
    """Lists so many days, newest first, and holds their files."""
    listed = []
    for number in range(1, days + 1):
        files = []
        for name in ("records.jsonl", "manifest.json"):
            content = f"{name} of {number}".encode()
            gateway.files[f"exports/{number}/{name}"] = content
            url = f"{FILES_URL}/exports/{number}/{name}"
            files.append({"name": name, "bytes": len(content), "sha256": sha256(content), "url": url})
        listed.append({"day": f"2026-11-{number:02}", "files": files, "totals": {"records": number}})
    gateway.lists["/v1/exports"] = listed[::-1]
    return listed[::-1]


def stored(gateway: FakeGateway, content: bytes = LINES, digest: str = "") -> httpx.Response:
    """The answer to an export that lies at a URL."""
    gateway.files["downloads/records.jsonl"] = content
    url = f"{FILES_URL}/downloads/records.jsonl?signed=1"
    return answer(200, {"url": url, "records": 2, "bytes": len(content), "sha256": digest or sha256(content)})


def test_sums_come_with_their_totals(gateway: FakeGateway, client: Client) -> None:
    groups = {"items": [{"model": "nano-banana"} | TOTALS], "next_cursor": None, "totals": TOTALS}
    gateway.interruptions = [answer(200, groups)]
    assert client.grouped("model", **SPAN) == groups
    assert dict(gateway.requests[-1].url.params) == {"group_by": "model", **SPAN}


def test_the_ledger_is_read_to_its_last_page(gateway: FakeGateway, client: Client) -> None:
    gateway.lists["/v1/ledger"] = [{"entry_id": str(number)} for number in range(7)]
    gateway.page_size = 3
    assert client.ledger(**SPAN) == gateway.lists["/v1/ledger"]
    assert [request.url.params["since"] for request in gateway.requests] == ["2026-11-01"] * 3


@pytest.mark.parametrize(
    ("session_id", "path"),
    [
        ("trip", b"/v1/sessions/trip/cost"),
        ("a/b?c#d", b"/v1/sessions/a%2Fb%3Fc%23d/cost"),
        ("..", b"/v1/sessions/%2E%2E/cost"),
        ("50%", b"/v1/sessions/50%25/cost"),
        ("狐\n", b"/v1/sessions/%E7%8B%90%0A/cost"),
    ],
)
def test_a_session_is_asked_for_under_any_name(
    gateway: FakeGateway, client: Client, session_id: str, path: bytes
) -> None:
    gateway.interruptions = [
        answer(200, {"session_id": session_id, "items": [{"n": 1}], "next_cursor": "x", "totals": TOTALS}),
        answer(200, {"session_id": session_id, "items": [{"n": 2}], "next_cursor": None, "totals": TOTALS}),
    ]
    assert client.session_cost(session_id) == {
        "session_id": session_id,
        "items": [{"n": 1}, {"n": 2}],
        "next_cursor": None,
        "totals": TOTALS,
    }
    assert {request.url.raw_path.partition(b"?")[0] for request in gateway.requests} == {path}


def test_an_export_is_written_when_it_comes_inside_the_answer(
    gateway: FakeGateway, client: Client, tmp_path: Path
) -> None:
    content = b"a,b\r\n" + "ä,狐\r\n".encode()
    gateway.interruptions = [httpx.Response(200, content=content, headers={"content-type": "text/csv; charset=utf-8"})]
    path = client.export_records("focus", tmp_path, since="2026-11-01")
    assert (path, path.read_bytes()) == (tmp_path / "records.focus.csv", content)
    assert dict(gateway.requests[-1].url.params) == {"format": "focus", "since": "2026-11-01"}


def test_an_export_is_fetched_when_it_lies_at_a_url(gateway: FakeGateway, client: Client, tmp_path: Path) -> None:
    gateway.interruptions = [stored(gateway)]
    path = client.export_records("jsonl", tmp_path / "new" / "all.jsonl")
    assert (path, path.read_bytes()) == (tmp_path / "new" / "all.jsonl", LINES)


def test_an_export_that_arrives_changed_leaves_nothing(gateway: FakeGateway, client: Client, tmp_path: Path) -> None:
    gateway.interruptions = [stored(gateway, digest=sha256(b"other"))]
    with pytest.raises(ServerError) as damaged:
        client.export_records("jsonl", tmp_path / "all.jsonl")
    assert damaged.value.code == "download_damaged"
    assert list(tmp_path.iterdir()) == []


def test_a_refused_export_writes_nothing(gateway: FakeGateway, client: Client, tmp_path: Path) -> None:
    gateway.interruptions = [refusal(400, "too_many_records", maximum=50_000)]
    with pytest.raises(InvalidRequest) as refused:
        client.export_records("jsonl", tmp_path)
    assert (refused.value.code, list(tmp_path.iterdir())) == ("too_many_records", [])


def test_days_are_listed_from_all_pages(gateway: FakeGateway, client: Client) -> None:
    days = archive(gateway, days=5)
    gateway.page_size = 2
    assert client.exports(**SPAN) == days
    assert gateway.requests[-1].url.params["limit"] == "31"


def test_days_are_brought_once(gateway: FakeGateway, client: Client, tmp_path: Path) -> None:
    archive(gateway, days=2)
    new = client.save_exports(tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in new] == [
        "2026/11/01/records.jsonl",
        "2026/11/01/manifest.json",
        "2026/11/02/records.jsonl",
        "2026/11/02/manifest.json",
    ]
    assert new[0].read_bytes() == b"records.jsonl of 1"
    archive(gateway, days=3)
    gateway.requests.clear()
    assert [path.parent.name for path in client.save_exports(tmp_path)] == ["03", "03"]
    assert len(gateway.requests) == 3  # the list and two files


def test_a_day_that_is_here_with_other_bytes_is_not_touched(
    gateway: FakeGateway, client: Client, tmp_path: Path
) -> None:
    archive(gateway, days=1)
    client.save_exports(tmp_path)
    ours = tmp_path / "2026/11/01/records.jsonl"
    ours.write_bytes(b"changed")
    with pytest.raises(InvalidRequest) as differs:
        client.save_exports(tmp_path)
    assert (differs.value.code, ours.read_bytes()) == ("export_differs", b"changed")


@pytest.mark.parametrize("change", [{"day": "../../etc"}, {"day": None}, {"files": None}])
def test_a_day_that_is_none_is_no_place_to_write(
    gateway: FakeGateway, client: Client, tmp_path: Path, change: dict[str, Any]
) -> None:
    archive(gateway, days=1)[0].update(change)
    with pytest.raises(ServerError):
        client.save_exports(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_files_name_leads_nowhere_else(gateway: FakeGateway, client: Client, tmp_path: Path) -> None:
    archive(gateway, days=1)[0]["files"][0]["name"] = "../../../../escaped"
    new = client.save_exports(tmp_path / "here")
    assert new[0] == tmp_path / "here/2026/11/01/escaped"


def test_a_day_whose_url_has_ended_says_so(gateway: FakeGateway, client: Client, tmp_path: Path) -> None:
    archive(gateway, days=1)
    gateway.files.clear()
    with pytest.raises(NotFound):
        client.save_exports(tmp_path)


def test_the_async_client_reads_the_same(gateway: FakeGateway, tmp_path: Path) -> None:
    days = archive(gateway, days=1)
    gateway.lists |= {"/v1/ledger": [{"entry_id": "1"}], "/v1/records": [], "/v1/sessions/s/cost": [{"n": 1}]}

    async def read() -> None:
        async with gateway.async_client() as client:
            assert (await client.grouped("day"))["items"] == []
            assert await client.ledger() == [{"entry_id": "1"}]
            assert (await client.session_cost("s"))["items"] == [{"n": 1}]
            assert await client.exports() == days
            assert len(await client.save_exports(tmp_path / "days")) == 2
            gateway.interruptions = [httpx.Response(200, content=LINES)]
            assert (await client.export_records("jsonl", tmp_path)).read_bytes() == LINES
            gateway.interruptions = [stored(gateway, digest=sha256(b"other"))]
            with pytest.raises(ServerError):
                await client.export_records("jsonl", tmp_path / "other.jsonl")
            assert not (tmp_path / "other.jsonl").exists()

    asyncio.run(read())
