"""What a FOCUS 1.4 Cost and Usage file must be, as data, and what is wrong with a file.

Written from the specification and from nothing of ours: github.com/FinOps-Open-Cost-and-Usage-Spec/FOCUS_Spec, tag
v1.4, `specification/` (copyright FinOps Open Cost and Usage Specification, CC BY 4.0); each rule names its file there.
The columns are the dataset's 65 with their constraints ("Content Constraints" of each column's file).

A CSV has one empty cell for "null" and for "no text", so an empty cell is null.
"""

import csv
import io
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, localcontext
from typing import Any

VERSION = "1.4"

Row = dict[str, str | None]

# What the operating model of a gateway is, in the words of `datasets/cost_and_usage/dataset.md`: the columns that
# depend on one of these must be there.
SUPPORTS = {
    "negotiated pricing", "list unit prices", "unit pricing", "usage", "provisioned resources", "sub accounts", "tags",
}  # fmt: skip
DOES_NOT_SUPPORT = {
    "split cost allocation", "availability zones", "regions", "billing account types", "sub account types",
    "capacity reservations", "commitment discounts", "commitment programs", "contract commitments",
    "payable invoices", "pricing categories", "other pricing currencies", "virtual currency",
}  # fmt: skip


@dataclass(frozen=True)
class Column:
    """A column's content constraints."""

    level: str
    kind: str
    nullable: bool
    form: str = ""
    """What the text must look like beyond its type: `>=0`, `unit`, `currency`, `key-value`, `values`."""
    condition: str = ""
    """What the column's presence depends on, where that is not for all."""


# Column, feature level (M, R, C), data type, whether nulls are allowed, value format, condition.
_COLUMNS = """
AllocatedMethodDetails              R json    null  -          split cost allocation
AllocatedMethodId                   C string  null  -          split cost allocation
AllocatedResourceId                 C string  null  -          split cost allocation
AllocatedResourceName               C string  null  -          split cost allocation
AllocatedTags                       C json    null  key-value  split cost allocation
AvailabilityZone                    R string  null  -          availability zones
BilledCost                          M decimal value -
BillingAccountId                    M string  value -
BillingAccountName                  M string  null  -
BillingAccountType                  C string  value -          billing account types
BillingCurrency                     M string  value currency
BillingPeriodEnd                    M time    value -
BillingPeriodStart                  M time    value -
CapacityReservationId               C string  null  -          capacity reservations
CapacityReservationStatus           C string  null  values     capacity reservations
ChargeCategory                      M string  value values
ChargeClass                         M string  null  values
ChargeDescription                   M string  null  -
ChargeFrequency                     R string  value values
ChargePeriodEnd                     M time    value -
ChargePeriodStart                   M time    value -
CommitmentDiscountCategory          C string  null  values     commitment discounts
CommitmentDiscountId                C string  null  -          commitment discounts
CommitmentDiscountName              C string  null  -          commitment discounts
CommitmentDiscountQuantity          C decimal null  -          commitment discounts
CommitmentDiscountStatus            C string  null  values     commitment discounts
CommitmentDiscountType              C string  null  -          commitment discounts
CommitmentDiscountUnit              C string  null  unit       commitment discounts
CommitmentProgramEligibilityDetails C json    null  -          commitment programs
ConsumedQuantity                    C decimal null  -          usage
ConsumedUnit                        C string  null  unit       usage
ContractApplied                     C json    null  -          contract commitments
ContractedCost                      M decimal value -
ContractedUnitPrice                 C decimal null  >=0        negotiated pricing
EffectiveCost                       M decimal value -
HostProviderName                    M string  null  -
InvoiceDetailId                     C string  null  -          payable invoices
InvoiceId                           C string  null  -          payable invoices
InvoiceIssuerName                   M string  value -
ListCost                            M decimal value -
ListUnitPrice                       C decimal null  >=0        list unit prices
PricingCategory                     C string  null  values     pricing categories
PricingCurrency                     C string  value currency   other pricing currencies
PricingCurrencyContractedUnitPrice  C decimal null  >=0        virtual currency
PricingCurrencyEffectiveCost        C decimal value -          virtual currency
PricingCurrencyListUnitPrice        C decimal null  >=0        virtual currency
PricingQuantity                     M decimal null  -
PricingUnit                         M string  null  unit
RegionId                            C string  null  -          regions
RegionName                          C string  null  -          regions
ResourceId                          C string  null  -          provisioned resources
ResourceName                        C string  null  -          provisioned resources
ResourceType                        C string  null  -          provisioned resources
ServiceCategory                     M string  value values
ServiceName                         M string  value -
ServiceProviderName                 M string  value -
ServiceSubcategory                  R string  value values
SkuId                               C string  null  -          unit pricing
SkuMeter                            C string  null  -          unit pricing
SkuPriceDetails                     C json    null  key-value  unit pricing
SkuPriceId                          C string  null  -          unit pricing
SubAccountId                        C string  null  -          sub accounts
SubAccountName                      C string  null  -          sub accounts
SubAccountType                      C string  null  -          sub account types
Tags                                C json    null  key-value  tags
"""

SUBCATEGORIES = {
    "AI and Machine Learning": "AI Platforms, Bots, Generative AI, Machine Learning, Natural Language Processing",
    "Analytics": "Analytics Platforms, Business Intelligence, Data Processing, Search, Streaming Analytics",
    "Business Applications": "Productivity and Collaboration",
    "Compute": "Containers, End User Computing, Quantum Compute, Serverless Compute, Virtual Machines",
    "Databases": "Caching, Data Warehouses, Ledger Databases, NoSQL Databases, Relational Databases, "
    "Time Series Databases",
    "Developer Tools": "Continuous Integration and Deployment, Developer Platforms, Development Environments, "
    "Quality Assurance, Source Code Management",
    "Identity": "Identity and Access Management",
    "Integration": "API Management, Messaging, Workflow Orchestration",
    "Internet of Things": "IoT Analytics, IoT Platforms",
    "Management and Governance": "Architecture, Compliance, Cost Management, Data Governance, Disaster Recovery, "
    "Endpoint Management, Observability, Support",
    "Media": "Content Creation, Gaming, Media Streaming, Mixed Reality",
    "Migration": "Data Migration, Resource Migration",
    "Mobile": "",
    "Multicloud": "Multicloud Integration",
    "Networking": "Application Networking, Content Delivery, Network Connectivity, Network Infrastructure, "
    "Network Routing, Network Security",
    "Other": "",
    "Security": "Secret Management, Security Posture Management, Threat Detection and Response",
    "Storage": "Backup Storage, Block Storage, File Storage, Object Storage, Storage Platforms",
    "Web": "Application Platforms",
}
"""Allowed values of ServiceCategory and, without "Other (<category>)", of ServiceSubcategory."""

PARENTS = {
    subcategory: category
    for category, text in SUBCATEGORIES.items()
    for subcategory in [*filter(None, text.split(", ")), f"Other ({category})"]
}
ALLOWED = {
    "CapacityReservationStatus": {"Used", "Unused"},
    "ChargeCategory": {"Usage", "Purchase", "Tax", "Credit", "Adjustment"},
    "ChargeClass": {"Correction"},
    "ChargeFrequency": {"One-Time", "Recurring", "Usage-Based"},
    "CommitmentDiscountCategory": {"Spend", "Usage"},
    "CommitmentDiscountStatus": {"Used", "Unused"},
    "PricingCategory": {"Standard", "Dynamic", "Committed", "Other"},
    "ServiceCategory": set(SUBCATEGORIES),
    "ServiceSubcategory": set(PARENTS),
}
SKU_PRICE_PROPERTIES = {
    "CoreCount", "DiskMaxIops", "DiskSpace", "DiskType", "GpuCount", "InstanceType", "InstanceSeries", "MemorySize",
    "NetworkMaxIops", "NetworkMaxThroughput", "OperatingSystem", "Redundancy", "StorageClass",
}  # fmt: skip

# ISO 4217: the national currencies.
_CURRENCIES = """
AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP
CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR
ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT
MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD
SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES
VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG
"""
CURRENCIES = set(_CURRENCIES.split())

# Units of time, and the counts that are recommended; other counts are capitalized nouns.
_TIMES = r"(?:Year|Month|Day|Hour|Minute|Second|Millisecond|Microsecond)s"
_UNIT = re.compile(rf"(?:[1-9]\d* )?(?:{_TIMES}|[KMGTPE]i?[bB]|[A-Z][a-z]+s)(?:-{_TIMES})?(?:/[A-Z][a-z]+)?")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:E-?\d+)?")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_PLACEHOLDERS = {"not applicable", "n/a", "na", "none", "null", "nil", "unknown", "-"}


def _column(line: str) -> tuple[str, Column]:
    name, level, kind, nulls, form, *condition = line.split(maxsplit=5)
    levels = {"M": "Mandatory", "R": "Recommended", "C": "Conditional"}
    return name, Column(levels[level], kind, nulls == "null", form.strip("-"), "".join(condition))


COLUMNS = dict(_column(line) for line in _COLUMNS.strip().splitlines())


@dataclass(frozen=True)
class Rule:
    """What a row must be; `source` is a file of the specification."""

    source: str
    text: str
    holds: Callable[[Row], bool]


def _is_charged(row: Row) -> bool:
    """Whether the row is one of those that must say what was bought for which price."""
    return row.get("ChargeCategory") in {"Usage", "Purchase"} and row.get("ChargeClass") != "Correction"


def _has(row: Row, name: str) -> bool:
    return row.get(name) is not None


def _product(cost: str, price: str) -> Callable[[Row], bool]:
    def holds(row: Row) -> bool:
        parts = [row.get(name) for name in (cost, price, "PricingQuantity")]
        if None in parts:
            return True
        with localcontext() as exact:
            exact.prec = 1_000
            return Decimal(parts[1] or 0) * Decimal(parts[2] or 0) == Decimal(parts[0] or 0)

    return holds


def _null_together(name: str, other: str) -> Rule:
    text = f"{name} MUST be null when {other} is null, and MUST NOT be null when it is not"
    return Rule(f"columns/{name.lower()}.md", text, lambda row: _has(row, name) == _has(row, other))


def _only_with_price(name: str) -> Rule:
    text = f"{name} MUST be null when SkuPriceId is null"
    return Rule(f"columns/{name.lower()}.md", text, lambda row: _has(row, "SkuPriceId") or not _has(row, name))


def _if_charged(name: str) -> Rule:
    text = f'{name} MUST NOT be null when ChargeCategory is "Usage" or "Purchase" and ChargeClass is not "Correction"'
    return Rule(f"columns/{name.lower()}.md", text, lambda row: _has(row, name) or not _is_charged(row))


def _not_for_tax(name: str) -> Rule:
    text = f'{name} MUST be null when ChargeCategory is "Tax"'
    return Rule(
        f"columns/{name.lower()}.md", text, lambda row: row.get("ChargeCategory") != "Tax" or not _has(row, name)
    )


PRICED = ("ListUnitPrice", "ContractedUnitPrice", "PricingCategory", "PricingQuantity")
RULES = [
    *(_if_charged(name) for name in (*PRICED, "SkuId", "SkuPriceId")),
    *(_only_with_price(name) for name in (*PRICED, "ConsumedQuantity", "SkuPriceDetails")),
    *(_not_for_tax(name) for name in (*PRICED, "SkuId", "SkuPriceId")),
    _null_together("ConsumedUnit", "ConsumedQuantity"),
    _null_together("PricingUnit", "PricingQuantity"),
    _null_together("ResourceType", "ResourceId"),
    _null_together("SubAccountName", "SubAccountId"),
    Rule(
        "columns/consumedquantity.md",
        'ConsumedQuantity MUST NOT be null when ChargeCategory is "Usage" and ChargeClass is not "Correction", and '
        'MUST be null when ChargeCategory is not "Usage"',
        lambda row: (
            _has(row, "ConsumedQuantity") or row.get("ChargeClass") == "Correction"
            if row.get("ChargeCategory") == "Usage"
            else not _has(row, "ConsumedQuantity")
        ),
    ),
    Rule(
        "columns/listcost.md",
        "ListCost MUST equal the product of ListUnitPrice and PricingQuantity",
        _product("ListCost", "ListUnitPrice"),
    ),
    Rule(
        "columns/contractedcost.md",
        "ContractedCost MUST equal the product of ContractedUnitPrice and PricingQuantity",
        _product("ContractedCost", "ContractedUnitPrice"),
    ),
    Rule(
        "columns/effectivecost.md",
        'EffectiveCost MUST equal BilledCost when ChargeCategory is "Usage" and no other charge covers it',
        lambda row: row.get("EffectiveCost") == row.get("BilledCost"),
    ),
    Rule(
        "columns/chargefrequency.md",
        'ChargeFrequency MUST NOT be "Usage-Based" when ChargeCategory is "Purchase"',
        lambda row: (row.get("ChargeCategory"), row.get("ChargeFrequency")) != ("Purchase", "Usage-Based"),
    ),
    Rule(
        "columns/servicesubcategory.md",
        "ServiceSubcategory MUST have one and only one parent ServiceCategory",
        lambda row: PARENTS.get(row.get("ServiceSubcategory") or "") == row.get("ServiceCategory"),
    ),
    Rule(
        "columns/resourcename.md",
        "ResourceName MUST be null when ResourceId is null and MUST NOT duplicate it",
        lambda row: not _has(row, "ResourceName") or row.get("ResourceId") not in {None, row.get("ResourceName")},
    ),
    Rule(
        "columns/skumeter.md",
        "SkuMeter MUST be null when SkuId is null and SHOULD NOT be when it is not",
        lambda row: _has(row, "SkuMeter") == _has(row, "SkuId"),
    ),
    Rule(
        "columns/hostprovidername.md",
        "HostProviderName MUST NOT be null where it can be determined",
        lambda row: _has(row, "HostProviderName"),
    ),
    Rule(
        "columns/chargeperiodend.md",
        "ChargePeriodStart is inclusive and ChargePeriodEnd exclusive",
        lambda row: (row.get("ChargePeriodStart") or "") < (row.get("ChargePeriodEnd") or ""),
    ),
    Rule(
        "columns/billingperiodend.md",
        "BillingPeriodStart is inclusive and BillingPeriodEnd exclusive; what is billed once lies within",
        lambda row: (
            (row.get("BillingPeriodStart") or "") <= (row.get("ChargePeriodStart") or "")
            and (row.get("ChargePeriodEnd") or "") <= (row.get("BillingPeriodEnd") or "")
        ),
    ),
    Rule(
        "columns/skupricedetails.md",
        'Property key MUST begin with the string "x_" unless it is a FOCUS-defined property',
        lambda row: all(
            key.startswith("x_") or key in SKU_PRICE_PROPERTIES for key in _object(row.get("SkuPriceDetails")) or {}
        ),
    ),
    Rule(
        "columns/tags.md",
        "Provider-defined tag keys MUST be prefixed with a predetermined tag key prefix",
        lambda row: (
            len({key.partition("/")[0] for key in _object(row.get("Tags")) or {}}) <= 1
            and all("/" in key for key in _object(row.get("Tags")) or {})
        ),
    ),
]

ONE_TO_ONE = [
    ("columns/skupriceid.md", "SkuPriceId", "SkuId", "MUST have one and only one parent SkuId"),
    ("columns/skumeter.md", "SkuId", "SkuMeter", "SHOULD remain consistent over time for a given SkuId"),
    ("columns/skupricedetails.md", "SkuPriceId", "SkuPriceDetails", "MUST be associated with a given SkuPriceId"),
    ("columns/pricingunit.md", "SkuPriceId", "PricingUnit", "MUST be that of the price list"),
    ("columns/servicename.md", "ServiceName", "ServiceCategory", "MUST have one and only one ServiceCategory"),
]
"""What a value of the first column says of the second, over all rows."""


def faults(text: str) -> list[str]:
    """Everything that is wrong with a file, each with its row (the first after the header is 1), column and rule."""
    header, rows = table(text)
    found = list(_header_faults(header))
    for number, row in enumerate(rows, 1):
        found += [f"row {number}: {fault}" for fault in _row_faults(row)]
    return found + list(_relation_faults(rows))


def table(text: str) -> tuple[list[str], list[Row]]:
    """The columns and the rows of a file; an empty cell is None. Raises csv.Error and ValueError for no such file."""
    lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    if not lines:
        raise ValueError("there is no header")
    header, *body = lines
    return header, [dict(zip(header, [cell or None for cell in line], strict=True)) for line in body]


def _header_faults(header: Sequence[str]) -> Iterator[str]:
    source = "attributes/focus_column_handling.md, custom_column_handling.md, dataset_completeness.md"
    for name in header:
        if name not in COLUMNS and not re.fullmatch(r"x_[A-Z][A-Za-z0-9]{1,47}", name):
            yield f"{name}: not a column of FOCUS {VERSION}, and a custom one is x_ and Pascal case ({source})"
    if list(header) != sorted(set(header), key=lambda name: (name.startswith("x_"), name)):
        yield f"columns: FOCUS columns first, then custom ones, each once and in alphabetical order ({source})"
    for name, column in COLUMNS.items():
        if name not in header and (not column.condition or column.condition in SUPPORTS):
            yield f"{name}: {column.level}, and not there (datasets/cost_and_usage/dataset.md)"


def _row_faults(row: Row) -> Iterator[str]:
    for name, value in row.items():
        if column := COLUMNS.get(name):
            yield from (f"{name}: {fault}" for fault in _value_faults(name, column, value))
        elif name.startswith("x_") and value is not None and value.strip().lower() in _PLACEHOLDERS:
            yield f"{name}: {value!r} stands for no value (attributes/null_handling.md)"
    yield from (f"{rule.text} ({rule.source})" for rule in RULES if not _holds(rule, row))


def _holds(rule: Rule, row: Row) -> bool:
    try:
        return rule.holds(row)
    except ArithmeticError:
        # What is no number is reported as such.
        return True


def _value_faults(name: str, column: Column, value: str | None) -> Iterator[str]:
    if value is None:
        if not column.nullable:
            yield f"MUST NOT be null (columns/{name.lower()}.md)"
        return
    if value.strip().lower() in _PLACEHOLDERS or not value.strip():
        yield f"{value!r} stands for no value (attributes/null_handling.md)"
    if column.kind == "decimal" and not _NUMBER.fullmatch(value):
        yield f"{value!r} is no number (attributes/numeric_format.md)"
    if column.kind == "time" and not _is_moment(value):
        yield f"{value!r} is not YYYY-MM-DDTHH:mm:ssZ (attributes/datetime_format.md)"
    if column.kind == "json" and _object(value) is None:
        yield f"{value!r} is no JSON object with keys of its own (attributes/json_object_format.md)"
    if column.form and not _FORMS[column.form](name, value):
        yield f"{value!r} is not {column.form} (columns/{name.lower()}.md)"


_FORMS: dict[str, Callable[[str, str], bool]] = {
    ">=0": lambda name, value: not value.startswith("-"),
    "values": lambda name, value: value in ALLOWED[name],
    # attributes/currency_format.md
    "currency": lambda name, value: value in CURRENCIES,
    # attributes/unit_format.md
    "unit": lambda name, value: bool(_UNIT.fullmatch(value)),
    # attributes/key_value_format.md
    "key-value": lambda name, value: not any(isinstance(one, dict | list) for one in (_object(value) or {}).values()),
}


def _relation_faults(rows: Sequence[Row]) -> Iterator[str]:
    for source, name, other, text in ONE_TO_ONE:
        found: defaultdict[str | None, set[str | None]] = defaultdict(set)
        for row in rows:
            found[row.get(name)].add(row.get(other))
        for value, others in found.items():
            if value is not None and len(others) > 1:
                yield f"{name} {value!r} has several {other}: {text} ({source})"


def _is_moment(text: str) -> bool:
    try:
        return bool(_MOMENT.fullmatch(text) and datetime.fromisoformat(text))
    except ValueError:
        return False


def _object(text: str | None) -> dict[str, Any] | None:
    """The JSON object of a text; None where it is no such thing or names a key twice."""
    if text is None:
        return None

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise ValueError("a key twice")
        return dict(pairs)

    try:
        content = json.loads(text, object_pairs_hook=once)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None
