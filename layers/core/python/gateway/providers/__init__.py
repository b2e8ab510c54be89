"""The providers we can call, by name. An adapter is loaded when it is first asked for.

A new provider is one file here, one line in `_ADAPTERS` and one in `BASE_URLS`. Adapters know the wire and
the port (`gateway.provider`), not each other.
"""

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from gateway import aws, telemetry
from gateway.config import settings
from gateway.errors import NotFound
from gateway.provider import Provider, Quantity

if TYPE_CHECKING:
    from gateway import transport

_ADAPTERS = {
    "fal": "gateway.providers.fal.Fal",
    "openai": "gateway.providers.openai.OpenAI",
    "replicate": "gateway.providers.replicate.Replicate",
}
BASE_URLS = {
    "fal": "https://queue.fal.run",
    "openai": "https://api.openai.com/v1",
    "replicate": "https://api.replicate.com/v1",
}
SECRET_KEPT_SECONDS = 300.0
"""How long a container goes on with keys it has read; a rotated key is in use everywhere after that."""


@dataclass(frozen=True)
class ApiKey:
    """A provider's key, which never shows itself in a log or a traceback."""

    value: str = field(repr=False)


KeySource = Callable[[], ApiKey | None]
"""Answers the key of one provider, or None when this deployment has none or cannot read it."""


@cache
def provider(name: str) -> Provider:
    """The adapter of a provider, one per container. Raises `NotFound` for a name that is not ours."""
    if name not in _ADAPTERS:
        raise NotFound(f"There is no provider '{name[:40]}'.")
    module, _, adapter = _ADAPTERS[name].rpartition(".")
    made: Provider = getattr(import_module(module), adapter)(base_url(name), lambda: api_key(name))
    return made


def base_url(name: str) -> str:
    """Where a provider is reached: its own address, unless the stack's settings name another."""
    return (settings().provider_base_urls.get(name) or BASE_URLS[name]).rstrip("/")


def api_key(name: str) -> ApiKey | None:
    """The key of a provider from the deployment's secret."""
    return _keys.read().get(name)


class _Keys:
    """The secret's content, read at most every five minutes."""

    def __init__(self) -> None:
        self._keys: Mapping[str, ApiKey] = {}
        self._read_at: float | None = None

    def read(self) -> Mapping[str, ApiKey]:
        """Keys by provider. A secret that cannot be read leaves the keys as they were."""
        if self._read_at is not None and time.monotonic() - self._read_at < SECRET_KEPT_SECONDS:
            return self._keys
        try:
            answer = aws.client("secretsmanager").get_secret_value(SecretId=settings().provider_secret_arn)
            stored = json.loads(answer["SecretString"])
            self._keys = {name: ApiKey(key.strip()) for name, key in stored.items() if key and key.strip()}
            self._read_at = time.monotonic()
        except Exception as error:
            # Not to be told from a missing key by what follows: the call is refused before it is made.
            # Only the kind of error is logged; its text might quote the secret.
            telemetry.logger.error("provider keys unreadable", extra={"reason": type(error).__name__})
        return self._keys


_keys = _Keys()


def answered(answer: "transport.Answer") -> Mapping[str, Any]:
    """The answer's JSON object; empty when it is anything else."""
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def is_under(base_url: str, url: object) -> bool:
    """Whether a URL that a provider gave lies under its configured address: the key goes nowhere else."""
    from gateway import transport  # every adapter has it; whoever only names providers need not load it

    try:
        given, base = transport.URL(str(url)), transport.URL(base_url)
    except transport.InvalidURL:
        return False
    same_host = (given.scheme, given.host, given.port) == (base.scheme, base.host, base.port)
    return same_host and not given.userinfo and given.path.startswith(base.path.rstrip("/") + "/")


def quantities(**told: object) -> dict[str, Quantity]:
    """The quantities of a usage that are numbers and not negative; the rest was not told, or is nonsense."""
    return {
        name: number
        for name, number in told.items()
        if isinstance(number, int | float) and not isinstance(number, bool) and 0 <= number < math.inf
    }


def brief(text: object) -> str:
    """What a provider said of a failure, as one line of at most 300 characters."""
    return " ".join(str(text).split())[:300]
