"""keys list, create, show, limit, revoke."""

import json

import pytest

from tests.unit.sdk.cli.conftest import Museway
from tests.unit.sdk.fake_gateway import KEY, FakeGateway

LIMITED = KEY | {"key_id": "key_2", "name": "ci", "spending_limit": {"day_micros": 5_250_000, "month_micros": 0}}


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway(lists={"/v1/keys": [dict(LIMITED), dict(KEY)]})


def test_list(museway: Museway) -> None:
    assert museway("keys", "list").stdout == (
        "key_id  name  scopes         limit                    expires_at  revoked_at\n"
        "key_2   ci    generate read  $5.25 a day, $0 a month\n"
        "key_1   key   generate read\n"
    )
    assert json.loads(museway("keys", "list", "--json").stdout) == {"items": [LIMITED, KEY]}


def test_create_shows_the_key_once(museway: Museway, gateway: FakeGateway) -> None:
    options = ["--scopes", "read,generate", "--day-usd", "5", "--total-usd", "0.000001", "--expires-at", "2027-01-31"]
    result = museway("keys", "create", "render farm", *options)
    assert gateway.body("/v1/keys") == {
        "name": "render farm",
        "scopes": ["read", "generate"],
        "spending_limit": {"day_micros": 5_000_000, "total_micros": 1},
        "expires_at": "2027-01-31",
    }
    assert result.stdout == (
        "key      key_3\n"
        "api_key  mw_secret\n"
        "name     render farm\n"
        "scopes   read generate\n"
        "limit    $5 a day, $0.000001 in all\n"
        "created  2026-11-20T00:00:00Z\n"
        "expires  2027-01-31\n"
    )
    assert result.stderr == "Keep the api_key now: it is not stored and cannot be shown again.\n"


def test_create_without_more_asks_for_no_more(museway: Museway, gateway: FakeGateway) -> None:
    result = museway("keys", "create", "ci", "--month-usd", "none", "--json")
    assert gateway.body("/v1/keys") == {"name": "ci", "spending_limit": {"month_micros": None}}
    assert json.loads(result.stdout)["api_key"] == "mw_secret"


def test_show(museway: Museway) -> None:
    assert museway("keys", "show", "key_2").stdout == (
        "key      key_2\n"
        "name     ci\n"
        "scopes   generate read\n"
        "limit    $5.25 a day, $0 a month\n"
        "created  2026-11-20T00:00:00Z\n"
    )
    assert json.loads(museway("keys", "show", "key_2", "--json").stdout) == LIMITED
    assert "not_found" in museway("keys", "show", "key_9").stderr


def test_limit_names_what_is_changed_alone(museway: Museway, gateway: FakeGateway) -> None:
    assert museway("keys", "limit", "key_2", "--day-usd", "7.5", "--month-usd", "none").exit_code == 0
    (sent,) = gateway.sent("PATCH", "/v1/keys/key_2")
    assert json.loads(sent.content) == {"spending_limit": {"day_micros": 7_500_000, "month_micros": None}}


@pytest.mark.parametrize("options", [[], ["--day-usd", "much"], ["--day-usd", "-1"], ["--total-usd", "0.0000001"]])
def test_a_limit_that_is_none_is_refused_before_anything_is_sent(
    museway: Museway, gateway: FakeGateway, options: list[str]
) -> None:
    result = museway("keys", "limit", "key_2", *options)
    assert (result.exit_code, gateway.requests) == (1, [])
    assert "invalid_argument" in result.stderr
    assert "hint:" in result.stderr


def test_revoke(museway: Museway) -> None:
    assert museway("keys", "revoke", "key_1").stdout.endswith("revoked  2026-11-21T00:00:00Z\n")
    assert json.loads(museway("keys", "revoke", "key_1", "--json").stdout)["revoked_at"]
