"""The provider that the README describes: its very text, compiled and published, delivers through a small server."""

import base64
import hashlib
import hmac
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from gateway import catalog, providers, tables, transport
from gateway.catalog.compiling import compile_documents
from gateway.providers import ApiKey
from infra.sandbox.render.video import VideoOrder
from tests.integration import world as outside
from tests.integration.world import World
from tests.unit.gateway.fox import OFFER, family, setting

README = Path(__file__).parents[2] / "README.md"
LINES_MAX = 30
KEY = b"acme signs with this"


def described() -> str:
    """The block of the README."""
    found = re.search(
        r"### Adding a provider as data.*?```yaml\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL
    )
    assert found
    return found[1]


@dataclass
class Acme:
    """What the description promises of the provider; `asked` are the calls, with the bodies of submissions."""

    url: str = ""
    state: str = "done"
    polls_until_then: int = 1
    asked: list[tuple[str, str, Any]] = field(default_factory=list)

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        self.asked.append((method, path, body))
        match method, path:
            case "POST", "/v1/models/fox-2/jobs":
                return 201, {"job": {"id": "job 1", "state": "queued"}}
            case "GET", "/v1/webhooks/key":
                return 200, {"key": "whsec_" + base64.b64encode(KEY).decode()}
            case "GET", "/v1/jobs/job%201":
                return 200, {"job": {"id": "job 1", **self._job()}}
        return 404, {"error": {"text": "no such thing"}}

    def _job(self) -> dict[str, Any]:
        if self.polls_until_then:
            self.polls_until_then -= 1
            return {"state": "working", "percent": 40}
        if self.state == "failed":
            return {"state": "failed", "reason": "The prompt is unsafe."}
        return {"state": "done", "files": [{"url": f"{self.url}/fox.mp4"}], "credits": 31}


@contextmanager
def served(acme: Acme) -> Iterator[Acme]:
    clip = VideoOrder("a fox", 640, 360, 3.0, audio=True).render().content

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            if self.path == "/fox.mp4":
                self._send(200, clip, "video/mp4")
            elif self.headers["authorization"] != "Bearer acme-key":
                self._send(401, b"{}", "application/json")
            else:
                content = self.rfile.read(int(self.headers.get("content-length", 0)))
                status, body = acme.answer(self.command, self.path, json.loads(content or b"null"))
                self._send(status, json.dumps(body).encode(), "application/json")

        do_GET = do_POST = answer  # noqa: N815 - the names that the base class looks for

        def _send(self, status: int, body: bytes, content_type: str) -> None:
            self.send_response(status)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        acme.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield acme
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def acme() -> Iterator[Acme]:
    with served(Acme()) as running:
        yield running


@pytest.fixture
def museway(acme: Acme) -> Iterator[World]:
    """A world whose catalog has the fox, served by Acme alone."""
    made_of_its_description = providers.provider
    environment = {
        "PROVIDER_BASE_URLS": json.dumps({"acme": f"{acme.url}/v1"}),
        "URL_ALLOWED_HOSTS": urlsplit(acme.url).netloc,
    }
    documents = {
        "fox.yaml": family(
            setting(*OFFER, "provider", to="acme"), setting(*OFFER, "endpoints", to=[{"endpoint": "fox-2"}])
        ),
        "providers/acme.yaml": yaml.safe_load(described()),
    }
    # Undone before the world undoes its own.
    with outside.world(environment) as world, pytest.MonkeyPatch.context() as monkeypatch:
        catalog.publish(compile_documents(documents, ()))
        forget()
        monkeypatch.setattr(providers, "provider", made_of_its_description)
        monkeypatch.setattr(providers, "api_key", lambda name: ApiKey(f"{name}-key"))
        monkeypatch.setattr(transport, "_replacement", None)
        yield world
    forget()


def forget() -> None:
    """Whatever is kept of another catalog."""
    catalog.forget()
    providers.forget()


def submitted(museway: World) -> str:
    """A fox that was accepted by Museway, and by Acme."""
    status, accepted, _ = museway.request("POST", "/v1/generate/media", {"model": "fox-1", "prompt": "a fox"})
    assert status == 202, accepted
    return str(accepted["generation_id"])


def test_it_is_short() -> None:
    assert len(described().splitlines()) < LINES_MAX


def test_it_delivers(museway: World, acme: Acme) -> None:
    generation_id = submitted(museway)
    museway.settle_down()
    shown = museway.generation(generation_id)
    assert (shown["status"], shown["error"]) == ("completed", None)
    [output] = shown["outputs"]
    assert (output["media_type"], output["duration_seconds"]) == ("video/mp4", pytest.approx(3, abs=0.1))
    [body] = [body for method, _, body in acme.asked if method == "POST"]
    assert body["input"]["prompt"] == "a fox"
    assert body["client_id"] == f"{generation_id}-1"
    found = tables.Attempt.find(generation_id, 1)
    assert found
    assert (found.provider, found.cost_usd) == ("acme", "0.31")
    assert museway.violations(at_rest=True) == []


def test_it_is_woken_by_a_signed_callback_and_by_no_other(museway: World, acme: Acme) -> None:
    museway.machine.tokens["token-held"] = None
    generation_id = submitted(museway)
    museway._deliver_stream()
    museway._call("submit_attempt", {"generation_id": generation_id, "task_token": "token-held"})
    [callback] = [body["callback"] for method, _, body in acme.asked if method == "POST"]
    told, sent_at = json.dumps({"job": {"id": "job 1"}}), str(int(time.time()))
    for key, status in ((b"a forger's", 401), (KEY, 200)):
        signed = hmac.new(key, f"msg_1.{sent_at}.{told}".encode(), hashlib.sha256).digest()
        headers = {"webhook-id": "msg_1", "webhook-timestamp": sent_at}
        headers["webhook-signature"] = "v1," + base64.b64encode(signed).decode()
        path = urlsplit(callback).path
        assert museway.request("POST", path, told, key=None, headers=headers)[0] == status
    museway.settle_down()
    assert museway.generation(generation_id)["status"] == "completed"


def test_what_it_withholds_is_not_charged(museway: World, acme: Acme) -> None:
    acme.state = "failed"
    generation_id = submitted(museway)
    museway.settle_down()
    shown = museway.generation(generation_id)
    assert (shown["status"], shown["error"]["code"], shown["billed_micros"]) == ("failed", "moderated_output", 0)
    assert shown["error"]["message"] == "Acme Pictures: The prompt is unsafe."
    assert museway.violations(at_rest=True) == []
