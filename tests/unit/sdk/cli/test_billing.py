"""balance, records."""

import json

import pytest

from tests.unit.billing_records import record
from tests.unit.sdk.cli.conftest import Museway
from tests.unit.sdk.fake_gateway import BALANCE, FakeGateway

RECORDS = [record(number=n) for n in range(1, 4)]


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway(lists={"/v1/records": RECORDS}, page_size=2)


def test_balance(museway: Museway) -> None:
    assert museway("balance").stdout == (
        "available  $9.328 (932.8 credits, 9328000 micros)\n"
        "held       $0 (0 credits, 0 micros)\n"
        "spent      $0.672 (67.2 credits, 672000 micros)\n"
        "granted    $10 (1000 credits, 10000000 micros)\n"
    )
    assert json.loads(museway("balance", "--json").stdout) == BALANCE


def test_records_lists_all_pages_and_their_sum(museway: Museway, gateway: FakeGateway) -> None:
    text = museway("records", "--since", "2026-11-01", "--until", "2026-12-01").stdout
    assert text.count("gen_") == 3
    assert text.endswith("\n3 records, $2.016 (201.6 credits, 2016000 micros)\n")
    assert gateway.requests[-1].url.params["until"] == "2026-12-01"


def test_the_two_formats_exclude_each_other(museway: Museway, gateway: FakeGateway) -> None:
    assert museway("records", "--json", "--jsonl").exit_code == 1
    assert gateway.requests == []
