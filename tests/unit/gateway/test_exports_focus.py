"""FOCUS 1.4: every row of every record is held to the specification, and every sum to the record."""

import json
from collections import defaultdict
from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given

from gateway import pricing
from gateway.errors import InvalidField
from gateway.exports import focus
from gateway.exports import rows as writing
from tests import focus as specification
from tests.unit.billing_records import PRICES, fx, many, record, records
from tests.unit.gateway.shipped import SNAPSHOT

Row = dict[str, str | None]
MICRO = Decimal("0.000001")


def rows_of(*made: dict[str, Any], **options: Any) -> list[Row]:
    return specification.table("".join(focus.lines(made, **options)))[1]


def total(rows: list[Row], column: str) -> Decimal:
    with localcontext() as exact:
        exact.prec = 400
        return sum((Decimal(row[column] or 0) for row in rows), Decimal(0))


def by_record(rows: list[Row]) -> dict[str | None, list[Row]]:
    found = defaultdict(list)
    for row in rows:
        found[row["x_RecordId"]].append(row)
    return found


def assert_sums(made: dict[str, Any], rows: list[Row]) -> None:
    """What the rows of a record add up to, exactly."""
    share = made["platform_fee_bps"] if made["byok"] else 10_000 + made["margin_bps"]
    with localcontext() as exact:
        exact.prec = 400
        asked = Decimal(made["subtotal"]) * share / 10_000
    assert total(rows, "BilledCost") == total(rows, "EffectiveCost") == made["amount_micros"] * MICRO
    assert total(rows, "x_LossCost") == made["loss_micros"] * MICRO
    assert total(rows, "ListCost") == Decimal(made["subtotal"])
    assert total(rows, "ContractedCost") == asked
    assert total(rows, "x_ProviderCost") == (made["provider_cost"]["amount_micros"] or 0) * MICRO
    if made["fx"] is None:
        assert total(rows, "x_AccountCost") == made["amount_micros"] * MICRO
    elif made["fx"]["amount_minor"] is None:
        assert {row["x_AccountCost"] for row in rows} == {None}
    else:
        minor = Decimal(made["fx"]["amount_minor"]).scaleb(-made["fx"]["minor_digits"])
        assert total(rows, "x_AccountCost") == minor


@given(records())
def test_any_record_is_as_the_specification_says_and_adds_up(made: dict[str, Any]) -> None:
    text = "".join(focus.lines([made]))
    assert specification.faults(text) == []
    assert_sums(made, specification.table(text)[1])


def test_a_thousand_records_add_up_one_by_one_and_together() -> None:
    made = many(1_000)
    text = "".join(focus.lines(made))
    assert specification.faults(text) == []
    rows = specification.table(text)[1]
    of_record = by_record(rows)
    assert len(of_record) == len(made)
    for one in made:
        assert_sums(one, of_record[one["record_id"]])
    assert total(rows, "BilledCost") == sum(one["amount_micros"] for one in made) * MICRO


def test_a_video_by_the_second() -> None:
    (row,) = rows_of(record(session_id="campaign-7", fx=fx("EUR", "0.8643"), provider_micros=400_000))
    assert row == {
        "BilledCost": "0.672",
        "BillingAccountId": "prj_1",
        "BillingAccountName": None,
        "BillingCurrency": "USD",
        "BillingPeriodEnd": "2026-12-01T00:00:00Z",
        "BillingPeriodStart": "2026-11-01T00:00:00Z",
        "ChargeCategory": "Usage",
        "ChargeClass": None,
        "ChargeDescription": "kuaishou/kling-v3-i2v, Video Seconds: 8 at 0.084 USD per second",
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodEnd": "2026-11-21T03:45:01Z",
        "ChargePeriodStart": "2026-11-21T03:45:00Z",
        "ConsumedQuantity": "8",
        "ConsumedUnit": "Seconds",
        "ContractedCost": "0.672",
        "ContractedUnitPrice": "0.084",
        "EffectiveCost": "0.672",
        "HostProviderName": "fal",
        "InvoiceIssuerName": "Museway",
        "ListCost": "0.672",
        "ListUnitPrice": "0.084",
        "PricingCategory": "Standard",
        "PricingQuantity": "8",
        "PricingUnit": "Seconds",
        "ResourceId": "gen_1",
        "ResourceName": None,
        "ResourceType": "Generation",
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": "Museway",
        "ServiceProviderName": "Museway",
        "ServiceSubcategory": "Generative AI",
        "SkuId": "kuaishou/kling-v3-i2v:silent:output_seconds",
        "SkuMeter": "Video Seconds",
        "SkuPriceDetails": '{"x_Modality":"video","x_Model":"kuaishou/kling-v3-i2v"}',
        "SkuPriceId": "kuaishou/kling-v3-i2v:silent:output_seconds",
        "SubAccountId": "key_1",
        "SubAccountName": "key_1",
        "Tags": '{"museway/session_id":"campaign-7","museway/key_id":"key_1",'
        '"museway/model":"kuaishou/kling-v3-i2v","museway/provider":"fal"}',
        "x_AccountCost": "0.58",
        "x_AccountCurrency": "EUR",
        "x_CreatedAt": "2026-11-21T03:45:00.123456Z",
        "x_ExchangeRate": "0.8643",
        "x_ExchangeRateDate": "2026-11-20",
        "x_ExchangeRateReason": None,
        "x_ExchangeRateSource": "ECB",
        "x_LineNumber": "1",
        "x_LossCost": "0",
        "x_MarginBasisPoints": "0",
        "x_Meter": "output_seconds",
        "x_Modality": "video",
        "x_ModelId": "kuaishou/kling-v3-i2v",
        "x_OfferId": "fal/kuaishou/kling-v3-i2v",
        "x_OwnProviderKey": "false",
        "x_PlatformFeeBasisPoints": "500",
        "x_PriceBookVersion": "2026-01-01-a154c952798e",
        "x_PriceRowId": "silent",
        "x_ProviderCost": "0.4",
        "x_ProviderCostBasis": "tokens as reported in usage",
        "x_RecordId": "rec_1",
        "x_Unit": "video_second",
    }


TOKENS = next(n for n, (model, _, _) in enumerate(PRICES) if model == "openai/gpt-5")
TWO_CALLS = next(n for n, (model, _, _) in enumerate(PRICES) if model == "google/nano-banana-2")


def test_tokens_are_priced_by_the_million_and_counted_one_by_one() -> None:
    read, written = rows_of(record([("0.0123", "1.25"), ("0", "0.125"), ("0.000789", "10")], TOKENS))
    assert [read["PricingUnit"], read["PricingQuantity"]] == ["1000000 Tokens", "0.0123"]
    assert [read["ConsumedUnit"], read["ConsumedQuantity"]] == ["Tokens", "12300"]
    assert [written["ConsumedQuantity"], written["SkuMeter"]] == ["789", "Output Tokens"]
    # 0.015375 + 0.00789 dollars, and no row for the cached tokens that there were not.
    assert [read["BilledCost"], written["BilledCost"]] == ["0.015375", "0.00789"]
    assert [read["x_LineNumber"], written["x_LineNumber"]] == ["1", "3"]


def test_what_rounding_leaves_goes_to_the_largest_remainder_and_the_first() -> None:
    # Three halves of a micro are charged as two micros.
    shares = [row["BilledCost"] for row in rows_of(record([("0.5", "0.000001")] * 3, TOKENS))]
    assert shares == ["0.000001", "0.000001", "0"]
    # 0.4 + 0.4 + 2.7 micros are 3.5, charged as 4: 0.457, 0.457 and 3.086 of them.
    uneven = rows_of(record([("0.4", "0.000001"), ("0.4", "0.000001"), ("2.7", "0.000001")], TOKENS))
    assert [row["BilledCost"] for row in uneven] == ["0.000001", "0", "0.000003"]


def test_a_record_that_measured_nothing_keeps_its_first_line() -> None:
    (row,) = rows_of(record([("0", "1.25"), ("0", "0.125"), ("0", "10")], TOKENS))
    assert [row["SkuMeter"], row["BilledCost"], row["ConsumedQuantity"]] == ["Input Tokens", "0", "0"]


def test_a_margin_is_in_the_contracted_price_and_not_in_the_list_price() -> None:
    (row,) = rows_of(record(margin_bps=1_250))
    assert [row["ListUnitPrice"], row["ContractedUnitPrice"], row["BilledCost"]] == ["0.084", "0.0945", "0.756"]


def test_under_an_own_key_the_platform_fee_is_the_contracted_price() -> None:
    (row,) = rows_of(record(byok=True, margin_bps=9_999, platform_fee_bps=500))
    assert [row["ListCost"], row["ContractedUnitPrice"], row["BilledCost"]] == ["0.672", "0.0042", "0.0336"]
    assert row["x_OwnProviderKey"] == "true"
    assert row["ChargeDescription"] == (
        "kuaishou/kling-v3-i2v, Video Seconds: 8 at 0.0042 USD per second, platform fee alone"
    )


def test_what_the_hold_did_not_cover_is_no_cost_and_is_named() -> None:
    (row,) = rows_of(record(held_micros=600_000))
    assert [row["ContractedCost"], row["BilledCost"], row["x_LossCost"]] == ["0.672", "0.6", "0.072"]


@pytest.mark.parametrize(
    ("currency", "expected"),
    [
        (None, ["USD", "0.000165", None]),
        (fx("EUR", "0.8643"), ["EUR", "0", None]),
        (fx("JPY", "155.07", 0), ["JPY", "0", None]),
        (fx("CHF", None), ["CHF", None, "The ECB has published no rate for CHF in the last 7 days."]),
    ],
)
def test_billed_in_dollars_and_shown_in_the_accounts_currency(currency: Any, expected: list[str | None]) -> None:
    (row,) = rows_of(record([("1", "0.000165")], fx=currency))
    assert [row["BillingCurrency"], row["BilledCost"]] == ["USD", "0.000165"]
    assert [row[name] for name in ("x_AccountCurrency", "x_AccountCost", "x_ExchangeRateReason")] == expected


@pytest.mark.parametrize(
    ("created_at", "start", "end"),
    [
        ("2026-12-31T23:59:59.999999Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("2028-02-29T00:00:00.000000Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"),
        ("2026-05-31T12:00:00.000001Z", "2026-05-01T00:00:00Z", "2026-06-01T00:00:00Z"),
    ],
)
def test_the_billing_period_is_the_utc_month(created_at: str, start: str, end: str) -> None:
    text = "".join(focus.lines([record(created_at=created_at)]))
    assert specification.faults(text) == []
    (row,) = specification.table(text)[1]
    assert [row["BillingPeriodStart"], row["BillingPeriodEnd"]] == [start, end]


def test_two_components_with_one_meter_are_two_skus() -> None:
    names = [row["SkuPriceId"] for row in rows_of(record([("1", "0.08"), ("1", "0.015"), ("1", "0.002")], TWO_CALLS))]
    start = "google/nano-banana-2:1k-search-thinking"
    assert names == [f"{start}:outputs", f"{start}:calls", f"{start}:calls#2"]
    # Also when the first of the two was not used.
    one_used = rows_of(record([("1", "0.08"), ("0", "0.015"), ("1", "0.002")], TWO_CALLS))
    assert [row["SkuPriceId"] for row in one_used] == [f"{start}:outputs", f"{start}:calls#2"]


def test_every_price_that_ships_has_a_unit_and_a_sku_of_its_own() -> None:
    assert set(focus.UNITS) == pricing.UNITS
    made = [
        record(model=model.model_id) | {"lines": [_line(part, row.row_id) for part in row.components]}
        for model in SNAPSHOT.models.values()
        for row in model.price_books[-1].rows
    ]
    names = [row["SkuPriceId"] for row in rows_of(*made)]
    assert len(names) == len(set(names)) == sum(len(one["lines"]) for one in made)


def _line(part: pricing.Component, row_id: str) -> dict[str, Any]:
    return pricing.Line(part.unit, part.modality, part.meter, Decimal(1), part.rate, row_id).to_dict()


def test_what_callers_write_is_kept_as_it_is_and_begins_no_cell() -> None:
    written = '=HYPERLINK("https://example.com","x")\r\n'
    (row,) = rows_of(record(session_id=written, node_id="@SUM(A1)"))
    tags = json.loads(row["Tags"] or "")
    assert [tags["museway/session_id"], tags["museway/node_id"]] == [written, "@SUM(A1)"]
    cells = {cell for row in rows_of(*many(200)) for cell in row.values() if cell}
    assert {cell for cell in cells if cell.startswith(("=", "+", "@", "\t", "\r", "\n"))} == set()
    # What begins with a minus sign is a number.
    assert all(cell[1:].isdigit() for cell in cells if cell.startswith("-"))


def test_projects_and_keys_have_their_names_where_they_are_known() -> None:
    (row,) = rows_of(record(), names={"prj_1": "Trailers", "key_1": "render farm", "key_2": "other"})
    assert [row["BillingAccountName"], row["SubAccountName"]] == ["Trailers", "render farm"]
    (row,) = rows_of(record(), names={"prj_1": " ", "key_1": "=1+1"})
    assert [row["BillingAccountName"], row["SubAccountName"]] == [None, "key_1"]
    (row,) = rows_of(record(key_id=None), names={"key_1": "render farm"})
    assert [row["SubAccountId"], row["SubAccountName"]] == [None, None]


def test_columns_may_be_chosen_and_keep_their_values_and_order() -> None:
    (row,) = rows_of(record(), columns=["x_RecordId", "Tags", "BilledCost"])
    assert list(row) == ["BilledCost", "Tags", "x_RecordId"]
    assert row["BilledCost"] == "0.672"
    with pytest.raises(InvalidField) as refused:
        focus.lines([], columns=["BilledCost", "ProviderName"])
    assert refused.value.fields["field"] == "columns"


def test_a_record_from_before_losses_were_written_down_has_none() -> None:
    made = {name: value for name, value in record().items() if name not in {"held_micros", "loss_micros"}}
    (row,) = rows_of(made | {"provider_cost": None})
    assert [row["x_LossCost"], row["x_ProviderCost"]] == ["0", None]


def test_a_charge_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="rec_1 has no line"):
        list(focus.lines([record() | {"lines": []}]))


FAULTS = [
    ("BilledCost", "", "BilledCost: MUST NOT be null"),
    ("BilledCost", "1,5", "no number"),
    ("BilledCost", "$1", "no number"),
    ("BilledCost", "0.67", "EffectiveCost MUST equal BilledCost"),
    ("BillingAccountName", "N/A", "stands for no value"),
    ("BillingCurrency", "Credits", "not currency"),
    ("BillingPeriodEnd", "2026-11-01T00:00:00Z", "what is billed once lies within"),
    ("ChargeCategory", "usage", "not values"),
    ("ChargeCategory", "Tax", 'ListUnitPrice MUST be null when ChargeCategory is "Tax"'),
    ("ChargeCategory", "Purchase", "ConsumedQuantity MUST NOT be null"),
    ("ChargeFrequency", "Monthly", "not values"),
    ("ChargePeriodEnd", "2026-11-21T03:45:00Z", "ChargePeriodEnd exclusive"),
    ("ChargePeriodStart", "2026-11-21T03:45:00.123Z", "not YYYY-MM-DDTHH:mm:ssZ"),
    ("ChargePeriodStart", "2026-02-30T03:45:00Z", "not YYYY-MM-DDTHH:mm:ssZ"),
    ("ConsumedQuantity", "", "ConsumedUnit MUST be null when ConsumedQuantity is null"),
    ("ConsumedUnit", "seconds", "not unit"),
    ("ContractedCost", "0.671", "product of ContractedUnitPrice and PricingQuantity"),
    ("ContractedUnitPrice", "-0.084", "not >=0"),
    ("HostProviderName", "", "HostProviderName MUST NOT be null"),
    ("ListCost", "0.6720000001", "product of ListUnitPrice and PricingQuantity"),
    ("PricingCategory", "", "PricingCategory MUST NOT be null"),
    ("PricingUnit", "1e6 Tokens", "not unit"),
    ("ResourceName", "gen_1", "MUST NOT duplicate"),
    ("ResourceType", "", "ResourceType MUST be null when ResourceId is null"),
    ("ServiceCategory", "Compute", "one and only one parent ServiceCategory"),
    ("SkuMeter", "", "SkuMeter MUST be null when SkuId is null"),
    ("SkuPriceDetails", '{"Model":"x"}', 'begin with the string "x_"'),
    ("SkuPriceDetails", '{"x_Model":["x"]}', "not key-value"),
    ("SkuPriceId", "", "PricingQuantity MUST be null when SkuPriceId is null"),
    ("SubAccountName", "", "SubAccountName MUST be null when SubAccountId is null"),
    ("Tags", '{"museway/a":1,"museway/a":2}', "no JSON object"),
    ("Tags", '{"session":"x"}', "prefixed"),
]


@pytest.mark.parametrize(("column", "value", "expected"), FAULTS)
def test_the_specification_finds_what_is_wrong(column: str, value: str, expected: str) -> None:
    header, (row,) = specification.table("".join(focus.lines([record()])))
    row[column] = value
    found = specification.faults(file_of(header, row))
    assert any(expected in fault for fault in found), found


def file_of(header: list[str], *damaged: Row) -> str:
    return "".join(writing.lines(header, [[row[name] for name in header] for row in damaged]))


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["BilledCost", "ProviderName"], "ProviderName: not a column"),
        (["x_RecordId", "BilledCost"], "alphabetical order"),
        (["BilledCost", "x_record"], "x_ and Pascal case"),
        (["BilledCost"], "EffectiveCost: Mandatory, and not there"),
        (["BilledCost"], "SkuId: Conditional, and not there"),
    ],
)
def test_the_specification_finds_columns_that_are_wrong(columns: list[str], expected: str) -> None:
    found = specification.faults(file_of(columns, dict.fromkeys(columns, "1")))
    assert any(expected in fault for fault in found), found


def test_the_specification_finds_one_price_with_two_parents() -> None:
    header, (row,) = specification.table("".join(focus.lines([record()])))
    found = specification.faults(file_of(header, row, row | {"SkuId": "another"}))
    assert [fault for fault in found if "one and only one parent SkuId" in fault]


def test_a_file_is_its_records_one_after_the_other() -> None:
    made = many(50)
    header, *lines = focus.lines(made)
    assert lines == [line for one in made for line in list(focus.lines([one]))[1:]]
    assert header == ",".join(focus.COLUMNS) + "\r\n"
