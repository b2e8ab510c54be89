"""The stack as plain data: tables, functions with what they may do, routes.

Read by CDK, by the tests and by whoever wants to know what runs. A new route or function is one entry here
and, for a function, a folder `functions/<name>`. Environment variables follow from the grants: a function
that may touch the jobs table is told its name.
"""

from dataclasses import dataclass

COUNTERS = ("SPENDING#*",)
"""Partition keys of the ledger that count what is held and spent under a limit."""
MONEY_THAT_MOVES = ("BALANCE#*", "HOLD#*", *COUNTERS)
"""Partition keys of the ledger that may be updated; entries and records are only ever put."""
VERSIONS = ("VERSIONS",)
PUBLISHED = ("HEAD", *VERSIONS)
"""Partition keys of the catalog that tell its versions: their list, and which one is current."""
OBSERVED = ("DURATIONS#*",)
"""Partition keys of the catalog that count how long runs took."""
COUNTED, JUDGED = ("HEALTH#*",), ("HEALTH",)
"""Partition keys of the catalog that count how attempts ended, and that says how offers do."""
RATES = ("FX",)
"""The partition key of the catalog under which reference rates are stored by date."""
FILES, STAGED = ("projects/*",), ("staging/*",)
"""Object keys of the drive: what belongs to projects, and what waits to be collected."""
EXPORTS, DOWNLOADS = ("exports/*",), ("downloads/*",)
"""Object keys of the drive: days written for ever, by one function alone, and answers too large for an answer."""


@dataclass(frozen=True)
class Index:
    """A global secondary index."""

    name: str
    partition: str
    sort: str
    sort_is_number: bool = False
    keys_only: bool = False


@dataclass(frozen=True)
class Table:
    """A DynamoDB table; every one has `pk` and `sk`, both text."""

    name: str
    indexes: tuple[Index, ...] = ()
    stream: bool = False
    expires: bool = False
    """Whether items that have `expires_at`, in seconds since the epoch, are deleted some time after it."""


TABLES = (
    Table("catalog", expires=True),
    Table("projects"),
    Table(
        "jobs",
        indexes=(
            Index("by_project", "project_id", "listed_at"),
            Index("open_work", "work", "due_at", sort_is_number=True, keys_only=True),
        ),
        stream=True,
    ),
    Table(
        "ledger",
        indexes=(Index("listing", "listing", "listed_at"), Index("by_session", "session", "listed_at")),
    ),
)


DEAD_LETTERS = ("failed_dispatches", "failed_reconciliations", "failed_rate_fetches", "failed_daily_exports")
"""Queues that keep what could not be handled."""


@dataclass(frozen=True)
class Grant:
    """What a function may do with one resource."""

    resource: str
    """A table, a dead-letter queue, or one of `jobs_stream`, `drive`, `inbox`, `machine` (the state machine),
    `executions` and `task_tokens` (of it), `bus`, `provider_keys` (the operator's), `project_keys_key` (which encrypts
    the projects' own), `bedrock_models`, `bedrock_profiles` and `bedrock_jobs`."""
    actions: str
    """Action names without their service, separated by spaces."""
    index: str = ""
    """The index that the actions are for, instead of the table itself."""
    keys: tuple[str, ...] = ()
    """Patterns that the partition key or object key must match; none means all."""


@dataclass(frozen=True)
class Function:
    """One Lambda function; its code is `functions/<name>/handler.py`."""

    name: str
    grants: tuple[Grant, ...]
    timeout_seconds: int = 30
    memory_mb: int = 512
    disk_mb: int = 512
    """Room in `/tmp`."""
    environment: tuple[str, ...] = ()
    """Variables beyond those that follow from the grants."""
    layers: tuple[str, ...] = ("core", "vendor")
    concurrency_share: float = 0
    """The part of the account's concurrency that is reserved for, and the most that is used by, it."""


@dataclass(frozen=True)
class Schedule:
    """When a function is called by the clock, and what becomes of a call that fails."""

    function: str
    times: tuple[str, ...]
    """Schedule expressions of EventBridge; the hours of `cron(...)` are UTC."""
    failures: str
    """The dead-letter queue that keeps calls that failed; the function needs `SendMessage` on it."""
    retries: int = 0
    """How often a call that failed is repeated, after a minute and then two."""
    age_seconds_max: int = 60
    """How long a call may wait to be made or repeated."""


@dataclass(frozen=True)
class Route:
    """One route of the HTTP API."""

    method: str
    path: str
    function: str
    public_because: str = ""
    """Why it needs no API key; empty: it does."""

    @property
    def key(self) -> str:
        """As API Gateway names it."""
        return self.path if self.path == "$default" else f"{self.method} {self.path}"


ENVIRONMENT = {
    # Pydantic asks every installed distribution for plugins, 6 ms of a cold start; there are none.
    "PYDANTIC_DISABLE_PLUGINS": "__all__",
}
"""Variables that every function has alike."""

_MOVE_MONEY = (Grant("ledger", "GetItem PutItem"), Grant("ledger", "UpdateItem", keys=MONEY_THAT_MOVES))
_MOVE_MANY = (
    Grant("ledger", "BatchGetItem", keys=("HOLD#*",)),
    Grant("ledger", "ConditionCheckItem", keys=("HOLD#*",)),
)
_READ_SHARDS = Grant("ledger", "BatchGetItem", keys=("BALANCE#*",))
"""Of a busy account, which leaves no moment to read them together."""
_COUNT_DURATION = Grant("catalog", "UpdateItem", keys=OBSERVED)
_COUNT_END = Grant("catalog", "UpdateItem", keys=COUNTED)
_KNOW_PROVIDERS = Grant("catalog", "GetItem", keys=("HEAD", "VERSION#*"))
_KNOW_HEALTH = Grant("catalog", "GetItem", keys=JUDGED)
_CALL_PROVIDERS = (
    Grant("provider_keys", "GetSecretValue"),
    _KNOW_PROVIDERS,
    Grant("projects", "GetItem", keys=("PROVIDER_KEY#*",)),
    Grant("project_keys_key", "Decrypt"),
)
"""With the operator's keys, or one of the project's own: nothing else of a project is seen."""
_INVOKE_MODELS = tuple(Grant(f"bedrock_{resource}", "InvokeModel") for resource in ("models", "profiles", "jobs"))
"""To converse and to start a job take the same permission as to invoke (botocore's model of bedrock-runtime)."""
_ASK_ABOUT_JOBS = Grant("bedrock_jobs", "GetAsyncInvoke")

FUNCTIONS = (
    # Behind the API. API Gateway gives up after 30 s, so none may take longer.
    Function("authorizer", (Grant("projects", "GetItem"),), timeout_seconds=15, memory_mb=1024),
    Function(
        "submission",
        (
            Grant("catalog", "GetItem"),
            Grant("catalog", "Query", keys=RATES),
            Grant("projects", "GetItem"),
            Grant("jobs", "GetItem BatchGetItem PutItem"),
            *_MOVE_MONEY,
            *_MOVE_MANY,
            _READ_SHARDS,
        ),
        memory_mb=1024,
        environment=(
            "PUBLIC_URL",
            "URL_ALLOWED_HOSTS",
            "CATALOG_KEPT_SECONDS",
            "AWAIT_SECONDS_MAX",
            "DEADLINE_SECONDS_MAX",
            "PROVIDER_TIMEOUT_SECONDS",
        ),
    ),
    Function(
        "generations",
        (
            Grant("jobs", "GetItem BatchGetItem Query"),
            Grant("jobs", "Query", index="by_project"),
            Grant("drive", "GetObject", keys=FILES),
        ),
        environment=("PUBLIC_URL",),
        concurrency_share=0.34,
    ),
    Function(
        "cancellation",
        (
            Grant("jobs", "GetItem Query UpdateItem"),
            *_MOVE_MONEY,
            Grant("task_tokens", "SendTaskSuccess"),
            *_CALL_PROVIDERS,
        ),
        environment=("PROVIDER_BASE_URLS", "CATALOG_KEPT_SECONDS"),
    ),
    Function(
        "pricing",
        (
            Grant("catalog", "GetItem"),
            Grant("catalog", "Query", keys=OBSERVED),
            Grant("projects", "GetItem"),
        ),
        environment=("URL_ALLOWED_HOSTS", "CATALOG_KEPT_SECONDS"),
    ),
    Function(
        "routing",
        (Grant("catalog", "GetItem"), Grant("projects", "GetItem", keys=("PROJECT#*",))),
        memory_mb=1024,  # choosing is computing: each model's limits are held against the request
        environment=("URL_ALLOWED_HOSTS", "CATALOG_KEPT_SECONDS"),
    ),
    Function(
        "routers",
        (
            Grant("catalog", "GetItem"),
            Grant("projects", "GetItem PutItem UpdateItem Query", keys=("PROJECT#*",)),
            *(Grant("jobs", "BatchGetItem"), Grant("jobs", "Query", index="by_project")),
        ),
        memory_mb=1769,  # one full vCPU: a dry run chooses for up to 100 requests within API Gateway's 30 s
        environment=("CATALOG_KEPT_SECONDS",),
    ),
    Function(
        "billing",
        (
            Grant("projects", "GetItem"),
            Grant("ledger", "GetItem"),
            Grant("ledger", "BatchGetItem", keys=("BALANCE#*", "HOLD#*")),
            Grant("ledger", "Query", index="listing"),
            Grant("ledger", "Query", index="by_session"),
        ),
        memory_mb=1024,  # sums are computing: up to 50,000 records in one answer
    ),
    Function(
        "exports",
        (
            Grant("projects", "GetItem"),
            Grant("ledger", "Query", index="listing"),
            Grant("drive", "PutObject GetObject", keys=DOWNLOADS),
            Grant("drive", "GetObject", keys=EXPORTS),
        ),
        memory_mb=1769,  # one full vCPU: up to 50,000 records are written within API Gateway's 30 s
    ),
    Function("drive", (Grant("drive", "PutObject GetObject", keys=FILES),)),
    Function(
        "projects",
        (
            Grant("projects", "GetItem PutItem UpdateItem"),
            Grant("projects", "Query", keys=("PROJECT#*",)),
            Grant("projects", "BatchGetItem", keys=("KEY#*",)),
            # A first limit begins to count: open holds are joined to its counter, records added to it.
            Grant("ledger", "GetItem"),
            Grant("ledger", "PutItem", keys=COUNTERS),
            Grant("ledger", "UpdateItem", keys=("HOLD#*", *COUNTERS)),
            Grant("ledger", "Query", index="listing"),
        ),
    ),
    Function(
        "provider_keys",
        (
            Grant("projects", "GetItem", keys=("PROJECT#*",)),
            Grant("projects", "UpdateItem", keys=("PROJECT#*", "PROVIDER_KEY#*")),
            _KNOW_PROVIDERS,
            Grant("project_keys_key", "Encrypt"),  # who saves keys cannot open them
        ),
        environment=("PROVIDER_BASE_URLS", "CATALOG_KEPT_SECONDS"),
    ),
    Function(
        "callbacks",
        (
            Grant("jobs", "GetItem Query UpdateItem"),
            # What a provider calls back about before its job is known here.
            Grant("jobs", "PutItem", keys=("REFERENCE#*",)),
            Grant("task_tokens", "SendTaskSuccess"),
            _KNOW_PROVIDERS,
        ),
        environment=("PROVIDER_BASE_URLS", "FAL_JWKS_URL", "CATALOG_KEPT_SECONDS"),
    ),
    Function("docs", (Grant("catalog", "GetItem"),), environment=("PUBLIC_URL", "CATALOG_KEPT_SECONDS")),
    # Steps of the state machine.
    Function(
        "submit_attempt",
        (
            Grant("jobs", "GetItem PutItem UpdateItem"),
            Grant("drive", "PutObject", keys=STAGED),
            Grant("task_tokens", "SendTaskSuccess"),
            *_CALL_PROVIDERS,
            *_INVOKE_MODELS,
            _KNOW_HEALTH,
            _COUNT_END,
        ),
        timeout_seconds=150,
        environment=(
            "PUBLIC_URL",
            "PROVIDER_BASE_URLS",
            "URL_ALLOWED_HOSTS",
            "PROVIDER_TIMEOUT_SECONDS",
            "CATALOG_KEPT_SECONDS",
        ),
    ),
    Function(
        "poll_attempt",
        (Grant("jobs", "GetItem UpdateItem"), *_CALL_PROVIDERS, _ASK_ABOUT_JOBS, _COUNT_END),
        timeout_seconds=60,
        memory_mb=256,  # it mostly waits
        environment=("PROVIDER_BASE_URLS", "POLL_WINDOW_SECONDS", "CATALOG_KEPT_SECONDS"),
        concurrency_share=0.34,
    ),
    Function(
        "collect_outputs",
        (
            Grant("jobs", "GetItem UpdateItem"),
            Grant("drive", "GetObject", keys=STAGED),
            Grant("drive", "PutObject", keys=FILES),
            *_CALL_PROVIDERS,
            _ASK_ABOUT_JOBS,
            _COUNT_END,
        ),
        timeout_seconds=300,
        memory_mb=1769,  # one full vCPU: hashing, probing and thumbnails are computing
        disk_mb=3072,  # `outputs.TOGETHER_BYTES_MAX`, and a rendition of one of `BYTES_MAX`
        environment=("PROVIDER_BASE_URLS", "URL_ALLOWED_HOSTS", "CATALOG_KEPT_SECONDS"),
        layers=("core", "vendor", "media"),
    ),
    Function("settle", (Grant("jobs", "GetItem UpdateItem"), *_MOVE_MONEY, _COUNT_DURATION, _COUNT_END)),
    Function(
        "fail",
        (Grant("jobs", "GetItem UpdateItem"), *_MOVE_MONEY, *_CALL_PROVIDERS, _KNOW_HEALTH, _COUNT_END),
        timeout_seconds=60,
        environment=("PROVIDER_BASE_URLS", "CATALOG_KEPT_SECONDS"),
    ),
    # On events and schedules.
    Function(
        "dispatch",
        (
            Grant("jobs_stream", "DescribeStream GetRecords GetShardIterator ListStreams"),
            Grant("jobs", "GetItem UpdateItem"),
            Grant("projects", "GetItem UpdateItem"),
            Grant("ledger", "GetItem", keys=("BALANCE#*", "SPENDING#*")),
            _READ_SHARDS,
            Grant("machine", "StartExecution"),
            Grant("bus", "PutEvents"),
            Grant("failed_dispatches", "SendMessage"),
        ),
    ),
    Function(
        "reconcile",
        (
            Grant("jobs", "GetItem BatchGetItem ConditionCheckItem UpdateItem"),
            Grant("jobs", "Query", index="open_work"),
            *_MOVE_MONEY,
            _READ_SHARDS,
            _COUNT_DURATION,
            _COUNT_END,
            Grant("catalog", "GetItem PutItem UpdateItem", keys=JUDGED),
            Grant("catalog", "Query", keys=COUNTED),
            Grant("ledger", "Query", index="listing"),
            Grant("projects", "Scan"),
            Grant("projects", "UpdateItem", keys=("PROJECT#*",)),
            Grant("machine", "StartExecution"),
            Grant("executions", "DescribeExecution"),
            Grant("bus", "PutEvents"),
            Grant("failed_reconciliations", "SendMessage"),
            *_CALL_PROVIDERS,
        ),
        timeout_seconds=55,
        environment=("PROVIDER_BASE_URLS", "CATALOG_KEPT_SECONDS"),
    ),
    Function(
        "fx_rates",
        (Grant("catalog", "PutItem Query", keys=RATES), Grant("failed_rate_fetches", "SendMessage")),
        timeout_seconds=60,
        environment=("FX_RATES_URL", "FX_HISTORY_URL", "URL_ALLOWED_HOSTS"),
    ),
    Function(
        "daily_export",
        (
            Grant("projects", "Scan"),
            Grant("ledger", "Query", index="listing"),
            Grant("drive", "PutObject GetObject", keys=EXPORTS),
            Grant("failed_daily_exports", "SendMessage"),
        ),
        timeout_seconds=900,
        memory_mb=1769,  # one full vCPU: reading, writing and hashing records is computing
        disk_mb=4096,  # a project's whole day as three files: more than a million records
    ),
    # For the operator, behind no route: invoked with AWS credentials and by CloudFormation.
    Function(
        "admin",
        (
            Grant("catalog", "GetItem"),
            Grant("catalog", "PutItem", keys=("VERSION#*", *PUBLISHED)),
            Grant("catalog", "UpdateItem", keys=(*PUBLISHED, *JUDGED)),
            Grant("catalog", "Query", keys=VERSIONS),
            Grant("projects", "GetItem PutItem UpdateItem Scan"),
            Grant("jobs", "GetItem"),
            Grant("jobs", "Query", index="open_work"),
            *_MOVE_MONEY,
            _READ_SHARDS,
            Grant("ledger", "Query", index="listing"),
        ),
        timeout_seconds=300,  # an audit reads every entry of a project
        memory_mb=1024,  # compiling a catalog is computing
    ),
)

SCHEDULES = (
    # A run that fails is not repeated: the next one sees the same and more.
    Schedule("reconcile", ("rate(1 minute)",), "failed_reconciliations"),
    # The ECB publishes on working days about 16:00 in Frankfurt, 14:00 or 15:00 UTC. Once more in the morning, for what
    # was late, and so that each day tells whether there are rates to bill with.
    Schedule(
        "fx_rates",
        ("cron(30 16 ? * MON-FRI *)", "cron(30 5 ? * * *)"),
        "failed_rate_fetches",
        retries=2,
        age_seconds_max=3600,
    ),
    # A day is over at midnight UTC and settled ten minutes later; each later run does what an earlier one could not.
    Schedule("daily_export", ("cron(15 * ? * * *)",), "failed_daily_exports"),
)

_CATALOGUE = "What is offered at which price is public."
_HEALTH = "Says no more than that the service lives and what its interface is."
_WEBHOOK = "Providers have no API key; the path carries an unguessable token and the provider's signature is checked."
_ACCOUNT_WEBHOOK = "Providers have no API key; here the provider's signature is checked, and one without is refused."

ROUTES = (
    Route("POST", "/v1/generate/media", "submission"),
    Route("POST", "/v1/generate/media:batch", "submission"),
    Route("POST", "/v1/media/generate", "submission"),
    Route("GET", "/v1/generations", "generations"),
    Route("GET", "/v1/generations/{generation_id}", "generations"),
    Route("POST", "/v1/generations/{generation_id}/cancel", "cancellation"),
    Route("POST", "/v1/estimate", "pricing"),
    Route("GET", "/v1/models", "pricing", _CATALOGUE),
    Route("GET", "/v1/models/{model_id+}", "pricing", _CATALOGUE),  # greedy: ids contain slashes
    Route("GET", "/v1/pricing", "pricing", _CATALOGUE),
    Route("GET", "/v1/modes", "routing", _CATALOGUE),
    Route("POST", "/v1/route", "routing"),
    Route("POST", "/v1/routers", "routers"),
    Route("GET", "/v1/routers", "routers"),
    Route("GET", "/v1/routers/{name}", "routers"),
    Route("PUT", "/v1/routers/{name}", "routers"),
    Route("DELETE", "/v1/routers/{name}", "routers"),
    Route("POST", "/v1/routers/{name}/dry-run", "routers"),
    Route("GET", "/v1/balance", "billing"),
    Route("GET", "/v1/records", "billing"),
    Route("GET", "/v1/records/export", "exports"),
    Route("GET", "/v1/ledger", "billing"),
    Route("GET", "/v1/sessions/{session_id+}", "billing"),  # greedy: ids may contain slashes; what follows is /cost
    Route("GET", "/v1/exports", "exports"),
    Route("POST", "/v1/upload/media", "drive"),
    Route("POST", "/v1/drive/sign", "drive"),
    Route("POST", "/v1/keys", "projects"),
    Route("GET", "/v1/keys", "projects"),
    Route("GET", "/v1/keys/{key_id}", "projects"),
    Route("PATCH", "/v1/keys/{key_id}", "projects"),
    Route("DELETE", "/v1/keys/{key_id}", "projects"),
    Route("GET", "/v1/settings", "projects"),
    Route("PUT", "/v1/settings", "projects"),
    Route("GET", "/v1/providers", "provider_keys"),
    Route("PUT", "/v1/providers/{provider}/key", "provider_keys"),
    Route("GET", "/v1/providers/{provider}/key", "provider_keys"),
    Route("DELETE", "/v1/providers/{provider}/key", "provider_keys"),
    Route("POST", "/v1/callbacks/{provider}/{generation_id}/{token}", "callbacks", _WEBHOOK),
    Route("POST", "/v1/callbacks/{provider}", "callbacks", _ACCOUNT_WEBHOOK),
    Route("GET", "/health", "docs", _HEALTH),
    Route("GET", "/openapi.json", "docs", _HEALTH),
    Route("GET", "/docs", "docs", _HEALTH),
)

FALLBACK = Route("ANY", "$default", "docs", "Answers what is no route, with 404 in the contract's error format.")
"""What API Gateway itself would answer in its own words."""

STEPS = ("submit_attempt", "poll_attempt", "collect_outputs", "settle", "fail")
"""Functions that the state machine calls, by the names of its placeholders."""
