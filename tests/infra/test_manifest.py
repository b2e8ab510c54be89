"""The manifest, the folders, the state machine and the settings name the same things."""

import json
import re
from pathlib import Path

import pytest

from infra import manifest
from infra.settings import HOST, LAMBDA, for_stage

ROOT = Path(__file__).parents[2]
NAMES = {function.name for function in manifest.FUNCTIONS}


def test_every_function_has_its_folder_and_every_folder_its_function() -> None:
    folders = {path.parent.name for path in (ROOT / "functions").glob("*/handler.py")}
    assert folders == NAMES


def test_the_machines_placeholders_are_its_steps() -> None:
    text = (ROOT / "infra/state_machines/generation.asl.json").read_text()
    assert set(re.findall(r"\$\{(\w+)\}", text)) == set(manifest.STEPS) <= NAMES


def test_routes_are_unique_and_go_to_functions() -> None:
    keys = [(route.method, route.path) for route in manifest.ROUTES]
    assert len(set(keys)) == len(keys)
    assert {route.function for route in manifest.ROUTES} <= NAMES


def test_schedules_call_functions_that_may_put_their_failures_aside() -> None:
    granted = {(item.name, grant.resource, grant.actions) for item in manifest.FUNCTIONS for grant in item.grants}
    assert {(item.function, item.failures, "SendMessage") for item in manifest.SCHEDULES} <= granted
    assert {item.failures for item in manifest.SCHEDULES} <= set(manifest.DEAD_LETTERS)


def test_functions_behind_the_api_answer_before_it_gives_up() -> None:
    behind = {route.function for route in manifest.ROUTES} | {"authorizer"}
    slow = {item.name for item in manifest.FUNCTIONS if item.name in behind and item.timeout_seconds > 30}
    assert not slow


def test_grants_name_indexes_that_exist() -> None:
    indexes = {(table.name, index.name) for table in manifest.TABLES for index in table.indexes}
    asked = {
        (grant.resource, grant.index) for function in manifest.FUNCTIONS for grant in function.grants if grant.index
    }
    assert asked <= indexes


def test_the_archive_is_written_by_one_function_and_deleted_by_none() -> None:
    """A grant without keys would be for the whole bucket."""
    granted = {
        (function.name, action)
        for function in manifest.FUNCTIONS
        for grant in function.grants
        for action in grant.actions.split()
        if grant.resource == "drive" and (not grant.keys or manifest.EXPORTS[0] in grant.keys)
    }
    assert granted == {("daily_export", "PutObject"), ("daily_export", "GetObject"), ("exports", "GetObject")}
    assert not any("Delete" in grant.actions for function in manifest.FUNCTIONS for grant in function.grants)


def test_the_machine_carries_ids_only() -> None:
    machine = json.loads((ROOT / "infra/state_machines/generation.asl.json").read_text())
    for name, state in machine["States"].items():
        parameters = state.get("Parameters", {}).get("Payload", state.get("Parameters", {}))
        assert set(parameters) <= {"generation_id.$", "task_token.$"}, name


class TestSettings:
    def test_stages_differ_where_they_must(self) -> None:
        dev, prod, local = (for_stage(stage) for stage in ("dev", "prod", "local"))
        assert (dev.retain_data, prod.retain_data, local.retain_data) == (False, True, False)
        assert (dev.target, prod.target, local.target) == (LAMBDA, LAMBDA, HOST)
        assert (dev.assets_bucket, prod.assets_bucket) == ("", "")
        assert local.assets_bucket

    def test_the_command_line_changes_them(self) -> None:
        given = {
            "tracing": "true",
            "poll_window_seconds": "2.5",
            "log_retention_days": "7",
            "provider_base_urls": '{"fal": "http://127.0.0.1:9000/fal"}',
            "url_allowed_hosts": "127.0.0.1:9000,127.0.0.1:4566",
            "public_url": "https://api.example.com",
        }
        settings = for_stage("dev", given.get)
        assert settings.tracing is True
        assert settings.poll_window_seconds == 2.5
        assert settings.log_retention_days == 7
        assert settings.provider_base_urls == {"fal": "http://127.0.0.1:9000/fal"}
        assert settings.url_allowed_hosts == ("127.0.0.1:9000", "127.0.0.1:4566")
        assert settings.public_url == "https://api.example.com"

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("tracing", "maybe"),
            ("await_seconds_max", "long"),
            ("provider_base_urls", "fal=http://x"),
            ("log_retention_days", "13"),
            ("lambda_concurrency", "-1"),
        ],
    )
    def test_what_cannot_be_read_is_refused_by_name(self, name: str, text: str) -> None:
        with pytest.raises(ValueError, match=name):
            for_stage("dev", {name: text}.get)

    def test_an_unknown_stage_is_refused_with_those_there_are(self) -> None:
        with pytest.raises(ValueError, match="dev, prod, local"):
            for_stage("production")
