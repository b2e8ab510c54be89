"""Records as FOCUS 1.4, the FinOps Open Cost and Usage Specification: the Cost and Usage dataset, as CSV.

1.4 was ratified on June 4, 2026. Its text: github.com/FinOps-Open-Cost-and-Usage-Spec/FOCUS_Spec, tag v1.4, below
`specification/datasets/cost_and_usage` and `specification/attributes`; what is quoted here stands there under the
column's name.

**Grain.** A row is a charge of one SKU price: one PricingUnit, one unit price, and each cost is their product. The
lines of a record have different units (tokens in, tokens out, images), so a row is a **line**. Lines that measured
nothing (quantity 0: no cached tokens) are left out, unless the record has no others; then its first line stands for
it, so that no record is missing.

**Costs**, in the order in which a price becomes a charge; sums are over a record's rows:

    ListUnitPrice        the line's rate, as registered                      sum of ListCost = subtotal
    ContractedUnitPrice  x (1 + margin), or x the platform fee under the     sum of ContractedCost = the exact charge
                         customer's own provider key: the project's terms
    BilledCost           amount_micros, shared out over the rows             sum = amount_micros
    EffectiveCost        = BilledCost: no charge covers another
    x_LossCost           loss_micros: what the hold did not cover            sum = loss_micros

Unit prices and their costs are exact; only the charge is rounded, once a record. It is shared out in whole micros in
proportion to the lines' amounts, the micros that are left to the largest remainders, so it always comes out the same
and every sum is exact. Under a customer's own key ListCost is what the provider asks for elsewhere, not a saving:
x_OwnProviderKey marks those rows.

**Currency.** BillingCurrency is USD. Balance, hold and settlement are US dollars, exact to the micro. The amount in
the account's own currency is rounded to a cent for each record, which is nothing for a call of a hundredth of a cent:
a sum of those would be no bill. It stands beside it: x_AccountCost in x_AccountCurrency, at x_ExchangeRate, empty for
a day without a rate (x_ExchangeRateReason). Prices are registered in dollars too (a credit is one US cent by
definition), so the PricingCurrency columns, which tell two currencies apart, do not apply.

**Who.** BillingAccount is the project, which has the balance; SubAccount is the API key, which has its own limits and
is how a project tells its users apart. ServiceProvider and InvoiceIssuer are Museway, HostProvider whoever ran the
model. A grant is an allowance and no purchase, so no charge is covered by another. Museway writes no payable
invoices: InvoiceId and InvoiceDetailId do not apply, nor do commitments, capacity reservations, regions and split
costs.

**What.** ResourceId is the generation. SkuId and SkuPriceId name model, row and meter, and never the price book:
they "MUST remain consistent over time" while prices change. x_PriceBookVersion says which book the price stood in.

**When.** The charge period is the second in which the record was made, the billing period its UTC month. Records are
immutable, so ChargeClass is always null, and files are only ever added (Append delivery). Refunds are entries of the
ledger, not records, and are not in this dataset.

**Text** is kept as it is ("MUST preserve"), so nothing is put before what a spreadsheet might compute. What callers
write themselves (session and node ids) stands inside the JSON of Tags, where no cell begins with it; a display name
that reads as a formula is left out for its id. Tag keys are ours and begin with `museway/`.

**Custom columns**, and what they are of the record:

    x_RecordId, x_LineNumber              record_id and the line's place: the way back to the JSON lines
    x_CreatedAt                           created_at, to the microsecond
    x_ModelId, x_OfferId                  model, offer
    x_PriceRowId, x_Meter, x_Modality,    the line's row_id, meter, modality and unit
    x_Unit
    x_PriceBookVersion                    price_book_version
    x_MarginBasisPoints,                  margin_bps, platform_fee_bps, byok
    x_PlatformFeeBasisPoints,
    x_OwnProviderKey
    x_LossCost                            loss_micros in dollars, shared out like the charge
    x_ProviderCost, x_ProviderCostBasis   provider_cost in dollars, shared out like the charge
    x_AccountCost, x_AccountCurrency      fx.amount_minor in its currency, shared out like the charge; fx.quote
    x_ExchangeRate, ...Date, ...Source,   fx.rate, as_of, source, reason
    ...Reason

**Not here**, as it repeats what is, or serves verification alone: credits, subtotal, held_micros, inputs_priced,
digest. They stand in the JSON lines under x_RecordId.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Any, Final

from gateway.errors import InvalidField
from gateway.exports import rows
from gateway.money import BPS, exact

VERSION: Final = "1.4"
CURRENCY: Final = "USD"
NAME: Final = "Museway"
TAG_PREFIX: Final = "museway/"

COLUMNS: Final = (
    "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd",
    "BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency", "ChargePeriodEnd",
    "ChargePeriodStart", "ConsumedQuantity", "ConsumedUnit", "ContractedCost", "ContractedUnitPrice", "EffectiveCost",
    "HostProviderName", "InvoiceIssuerName", "ListCost", "ListUnitPrice", "PricingCategory", "PricingQuantity",
    "PricingUnit", "ResourceId", "ResourceName", "ResourceType", "ServiceCategory", "ServiceName",
    "ServiceProviderName", "ServiceSubcategory", "SkuId", "SkuMeter", "SkuPriceDetails", "SkuPriceId", "SubAccountId",
    "SubAccountName", "Tags",
    "x_AccountCost", "x_AccountCurrency", "x_CreatedAt", "x_ExchangeRate", "x_ExchangeRateDate",
    "x_ExchangeRateReason", "x_ExchangeRateSource", "x_LineNumber", "x_LossCost", "x_MarginBasisPoints", "x_Meter",
    "x_Modality", "x_ModelId", "x_OfferId", "x_OwnProviderKey", "x_PlatformFeeBasisPoints", "x_PriceBookVersion",
    "x_PriceRowId", "x_ProviderCost", "x_ProviderCostBasis", "x_RecordId", "x_Unit",
)  # fmt: skip
"""FOCUS columns and then custom ones, each in the order of the alphabet."""

# Wide enough that products of rates, quantities and shares are exact; if one were not, it would raise, never round.
_EXACT: Final = Context(prec=400, traps=[Inexact, InvalidOperation])
_MOMENT: Final = "%Y-%m-%dT%H:%M:%SZ"
_TOKENS: Final = Decimal(1_000_000)


@dataclass(frozen=True)
class Unit:
    """How a pricing unit of ours reads in FOCUS (attribute UnitFormat)."""

    meter: str
    """What is measured, for people (SkuMeter)."""
    pricing: str
    one: str
    """The pricing unit in a sentence: so much per ..."""
    consumed: str
    consumed_in_one: Decimal = Decimal(1)


UNITS: Final[Mapping[str, Unit]] = {
    "image": Unit("Images", "Images", "image", "Images"),
    "audio_second": Unit("Audio Seconds", "Seconds", "second", "Seconds"),
    "video_second": Unit("Video Seconds", "Seconds", "second", "Seconds"),
    "compute_second": Unit("Compute Seconds", "Seconds", "second", "Seconds"),
    "tts_character": Unit("Characters", "Characters", "character", "Characters"),
    "megapixel": Unit("Megapixels", "Megapixels", "megapixel", "Megapixels"),
    "call": Unit("Calls", "Units", "unit", "Units"),
    "mtok_input": Unit("Input Tokens", "1000000 Tokens", "1000000 tokens", "Tokens", _TOKENS),
    "mtok_cached_input": Unit("Cached Input Tokens", "1000000 Tokens", "1000000 tokens", "Tokens", _TOKENS),
    "mtok_output": Unit("Output Tokens", "1000000 Tokens", "1000000 tokens", "Tokens", _TOKENS),
    "mtok_media_input": Unit("Media Input Tokens", "1000000 Tokens", "1000000 tokens", "Tokens", _TOKENS),
    "mtok_media_output": Unit("Media Output Tokens", "1000000 Tokens", "1000000 tokens", "Tokens", _TOKENS),
}
"""Every canonical pricing unit. A piece that is priced by the call counts as a unit: one of the names that are
recommended, and true of a song as of a search."""


def lines(
    records: Iterable[Mapping[str, Any]],
    names: Mapping[str, str] | None = None,
    columns: Collection[str] | None = None,
) -> Iterator[str]:
    """The header and a row for each line of each record.

    `columns` are those to write, all unless named: a dataset "MUST be configurable to include only a user-defined
    selection". Raises InvalidField at once for a column that there is not, and ValueError when it comes to a record
    that has no line: there is nothing that its charge could be of.
    """
    unknown = sorted(set(columns or ()) - set(COLUMNS))
    if unknown:
        raise InvalidField(f"There is no column '{unknown[0]}'.", field="columns", allowed=list(COLUMNS))
    chosen = [name for name in COLUMNS if columns is None or name in columns]
    charges = (charge for record in records for charge in _charges(record, names or {}))
    return rows.lines(chosen, ([charge[name] for name in chosen] for charge in charges))


def _charges(record: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[dict[str, rows.Cell]]:
    """The record's rows by column."""
    if not record["lines"]:
        raise ValueError(f"record {record['record_id']} has no line to charge")
    numbered = list(enumerate(record["lines"], 1))
    billed = [(number, line) for number, line in numbered if Decimal(line["quantity"])] or numbered[:1]
    skus = _skus(record)
    weights = _weights([line["amount"] for _, line in billed])
    shared = {name: _shares(total, places, weights) for name, total, places in _shared(record)}
    common = _parties(record, names) | _periods(record) | _custom(record)
    for position, (number, line) in enumerate(billed):
        charge = common | _usage(record, line)
        charge |= {name: parts[position] for name, parts in shared.items()}
        charge["EffectiveCost"] = charge["BilledCost"]
        charge["SkuId"] = charge["SkuPriceId"] = skus[number - 1]
        charge["x_LineNumber"] = number
        yield charge


def _shared(record: Mapping[str, Any]) -> list[tuple[str, int | None, int]]:
    """What is known of the record as a whole: the column, the figure and its decimal places."""
    fx, cost = record["fx"], record["provider_cost"] or {}
    account = (fx["amount_minor"], fx.get("minor_digits", 2)) if fx else (record["amount_micros"], 6)
    return [
        ("BilledCost", record["amount_micros"], 6),
        # Records made before a charge could exceed its hold have no loss.
        ("x_LossCost", record.get("loss_micros", 0), 6),
        ("x_ProviderCost", cost.get("amount_micros"), 6),
        ("x_AccountCost", *account),
    ]


def _weights(amounts: Sequence[str]) -> list[int]:
    """Decimals in proportion, as whole numbers."""
    places = max(len(amount.partition(".")[2]) for amount in amounts)
    return [int(Decimal(amount).scaleb(places, _EXACT)) for amount in amounts]


def _shares(total: int | None, places: int, weights: Sequence[int]) -> list[str | None]:
    """A whole figure divided in proportion to the weights; what is left goes to the largest remainders, first ones
    first. Without any weight all is the first's."""
    if total is None:
        return [None] * len(weights)
    parts = [total] + [0] * (len(weights) - 1)
    if whole := sum(weights):
        due = [divmod(total * weight, whole) for weight in weights]
        parts = [part for part, _ in due]
        by_remainder = sorted(range(len(due)), key=lambda n: -due[n][1])
        for n in by_remainder[: total - sum(parts)]:
            parts[n] += 1
    return [exact(Decimal(part).scaleb(-places, _EXACT)) for part in parts]


def _skus(record: Mapping[str, Any]) -> list[str]:
    """A name for each line that stays the same whatever it costs: model, row and meter, and which of them it is where
    a row reads a meter twice (a search and a thought are one call each)."""
    names = [f"{record['model']}:{line['row_id']}:{line['meter']}" for line in record["lines"]]
    earlier = [names[:position].count(name) for position, name in enumerate(names)]
    return [f"{name}#{count + 1}" if count else name for name, count in zip(names, earlier, strict=True)]


def _parties(record: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, rows.Cell]:
    """Who is charged by whom for what kind of service; the same for all rows of a record."""
    key_id = record["key_id"]
    tags = {
        f"{TAG_PREFIX}{name}": record[name]
        for name in ("session_id", "workflow_id", "execution_id", "node_id", "key_id", "model", "provider")
        if record[name] is not None
    }
    return {
        "BillingAccountId": record["project_id"],
        "BillingAccountName": _display_name(names, record["project_id"]),
        "SubAccountId": key_id,
        # "MUST NOT be null when SubAccountId is not null"
        "SubAccountName": _display_name(names, key_id) or key_id,
        "InvoiceIssuerName": NAME,
        "ServiceProviderName": NAME,
        "HostProviderName": record["provider"],
        "ServiceName": NAME,
        "ServiceCategory": "AI and Machine Learning",
        "ServiceSubcategory": "Generative AI",
        "ResourceId": record["generation_id"],
        # An id that the system made is not repeated as a name.
        "ResourceName": None,
        "ResourceType": "Generation",
        "Tags": _json(tags),
    }


def _display_name(names: Mapping[str, str], id_: str | None) -> str | None:
    name = names.get(id_, "") if id_ else ""
    return name if name.strip() and not rows.reads_as_formula(name) else None


def _periods(record: Mapping[str, Any]) -> dict[str, rows.Cell]:
    """The second and the UTC month of the record; ends are exclusive."""
    start = datetime.fromisoformat(record["created_at"])
    month = start.replace(day=1, hour=0, minute=0, second=0)
    next_month = (month + timedelta(days=31)).replace(day=1)
    return {
        "ChargePeriodStart": start.strftime(_MOMENT),
        "ChargePeriodEnd": (start + timedelta(seconds=1)).strftime(_MOMENT),
        "BillingPeriodStart": month.strftime(_MOMENT),
        "BillingPeriodEnd": next_month.strftime(_MOMENT),
    }


def _usage(record: Mapping[str, Any], line: Mapping[str, Any]) -> dict[str, rows.Cell]:
    """What the line measured and what that costs before it is rounded."""
    unit = UNITS[line["unit"]]
    share = Decimal(record["platform_fee_bps"] if record["byok"] else BPS + record["margin_bps"]).scaleb(-4, _EXACT)
    price = exact(_EXACT.multiply(Decimal(line["rate"]), share))
    consumed = exact(_EXACT.multiply(Decimal(line["quantity"]), unit.consumed_in_one))
    own_key = ", platform fee alone" if record["byok"] else ""
    description = f"{record['model']}, {unit.meter}: {consumed} at {price} {CURRENCY} per {unit.one}{own_key}"
    return {
        "BillingCurrency": CURRENCY,
        "ChargeCategory": "Usage",
        "ChargeClass": None,
        "ChargeDescription": description,
        "ChargeFrequency": "Usage-Based",
        "ConsumedQuantity": consumed,
        "ConsumedUnit": unit.consumed,
        "PricingCategory": "Standard",
        "PricingQuantity": line["quantity"],
        "PricingUnit": unit.pricing,
        "ListUnitPrice": line["rate"],
        "ListCost": line["amount"],
        "ContractedUnitPrice": price,
        "ContractedCost": exact(_EXACT.multiply(Decimal(line["amount"]), share)),
        "SkuMeter": unit.meter,
        "SkuPriceDetails": _json({"x_Modality": line["modality"], "x_Model": record["model"]}),
        "x_Meter": line["meter"],
        "x_Modality": line["modality"],
        "x_PriceRowId": line["row_id"],
        "x_Unit": line["unit"],
    }


def _custom(record: Mapping[str, Any]) -> dict[str, rows.Cell]:
    """What FOCUS has no column for, in the words of the record; the same for all of its rows."""
    fx = record["fx"] or {"quote": CURRENCY}
    return {
        "x_AccountCurrency": fx["quote"],
        "x_ExchangeRate": fx.get("rate"),
        "x_ExchangeRateDate": fx.get("as_of"),
        "x_ExchangeRateReason": fx.get("reason"),
        "x_ExchangeRateSource": fx.get("source"),
        "x_CreatedAt": record["created_at"],
        "x_MarginBasisPoints": record["margin_bps"],
        "x_ModelId": record["model"],
        "x_OfferId": record["offer"],
        "x_OwnProviderKey": "true" if record["byok"] else "false",
        "x_PlatformFeeBasisPoints": record["platform_fee_bps"],
        "x_PriceBookVersion": record["price_book_version"],
        "x_ProviderCostBasis": (record["provider_cost"] or {}).get("basis"),
        "x_RecordId": record["record_id"],
    }


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))
