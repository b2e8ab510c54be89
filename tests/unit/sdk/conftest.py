"""Fixtures of the client's tests."""

import pytest

from museway.client import Client
from tests.unit.sdk.fake_gateway import FakeGateway


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MUSEWAY_URL", "MUSEWAY_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
def client(gateway: FakeGateway) -> Client:
    return gateway.client()
