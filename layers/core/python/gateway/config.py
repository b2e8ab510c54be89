"""Settings of one function, read from its environment once, on first use."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True)
class Settings:
    """What the stack tells its functions; each function is given only what it needs, the rest is empty."""

    stage: str
    catalog_table: str
    projects_table: str
    jobs_table: str
    ledger_table: str
    drive_bucket: str
    event_bus: str
    state_machine_arn: str
    public_url: str
    """Where the API is reached from outside; providers call back there."""
    provider_secret_arn: str
    project_keys_key_arn: str
    """The KMS key that encrypts the projects' own keys at providers."""
    provider_base_urls: Mapping[str, str]
    """Overrides of the providers' addresses; empty on AWS, the sandbox on a laptop."""
    fal_jwks_url: str
    fx_rates_url: str
    """Where the European Central Bank's last reference rates are."""
    fx_history_url: str
    """Where those of the last 90 days are."""
    url_allowed_hosts: frozenset[str]
    """`host:port` pairs that the URL guard lets through although they are not public; empty on AWS."""
    catalog_kept_seconds: float
    """How long a container serves a catalog without looking whether there is a newer one."""
    poll_window_seconds: float
    provider_timeout_seconds: float
    await_seconds_max: int
    deadline_seconds_max: int


FAL_JWKS_URL = "https://rest.alpha.fal.ai/.well-known/jwks.json"
FX_RATES_URL = "https://www.ecb.europa.eu/stats/eurofxref/eurofxref-daily.xml"
FX_HISTORY_URL = "https://www.ecb.europa.eu/stats/eurofxref/eurofxref-hist-90d.xml"


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Read settings from a mapping. Numbers fall back to the values of production."""
    get = environment.get
    return Settings(
        stage=get("STAGE", "dev"),
        catalog_table=get("CATALOG_TABLE", ""),
        projects_table=get("PROJECTS_TABLE", ""),
        jobs_table=get("JOBS_TABLE", ""),
        ledger_table=get("LEDGER_TABLE", ""),
        drive_bucket=get("DRIVE_BUCKET", ""),
        event_bus=get("EVENT_BUS", ""),
        state_machine_arn=get("STATE_MACHINE_ARN", ""),
        public_url=get("PUBLIC_URL", "").rstrip("/"),
        provider_secret_arn=get("PROVIDER_SECRET_ARN", ""),
        project_keys_key_arn=get("PROJECT_KEYS_KEY_ARN", ""),
        provider_base_urls=json.loads(get("PROVIDER_BASE_URLS") or "{}"),
        fal_jwks_url=get("FAL_JWKS_URL") or FAL_JWKS_URL,
        fx_rates_url=get("FX_RATES_URL") or FX_RATES_URL,
        fx_history_url=get("FX_HISTORY_URL") or FX_HISTORY_URL,
        url_allowed_hosts=frozenset(filter(None, get("URL_ALLOWED_HOSTS", "").split(","))),
        catalog_kept_seconds=float(get("CATALOG_KEPT_SECONDS") or 60),
        poll_window_seconds=float(get("POLL_WINDOW_SECONDS") or 45),
        provider_timeout_seconds=float(get("PROVIDER_TIMEOUT_SECONDS") or 120),
        await_seconds_max=int(get("AWAIT_SECONDS_MAX") or 600),
        deadline_seconds_max=int(get("DEADLINE_SECONDS_MAX") or 7200),
    )


@cache
def settings() -> Settings:
    """The settings of this process. Tests clear it with `settings.cache_clear()`."""
    return from_environment(os.environ)
