"""The whole engine under everything at once: Hypothesis draws what callers, operators, providers, time and faults do.

After every step the promises of `tests.invariants` hold on the raw tables, what has ended stays as it was,
and statuses only go forward. In the end all faults stop: everything then comes to rest, every promise kept
holds at rest, and no attempt was paid for twice.
"""

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, Phase, seed, settings
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
from pynamodb.exceptions import PynamoDBException

from gateway import audit, catalog, fx, ids, keys, ledger, projects, tables
from gateway.errors import BadRequest, Conflict, InsufficientCredits, InvalidField, Unavailable
from tests.chaos import faults, stories
from tests.chaos.points import FEW, KINDS, MANY, delivered
from tests.integration.world import GRANTED_MICROS, PROJECT, Crash, world
from tests.invariants import FINAL

SCRIPTS = (
    "deliver", "deliver_at_once", "fail", "refuse", "lose_answer", "deliver_nothing", "never_finish",
    "turn_away, deliver", "fail, deliver", "call_back_early", "flap", "expire",
)  # fmt: skip
RANKS = {"pending": 0, "processing": 1, "completed": 2, "failed": 2, "cancelled": 2}
# Priced so that a few of the dear ones empty the balance: 39,000 micros an image, and up to 1,450,000.
BODIES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("/v1/generate/media", {"model": "nano-banana", "prompt": "a fox"}),
    ("/v1/generate/media", {"model": "nano-banana", "prompt": "a bear", "num_images": 4}),
    ("/v1/media/generate", {"model": "nano-banana", "inputs": {"prompt": "a fox", "num_images": 2}}),
    ("/v1/media/generate", {"model": "gpt-image-2", "inputs": {"prompt": "x"}, "output_path": "renders/x.png"}),
    ("/v1/media/generate", {"model": "openai/gpt-image-2", "inputs": {"prompt": "x", "n": 10, "quality": "high"}}),
)
MODELS = frozenset({"nano-banana", "gpt-image-2", "openai/gpt-image-2"})
LOST = (Crash, ClientError, PynamoDBException)
"""Nobody was answered: a process died, or a call failed."""
WORKERS = ("submission", "submit_attempt", "fail", "poll_attempt", "settle", "reconcile", "cancellation")
"""Functions whose clocks may go wrong."""
SKEW_SECONDS = 600.0


class Engine(RuleBasedStateMachine):
    """One world; a model of what its callers were told."""

    answered = Bundle("answered")
    """Submits that were answered 202: (path, body, key or None, answer)."""

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        self.world = self._stack.enter_context(world(models=MODELS, in_memory=True, changed=stories.two_offers))
        self.world.tampered = "the state machine judges for itself"
        self.store = self.world.store
        patch = self._stack.enter_context(pytest.MonkeyPatch.context())
        numbers = itertools.count()
        patch.setattr(ids, "fresh", lambda prefix: ids.derived(prefix, str(next(numbers))))
        self.granted = {"grant welcome": GRANTED_MICROS}
        self.prices: dict[str, int] = {}
        self.asked: dict[str, int] = {}
        self.seen: dict[str, dict[str, Any]] = {}
        self.written: dict[str, dict[str, Any]] = {}
        self.keys = 0
        self.limited_key = ""

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
        limited=st.booleans(),
    )
    def submit(self, asked: Any, script: str, with_key: bool, retries: int, limited: bool) -> Any:
        return self.submit_one(asked, script, with_key, retries, self.limited_key if limited else "") or multiple()

    def submit_one(self, asked: Any, script: str, with_key: bool, retries: int, api_key: str = "") -> Any:
        """A caller submits, and with a key repeats until it is answered or gives up; None when it was not."""
        path, body = asked
        self.keys += with_key
        key = f"k{self.keys}" if with_key else None
        for _ in range(1 + retries * with_key):
            status, answer, _ = self._post(path, body, key, api_key)
            if status == 402:
                self._refused_rightly(answer)
                return None
            if status == 202:
                self._accepted(answer, script, body.get("inputs", body))
                return path, body, key, answer
            assert status in {0, 500, 503}, answer
        return None

    @rule(first=answered, changed=st.booleans())
    def repeat(self, first: Any, changed: bool) -> None:
        path, body, key, answer = first
        if key is None:
            return
        if changed:
            status, refused, _ = self._post(path, body | {"session_id": "another"}, key)
            if status < 500 and status:
                assert (status, refused["error"], refused["fields"]) == (422, "idempotency_key_reused", ["session_id"])
        else:
            status, again, headers = self._post(path, dict(reversed(body.items())), key)
            if status < 500 and status:
                assert (status, again, headers["Idempotent-Replayed"]) == (202, answer, "true")

    @rule(body=st.sampled_from([{"model": "nano-banana"}, {"model": "no such", "prompt": "x"}, {"prompt": "x"}]))
    def submit_nonsense(self, body: dict[str, Any]) -> None:
        assert self._post("/v1/generate/media", body, None)[0] in {0, 400, 422, 500, 503}

    @rule(count=st.integers(1, 3), with_key=st.booleans(), script=st.sampled_from(SCRIPTS), repeats=st.integers(0, 2))
    def batch(self, count: int, with_key: bool, script: str, repeats: int) -> None:
        """Many at once; what one call accepted, its repeat under the key finds as it was."""
        self.keys += with_key
        key = f"batch{self.keys}" if with_key else None
        body = {"requests": [BODIES[number % 2][1] for number in range(count)]}
        before: dict[int, Any] = {}
        for _ in range(1 + repeats * with_key):
            status, answer, _ = self._post("/v1/generate/media:batch", body, key)
            if status != 202:
                assert status in {0, 500, 503}, answer
                continue
            for item in answer["items"]:
                if item["status"] == 202:
                    self._accepted(item["generation"], script, body["requests"][item["index"]])
                    assert before.setdefault(item["index"], item) == item
                else:
                    assert item["status"] in {402, 409}, item
                    assert item["index"] not in before, item

    @rule(first=answered, wait=st.sampled_from([0, 3, 25]))
    def look(self, first: Any, wait: int) -> None:
        status, shown = self._ask("GET", f"/v1/generations/{first[3]['generation_id']}?wait={wait}")
        assert (status == 200 and shown["status"] in RANKS) or status in {0, 500, 503}

    @rule(first=answered, seconds=st.sampled_from([None, 0.0, 0.5, 4.0]))
    def cancel(self, first: Any, seconds: float | None) -> None:
        """Cancel now, or in the midst of what happens next."""
        path = f"/v1/generations/{first[3]['generation_id']}/cancel"

        def ask() -> None:
            status, answer = self._ask("POST", path)
            assert status in {0, 200, 409, 500, 503}, answer

        if seconds is None:
            ask()
        else:
            self.world.clock.after(seconds, ask)

    # What the operator and the project's owner do
    @rule(amount=st.integers(1, 500_000), grant_id=st.sampled_from(["a", "b", "c"]))
    def grant(self, amount: int, grant_id: str) -> None:
        self._moves(f"grant {grant_id}", amount, lambda: ledger.grant(PROJECT, amount, grant_id))

    @rule(amount=st.integers(-3_000_000, 500_000).filter(bool), adjust_id=st.sampled_from(["a", "b", "c"]))
    def adjust(self, amount: int, adjust_id: str) -> None:
        self._moves(f"adjust {adjust_id}", amount, lambda: ledger.adjust(PROJECT, amount, adjust_id, "a mistake"))

    @rule(first=answered, amount=st.sampled_from([None, 1, 20_000]), refund_id=st.sampled_from(["a", "b"]))
    def refund(self, first: Any, amount: int | None, refund_id: str) -> None:
        with suppress(*LOST, BadRequest, Unavailable):
            ledger.refund(first[3]["generation_id"], amount, refund_id)

    @rule(shard_count=st.sampled_from([1, 2, 3, 8]))
    def resize(self, shard_count: int) -> None:
        with suppress(*LOST, Conflict, Unavailable):
            ledger.resize(PROJECT, shard_count)

    @rule(
        period=st.sampled_from(["day_micros", "month_micros", "total_micros"]),
        most=st.sampled_from([None, 50_000, 400_000, 5_000_000]),
    )
    def limit(self, period: str, most: int | None) -> None:
        with suppress(*LOST, Unavailable):
            projects.change_settings(PROJECT, {"spending_limit": {period: most}})

    @rule(most=st.sampled_from([39_000, 200_000, 2_000_000]))
    def limit_a_key(self, most: int) -> None:
        with suppress(*LOST, Unavailable, InvalidField):
            self.limited_key = keys.create(PROJECT, "limited", spending_limit={"day_micros": most})["api_key"]

    @rule(rate=st.sampled_from(["0.039", "0.078", "0.01"]))
    def change_prices(self, rate: str) -> None:
        """A catalog with other prices; what was accepted is billed as it was quoted."""
        models = [stories.priced(model, rate) for model in self.world.compiled["models"]]
        with suppress(*LOST, Conflict, Unavailable):
            catalog.publish(self.world.compiled | {"models": models})
        catalog.forget()

    @rule(currency=st.sampled_from(["USD", "EUR"]), usd=st.sampled_from([None, "1.25", "1.08"]))
    def change_rates(self, currency: str, usd: str | None) -> None:
        """The account's currency, and perhaps the day's rate."""
        with suppress(*LOST, Unavailable):
            projects.change_settings(PROJECT, {"currency": currency})
            if usd:
                today = self.world.clock.now().date()
                tables.ReferenceRates.of(today, {"USD": usd, "EUR": "1"}, "now").insert()
        fx.forget()

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
        known = self.world.provider.script_of(submission.attempt_id) not in {"lose_answer", "call_back_early"}
        body = {"request_id": reference if reference and known else submission.attempt_id}
        path = str(submission.webhook_url).removeprefix("https://museway.test")
        for _ in range(times):
            assert self._ask("POST", path, body, key=None)[0] in {0, 200, 500, 503}

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
        self.world.reconcile(after_seconds)

    @rule(seconds=st.sampled_from([30.0, 700.0, 90_000.0]))
    def jump(self, seconds: float) -> None:
        """Everybody stands still for a while: what was due meanwhile comes after it."""
        self.world.clock.seconds += seconds

    @rule(worker=st.sampled_from(WORKERS), seconds=st.sampled_from([-SKEW_SECONDS, 0.0, SKEW_SECONDS]))
    def skew(self, worker: str, seconds: float) -> None:
        """The machines that a function runs on have a wrong clock."""
        self.world.skews[worker] = seconds

    @rule(
        ahead=st.integers(0, 20),
        kind=st.sampled_from([*KINDS, "crash_before", "crash_after"]),
        dies=st.booleans(),
        work=st.sampled_from(["executions", "reconciler", "whatever comes"]),
    )
    def harm(self, ahead: int, kind: str, dies: bool, work: str) -> None:
        """Something goes wrong around one of the next calls; with a crash its execution may die as well."""
        met = self.world.faults
        met.plan = {len(met.calls) + ahead: _of_its_kind(kind)}
        self.world.machine.dies_on_crash = dies
        if work == "executions":
            self.go_on("both")
        if work == "reconciler":
            self.reconcile(61)

    @rule(times=st.sampled_from([1, FEW, MANY]), fault=st.sampled_from([faults.conflict, faults.throttle_one]))
    def busy(self, times: int, fault: faults.Fault) -> None:
        """The store refuses the next transactions: a submit goes through, or is refused with nothing changed."""
        met, before = self.world.faults, self.store.copy()
        met.plan = {}
        met.next_of["TransactWriteItems"] = [fault] * times
        path, body = BODIES[0]
        with self.world.clock.alone():
            status, answer, _ = self._post(path, body, None)
        met.next_of.clear()
        if status == 202:
            assert times < MANY
            self._accepted(answer, "deliver", body)
        else:
            assert status == (503 if times == MANY else 402) or answer["error"] == "spending_limit_reached"
            assert self.store.tables["jobs"] == before.tables["jobs"]
            same = {key: item for key, item in self.store.tables["ledger"].items() if key[0][:6] != "ENTRY#"}
            if status == 503:
                assert self.store.tables["ledger"] == before.tables["ledger"]
            assert same.keys() == {key for key in before.tables["ledger"] if key[0][:6] != "ENTRY#"}

    # What always holds
    @invariant()
    def every_promise_is_kept(self) -> None:
        self._check(at_rest=False)

    def _check(self, *, at_rest: bool) -> None:
        assert self.world.violations(at_rest=at_rest) == []
        self._ends_stay()
        self._answers_are_kept()
        # What was paid for is no more than what was written down before, once each.
        paid = self.world.provider.paid
        assert len(paid) == len(set(paid))
        written = {f"{i['generation_id']['S']}-{i['attempt_no']['N']}" for i in self._of_kind("ATTEMPT#")}
        assert set(paid) <= written

    def _ends_stay(self) -> None:
        """Statuses only go forward, ends are final, entries and records are never written again."""
        for now in self._of_kind("GENERATION"):
            before = self.seen.get(now["pk"]["S"], now)
            assert RANKS[now["status"]["S"]] >= RANKS[before["status"]["S"]]
            if before["status"]["S"] in FINAL:
                for name in ("status", "billed_micros", "error", "completed_at"):
                    assert now.get(name) == before.get(name), name
            self.seen[now["pk"]["S"]] = now
        for item in (*self._of_kind("ENTRY"), *self._of_kind("RECORD")):
            assert item == self.written.setdefault(item["pk"]["S"], item)
        assert self.written.keys() <= {pk for pk, _ in self.store.tables["ledger"]}

    def _answers_are_kept(self) -> None:
        """What was answered 202 is there at its price; a grant counts once."""
        there = {item["generation_id"]["S"]: int(item["held_micros"]["N"]) for item in self._of_kind("GENERATION")}
        assert self.prices.items() <= there.items()
        granted = sum(int(item["granted_micros"]["N"]) for item in self._of_kind("BALANCE"))
        assert granted == sum(self.granted.values())

    # Insides
    def _of_kind(self, kind: str) -> list[dict[str, Any]]:
        items = itertools.chain(self.store.tables["jobs"].items(), self.store.tables["ledger"].items())
        return [item for (_, sk), item in items if sk.startswith(kind)]

    def _post(self, path: str, body: Any, key: str | None, api_key: str = "") -> Any:
        """As `request`; the status is 0 when nobody was answered."""
        with suppress(*LOST):
            headers = {"Idempotency-Key": key} if key else {}
            return self.world.request("POST", path, body, key=api_key, headers=headers)
        return 0, {}, {}

    def _ask(self, method: str, path: str, body: Any = None, key: str | None = "") -> tuple[int, dict[str, Any]]:
        with suppress(*LOST):
            return self.world.request(method, path, body, key=key)[:2]
        return 0, {}

    def _accepted(self, answer: dict[str, Any], script: str, inputs: dict[str, Any]) -> None:
        generation_id = answer["generation_id"]
        self.world.provider.scripts.setdefault(generation_id, script)
        self.prices[generation_id] = answer["estimated_cost_micros"]
        self.asked[generation_id] = inputs.get("num_images") or inputs.get("n") or 1

    @staticmethod
    def _refused_rightly(answer: dict[str, Any]) -> None:
        if answer["error"] == "spending_limit_reached":
            assert answer["counted_micros"] + answer["needed_micros"] > answer["limit_micros"]
        else:
            assert answer["needed_micros"] > answer["available_micros"]

    def _moves(self, name: str, amount: int, act: Callable[[], object]) -> None:
        """Grant or adjust. Whether a fault came before or after it counts is asked of the ledger itself."""
        refused = False
        try:
            with suppress(*LOST, Unavailable, InsufficientCredits):
                act()
        except BadRequest:
            refused = True
        type_, _, id_ = name.partition(" ")
        with self._unharmed():
            entry = tables.Entry.find(f"{type_}-{PROJECT}#{id_}")
        if entry is not None and name not in self.granted:
            assert int(entry.amount_micros) == amount
            self.granted[name] = amount
        assert refused == (name in self.granted and self.granted[name] != amount) or not refused

    @contextmanager
    def _unharmed(self) -> Iterator[None]:
        self.world.faults.active, before = False, self.world.faults.active
        try:
            yield
        finally:
            self.world.faults.active = before

    def _finish(self) -> None:
        """The faults stop; now everything must come to an end, and add up."""
        self.world.faults.plan = {}
        self.world.skews.clear()
        self.world.settle_down()
        self.world.reconcile(61)
        self._check(at_rest=True)
        outputs = {
            i["pk"]["S"]: len(json.loads(i["outputs"]["S"])) for i in self._of_kind("ATTEMPT#") if "outputs" in i
        }
        for item in self._of_kind("GENERATION"):
            generation_id, status = item["generation_id"]["S"], item["status"]["S"]
            assert list(delivered(self.world, generation_id, status)) == []
            if status == "completed" and generation_id in self.asked:
                asked = self.asked[generation_id]
                came = min(asked, outputs[item["pk"]["S"]])
                assert int(item["billed_micros"]["N"]) * asked == int(item["held_micros"]["N"]) * came
        assert audit.faults(ledger.project_of(PROJECT)) == []
        totals = self.world.totals()
        assert totals.held_micros == 0
        assert totals.available_micros == sum(self.granted.values()) - totals.spent_micros


def _of_its_kind(kind: str) -> faults.Fault:
    """A fault for whatever call comes: one that only a transaction or a table can have is none for others."""

    def fault(name: str, action: Callable[[], Any]) -> Any:
        is_write = name == "TransactWriteItems"
        if kind.startswith("crash") or (is_write and kind in KINDS):
            return KINDS[kind](name, action)
        if name.startswith("provider.") or kind in {"conflict", "throttle_one"}:
            return action()
        return KINDS[kind](name, action)

    return fault


def asked_for(examples: int, steps: int, *, derandomize: bool) -> settings:
    """How Hypothesis is to draw. A failing run is some readable steps; shrinking takes minutes and says little more."""
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=derandomize,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def run(number: int, steps: int = 30) -> None:
    """One run by its own seed. Hypothesis always begins with the simplest example; the second is drawn."""
    drawn = seed(number)(type("Engine", (Engine,), {}))
    run_state_machine_as_test(drawn, settings=asked_for(2, steps, derandomize=False))
