"""Bills recomputed offline: each BillingRecord from its own frozen lines, with no network and no catalog.

    from museway import records

    differences = records.verify(records.read(Path("records.jsonl").read_text()))

An empty list means that every line amount, sum, margin, fee, conversion and digest is what the record's rates
and quantities say, and that no generation is billed twice. All arithmetic is exact; floats are not accepted.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Context, Decimal, Inexact, InvalidOperation
from typing import Any, Final

__all__ = ["Difference", "UnreadableRecords", "read", "verify"]

BPS: Final = 10_000
_MICRO_PLACES: Final = 6
_CREDIT_PLACES: Final = 4
_CENT_PLACES: Final = 2
_INTEGER_MAX: Final = 10**18
"""A trillion dollars in micros; a figure beyond it is a mistake, and would only cost time to compute with."""
_FACTOR_LENGTH_MAX: Final = 60
_SUM_LENGTH_MAX: Final = 200
"""Room for a sum of products of factors of that length."""
# Wide enough that products and sums of such numbers are exact; if one were not, it would raise, never round.
_EXACT: Final = Context(prec=400, traps=[Inexact, InvalidOperation])
_DECIMAL: Final = re.compile(r"(0|[1-9][0-9]*)(\.[0-9]*[1-9])?")
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")


@dataclass(frozen=True, slots=True)
class Difference:
    """One field of one record that is not what it should be.

    `position` counts records from 1; `generation_id` is None where the record has none; `field` is a path
    such as `lines[0].amount`; `expected` and `found` are for people to read.
    """

    position: int
    generation_id: str | None
    field: str
    expected: str
    found: str

    def __str__(self) -> str:
        name = self.generation_id or "(no generation_id)"
        return f"record {self.position} {name}: {self.field} should be {self.expected}, is {self.found}"


class UnreadableRecords(ValueError):
    """The text is not a list of JSON objects; the message says where."""


def read(text: str) -> list[dict[str, Any]]:
    """Records from an export: one JSON object per line, or one JSON document `{"items": [...]}`.

    Numbers with a fraction are kept as Decimal, for `verify` to report. Raises UnreadableRecords, also for an
    object that names a field twice, since readers would disagree about its value.
    """
    text = text.removeprefix("\ufeff")
    try:
        document = _parse(text)
    except UnreadableRecords:
        lines = ((number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip())
        return [_object(_parse(line, f"line {number}"), f"line {number}") for number, line in lines]
    if isinstance(document, dict) and isinstance(document.get("items"), list):
        return [_object(item, f"item {number}") for number, item in enumerate(document["items"], 1)]
    return [_object(document, "the document")]


def verify(records: Iterable[object]) -> list[Difference]:
    """Recompute every record; answer each field that differs, in the order of the records.

    Malformed records are reported, not raised. A generation (or record id) that appears a second time is a
    difference of the later record.
    """
    found: list[Difference] = []
    seen: dict[tuple[str, str], int] = {}
    for position, record in enumerate(records, 1):
        report = _Report(position, record)
        if not isinstance(record, Mapping):
            report.add("", "a record", _shown(record))
            found += report.differences
            continue
        for name in ("generation_id", "record_id"):
            value = record.get(name)
            if isinstance(value, str) and (first := seen.setdefault((name, value), position)) != position:
                report.add(name, "billed once", f"{value}, which record {first} has already")
        _check(record, report)
        found += report.differences
    return found


class _Report:
    """Collects one record's differences."""

    def __init__(self, position: int, record: object) -> None:
        generation_id = record.get("generation_id") if isinstance(record, Mapping) else None
        self._position = position
        self._generation_id = generation_id if isinstance(generation_id, str) else None
        self.differences: list[Difference] = []

    def add(self, field: str, expected: object, found: object) -> None:
        self.differences.append(Difference(self._position, self._generation_id, field, str(expected), str(found)))

    def compare(self, field: str, expected: Decimal | int, found: Decimal | int | None) -> None:
        """Report a value that differs; one that is malformed (None) was reported when it was read."""
        if found is not None and expected != found:
            self.add(field, _text(expected), _text(found))


def _check(record: Mapping[str, Any], report: _Report) -> None:
    values = _fields(record, _RECORD, "", report)
    for path, value in _fractions(record, ""):
        report.add(path, "an integer or a decimal string", f"the JSON number {value}")
    amounts = [_line_amount(line, f"lines[{n}]", report) for n, line in enumerate(values.get("lines") or [])]
    if values.get("lines") is not None and None not in amounts:
        subtotal = Decimal(0)
        for amount in amounts:
            subtotal = _EXACT.add(subtotal, amount or Decimal(0))
        report.compare("subtotal", subtotal, values.get("subtotal"))
    _check_amounts(values, report)
    _check_digest(record, report)


def _line_amount(line: Any, path: str, report: _Report) -> Decimal | None:
    """The line's recomputed amount; None when the line does not say how."""
    if not isinstance(line, Mapping):
        report.add(path, "an object", _shown(line))
        return None
    values = _fields(line, _LINE, f"{path}.", report)
    if values.get("quantity") is None or values.get("rate") is None:
        return None
    amount = _EXACT.multiply(values["quantity"], values["rate"])
    report.compare(f"{path}.amount", amount, values.get("amount"))
    return amount


def _check_amounts(values: Mapping[str, Any], report: _Report) -> None:
    """Each rounded figure from the exact one before it, so that one wrong figure is named once."""
    subtotal, amount_micros = values.get("subtotal"), values.get("amount_micros")
    if subtotal is not None:
        report.compare("subtotal_micros", _rounded(subtotal, _MICRO_PLACES), values.get("subtotal_micros"))
        share_bps = _share_bps(values)
        if share_bps is not None:
            amount = _EXACT.multiply(subtotal, Decimal(share_bps).scaleb(-4, _EXACT))
            full_micros, held_micros = _rounded(amount, _MICRO_PLACES), values.get("held_micros")
            if held_micros is not None:
                report.compare("amount_micros", min(full_micros, held_micros), amount_micros)
                report.compare("loss_micros", full_micros - min(full_micros, held_micros), values.get("loss_micros"))
    if amount_micros is None:
        return
    credits_exact = Decimal(amount_micros).scaleb(-_CREDIT_PLACES, _EXACT)
    report.compare("credits", credits_exact, values.get("credits"))
    if isinstance(values.get("fx"), Mapping):
        fx = _fields(values["fx"], _FX, "fx.", report)
        if fx.get("rate") is not None:
            converted = _EXACT.multiply(Decimal(amount_micros).scaleb(-_MICRO_PLACES, _EXACT), fx["rate"])
            report.compare("fx.amount_minor", _rounded(converted, _CENT_PLACES), fx.get("amount_minor"))


def _share_bps(values: Mapping[str, Any]) -> int | None:
    """What part of the subtotal is charged: all and the margin, or under BYOK the platform's fee alone."""
    byok, margin_bps, fee_bps = (values.get(name) for name in ("byok", "margin_bps", "platform_fee_bps"))
    if byok is None:
        return None
    if byok:
        return fee_bps
    return None if margin_bps is None else BPS + margin_bps


def _check_digest(record: Mapping[str, Any], report: _Report) -> None:
    content = {name: value for name, value in record.items() if name != "digest"}
    try:
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        expected = "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()
    except (TypeError, ValueError, RecursionError):
        report.add("digest", "that of a record which JSON can say exactly", _shown(record.get("digest")))
        return
    if record.get("digest") != expected:
        report.add("digest", expected, _shown(record.get("digest")))


def _fields(content: Mapping[str, Any], shape: Mapping[str, "_Reader"], prefix: str, report: _Report) -> dict[str, Any]:
    """The content's well-formed values by name; whatever is missing, unknown or malformed is reported."""
    values: dict[str, Any] = {}
    for name, reader in shape.items():
        if name not in content:
            report.add(prefix + name, reader.expected, "missing")
            continue
        try:
            values[name] = reader.read(content[name])
        except ValueError:
            report.add(prefix + name, reader.expected, _shown(content[name]))
    for name in content:
        if name not in shape:
            report.add(f"{prefix}{name}", "absent", "an unknown field")
    return values


@dataclass(frozen=True, slots=True)
class _Reader:
    """How a field is read (ValueError when malformed) and what people are told it should be."""

    expected: str
    read: Callable[[Any], Any]


def _of_type(*types: type) -> Callable[[Any], Any]:
    def read_value(value: Any) -> Any:
        # type() and not isinstance: True is no integer here.
        if type(value) not in types:
            raise ValueError
        return value

    return read_value


def _whole(value: Any) -> int:
    if type(value) is not int or abs(value) > _INTEGER_MAX:
        raise ValueError
    return value


def _counted(value: Any) -> int:
    if _whole(value) < 0:
        raise ValueError
    return int(value)


def _decimal(length_max: int) -> Callable[[Any], Decimal]:
    def read_decimal(value: Any) -> Decimal:
        if type(value) is not str or len(value) > length_max or not _DECIMAL.fullmatch(value):
            raise ValueError
        return Decimal(value)

    return read_decimal


def _moment(value: Any) -> str:
    if type(value) is not str or not _MOMENT.fullmatch(value):
        raise ValueError
    datetime.fromisoformat(value)
    return value


def _provider_cost(value: Any) -> Any:
    if value is None:
        return None
    if not isinstance(value, Mapping) or set(value) != {"amount_micros", "basis"}:
        raise ValueError
    if value["amount_micros"] is not None:
        _counted(value["amount_micros"])
    return _of_type(str, type(None))(value["basis"]) or value


_STRING = _Reader("a string", _of_type(str))
_STRING_OR_NULL = _Reader("a string or null", _of_type(str, type(None)))
_COUNT = _Reader("a whole number, 0 or more", _counted)
_BASIS_POINTS = _Reader("a whole number of basis points", _whole)
_FACTOR = _Reader('a decimal string in shortest form, such as "0.084"', _decimal(_FACTOR_LENGTH_MAX))
_SUM = _Reader('a decimal string in shortest form, such as "0.672"', _decimal(_SUM_LENGTH_MAX))

_LINE: Final[Mapping[str, _Reader]] = {
    "unit": _STRING,
    "modality": _STRING_OR_NULL,
    "meter": _STRING,
    "quantity": _FACTOR,
    "rate": _FACTOR,
    "row_id": _STRING,
    "amount": _SUM,
}
_FX: Final[Mapping[str, _Reader]] = {
    "base": _STRING,
    "quote": _STRING,
    "rate": _FACTOR,
    "as_of": _STRING,
    "source": _STRING,
    "amount_minor": _COUNT,
}
_RECORD: Final[Mapping[str, _Reader]] = {
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
    "byok": _Reader("true or false", _of_type(bool)),
    "lines": _Reader("a list", _of_type(list)),
    "subtotal": _SUM,
    "subtotal_micros": _COUNT,
    "margin_bps": _BASIS_POINTS,
    "platform_fee_bps": _COUNT,
    "amount_micros": _COUNT,
    "held_micros": _COUNT,
    "loss_micros": _COUNT,
    "credits": _SUM,
    "price_book_version": _STRING,
    "inputs_priced": _Reader("an object", _of_type(dict)),
    "fx": _Reader("an object or null", _of_type(dict, type(None))),
    "provider_cost": _Reader('{"amount_micros", "basis"} or null', _provider_cost),
    "created_at": _Reader("a UTC time such as 2026-11-21T03:45:00.123456Z", _moment),
    "digest": _STRING,
}


def _fractions(value: Any, path: str) -> Iterator[tuple[str, float | Decimal]]:
    """Every number with a fraction or an exponent, at any depth: a record's numbers are integers."""
    pending = [(path, value)]
    while pending:
        at, item = pending.pop()
        if isinstance(item, float | Decimal):
            yield at, item
        elif isinstance(item, Mapping):
            pending += [(f"{at}.{name}".removeprefix("."), inner) for name, inner in item.items()]
        elif isinstance(item, list | tuple):
            pending += [(f"{at}[{n}]", inner) for n, inner in enumerate(item)]


def _rounded(value: Decimal, places: int) -> int:
    """An exact amount in units of 10**-places, rounded half up: the only rounding a record has."""
    return int(value.scaleb(places, _EXACT).to_integral_value(rounding=ROUND_HALF_UP))


def _text(value: Decimal | int) -> str:
    text = format(Decimal(value), "f")
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."


def _parse(text: str, place: str = "the document") -> Any:
    try:
        return json.loads(
            text, parse_float=Decimal, parse_constant=_refuse_constant, object_pairs_hook=_without_repeats
        )
    except (ValueError, RecursionError, InvalidOperation) as error:
        raise UnreadableRecords(f"{place} is not JSON: {error}.") from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the field {repeated!r} is given twice")
    return content


def _object(value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UnreadableRecords(f"{place} is not a JSON object.")
    return value
