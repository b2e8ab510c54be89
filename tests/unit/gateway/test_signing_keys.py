"""A provider's key: noted once an hour, read again when it does not fit, once a minute at most."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from gateway import signing_keys
from gateway.provider import ForgedWebhook
from gateway.signing_keys import SigningKeys


class Store:
    """The noted key."""

    def __init__(self) -> None:
        self.key: str | None = None
        self.reads = 0

    def note(self, provider: str, key: str) -> None:
        assert provider == "kie"
        self.key = key

    def of(self, provider: str) -> Any:
        assert provider == "kie"
        self.reads += 1
        return None if self.key is None else SimpleNamespace(key=self.key)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    kept = Store()
    monkeypatch.setattr(signing_keys, "SigningKey", kept)
    return kept


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    now = SimpleNamespace(seconds=1000.0)
    monkeypatch.setattr(signing_keys, "time", SimpleNamespace(monotonic=lambda: now.seconds))
    return now


def fits(right: str) -> Any:
    def check(key: str) -> None:
        if key != right:
            raise ForgedWebhook("the signature does not verify")

    return check


def test_a_key_is_noted_hourly(store: Store, clock: SimpleNamespace) -> None:
    keys, asked = SigningKeys("kie", "task_and_time"), []
    for after_seconds in (0, 3599, 2):
        clock.seconds += after_seconds
        keys.note(lambda: asked.append("asked") or "key")  # type: ignore[func-returns-value]
    assert (len(asked), store.key) == (2, "key")


def test_a_key_that_cannot_be_had_is_asked_for_once_a_minute(store: Store, clock: SimpleNamespace) -> None:
    keys, asked = SigningKeys("kie", "standard"), []

    def fetch() -> str:
        asked.append("asked")
        return "no key of this dialect"

    for after_seconds in (0, 59, 2):
        clock.seconds += after_seconds
        keys.note(fetch)
    assert (len(asked), store.key) == (2, None)


def test_a_changed_key_is_found(store: Store, clock: SimpleNamespace) -> None:
    keys = SigningKeys("kie", "task_and_time")
    store.key = "first"
    keys.verify(fits("first"))
    store.key = "second"
    with pytest.raises(ForgedWebhook):
        keys.verify(fits("second"))
    clock.seconds += 61
    keys.verify(fits("second"))
    assert store.reads == 2


def test_without_a_key_nothing_verifies(store: Store, clock: SimpleNamespace) -> None:
    keys = SigningKeys("kie", "task_and_time")
    for _ in range(3):
        with pytest.raises(ForgedWebhook, match="no key"):
            keys.verify(fits("any"))
    assert store.reads == 1
