"""The module functions: methods of one default client, which knows nothing before its first call."""

import asyncio

import httpx
import pytest

from museway import errors, media
from tests.unit.sdk.fake_gateway import API_KEY, URL, FakeGateway


def test_without_a_gateway_the_first_call_says_what_to_set() -> None:
    with pytest.raises(errors.NotConfigured, match="MUSEWAY_URL"):
        media.models()
    with pytest.raises(errors.NotConfigured, match="MUSEWAY_URL"):
        asyncio.run(media.arun("nano-banana"))


def test_the_default_clients_read_the_environment_at_the_first_call(
    monkeypatch: pytest.MonkeyPatch, gateway: FakeGateway
) -> None:
    transport = httpx.MockTransport(gateway.handle)
    monkeypatch.setattr(media._client._transport, "_transport", transport)
    monkeypatch.setattr(media._async_client, "_given", (transport, gateway.clock.sleep_async))
    monkeypatch.setattr(media._async_client, "_transport", None)
    for default in (media._client, media._async_client):
        monkeypatch.setattr(default, "_resolved", None)
    monkeypatch.setenv("MUSEWAY_URL", URL)
    monkeypatch.setenv("MUSEWAY_API_KEY", API_KEY)

    generation = media.submit("nano-banana", prompt="a bicycle")
    assert media.generation(generation.id).result()["billed_micros"] == 672_000
    assert asyncio.run(media.arun("nano-banana"))["kind"] == "video"
    media._client.close()
