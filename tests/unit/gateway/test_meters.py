"""Meters one by one: what each reads, what it assumes, and what becomes of it in a quote and a bill."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from gateway import pricing
from gateway.money import exact
from gateway.pricing import Component, Line, Meter, PriceBook, PricingError, Quote, Row, Terms
from gateway.pricing.meters import Measured, Reading

NOW = datetime(2026, 11, 21, tzinfo=UTC)
URL = "https://example.com/fox.mp4"


def read(meter: Meter, inputs: Mapping[str, Any], measured: Measured | None = None, **others: Meter) -> Decimal:
    """What one meter reads, among others that it may be made of."""
    return Reading({"it": meter, **others}, inputs, measured or {}).quantity("it")


def assumed(meter: Meter, inputs: Mapping[str, Any], measured: Measured | None = None, **others: Meter) -> list[str]:
    return list(Reading({"it": meter, **others}, inputs, measured or {}).assumptions("it"))


def number(text: str) -> Decimal:
    return Decimal(text)


def test_a_meter_of_nothing_is_its_constant() -> None:
    assert read(Meter(), {}) == 1
    assert read(Meter(constant=number("8")), {}) == 8
    assert read(Meter(constant=number("0")), {}) == 0


@pytest.mark.parametrize(("value", "quantity"), [(5, "5"), (2.5, "2.5"), (0.1, "0.1"), ("7", "7"), (0, "0")])
def test_a_number_is_its_value(value: Any, quantity: str) -> None:
    assert read(Meter(input="duration"), {"duration": value}) == number(quantity)


@pytest.mark.parametrize("inputs", [{}, {"duration": None}, {"duration": True}, {"duration": [5]}, {"duration": {}}])
def test_a_number_that_is_none_is_never_guessed(inputs: dict[str, Any]) -> None:
    with pytest.raises(PricingError, match="'duration'"):
        read(Meter(input="duration"), inputs)


def test_times_and_divided_by() -> None:
    scaled = Meter(input="tokens", multiply_by=number("3"), divide_by=number("1000000"))
    assert read(scaled, {"tokens": 7}) == number("0.000021")


def test_a_word_stands_for_its_value() -> None:
    tiers = Meter(input="tier", values={"small": number("0.5"), "large": number("2"), "none": number("0")})
    assert [read(tiers, {"tier": word}) for word in ("small", "large", "none")] == [number("0.5"), 2, 0]
    numbers = Meter(input="steps", values={"4": number("1"), "8": number("2")})
    assert read(numbers, {"steps": 8}) == 2
    for inputs in ({"tier": "huge"}, {"tier": None}, {}):
        with pytest.raises(PricingError, match="'tier'"):
            read(tiers, inputs)


@pytest.mark.parametrize(
    ("text", "characters", "octets"),
    [("", 0, 0), ("fox", 3, 3), ("狐", 1, 3), ("🦊", 1, 4), ("é", 1, 2), ("e\u0301", 2, 3), (" \n", 2, 2)],
)
def test_characters_and_bytes_of_a_text(text: str, characters: int, octets: int) -> None:
    """A byte-wise tokenizer makes at most as many tokens as there are bytes."""
    assert read(Meter(length_of="text"), {"text": text}) == characters
    assert read(Meter(bytes_of="text"), {"text": text}) == octets


def test_a_text_that_is_absent_counts_nothing_and_a_broken_one_counts() -> None:
    for inputs in ({}, {"text": None}):
        assert read(Meter(length_of="text"), inputs) == read(Meter(bytes_of="text"), inputs) == 0
    assert read(Meter(bytes_of="text"), {"text": "\ud800x"}) >= 2


@pytest.mark.parametrize(("value", "count"), [(None, 0), ([], 0), ("", 0), (URL, 1), ([URL] * 3, 3), ([{}, {}], 2)])
def test_entries_of_a_list(value: Any, count: int) -> None:
    assert read(Meter(count_of="urls"), {"urls": value}) == count


def test_the_total_of_a_field() -> None:
    meter = Meter(total_of=("shots", "duration"))
    assert read(meter, {"shots": [{"duration": 5}, {"duration": 2.5}, {"duration": 7, "prompt": "x"}]}) == number(
        "14.5"
    )
    assert read(meter, {}) == read(meter, {"shots": []}) == 0
    with pytest.raises(PricingError, match="'duration'"):
        read(meter, {"shots": [{"duration": 5}, {}]})


SIZE = Meter(pixels_of="size", values={"square": number("1048576"), "wide": number("589824")})


def test_pixels_of_a_preset_and_of_a_size_of_ones_own() -> None:
    assert read(SIZE, {"size": "square"}) == 1_048_576
    assert read(SIZE, {"size": {"width": 1000, "height": 700}}) == 700_000
    mega = Meter(pixels_of="size", values=SIZE.values, divide_by=number("1048576"))
    assert read(mega, {"size": "square"}) == 1
    assert read(mega, {"size": "wide"}) == number("0.5625")


@pytest.mark.parametrize("size", [None, "huge", {}, {"width": 5}, {"width": 5, "height": None}, [5, 5], 5])
def test_pixels_of_what_is_no_size(size: Any) -> None:
    with pytest.raises(PricingError, match="'size'"):
        read(SIZE, {"size": size})


CLIP = Meter(seconds_of="clips", seconds_max=number("30"))


@pytest.mark.parametrize(
    ("clips", "seconds", "quantity"),
    [
        (URL, ["3.2"], "3.2"),
        ([URL, URL], ["3.2", "0.05"], "3.25"),
        ([URL, URL], ["20", "20"], "30"),
        (None, [], "0"),
        ([], [], "0"),
    ],
)
def test_seconds_that_were_measured(clips: Any, seconds: list[str], quantity: str) -> None:
    measured = {"clips": [number(one) for one in seconds]}
    assert read(CLIP, {"clips": clips}, measured) == number(quantity)
    assert assumed(CLIP, {"clips": clips}, measured) == []


@pytest.mark.parametrize(
    ("clips", "measured"),
    [
        (URL, {}),
        (URL, {"clips": [None]}),
        ([URL, URL], {"clips": [Decimal(3), None]}),
        ([URL, URL], {"clips": [Decimal(3)]}),
        (URL, {"clips": [Decimal(3), Decimal(3)]}),
        (URL, {"others": [Decimal(3)]}),
    ],
)
def test_seconds_that_were_not_count_as_the_most(clips: Any, measured: Measured) -> None:
    assert read(CLIP, {"clips": clips}, measured) == 30
    [said] = assumed(CLIP, {"clips": clips}, measured)
    assert "'clips'" in said
    assert "30 s" in said


OTHERS = {"made": Meter(input="duration"), "given": CLIP, "few": Meter(constant=number("4"))}


def test_a_sum_and_the_greatest() -> None:
    inputs, measured = {"duration": 5, "clips": [URL]}, {"clips": [Decimal("2.5")]}
    both = Meter(sum_of=("made", "given"), multiply_by=number("2"))
    assert read(both, inputs, measured, **OTHERS) == 15
    most = Meter(greatest_of=("made", "given", "few"))
    assert read(most, inputs, measured, **OTHERS) == 5
    assert read(most, inputs | {"duration": 1}, measured, **OTHERS) == 4
    assert read(most, inputs, {}, **OTHERS) == 30


def test_what_a_sum_is_made_of_is_assumed_for_it_too() -> None:
    for made in (Meter(sum_of=("made", "given")), Meter(greatest_of=("given", "few"))):
        [said] = assumed(made, {"duration": 5, "clips": [URL]}, {}, **OTHERS)
        assert "'clips'" in said
        assert assumed(made, {"duration": 5, "clips": [URL]}, {"clips": [Decimal(3)]}, **OTHERS) == []


@pytest.mark.parametrize(
    ("meter", "inputs", "meters"),
    [
        (Meter(), set(), set()),
        (Meter(input="n"), {"n"}, set()),
        (Meter(length_of="text"), {"text"}, set()),
        (Meter(bytes_of="text"), {"text"}, set()),
        (Meter(count_of="urls"), {"urls"}, set()),
        (Meter(total_of=("shots", "duration")), {"shots"}, set()),
        (SIZE, {"size"}, set()),
        (CLIP, {"clips"}, set()),
        (Meter(sum_of=("a", "b")), set(), {"a", "b"}),
        (Meter(greatest_of=("a", "b")), set(), {"a", "b"}),
        (Meter(input="n", usage="output_tokens", maximum="most"), {"n"}, {"most"}),
    ],
)
def test_what_a_meter_depends_on(meter: Meter, inputs: set[str], meters: set[str]) -> None:
    assert set(meter.reads) == inputs
    assert set(meter.meters) == meters


# In a quote and its bill.

TOKENS = {
    "guess": Meter(length_of="prompt", divide_by=number("4")),
    "words": Meter(sum_of=("guess",), divide_by=number("1000000"), usage="input_tokens", maximum="words_max"),
    "words_max": Meter(bytes_of="prompt", divide_by=number("1000000")),
}


def quoted(meters: Mapping[str, Meter], inputs: Mapping[str, Any], *parts: Component) -> Quote:
    book = PriceBook("v1", datetime(2026, 1, 1, tzinfo=UTC), (Row("row", {}, parts),))
    return pricing.quote([book], meters, inputs, NOW, Terms())


def part(rate: str, meter: str, **options: Any) -> Component:
    return Component("call", Decimal(rate), meter, "image", **options)


def test_usage_is_expected_held_at_its_maximum_and_billed_as_told() -> None:
    made = quoted(TOKENS, {"prompt": "狐" * 400}, part("1000", "words"))
    assert (made.expected_micros, made.maximum_micros, made.is_fixed) == (100_000, 1_200_000, False)
    assert len(made.assumptions) == 1

    def billed(usage: Mapping[str, Any]) -> int:
        return made.delivered(1, usage).expected_micros

    assert billed({"input_tokens": 7}) == 7_000
    assert billed({"input_tokens": "7.5"}) == 7_500
    assert billed({"input_tokens": 0}) == 0
    assert billed({"input_tokens": 3000}) == 3_000_000, "as it was reported; whoever bills caps it by the hold"
    assert billed({"input_tokens": 10**30}) == billed({"input_tokens": 10**12}), "beyond any reason it is cut"
    assert billed({"input_tokens": -0.0}) == 0
    assert billed({"input_tokens": -5}) == 0
    assert made.delivered(1, {"input_tokens": "1e-60"}).lines[0].quantity == 0
    assert exact(made.delivered(1, {"input_tokens": "7." + "3" * 60}).lines[0].quantity) == "0.000007333333"
    assert billed({}) == 100_000, "without a report, as expected"
    assert billed({"output_tokens": 5}) == 0, "a report of other things says that there was none of this"


def test_an_expectation_stays_below_its_maximum() -> None:
    meters = TOKENS | {"guess": Meter(constant=number("10000000"))}
    made = quoted(meters, {"prompt": "a fox"}, part("1000", "words"))
    assert made.expected_micros == made.maximum_micros == 5_000


def test_each_output_is_rounded_and_those_that_do_not_come_are_not_billed() -> None:
    meters = {
        "megapixels": Meter(pixels_of="size", values=SIZE.values, divide_by=number("1048576")),
        "outputs": Meter(input="n"),
    }
    inputs = {"size": "wide", "n": 3}
    made = quoted(meters, inputs, part("0.01", "megapixels", per_output=True, round_up_to=Decimal(1)))
    [line] = made.lines
    assert line.quantity == 3
    assert line.each == 1
    assert made.expected_micros == 30_000
    assert made.is_fixed
    bills = [made.delivered(number_of, {}).expected_micros for number_of in (0, 1, 2, 3, 4)]
    assert bills == [0, 10_000, 20_000, 30_000, 30_000]
    whole = quoted(meters, inputs, part("0.01", "megapixels", round_up_to=Decimal(1)))
    assert whole.lines[0].quantity == 1
    assert whole.lines[0].each is None
    assert Line.from_dict(line.to_dict()) == line


def test_per_output_with_a_minimum_and_a_call_beside() -> None:
    meters = {"seconds": Meter(input="duration"), "outputs": Meter(input="n"), "calls": Meter()}
    parts = (part("0.10", "seconds", per_output=True, minimum=Decimal(4)), part("0.5", "calls"))
    made = quoted(meters, {"duration": 2, "n": 2}, *parts)
    assert made.expected_micros == 2 * 400_000 + 500_000
    assert made.delivered(1, {}).expected_micros == 400_000 + 500_000


def test_what_a_price_reads_is_named_and_texts_and_media_are_not_quoted() -> None:
    meters = {"characters": Meter(length_of="prompt"), "images": Meter(count_of="images"), "clip": CLIP}
    book = PriceBook(
        "v1",
        datetime(2026, 1, 1, tzinfo=UTC),
        (Row("row", {"tier": "2K"}, (part("1", "characters"), part("1", "images"), part("1", "clip"))),),
    )
    inputs = {"prompt": "secret", "images": [URL, URL], "clips": URL, "tier": "2K", "seed": 7}
    made = pricing.quote([book], meters, inputs, NOW, Terms(), {"clips": [Decimal("2.50")]})
    assert made.inputs_priced == {
        "prompt": 6,
        "images": {"count": 2},
        "clips": {"count": 1, "seconds": ["2.5"]},
        "tier": "2K",
    }
