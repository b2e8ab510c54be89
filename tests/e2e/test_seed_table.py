"""Statements of the seeds over HTTP: prices, refusals, and a balance that none of it moves.

All of them hold in process (tests/unit/test_seed_table.py). Here, where only doors, roles and the wire can differ, one
in `ONE_IN` of each block is asked; `make whole` asks every one.

A model whose providers have all ended answers 410 to everything, and names what to use instead.
"""

import io
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from PIL import Image

from infra.sandbox.render.audio import MusicOrder
from infra.sandbox.render.video import VideoOrder
from museway import Client
from tests.e2e.support import Local
from tests.seeds.answers import differences, ignored
from tests.seeds.facts import DEARER, FACTS, REFERENCE_INPUTS, REFERENCE_SLUG, REFERENCE_VIDEO, Dearer, Fact
from tests.seeds.rows import BLOCKS, ROWS
from tests.seeds.table import FILES, MICROS_PER_CREDIT, Accepted, File, Price, Refusal, Row, moved

AT_ONCE = 4
ONE_IN = 5
GRANTED_MICROS = 1_000_000_000
FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP"}
# The beginning of a file of each format, with nothing in it that tells a length.
UNREAD = {
    "video/mp4": b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isommp42",
    "video/quicktime": b"\x00\x00\x00\x14ftypqt  \x00\x00\x02\x00qt  ",
    "video/webm": b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\xf3\x81\x08B\x82\x84webm"
    b"B\x87\x81\x04B\x85\x81\x02",
    "audio/mp4": b"\x00\x00\x00\x18ftypM4A \x00\x00\x02\x00M4A isom",
}


@dataclass(frozen=True)
class Statements:
    """The system as the rows meet it: over HTTP, with media that were uploaded."""

    http: httpx.Client
    places: Mapping[str, str]
    models: Mapping[str, dict[str, Any]]

    def estimate(self, row: Row) -> httpx.Response:
        return self.http.post("/v1/estimate", json=self._body(row))

    def generate(self, row: Row, **control: Any) -> httpx.Response:
        path = "/v1/media/generate" if row.door == "native" else "/v1/generate/media"
        return self.http.post(path, json=self._body(row) | control)

    def native_price(self, model: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        body = {"model": model, "inputs": moved(inputs, self.places)}
        return dict(self.http.post("/v1/estimate", json=body).raise_for_status().json())

    def balance(self) -> dict[str, Any]:
        return dict(self.http.get("/v1/balance").raise_for_status().json())

    def is_retired(self, model: str) -> bool:
        return bool(self.models.get(model, {}).get("status") == "retired")

    def _body(self, row: Row) -> dict[str, Any]:
        request = moved(row.request, self.places)
        return {"model": row.model, "inputs": request} if row.door == "native" else {"model": row.model, **request}


@pytest.fixture(scope="module")
def places(local: Local) -> dict[str, str]:
    """Every medium that can be made, uploaded: its URL by its name."""
    _, api_key = local.project("seed-table-media", 0)
    with Client(url=local.url, api_key=api_key) as client:
        return {name: client.upload(made(file), filename=name)["url"] for name, file in FILES.items() if file.made}


@pytest.fixture
def statements(local: Local, places: dict[str, str], models: dict[str, dict[str, Any]]) -> Iterator[Statements]:
    """A project of its own, so that what one block spends by a fault is not counted against another."""
    _, api_key = local.project("seed-table", GRANTED_MICROS)
    headers = {"authorization": f"Bearer {api_key}"}
    with httpx.Client(base_url=local.url, headers=headers, timeout=60) as http:
        yield Statements(http, places, models)


@pytest.fixture(scope="module")
def models(local: Local) -> dict[str, dict[str, Any]]:
    """Every model as it is listed, by id."""
    items = httpx.get(f"{local.url}/v1/models", timeout=60).raise_for_status().json()["items"]
    return {item["id"]: item for item in items}


def made(file: File) -> bytes:
    """A medium with these facts."""
    if file.kind == "image":
        content = io.BytesIO()
        Image.new("RGB", (file.width or 0, file.height or 0), "teal").save(content, FORMATS[file.media_type])
        return content.getvalue()
    if file.duration_seconds is None:
        return UNREAD[file.media_type] + bytes(64)
    seconds = int(file.duration_seconds)
    if file.kind == "video":
        return VideoOrder("waves", file.width or 0, file.height or 0, seconds).render().content
    return MusicOrder("waves", seconds, "wav" if file.media_type == "audio/wav" else "mp3").render().content


def problems(statements: Statements, row: Row) -> list[str]:
    """What of a row is not so."""
    if statements.is_retired(row.model):
        return retired(statements, row)
    if isinstance(row.expect, Refusal):
        answer = statements.generate(row)
        return differences(row.expect, answer.status_code, answer.json())
    answer = statements.estimate(row)
    if answer.status_code != 200:
        return [answer.text]
    body = answer.json()
    found = []
    if row.door == "typed":
        expected = {*row.expect.ignored} if isinstance(row.expect, Accepted) else set()
        if (named := ignored(row.request, body["warnings"])) != expected:
            found.append(f"warnings name {named}, not {expected}")
    if isinstance(row.expect, Price):
        found += price_problems(statements, row, row.expect, body)
    return found


def price_problems(statements: Statements, row: Row, price: Price, body: Mapping[str, Any]) -> list[str]:
    """What is estimated is what would be held, which a limit of nothing shows without starting anything."""
    refused = statements.generate(row, max_price_micros=0)
    found = {
        "expected_micros": (body["expected_micros"], price.micros),
        "maximum_micros": (body["maximum_micros"], price.micros),
        "credits": (body["credits"], price.micros / MICROS_PER_CREDIT),
        "row": (body["lines"][0]["row"], price.row or body["lines"][0]["row"]),
        "is assumed": (bool(body["assumptions"]), price.assumed),
        "error": (refused.json().get("error"), "price_above_maximum"),
        "would be held": (refused.json().get("maximum_micros"), price.micros),
    }
    return [f"{name} {is_}, not {ought}" for name, (is_, ought) in found.items() if is_ != ought]


def retired(statements: Statements, row: Row) -> list[str]:
    """Nothing of a retired model is sold or priced; it names its successor, which is alive."""
    found = []
    for answer in (statements.estimate(row), statements.generate(row)):
        body = answer.json()
        if (answer.status_code, body.get("error")) != (410, "model_retired"):
            found.append(f"{answer.status_code} {body.get('error')}, not 410 model_retired")
        if body.get("successor") not in statements.models or statements.is_retired(body["successor"]):
            found.append(f"successor {body.get('successor')}")
    return found


@pytest.mark.parametrize("block", BLOCKS)
def test_the_seeds_statements_hold_and_no_refusal_costs(
    statements: Statements, block: str, pytestconfig: pytest.Config
) -> None:
    rows = [row for row in BLOCKS[block] if row.files <= statements.places.keys()]
    assert len(rows) > len(BLOCKS[block]) * 0.9
    rows = rows if pytestconfig.getoption("--whole") else rows[::ONE_IN]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(lambda row: [f"{row.id} ({row.source}): {fault}" for fault in problems(statements, row)], rows)
        faults = [fault for of_row in found for fault in of_row]
    assert not faults, "\n".join(faults)
    nothing_was_held(statements)


def nothing_was_held(statements: Statements) -> None:
    balance = statements.balance()
    told = {name: balance[f"{name}_micros"] for name in ("granted", "available", "held", "spent")}
    assert told == {"granted": GRANTED_MICROS, "available": GRANTED_MICROS, "held": 0, "spent": 0}
    assert statements.http.get("/v1/generations").json()["items"] == []


def test_every_id_that_the_seeds_name_is_listed(local: Local, models: dict[str, dict[str, Any]]) -> None:
    named = {row.model for row in ROWS if not isinstance(row.expect, Refusal)}
    assert named - models.keys() == set()
    priced = httpx.get(f"{local.url}/v1/pricing", timeout=60).raise_for_status().json()["items"]
    assert named - {item["model"] for item in priced} == set()


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.model)
def test_a_model_is_listed_as_the_seed_says(local: Local, models: dict[str, dict[str, Any]], fact: Fact) -> None:
    shown = models[fact.model]
    assert shown == httpx.get(f"{local.url}/v1/models/{fact.model}", timeout=60).json()
    assert shown["kind"] == fact.kind
    assert shown["capabilities"].get("video_audio") == fact.video_audio
    assert shown["supports_sound"] is fact.supports_sound
    assert shown["estimated_time_seconds"] > 0
    if fact.input_media_types is not None:
        assert {*shown["input_media_types"]} == fact.input_media_types
    if fact.generation_types is not None:
        assert {*shown["generation_types"]} == fact.generation_types


@pytest.mark.parametrize("pair", DEARER, ids=lambda pair: pair.id)
def test_one_costs_more_than_the_other(statements: Statements, pair: Dearer) -> None:
    if statements.is_retired(pair.model) or statements.is_retired(pair.cheaper_model):
        pytest.skip("one of the two is no longer sold")
    dearer = statements.native_price(pair.model, pair.inputs)
    cheaper = statements.native_price(pair.cheaper_model, pair.cheaper_inputs)
    assert dearer["expected_micros"] > cheaper["expected_micros"], pair.source


def test_a_reference_video_triggers_the_with_reference_rate(statements: Statements) -> None:
    without = statements.native_price(REFERENCE_SLUG, REFERENCE_INPUTS)["lines"][0]
    with_video = statements.native_price(REFERENCE_SLUG, REFERENCE_INPUTS | REFERENCE_VIDEO)["lines"][0]
    assert (without["row"], without["rate"]) != (with_video["row"], with_video["rate"])


def test_a_bare_label_answers_the_seeds_own_words(statements: Statements) -> None:
    """Also to an estimate, and at either door: nothing can be priced without the variant."""
    row = next(row for row in ROWS if row.id == "seedance-2-fast: the label")
    native = Row(row.id, row.source, "native", row.model, row.request, row.expect)
    assert isinstance(row.expect, Refusal)
    for answer in (statements.estimate(row), statements.generate(row), statements.generate(native)):
        assert differences(row.expect, answer.status_code, answer.json()) == []
    nothing_was_held(statements)
