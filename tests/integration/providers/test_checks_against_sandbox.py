"""The call by which a project's key is tried, at every provider that has one: over HTTP against the sandbox."""

import json

import pytest

from gateway import config, providers
from gateway.providers import ApiKey, checking
from infra.sandbox.addresses import base_urls
from tests.unit.gateway.shipped import COMPILED

CHECKED = sorted(name for name, described in COMPILED["providers"].items() if "check" in described)


@pytest.fixture(params=CHECKED)
def name(request, sandbox_url, monkeypatch):
    """A provider as the catalog describes it, at the sandbox."""
    monkeypatch.setenv("PROVIDER_BASE_URLS", json.dumps(base_urls(sandbox_url, CHECKED)))
    monkeypatch.setattr(providers, "_described", lambda: COMPILED["providers"])
    config.settings.cache_clear()
    yield request.param
    config.settings.cache_clear()


def without_key(described):
    """A description whose calls say nobody's key."""
    wire = {**described.get("wire", {}), "headers": {}}
    return {**described, "check": {**described["check"], "headers": {}}, "wire": wire}


def test_a_good_key_is_taken_and_none_is_not(name, control, monkeypatch):
    assert checking.is_taken(name, ApiKey("sandbox-key-of-ours")) is True
    monkeypatch.setattr(providers, "_described", lambda: {name: without_key(COMPILED["providers"][name])})
    assert checking.is_taken(name, ApiKey("sandbox-key-of-ours")) is False
    assert control.paid() == 0


def test_most_can_be_asked():
    assert set(COMPILED["providers"]) - set(CHECKED) == {"bedrock", "fal"}
