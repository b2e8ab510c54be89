"""Adapters by name, their addresses and their keys, which show themselves to nobody."""

import json

import pytest

from gateway import aws, providers, telemetry
from gateway.config import settings
from gateway.errors import NotFound
from tests.unit.gateway.shipped import COMPILED


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """A container that has read nothing yet."""
    monkeypatch.setenv("PROVIDER_SECRET_ARN", "arn:secret")
    monkeypatch.setattr(providers, "_keys", providers._Keys())
    monkeypatch.setattr(providers, "_described", lambda: DESCRIBED)
    settings.cache_clear()
    providers.forget()
    yield
    settings.cache_clear()
    providers.forget()


class Vault:
    """Secrets Manager with one secret; counts how often it is read."""

    def __init__(self, text):
        self.text = text
        self.reads = 0

    def get_secret_value(self, **asked):
        assert asked["SecretId"] == "arn:secret"
        self.reads += 1
        if self.text is None:
            raise RuntimeError("AccessDenied for the secret fal-key")
        return {"SecretString": self.text}


@pytest.fixture
def vault(monkeypatch):
    kept = Vault(json.dumps({"fal": " fal-key\n", "openai": ""}))
    monkeypatch.setattr(aws, "client", lambda service: {"secretsmanager": kept}[service])
    return kept


DESCRIBED = COMPILED["providers"]


@pytest.mark.parametrize("name", sorted(DESCRIBED))
def test_every_provider_is_what_the_port_asks_for(name):
    adapter = providers.provider(name)
    assert adapter.name == name
    assert providers.provider(name) is adapter
    for method in ("submit", "poll", "cancel", "webhook_reference"):
        assert callable(getattr(adapter, method))


@pytest.mark.parametrize("name", ["nobody", "", "os.path", "fal/../openai"])
def test_a_name_that_is_not_ours(name):
    with pytest.raises(NotFound):
        providers.provider(name)


def test_addresses_can_be_overridden(monkeypatch):
    assert providers.base_url("fal") == "https://queue.fal.run"
    monkeypatch.setenv("PROVIDER_BASE_URLS", '{"fal": "http://127.0.0.1:9000/fal/"}')
    settings.cache_clear()
    assert providers.base_url("fal") == "http://127.0.0.1:9000/fal"
    assert providers.base_url("openai") == "https://api.openai.com/v1"


def test_keys_are_read_once_and_again_after_five_minutes(vault, monkeypatch):
    ahead = [0.0]
    real = providers.time.monotonic
    monkeypatch.setattr(providers.time, "monotonic", lambda: real() + ahead[0])
    for _ in range(3):
        assert providers.api_key("fal") == providers.ApiKey("fal-key")
    assert providers.api_key("openai") is None
    assert vault.reads == 1
    ahead[0] = 301
    vault.text = json.dumps({"fal": "rotated"})
    assert providers.api_key("fal").value == "rotated"
    ahead[0] = 602
    vault.text = None
    assert providers.api_key("fal").value == "rotated"


@pytest.mark.parametrize("text", [None, "not json", "[]", '"fal-key"', '{"fal": 7}'])
def test_a_secret_that_cannot_be_read_is_no_key(vault, monkeypatch, text):
    said = []
    monkeypatch.setattr(telemetry.logger, "error", lambda *args, **options: said.append((args, options)))
    vault.text = text
    assert providers.api_key("fal") is None
    assert "provider keys unreadable" in str(said)
    assert "fal-key" not in str(said)


def test_keys_hide_themselves(vault):
    key = providers.api_key("fal")
    for shown in (repr(key), str(key), f"{key}", repr(providers._keys.read()), repr({"k": key})):
        assert "fal-key" not in shown


def test_what_providers_say_is_cut_to_a_line():
    assert providers.brief("a\n  b\t" + "x" * 1000) == "a b " + "x" * 296


def test_a_provider_that_repeats_our_key_is_quoted_without_it():
    key = providers.ApiKey("sk-canary-0123456789")
    assert providers.brief(f"Incorrect key\n {key.value} given") == "Incorrect key [key] given"
    assert providers.refused("X", 400, f"bad {key.value}").message == "X: bad [key]"
    cut = providers.brief("x" * 290 + key.value)
    assert "sk-can" not in cut
