"""Who can be asked, and how: a provider as a person writes it.

Most need no code: their protocol is `wire`, spoken by `gateway.providers.http`. Texts in braces are filled in
(`{key}`, `{endpoint}`, `{webhook_url}`, `{attempt_id}`, and the names of the job's reference); what is said to be found
"at" a place of an answer is JMESPath.
"""

from typing import Annotated, Any, Literal, Self

import jmespath
from pydantic import AfterValidator, Field, model_validator

from gateway.catalog.shapes.inputs import Strict
from gateway.nondelivery import NonDelivery
from gateway.provider import USAGE
from gateway.signatures import UNSIGNED

Adapter = Literal["bedrock", "fal", "google", "openai", "replicate", "http"]
Dialect = Literal["token", "standard", "standard_raw", "task_and_time", "time_and_body"]


def _readable(expression: str) -> str:
    try:
        jmespath.compile(expression)
    except jmespath.exceptions.JMESPathError as error:
        raise ValueError(f"is no JMESPath: {str(error).splitlines()[0]}") from None
    return expression


Place = Annotated[str, AfterValidator(_readable)]
"""Where something stands in an answer."""
Reason = Annotated[str, AfterValidator(lambda one: NonDelivery(one).value)]
"""One of `gateway.nondelivery`."""


class CallShape(Strict):
    """A call that costs nothing."""

    method: Literal["GET", "POST", "PUT", "DELETE"] = "GET"
    path: str
    query: dict[str, str] = {}
    headers: dict[str, str] = {}


class SubmitShape(Strict):
    """The one paid call. `body` is JMESPath over `endpoint`, `input`, `webhook_url` and `attempt_id`.

    An input that the endpoint, the path or the query has a hole for (`text-to-speech/{voice_id}`) stands there, and not
    in `input`.
    """

    path: str
    query: dict[str, str] = {}
    headers: dict[str, str] = {}
    body: Place = "input"
    reference: dict[str, Place] = {}
    """Names and places of what polling needs; the first must be there. None: the answer is the result itself."""


class CancelShape(CallShape):
    """How a job is stopped; `promised` is true of an answer that promises it."""

    promised: Place


class StatusShape(Strict):
    """Where an answer tells its status in its body, whatever HTTP says."""

    at: Place
    of: dict[str, int | Reason] = {}
    """What its own codes mean, as an HTTP status or, of an explicit refusal, as the reason."""


class StateShape(Strict):
    """Where a job stands, and what the provider's words for that mean."""

    at: Place
    running: list[str]
    finished: list[str] = Field(min_length=1)
    failed: list[str] = Field(min_length=1)
    lost: list[str] = []
    """Ended so that nothing was made, and another provider may."""


class OutputsShape(Strict):
    """Where the outputs of a finished answer are: URLs, base64, or the body itself."""

    at: Place | None = None
    form: Literal["url", "base64", "body"] = "url"
    media_type: Place | None = None

    @model_validator(mode="after")
    def _found_somewhere(self) -> Self:
        if (self.at is None) != (self.form == "body"):
            raise ValueError("`at` says where the outputs are, unless the body is the output")
        return self


class ErrorShape(Strict):
    """Where an answer says what went wrong, and what the provider's codes or words for it mean."""

    message: Place
    code: Place | None = None
    reasons: dict[Reason, list[str]] = {}
    """By reason, the codes, or pieces of the message, that mean it."""


class CostShape(Strict):
    """Where a finished answer tells what the provider charges, and what one of its units is in dollars."""

    at: Place
    usd: str = Field(pattern=r"^\d+(\.\d+)?$")


class SigningKeyShape(Strict):
    """Where the account's key for webhooks is asked for; without it the operator's secret has it, as `NAME_webhook`."""

    path: str
    at: Place


class WebhookShape(Strict):
    """How callbacks are signed, and what of the reference they tell."""

    dialect: Dialect
    reference: dict[str, Place] = {}
    key: SigningKeyShape | None = None


class WireShape(Strict):
    """A protocol, as `gateway.providers.http` speaks it."""

    headers: dict[str, str] = {}
    submit: SubmitShape
    find: CallShape | None = None
    """Asks for the job of an `{attempt_id}` that was sent along; answered as a submission is."""
    poll: CallShape | None = None
    cancel: CancelShape | None = None
    status: StatusShape | None = None
    state: StateShape | None = None
    progress: Place | None = None
    outputs: OutputsShape
    moderated: Place | None = None
    """True of a finished answer whose outputs were withheld."""
    error: ErrorShape
    usage: dict[str, Place] = {}
    metrics: Place | None = None
    cost: CostShape | None = None
    webhook: WebhookShape | None = None

    @model_validator(mode="after")
    def _jobs_can_be_followed(self) -> Self:
        if bool(self.submit.reference) != bool(self.poll and self.state):
            raise ValueError("a job with a reference needs `poll` and `state`, and one without has neither")
        if self.find and not self.submit.reference:
            raise ValueError("`find` asks for a job, and there are none")
        if unknown := sorted(set(self.usage) - USAGE):
            raise ValueError(f"'{unknown[0]}' is not one of the quantities {sorted(USAGE)}")
        return self


class ProviderShape(Strict):
    """One provider."""

    provider: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    name: str
    adapter: Adapter
    base_url: str = Field(pattern=r"^https://[^/]+(/.*[^/])?$")
    check: CallShape | None = None
    """A call that a good key is answered 2xx, and that costs nothing: a customer's own key is tried with it."""
    account_webhooks: bool = False
    """Whether it calls back one address of the account, `/v1/callbacks/NAME`, and names the job alone."""
    wire: WireShape | None = None
    wires: dict[str, WireShape] = {}
    """Instead of one, by how the endpoints begin that speak it: pictures are answered at once, videos are jobs."""
    source: str = Field(min_length=1)

    @model_validator(mode="after")
    def _described_or_coded(self) -> Self:
        if (self.wire is not None) + bool(self.wires) != (self.adapter == "http"):
            raise ValueError("the adapter `http`, and no other, needs either `wire` or `wires`")
        if sum(wire.webhook is not None for wire in self.wires.values()) > 1:
            raise ValueError("`webhook` stands in one of the `wires`: a callback does not say which it belongs to")
        webhooks = [wire.webhook for wire in (self.wire, *self.wires.values()) if wire and wire.webhook]
        if self.account_webhooks and any(webhook.dialect == UNSIGNED for webhook in webhooks):
            raise ValueError("whoever calls back an account signs: there is no token of ours in its address")
        return self

    def compiled(self) -> dict[str, Any]:
        """As it is published."""
        return self.model_dump(mode="json", exclude_defaults=True)
