"""The proof: every path of the money and the jobs under crashes, errors, conflicts and rivals, and what held.

    store        the store's semantics in memory: what a world stands on when worlds are made by the thousand
    faults       what can go wrong around one call
    stories      the paths, as data: what callers, the operator and providers do
    points       the faults of every path: enumerated, or sampled by a seed; one point run and judged
    engine       the same under what Hypothesis draws
    scenarios    the scenarios that must hold, and where each is injected
    report       `make chaos` and tests/RELIABILITY.md

`tests/integration` runs a part of it in `make test`.
"""
