"""Reading: lists, filters, prices, money and files; and that every price said is the price charged."""

import base64
import gzip
import io
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import httpx
import pytest

from gateway import ids, keys, ledger, operator, transport
from museway.records import verify
from tests.integration import world as outside
from tests.integration.world import COMPILED, GRANTED_MICROS, World

FRAME = "http://files.test/frame.png"
CALLS: dict[str, tuple[dict[str, Any], int, str, bool]] = {
    # a typed request of each model, its price in micros, what its provider delivers, and whether inside its answer
    "nano-banana": ({"num_images": 3, "aspect_ratio": "16:9"}, 117_000, "png", False),
    "gpt-image-2": ({"resolution": "4K", "aspect_ratio": "16:9"}, 210_000, "png", False),
    "openai/gpt-image-2": ({"n": 2, "quality": "high", "size": "1536x1024"}, 330_000, "png", True),
    "kuaishou/kling-v3-t2v": ({"duration": "7s", "sound": True}, 784_000, "mp4", False),
    "kuaishou/kling-v3-i2v": ({"duration": 8, "source_media_urls": FRAME}, 672_000, "mp4", False),
    "seedance-2-fast-480p": ({"duration": 4}, 640_000, "mp4", False),
    "openai/tts-1": ({"prompt": "x" * 1_001, "response_format": "mp3"}, 15_015, "mp3", True),
    "elevenlabs/music": ({"music_length_ms": 61_000}, 1_200_000, "mp3", False),
}


def get(museway: World, path: str, **how: Any) -> dict[str, Any]:
    status, body, _ = museway.request("GET", path, **how)
    assert status == 200, body
    return body


@pytest.mark.parametrize("model", CALLS)
def test_what_was_said_is_what_is_held_is_what_is_billed(museway: World, model: str) -> None:
    given, price_micros, extension, at_once = CALLS[model]
    museway.provider.extension = extension
    museway.provider.script = "deliver_at_once" if at_once else "deliver"
    museway.provider.outputs = given.get("num_images") or given.get("n") or 1
    body = {"model": model, "prompt": "a fox"} | given

    _, estimate, _ = museway.request("POST", "/v1/estimate", body)
    assert estimate["expected_micros"] == estimate["maximum_micros"] == price_micros
    assert sum(line["amount_micros"] for line in estimate["lines"]) == price_micros
    assert estimate["credits"] == price_micros / 10_000
    assert museway.totals().held_micros == 0

    status, accepted, _ = museway.request("POST", "/v1/generate/media", body)
    assert status == 202, accepted
    assert accepted["estimated_cost_micros"] == museway.totals().held_micros == price_micros
    assert all("served until" in warning for warning in accepted["warnings"])

    museway.settle_down()
    shown = get(museway, f"/v1/generations/{accepted['generation_id']}")
    assert (shown["status"], shown["billed_micros"], shown["error"]) == ("completed", price_micros, None)
    assert (shown["billed_credits"], shown["billed_usd"]) == (price_micros / 10_000, price_micros / 1_000_000)
    media_type = {"png": "image/png", "mp4": "video/mp4", "mp3": "audio/mpeg"}[extension]
    assert {output["media_type"] for output in shown["outputs"]} == {media_type}
    [record] = get(museway, "/v1/records")["items"]
    assert record["amount_micros"] == price_micros
    assert record["price_book_version"] == estimate["price_book_version"]
    assert [line["amount"] for line in record["lines"]] == [line["amount"] for line in estimate["lines"]]
    assert list(verify([record])) == []
    assert museway.totals() == ledger.Totals(GRANTED_MICROS, GRANTED_MICROS - price_micros, 0, price_micros)
    assert museway.violations(at_rest=True) == []


@pytest.mark.parametrize("model", CALLS)
def test_the_native_door_asks_the_same_price(museway: World, model: str) -> None:
    given, price_micros, _, _ = CALLS[model]
    native = {
        "prompt": "input" if model == "openai/tts-1" else "prompt",
        "sound": "generate_audio",
        "source_media_urls": "image_url",
    }
    inputs = {native.get(name, name): value for name, value in ({"prompt": "a fox"} | given).items()}
    _, estimate, _ = museway.request("POST", "/v1/estimate", {"model": model, "inputs": inputs})
    assert estimate["expected_micros"] == price_micros
    status, accepted, _ = museway.request("POST", "/v1/media/generate", {"model": model, "inputs": inputs})
    assert status == 202, accepted
    assert accepted["estimated_cost_micros"] == price_micros


def pages(museway: World, path: str, limit: int, key: str = "name") -> tuple[list[list[str]], list[str]]:
    """Every page's ids, and all of them in one list."""
    found: list[list[str]] = []
    cursor = ""
    while True:
        page = get(museway, f"{path}{'&' if '?' in path else '?'}limit={limit}{cursor}")
        found.append([item[key] for item in page["items"]])
        if page["next_cursor"] is None:
            return found, [one for page_ids in found for one in page_ids]
        cursor = f"&cursor={page['next_cursor']}"


def test_lists_page_newest_first_without_gap_or_repeat(museway: World) -> None:
    made = []
    for number in range(25):
        if number % 5:  # some at the very same moment
            museway.clock.sleep(0.001)
        made.append(museway.generate())
    assert [len(page) for page in pages(museway, "/v1/generations", 25, "generation_id")[0] if page] == [25]
    by_page, all_ids = pages(museway, "/v1/generations", 10, "generation_id")
    assert [len(page) for page in by_page] == [10, 10, 5]
    assert sorted(all_ids) == sorted(made)
    moments = [item["created_at"] for item in get(museway, "/v1/generations?limit=100")["items"]]
    assert moments == sorted(moments, reverse=True)
    assert len(get(museway, "/v1/generations")["items"]) == 20

    by_page, entries = pages(museway, "/v1/ledger", 10, "entry_id")
    assert [len(page) for page in by_page] == [10, 10, 6]  # 25 holds and the grant
    assert len(set(entries)) == 26


def test_a_cursor_leads_nowhere_but_on_in_ones_own_list(museway: World) -> None:
    for _ in range(3):
        museway.clock.sleep(1)
        museway.generate()
    operator.perform({"action": "project.create", "project_id": "other", "name": "Other"})
    ledger.grant("other", 1, "1")
    key = keys.create("other", "key")["api_key"]
    cursor = get(museway, "/v1/generations?limit=1")["next_cursor"]
    assert get(museway, f"/v1/generations?cursor={cursor}", key=key)["items"] == []
    cursor = get(museway, "/v1/ledger?limit=1")["next_cursor"]
    theirs = get(museway, f"/v1/ledger?cursor={cursor}", key=key)["items"]
    assert {entry["type"] for entry in theirs} <= {"grant"}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("kind=video", {"kuaishou/kling-v3-t2v", "kuaishou/kling-v3-i2v", "seedance-2-fast-480p"}),
        ("kind=audio", {"openai/tts-1", "elevenlabs/music"}),
        ("family=kuaishou/kling-v3", {"kuaishou/kling-v3-t2v", "kuaishou/kling-v3-i2v"}),
        ("mode=speech", {"openai/tts-1"}),
        ("mode=image", {"nano-banana", "gpt-image-2", "openai/gpt-image-2"}),
        ("capability=image-edit", {"nano-banana", "gpt-image-2"}),
        ("capability=tts", {"openai/tts-1"}),
        ("q=KLING", {"kuaishou/kling-v3-t2v", "kuaishou/kling-v3-i2v"}),
        ("q=eleven", {"elevenlabs/music"}),
        ("kind=image&q=openai", {"openai/gpt-image-2"}),
        ("status=active", {"nano-banana", "gpt-image-2"}),
        ("status=ending", {"openai/tts-1"}),
        ("status=retired", {"sora-2"}),
    ],
)
def test_models_are_found_by_what_they_are(museway: World, query: str, expected: set[str]) -> None:
    found = {model["id"] for model in get(museway, f"/v1/models?{query}", key=None)["items"]}
    every = {model["id"] for model in COMPILED["models"]}
    assert expected <= found < every
    others = every - found
    name, _, value = query.partition("&")[0].partition("=")
    if name in {"kind", "family"}:
        assert {model["id"] for model in COMPILED["models"] if model[name] != value} <= others


def test_a_filter_that_nothing_fits_finds_nothing(museway: World) -> None:
    assert get(museway, "/v1/models?kind=smell", key=None)["items"] == []


def test_the_catalog_pages_where_it_is_asked_to(museway: World) -> None:
    every = [model["id"] for model in get(museway, "/v1/models", key=None)["items"]]
    assert sorted(every) == sorted(model["id"] for model in COMPILED["models"])
    by_page, found = pages(museway, "/v1/models", 50, "id")
    assert found == every
    assert {len(page) for page in by_page[:-1]} == {50}
    assert pages(museway, "/v1/pricing?kind=video", 7, "model")[1] == [
        item["model"] for item in get(museway, "/v1/pricing?kind=video", key=None)["items"]
    ]
    for query, field in (("limit=0", "limit"), ("limit=101", "limit"), ("limit=x", "limit"), ("cursor=x", "cursor")):
        status, body, _ = museway.request("GET", f"/v1/models?{query}", key=None)
        assert (status, body["field"]) == (422, field)


def test_one_model_reads_as_in_the_list(museway: World) -> None:
    for listed in get(museway, "/v1/models", key=None)["items"]:
        assert get(museway, f"/v1/models/{listed['id']}", key=None) == listed


@pytest.mark.parametrize("path", ["/v1/models", "/v1/pricing"])
def test_long_lists_are_compressed_for_whoever_takes_it(museway: World, path: str) -> None:
    plain = museway.answer("GET", path, key=None)
    packed = museway.answer("GET", path, key=None, headers={"Accept-Encoding": "gzip, br"})
    assert not plain["isBase64Encoded"]
    assert (packed["isBase64Encoded"], packed["headers"]["Content-Encoding"]) == (True, "gzip")
    data = base64.b64decode(packed["body"])
    assert len(data) < len(plain["body"]) / 5
    assert gzip.decompress(data).decode() == plain["body"]


def test_prices_are_the_rates_that_are_charged(museway: World) -> None:
    rows = {
        (item["model"], row["row_id"]): (row["unit"], row["rate"], row["rate_credits"])
        for item in get(museway, "/v1/pricing", key=None)["items"]
        for row in item["rate_table"]
    }
    assert {model for model, _ in rows} == {model["id"] for model in COMPILED["models"]}
    assert rows["kuaishou/kling-v3-i2v", "silent"] == ("video_second", "0.084", "8.4")
    assert rows["kuaishou/kling-v3-i2v", "audio"] == ("video_second", "0.112", "11.2")
    assert rows["openai/tts-1", "character"] == ("tts_character", "0.000015", "0.0015")
    assert rows["seedance-2-fast-480p", "seedance-2-fast-480p"] == ("video_second", "0.16", "16")


def test_an_estimate_starts_and_keeps_nothing(museway: World) -> None:
    before = museway.totals()
    for _ in range(3):
        museway.request("POST", "/v1/estimate", {"model": "nano-banana", "prompt": "x"})
    assert museway.totals() == before
    assert museway._generations() == []


def test_reading_is_free_when_the_credits_are_gone(museway: World) -> None:
    operator.perform({"action": "project.create", "project_id": "empty", "name": "Empty"})
    key = keys.create("empty", "key")["api_key"]
    for path in ("/v1/balance", "/v1/records", "/v1/ledger", "/v1/generations", "/v1/models", "/v1/pricing"):
        assert museway.request("GET", path, key=key)[0] == 200
    assert museway.request("POST", "/v1/estimate", {"model": "nano-banana", "prompt": "x"}, key=key)[0] == 200
    assert get(museway, "/v1/balance", key=key)["available_micros"] == 0


def test_records_and_entries_between_two_times(museway: World) -> None:
    made = []
    for _ in range(3):
        made.append(museway.generate())
        museway.settle_down()
        museway.clock.sleep(3600)
    records = get(museway, "/v1/records")["items"]
    assert [record["generation_id"] for record in records] == made[::-1]
    newest, middle, oldest = (record["created_at"] for record in records)

    def between(**ends: str) -> list[str]:
        query = "&".join(f"{name}={value}" for name, value in ends.items())
        return [record["created_at"] for record in get(museway, f"/v1/records?{query}")["items"]]

    assert between(since=middle) == [newest, middle]
    assert between(until=middle) == [oldest]  # exclusive
    assert between(since=middle, until=newest) == [middle]
    assert between(since="2026-11-21") == [newest, middle, oldest]
    assert between(since="2026-11-22") == []
    assert between(until="2026-11-21") == []
    blank = "2026-11-21T03:00:00 02:00"  # what a plus sign in a query is decoded to
    assert between(since=blank) == between(since=blank.replace(" ", "+")) == [newest, middle]
    assert between(since="2026-11-21T00:00:00Z", until="2026-11-21T03:00:00+02:00") == [oldest]
    kinds = [entry["type"] for entry in get(museway, f"/v1/ledger?until={middle}")["items"]]
    assert kinds == ["hold", "settle", "hold", "grant"]
    assert pages(museway, f"/v1/records?since={middle}", 1, "generation_id")[1] == made[:0:-1]
    cursor = get(museway, "/v1/records?limit=1")["next_cursor"]
    status, refused, _ = museway.request("GET", f"/v1/records?until={middle}&cursor={cursor}")
    assert (status, refused["field"]) == (422, "cursor")


def test_the_ledger_tells_every_movement(museway: World) -> None:
    billed, failed = museway.generate(), museway.generate()
    museway.provider.scripts[failed] = "fail"
    museway.settle_down()
    entries = get(museway, "/v1/ledger")["items"]
    moves = {(entry["generation_id"], entry["type"]): entry["amount_micros"] for entry in entries}
    assert moves == {
        (None, "grant"): GRANTED_MICROS,
        (billed, "hold"): 39_000,
        (billed, "settle"): 39_000,
        (failed, "hold"): 39_000,
        (failed, "release"): 39_000,
    }


def test_a_status_can_be_waited_for(museway: World) -> None:
    museway.provider.seconds = 20.0
    generation_id = museway.generate()
    waited_from = museway.clock.seconds
    assert get(museway, f"/v1/generations/{generation_id}?wait=10")["status"] == "pending"
    assert 9 <= museway.clock.seconds - waited_from <= 10

    def finish() -> None:
        museway._deliver_stream()
        museway.machine.run_all()

    museway.clock.after(2, finish)
    assert get(museway, f"/v1/generations/{generation_id}?wait=25")["status"] == "completed"
    waited_from = museway.clock.seconds
    assert get(museway, f"/v1/generations/{generation_id}?wait=25")["status"] == "completed"
    assert museway.clock.seconds == waited_from


def fetch(url: str) -> bytes:
    """What a signed URL gives, read by the storage's own client."""
    parts = urlsplit(url)
    assert "X-Amz-Signature" in parse_qs(parts.query)
    bucket, _, key = parts.path.lstrip("/").partition("/")
    body: bytes = boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    return body


@pytest.mark.moto
def test_an_output_is_shared_by_a_signed_url_and_only_by_its_own_project(museway: World) -> None:
    generation_id = museway.generate()
    museway.settle_down()
    output = get(museway, f"/v1/generations/{generation_id}")["outputs"][0]
    assert outside.sha256(fetch(output["url"])) == output["sha256"]
    path = output["drive_path"]
    status, signed, _ = museway.request("POST", "/v1/drive/sign", {"drive_path": path, "ttl_seconds": 60})
    assert status == 200
    assert parse_qs(urlsplit(signed["url"]).query)["X-Amz-Expires"] == ["60"]
    assert signed["expires_at"] == ids.timestamp(museway.clock.now() + timedelta(seconds=60))
    assert len(fetch(signed["url"])) == output["bytes"]

    operator.perform({"action": "project.create", "project_id": "other", "name": "Other"})
    key = keys.create("other", "key")["api_key"]
    for body, how in (
        ({"drive_path": path}, {"key": key}),
        ({"drive_path": "media/nothing.png"}, {}),
        ({"drive_path": f"projects/demo/{path}"}, {"key": key}),
    ):
        status, refused, _ = museway.request("POST", "/v1/drive/sign", body, **how)
        assert (status, refused["error"]) == (404, "not_found")


def test_an_uploaded_file_can_be_animated(museway: World) -> None:
    """The way of the demo: upload a picture, pass its URL to image-to-video."""
    data = outside.picture("teal")
    asked = {"files": [{"filename": "../my picture.png", "content_type": "image/png", "bytes": len(data)}]}
    status, body, _ = museway.request("POST", "/v1/upload/media", asked)
    assert status == 200
    [target] = body["files"]
    assert target["method"] == "PUT"
    assert target["headers"] == {"content-type": "image/png", "content-length": str(len(data))}
    assert target["drive_path"].endswith("/my_picture.png")
    bucket, _, key = urlsplit(target["upload_url"]).path.lstrip("/").partition("/")
    boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=io.BytesIO(data), ContentType="image/png")
    assert key == f"projects/demo/{target['drive_path']}"
    assert fetch(target["url"]) == data

    drive_host = urlsplit(target["url"]).netloc

    def drive_and_files(request: httpx.Request) -> httpx.Response:
        if request.url.host == drive_host:
            return httpx.Response(200, content=fetch(str(request.url)))
        return outside.files(request)

    museway.provider.extension = "mp4"
    with transport.use(httpx.MockTransport(drive_and_files)):
        generation_id = museway.generate("kuaishou/kling-v3-i2v", source_media_urls=[target["url"]], duration=3)
        museway.settle_down()
    shown = get(museway, f"/v1/generations/{generation_id}")
    assert (shown["status"], shown["billed_micros"]) == ("completed", 252_000)
    assert shown["outputs"][0]["has_audio"] is True
    assert shown["outputs"][0]["duration_seconds"] == pytest.approx(1.0, abs=0.1)
    sent = museway.provider.submissions[f"{generation_id}-1"].body
    assert sent["start_image_url"] == target["url"]
    assert sent["duration"] == "3"
