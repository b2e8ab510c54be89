"""The command line against the fake gateway, in a directory of its own."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest
from typer.testing import CliRunner, Result

from museway._settings import Settings
from museway._transport import SyncTransport
from museway.cli.app import app
from tests.unit.sdk.fake_gateway import API_KEY, URL, FakeGateway


class Museway(Protocol):
    """Runs a command line and answers what came of it."""

    def __call__(self, *arguments: str, stdin: str | bytes | None = None) -> Result: ...


@pytest.fixture
def museway(monkeypatch: pytest.MonkeyPatch, gateway: FakeGateway, tmp_path: Path) -> Museway:
    def connected(settings: Callable[[], Settings], *_: object) -> SyncTransport:
        return SyncTransport(settings, httpx.MockTransport(gateway.handle), gateway.clock.sleep)

    monkeypatch.setattr("museway.client.SyncTransport", connected)
    monkeypatch.setenv("MUSEWAY_URL", URL)
    monkeypatch.setenv("MUSEWAY_API_KEY", API_KEY)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, stdin: str | bytes | None = None) -> Result:
        result = CliRunner().invoke(app, list(arguments), input=stdin, prog_name="museway")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def local_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Writes `.museway/local.json` as `museway up` does, and forgets the environment's gateway."""

    def write(**content: Any) -> Path:
        for name in ("MUSEWAY_URL", "MUSEWAY_API_KEY"):
            monkeypatch.delenv(name, raising=False)
        path = tmp_path / ".museway" / "local.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"url": "http://127.0.0.1:8400", "api_key": API_KEY, **content}))
        return path

    return write
