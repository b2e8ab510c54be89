"""Every statement of the seeds, row by row, against the catalog that ships. Nothing is fetched.

The day lies before the first sunset, so that models whose providers have since ended are held to theirs too.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway import pricing
from gateway.catalog import from_compiled
from gateway.catalog.snapshot import Model
from gateway.catalog.source import compile_catalog
from gateway.errors import GatewayError
from gateway.limits import requests
from gateway.limits.requests import Normalized
from gateway.limits.sources import Measured, checked
from tests.seeds import facts
from tests.seeds.answers import differences, ignored
from tests.seeds.facts import DEARER, FACTS, Dearer, Fact
from tests.seeds.rows import ROWS
from tests.seeds.settings import USES_RESOLUTION
from tests.seeds.table import FILES, MEDIA, MOVED, PICTURE, SIMPLEST, Accepted, Price, Refusal, Row, url

DAY = datetime(2026, 6, 1, tzinfo=UTC)
SNAPSHOT = from_compiled("shipped", compile_catalog())


@dataclass(frozen=True)
class Taken:
    """A request within limits, with its price."""

    normalized: Normalized
    quote: pricing.Quote


def measured(model: Model, normalized: Normalized) -> Measured:
    """What looking at the media would find."""
    return checked(model.limits, [(one, FILES[one.url.removeprefix(MEDIA)]) for one in normalized.media])


def take(model_id: str, request: Mapping[str, Any], *, is_native: bool) -> Taken:
    model = SNAPSHOT.model(model_id)
    if is_native:
        normalized = requests.from_native(model.limits, request, model.inputs_priced)
    else:
        normalized = requests.from_typed(model.limits, request)
    seconds = measured(model, normalized)
    return Taken(normalized, model.quote(normalized.inputs, DAY, pricing.Terms(), seconds))


def named(row: Row) -> str:
    return row.id


@pytest.mark.parametrize("row", ROWS, ids=named)
def test_a_statement_of_the_seeds(row: Row) -> None:
    if isinstance(row.expect, Refusal):
        with pytest.raises(GatewayError) as caught:
            take(row.model, row.request, is_native=row.door == "native")
        assert differences(row.expect, caught.value.status, caught.value.body()) == [], row.source
        return
    taken = take(row.model, row.request, is_native=row.door == "native")
    if isinstance(row.expect, Price):
        assert taken.quote.expected_micros == taken.quote.maximum_micros == row.expect.micros, row.source
        assert bool(taken.quote.assumptions) is row.expect.assumed
        assert row.expect.row in {None, taken.quote.lines[0].row_id}
    else:
        assert {name: taken.normalized.inputs.get(name) for name in row.expect.inputs} == row.expect.inputs
        assert taken.quote.expected_micros > 0
    if row.door == "typed":
        expected = row.expect.ignored if isinstance(row.expect, Accepted) else ()
        assert ignored(row.request, taken.normalized.warnings) == {*expected}, row.source


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.model)
def test_a_model_is_what_the_seed_says(fact: Fact) -> None:
    model = SNAPSHOT.model(fact.model)
    names = {name for own in model.limits.inputs for name in model.limits.names_of(own)}
    assert model.kind == fact.kind
    assert model.video_audio == fact.video_audio
    assert ("sound" in names) is fact.supports_sound
    assert model.estimated_time_seconds > 0
    if fact.input_media_types is not None:
        assert {source.kind for source in model.limits.sources} == fact.input_media_types
    if fact.generation_types is not None:
        assert {*model.limits.generation_types} == fact.generation_types


@pytest.mark.parametrize("pair", DEARER, ids=lambda pair: pair.id)
def test_one_costs_more_than_the_other(pair: Dearer) -> None:
    dearer = take(pair.model, pair.inputs, is_native=True).quote
    cheaper = take(pair.cheaper_model, pair.cheaper_inputs, is_native=True).quote
    assert dearer.expected_micros > cheaper.expected_micros, pair.source


@pytest.mark.parametrize("model_id", facts.PER_SECOND)
def test_motion_control_is_billed_by_the_second(model_id: str) -> None:
    moves = [{**MOVED, "source_media_urls": [PICTURE, url(clip)]} for clip in ("clip-4s.mp4", "clip-6s.mp4")]
    four, six = (take(model_id, request, is_native=False).quote.expected_micros for request in moves)
    assert six * 4 == four * 6


def test_a_reference_video_triggers_the_with_reference_rate() -> None:
    without = take(facts.REFERENCE_SLUG, facts.REFERENCE_INPUTS, is_native=True).quote
    with_video = take(facts.REFERENCE_SLUG, facts.REFERENCE_INPUTS | facts.REFERENCE_VIDEO, is_native=True).quote
    assert without.lines[0].row_id != with_video.lines[0].row_id
    assert without.lines[0].rate != with_video.lines[0].rate


@pytest.mark.parametrize("model_id", USES_RESOLUTION)
def test_every_tier_is_a_price_of_its_own(model_id: str) -> None:
    wide = {**SIMPLEST[model_id], "aspect_ratio": "16:9"}
    tiers = USES_RESOLUTION[model_id]
    lines = [take(model_id, wide | {"resolution": tier}, is_native=False).quote.lines[0] for tier in tiers]
    assert len({line.row_id for line in lines}) == len(tiers)
    assert [line.rate for line in lines] == sorted(line.rate for line in lines)


def test_every_row_is_told_apart() -> None:
    assert [row_id for row_id, times in Counter(row.id for row in ROWS).items() if times > 1] == []


def test_every_id_has_its_facts() -> None:
    assert {fact.model for fact in FACTS} == {*SIMPLEST}
