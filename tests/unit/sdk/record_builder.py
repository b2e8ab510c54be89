"""BillingRecords built from the contract, in fractions: nothing is shared with `museway.records`."""

import hashlib
import json
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st


def decimal_text(value: Fraction) -> str:
    """A terminating fraction as a plain decimal without trailing zeros."""
    places = 0
    while (value * 10**places).denominator != 1:
        places += 1
        assert places < 200, "not a terminating decimal"
    digits = str(int(value * 10**places)).rjust(places + 1, "0")
    return digits if not places else f"{digits[:-places]}.{digits[-places:]}"


def half_up(value: Fraction) -> int:
    """The nearest integer, halves upwards (amounts are never negative)."""
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)


def digest_of(record: dict[str, Any]) -> str:
    """The digest as the contract defines it."""
    content = {name: value for name, value in record.items() if name != "digest"}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(canonical.encode("utf-8")).hexdigest()


def build_record(
    lines: list[tuple[str, str]] | None = None,
    *,
    number: int = 1,
    margin_bps: int = 0,
    platform_fee_bps: int = 0,
    byok: bool = False,
    held_micros: int | None = None,
    fx_rate: str | None = None,
    minor_digits: int = 2,
    fx_reason: str | None = None,
) -> dict[str, Any]:
    """A valid record of lines given as (quantity, rate); it is held at what it costs, unless told otherwise.

    `fx_reason` says why there was no rate.
    """
    pairs = [("8", "0.084")] if lines is None else lines
    amounts = [Fraction(quantity) * Fraction(rate) for quantity, rate in pairs]
    subtotal = sum(amounts, Fraction(0))
    share = Fraction(platform_fee_bps if byok else 10_000 + margin_bps, 10_000)
    priced_micros = half_up(subtotal * share * 10**6)
    held_micros = priced_micros if held_micros is None else held_micros
    amount_micros = min(priced_micros, held_micros)
    fx: dict[str, Any] | None = None
    if fx_rate is not None or fx_reason is not None:
        fx = {"base": "USD", "quote": "EUR", "rate": None, "as_of": None, "source": "ECB"}
        fx |= {"minor_digits": minor_digits, "amount_minor": None, "reason": fx_reason}
    if fx is not None and fx_rate is not None:
        converted = Fraction(amount_micros, 10**6) * Fraction(fx_rate) * 10**minor_digits
        fx |= {"rate": fx_rate, "as_of": "2026-11-20", "amount_minor": half_up(converted)}
    record: dict[str, Any] = {
        "record_id": f"rec_{number}",
        "generation_id": f"gen_{number}",
        "project_id": "prj_1",
        "key_id": "key_1",
        "session_id": None,
        "workflow_id": None,
        "execution_id": None,
        "node_id": None,
        "model": "kuaishou/kling-v3-i2v",
        "offer": "fal",
        "provider": "fal",
        "byok": byok,
        "lines": [
            {
                "unit": "video_second",
                "modality": "video",
                "meter": "output_seconds",
                "quantity": quantity,
                "rate": rate,
                "row_id": "silent",
                "amount": decimal_text(amount),
            }
            for (quantity, rate), amount in zip(pairs, amounts, strict=True)
        ],
        "subtotal": decimal_text(subtotal),
        "subtotal_micros": half_up(subtotal * 10**6),
        "margin_bps": margin_bps,
        "platform_fee_bps": platform_fee_bps,
        "amount_micros": amount_micros,
        "held_micros": held_micros,
        "loss_micros": priced_micros - amount_micros,
        "credits": decimal_text(Fraction(amount_micros, 10_000)),
        "price_book_version": "2026-11-01",
        "inputs_priced": {"duration": 8, "prompt": "Fußgänger – ✓"},
        "fx": fx,
        "provider_cost": {"amount_micros": None, "basis": "registered"},
        "created_at": "2026-11-21T03:45:00.123456Z",
    }
    return record | {"digest": digest_of(record)}


def signed(record: dict[str, Any]) -> dict[str, Any]:
    """The record under a digest that fits it, as a careful forger would leave it."""
    return record | {"digest": digest_of(record)}


def _decimals(digits_max: int) -> st.SearchStrategy[str]:
    parts = st.tuples(st.integers(0, 10**digits_max), st.integers(0, 9))
    return parts.map(lambda pair: decimal_text(Fraction(pair[0], 10 ** pair[1])))


_conversions = st.one_of(
    st.just({}),
    st.just({"fx_reason": "no rate of the last 7 days"}),
    st.fixed_dictionaries({"fx_rate": _decimals(4), "minor_digits": st.sampled_from([0, 2, 3])}),
)
records = st.builds(
    lambda lines, fx, **terms: build_record(lines, **terms, **fx),
    st.lists(st.tuples(_decimals(7), _decimals(4)), min_size=1, max_size=3),
    _conversions,
    number=st.integers(1, 5),
    margin_bps=st.integers(0, 10_000),
    platform_fee_bps=st.integers(0, 10_000),
    byok=st.booleans(),
    held_micros=st.none() | st.integers(0, 10**12),
)
