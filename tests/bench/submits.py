"""What a submit costs: processor time and calls of the store."""

import json
from collections.abc import Callable, Sequence
from functools import partial

from gateway import tables
from tests.bench.doors import PROJECT, called, numbers
from tests.bench.measuring import Figure, Section, figure, in_rounds, most
from tests.bench.wire import Wire
from tests.samples import Sample

CPU_BUDGET_MS = 5.0
READS_BUDGET = 2
ROUNDS = 20
DOORS = (("typed", "/v1/generate/media", False), ("native", "/v1/media/generate", True))


def section(wire: Wire, samples: Sequence[Sample]) -> Section:
    """Submits of requests without source media, through both doors."""
    tables.Project(f"PROJECT#{PROJECT}", "PROJECT", project_id=PROJECT, name="Bench", created_at="now").insert()
    figures: list[Figure] = []
    for door, path, is_native in DOORS:
        plain = [one for one in samples if one.is_native == is_native and not one.normalized.media]
        submits = [partial(_submit, path, json.dumps(one.body)) for one in plain]
        found = in_rounds(submits, ROUNDS)
        reads, transactions, others = zip(*(_calls(wire, one) for one in submits), strict=True)
        over = f"{len(plain)} requests"
        figures += [
            figure(f"Submit, {door}: processor time", "ms", found, f"{over} x {ROUNDS}", CPU_BUDGET_MS),
            most(f"Submit, {door}: transactions", transactions, over, 1),
            most(f"Submit, {door}: reads", reads, over, READS_BUDGET),
            most(f"Submit, {door}: other calls of AWS", others, over, 0),
        ]
    return Section(
        "Submits",
        "Every sample request without source media, through the handler up to the signed request that botocore would "
        "send, with an Idempotency-Key, logs and metrics on and the catalog in memory. The two reads are the key's "
        "generation and the project; a third, at most once in ten seconds of a container, is the health of offers. "
        "Before the function, API Gateway asks the authorizer, a function of its own with one read.",
        figures,
    )


def _submit(path: str, body: str) -> str:
    return called("submission", "POST", path, body, {"idempotency-key": f"bench-{next(numbers)}"})


def _calls(wire: Wire, submit: Callable[[], object]) -> tuple[int, int, int]:
    """Reads, transactions and other calls of one submit."""
    wire.calls.clear()
    submit()
    reads = sum(count for name, count in wire.calls.items() if name.startswith("GetItem"))
    transactions = wire.calls["TransactWriteItems"]
    return reads, transactions, wire.calls.total() - reads - transactions
