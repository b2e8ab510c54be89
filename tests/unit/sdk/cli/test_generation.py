"""run, status, cancel, upload."""

import json
from collections.abc import Callable
from pathlib import Path

import httpx

from tests.unit.sdk.cli.conftest import Museway
from tests.unit.sdk.fake_gateway import FakeGateway

MODEL = "kuaishou/kling-v3-i2v"


def test_run_saves_the_file_and_says_what_it_cost(museway: Museway, gateway: FakeGateway, tmp_path: Path) -> None:
    (tmp_path / "bicycle.png").write_bytes(b"png")
    result = museway("run", MODEL, "image_url=bicycle.png", "duration=8", "sound=false", "-o", "out/film.mp4")

    assert result.exit_code == 0
    assert (tmp_path / "out" / "film.mp4").read_bytes() == b"the film"
    assert result.stdout == (
        "model       kuaishou/kling-v3-i2v\n"
        "kind        video\n"
        "saved       out/film.mp4\n"
        "drive_path  media/gen_1.mp4\n"
        "generation  gen_1\n"
        "billed      $0.672 (67.2 credits, 672000 micros)\n"
    )
    assert gateway.body("/v1/media/generate")["inputs"] == {
        "image_url": "https://files.test/uploads/bicycle.png",
        "duration": 8,
        "sound": False,
    }


def test_run_prints_the_result_as_json(museway: Museway, gateway: FakeGateway) -> None:
    options = ["--output-path", "a/b.mp4", "--output-url-path", "x.url", "--kind", "video", "--json"]
    result = museway("run", MODEL, *options)
    assert json.loads(result.stdout)["billed_micros"] == 672_000
    body = gateway.body("/v1/media/generate")
    assert (body["output_path"], body["output_url_path"], body["kind"]) == ("a/b.mp4", "x.url", "video")


def test_run_without_a_file_prints_the_url(museway: Museway) -> None:
    assert "output_url  https://files.test/media/gen_1.mp4?signed=1\n" in museway("run", MODEL).stdout


def test_a_failed_run_exits_1_with_its_reason(museway: Museway, gateway: FakeGateway) -> None:
    gateway.failure = {"code": "moderated_input", "message": "The prompt was refused.", "retryable": False}
    result = museway("run", MODEL, "-o", "film.mp4")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "The prompt was refused. (moderated_input)" in result.stderr
    assert "generation: gen_1" in result.stderr


def test_a_run_that_takes_too_long_names_the_generation(museway: Museway, gateway: FakeGateway) -> None:
    gateway.work_seconds = 10_000
    result = museway("run", MODEL, "--timeout", "0")
    assert result.exit_code == 1
    assert "(wait_timeout)" in result.stderr
    assert "generation: gen_1" in result.stderr
    assert gateway.requests[-1].url.params["wait"] == "0"


def test_an_interrupted_run_says_that_the_generation_goes_on(museway: Museway, gateway: FakeGateway) -> None:
    answer = gateway._generation

    def interrupted(generation_id: str, request: httpx.Request) -> httpx.Response:
        raise KeyboardInterrupt

    gateway._generation = interrupted  # type: ignore[method-assign]
    result = museway("run", MODEL)
    assert result.exit_code != 0
    assert "museway status gen_1" in result.stderr
    gateway._generation = answer  # type: ignore[method-assign]
    assert museway("status", "gen_1").exit_code == 0


def test_status_of_a_generation(museway: Museway, gateway: FakeGateway) -> None:
    museway("run", MODEL)
    text = museway("status", "gen_1").stdout
    assert "status      completed (100 %)\n" in text
    assert "output      media/gen_1.mp4\n" in text
    assert json.loads(museway("status", "gen_1", "--json").stdout)["status"] == "completed"
    gateway.failure = {"code": "provider_error", "message": "It broke."}
    assert "error       It broke. (provider_error)\n" in museway("status", "gen_1").stdout
    assert museway("status", "gen_2").exit_code == 1


def test_status_needs_one_thing_to_ask_about(museway: Museway) -> None:
    assert museway("status").exit_code == 1
    assert museway("status", "gen_1", "--local").exit_code == 1


def test_local_status(museway: Museway, gateway: FakeGateway, local_file: Callable[..., Path]) -> None:
    absent = museway("status", "--local")
    assert (absent.exit_code, absent.stdout) == (1, "")
    assert "museway up" in absent.stderr

    local_file()
    running = museway("status", "--local")
    assert (running.exit_code, running.stdout) == (0, "running at http://127.0.0.1:8400 (version 1, catalog 7)\n")
    assert json.loads(museway("status", "--local", "--json").stdout)["running"] is True

    gateway.interruptions = [httpx.ConnectError("refused") for _ in range(20)]
    stopped = museway("status", "--local", "--json")
    assert (stopped.exit_code, json.loads(stopped.stdout)["running"]) == (1, False)
    assert "nothing answers" in museway("status", "--local").stderr


def test_cancel_prints_the_state(museway: Museway, gateway: FakeGateway) -> None:
    museway("batch", "-", stdin='{"model": "nano-banana"}')
    cancelled = museway("cancel", "gen_1")
    assert (cancelled.exit_code, cancelled.stdout) == (0, "cancelled\n")
    assert json.loads(museway("cancel", "gen_1", "--json").stdout)["billed_micros"] == 0
    assert "error       It was cancelled by its caller. (cancelled)\n" in museway("status", "gen_1").stdout


def test_what_has_ended_is_not_cancelled(museway: Museway, gateway: FakeGateway) -> None:
    museway("run", MODEL)
    refused = museway("cancel", "gen_1")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "(already_finished)" in refused.stderr
    assert "generation: gen_1" in refused.stderr
    assert museway("cancel", "gen_2").exit_code == 1


def test_upload(museway: Museway, gateway: FakeGateway, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"png")
    assert museway("upload", "a.png").stdout == "https://files.test/uploads/a.png\n"
    assert json.loads(museway("upload", "a.png", "--json").stdout)["drive_path"] == "uploads/a.png"
    missing = museway("upload", "none.png")
    assert missing.exit_code == 1
    assert "file_not_found" in missing.stderr
