"""The doors of the running system, used as its users would: SDK, command line, plain HTTP."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import httpx
import pytest
from PIL import Image

from museway import Client
from museway.errors import InsufficientCredits, UnknownModel
from museway.records import verify
from tests.e2e.support import Local, Sandbox


@pytest.fixture(scope="module")
def tenant(local: Local) -> tuple[str, str]:
    """A project of its own with 1,000 credits: its id and key."""
    return local.project("doors", 10_000_000)


@pytest.fixture(scope="module")
def client(local: Local, tenant: tuple[str, str]) -> Iterator[Client]:
    with Client(url=local.url, api_key=tenant[1]) as made:
        yield made


@pytest.fixture(scope="module")
def http(local: Local, tenant: tuple[str, str]) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {tenant[1]}"}
    with httpx.Client(base_url=local.url, headers=headers, timeout=60) as made:
        yield made


def probed(data: bytes) -> dict[str, Any]:
    with av.open(io.BytesIO(data)) as container:
        video = container.streams.video[0] if container.streams.video else None
        return {
            "seconds": container.duration / av.time_base,
            "aspect": video.width / video.height if video else None,
            "audio": bool(container.streams.audio),
        }


def test_an_image_has_the_asked_aspect_and_its_price(client: Client) -> None:
    estimate = client.estimate("nano-banana", {"prompt": "a pier", "aspect_ratio": "9:16"})
    result = client.run("nano-banana", {"prompt": "a pier", "aspect_ratio": "9:16"})
    image = Image.open(io.BytesIO(httpx.get(result["output_url"]).content))
    assert image.width / image.height == pytest.approx(9 / 16, abs=0.02)
    assert result["billed_micros"] == estimate["expected_micros"] == 39_000


@pytest.mark.parametrize("audio", [False, True])
def test_a_local_picture_becomes_a_video_of_the_asked_length(client: Client, tmp_path: Path, audio: bool) -> None:
    picture = tmp_path / "start.png"
    Image.new("RGB", (640, 360), "teal").save(picture)
    inputs = {"image_url": str(picture), "prompt": "waves", "duration": 4, "generate_audio": audio}
    result = client.run("kuaishou/kling-v3-i2v", inputs, output_path=f"clips/waves-{audio}.mp4")
    found = probed(httpx.get(result["output_url"]).content)
    assert found["seconds"] == pytest.approx(4, abs=0.1)
    assert found["audio"] is audio
    assert result["drive_path"] == f"clips/waves-{audio}.mp4"
    assert result["billed_micros"] == 4 * (112_000 if audio else 84_000)


def test_speech_and_music_can_be_heard(client: Client) -> None:
    speech = client.run("elevenlabs/eleven-v3", {"text": "The tide comes in."})
    assert probed(httpx.get(speech["output_url"]).content)["seconds"] > 0.5
    assert speech["billed_micros"] == 18 * 80
    music = client.run("elevenlabs/music", {"prompt": "slow piano", "music_length_ms": 10_000})
    assert probed(httpx.get(music["output_url"]).content)["seconds"] == pytest.approx(10, abs=0.3)
    assert music["billed_micros"] == 600_000


def test_what_comes_inside_the_providers_answer_is_delivered_and_billed_as_reported(client: Client) -> None:
    picture = client.run("openai/gpt-image-2", {"prompt": "a pier", "quality": "low", "n": 2})
    assert Image.open(io.BytesIO(httpx.get(picture["output_url"]).content)).size == (1024, 1024)
    assert picture["billed_micros"] == 2 * 6_000
    text = client.run("openai/gpt-4o-mini", {"prompt": "Name the pier.", "max_tokens": 64})
    assert text["kind"] == "text"
    assert httpx.get(text["output_url"]).text.strip()
    assert (
        0
        < text["billed_micros"]
        <= client.estimate("openai/gpt-4o-mini", prompt="Name the pier.", max_tokens=64)["maximum_micros"]
    )


def test_the_typed_door_takes_the_seeds_words(http: httpx.Client, client: Client) -> None:
    uploaded = client.upload(_png(), filename="start.png")["url"]
    body = {
        "model": "seedance-2-fast-480p",
        "prompt": "it turns",
        "generation_type": "image-to-video",
        "source_media_urls": [uploaded],
        "duration": "4s",
    }
    accepted = http.post("/v1/generate/media", json=body)
    assert accepted.status_code == 202
    assert accepted.json()["estimated_cost_credits"] == 64
    status = client.generation(accepted.json()["generation_id"]).wait(timeout=120)
    assert (status["status"], status["billed_credits"]) == ("completed", 64)


def test_the_command_line_runs_saves_and_verifies(local: Local, tenant: tuple[str, str], tmp_path: Path) -> None:
    environment = {**os.environ, "MUSEWAY_URL": local.url, "MUSEWAY_API_KEY": tenant[1]}

    def museway(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("museway")), *arguments]
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120)

    ran = museway("run", "nano-banana", "prompt=a kite", "aspect_ratio=1:1", "-o", "kite.png", "--json")
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["billed_micros"] == 39_000
    with Image.open(tmp_path / "kite.png") as kite:
        assert kite.width == kite.height
    (tmp_path / "records.jsonl").write_text(museway("records", "--jsonl").stdout)
    assert museway("verify", "records.jsonl").returncode == 0
    (tmp_path / "records.jsonl").write_text((tmp_path / "records.jsonl").read_text().replace("39000", "38000"))
    assert museway("verify", "records.jsonl").returncode == 1
    wrong = museway("run", "nano-bananna", "prompt=a kite")
    assert wrong.returncode == 1
    assert "unknown_model" in wrong.stderr
    assert "nano-banana" in wrong.stderr
    assert museway("balance", "--json").returncode == 0


def test_the_bill_is_the_balance_is_the_records(client: Client) -> None:
    records = client.records()
    balance = client.balance()
    assert verify(records) == []
    assert sum(record["amount_micros"] for record in records) == balance["spent_micros"]
    assert balance["granted_micros"] == balance["available_micros"] + balance["spent_micros"] + balance["held_micros"]


def test_bad_input_is_refused_and_changes_nothing(
    http: httpx.Client, client: Client, local: Local, sandbox: Sandbox
) -> None:
    before = client.balance()

    def video(url: str) -> dict[str, Any]:
        return {"model": "kuaishou/kling-v3-i2v", "inputs": {"prompt": "x", "image_url": url}}

    refusals = {
        "unknown_model": ({"model": "kuaishou/kling-v9", "inputs": {}}, 400),
        "unsafe_url": (video("http://169.254.169.254/latest/meta-data"), 400),
        "source_unreachable": (video(f"{sandbox.url}/files/absent.png"), 400),
        "source_not_media": (video(f"{sandbox.url}/health"), 400),
        "invalid_request": ({"inputs": {"prompt": "x"}}, 422),
        "payload_too_large": ({"model": "nano-banana", "inputs": {"prompt": "x" * 1_100_000}}, 413),
    }
    for code, (body, status) in refusals.items():
        answer = http.post("/v1/media/generate", json=body)
        assert (answer.status_code, answer.json()["error"]) == (status, code), answer.text
        assert answer.json()["request_id"] == answer.headers["x-request-id"]
        assert answer.json()["hint"]
    assert http.get("/v1/models/kuaishou/kling-v9").status_code == 404
    assert http.get("/v1/nowhere").json()["error"] == "not_found"
    assert client.balance() == before
    with pytest.raises(UnknownModel):
        client.run("kuaishou/kling-v9", {"prompt": "x"})


def test_a_body_is_json_whatever_the_header_says(http: httpx.Client) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    answer = http.post("/v1/estimate", content='{"model": "nano-banana", "prompt": "x"}', headers=form)
    assert (answer.status_code, answer.json()["expected_micros"]) == (200, 39_000)
    broken = http.post("/v1/estimate", content='{"model": "nano-banana"', headers=form)
    assert (broken.status_code, broken.json()["field"]) == (422, "body")


def test_a_key_is_needed_and_a_revoked_one_is_refused_at_once(local: Local) -> None:
    project_id, api_key = local.project("revoked", 0)
    with httpx.Client(base_url=local.url) as http:
        assert http.get("/v1/balance").json()["error"] == "unauthorized"
        headers = {"authorization": f"Bearer {api_key}"}
        assert http.get("/v1/balance", headers=headers).status_code == 200
        local.operate(action="project.key.revoke", project_id=project_id, key_id=api_key[3:15])
        refused = http.get("/v1/balance", headers=headers)
        assert (refused.status_code, refused.json()["error"]) == (401, "unauthorized")


def test_no_credits_no_call(local: Local) -> None:
    _, api_key = local.project("poor", 38_999)
    with Client(url=local.url, api_key=api_key) as poor, pytest.raises(InsufficientCredits) as refused:
        poor.run("nano-banana", {"prompt": "x"})
    assert (refused.value.needed_micros, refused.value.available_micros) == (39_000, 38_999)


def test_another_projects_generation_is_not_shown(client: Client, local: Local) -> None:
    generation = client.submit("nano-banana", {"prompt": "mine"})
    _, other = local.project("other", 0)
    with httpx.Client(base_url=local.url, headers={"authorization": f"Bearer {other}"}) as http:
        assert http.get(f"/v1/generations/{generation.id}").status_code == 404
    generation.result(timeout=120)


@pytest.mark.parametrize("path", ["/health", "/openapi.json", "/docs", "/v1/models", "/v1/pricing"])
def test_public_pages_need_no_key(local: Local, path: str) -> None:
    answer = httpx.get(local.url + path, timeout=30)
    assert answer.status_code == 200
    assert "x-request-id" in answer.headers


def test_logs_tell_ids_and_no_secrets(local: Local, client: Client, tenant: tuple[str, str]) -> None:
    generation = client.submit("nano-banana", {"prompt": "an unmistakable heron"}, providers=["fal"])
    generation.result(timeout=120)
    logs = "".join(path.read_text() for path in Path(local.description["logs"]).rglob("*.log"))
    about = [json.loads(line) for line in logs.splitlines() if generation.id in line and line.startswith('{"level"')]
    steps = {line["service"].removeprefix("museway-local-") for line in about}
    assert {"submission", "submit_attempt", "poll_attempt", "collect_outputs", "settle"} <= steps
    assert all(line.get("project_id") == tenant[0] for line in about if line["service"].endswith("settle"))
    for secret in (tenant[1], tenant[1][15:], "X-Amz-Signature", "unmistakable heron"):
        assert secret not in logs


def _png() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (320, 180), "navy").save(file, "PNG")
    return file.getvalue()
