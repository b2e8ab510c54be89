"""One account under sixteen threads: two thousand movements while its shards grow and shrink, exact in the end.

The ledger's own code runs here against tables of its own in the emulator, which decides as DynamoDB does who comes
first. It never reports a conflict, so the client does: by chance, at times more often than a transaction is repeated.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.client import BaseClient

from gateway import audit, aws, config, ids, jobs, ledger, records, tables
from gateway.auth import Principal
from gateway.errors import BadRequest, Conflict, InsufficientCredits, Unavailable
from gateway.submission import Order, choosing, freezing
from gateway.tables import items, transactions
from infra import manifest
from tests.chaos.store import cancelled
from tests.e2e.support import Local
from tests.integration.world import schema_of
from tests.invariants import violations

PROJECT, THREADS, MOVEMENTS = "hot", 16, 2_000
PRICE_MICROS = 39_000
CONFLICTS, STORMS = 0.05, 0.01
"""Of transactions: those that meet a conflict once, and those that meet one at every try."""
SHARD_COUNTS = (8, 3, 8, 2)
SEED = 1


@pytest.fixture
def dynamodb(local: Local, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of the emulator; the gateway's own speaks to the same, and meets conflicts."""
    client = local.client("dynamodb")
    made = {table.name: f"hot-{table.name}" for table in manifest.TABLES if table.name != "catalog"}
    for table in manifest.TABLES:
        if table.name in made:
            client.create_table(**schema_of(table) | {"TableName": made[table.name]})
    environment = {
        "AWS_ENDPOINT_URL": local.description["aws_endpoint_url"],
        "AWS_DEFAULT_REGION": local.description["region"],
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "CATALOG_TABLE": local.tables["catalog"],
        **{f"{name.upper()}_TABLE": of_its_own for name, of_its_own in made.items()},
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    _forget()
    yield client
    for name in made.values():
        client.delete_table(TableName=name)
    monkeypatch.undo()
    _forget()


def _forget() -> None:
    for cached in (config.settings, aws.client, items.connection):
        cached.cache_clear()
    for model in (tables.Project, tables.Balance, tables.Hold, tables.Entry, tables.Record, tables.Generation,
                  tables.Order, tables.Attempt, tables.Spending, tables.CatalogHead, tables.CatalogChunk):  # fmt: skip
        model._connection = None


@pytest.fixture
def conflicts(dynamodb: Any, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Conflicts by chance, and how many there were; waiting for the next try is cut short."""
    met: Counter[str] = Counter()
    original, chance, storm = BaseClient._make_api_call, random.Random(SEED), threading.local()

    def make_api_call(client: Any, operation: str, arguments: Any) -> Any:
        if operation == "TransactWriteItems":
            drawn = chance.random()
            if drawn < STORMS:
                storm.left = transactions.CONFLICT_RETRIES_MAX + 1
            if getattr(storm, "left", 0) or drawn < CONFLICTS:
                storm.left = max(0, getattr(storm, "left", 0) - 1)
                met["conflicts"] += 1
                raise cancelled(["TransactionConflict"])
        return original(client, operation, arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", make_api_call)
    monkeypatch.setattr(transactions, "pause", lambda _attempt: time.sleep(0.001))
    return met


class Crowd:
    """Threads that hold, settle, release, refund and grant, and what they did."""

    def __init__(self) -> None:
        project = ledger.project_of(PROJECT)
        self.principal = Principal(PROJECT, "key", frozenset())
        self.order = Order("nano-banana", False, {"prompt": "a fox"})
        self.priced = choosing.price(self.order, project, "gen_0")
        self.done: Counter[str] = Counter()
        self.granted_micros = 0
        self.open: list[tables.Generation] = []
        self.charged: list[str] = []
        self._lock = threading.Lock()

    def move(self, number: int) -> None:
        """One movement, whichever is drawn by its number."""
        draw = random.Random(number)
        kinds = (self.hold, self.settle, self.release, self.refund, self.grant)
        act = draw.choices(kinds, (45, 28, 10, 7, 10))[0]
        try:
            act(number)
        except Unavailable:
            self._note("clean 503")
        except InsufficientCredits:
            self._note("insufficient credits")
        else:
            self._note(act.__name__)

    def hold(self, number: int) -> None:
        """Hold a price for a generation that is delivered already."""
        job = freezing.frozen(f"gen_{number}", self.principal, self.order, self.priced, "USD", "req")
        generation = job.generation
        generation.attempt_no, generation.status = 1, jobs.PROCESSING
        attempt = tables.Attempt(
            generation.pk, "ATTEMPT#001", generation_id=job.generation_id, attempt_no=1, provider="fal",
            offer_id=job.order.offers[0]["offer_id"], status=jobs.COLLECTED, callback_sha256="", task_token="",
            started_at=generation.created_at, outputs=[{"drive_path": "x.png"}],
        )  # fmt: skip

        def accompany(tx: tables.Transaction) -> None:
            job.insert(tx)
            tx.insert("attempt", attempt)

        wanted = [ledger.Reservation(job.generation_id, job.maximum_micros)]
        ledger.reserve(ledger.account_of(PROJECT), "key", wanted, [], ids.now(), accompany)
        with self._lock:
            self.open.append(generation)

    def settle(self, number: int) -> None:
        """Charge a generation that is held for; two threads may try the same one."""
        self._close(number, self._settle)

    def release(self, number: int) -> None:
        """Give a hold back."""
        error = {"code": "provider_error", "message": "none", "retryable": False}

        def act(tx: tables.Transaction, generation: tables.Generation, held: tables.Hold) -> None:
            ledger.release(tx, held, ids.now())
            jobs.fail(tx, generation, error, ids.now())

        self._close(number, act)

    def refund(self, number: int) -> None:
        """Refund a part of a charge."""
        with self._lock:
            generation_id = self.charged[number % len(self.charged)] if self.charged else None
        if generation_id:
            try:
                ledger.refund(generation_id, 10_000, f"refund-{number}")
            except BadRequest:
                self._note("refund above the charge")

    def grant(self, number: int) -> None:
        """Grant what one call costs; it counts once, so a second try is safe."""
        for _ in range(5):
            try:
                ledger.grant(PROJECT, PRICE_MICROS, f"grant-{number}")
            except Unavailable:
                continue
            break
        with self._lock:
            self.granted_micros += PRICE_MICROS

    def _settle(self, tx: tables.Transaction, generation: tables.Generation, held: tables.Hold) -> None:
        order, attempt = jobs.order_of(generation), jobs.current_attempt(generation)
        assert attempt is not None
        record = records.billing_record(generation, order, attempt, ids.now())
        ledger.settle(tx, held, record, ids.now())
        jobs.complete(tx, generation, attempt, int(record["amount_micros"]), ids.now())

    def _close(self, number: int, act: Callable[[Any, tables.Generation, tables.Hold], None]) -> None:
        with self._lock:
            generation = self.open[number % len(self.open)] if self.open else None
        if generation is None:
            return
        held = ledger.hold_of(generation.generation_id)
        try:
            with tables.transaction() as tx:
                act(tx, generation, held)
        except tables.ConditionFailed:
            self._note("came second")
            return
        with self._lock:
            self.open.remove(generation)
            if act == self._settle:
                self.charged.append(generation.generation_id)

    def _note(self, what: str) -> None:
        with self._lock:
            self.done[what] += 1


def resize(shard_count: int) -> None:
    """As the operator: again until nobody else was quicker."""
    for _ in range(20):
        try:
            ledger.resize(PROJECT, shard_count)
        except (Unavailable, Conflict):
            continue
        return
    raise AssertionError("the account was not resized")


def test_a_hot_account_stays_exact_while_its_shards_come_and_go(
    dynamodb: Any, conflicts: Counter[str], record_property: Callable[[str, object], None]
) -> None:
    tables.Project(f"PROJECT#{PROJECT}", "PROJECT", project_id=PROJECT, name="Hot", created_at="now").insert()
    crowd = Crowd()
    for number in range(40):
        crowd.grant(-number - 1)
    started, part = time.monotonic(), MOVEMENTS // (len(SHARD_COUNTS) + 1)
    with ThreadPoolExecutor(THREADS + 1) as pool:
        moved = [pool.submit(crowd.move, number) for number in range(MOVEMENTS)]
        for number, shard_count in enumerate(SHARD_COUNTS, 1):
            moved[part * number].result()
            resize(shard_count)
        for one in moved:
            one.result()
    record_property("seconds", round(time.monotonic() - started, 1))
    record_property("movements", dict(crowd.done))
    record_property("conflicts", conflicts["conflicts"])

    assert min(crowd.done["hold"], crowd.done["settle"], conflicts["conflicts"]) > 50
    account = ledger.account_of(PROJECT)
    assert (account.shard_count, account.shards_ever) == (SHARD_COUNTS[-1], max(SHARD_COUNTS))
    shards = ledger.accounts.balances(account)
    assert all(min(int(one.available_micros), int(one.held_micros)) >= 0 for one in shards)
    totals = ledger.totals(account)
    assert totals.granted_micros == crowd.granted_micros
    assert totals.held_micros == len(crowd.open) * PRICE_MICROS
    entries = list(tables.listed(tables.Entry.by_listing, account.listings("ENTRY")))
    sums = {kind: sum(int(one.amount_micros) for one in entries if one.type == kind) for kind in ("settle", "refund")}
    assert totals.spent_micros == sums["settle"] - sums["refund"] == len(crowd.charged) * PRICE_MICROS - sums["refund"]
    assert violations(dynamodb, "hot-jobs", "hot-ledger") == []
    assert audit.faults(ledger.project_of(PROJECT)) == []
