"""One BillingRecord recomputed from its own frozen lines. All arithmetic is exact; a record rounds once."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from decimal import ROUND_HALF_UP, Context, Decimal, Inexact, InvalidOperation
from typing import Any, Final

from museway.records.differences import Findings, shown
from museway.records.shapes import FX, LINE, RECORD, read_fields

BPS: Final = 10_000
_BPS_PLACES: Final = 4
_MICRO_PLACES: Final = 6
_CREDIT_PLACES: Final = 4
# Wide enough that products and sums of well-formed numbers are exact; if one were not, it would raise, never round.
_EXACT: Final = Context(prec=400, rounding=ROUND_HALF_UP, traps=[Inexact, InvalidOperation])
_EXACT_SCALARS: Final = frozenset({str, int, bool, type(None)})
_CANONICAL: Final = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, check_circular=False
).encode


def check_record(record: object) -> list[tuple[str, str, str]]:
    """What is wrong with a record, as (field, expected, found); nothing when every figure and the digest are right."""
    findings = Findings()
    if not isinstance(record, Mapping):
        findings.add("", "a record", shown(record))
        return findings.items
    values = read_fields(record, RECORD, "", findings)
    inputs = values.get("inputs_priced") or {}
    if not _EXACT_SCALARS.issuperset(map(type, inputs.values())):
        for path, value in _fractions(inputs):
            findings.add(f"inputs_priced{path}", "an integer or a decimal string", f"the JSON number {value}")
    _check_lines(values, findings)
    _check_amounts(values, findings)
    _check_fx(values, findings)
    _check_digest(record, findings)
    return findings.items


def _check_lines(values: Mapping[str, Any], findings: Findings) -> None:
    lines = values.get("lines")
    if lines is None:
        return
    subtotal: Decimal | None = Decimal(0)
    for number, line in enumerate(lines):
        amount = _line_amount(line, f"lines[{number}]", findings)
        subtotal = None if subtotal is None or amount is None else _EXACT.add(subtotal, amount)
    if subtotal is not None:
        findings.compare("subtotal", subtotal, values.get("subtotal"))


def _line_amount(line: Any, path: str, findings: Findings) -> Decimal | None:
    """The line's recomputed amount; None when the line does not say how."""
    if not isinstance(line, Mapping):
        findings.add(path, "an object", shown(line))
        return None
    prefix = f"{path}."
    values = read_fields(line, LINE, prefix, findings)
    quantity, rate = values.get("quantity"), values.get("rate")
    if quantity is None or rate is None:
        return None
    amount = _EXACT.multiply(quantity, rate)
    findings.compare(f"{prefix}amount", amount, values.get("amount"))
    return amount


def _check_amounts(values: Mapping[str, Any], findings: Findings) -> None:
    """Each rounded figure from the exact one before it, so that one wrong figure is named once."""
    subtotal, amount_micros = values.get("subtotal"), values.get("amount_micros")
    if subtotal is not None:
        findings.compare("subtotal_micros", _rounded(subtotal, _MICRO_PLACES), values.get("subtotal_micros"))
        share_bps, held_micros = _share_bps(values), values.get("held_micros")
        if share_bps is not None and held_micros is not None:
            priced_micros = _rounded(_EXACT.multiply(subtotal, share_bps), _MICRO_PLACES - _BPS_PLACES)
            # What goes beyond the hold is the operator's loss.
            charged_micros = min(priced_micros, held_micros)
            findings.compare("amount_micros", charged_micros, amount_micros)
            findings.compare("loss_micros", priced_micros - charged_micros, values.get("loss_micros"))
    if amount_micros is not None:
        findings.compare("credits", _EXACT.scaleb(amount_micros, -_CREDIT_PLACES), values.get("credits"))


def _share_bps(values: Mapping[str, Any]) -> int | None:
    """What part of the subtotal is charged: all and the margin, or under BYOK the platform's fee alone."""
    byok, margin_bps = values.get("byok"), values.get("margin_bps")
    if byok:
        return values.get("platform_fee_bps")
    return None if byok is None or margin_bps is None else BPS + margin_bps


def _check_fx(values: Mapping[str, Any], findings: Findings) -> None:
    """The amount in the account's currency; where there was no rate, that nothing pretends there was one."""
    if values.get("fx") is None:
        return
    before = len(findings.items)
    fx = read_fields(values["fx"], FX, "fx.", findings)
    if len(findings.items) > before:
        # What hangs on a malformed field cannot be told.
        return
    if fx["rate"] is None:
        for name in ("as_of", "amount_minor"):
            if fx[name] is not None:
                findings.add(f"fx.{name}", "null, as there is no rate", shown(fx[name]))
        if not fx["reason"]:
            findings.add("fx.reason", "why there is no rate", shown(fx["reason"]))
        return
    if fx["reason"] is not None:
        findings.add("fx.reason", "null, as there is a rate", shown(fx["reason"]))
    if fx["as_of"] is None:
        findings.add("fx.as_of", "the day of the rate", "None")
    amount_micros = values.get("amount_micros")
    if fx["amount_minor"] is None:
        findings.add("fx.amount_minor", "an amount, as there is a rate", "None")
    elif amount_micros is not None:
        places = fx["minor_digits"] - _MICRO_PLACES
        expected = _rounded(_EXACT.multiply(amount_micros, fx["rate"]), places)
        findings.compare("fx.amount_minor", expected, fx["amount_minor"])


def _check_digest(record: Mapping[str, Any], findings: Findings) -> None:
    content = dict(record)
    found = content.pop("digest", None)
    try:
        expected = "sha256:" + hashlib.sha256(_CANONICAL(content).encode()).hexdigest()
    except (TypeError, ValueError, RecursionError):
        findings.add("digest", "that of a record which JSON can say exactly", shown(found))
        return
    if found != expected:
        findings.add("digest", expected, shown(found))


def _fractions(value: Any) -> Iterator[tuple[str, float | Decimal]]:
    """Every number with a fraction or an exponent, at any depth, and its path: a record's numbers are integers.

    Asked of the priced inputs alone, where anything may stand; every other field has a shape that takes none.
    """
    pending = [("", value)]
    while pending:
        at, item = pending.pop()
        if isinstance(item, dict):
            pending += [(f"{at}.{name}", inner) for name, inner in item.items()]
        elif isinstance(item, list | tuple):
            pending += [(f"{at}[{n}]", inner) for n, inner in enumerate(item)]
        elif isinstance(item, float | Decimal):
            yield at, item


def _rounded(value: Decimal, places: int) -> int:
    """An exact amount in units of 10**-places, rounded half up: the only rounding a record has."""
    return int(_EXACT.to_integral_value(_EXACT.scaleb(value, places)))
