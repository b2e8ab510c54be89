"""The whole engine under everything at once: Hypothesis draws what callers, providers, time and crashes do.

After every step the promises of `tests.invariants` hold on the raw tables, what has ended stays as it was,
and statuses only go forward. In the end all faults stop: everything then comes to rest, every promise kept
holds at rest, and no attempt was paid for twice.
"""

import itertools
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from gateway import audit, ids, ledger, reconcile
from gateway.errors import BadRequest
from tests.integration.world import GRANTED_MICROS, PROJECT, Crash, World, world
from tests.invariants import FINAL, violations

SCRIPTS = ("deliver", "deliver_at_once", "fail", "refuse", "lose_answer", "deliver_nothing", "never_finish")
RANKS = {"pending": 0, "processing": 1, "completed": 2, "failed": 2, "cancelled": 2}
# Priced so that a few of the dear ones empty the balance: 39,000 micros an image, and up to 1,450,000.
BODIES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("/v1/generate/media", {"model": "nano-banana", "prompt": "a fox"}),
    ("/v1/generate/media", {"model": "nano-banana", "prompt": "a bear", "num_images": 4}),
    ("/v1/media/generate", {"model": "nano-banana", "inputs": {"prompt": "a fox", "num_images": 2}}),
    ("/v1/media/generate", {"model": "gpt-image-2", "inputs": {"prompt": "x"}, "output_path": "renders/x.png"}),
    ("/v1/media/generate", {"model": "openai/gpt-image-2", "inputs": {"prompt": "x", "n": 10, "quality": "high"}}),
)


class Engine(RuleBasedStateMachine):
    """One world; a model of what its callers were told."""

    answered = Bundle("answered")
    """Submits that were answered 202: (path, body, key or None, answer)."""

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        self.world = self._stack.enter_context(world(models={"nano-banana", "gpt-image-2", "openai/gpt-image-2"}))
        patch = self._stack.enter_context(pytest.MonkeyPatch.context())
        numbers = itertools.count()
        patch.setattr(ids, "fresh", lambda prefix: ids.derived(prefix, str(next(numbers))))
        self.granted = {"welcome": GRANTED_MICROS}
        self.prices: dict[str, int] = {}
        self.asked: dict[str, int] = {}
        self.seen: dict[str, dict[str, Any]] = {}
        self.written: dict[str, dict[str, Any]] = {}
        self.keys = 0

    def teardown(self) -> None:
        try:
            self._finish()
        finally:
            self._stack.close()

    # What callers do
    @initialize(target=answered, scripts=st.lists(st.sampled_from(SCRIPTS), min_size=2, max_size=4))
    def begin(self, scripts: list[str]) -> Any:
        made = [self.submit_one(BODIES[number % 2], script, True, 0) for number, script in enumerate(scripts)]
        return multiple(*made)

    @rule(
        target=answered,
        asked=st.sampled_from(BODIES),
        script=st.sampled_from(SCRIPTS),
        with_key=st.booleans(),
        retries=st.integers(0, 2),
    )
    def submit(self, asked: tuple[str, dict[str, Any]], script: str, with_key: bool, retries: int) -> Any:
        return self.submit_one(asked, script, with_key, retries) or multiple()

    def submit_one(self, asked: tuple[str, dict[str, Any]], script: str, with_key: bool, retries: int) -> Any:
        """A caller submits, and with a key repeats until it is answered or gives up; None when it was not."""
        path, body = asked
        self.keys += with_key
        key = f"k{self.keys}" if with_key else None
        for _ in range(1 + retries * with_key):
            with suppress(Crash):
                status, answer, _ = self._post(path, body, key)
                if status == 402:
                    assert answer["needed_micros"] > answer["available_micros"]
                    return None
                assert status == 202, answer
                self.world.provider.scripts[answer["generation_id"]] = script
                self.prices[answer["generation_id"]] = answer["estimated_cost_micros"]
                inputs = body.get("inputs", body)
                self.asked[answer["generation_id"]] = inputs.get("num_images") or inputs.get("n") or 1
                return path, body, key, answer
        return None

    @rule(
        target=answered,
        asked=st.lists(st.sampled_from([BODIES[0][1], BODIES[1][1], {"model": "no such"}]), min_size=1, max_size=4),
        script=st.sampled_from(SCRIPTS),
        with_key=st.booleans(),
        retries=st.integers(0, 2),
    )
    def submit_batch(self, asked: list[dict[str, Any]], script: str, with_key: bool, retries: int) -> Any:
        """Many at once; each is accepted or refused on its own, and a repeat answers the same generations."""
        self.keys += with_key
        key = f"k{self.keys}" if with_key else None
        made: dict[int, Any] = {}
        for _ in range(1 + retries * with_key):
            with suppress(Crash):
                status, answer, _ = self._post("/v1/generate/media:batch", {"requests": asked}, key)
                assert status == 202, answer
                for item, body in zip(answer["items"], asked, strict=True):
                    if item["error"]:
                        assert item["error"]["error"] in {"unknown_model", "insufficient_credits", "hold_released"}
                        assert item["index"] not in made
                        continue
                    assert made.setdefault(item["index"], item["generation"]) == item["generation"]
                    self.world.provider.scripts[item["generation"]["generation_id"]] = script
                    self.prices[item["generation"]["generation_id"]] = item["generation"]["estimated_cost_micros"]
                    self.asked[item["generation"]["generation_id"]] = body.get("num_images", 1)
        return multiple(*(("/v1/generate/media", asked[number], None, one) for number, one in made.items()))

    @rule(first=answered)
    def cancel(self, first: Any) -> None:
        with suppress(Crash):
            status, answer, _ = self.world.request("POST", f"/v1/generations/{first[3]['generation_id']}/cancel")
            if status == 409:
                assert answer["error"] == "already_finished"
            else:
                assert (status, answer["status"], answer["billed_micros"]) == (200, "cancelled", 0)

    @rule(first=answered, changed=st.booleans())
    def repeat(self, first: Any, changed: bool) -> None:
        path, body, key, answer = first
        if key is None:
            return
        with suppress(Crash):
            if changed:
                status, refused, _ = self._post(path, body | {"session_id": "another"}, key)
                assert (status, refused["error"], refused["fields"]) == (422, "idempotency_key_reused", ["session_id"])
            else:
                status, again, headers = self._post(path, dict(reversed(body.items())), key)
                assert (status, again, headers["Idempotent-Replayed"]) == (202, answer, "true")

    @rule(body=st.sampled_from([{"model": "nano-banana"}, {"model": "no such", "prompt": "x"}, {"prompt": "x"}]))
    def submit_nonsense(self, body: dict[str, Any]) -> None:
        with suppress(Crash):
            assert self._post("/v1/generate/media", body, None)[0] in {400, 422}

    @rule(first=answered, wait=st.sampled_from([0, 3, 25]))
    def look(self, first: Any, wait: int) -> None:
        generation_id = first[3]["generation_id"]
        with suppress(Crash):
            status, shown, _ = self.world.request("GET", f"/v1/generations/{generation_id}?wait={wait}")
            assert status == 200
            assert shown["status"] in RANKS

    @rule(amount=st.integers(1, 500_000), grant_id=st.sampled_from(["a", "b", "c"]))
    def grant(self, amount: int, grant_id: str) -> None:
        # Whether a crash came before or after it counts is asked of the ledger itself.
        with suppress(Crash):
            try:
                ledger.grant(PROJECT, amount, grant_id)
            except BadRequest:
                assert self.granted[grant_id] != amount
        with self._unharmed():
            if grant_id not in self.granted and self.world.totals().granted_micros != sum(self.granted.values()):
                self.granted[grant_id] = amount

    # What providers do
    @rule(outputs=st.integers(1, 4), seconds=st.sampled_from([0.0, 3.0, 8.0, 90.0]), loses_webhooks=st.booleans())
    def provider_turns(self, outputs: int, seconds: float, loses_webhooks: bool) -> None:
        provider = self.world.provider
        provider.outputs, provider.seconds, provider.loses_webhooks = outputs, seconds, loses_webhooks

    @rule(number=st.integers(0, 99), times=st.integers(1, 3), reference=st.sampled_from([None, "of-somebody-else"]))
    def call_back_again(self, number: int, times: int, reference: str | None) -> None:
        """A webhook of any submission so far, doubled or late; at times it names a job that is not ours."""
        submissions = [one for one in self.world.provider.submissions.values() if one.webhook_url]
        if not submissions:
            return
        submission = submissions[number % len(submissions)]
        known = self.world.provider.script_of(submission.attempt_id) != "lose_answer"
        body = {"request_id": reference if reference and known else submission.attempt_id}
        path = str(submission.webhook_url).removeprefix("https://museway.test")
        for _ in range(times):
            with suppress(Crash):
                assert self.world.request("POST", path, body, key=None)[0] == 200

    # What the platform does
    @rule(steps=st.sampled_from(["stream", "executions", "both"]))
    def go_on(self, steps: str) -> None:
        """The stream delivers, and executions run to their ends."""
        if steps != "executions":
            self.world._deliver_stream()
        if steps != "stream":
            self.world._guarded(self.world.machine.run_all)

    @rule(after_seconds=st.sampled_from([0, 61, 301, 700]))
    def kill_executions(self, after_seconds: int) -> None:
        """Those that had not begun are gone; it is noticed after a while."""
        self.world._deliver_stream()
        for execution in self.world.machine.executions.values():
            if not execution["ran"]:
                execution.update(status="ABORTED", ran=True)
        self.world.clock.sleep(after_seconds)

    @rule(after_seconds=st.sampled_from([0, 61, 301, 700, 3600]))
    def reconcile(self, after_seconds: int) -> None:
        self.world.clock.sleep(after_seconds)
        self.world._guarded(reconcile.run)

    @rule(
        ahead=st.integers(0, 20),
        when=st.sampled_from(["before", "after"]),
        dies=st.booleans(),
        work=st.sampled_from(["executions", "reconciler", "whatever comes"]),
    )
    def crash(self, ahead: int, when: str, dies: bool, work: str) -> None:
        """Whoever makes one of the next calls dies around it; an execution with it, or it is tried again."""
        self.world.faults.at = len(self.world.faults.calls) + ahead
        self.world.faults.when = when
        self.world.machine.dies_on_crash = dies
        if work == "executions":
            self.go_on("both")
        if work == "reconciler":
            self.reconcile(61)

    # What always holds
    @invariant()
    def every_promise_is_kept(self) -> None:
        self._check(at_rest=False)

    def _check(self, *, at_rest: bool) -> None:
        stored = Stored(self.world)
        assert violations(stored, "jobs", "ledger", at_rest=at_rest) == []
        self._ends_stay(stored)
        self._answers_are_kept(stored)
        # What was paid for is no more than what was written down before, once each.
        paid = self.world.provider.paid
        assert len(paid) == len(set(paid))
        assert set(paid) <= {f"{i['generation_id']['S']}-{i['attempt_no']['N']}" for i in stored.of_kind("ATTEMPT#")}

    def _ends_stay(self, stored: "Stored") -> None:
        """Statuses only go forward, ends are final, entries and records are never written again."""
        for now in stored.of_kind("GENERATION"):
            before = self.seen.get(now["pk"]["S"], now)
            assert RANKS[now["status"]["S"]] >= RANKS[before["status"]["S"]]
            if before["status"]["S"] in FINAL:
                for name in ("status", "billed_micros", "error", "completed_at"):
                    assert now.get(name) == before.get(name), name
            self.seen[now["pk"]["S"]] = now
        for item in (*stored.of_kind("ENTRY"), *stored.of_kind("RECORD")):
            assert item == self.written.setdefault(item["pk"]["S"], item)
        assert self.written.keys() <= {item["pk"]["S"] for item in stored.items["ledger"]}

    def _answers_are_kept(self, stored: "Stored") -> None:
        """What was answered 202 is there at its price; a grant counts once."""
        there = {item["generation_id"]["S"]: int(item["held_micros"]["N"]) for item in stored.of_kind("GENERATION")}
        assert self.prices.items() <= there.items()
        assert sum(int(item["granted_micros"]["N"]) for item in stored.of_kind("BALANCE")) == sum(self.granted.values())

    # Insides
    def _post(self, path: str, body: Any, key: str | None) -> Any:
        return self.world.request("POST", path, body, headers={"Idempotency-Key": key} if key else {})

    @contextmanager
    def _unharmed(self) -> Iterator[None]:
        self.world.faults.active, before = False, self.world.faults.active
        try:
            yield
        finally:
            self.world.faults.active = before

    def _finish(self) -> None:
        """The faults stop; now everything must come to an end, and add up."""
        self.world.faults.at = None
        self.world.settle_down()
        # What a batch held and died before using is released once nobody can come back for it.
        self.world.clock.sleep(reconcile.ORPHAN_SECONDS + 1)
        reconcile.run()
        self._check(at_rest=True)
        stored = Stored(self.world)
        outputs = {
            i["pk"]["S"]: len(json.loads(i["outputs"]["S"])) for i in stored.of_kind("ATTEMPT#") if "outputs" in i
        }
        for item in stored.of_kind("GENERATION"):
            if item["status"]["S"] == "completed" and item["generation_id"]["S"] in self.asked:
                asked = self.asked[item["generation_id"]["S"]]
                delivered = min(asked, outputs[item["pk"]["S"]])
                assert int(item["billed_micros"]["N"]) * asked == int(item["held_micros"]["N"]) * delivered
        assert audit.faults(ledger.project_of(PROJECT)) == []
        totals = self.world.totals()
        assert totals.held_micros == 0
        assert totals.available_micros == sum(self.granted.values()) - totals.spent_micros


class Stored:
    """The jobs and the ledger as they are stored; read like the client that they were read with."""

    def __init__(self, world: World) -> None:
        world.faults.active, before = False, world.faults.active
        scan = world.dynamodb.get_paginator("scan").paginate
        self.items = {name: [i for page in scan(TableName=name) for i in page["Items"]] for name in ("jobs", "ledger")}
        world.faults.active = before

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        return [item for items in self.items.values() for item in items if item["sk"]["S"].startswith(kind)]

    def get_paginator(self, _operation: str) -> "Stored":
        return self

    def paginate(self, TableName: str, **_: Any) -> list[dict[str, Any]]:
        return [{"Items": self.items[TableName]}]


def test_the_engine_keeps_its_promises_whatever_happens() -> None:
    run_state_machine_as_test(
        Engine,
        settings=settings(
            max_examples=25,
            stateful_step_count=20,
            deadline=None,
            derandomize=True,
            database=None,
            # A failing run is twenty readable steps; shrinking it takes minutes and says little more.
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
