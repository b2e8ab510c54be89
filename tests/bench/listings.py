"""`GET /v1/models` and `GET /v1/pricing`: processor time, size, and how often they ask the store."""

import gc
import gzip
from collections import Counter
from collections.abc import Callable
from functools import partial
from unittest.mock import patch

from gateway import catalog, catalog_views
from tests.bench.doors import called, published
from tests.bench.measuring import Figure, Section, cpu_ms, figure, in_rounds, most, size
from tests.bench.wire import Wire

PATHS = ("/v1/models", "/v1/pricing")
MINUTES = 10
ROUNDS = 20


class _Clock:
    """The catalog's clock, which moves when it is told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds


def section(wire: Wire) -> Section:
    """Both listings, whole and without filters."""
    figures: list[Figure] = []
    for path in PATHS:
        ask = partial(called, "pricing", "GET", path)
        body = ask().encode()
        over = f"{len(catalog.current().models)} models; x {ROUNDS}"
        packed_kib = len(gzip.compress(body, 6)) / 1024
        figures += [
            figure(f"`GET {path}`, first answer", "ms", [_first_ms(ask) for _ in range(ROUNDS)], over),
            figure(f"`GET {path}`, warm", "ms", in_rounds([ask], ROUNDS), over),
            size(f"`GET {path}`, body", "KiB", len(body) / 1024, f"all on one page; gzip makes {packed_kib:.0f} KiB"),
        ]
    return Section(
        "Listings",
        "Through the handler, with the snapshot in memory. The first answer of a version, or of a day, makes the views "
        "that later ones show; the rest of an answer is mostly writing JSON.",
        [*figures, *_reads(wire)],
    )


def _first_ms(ask: Callable[[], object]) -> float:
    catalog_views._Views.made_for = None
    gc.collect()
    return cpu_ms(ask)


def _reads(wire: Wire) -> list[Figure]:
    """Store reads of one cold container that is asked for both every second, by the catalog's own clock."""
    _, chunks = published()
    clock, seconds = _Clock(), MINUTES * 60
    with patch.object(catalog, "time", clock):
        catalog.forget()
        wire.calls.clear()
        for _ in range(seconds):
            for path in PATHS:
                called("pricing", "GET", path)
            clock.seconds += 1
        found = Counter(wire.calls)
    # The snapshot's age was told by another clock.
    catalog.forget()
    over = f"{seconds * len(PATHS)} requests over {MINUTES} minutes of one cold container"
    heads = found.pop("GetItem catalog HEAD")
    parts = found.pop("GetItem catalog VERSION")
    return [
        most("Listings: reads of the catalog's head", [heads], over, MINUTES),
        most("Listings: reads of the catalog's chunks", [parts], over, len(chunks)),
        most("Listings: other calls of AWS", [found.total()], over, 0),
    ]
