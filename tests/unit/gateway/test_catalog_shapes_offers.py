"""Offers and their requests as a person writes them."""

import pytest

from tests.unit.gateway.faults import faults
from tests.unit.gateway.fox import OFFER, Changed, setting


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (setting(*OFFER, "endpoints", 0, "when", to={"tier": "low"}), "last endpoint must be unconditional"),
        (setting(*OFFER, "endpoints", to=[]), "endpoints"),
        (setting(*OFFER, "deadline_seconds", to=0), "deadline_seconds"),
        (setting(*OFFER, "typical_seconds", to=1.5), "typical_seconds"),
        (setting(*OFFER, "sunset_at", to="soon"), "sunset_at"),
        (setting(*OFFER, "source", to=""), "source"),
        (setting(*OFFER, "price", to=1), "price: Extra inputs are not permitted"),
        (setting(*OFFER, "when", to={"tierr": "low"}), "'tierr' is used but is not one of the inputs"),
        (setting(*OFFER, "request", to={"drop": ["tierr"]}), "'tierr' is used but is not one of the inputs"),
        (setting(*OFFER, "request", to={"rename": {"tierr": "x"}}), "'tierr' is used"),
        (setting(*OFFER, "request", to={"text": {"second": "{}"}}), "'second' is used"),
        (setting(*OFFER, "request", to={"words": {"tierr": {"low": "l"}}}), "'tierr' is used"),
        (setting(*OFFER, "request", to={"spread": {"imgs": ["a"]}}), "'imgs' is used"),
        (setting(*OFFER, "request", to={"cases": [{"when": {}, "spread": {"imgs": ["a"]}}]}), "'imgs' is used"),
    ],
)
def test_a_fault_is_named(change: Changed, fault: str) -> None:
    found = faults(change)
    assert any(fault in line for line in found), found
