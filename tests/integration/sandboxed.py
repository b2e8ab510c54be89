"""A world whose providers are the sandbox: the real adapters over HTTP, everything else as in `world`."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import pytest

from gateway import closing, outputs, providers, tables
from gateway.catalog import Snapshot, from_compiled
from gateway.providers import ApiKey
from infra.sandbox.addresses import base_urls
from infra.sandbox.hostile import INTERNALS
from infra.sandbox.providers import PROVIDERS
from tests.integration.overheard import KEY
from tests.integration.world import COMPILED, PROJECT, World, world
from tests.samples import sample_requests

OFFERING = sorted({offer["provider"] for model in COMPILED["models"] for offer in model["offers"]} & set(PROVIDERS))
"""Every provider that some model is offered by, and that the sandbox speaks."""
KINDS = ("image", "audio", "video", "text")
"""By how long the sandbox takes to make one, but for words, which few providers write."""
_ADAPTER = providers.provider


@contextmanager
def sandboxed(sandbox_url: str, *, patience_seconds: float = 3.0, pace: float = 0.02) -> Iterator[World]:
    """A world that calls the sandbox, with a key that nobody may hear of. Its webhooks lead nowhere.

    `patience_seconds` is what a submission, and what fetching its outputs, may take outside, where `pace` seconds pass
    for each one in here.
    """
    environment = {
        "PROVIDER_BASE_URLS": json.dumps(base_urls(sandbox_url, PROVIDERS)),
        "URL_ALLOWED_HOSTS": urlsplit(sandbox_url).netloc,
        "PROVIDER_TIMEOUT_SECONDS": str(patience_seconds),
        "DEADLINE_SECONDS_MAX": "120",
        "AWAIT_SECONDS_MAX": "5",
        "POLL_WINDOW_SECONDS": "5",
    }
    # What is patched of a world's own patches is undone before them.
    with world(environment, outside=None, in_memory=True) as museway, pytest.MonkeyPatch.context() as patch:
        museway.clock.pace = pace
        museway.overheard.add(INTERNALS)
        providers.forget()
        patch.setattr(providers, "provider", _ADAPTER)
        patch.setattr(providers, "api_key", lambda _name: ApiKey(KEY))
        patch.setattr(outputs, "FETCH_SECONDS", patience_seconds)
        for name in providers._ADAPTERS.values():
            module = name.rpartition(".")[0]
            patch.setattr(f"{module}.ASK_SECONDS", patience_seconds / 6, raising=False)
        yield museway
    providers.forget()


def ordered(museway: World, first: str, second: str | None = None) -> str:
    """A generation that one provider is asked for first, and then another: its id. Nothing has been sent yet."""
    kind, body, chosen = _request(first, None)
    generation_id = _submitted(museway, body)
    order = tables.Order.find(generation_id)
    assert order is not None
    offers = [offer for offer in order.offers if offer["offer_id"] == chosen]
    if second is not None:
        _, body, chosen = _request(second, kind)
        other_id = _submitted(museway, body)
        other = tables.Order.find(other_id)
        assert other is not None
        offers += [offer for offer in other.offers if offer["offer_id"] == chosen]
        closing.cancel(PROJECT, other_id)
    order.offers = offers
    order.save()
    return generation_id


def kind_of(provider: str) -> str:
    """What is asked of a provider that is asked first."""
    return _request(provider, None)[0]


def others(kind: str, than: str) -> list[str]:
    """The other providers that offer something of a kind."""
    return [one for one in OFFERING if one != than and _request(one, kind, or_nothing=True)]


def _submitted(museway: World, body: Mapping[str, Any]) -> str:
    status, answer, _ = museway.request("POST", "/v1/generate/media", body)
    assert status == 202, answer
    return str(answer["generation_id"])


@cache
def _request(provider: str, kind: str | None, *, or_nothing: bool = False) -> Any:
    """Of the requests without sources that a provider can serve the quickest: its kind, its body, and the offer."""
    for wanted in [kind] if kind else KINDS:
        for model in _snapshot().models.values():
            offers = [offer for offer in model.offers if offer.provider == provider]
            if model.kind != wanted or not offers:
                continue
            for sample in sample_requests(model):
                if "source_media_urls" not in sample.fields and _serves(offers[0], sample.normalized.inputs):
                    return wanted, sample.body, offers[0].offer_id
    if or_nothing:
        return None
    raise LookupError(f"{provider} offers nothing of {kind}")


def _serves(offer: Any, inputs: Mapping[str, Any]) -> bool:
    try:
        return bool(offer.endpoint(inputs))
    except LookupError:
        return False


@cache
def _snapshot() -> Snapshot:
    return from_compiled("matrix", COMPILED)
