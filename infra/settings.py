"""What differs between stages, and nothing else.

`for_stage` takes a stage's values and lets the command line change any of them:
`cdk deploy -c stage=prod -c tracing=false -c log_retention_days=30`.
"""

import json
import platform
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

PUBLISHED_PLATFORMS = ("manylinux_2_28_aarch64", "manylinux2014_aarch64")
"""Wheels that run on Lambda's Amazon Linux 2023 (glibc 2.34) on arm64."""


LOG_RETENTION_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 3653)
"""What CloudWatch offers."""


@dataclass(frozen=True)
class Target:
    """Where functions run: for which Python and which machine layers are built."""

    python: str
    """Minor version, as in `3.12`."""
    architecture: str
    """`arm64` or `x86_64`."""
    platforms: tuple[str, ...] = ()
    """Wheel tags to accept; none means those of this machine."""


# PynamoDB declares support up to 3.12; Powertools and CDK are already further.
LAMBDA = Target("3.12", "arm64", PUBLISHED_PLATFORMS)
HOST = Target(
    f"{sys.version_info.major}.{sys.version_info.minor}",
    "arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64",
)


@dataclass(frozen=True)
class Settings:
    """The values of one stage. Every plain field can be overridden by CDK context of the same name."""

    stage: str
    target: Target = LAMBDA
    bytecode: bool = True
    """Whether assets must carry bytecode; without it cold starts take about twice as long."""
    retain_data: bool = False
    """Keep tables and buckets when the stack goes, and refuse to delete tables."""
    log_retention_days: int = 14
    log_level: str = "INFO"
    tracing: bool = False
    alarms: bool = False
    alarm_topic_arn: str = ""
    """SNS topic that alarms notify; empty: alarms only show in CloudWatch."""
    lambda_concurrency: int = 0
    """The account's Lambda concurrency, of which long waits get a reserved share; 0 reserves nothing."""
    catalog_kept_seconds: float = 60.0
    poll_window_seconds: float = 45.0
    provider_timeout_seconds: float = 120.0
    await_seconds_max: int = 600
    deadline_seconds_max: int = 7200
    public_url: str = ""
    """Where the API is reached from outside; empty: the API's own address."""
    provider_base_urls: Mapping[str, str] = field(default_factory=dict)
    jwks_url: str = ""
    fx_rates_url: str = ""
    fx_history_url: str = ""
    """Where reference rates are fetched; empty: from the European Central Bank."""
    url_allowed_hosts: tuple[str, ...] = ()
    browser_origins: tuple[str, ...] = ("*",)
    """Origins whose pages may use signed URLs of the drive."""
    assets_bucket: str = ""
    """Deploy with the caller's credentials and this bucket; empty: with what `cdk bootstrap` made."""


_STAGES = {
    "dev": Settings("dev"),
    "prod": Settings(
        "prod",
        retain_data=True,
        log_retention_days=90,
        tracing=True,
        alarms=True,
        lambda_concurrency=1000,
    ),
    "local": Settings(
        "local",
        target=HOST,
        lambda_concurrency=12,
        catalog_kept_seconds=5.0,
        poll_window_seconds=4.0,
        provider_timeout_seconds=6.0,
        await_seconds_max=8,
        deadline_seconds_max=90,
        assets_bucket="museway-assets-${AWS::AccountId}-${AWS::Region}",
    ),
}


def for_stage(stage: str, override: Callable[[str], Any] | None = None) -> Settings:
    """The settings of a stage, changed by what `override(name)` answers other than None.

    Overrides may be text as the command line gives it: numbers, true/false, JSON objects, comma lists.
    Raises ValueError that names what is wrong and what is allowed.
    """
    if stage not in _STAGES:
        raise ValueError(f"There is no stage '{stage}'; use one of: {', '.join(_STAGES)}.")
    settings = _STAGES[stage]
    changes: dict[str, Any] = {}
    for item in fields(Settings):
        given = None if override is None or item.name in {"stage", "target"} else override(item.name)
        if given is not None:
            changes[item.name] = _parsed(item.name, given, getattr(settings, item.name))
    return _checked(replace(settings, **changes))


def _checked(settings: Settings) -> Settings:
    if settings.log_retention_days not in LOG_RETENTION_DAYS:
        raise ValueError(f"log_retention_days must be one of {', '.join(map(str, LOG_RETENTION_DAYS))}.")
    numbers = {item.name: getattr(settings, item.name) for item in fields(Settings)}
    for name, value in numbers.items():
        if isinstance(value, int | float) and value < 0:
            raise ValueError(f"{name} is {value}; it cannot be less than 0.")
    return settings


def _parsed(name: str, given: Any, like: Any) -> Any:
    """An override in the type of the value it replaces."""
    text = str(given).strip()
    try:
        if isinstance(like, bool):
            return {"true": True, "false": False}[text.lower()]
        if isinstance(like, int | float):
            return type(like)(text)
        if isinstance(like, Mapping):
            found = given if isinstance(given, Mapping) else json.loads(text or "{}")
            return {str(key): str(value) for key, value in found.items()}
        if isinstance(like, tuple):
            parts = given if isinstance(given, list | tuple) else re.split(r"[,\s]+", text)
            return tuple(str(part) for part in parts if part)
    except (KeyError, ValueError, AttributeError) as error:
        kind = "an object in JSON" if isinstance(like, Mapping) else f"like {json.dumps(like)}"
        raise ValueError(f"-c {name}={text} cannot be read; give a value {kind}.") from error
    return text
