from __future__ import annotations

from collections.abc import Iterator

import fal_client
import fal_client.client
import httpx
import openai
import pytest
from elevenlabs.client import ElevenLabs
from replicate.client import Client

from infra.sandbox.serving import served_sandbox
from tests.integration.sandbox.support import SandboxControl, WebhookReceiver, webhook_receiver

JOB_SECONDS = 0.05


Objects = dict[tuple[str, str], tuple[bytes, str]]
"""By bucket and key: content and media type."""


@pytest.fixture(scope="session")
def objects() -> Objects:
    """What the sandbox has put into buckets."""
    return {}


@pytest.fixture(scope="session")
def sandbox_url(objects: Objects) -> Iterator[str]:
    def put_object(bucket: str, key: str, content: bytes, media_type: str) -> None:
        objects[bucket, key] = content, media_type

    with served_sandbox(job_seconds=JOB_SECONDS, put_object=put_object) as url:
        yield url


@pytest.fixture(scope="session")
def session_control(sandbox_url: str) -> Iterator[SandboxControl]:
    control = SandboxControl(sandbox_url)
    yield control
    control.close()


@pytest.fixture(autouse=True)
def control(session_control: SandboxControl) -> Iterator[SandboxControl]:
    """The sandbox's controls, with nothing recorded or armed and the usual speed."""
    session_control.reset()
    session_control.speed(JOB_SECONDS)
    yield session_control
    session_control.reset()


@pytest.fixture
def webhooks() -> Iterator[WebhookReceiver]:
    with webhook_receiver() as receiver:
        yield receiver


@pytest.fixture
def fal(sandbox_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[fal_client.SyncClient]:
    """fal's own client; only its constant `https://queue.fal.run/` is another."""
    monkeypatch.setattr(fal_client.client, "QUEUE_URL_FORMAT", f"{sandbox_url}/fal/")
    client = fal_client.SyncClient(key="sandbox-key")
    yield client
    client._client.close()


@pytest.fixture
def fal_http(sandbox_url: str) -> Iterator[httpx.Client]:
    """fal's queue as plain HTTP."""
    headers = {"Authorization": "Key sandbox-key"}
    with httpx.Client(base_url=f"{sandbox_url}/fal", headers=headers, timeout=30) as client:
        yield client


@pytest.fixture
def open_ai(sandbox_url: str) -> Iterator[openai.OpenAI]:
    """OpenAI's own client, without its retries."""
    with openai.OpenAI(api_key="sk-sandbox", base_url=f"{sandbox_url}/openai/v1", max_retries=0) as client:
        yield client


@pytest.fixture
def replicate_client(sandbox_url: str) -> Iterator[Client]:
    """Replicate's own client, asking a little more often than usual."""
    client = Client(api_token="r8_sandbox", base_url=f"{sandbox_url}/replicate")
    client.poll_interval = 0.02
    yield client
    client._client.close()


@pytest.fixture
def eleven_labs(sandbox_url: str) -> Iterator[ElevenLabs]:
    """ElevenLabs' own client."""
    with httpx.Client(timeout=30) as http:
        yield ElevenLabs(api_key="sk-sandbox", base_url=f"{sandbox_url}/elevenlabs", httpx_client=http)
