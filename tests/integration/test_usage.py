"""What a provider counted is kept on the attempt, exactly: a bill by tokens or seconds is made of it."""

import pytest

from gateway import tables
from tests.integration.world import World

TOLD = {"input_tokens": 50, "media_output_tokens": 4160, "compute_seconds": 12.4}
KEPT = {"input_tokens": 50, "media_output_tokens": 4160, "compute_seconds": "12.4"}


@pytest.mark.parametrize("script", ["deliver", "deliver_at_once", "lose_answer"])
def test_usage_is_kept_without_floats(museway: World, script: str) -> None:
    museway.provider.script, museway.provider.usage = script, TOLD
    generation_id = museway.generate()
    museway.settle_down()
    assert museway.generation(generation_id)["status"] == "completed"
    assert tables.Attempt.find(generation_id, 1).usage == KEPT


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        (0.1 + 0.2, "0.30000000000000004"),
        (1e-7, "0.0000001"),
        (3.0, "3"),
        ("12.40", "12.40"),
        (2**53 + 1, 2**53 + 1),
    ],
)
def test_numbers_are_as_they_were_told(museway: World, told: float | str, kept: int | str) -> None:
    museway.provider.usage = {"compute_seconds": told}
    generation_id = museway.generate()
    museway.settle_down()
    found = tables.Attempt.find(generation_id, 1).usage["compute_seconds"]
    assert (found, type(found)) == (kept, type(kept))


def test_without_a_word_there_is_nothing(museway: World) -> None:
    generation_id = museway.generate()
    museway.settle_down()
    assert tables.Attempt.find(generation_id, 1).usage == {}
