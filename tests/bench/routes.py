"""What a request costs before anything is stored: model, limits, offers, rendered body, price."""

import gc
import itertools
import json
import os
import random
import sys
import tempfile
import tracemalloc
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from gateway import catalog, ids, pricing, templates
from gateway.errors import UnknownModel
from tests.bench.doors import published
from tests.bench.measuring import Figure, Section, child_ms, figure, in_rounds, size
from tests.samples import Sample, normalized, sample_requests

QUOTE_BUDGET_MS = 0.2
ROUTE_BUDGET_MS = 5.0
OFFERS = 10_000
ROUNDS = 20
COLD_STARTS = 15
TERMS = pricing.Terms(margin_bps=500)
_SEED = 7
_UNKNOWN = "kuaishou/kling-v3-image-to-videos"


def section(compiled: Mapping[str, Any]) -> Section:
    """Cold load, quote and route over the catalog that is published, then over one of 10,000 offers."""
    _, chunks = published()
    snapshot = catalog.current()
    shipped = samples_of(snapshot)
    covered = f"{len(snapshot.models)} models, {sum(len(model.offers) for model in snapshot.models.values())} offers"
    many = catalog.from_compiled("many", _multiplied(compiled))
    offers = sum(len(model.offers) for model in many.models.values())
    copies = _copied(shipped, many)
    return Section(
        "A request, before anything is stored",
        "Over the sample requests of every model that is served (tests/samples.py), through both doors, in random "
        "order. A route is all of: find the model and its living offers, hold the request to the limits, choose each "
        "offer's endpoint and render its body, quote. The large catalog has the real models many times under other ids "
        "and is asked for one copy of each request's model.",
        [
            *_loading(chunks, covered),
            *_requests(snapshot, shipped, "", covered),
            *_requests(many, copies, ", large catalog", f"{len(many.models)} models, {offers} offers"),
        ],
    )


def samples_of(snapshot: catalog.Snapshot) -> list[Sample]:
    """The sample requests of every model that is served today."""
    served = [model for model in snapshot.models.values() if model.live_offers(ids.now())]
    return [
        sample for model in served for native in (False, True) for sample in sample_requests(model, is_native=native)
    ]


def route(snapshot: catalog.Snapshot, sample: Sample, now: datetime) -> None:
    """Everything that a submit decides, without the store."""
    model = snapshot.model(sample.model.model_id)
    inputs = normalized(model, sample.fields, is_native=sample.is_native).inputs
    for offer in model.live_offers(now):
        offer.endpoint(inputs)
        templates.render(offer.request, inputs)
    model.quote(inputs, now, TERMS)


def _loading(chunks: list[str], covered: str) -> list[Figure]:
    """Of the function that submits, in processes of their own: nothing is warm, as in a cold start."""
    folders = os.pathsep.join(path for path in sys.path if path)
    environment = {**os.environ, "PYTHONPATH": folders}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "chunks.json"
        path.write_text(json.dumps(chunks))
        statements = (
            "import json, functions.submission.handler",
            "from gateway import catalog",
            f"chunks = json.load(open({str(path)!r}))",
            "t = time.process_time_ns()",
            "catalog.load('cold', chunks)",
        )
        found = [child_ms("\n".join(statements), environment) for _ in range(COLD_STARTS + 1)][1:]
    text_kib = sum(map(len, chunks)) / 1024
    kept_mib = _kept_mib(lambda: catalog.load("v", chunks))
    return [
        figure("Load a snapshot from its chunks, cold", "ms", found, f"{covered}; {COLD_STARTS} processes"),
        size("Published chunks", "KiB", text_kib, f"{len(chunks)} item(s) of at most {catalog.CHUNK_BYTES} bytes"),
        size("Memory that a snapshot keeps", "MiB", kept_mib, covered),
    ]


def _requests(snapshot: catalog.Snapshot, samples: list[Sample], which: str, covered: str) -> list[Figure]:
    now = ids.now()
    quotes: list[Callable[[], object]] = [
        partial(snapshot.model(sample.model.model_id).quote, sample.normalized.inputs, now, TERMS) for sample in samples
    ]
    routes: list[Callable[[], object]] = [partial(route, snapshot, sample, now) for sample in samples]
    shuffled = random.Random(_SEED)
    shuffled.shuffle(quotes)
    shuffled.shuffle(routes)
    over = f"{covered}; {len(samples)} requests x {ROUNDS}"
    unknown = in_rounds([partial(_refused, snapshot)], ROUNDS)
    return [
        figure(f"Quote of one call{which}", "ms", in_rounds(quotes, ROUNDS), over, QUOTE_BUDGET_MS),
        figure(f"Route of one request{which}", "ms", in_rounds(routes, ROUNDS), over, ROUTE_BUDGET_MS),
        figure(f"Refusal of an unknown id with the nearest ones{which}", "ms", unknown, f"{covered}; x {ROUNDS}"),
    ]


def _refused(snapshot: catalog.Snapshot) -> None:
    try:
        snapshot.model(_UNKNOWN)
    except UnknownModel:
        return
    raise RuntimeError(f"{_UNKNOWN} is known")


def _kept_mib(make: Callable[[], object]) -> float:
    gc.collect()
    tracemalloc.start()
    try:
        made = make()
        kept, _ = tracemalloc.get_traced_memory()
        del made
    finally:
        tracemalloc.stop()
    return kept / 2**20


def _multiplied(compiled: Mapping[str, Any]) -> dict[str, Any]:
    """The catalog's models again and again under other ids, until there are enough offers."""
    models: list[dict[str, Any]] = []
    offers = 0
    for number, model in ((n, model) for n in itertools.count() for model in compiled["models"]):
        if offers >= OFFERS:
            break
        models.append({**model, "id": f"{model['id']}-{number}"})
        offers += len(model["offers"])
    return {"models": models, "families": {}}


def _copied(samples: list[Sample], many: catalog.Snapshot) -> list[Sample]:
    """Each sample for one of the copies of its model, by chance."""
    chance = random.Random(_SEED)
    copies: dict[str, list[str]] = {}
    for model_id in many.models:
        copies.setdefault(model_id.rpartition("-")[0], []).append(model_id)
    return [
        Sample(many.model(chance.choice(copies[one.model.model_id])), one.generation_type, one.is_native, one.fields)
        for one in samples
    ]
