"""settings show, settings set."""

import json
from typing import Any

import pytest

from tests.unit.sdk.cli.conftest import Museway
from tests.unit.sdk.fake_gateway import SETTINGS, FakeGateway


def test_show(museway: Museway, gateway: FakeGateway) -> None:
    assert museway("settings", "show").stdout == (
        "currency     USD\nlimit        none\nbalance low  none\nlimit near   at 80 %\n"
    )
    assert json.loads(museway("settings", "show", "--json").stdout) == SETTINGS
    gateway.settings = {
        "currency": "EUR",
        "spending_limit": {"day_micros": None, "month_micros": 500_000_000, "total_micros": None},
        "alerts": {"balance_low_micros": 5_000_000, "limit_near_percent": 90},
    }
    assert museway("settings", "show").stdout == (
        "currency     EUR\n"
        "limit        $500 a month\n"
        "balance low  below $5 (500 credits, 5000000 micros)\n"
        "limit near   at 90 %\n"
    )


@pytest.mark.parametrize(
    ("options", "changes"),
    [
        (["--currency", "eur"], {"currency": "EUR"}),
        (["--currency", "none"], {"currency": None}),
        (
            ["--day-usd", "1.5", "--month-usd", "none", "--total-usd", "0"],
            {"spending_limit": {"day_micros": 1_500_000, "month_micros": None, "total_micros": 0}},
        ),
        (["--balance-low-usd", "5"], {"alerts": {"balance_low_micros": 5_000_000}}),
        (
            ["--balance-low-usd", "none", "--limit-near-percent", "90"],
            {"alerts": {"balance_low_micros": None, "limit_near_percent": 90}},
        ),
        (["--limit-near-percent", "none"], {"alerts": {"limit_near_percent": None}}),
    ],
)
def test_set_changes_what_is_named_alone(
    museway: Museway, gateway: FakeGateway, options: list[str], changes: dict[str, Any]
) -> None:
    result = museway("settings", "set", *options, "--json")
    (sent,) = gateway.sent("PUT", "/v1/settings")
    assert json.loads(sent.content) == changes
    assert json.loads(result.stdout) == gateway.settings


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--month-usd", "much"],
        ["--balance-low-usd", "-1"],
        *[["--limit-near-percent", text] for text in ("", "8.5", "-1", "much", "²")],
    ],
)
def test_what_cannot_be_set_is_refused_before_anything_is_sent(
    museway: Museway, gateway: FakeGateway, options: list[str]
) -> None:
    result = museway("settings", "set", *options)
    assert (result.exit_code, gateway.requests) == (1, [])
    assert "invalid_argument" in result.stderr
