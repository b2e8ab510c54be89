"""Prices are exact: the registered ones to the micro, all others by rule."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import pricing
from gateway.pricing import Component, Line, Meter, PriceBook, PricingError, Quote, Row, Terms
from gateway.records import billing_record, digest
from museway import records
from tests.unit.gateway.shipped import NOW, SNAPSHOT, quote

IMAGE = "https://example.com/fox.png"
HELLO = "Hello, fox."

# Model, inputs, micros: what the seeds and the providers' lists say, computed by hand.
PRICES: list[tuple[str, dict[str, Any], int]] = [
    ("kuaishou/kling-v3-i2v", {"duration": 8}, 672_000),
    ("kuaishou/kling-v3-i2v", {"duration": 8, "generate_audio": True}, 896_000),
    ("kuaishou/kling-v3-i2v", {}, 420_000),
    ("kuaishou/kling-v3-t2v", {"duration": 15, "generate_audio": True}, 1_680_000),
    ("gpt-image-2", {"resolution": "1K"}, 110_000),
    ("gpt-image-2", {"resolution": "2K", "aspect_ratio": "16:9"}, 150_000),
    ("gpt-image-2", {"resolution": "4K", "aspect_ratio": "16:9"}, 210_000),
    ("gpt-image-2", {"image_urls": [IMAGE] * 16}, 110_000),
    ("openai/gpt-image-2", {"size": "1024x1024", "quality": "low"}, 6_000),
    ("openai/gpt-image-2", {"size": "1024x1024"}, 53_000),
    ("openai/gpt-image-2", {"size": "1024x1536", "quality": "medium"}, 42_000),
    ("openai/gpt-image-2", {"size": "1536x1024", "quality": "high", "n": 3}, 495_000),
    ("seedance-2-fast-480p", {"duration": 4}, 640_000),
    ("seedance-2-fast-480p", {"duration": 15}, 2_400_000),
    ("seedance-2-fast-480p", {"duration": 15, "generate_audio": False}, 2_400_000),
    ("elevenlabs/music", {"music_length_ms": 3_000}, 600_000),
    ("elevenlabs/music", {"music_length_ms": 30_000}, 600_000),
    ("elevenlabs/music", {"music_length_ms": 60_000}, 600_000),
    ("elevenlabs/music", {"music_length_ms": 60_001}, 1_200_000),
    ("elevenlabs/music", {"music_length_ms": 61_000}, 1_200_000),
    ("elevenlabs/music", {"music_length_ms": 600_000}, 6_000_000),
    ("openai/tts-1", {"input": HELLO}, 165),
    ("openai/tts-1", {"input": "x"}, 15),
    ("openai/tts-1", {"input": "🦊é"}, 30),
    ("openai/tts-1", {"input": "x" * 4096}, 61_440),
    ("nano-banana", {}, 39_000),
    ("nano-banana", {"num_images": 4}, 156_000),
]


@pytest.mark.parametrize(("model", "inputs", "micros"), PRICES)
def test_the_registered_price(model: str, inputs: dict[str, Any], micros: int) -> None:
    priced = quote(model, **inputs)
    assert priced.expected_micros == micros
    assert priced.maximum_micros == micros
    assert pricing.credits_of(micros) * 10_000 == pytest.approx(micros)


@pytest.mark.parametrize(("tier", "aspect", "shown"), [("1K", "auto", 11), ("2K", "4:3", 15), ("4K", "4:3", 21)])
def test_gpt_image_tiers_in_credits(tier: str, aspect: str, shown: int) -> None:
    found = pricing.credits_of(quote("gpt-image-2", resolution=tier, aspect_ratio=aspect).expected_micros)
    assert (found, type(found)) == (shown, int)


@given(st.integers(4, 15))
def test_seedance_fast_is_sixteen_credits_a_second(seconds: int) -> None:
    assert pricing.credits_of(quote("seedance-2-fast-480p", duration=seconds).expected_micros) == 16 * seconds


def test_a_line_says_how_the_amount_came_about() -> None:
    (line,) = quote("kuaishou/kling-v3-i2v", duration=8).lines
    assert line.to_dict() == {
        "unit": "video_second", "modality": "video", "meter": "output_seconds", "quantity": "8", "rate": "0.084",
        "row_id": "silent", "amount": "0.672",
    }  # fmt: skip


def test_a_text_is_named_by_its_length_and_an_unpriced_input_not_at_all() -> None:
    assert quote("openai/tts-1", input=HELLO, voice="nova").inputs_priced == {"input": len(HELLO)}
    assert quote("kuaishou/kling-v3-t2v", prompt="secret").inputs_priced == {"duration": 5, "generate_audio": False}


# Rules, over tables made for them.

ONE = PriceBook("v1", datetime(2026, 1, 1, tzinfo=UTC), (Row("any", {}, ()),))
rates = st.decimals(min_value=0, max_value=100, places=9)
quantities = st.integers(0, 10**6)
terms = st.builds(Terms, st.integers(0, 20_000), st.integers(0, 10_000), st.booleans())


def book(*components: Component, start: datetime = ONE.effective_from, version: str = "v1") -> PriceBook:
    return PriceBook(version, start, (Row("any", {}, components),))


def component(rate: Any, meter: str = "seconds", **options: Any) -> Component:
    return Component("video_second", Decimal(rate), meter, "video", **options)


METERS = {
    "seconds": Meter(input="seconds"),
    "outputs": Meter(input="outputs"),
    "characters": Meter(length_of="text"),
    "call": Meter(),
    "thousandths": Meter(input="seconds", divide_by=Decimal(1000)),
}
components = st.builds(
    component,
    rates,
    st.sampled_from(sorted(METERS)),
    round_up_to=st.none() | st.integers(1, 120).map(Decimal),
    minimum=st.none() | st.integers(0, 120).map(Decimal),
)
inputs = st.fixed_dictionaries({"seconds": quantities, "outputs": quantities, "text": st.text(max_size=50)})
quotes = st.builds(
    lambda parts, given_inputs, plan: pricing.quote([book(*parts)], METERS, given_inputs, NOW, plan),
    st.lists(components, min_size=1, max_size=3),
    inputs,
    terms,
)


@given(quotes)
def test_no_price_is_negative_and_the_maximum_covers_the_expectation(made: Quote) -> None:
    assert 0 <= made.expected_micros <= made.maximum_micros
    assert all(line.quantity >= 0 for line in made.lines)


@given(st.lists(components, min_size=1, max_size=3), inputs, inputs)
def test_more_never_costs_less(parts: list[Component], one: dict[str, Any], other: dict[str, Any]) -> None:
    less = {"text": min(one["text"], other["text"], key=len)}
    more = {"text": max(one["text"], other["text"], key=len)}
    for name in ("seconds", "outputs"):
        less[name], more[name] = sorted([one[name], other[name]])
    amounts = [pricing.quote([book(*parts)], METERS, asked, NOW, Terms()).expected_micros for asked in (less, more)]
    assert amounts[0] <= amounts[1]


@given(st.lists(st.tuples(rates, quantities), min_size=1, max_size=5), st.integers(0, 20_000))
def test_the_one_rounding_is_half_up_and_last(pairs: list[tuple[Decimal, int]], margin_bps: int) -> None:
    lines = tuple(Line("call", "image", "call", Decimal(number), rate, "any") for rate, number in pairs)
    exact = sum((Fraction(rate) * number for rate, number in pairs), Fraction(0)) * (10_000 + margin_bps) / 10_000
    micros = exact * 10**6
    expected = (2 * micros.numerator + micros.denominator) // (2 * micros.denominator)
    assert Quote(lines, Terms(margin_bps), "v1", {}).expected_micros == expected


@pytest.mark.parametrize(
    ("rate", "count", "micros"), [("0.0000001", 4, 0), ("0.0000001", 5, 1), ("0.0000003", 5, 2), ("0.0000025", 1, 3)]
)
def test_rates_below_a_micro_add_up_before_they_are_rounded(rate: str, count: int, micros: int) -> None:
    parts = [component(rate, "call") for _ in range(count)]
    assert pricing.quote([book(*parts)], METERS, {}, NOW, Terms()).expected_micros == micros


@given(quotes)
def test_a_frozen_quote_is_the_same_quote(made: Quote) -> None:
    thawed = Quote.from_dict(made.to_dict())
    assert thawed == made
    assert thawed.expected_micros == made.expected_micros
    assert thawed.to_dict() == made.to_dict()


@given(quotes, st.integers(1, 10**6))
def test_what_was_delivered_never_costs_more_than_the_quote(made: Quote, outputs: int) -> None:
    delivered = made.delivered(outputs, {})
    assert delivered.expected_micros <= made.expected_micros
    for line, before in zip(delivered.lines, made.lines, strict=True):
        assert line.quantity == (min(before.quantity, outputs) if line.meter == "outputs" else before.quantity)


@pytest.mark.parametrize(("model", "field"), [("nano-banana", "num_images"), ("openai/gpt-image-2", "n")])
def test_some_of_the_outputs_cost_what_they_would_have_alone(model: str, field: str) -> None:
    most = 4
    for number in range(1, most + 1):
        delivered = quote(model, **{field: most}).delivered(number, {})
        assert delivered.expected_micros == quote(model, **{field: number}).expected_micros
    assert quote(model, **{field: 2}).delivered(9, {}).expected_micros == quote(model, **{field: 2}).expected_micros


def test_a_video_is_billed_by_its_seconds_however_many_files_came() -> None:
    priced = quote("kuaishou/kling-v3-i2v", duration=8)
    assert priced.delivered(3, {}) == priced


@given(quotes)
def test_a_bill_drawn_from_a_quote_verifies_offline(made: Quote) -> None:
    # `museway.records` shares no code with the gateway.
    assert records.verify([bill(made)]) == []


@settings(max_examples=25)
@given(quotes, st.integers(1, 5))
def test_a_bill_for_a_part_verifies_too_and_a_changed_amount_does_not(made: Quote, outputs: int) -> None:
    record = bill(made, outputs)
    assert records.verify([record]) == []
    forged = record | {"amount_micros": record["amount_micros"] + 1}
    forged["digest"] = digest(forged)
    assert {difference.field for difference in records.verify([forged])} >= {"amount_micros"}


@pytest.mark.parametrize(("model", "inputs", "micros"), PRICES)
def test_the_bill_of_every_registered_price_verifies(model: str, inputs: dict[str, Any], micros: int) -> None:
    record = bill(quote(model, **inputs), outputs=10)
    assert record["amount_micros"] == micros
    assert records.verify([record]) == []


def bill(made: Quote, outputs: int = 10**6) -> dict[str, Any]:
    """The BillingRecord of a generation that froze this quote and delivered so many outputs."""
    generation = SimpleNamespace(
        generation_id="gen_1", project_id="demo", key_id="key", session_id=None, model="model",
        held_micros=made.maximum_micros,
    )  # fmt: skip
    offers = [{"offer_id": "model@fal", "provider": "fal", "cost_basis": "list"}]
    order = SimpleNamespace(quote=made.to_dict(), offers=offers, fx=None)
    attempt = SimpleNamespace(
        offer_id="model@fal", usage=None, outputs=range(outputs), cost_usd=None, own_key_of=None, model=None
    )
    return billing_record(generation, order, attempt, NOW)


# Terms.


@pytest.mark.parametrize(
    ("plan", "micros"),
    [
        (Terms(), 672_000),
        (Terms(margin_bps=1_500), 772_800),
        (Terms(margin_bps=1), 672_067),  # 672,067.2
        (Terms(platform_fee_bps=500), 672_000),  # the fee is for calls under one's own provider key
        (Terms(platform_fee_bps=500, byok=True), 33_600),
        (Terms(margin_bps=1_500, platform_fee_bps=500, byok=True), 33_600),
        (Terms(byok=True), 0),
    ],
)
def test_terms(plan: Terms, micros: int) -> None:
    priced = quote("kuaishou/kling-v3-i2v", plan, duration=8)
    assert priced.expected_micros == micros
    assert priced.subtotal_usd == Decimal("0.672")


@given(rates, terms, terms)
def test_a_higher_margin_or_fee_never_costs_less(usd: Decimal, one: Terms, other: Terms) -> None:
    low, high = sorted([one.margin_bps, other.margin_bps])
    assert Terms(low).amount_micros(usd) <= Terms(high).amount_micros(usd)
    low, high = sorted([one.platform_fee_bps, other.platform_fee_bps])
    assert Terms(0, low, True).amount_micros(usd) <= Terms(0, high, True).amount_micros(usd)


# Books, rows, meters.


def test_the_book_in_force_is_the_latest_that_has_started() -> None:
    old = book(component(1), version="old", start=datetime(2026, 1, 1, tzinfo=UTC))
    new = book(component(2), version="new", start=datetime(2026, 12, 1, tzinfo=UTC))
    start = new.effective_from
    for books in ([old, new], [new, old]):
        assert pricing.book_at(books, start - timedelta(microseconds=1)).version == "old"
        assert pricing.book_at(books, start).version == "new"
        assert pricing.quote(books, METERS, {"seconds": 3}, NOW, Terms()).expected_micros == 3_000_000
        later = pricing.quote(books, METERS, {"seconds": 3}, start, Terms())
        assert (later.expected_micros, later.price_book_version) == (6_000_000, "new")


def test_before_the_first_book_there_is_no_price() -> None:
    with pytest.raises(PricingError, match="no price book"):
        pricing.quote([book(component(1))], METERS, {"seconds": 1}, datetime(2025, 12, 31, tzinfo=UTC), Terms())


def test_the_first_row_that_matches_is_the_row() -> None:
    rows = (Row("b", {"a": 2}, ()), Row("first", {"a": [1, 2]}, ()), Row("second", {"a": 1}, ()))
    table = PriceBook("v", NOW, rows)
    assert [pricing.matching_row(table, {"a": value}).row_id for value in (1, 2)] == ["first", "b"]
    with pytest.raises(PricingError, match="no price row"):
        pricing.matching_row(table, {"a": 3})


@pytest.mark.parametrize("given_inputs", [{}, {"seconds": None}, {"seconds": True}])
def test_a_quantity_that_is_missing_is_never_guessed(given_inputs: dict[str, Any]) -> None:
    with pytest.raises(PricingError, match="'seconds'"):
        pricing.quote([book(component(1))], METERS, given_inputs, NOW, Terms())


@pytest.mark.parametrize(
    ("options", "seconds", "billed"),
    [
        ({}, 7, 7),
        ({"round_up_to": Decimal(60)}, 0, 0),
        ({"round_up_to": Decimal(60)}, 1, 60),
        ({"round_up_to": Decimal(60)}, 60, 60),
        ({"round_up_to": Decimal(60)}, 61, 120),
        ({"minimum": Decimal(10)}, 7, 10),
        ({"minimum": Decimal(10)}, 11, 11),
        ({"minimum": Decimal(10), "round_up_to": Decimal(4)}, 7, 12),
    ],
)
def test_minimum_and_rounding_of_quantities(options: dict[str, Any], seconds: int, billed: int) -> None:
    (line,) = pricing.quote([book(component(1, **options))], METERS, {"seconds": seconds}, NOW, Terms()).lines
    assert line.quantity == billed


def test_inputs_read_are_those_of_all_books_and_meters() -> None:
    later = PriceBook("v2", NOW, (Row("r", {"resolution": "4K"}, (component(1, "characters"),)),))
    assert pricing.inputs_read([book(component(1)), later], METERS) == {"seconds", "resolution", "text"}


def test_every_model_is_priced_at_its_defaults() -> None:
    for model_id, model in SNAPSHOT.models.items():
        if model.measures or any(item.type == "objects" and item.required for item in model.limits.inputs.values()):
            continue  # what is priced by its source media or shots has no price without them
        needed = {name: "x" for name, item in model.limits.inputs.items() if item.required and item.type == "text"}
        assert quote(model_id, **needed).expected_micros > 0
