"""The shapes of successful answers, for the OpenAPI document and for the tests that hold real answers to them.

They live here and not in the gateway: a function that only writes an answer need not load its schema.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.nondelivery import NonDelivery

Micros = int
Timestamp = str
MEANINGS = "\n".join(f"- `{one}`: {one.meaning}" for one in NonDelivery)


class Answer(BaseModel):
    """A shape without unlisted fields."""

    model_config = ConfigDict(extra="forbid")


class Accepted(Answer):
    """A generation that will run; its price is held."""

    generation_id: str
    status: Literal["pending"]
    model: str
    estimated_time_seconds: int
    estimated_cost_credits: float
    estimated_cost_micros: Micros
    status_url: str
    warnings: list[str] = Field(description="What was ignored, and why")


class Refusal(Answer):
    """Why one of several was refused."""

    model_config = ConfigDict(extra="allow")

    error: str
    message: str
    hint: str


class Outcome(Answer):
    """What became of one request of a batch."""

    index: int
    status: int = Field(description="202, or the status that it would have been refused with alone")
    generation: Accepted | None
    error: Refusal | None


class BatchAnswer(Answer):
    """What became of each request, in their order."""

    accepted: int
    refused: int
    items: list[Outcome]


class Output(Answer):
    """One delivered file; URLs are signed for an hour."""

    url: str
    thumbnail_url: str | None
    optimized_url: str | None
    drive_path: str
    media_type: str
    width: int | None
    height: int | None
    duration_seconds: float | None
    has_audio: bool
    bytes: int
    sha256: str
    text: str | None = Field(description="A text as it is, where it is short; a long one is at the URL alone")


class Reason(Answer):
    """Why nothing was delivered. Nothing is charged for it, whatever the code."""

    code: NonDelivery = Field(description=MEANINGS)
    message: str
    retryable: bool = Field(description="Whether the same inputs may succeed with another provider, or later")


class AttemptAnswer(Answer):
    """One submission to one provider."""

    provider: str
    offer: str
    byok: bool = Field(description="Whether it was made with the project's own key")
    status: str
    error: Reason | None
    started_at: Timestamp
    ended_at: Timestamp | None


class GenerationListed(Answer):
    """A generation in a list."""

    generation_id: str
    status: Literal["pending", "processing", "completed", "failed", "cancelled"]
    progress: int
    model: str
    kind: str
    outputs: list[Output]
    billed_micros: Micros | None = Field(description="Null until it is final; 0 when nothing was delivered")
    billed_usd: float | None
    billed_credits: float | None
    estimated_cost_micros: Micros
    error: Reason | None
    session_id: str | None
    metadata: dict[str, str] | None
    warnings: list[str]
    created_at: Timestamp
    completed_at: Timestamp | None


class Meta(Answer):
    """What the provider reported of itself."""

    metrics: dict[str, Any]


class GenerationAnswer(GenerationListed):
    """A generation by its id."""

    attempts: list[AttemptAnswer]
    meta: Meta


class Page(Answer):
    """A page of a list."""

    next_cursor: str | None


class Generations(Page):
    """The project's generations, newest first."""

    items: list[GenerationListed]


class Line(Answer):
    """One line of a price; amount = quantity x rate, exactly."""

    unit: str
    modality: str
    meter: str
    quantity: str
    rate: str
    row_id: str
    amount: str


class QuoteLine(Line):
    """A line of a quote."""

    row: str
    amount_micros: Micros


class EstimateAnswer(Answer):
    """What a request would cost, and how long it would take."""

    model: str
    estimated_time_seconds: int
    confidence: Literal["low", "medium", "high"]
    sample_size: int
    expected_micros: Micros
    maximum_micros: Micros
    byok: bool = Field(description="Whether it would be run on the project's own account at a provider, for our fee")
    credits: float
    lines: list[QuoteLine]
    assumptions: list[str]
    warnings: list[str]
    price_book_version: str


class Rate(Answer):
    """One row of a rate table; the first whose conditions hold is the price."""

    row_id: str
    when: dict[str, Any]
    unit: str
    modality: str
    rate: str = Field(description="US dollars per unit, exact")
    rate_credits: str
    meter: str
    rounding: str | None
    minimum: str | None
    per_output: bool = Field(description="The quantity is that of one output, and counts for each")


class RateTable(Answer):
    """A rate table that is not in force yet."""

    effective_from: str
    rate_table: list[Rate]


class OfferAnswer(Answer):
    """Who serves a model."""

    provider: str
    sunset_at: str | None
    healthy: bool = Field(description="false: it failed so often of late that requests go to another, if there is one")


class ModelAnswer(Answer):
    """Everything needed to call a model."""

    id: str
    name: str
    kind: str
    family: str
    modes: list[str]
    status: Literal["active", "ending", "retired"] = Field(description="ending: within 90 days of sunset_at")
    sunset_at: str | None
    successor: str | None
    capabilities: dict[str, Any]
    generation_types: list[str]
    input_schema: dict[str, Any] = Field(description="JSON Schema of a typed request")
    limits: dict[str, Any]
    supports_sound: bool
    input_media_types: list[str]
    rate_table: list[Rate]
    upcoming_rate_tables: list[RateTable]
    estimated_time_seconds: int
    offers: list[OfferAnswer]


class Models(Page):
    """The catalog."""

    items: list[ModelAnswer]
    catalog_version: str


class Price(Answer):
    """A model's prices."""

    model: str
    kind: str
    family: str
    status: str
    rate_table: list[Rate]
    upcoming_rate_tables: list[RateTable]


class Prices(Page):
    """Every price."""

    items: list[Price]
    catalog_version: str


class Counted(Answer):
    """What is held and spent of a limit."""

    limit_micros: Micros | None
    counted_micros: Micros


class Balance(Answer):
    """Where the project's money is: granted = available + held + spent."""

    available_micros: Micros
    held_micros: Micros
    spent_micros: Micros
    granted_micros: Micros
    credits: float
    currency: str = Field(description="Of the account; amounts here are US dollars")
    limits: dict[Literal["key", "project"], dict[Literal["day", "month", "total"], Counted]]


class Cost(Answer):
    """What the call cost us, where that is known."""

    amount_micros: Micros | None
    basis: str


class RecordAnswer(Answer):
    """The one immutable record of what a call cost and why."""

    record_id: str
    generation_id: str
    project_id: str
    key_id: str
    session_id: str | None
    workflow_id: str | None
    execution_id: str | None
    node_id: str | None
    model: str
    offer: str
    provider: str
    byok: bool
    lines: list[Line]
    subtotal: str
    subtotal_micros: Micros
    margin_bps: int
    platform_fee_bps: int
    amount_micros: Micros
    held_micros: Micros
    loss_micros: Micros = Field(description="What the lines come to beyond the hold; the operator bears it")
    credits: str
    price_book_version: str
    inputs_priced: dict[str, Any]
    fx: dict[str, Any] | None
    provider_cost: Cost
    created_at: Timestamp
    digest: str


class Sum(Answer):
    """What some records come to."""

    records: int
    amount_micros: Micros
    credits: str


class Group(Sum):
    """What the records of one group come to; the one of these fields that `group_by` names is there."""

    model: str = ""
    key: str = ""
    session: str | None = None
    workflow: str | None = None
    day: str = ""


class Records(Page):
    """BillingRecords, newest first; with `group_by` groups of them, and what all come to."""

    items: list[RecordAnswer] | list[Group]
    totals: Sum | None = Field(None, description="With `group_by`")


class LineItem(Answer):
    """One call of a session."""

    generation_id: str
    record_id: str
    model: str
    key_id: str
    lines: list[Line]
    amount_micros: Micros
    refunded_micros: Micros = Field(description="The sum of the ledger's refunds of this generation")
    net_micros: Micros = Field(description="The charge without what was refunded")
    created_at: Timestamp


class SessionSum(Sum):
    """What all calls of a session come to, whatever page is shown; credits are those of `net_micros`."""

    refunded_micros: Micros
    net_micros: Micros


class SessionCost(Page):
    """A session's calls, newest first, and its sum."""

    session_id: str
    items: list[LineItem]
    totals: SessionSum


class StoredRecords(Answer):
    """The lines, each record or row one; as JSON, where they are, when they do not fit an answer."""

    url: str = Field(description="For an hour, without a key")
    expires_at: Timestamp
    records: int
    bytes: int
    sha256: str


class ExportedFile(Answer):
    """One file of a day."""

    name: str
    bytes: int
    lines: int = Field(description="Of data: records, rows without the header, movements")
    sha256: str
    url: str


class DayTotals(Answer):
    """What a day's records and movements come to."""

    records: int
    amount_micros: Micros
    settled_micros: Micros
    refunded_micros: Micros


class ExportedDay(Answer):
    """One UTC day as it was written for ever."""

    day: str
    created_at: Timestamp
    totals: DayTotals
    previous_sha256: str | None = Field(description="The digest of the manifest of the day before")
    files: list[ExportedFile]


class ExportedDays(Page):
    """Days that are over, newest first."""

    items: list[ExportedDay]
    expires_at: Timestamp = Field(description="When the URLs end")


class EntryAnswer(Answer):
    """One movement of money."""

    entry_id: str
    type: Literal["grant", "adjust", "hold", "settle", "release", "refund"]
    amount_micros: Micros
    generation_id: str | None
    note: str | None
    created_at: Timestamp


class Entries(Page):
    """Ledger entries, newest first."""

    items: list[EntryAnswer]


class Target(Answer):
    """Where to PUT one file, and how it is then called."""

    upload_url: str
    method: Literal["PUT"]
    headers: dict[str, str]
    url: str
    drive_path: str
    expires_in_seconds: int


class Targets(Answer):
    """One target for each file."""

    files: list[Target]


class Signed(Answer):
    """A link to one file."""

    url: str
    drive_path: str
    expires_at: Timestamp


class LimitAnswer(Answer):
    """The most that may be spent; null is no limit."""

    day_micros: Micros | None
    month_micros: Micros | None
    total_micros: Micros | None


class KeyAnswer(Answer):
    """An API key, without the key itself."""

    key_id: str
    name: str
    scopes: list[str]
    spending_limit: LimitAnswer | None
    created_at: Timestamp
    expires_at: Timestamp | None
    revoked_at: Timestamp | None


class KeyDetail(KeyAnswer):
    """An API key with what is counted under its limit."""

    counted: dict[Literal["day", "month", "total"], Counted] | None = Field(description="Null where nothing is counted")


class KeyCreated(KeyAnswer):
    """A new API key."""

    api_key: str = Field(description="Shown this once; only its hash is kept")


class Keys(Page):
    """The project's API keys, newest first."""

    items: list[KeyAnswer]


class AlertsAnswer(Answer):
    """When the project is told."""

    balance_low_micros: Micros | None
    limit_near_percent: int


class SettingsAnswer(Answer):
    """The project's settings."""

    currency: str
    spending_limit: LimitAnswer | None
    alerts: AlertsAnswer


class ProviderKeyShown(Answer):
    """What may be shown of a project's own key at a provider."""

    last_four: str
    tested: bool = Field(description="Whether the provider took it when it was saved")
    saved_at: Timestamp


class ProviderKeyAnswer(ProviderKeyShown):
    """A project's own key at a provider."""

    provider: str


class ProviderKeySaved(ProviderKeyAnswer):
    """A key that was saved just now."""

    warnings: list[str]


class ProviderAnswer(Answer):
    """A provider."""

    provider: str
    name: str
    key: ProviderKeyShown | None = Field(description="The project's own; null: calls are made with the deployment's")


class Providers(Page):
    """Every provider."""

    items: list[ProviderAnswer]


class Health(Answer):
    """Alive."""

    status: Literal["ok"]
    version: str
    catalog_version: str | None
    stage: str


ANSWERS: dict[tuple[str, str], tuple[int, type[Answer]]] = {
    ("POST", "/v1/generate/media"): (202, Accepted),
    ("POST", "/v1/generate/media:batch"): (202, BatchAnswer),
    ("POST", "/v1/media/generate"): (202, Accepted),
    ("GET", "/v1/generations"): (200, Generations),
    ("GET", "/v1/generations/{generation_id}"): (200, GenerationAnswer),
    ("POST", "/v1/generations/{generation_id}/cancel"): (200, GenerationAnswer),
    ("POST", "/v1/estimate"): (200, EstimateAnswer),
    ("GET", "/v1/models"): (200, Models),
    ("GET", "/v1/models/{model_id}"): (200, ModelAnswer),
    ("GET", "/v1/pricing"): (200, Prices),
    ("GET", "/v1/balance"): (200, Balance),
    ("GET", "/v1/records"): (200, Records),
    ("GET", "/v1/records/export"): (200, StoredRecords),
    ("GET", "/v1/ledger"): (200, Entries),
    ("GET", "/v1/sessions/{session_id}/cost"): (200, SessionCost),
    ("GET", "/v1/exports"): (200, ExportedDays),
    ("POST", "/v1/upload/media"): (200, Targets),
    ("POST", "/v1/drive/sign"): (200, Signed),
    ("POST", "/v1/keys"): (201, KeyCreated),
    ("GET", "/v1/keys"): (200, Keys),
    ("GET", "/v1/keys/{key_id}"): (200, KeyDetail),
    ("PATCH", "/v1/keys/{key_id}"): (200, KeyAnswer),
    ("DELETE", "/v1/keys/{key_id}"): (200, KeyAnswer),
    ("GET", "/v1/settings"): (200, SettingsAnswer),
    ("PUT", "/v1/settings"): (200, SettingsAnswer),
    ("GET", "/v1/providers"): (200, Providers),
    ("PUT", "/v1/providers/{provider}/key"): (200, ProviderKeySaved),
    ("GET", "/v1/providers/{provider}/key"): (200, ProviderKeyAnswer),
    ("DELETE", "/v1/providers/{provider}/key"): (200, ProviderKeyAnswer),
    ("GET", "/health"): (200, Health),
}
"""What each documented route answers when all is well."""

FILES: dict[tuple[str, str], tuple[str, ...]] = {("GET", "/v1/records/export"): ("application/x-ndjson", "text/csv")}
"""Media types of the files that a route may answer instead."""
