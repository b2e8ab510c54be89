"""The sandbox's controls, and the files it serves."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from infra.sandbox.faults import MOMENTS
from infra.sandbox.providers import PROVIDERS
from infra.sandbox.server import create_app
from infra.sandbox.serving import served_sandbox
from tests.integration.sandbox.support import SandboxControl, until

ROOT = Path(__file__).parents[3]
NANO = "/fal-ai/nano-banana"


def test_health(sandbox_url: str) -> None:
    assert httpx.get(f"{sandbox_url}/health").json() == {"status": "ok", "providers": list(PROVIDERS)}


@pytest.mark.parametrize(
    ("order", "error", "allowed"),
    [
        ({"fault": "explode"}, "unknown_fault", {*MOMENTS, "none"}),
        ({"fault": "slow", "provider": "acme"}, "unknown_provider", {*PROVIDERS, "*"}),
        ({"fault": "slow", "times": -1}, "invalid_request", None),
        ({"fault": "slow", "matches": "x"}, "invalid_request", None),
        ({"provider": "fal"}, "invalid_request", None),
        (["slow"], "invalid_request", None),
    ],
)
def test_refused_faults(
    sandbox_url: str, control: SandboxControl, order: object, error: str, allowed: set[str] | None
) -> None:
    answer = httpx.post(f"{sandbox_url}/_control/faults", json=order)
    body = answer.json()
    assert (answer.status_code, body["error"]) == (400, error)
    assert body["message"]
    assert allowed is None or set(body["allowed"]) == allowed
    assert control.armed() == []


def test_armed_faults_are_listed_in_their_order(control: SandboxControl) -> None:
    control.arm("slow", "fal", times=3, match="fox", seconds=1)
    control.arm("filtered", times=None)
    assert control.armed() == [
        {"provider": "fal", "fault": "slow", "times": 3, "match": "fox", "seconds": 1.0},
        {"provider": "*", "fault": "filtered", "times": None, "match": "", "seconds": None},
    ]
    control.arm("none", "fal")
    assert [fault["fault"] for fault in control.armed()] == ["filtered"]
    control.arm("none")
    assert control.armed() == []


def test_reset_and_delete(sandbox_url: str, fal_http: httpx.Client, control: SandboxControl) -> None:
    for forget in (("POST", "reset"), ("DELETE", "calls")):
        control.arm("refuse")
        fal_http.post(NANO, json={"prompt": "a fox"})
        control.arm("refuse")
        assert len(control.calls()) == 1
        assert httpx.request(forget[0], f"{sandbox_url}/_control/{forget[1]}").status_code == 200
        assert control.calls() == control.armed() == []


def test_speed(sandbox_url: str, fal_http: httpx.Client, control: SandboxControl) -> None:
    for seconds in (0.0, 0.3):
        control.speed(seconds)
        prompt = f"a fox in {seconds} s"
        fal_http.post(NANO, json={"prompt": prompt})
        job = control.wait_finished(prompt)
        assert job["finished_at"] - job["accepted_at"] >= seconds
    assert httpx.post(f"{sandbox_url}/_control/speed", json={"seconds": -1}).status_code == 400


def test_files_with_range_and_head(sandbox_url: str, fal_http: httpx.Client, control: SandboxControl) -> None:
    accepted = fal_http.post(NANO, json={"prompt": "a fox in a file"}).json()
    control.wait_finished("a fox in a file")
    url = fal_http.get(accepted["response_url"]).json()["images"][0]["url"]
    whole = httpx.get(url)
    assert whole.headers["accept-ranges"] == "bytes"
    head = httpx.head(url)
    assert head.headers["content-length"] == str(len(whole.content))
    assert head.content == b""
    part = httpx.get(url, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole.content)}"
    assert httpx.get(url, headers={"Range": "bytes=99999999-"}).status_code == 416
    assert httpx.get(f"{sandbox_url}/files/none.png").status_code == 404


def test_the_server_answers_while_it_renders(sandbox_url: str, fal_http: httpx.Client, control: SandboxControl) -> None:
    inputs = {"prompt": "a long film", "duration": "10", "resolution": "720p"}
    fal_http.post("/bytedance/seedance-2.0/fast/text-to-video", json=inputs)
    answers = 0
    while control.job("a long film")["state"] != "finished":
        answers += httpx.get(f"{sandbox_url}/health").status_code == 200
    assert answers >= 10


def test_in_process_without_a_server() -> None:
    async def use() -> int:
        app = create_app("http://sandbox")
        transport = httpx.ASGITransport(app=app)
        async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport) as client:
            answer = await client.post(
                "http://sandbox/openai/v1/images/generations",
                headers={"Authorization": "Bearer sk"},
                json={"model": "gpt-image-2", "prompt": "a fox"},
            )
        return answer.status_code

    assert asyncio.run(use()) == 200


def test_stopping_does_not_wait_for_calls_that_hang() -> None:
    with served_sandbox() as url:
        control = SandboxControl(url)
        control.arm("accept_then_timeout")
        headers = {"Authorization": "Key k"}
        hanging = threading.Thread(target=_post_and_ignore, args=(f"{url}/fal{NANO}", headers))
        hanging.start()
        until(lambda: control.paid() == 1, "the call hangs")
        control.close()
        began = time.monotonic()
    hanging.join(10)
    assert not hanging.is_alive()
    assert time.monotonic() - began < 10
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/health")


def _post_and_ignore(url: str, headers: dict[str, str]) -> None:
    try:
        httpx.post(url, headers=headers, json={"prompt": "a hanging fox"}, timeout=60)
    except httpx.TransportError:
        return


def test_as_a_process() -> None:
    command = [sys.executable, "-m", "infra.sandbox", "--port", "0", "--job-seconds", "0"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1]
            assert httpx.get(f"{url}/health").status_code == 200
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "infra.sandbox", "--port", port]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert f"Cannot listen on port {port}" in done.stderr
