"""Settings come from the environment once, and what a function is not given is empty."""

import os
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, fields

import pytest

from gateway import config
from infra import manifest

GIVEN = {
    "STAGE": "prod",
    "CATALOG_TABLE": "catalog",
    "PROJECTS_TABLE": "projects",
    "JOBS_TABLE": "jobs",
    "LEDGER_TABLE": "ledger",
    "DRIVE_BUCKET": "drive",
    "EVENT_BUS": "bus",
    "STATE_MACHINE_ARN": "arn:aws:states:us-east-1:1:stateMachine:generation",
    "PUBLIC_URL": "https://museway.example/",
    "PROVIDER_SECRET_ARN": "arn:aws:secretsmanager:us-east-1:1:secret:keys",
    "PROVIDER_BASE_URLS": '{"fal": "http://127.0.0.1:9000/fal"}',
    "PROJECT_KEYS_KEY_ARN": "arn:aws:kms:us-east-1:1:key/projects",
    "FAL_JWKS_URL": "http://127.0.0.1:9000/jwks",
    "FX_RATES_URL": "http://127.0.0.1:9000/daily.xml",
    "FX_HISTORY_URL": "http://127.0.0.1:9000/history.xml",
    "URL_ALLOWED_HOSTS": "127.0.0.1:9000,localhost:9001",
    "CATALOG_KEPT_SECONDS": "5",
    "POLL_WINDOW_SECONDS": "4.5",
    "PROVIDER_TIMEOUT_SECONDS": "6",
    "AWAIT_SECONDS_MAX": "8",
    "DEADLINE_SECONDS_MAX": "60",
}


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    config.settings.cache_clear()
    yield
    config.settings.cache_clear()


def test_every_variable_is_read() -> None:
    found = config.from_environment(GIVEN)
    assert {field.name.upper() for field in fields(found)} == set(GIVEN)
    assert found.stage == "prod"
    assert found.public_url == "https://museway.example"
    assert found.provider_base_urls == {"fal": "http://127.0.0.1:9000/fal"}
    assert found.fal_jwks_url == "http://127.0.0.1:9000/jwks"
    assert found.fx_rates_url == "http://127.0.0.1:9000/daily.xml"
    assert found.fx_history_url == "http://127.0.0.1:9000/history.xml"
    assert found.url_allowed_hosts == {"127.0.0.1:9000", "localhost:9001"}
    assert (found.poll_window_seconds, found.provider_timeout_seconds) == (4.5, 6.0)
    assert found.catalog_kept_seconds == 5
    assert (found.await_seconds_max, found.deadline_seconds_max) == (8, 60)
    for name in ("CATALOG_TABLE", "PROJECTS_TABLE", "JOBS_TABLE", "LEDGER_TABLE", "DRIVE_BUCKET", "STATE_MACHINE_ARN"):
        assert getattr(found, name.lower()) == GIVEN[name]


@pytest.mark.parametrize("environment", [{}, dict.fromkeys(GIVEN, "")])
def test_what_is_absent_or_empty_is_productions_value(environment: dict[str, str]) -> None:
    found = config.from_environment(environment)
    assert found.fal_jwks_url == config.FAL_JWKS_URL
    assert (found.fx_rates_url, found.fx_history_url) == (config.FX_RATES_URL, config.FX_HISTORY_URL)
    assert (found.provider_base_urls, found.url_allowed_hosts) == ({}, frozenset())
    assert (found.poll_window_seconds, found.provider_timeout_seconds) == (45, 120)
    assert found.catalog_kept_seconds == 60
    assert (found.await_seconds_max, found.deadline_seconds_max) == (600, 7200)
    assert (found.jobs_table, found.public_url, found.provider_secret_arn) == ("", "", "")


def test_production_lets_nothing_private_through_by_default() -> None:
    assert not config.from_environment({}).url_allowed_hosts


def test_the_environment_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBS_TABLE", "first")
    assert config.settings().jobs_table == "first"
    monkeypatch.setenv("JOBS_TABLE", "second")
    assert config.settings().jobs_table == "first"
    config.settings.cache_clear()
    assert config.settings().jobs_table == os.environ["JOBS_TABLE"] == "second"


def test_settings_do_not_change() -> None:
    found = config.from_environment({})
    with pytest.raises(FrozenInstanceError):
        found.stage = "other"  # type: ignore[misc]


def test_every_variable_that_the_stack_hands_out_is_a_setting() -> None:
    handed = {name for function in manifest.FUNCTIONS for name in function.environment}
    assert handed <= set(GIVEN)
