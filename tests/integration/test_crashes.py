"""The crash enumerator: every path re-run with a crash before and after every single store and provider call.

After the crash everything is healed - the client repeats its request under its key, the state machine
retries or its execution is dead and the reconciler finds it, the stream delivers again - and then every
invariant must hold, with at most one paid submission per attempt.
"""

from collections import Counter

import pytest

from tests.integration.world import GRANTED_MICROS, Crash, Faults, World, world

PATHS = {
    "delivered": ("deliver", False, "completed"),
    "delivered inside the answer": ("deliver_at_once", False, "completed"),
    "failed at the provider": ("fail", False, "failed"),
    "refused by the provider": ("refuse", False, "failed"),
    "answer lost, webhook lost": ("lose_answer", True, "failed"),
}


MODELS = {"nano-banana"}
READS = {"GetItem", "Query", "Scan", "provider.poll", "states.describe_execution"}


def live(museway: World, script: str, loses_webhooks: bool) -> str:
    """One generation from submit to rest; the client repeats its request until it is answered."""
    museway.provider.script = script
    museway.provider.loses_webhooks = loses_webhooks
    body = {"model": "nano-banana", "prompt": "a fox"}
    for _ in range(3):
        try:
            status, accepted, _ = museway.request("POST", "/v1/generate/media", body, headers={"Idempotency-Key": "k"})
        except Crash:
            continue
        if status == 202:
            break
    museway.settle_down()
    return str(accepted["generation_id"])


@pytest.mark.parametrize("dies", [False, True], ids=["retried", "execution dead"])
@pytest.mark.parametrize("path", PATHS)
def test_no_crash_loses_or_doubles_anything(path: str, dies: bool) -> None:
    script, loses_webhooks, expected = PATHS[path]
    # Waiting out is the same however long it takes; a short deadline leaves fewer looks to crash at.
    environment = {"DEADLINE_SECONDS_MAX": "30"} if script == "lose_answer" else {}
    with world(environment, models=MODELS) as untouched:
        live(untouched, script, loses_webhooks)
        calls = list(untouched.faults.calls)
    assert len(calls) > 20
    faults_found = []
    ended: Counter[str] = Counter()
    for number, name in enumerate(calls):
        # Nothing happens between a read and the next call, so dying after it is dying before that one.
        for when in ("before",) if name in READS else ("before", "after"):
            with world(environment, faults=Faults(at=number, when=when), dies_on_crash=dies, models=MODELS) as museway:
                generation_id = live(museway, script, loses_webhooks)
                broken = museway.violations(at_rest=True)
                shown = museway.generation(generation_id)
                totals = museway.totals()
                if len(museway.provider.paid) > 1:
                    broken.append(f"paid for {museway.provider.paid}")
                if shown["status"] not in {expected, "failed"}:
                    broken.append(f"ended as {shown['status']}")
                if totals.spent_micros != (shown["billed_micros"] or 0) or totals.granted_micros != GRANTED_MICROS:
                    broken.append(f"totals {totals} for {shown['billed_micros']}")
                ended[shown["status"]] += 1
                faults_found += [f"crash {when} call {number} ({name}): {fault}" for fault in broken]
    assert faults_found == []
    # A crash around the POST leaves it unknown whether it left, which is waited out; most others are healed.
    assert ended[expected] > sum(ended.values()) / 2, ended
