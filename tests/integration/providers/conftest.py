from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from gateway import signing_keys
from gateway.config import settings
from gateway.provider import Provider
from gateway.providers import ApiKey, Description, http
from gateway.providers.fal import Fal
from gateway.providers.openai import OpenAI
from gateway.providers.replicate import Replicate
from infra.sandbox.addresses import base_urls
from infra.sandbox.serving import served_sandbox
from tests.integration.providers.described import described
from tests.integration.sandbox.support import SandboxControl, WebhookReceiver, webhook_receiver


@pytest.fixture(scope="session")
def objects() -> dict[tuple[str, str], bytes]:
    """What the sandbox has put into buckets, by bucket and key."""
    return {}


@pytest.fixture(scope="session")
def served_url(objects: dict[tuple[str, str], bytes]) -> Iterator[str]:
    def put_object(bucket: str, key: str, content: bytes, _media_type: str) -> None:
        objects[bucket, key] = content

    with served_sandbox(job_seconds=0.05, put_object=put_object) as url:
        yield url


@pytest.fixture
def control(served_url: str) -> Iterator[SandboxControl]:
    """The sandbox's controls, with nothing recorded or armed."""
    control = SandboxControl(served_url)
    control.reset()
    yield control
    control.reset()
    control.close()


@pytest.fixture(autouse=True)
def sandbox_url(served_url: str, control: SandboxControl, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Settings as on a laptop: the sandbox's host passes the guard, and its keys sign webhooks."""
    monkeypatch.setenv("URL_ALLOWED_HOSTS", urlsplit(served_url).netloc)
    monkeypatch.setenv("FAL_JWKS_URL", f"{served_url}/fal/.well-known/jwks.json")
    settings.cache_clear()
    yield served_url
    settings.cache_clear()


@pytest.fixture
def webhooks() -> Iterator[WebhookReceiver]:
    with webhook_receiver() as receiver:
        yield receiver


@pytest.fixture
def fal(sandbox_url: str) -> Fal:
    return Fal(Description("fal", "fal", f"{sandbox_url}/fal"), lambda: ApiKey("sandbox-key"))


@pytest.fixture
def openai(sandbox_url: str) -> OpenAI:
    return OpenAI(Description("openai", "OpenAI", f"{sandbox_url}/openai/v1"), lambda: ApiKey("sandbox-key"))


class NotedKeys:
    """Stands in for the jobs table, by way of which the key of webhooks goes."""

    def __init__(self) -> None:
        self.key: str | None = None

    def note(self, _provider: str, key: str) -> None:
        self.key = key

    def of(self, _provider: str) -> "NotedKeys | None":
        return self if self.key else None


@pytest.fixture
def predictions(sandbox_url: str, monkeypatch: pytest.MonkeyPatch) -> Replicate:
    monkeypatch.setattr(signing_keys, "SigningKey", NotedKeys())
    return Replicate(
        Description("replicate", "Replicate", f"{sandbox_url}/replicate/v1"), lambda: ApiKey("sandbox-key")
    )


@pytest.fixture
def at_sandbox(sandbox_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Provider]:
    """Makes the adapter of a provider as the catalog describes it, at the sandbox."""
    monkeypatch.setattr(signing_keys, "SigningKey", NotedKeys())
    monkeypatch.setattr(http, "api_key", lambda name: ApiKey(f"sandbox-{name}"))
    return lambda name: described(name, base_urls(sandbox_url, [name])[name])
