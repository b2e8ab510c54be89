"""What a well-formed BillingRecord, ledger entry and manifest look like, field by field."""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, NamedTuple

from museway.records.differences import Findings, shown

EXPORT_FORMAT: Final = "museway-export-1"
_ENTRY_TYPES: Final = ("grant", "hold", "settle", "release", "refund", "adjust")
_INTEGER_MAX: Final = 10**18
"""A trillion dollars in micros; a figure beyond it is a mistake, and would only cost time to compute with."""
_FACTOR_LENGTH_MAX: Final = 60
_SUM_LENGTH_MAX: Final = 200
"""Room for a sum of products of factors of that length."""
_MINOR_DIGITS_MAX: Final = 4
"""ISO 4217: no currency has more."""
_DECIMAL: Final = re.compile(r"(0|[1-9][0-9]*)(\.[0-9]*[1-9])?")
_MOMENT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_FILE_NAME: Final = "[A-Za-z0-9_-][A-Za-z0-9._-]*"
"""In the manifest's own folder: what is checked may not lead the reader elsewhere."""
_NULL: Final = type(None)
_MISSING: Final = object()


class Field(NamedTuple):
    """A field's types, exactly these (True is no integer here), and what is read from it.

    `expected` is what people are told it should be; `read` raises ValueError for what is malformed.
    """

    expected: str
    types: tuple[type, ...]
    read: Callable[[Any], Any] | None = None


Shape = Mapping[str, Field]


def read_fields(content: Mapping[str, Any], shape: Shape, prefix: str, findings: Findings) -> dict[str, Any]:
    """The content's well-formed values by name; whatever is missing, unknown or malformed is noted."""
    values: dict[str, Any] = {}
    # The busiest loop of all, so it calls nothing for a field of which only the type matters.
    for name, (expected, types, read) in shape.items():
        value = content.get(name, _MISSING)
        if type(value) in types:
            try:
                values[name] = value if read is None else read(value)
                continue
            except ValueError:
                pass
        findings.add(prefix + name, expected, "missing" if value is _MISSING else shown(value))
    if content.keys() != shape.keys():
        for name in content:
            if name not in shape:
                findings.add(f"{prefix}{name}", "absent", "an unknown field")
    return values


def is_count(value: Any) -> bool:
    """Whether it is a whole number of 0 or more, of a size that can be meant."""
    return type(value) is int and 0 <= value <= _INTEGER_MAX


def _whole(value: int) -> int:
    if not -_INTEGER_MAX <= value <= _INTEGER_MAX:
        raise ValueError
    return value


def _count(value: int) -> int:
    if not 0 <= value <= _INTEGER_MAX:
        raise ValueError
    return value


def _minor_digits(value: int) -> int:
    if not 0 <= value <= _MINOR_DIGITS_MAX:
        raise ValueError
    return value


# Rates, quantities and amounts come again and again; what is malformed is not kept.
@lru_cache(maxsize=1024)
def _decimal(value: str) -> Decimal:
    if len(value) > _SUM_LENGTH_MAX or not _DECIMAL.fullmatch(value):
        raise ValueError
    return Decimal(value)


def _factor(value: str) -> Decimal:
    if len(value) > _FACTOR_LENGTH_MAX:
        raise ValueError
    return _decimal(value)


def _written(pattern: str) -> Callable[[str], str]:
    fullmatch = re.compile(pattern).fullmatch

    def read_text(value: str) -> str:
        if not fullmatch(value):
            raise ValueError
        return value

    return read_text


def _moment(value: str) -> str:
    if not _MOMENT.fullmatch(value):
        raise ValueError
    datetime.fromisoformat(value)
    return value


def _day(value: str) -> str:
    if not _DAY.fullmatch(value):
        raise ValueError
    date.fromisoformat(value)
    return value


def _provider_cost(value: dict[str, Any]) -> dict[str, Any]:
    if value.keys() != {"amount_micros", "basis"}:
        raise ValueError
    amount_micros, basis = value["amount_micros"], value["basis"]
    if not (amount_micros is None or is_count(amount_micros)) or type(basis) not in (str, _NULL):
        raise ValueError
    return value


def _or_null(field: Field) -> Field:
    read = field.read
    read_some = None if read is None else lambda value: None if value is None else read(value)
    return Field(f"{field.expected}, or null", (*field.types, _NULL), read_some)


_STRING = Field("a string", (str,))
_STRING_OR_NULL = _or_null(_STRING)
_LIST = Field("a list", (list,))
_OBJECT = Field("an object", (dict,))
_COUNT = Field("a whole number, 0 or more", (int,), _count)
_WHOLE = Field("a whole number", (int,), _whole)
_FACTOR = Field('a decimal string in shortest form, such as "0.084"', (str,), _factor)
_SUM = Field('a decimal string in shortest form, such as "0.672"', (str,), _decimal)
_UTC = Field("a UTC time such as 2026-11-21T03:45:00.123456Z", (str,), _moment)
_UTC_DAY = Field("a day such as 2026-11-20", (str,), _day)
_SHA256 = Field("a SHA-256 in 64 hexadecimal digits", (str,), _written("[0-9a-f]{64}"))

LINE: Final[Shape] = {
    "unit": _STRING,
    "modality": _STRING_OR_NULL,
    "meter": _STRING,
    "quantity": _FACTOR,
    "rate": _FACTOR,
    "row_id": _STRING,
    "amount": _SUM,
}
FX: Final[Shape] = {
    "base": Field("USD", (str,), _written("USD")),
    "quote": Field("a currency's three letters", (str,), _written("[A-Z]{3}")),
    "rate": _or_null(_FACTOR),
    "as_of": _or_null(_UTC_DAY),
    "source": _STRING,
    "minor_digits": Field(f"a whole number of 0 to {_MINOR_DIGITS_MAX}", (int,), _minor_digits),
    "amount_minor": _or_null(_COUNT),
    "reason": _STRING_OR_NULL,
}
RECORD: Final[Shape] = {
    "record_id": _STRING,
    "generation_id": _STRING,
    "project_id": _STRING,
    "key_id": _STRING_OR_NULL,
    "session_id": _STRING_OR_NULL,
    "workflow_id": _STRING_OR_NULL,
    "execution_id": _STRING_OR_NULL,
    "node_id": _STRING_OR_NULL,
    "model": _STRING,
    "offer": _STRING_OR_NULL,
    "provider": _STRING,
    "byok": Field("true or false", (bool,)),
    "lines": _LIST,
    "subtotal": _SUM,
    "subtotal_micros": _COUNT,
    "margin_bps": Field("a whole number of basis points", (int,), _whole),
    "platform_fee_bps": _COUNT,
    "amount_micros": _COUNT,
    "held_micros": _COUNT,
    "loss_micros": _COUNT,
    "credits": _SUM,
    "price_book_version": _STRING,
    "inputs_priced": _OBJECT,
    "fx": _or_null(_OBJECT),
    "provider_cost": _or_null(Field('{"amount_micros", "basis"}', (dict,), _provider_cost)),
    "created_at": _UTC,
    "digest": _STRING,
}
ENTRY: Final[Shape] = {
    "entry_id": _STRING,
    "type": Field(", ".join(_ENTRY_TYPES), (str,), _written("|".join(_ENTRY_TYPES))),
    "amount_micros": _WHOLE,
    "generation_id": _STRING_OR_NULL,
    "note": _STRING_OR_NULL,
    "created_at": _UTC,
}
MANIFEST: Final[Shape] = {
    "format": Field(EXPORT_FORMAT, (str,), _written(EXPORT_FORMAT)),
    "project_id": _STRING,
    "day": _UTC_DAY,
    "created_at": _UTC,
    "files": _LIST,
    "totals": _OBJECT,
    "previous_sha256": _or_null(_SHA256),
}
LISTED_FILE: Final[Shape] = {
    "name": Field("the plain name of a file in the manifest's folder", (str,), _written(_FILE_NAME)),
    "bytes": _COUNT,
    "lines": _COUNT,
    "sha256": _SHA256,
}
TOTALS: Final[Shape] = {
    "records": _COUNT,
    "amount_micros": _COUNT,
    "settled_micros": _COUNT,
    "refunded_micros": _COUNT,
}
