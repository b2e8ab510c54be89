"""The providers we can call, by name, as the published catalog describes them.

A new provider is one file in `gateway/catalog/providers/`. Where its protocol cannot be said there, it is one file
here besides, and one line in `_ADAPTERS`. Adapters know the wire and the port (`gateway.provider`), not each other.
"""

import json
import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from gateway import aws, tables, telemetry
from gateway.config import settings
from gateway.errors import NotFound, Unavailable
from gateway.nondelivery import NonDelivery
from gateway.provider import Finished, Provider, Quantity, Refused, Uncertain

if TYPE_CHECKING:
    from gateway import transport

_ADAPTERS = {
    "bedrock": "gateway.providers.bedrock.Bedrock",
    "fal": "gateway.providers.fal.Fal",
    "google": "gateway.providers.google.Google",
    "http": "gateway.providers.http.adapter",
    "openai": "gateway.providers.openai.OpenAI",
    "replicate": "gateway.providers.replicate.Replicate",
}
SECRET_KEPT_SECONDS = 300.0
"""How long a container goes on with keys it has read; a rotated key is in use everywhere after that."""


@dataclass(frozen=True)
class ApiKey:
    """A provider's key, which never shows itself in a log, a traceback, or the words of a provider that repeats it."""

    value: str = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.value) >= KEY_CHARACTERS_MIN and self.value not in _in_use:
            _in_use.append(self.value)


KEY_CHARACTERS_MIN = 8
"""Shorter ones are nobody's, and might be a word."""
_in_use: deque[str] = deque(maxlen=256)


KeySource = Callable[[], ApiKey | None]
"""Answers the key of one provider, or None when this deployment has none or cannot read it."""


@dataclass(frozen=True)
class Description:
    """A provider as the catalog describes it, at the address where this deployment reaches it."""

    provider: str
    """Its name in offers and addresses, such as `kie`."""
    name: str
    """Its name for people."""
    base_url: str
    wire: Mapping[str, Any] = field(default_factory=dict)
    """Its protocol, as `gateway.catalog.shapes.providers.WireShape` has it; empty where an adapter speaks it."""
    wires: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Its protocols by how endpoints begin, where it has several."""
    account: str = ""
    """The project whose account it is called on; empty: the deployment's own."""

    @property
    def signer(self) -> str:
        """Whose key its webhooks are signed with, where every account has one."""
        return f"{self.provider}#{self.account}" if self.account else self.provider


@dataclass(frozen=True)
class OwnAccount:
    """A project's own account at a provider, with the source of its key."""

    project_id: str
    api_key: KeySource = field(compare=False, repr=False)


def provider(name: str, own: OwnAccount | None = None) -> Provider:
    """The adapter of a provider, one per container, description and account (`own`: a project's, else ours).

    Raises `NotFound` for a name that is not ours.
    """
    return _adapter(json.dumps(described(name), sort_keys=True), base_url(name), own)


def described(name: str) -> Mapping[str, Any]:
    """A provider as the catalog describes it. Raises `NotFound` for a name that is not ours."""
    found: Mapping[str, Any] | None = _described().get(name)
    if found is None:
        raise NotFound(f"There is no provider '{name[:40]}'.")
    return found


def names() -> Mapping[str, str]:
    """Every provider by its name, with its name for people."""
    return {name: found["name"] for name, found in sorted(_described().items())}


def calls_back_by_account(name: str) -> bool:
    """Whether a provider calls back one address of our account and names its job alone; signed, if it does."""
    return bool(_described().get(name, {}).get("account_webhooks"))


def base_url(name: str) -> str:
    """Where a provider is reached: its own address, unless the stack's settings name another."""
    return str(settings().provider_base_urls.get(name) or _described()[name]["base_url"]).rstrip("/")


def api_key(name: str) -> ApiKey | None:
    """The key of a provider from the deployment's secret."""
    return _keys.read().get(name)


def forget() -> None:
    """Drop descriptions and adapters, so that the next use reads the catalog."""
    _Kept.version = None
    _adapter.cache_clear()


class _Kept:
    version: str | None = None
    descriptions: Mapping[str, Any] = {}
    checked_at_seconds: float = 0.0


def _described() -> Mapping[str, Any]:
    """The current catalog's providers; looks for a newer catalog at most once a minute (`catalog_kept_seconds`).

    Raises Unavailable when there is none in memory and none can be read.
    """
    age_seconds = time.monotonic() - _Kept.checked_at_seconds
    if _Kept.version is not None and age_seconds < settings().catalog_kept_seconds:
        return _Kept.descriptions
    head = tables.CatalogHead.find()
    if head is None:
        raise Unavailable("No catalog has been published yet.", hint="Run `museway admin catalog publish`.")
    if head.version != _Kept.version:
        found = tables.CatalogProviders.of(head.version)
        if found is None and _Kept.version is None:
            raise Unavailable("The published catalog describes no providers.", hint="Publish the catalog again.")
        if found is not None:
            _Kept.version, _Kept.descriptions = head.version, found.descriptions
    _Kept.checked_at_seconds = time.monotonic()
    return _Kept.descriptions


@lru_cache(maxsize=64)
def _adapter(description_text: str, url: str, own: OwnAccount | None) -> Provider:
    found = json.loads(description_text)
    account, key = (own.project_id, own.api_key) if own else ("", lambda: api_key(found["provider"]))
    wires = (found.get("wire", {}), found.get("wires", {}))
    description = Description(found["provider"], found["name"], url, *wires, account)
    module, _, adapter = _ADAPTERS[found["adapter"]].rpartition(".")
    made: Provider = getattr(import_module(module), adapter)(description, key)
    return made


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


def send_once(
    name: str, send: "Callable[[], transport.Answer]", *, answers_result: bool = False
) -> "transport.Answer | Refused | Finished | Uncertain":
    """Make a paid call, once: the answer, or what is known of a call that got none.

    `Refused` where no byte has left, `Uncertain` where the job may run all the same; a redirect is followed nowhere,
    and says nothing of whether the job was begun. Where the answer is the result itself (`answers_result`), one that
    is too large to take is over, and of no use to anybody: `Finished` with nothing.
    """
    from gateway import transport  # every adapter has it; whoever only names providers need not load it

    try:
        answer = send()
    except transport.NeverSent:
        return Refused(NonDelivery.PROVIDER_UNAVAILABLE, f"{name} could not be reached.", retryable=True)
    except transport.NoAnswer as error:
        if answers_result and isinstance(error, transport.AnswerTooLarge):
            return Finished(())
        return Uncertain(f"{name} took the request and its answer did not arrive.")
    if 300 <= answer.status < 400:
        return Uncertain(f"{name} answered with status {answer.status}.")
    return answer


REASONS = {one.value: one for one in NonDelivery}
"""The reasons as the catalog writes them."""


def status_meant(codes: Mapping[str, Any], own: str, status: int) -> int | NonDelivery:
    """What an answer's own code means by a provider's `codes`: an HTTP status, or the reason of an explicit refusal.

    One that means neither, such as 0 for well, leaves HTTP's `status` as it is.
    """
    meant = str(codes.get(own, own))
    if reason := REASONS.get(meant):
        return reason
    return int(meant) if meant.isdigit() and 100 <= int(meant) < 600 else status


def no_key(name: str) -> Refused:
    """What a call is answered that there is no key for."""
    return Refused(NonDelivery.PROVIDER_AUTH, f"There is no usable key for {name}.", retryable=True)


def refused(name: str, status: int, message: object) -> Refused:
    """What an explicit status below 500 means where a provider has no words of its own for it: nothing was begun."""
    match status:
        case 401 | 402 | 403:
            text = f"{name} does not accept our account for this model."
            return Refused(NonDelivery.PROVIDER_AUTH, text, retryable=True)
        case 429:
            return Refused(NonDelivery.RATE_LIMITED, f"{name} limits our rate.", retryable=True)
        case 400 | 413 | 422:
            text = brief(f"{name}: {message or 'the inputs were refused'}")
            return Refused(NonDelivery.INVALID_INPUTS, text, retryable=False)
    return Refused(NonDelivery.PROVIDER_UNAVAILABLE, f"{name} answered with status {status}.", retryable=True)


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


def tokens(
    usage: Mapping[str, Any],
    *,
    given: int,
    given_media: int,
    cached: int,
    made: int,
    made_media: int,
    cached_media: int = 0,
) -> dict[str, Quantity]:
    """Each token under one name, of totals that hold their parts; nothing when there is no usage.

    Cached ones of which no kind is told are taken for text first, which comes first in a prompt.
    """
    given_media, cached, made_media = min(given_media, given), min(cached, given), min(made_media, made)
    text = given - given_media
    cached_text = min(cached - min(cached_media, cached, given_media), text)
    counted = {
        "input_tokens": text - cached_text,
        "cached_input_tokens": cached,
        "media_input_tokens": given_media - (cached - cached_text),
        "output_tokens": made - made_media,
        "media_output_tokens": made_media,
    }
    return quantities(**counted) if usage else {}


def objects_in(holder: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The JSON objects of a list under a name; none when it is anything else."""
    found = holder.get(name)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def object_in(holder: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The JSON object under a name; empty when it is anything else."""
    found = holder.get(name)
    return found if isinstance(found, dict) else {}


def count(told: object) -> int:
    """A number of tokens; 0 for what is none."""
    return told if isinstance(told, int) and told > 0 else 0


def brief(text: object) -> str:
    """What a provider said of a failure, as one line of at most 300 characters, without the key it was called with."""
    line = " ".join(str(text).split())
    for key in _in_use:
        line = line.replace(key, "[key]")
    return line[:300]
