"""Write units of a submit and of a settle, counted from the writes that they really make.

Nothing here knows how items are laid out: every write of DynamoDB is seen as botocore has serialized it, with the
items that it names as they were before and are after it.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache, partial
from typing import Any
from unittest.mock import patch

import httpx
from botocore.client import BaseClient

from gateway import catalog, ledger, transport
from gateway.errors import GatewayError
from gateway.pricing import OUTPUTS
from infra.sandbox.render.audio import SpeechOrder
from infra.sandbox.render.image import ImageOrder
from infra.sandbox.render.media import Order
from infra.sandbox.render.video import VideoOrder
from tests.bench.measuring import Figure, Section, most, percentile
from tests.capacity import Item, Meter, Write
from tests.integration.world import COMPILED, PROJECT, Clock, World, files, world
from tests.samples import PROMPT, Sample, sample_requests

SUBMIT_BUDGET = 10
SETTLE_BUDGET = 12
SUBMIT, SETTLE = "submission", "settle"
PROMPT_CHARACTERS = 1_000
_LETTERS = random.Random(PROMPT)
_WORDS = ("".join(_LETTERS.choices("etaoinshrdlucmfwyp", k=_LETTERS.randint(2, 9))) for _ in range(PROMPT_CHARACTERS))
_LONG_PROMPT = " ".join(_WORDS)[:PROMPT_CHARACTERS]
"""Words of no language: they compress no better than anybody's."""
PER_WORLD = 6
"""moto copies whole tables at each transaction: a world is left before its tables grow."""
EXTENSIONS = {"image": "png", "video": "mp4", "audio": "mp3", "text": "txt"}
SOURCES: Mapping[str, Order] = {
    "fox.jpg": ImageOrder("a fox", 640, 640, "jpeg", 0),
    "fox.mp4": VideoOrder("a fox", 640, 360, 3.0, audio=True),
    "fox.mp3": SpeechOrder("A fox, a fox, a fox and one more.", "alloy", "mp3"),
}
URLS = {
    "image": "http://files.test/fox.jpg",
    "video": "http://files.test/fox.mp4",
    "audio": "http://files.test/fox.mp3",
}

Runs = list[list[Write]]
"""The writes of each request."""


def section() -> Section:
    """What submits, settles and whole generations write: of the tables themselves, and of their indexes."""
    snapshot, now = catalog.from_compiled("bench", COMPILED), Clock().now()
    served = [model for model in snapshot.models.values() if model.live_offers(now)]
    typed, native = (
        [one for model in served for one in sample_requests(model, URLS, is_native=is_native)]
        for is_native in (False, True)
    )
    several = [(more, count) for one in typed for more, count in _with_several_outputs(one)]
    runs = _runs([partial(_generated, sample, 1) for sample in typed])
    runs_of_several = _runs([partial(_generated, sample, count) for sample, count in several])
    submits = runs + _runs([partial(_submitted, sample) for sample in native])
    firsts = {one.model.model_id: one for one in reversed(typed)}.values()
    long = _runs([partial(_submitted, more) for one in firsts for more in _with_a_long_prompt(one)])
    return Section(
        "Write units of DynamoDB",
        "Every sample request of every model that is served (tests/samples.py), through the real handlers over moto; "
        "each write as botocore has serialized it, with its items as they were before and are after. tests/capacity.py "
        "says what a write costs: by the larger of the two, and twice in a transaction; indexes are written behind the "
        "table, and cost units of their own. Typed requests run to the end, with the webhook; native ones are "
        "submitted. Several outputs are as many as the model makes.",
        [
            *_figures("Submit", submits, SUBMIT, SUBMIT_BUDGET),
            *_figures(f"Submit, prompt of {PROMPT_CHARACTERS:,} characters", long, SUBMIT),
            *_figures("Settle", runs, SETTLE, SETTLE_BUDGET),
            *_figures("Settle, several outputs", runs_of_several, SETTLE, SETTLE_BUDGET),
            *_figures("Whole generation", runs),
            *_figures("Whole generation, several outputs", runs_of_several),
        ],
        _by_item(runs),
    )


def _figures(what: str, runs: Runs, step: str | None = None, budget: int | None = None) -> Iterator[Figure]:
    """Of a step: its transaction, what it writes beside it, and the indexes. Of no step: of all together."""
    over = f"{len(runs)} requests"
    found = [[write for write in run if step in {None, write.step}] for run in runs]
    if step is None:
        yield most(f"{what}: write units", [_units(run) for run in found], over)
    else:
        together, alone = (
            [_units(write for write in run if write.is_transactional == one) for run in found] for one in (True, False)
        )
        if not all(together):
            raise RuntimeError(f"{what}: a request has no transaction in '{step}'")
        yield most(f"{what}: write units of the transaction", together, over, budget)
        if any(alone):
            yield most(f"{what}: write units beside it", alone, over)
    yield most(f"{what}: write units of indexes", [_index_units(run) for run in found], over)


def _units(writes: Iterable[Write]) -> int:
    return sum(write.units for write in writes)


def _index_units(writes: Iterable[Write]) -> int:
    return sum(write.index_units for write in writes)


def _by_item(runs: Runs) -> str:
    """Medians for each kind of item."""
    rows = []
    for item in sorted({write.item for run in runs for write in run}):
        cells = []
        for step in (SUBMIT, SETTLE, None):
            found = [[write for write in run if write.item == item and step in {None, write.step}] for run in runs]
            units, behind = (percentile(map(count, found), 50) for count in (_units, _index_units))
            cells.append(f"{units} + {behind}" if units else "")
        rows.append(f"| {item} | {' | '.join(cells)} |")
    head = "| item | submit | settle | whole generation |\n|---|--:|--:|--:|"
    return f"Medians by item, of the table + of its indexes:\n\n{head}\n" + "\n".join(rows)


def _with_several_outputs(sample: Sample) -> Iterator[tuple[Sample, int]]:
    """The request for as many outputs as the model makes, and how many those are; none when it makes one."""
    meter = sample.model.meters.get(OUTPUTS)
    if meter is not None and meter.input is not None:
        count = int(sample.model.limits.inputs[meter.input].maximum or 1)
        yield replace(sample, fields={**sample.fields, meter.input: count}), count


def _with_a_long_prompt(sample: Sample) -> Iterator[Sample]:
    """The request with a long prompt; none when the model takes none so long."""
    longer = replace(sample, fields={**sample.fields, "prompt": _LONG_PROMPT})
    with suppress(GatewayError):
        longer.normalized  # noqa: B018 - it refuses what the model does not take
        yield longer


def _runs(acts: Sequence[Callable[[World, Meter], object]]) -> Runs:
    """The writes of each act, in worlds that are left before they grow."""
    found = []
    for start in range(0, len(acts), PER_WORLD):
        with _metered() as (museway, meter):
            for act in acts[start : start + PER_WORLD]:
                meter.writes.clear()
                act(museway, meter)
                found.append(list(meter.writes))
    return found


@contextmanager
def _metered() -> Iterator[tuple[World, Meter]]:
    """A world with credits and source media, whose writes are counted."""
    with world() as museway:
        ledger.grant(PROJECT, 10**12, "bench")

        def read(table: str, key: Item) -> Item | None:
            found: Item | None = museway.dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")
            return found

        meter, send, call = Meter(read), BaseClient._make_request, museway.machine.call

        def make_request(client: Any, model: Any, request: Mapping[str, Any], context: Any) -> Any:
            if client.meta.service_model.service_name != "dynamodb":
                return send(client, model, request, context)
            return meter.passes(model.name, request["body"], lambda: send(client, model, request, context))

        def call_metered(function: str, event: dict[str, Any]) -> Any:
            with meter.during(function):
                return call(function, event)

        museway.machine.call = call_metered
        with patch.object(BaseClient, "_make_request", make_request), transport.use(httpx.MockTransport(_served)):
            yield museway, meter


def _served(request: httpx.Request) -> httpx.Response:
    name = request.url.path.strip("/")
    return files(request) if name not in SOURCES else httpx.Response(200, content=_source(name))


@cache
def _source(name: str) -> bytes:
    return SOURCES[name].render().content


def _submitted(sample: Sample, museway: World, meter: Meter) -> str:
    path = "/v1/media/generate" if sample.is_native else "/v1/generate/media"
    with meter.during(SUBMIT):
        status, answer, _ = museway.request("POST", path, sample.body)
    if status != 202:
        raise RuntimeError(f"{sample}: {answer}")
    return str(answer["generation_id"])


def _generated(sample: Sample, outputs: int, museway: World, meter: Meter) -> None:
    museway.provider.extension = EXTENSIONS[sample.model.kind]
    museway.provider.outputs = outputs
    generation_id = _submitted(sample, museway, meter)
    museway.settle_down()
    shown = museway.generation(generation_id)
    if shown["status"] != "completed" or len(shown["outputs"]) != outputs:
        raise RuntimeError(f"{sample}: {shown}")
