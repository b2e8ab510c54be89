"""How long a client waits after its provider is done, on the local runtime: with the webhook, and without."""

import itertools
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx

from infra.local.console import Console
from infra.local.layout import ROOT, Layout
from infra.local.system import running
from tests.bench.measuring import Figure, Section, figure

WEBHOOK_BUDGET_SECONDS = 1.5
LOST_BUDGET_SECONDS = 4.0
RUNS = 50
AT_ONCE = 4
MODEL, PROVIDER = "nano-banana", "fal"
JOB_SECONDS = (8.0, 9.5, 11.0, 12.5)
"""From the offer's typical time on: a job that is quicker than the first look is due would only wait for that look."""
WAIT_SECONDS_MAX = 120.0


def section() -> Section:
    """Starts a system of its own, measures, and stops it."""
    with running(Layout(ROOT / ".museway" / "bench"), Console()) as local:
        found = {
            name: list(_delays(str(local["url"]), str(local["api_key"]), str(local["sandbox_url"]), is_lost=is_lost))
            for name, is_lost in (("with the webhook", False), ("webhook lost", True))
        }
    over = f"{RUNS} generations of {MODEL}, {AT_ONCE} at once"
    budgets = (WEBHOOK_BUDGET_SECONDS, LOST_BUDGET_SECONDS)
    figures: list[Figure] = [
        figure(f"Provider done until the client sees it, {name}", "s", delays, over, budget)
        for (name, delays), budget in zip(found.items(), budgets, strict=True)
    ]
    return Section(
        "Delivery",
        "On the local runtime (`museway up`), whose functions are processes of this machine: from the moment at which "
        "the sandbox's job has ended, before its webhook is sent, to the end of the answer that says `completed` to a "
        "client which waits with `?wait=25`. In between lie the webhook or the next poll, the state machine, the copy "
        "of the output, its thumbnail and rendition, and the bill. This is time on the wall: on a busy machine it "
        "says little.",
        figures,
    )


def _delays(url: str, api_key: str, sandbox_url: str, *, is_lost: bool) -> Iterator[float]:
    """The delay of each run, in seconds. The first ones start functions, and do not count."""
    marker, headers = uuid4().hex, {"authorization": f"Bearer {api_key}"}
    paces, one_submits = itertools.cycle(JOB_SECONDS), threading.Lock()
    if is_lost:
        fault = {"provider": PROVIDER, "fault": "lost_webhook", "times": None, "match": marker}
        httpx.post(f"{sandbox_url}/_control/faults", json=fault).raise_for_status()

    def run(number: int) -> float:
        prompt = f"a fox, {marker}, {number}"
        with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
            with one_submits:
                # The sandbox has one pace for the jobs that it takes next, and this one is taken within the second.
                httpx.post(f"{sandbox_url}/_control/speed", json={"seconds": next(paces)}).raise_for_status()
                body = {"model": MODEL, "prompt": prompt, "providers": [PROVIDER]}
                accepted = client.post("/v1/generate/media", json=body)
                generation_id = accepted.raise_for_status().json()["generation_id"]
                time.sleep(min(JOB_SECONDS) / AT_ONCE)
            seen_at = _seen_at(client, generation_id)
        jobs = httpx.get(f"{sandbox_url}/_control/jobs").raise_for_status().json()["jobs"]
        [done_at] = [job["finished_at"] for job in jobs if job["prompt"] == prompt]
        return seen_at - float(done_at)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from list(pool.map(run, range(AT_ONCE + RUNS)))[AT_ONCE:]


def _seen_at(client: httpx.Client, generation_id: str) -> float:
    """When a client that waits has read that its generation is completed, in Unix seconds."""
    ends_at = time.time() + WAIT_SECONDS_MAX
    while time.time() < ends_at:
        shown = client.get(f"/v1/generations/{generation_id}", params={"wait": 25}).raise_for_status().json()
        if shown["status"] == "completed":
            return time.time()
        if shown["status"] == "failed":
            raise RuntimeError(f"{generation_id} failed: {shown['error']}")
    raise RuntimeError(f"{generation_id} has not ended")
