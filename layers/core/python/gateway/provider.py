"""The seam to the outside: what every provider adapter promises, as plain data. Pure.

An adapter translates; it decides nothing about money, retries or fallback. It answers with one of the
outcomes below, and when it cannot tell whether a paid job started, it says `Uncertain`, never `Refused`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from gateway.nondelivery import NonDelivery

Quantity = int | float | str
"""A number that is not negative; text when it is a decimal written out."""
USAGE = frozenset(
    {
        "input_tokens",  # text, without those that were cached
        "cached_input_tokens",
        "media_input_tokens",
        "output_tokens",  # text, with what a model thought to itself
        "media_output_tokens",
        "compute_seconds",
    }
)
"""The quantities that providers report. Disjoint: no token or second is counted under two of them."""


@dataclass(frozen=True)
class MediaUrl:
    """An output that waits at the provider, to be copied."""

    url: str
    media_type: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What it is fetched with. They may hold the provider's key, so they are neither kept nor shown, and an adapter
    gives them for addresses under the provider's own alone."""
    expires_at_seconds: float | None = None
    """Unix time until which the URL works, where the provider tells it: the soonest are fetched first."""


@dataclass(frozen=True)
class MediaBytes:
    """An output that came inside the answer (OpenAI images and speech give no URL)."""

    data: bytes
    media_type: str | None = None


@dataclass(frozen=True)
class MediaObject:
    """An output that the provider has put into our own bucket, below `staged_under` the attempt."""

    key: str
    media_type: str | None = None


@dataclass(frozen=True)
class Submission:
    """One paid POST, to be sent at most once."""

    attempt_id: str
    """Unique per attempt; sent as the client token where the provider has such a thing."""
    endpoint: str
    """The provider's own name of the model, e.g. `fal-ai/nano-banana`."""
    body: Mapping[str, Any]
    webhook_url: str | None
    timeout_seconds: float


@dataclass(frozen=True)
class Accepted:
    """The provider has the job. `reference` is all that polling needs (ids and URLs, never keys)."""

    reference: Mapping[str, str]


def job_id(reference: Mapping[str, str]) -> str:
    """The provider's own id of a job: what a reference names first, its endpoint apart; empty where it names none."""
    return next((named for name, named in reference.items() if name != "endpoint"), "")


@dataclass(frozen=True)
class Finished:
    """The provider is done and names outputs; an empty tuple means it delivered nothing."""

    outputs: tuple[MediaUrl | MediaBytes | MediaObject, ...]
    metrics: Mapping[str, Any] = field(default_factory=dict)
    """What the provider reports of itself: `inference_time` seconds, token usage."""
    raw: Mapping[str, Any] = field(default_factory=dict)
    """The answer itself, for `output_url_path`; without any media bytes."""
    usage: Mapping[str, Quantity] = field(default_factory=dict)
    """What the provider counted, for billing: disjoint quantities under the names of `USAGE`, those it told."""
    cost_usd: str | None = None
    """What the provider says that it charged for the job, in dollars as decimal text, where it says so."""


@dataclass(frozen=True)
class Running:
    """Not done yet. `progress` is 0..100 where the provider tells."""

    progress: int | None = None


@dataclass(frozen=True)
class Refused:
    """Known not to run and not to cost: an explicit 4xx, 429 or refusal to queue."""

    code: NonDelivery
    message: str
    """What callers are told; the provider's own words have their place here and nowhere else."""
    retryable: bool
    """Whether another offer (or the same later) may succeed with the same inputs."""


@dataclass(frozen=True)
class Failed:
    """Accepted, then ended without a usable result."""

    code: NonDelivery
    message: str
    retryable: bool


@dataclass(frozen=True)
class Uncertain:
    """The bytes left and no verdict came back: the job may be running. Never to be sent again."""

    message: str


SubmitOutcome = Accepted | Finished | Refused | Failed | Uncertain
"""`Failed` is for calls that answer with the result itself: one was made, and is of no use."""
PollOutcome = Running | Finished | Failed | Uncertain
"""A poll's `Uncertain` means that the provider did not answer this time; ask again."""


def staged_under(attempt_id: str) -> str:
    """Where in the drive's bucket an attempt's outputs wait to be collected, without a slash at the end."""
    return f"staging/{attempt_id}"


class ForgedWebhook(Exception):
    """A callback whose signature does not verify, or is too old."""


class Provider(Protocol):
    """One external API. Implementations live in `gateway.providers`, one file each."""

    name: str

    def submit(self, submission: Submission) -> SubmitOutcome:
        """Send the one POST. Never raises for what the provider answers or fails to answer."""
        ...

    def find(self, attempt_id: str, endpoint: str) -> Mapping[str, str]:  # noqa: ARG002 - most cannot tell
        """The reference of the job that was begun under our token, where the provider can tell; else empty.

        Free of charge. That nothing is found says nothing: the job may be on its way.
        """
        return {}

    def poll(self, reference: Mapping[str, str]) -> PollOutcome:
        """Ask for the job's state and, when it is done, for fresh outputs."""
        ...

    def cancel(self, reference: Mapping[str, str]) -> bool:
        """Ask the provider to stop; True when it promised to. Best effort, free of charge."""
        ...

    def webhook_reference(self, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        """Verify a callback and give what it tells of the job's reference (may be empty).

        Header names are lower case. Raises `ForgedWebhook`.
        """
        ...
