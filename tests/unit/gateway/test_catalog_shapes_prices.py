"""Rates, rows, books and meters as a person writes them."""

import pytest

from tests.unit.gateway.faults import faults
from tests.unit.gateway.fox import ROW, Changed, compiled, setting


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (setting(*ROW, "rate", to=0.1), "rate: Input should be a valid string"),
        (setting(*ROW, "rate", to="0.1e3"), "rate: String should match"),
        (setting(*ROW, "rate", to="-0.1"), "rate: String should match"),
        (setting(*ROW, "rate", to=".1"), "rate: String should match"),
        (setting(*ROW, "unit", to="minute"), "unit 'minute' is not one of"),
        (setting(*ROW, "round_up_to", to=0), "round_up_to"),
        (setting(*ROW, "minimum", to=-1), "minimum"),
        (setting(*ROW, "ratte", to="0.1"), "ratte: Extra inputs are not permitted"),
        (setting("price_books", 0, "effective_from", to="soon"), "effective_from"),
        (setting("price_books", 0, "source", to=""), "source"),
        (lambda model: model["price_books"][0]["rows"].append(model["price_books"][0]["rows"][0]), "same row_id"),
        (setting("meters", "seconds", to={"input": "second"}), "'second' is used"),
        (setting("meters", "chars", to={"length_of": "text"}), "'text' is used"),
        (setting("meters", "seconds", "divide_by", to=0), "divide_by"),
        (setting("meters", "seconds", "divide_by", to=60), "divided by 60 is no exact decimal"),
        (setting("meters", "chars", to={"length_of": "images"}), "needs a text with max_length in 'images'"),
        (setting("meters", "chars", to={"length_of": "style"}), "needs a text with max_length in 'style'"),
        (setting("meters", "n", to={"count_of": "prompt"}), "counts 'prompt', which is no list"),
        (setting("meters", "n", to={"seconds_of": "prompt", "seconds_max": 5}), "'prompt', which is no media"),
        (setting("meters", "n", to={"seconds_of": "images"}), "has a `seconds_max`"),
        (setting("meters", "n", to={"input": "seconds", "length_of": "prompt"}), "a meter reads one thing"),
        (setting("meters", "n", to={"usage": "output_tokens"}), "names the meter of its `maximum`"),
        (
            setting("meters", "n", to={"usage": "output_tokens", "maximum": "seconds", "multiply_by": 2}),
            "what the provider reports is only divided",
        ),
        (
            lambda model: (
                model["meters"].update(n={"usage": "output_tokens", "maximum": "seconds"}),
                model["price_books"][0]["rows"][0].update(meter="n", round_up_to=60),
            ),
            "rounds or counts per output what the provider reports",
        ),
        (setting("meters", "seconds", to={"input": "tier"}), "needs a number"),
        (setting("meters", "n", to={"input": "tier", "values": {"low": 1}}), "a value for each choice of 'tier'"),
        (setting("inputs", "seconds", to={"type": "integer", "maximum": 15, "default": 5}), "minimum >= 0 and maximum"),
        (setting("inputs", "seconds", "minimum", to=-1), "minimum >= 0 and maximum"),
        (setting("inputs", "seconds", "maximum", to=None), "minimum >= 0 and maximum"),
        (setting("inputs", "seconds", "default", to=None), "'seconds', which may be absent"),
    ],
)
def test_a_fault_is_named(change: Changed, fault: str) -> None:
    found = faults(change)
    assert any(fault in line for line in found), found


def test_a_surcharge_is_a_further_component() -> None:
    part = {"unit": "call", "rate": "0.01", "meter": "seconds", "modality": "audio"}
    (row,) = compiled(setting(*ROW, "surcharge", to=part))["models"][0]["price_books"][0]["rows"]
    assert [one["unit"] for one in row["components"]] == ["video_second", "call"]
