"""BillingRecords of every kind, made in fractions from the contract: tokens and media, own keys, margins, currencies,
losses, and what callers write. Nothing is shared with what makes, writes or verifies them."""

import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from random import Random
from typing import Any

from hypothesis import strategies as st

Pick = Callable[[int, int], int]
"""A whole number between two, both included."""

# Model, row and the row's components (unit, meter, modality). One reads a meter twice.
PRICES = [
    ("kuaishou/kling-v3-i2v", "silent", [("video_second", "output_seconds", "video")]),
    ("nano-banana", "image", [("image", "outputs", "image")]),
    ("openai/tts-1", "character", [("tts_character", "characters", "audio")]),
    ("elevenlabs/music", "song", [("audio_second", "audio_seconds", "audio")]),
    ("stable-diffusion", "compute", [("compute_second", "compute_seconds", "image")]),
    (
        "openai/gpt-5",
        "tokens",
        [
            ("mtok_input", "input_mtok", "text"),
            ("mtok_cached_input", "cached_mtok", "text"),
            ("mtok_output", "output_mtok", "text"),
        ],
    ),
    (
        "openai/gpt-image-2",
        "tokens",
        [
            ("mtok_input", "input_mtok", "text"),
            ("mtok_media_input", "media_input_mtok", "image"),
            ("mtok_media_output", "square_high_mtok", "image"),
        ],
    ),
    (
        "google/nano-banana-2",
        "1k-search-thinking",
        [("image", "outputs", "image"), ("call", "calls", "text"), ("call", "calls", "text")],
    ),
    (
        "black-forest-labs/flux-2-pro-edit",
        "pro-edit",
        [
            ("megapixel", "megapixels", "image"),
            ("megapixel", "given_megapixels", "image"),
            ("image", "outputs", "image"),
        ],
    ),
]
WRITTEN = [None, "campaign-7", '=HYPERLINK("https://example.com","x")', "+1", "-2+3", "@SUM(A1)", "\tx", "'quoted'",
           'Fußgänger, "schnell"\r\n🦊 –', " ", "＝1"]  # fmt: skip
"""What callers may call a session."""

MICROS = 10**6


def decimal_text(value: Fraction) -> str:
    """A terminating fraction as a plain decimal without trailing zeros."""
    places = next(n for n in range(200) if (value * 10**n).denominator == 1)
    digits = str(int(value * 10**places)).rjust(places + 1, "0")
    return f"{digits[:-places]}.{digits[-places:]}" if places else digits


def half_up(value: Fraction) -> int:
    """The nearest integer, halves upwards."""
    return int((2 * value + 1) // 2)


def digest(record: dict[str, Any]) -> str:
    """Of the canonical JSON."""
    body = {name: value for name, value in record.items() if name != "digest"}
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()


def record(
    lines: Sequence[tuple[str, str]] = (("8", "0.084"),),
    price: int = 0,
    *,
    number: int = 1,
    byok: bool = False,
    margin_bps: int = 0,
    platform_fee_bps: int = 500,
    held_micros: int | None = None,
    fx: dict[str, Any] | None = None,
    provider_micros: int | None = None,
    created_at: str = "2026-11-21T03:45:00.123456Z",
    **more: Any,
) -> dict[str, Any]:
    """A valid record; lines are (quantity, rate) of the components of `PRICES[price]`, any number of a single one.
    Without `held_micros` the hold covers the charge. `fx` has its rate or null, and gets the amount that follows."""
    model, row_id, components = PRICES[price]
    if len(components) == 1:
        components = components * len(lines)
    amounts = [Fraction(quantity) * Fraction(rate) for quantity, rate in lines]
    subtotal = sum(amounts, Fraction(0))
    asked = half_up(subtotal * (platform_fee_bps if byok else 10_000 + margin_bps) / 10_000 * MICROS)
    charged = asked if held_micros is None else min(asked, held_micros)
    made = {
        "record_id": f"rec_{number}",
        "generation_id": f"gen_{number}",
        "project_id": "prj_1",
        "key_id": "key_1",
        "session_id": None,
        "workflow_id": None,
        "execution_id": None,
        "node_id": None,
        "model": model,
        "offer": f"fal/{model}",
        "provider": "fal",
        "byok": byok,
        "lines": [
            {
                "unit": unit, "modality": modality, "meter": meter, "quantity": quantity, "rate": rate,
                "row_id": row_id, "amount": decimal_text(amount),
            }
            for (unit, meter, modality), (quantity, rate), amount in zip(components, lines, amounts, strict=True)
        ],
        "subtotal": decimal_text(subtotal),
        "subtotal_micros": half_up(subtotal * MICROS),
        "margin_bps": margin_bps,
        "platform_fee_bps": platform_fee_bps,
        "amount_micros": charged,
        "held_micros": asked if held_micros is None else held_micros,
        "loss_micros": asked - charged,
        "credits": decimal_text(Fraction(charged, 10_000)),
        "price_book_version": "2026-01-01-a154c952798e",
        "inputs_priced": {"duration": 8, "prompt": "Fußgänger – ✓"},
        "fx": fx and fx | {"amount_minor": _minor(charged, fx)},
        "provider_cost": {"amount_micros": provider_micros, "basis": "tokens as reported in usage"},
        "created_at": created_at,
    } | more  # fmt: skip
    return signed(made)


def signed(record: dict[str, Any]) -> dict[str, Any]:
    """The record under a digest that fits it, as a careful forger leaves it too."""
    return record | {"digest": digest(record)}


def fx(quote: str, rate: str | None, minor_digits: int = 2) -> dict[str, Any]:
    """A currency's rate, or the reason for having none."""
    reason = None if rate else f"The ECB has published no rate for {quote} in the last 7 days."
    as_of = "2026-11-20" if rate else None
    return {
        "base": "USD", "quote": quote, "rate": rate, "as_of": as_of, "source": "ECB", "minor_digits": minor_digits,
        "amount_minor": None, "reason": reason,
    }  # fmt: skip


def _minor(micros: int, fx: dict[str, Any]) -> int | None:
    if fx["rate"] is None:
        return None
    return half_up(Fraction(micros, MICROS) * Fraction(fx["rate"]) * 10 ** fx["minor_digits"])


def any_record(pick: Pick) -> dict[str, Any]:
    """A record of any kind, by the numbers that are picked; no figure reaches 10**18, the most that verifies."""
    price = pick(0, len(PRICES) - 1)
    components = len(PRICES[price][2])
    count = pick(1, 3) if components == 1 else components
    lines = [(_decimal(pick, 10**7), _decimal(pick, 10**4)) for _ in range(count)]
    number = pick(1, 10**9)
    currencies = [
        None,
        fx("EUR", "0.8643"),
        fx("JPY", "155.07", 0),
        fx("KWD", "0.3071", 3),
        fx("GBP", _decimal(pick, 10**4)),
        fx("CHF", None),
    ]
    moment = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(
        seconds=pick(0, 4 * 366 * 86_400), microseconds=pick(0, 10**6 - 1)
    )
    whole = record(lines, price)["subtotal_micros"]
    return record(
        lines,
        price,
        number=number,
        byok=bool(pick(0, 1)),
        margin_bps=pick(-10_000, 20_000),
        platform_fee_bps=pick(0, 10_000),
        held_micros=None if pick(0, 2) else pick(0, 2 * whole),
        fx=currencies[pick(0, len(currencies) - 1)],
        provider_micros=pick(0, 10**7) if pick(0, 1) else None,
        created_at=moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        session_id=WRITTEN[pick(0, len(WRITTEN) - 1)],
        node_id=WRITTEN[pick(0, len(WRITTEN) - 1)],
        key_id=["key_1", "key_2", None][pick(0, 2)],
    )


def many(count: int, seed: int = 20261121) -> list[dict[str, Any]]:
    """Records of every kind, the same each time."""
    chance = Random(seed)
    return [any_record(chance.randint) for _ in range(count)]


def _decimal(pick: Pick, most: int) -> str:
    return decimal_text(Fraction(pick(0, most), 10 ** pick(0, 9)))


@st.composite
def records(draw: st.DrawFn) -> dict[str, Any]:
    """Any record, for Hypothesis."""
    return any_record(lambda least, most: draw(st.integers(least, most)))
