"""The corrections of the emulator: each does what AWS does, on the installed version."""

import importlib
import io
import json
import threading
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from infra.local import corrections, emulator, function_logs
from infra.local.corrections import lambdas, layers, permissions, pool, resources, states, streams, turns


def test_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corrections, "version", lambda _: "9.9.9")
    with pytest.raises(RuntimeError, match=r"9\.9\.9 is installed"):
        corrections.apply()


class TestLambdas:
    def test_the_worker_reports_an_error_by_its_class_and_lives_on(self) -> None:
        runtime: Any = importlib.import_module("ministack.core.lambda_runtime")
        script = lambdas.corrected_script(runtime._PYTHON_WORKER_SCRIPT, ["/a/checkout"])
        compile(script, "worker", "exec")
        assert '"errorType": type(e).__name__' in script
        assert "if p not in ['/a/checkout']" in script

    def test_another_worker_is_refused(self) -> None:
        with pytest.raises(RuntimeError, match="not the one"):
            lambdas.corrected_script("print('another')", [])

    def test_a_reported_error_becomes_the_result(self) -> None:
        raised = {"errorType": "NotReady", "errorMessage": "not yet", "stackTrace": []}
        result = lambdas.error_of({"body": {lambdas.RAISED: raised}, "log": "lines"})
        assert result == {"body": raised, "error": True, "log": "lines"}

    @pytest.mark.parametrize("body", [None, "text", [1], {"statusCode": 200}])
    def test_an_answer_stays_as_it_is(self, body: object) -> None:
        assert lambdas.error_of({"body": body}) == {"body": body}

    def test_the_checkout_is_hidden_and_its_packages_are_not(self) -> None:
        hidden = lambdas.checkout_paths()
        assert any(path.endswith("layers/core/python") for path in hidden)
        assert not any("site-packages" in path for path in hidden)


class TestLayers:
    def archive(self) -> bytes:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("python/thing.py", "x = 1")
        return packed.getvalue()

    def test_a_layer_is_unpacked_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(layers.tempfile, "gettempdir", lambda: str(tmp_path))
        read: list[object] = []

        def content(layer: object) -> bytes:
            read.append(layer)
            return self.archive()

        shelf = layers.Shelf(content)
        first = shelf.folders_of(["arn:aws:lambda:r:0:layer:core:1"])
        assert shelf.folders_of([{"Arn": "arn:aws:lambda:r:0:layer:core:1"}]) == first
        assert (first[0] / "python" / "thing.py").read_text() == "x = 1"
        assert len(read) == 1
        assert sorted(path.name for path in (tmp_path / "layers").iterdir()) == [first[0].name]

    def test_a_damaged_layer_is_said(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(layers.tempfile, "gettempdir", lambda: str(tmp_path))
        with pytest.raises(RuntimeError, match="Failed to extract layer arn:x"):
            layers.Shelf(lambda _: b"no zip").folders_of(["arn:x"])

    def test_a_function_keeps_its_own_variables(self) -> None:
        config = {"Layers": ["a"], "Environment": {"Variables": {"STAGE": "local"}}}
        changed = layers.without_layers(config, [Path("/one"), Path("/two")])
        assert changed["Layers"] == []
        assert changed["Environment"]["Variables"] == {"STAGE": "local", "_LAMBDA_LAYERS_DIRS": "/one:/two"}
        assert layers.without_layers(config, []) is config


class TestPermissions:
    @pytest.fixture(autouse=True)
    def key_schema(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(permissions, "_key_name", lambda _: "pk")

    def keys(self, call: dict[str, Any]) -> list[str]:
        return [key for table, detail in permissions.details(call) for key in permissions.partition_keys(table, detail)]

    @pytest.mark.parametrize("field", ["Key", "Item"])
    def test_a_single_call_touches_its_partition(self, field: str) -> None:
        assert self.keys({"TableName": "ledger", field: {"pk": {"S": "HOLD#1"}, "sk": {"S": "HOLD"}}}) == ["HOLD#1"]

    def test_batches_touch_each_partition(self) -> None:
        put = {"PutRequest": {"Item": {"pk": {"S": "A"}}}}
        delete = {"DeleteRequest": {"Key": {"pk": {"S": "B"}}}}
        assert self.keys({"RequestItems": {"catalog": [put, delete]}}) == ["A", "B"]
        assert self.keys({"RequestItems": {"catalog": {"Keys": [{"pk": {"S": "C"}}]}}}) == ["C"]

    def test_a_query_touches_none_that_could_be_named(self) -> None:
        assert self.keys({"TableName": "jobs", "KeyConditionExpression": "pk = :pk"}) == []

    def test_an_arn_with_keys_is_an_arn(self) -> None:
        arn = permissions.KeyedArn("arn:aws:dynamodb:r:0:table/ledger", ["HOLD#1"])
        assert arn == "arn:aws:dynamodb:r:0:table/ledger"
        assert arn.keys == ["HOLD#1"]


class TestPool:
    def worker(self, last_used: float, *, in_use: bool = False) -> Any:
        return SimpleNamespace(last_used=last_used, in_use=in_use)

    def test_the_longest_idle_go_first_and_busy_ones_never(self) -> None:
        busy, old, young = self.worker(1, in_use=True), self.worker(2), self.worker(3)
        runtime = SimpleNamespace(_lock=threading.Lock(), _workers={"a": [busy, young], "b": [old]})
        assert pool.take_surplus(runtime, 2) == [old]
        assert runtime._workers == {"a": [busy, young], "b": []}
        assert pool.take_surplus(runtime, 0) == [young]
        assert pool.take_surplus(runtime, 0) == []
        assert runtime._workers["a"] == [busy]


class TestStates:
    def test_the_delay_grows_to_its_limit(self) -> None:
        retrier = {"IntervalSeconds": 1, "BackoffRate": 1.5, "MaxDelaySeconds": 20}
        delays = [states.retry_delay_seconds(retrier, attempt) for attempt in (0, 1, 2, 20, 10_000)]
        assert delays == [1, 1.5, 2.25, 20, 20]

    def test_the_defaults_are_those_of_the_language(self) -> None:
        assert [states.retry_delay_seconds({}, attempt) for attempt in range(4)] == [1, 2, 4, 8]

    def test_full_jitter_stays_below_the_delay(self) -> None:
        retrier = {"IntervalSeconds": 4, "JitterStrategy": "FULL"}
        drawn = {states.retry_delay_seconds(retrier, 0) for _ in range(50)}
        assert len(drawn) > 1
        assert all(0 <= delay <= 4 for delay in drawn)

    @pytest.mark.parametrize(
        ("cause", "throttle"),
        [
            ('{"__type": "TooManyRequestsException"}', True),
            ('{"errorType": "X"}', False),
            ("text", False),
            ("[1]", False),
        ],
    )
    def test_a_throttle_is_told_by_its_cause(self, cause: str, throttle: bool) -> None:
        assert states.is_throttle(cause) is throttle


class TestStreams:
    REPORTING: ClassVar = {"FunctionResponseTypes": ["ReportBatchItemFailures"]}

    def test_reported_failures_fail_the_batch(self) -> None:
        answer = {"body": {"batchItemFailures": [{"itemIdentifier": "1"}]}}
        assert streams.failure_of(self.REPORTING, answer)["error"] is True
        assert streams.failure_of({}, answer) is answer

    @pytest.mark.parametrize("body", [None, {}, {"batchItemFailures": []}])
    def test_no_failures_are_a_success(self, body: object) -> None:
        assert "error" not in streams.failure_of(self.REPORTING, {"body": body})

    @pytest.mark.parametrize(
        ("maximum", "attempts", "exhausted"),
        [(5, 5, False), (5, 6, True), (0, 1, True), (-1, 99, False), (None, 99, False)],
    )
    def test_retries_end_after_their_maximum(self, maximum: int | None, attempts: int, exhausted: bool) -> None:
        assert streams.is_exhausted({"MaximumRetryAttempts": maximum}, attempts) is exhausted


class TestTurns:
    """Slots of an account that has two, where the function `one` may use one."""

    def queue(self, wait_seconds: float = 10) -> turns.Turns:
        self.used: list[str] = []
        return turns.Turns(self.acquire, self.used_up, wait_seconds)

    def acquire(self, func: str, _: object) -> tuple[str | None, str | None]:
        if func == "one" and "one" in self.used:
            return None, "function"
        if len(self.used) == 2:
            return None, "account"
        self.used.append(func)
        return func, None

    def used_up(self, slot: str) -> None:
        self.used.remove(slot)

    def later(self, queue: turns.Turns, func: str, order: list[str]) -> threading.Thread:
        waiting = len(queue._waiting)
        thread = threading.Thread(target=lambda: queue.take(func, {}) and order.append(func))
        thread.start()
        deadline = time.monotonic() + 5
        while len(queue._waiting) == waiting:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        return thread

    def test_first_come_first_served(self) -> None:
        queue, order = self.queue(), []
        queue.take("a", {})
        queue.take("b", {})
        threads = [self.later(queue, name, order) for name in ("first", "second", "third")]
        for taken, thread in zip(("a", "b", "first"), threads, strict=True):
            queue.give_back(taken)
            thread.join(5)
        assert order == ["first", "second", "third"]

    def test_a_function_at_its_limit_lets_others_pass(self) -> None:
        queue, order = self.queue(), []
        queue.take("one", {})
        blocked = self.later(queue, "one", order)
        assert queue.take("other", {}) == ("other", None)
        queue.give_back("one")
        blocked.join(5)
        assert order == ["one"]

    def test_who_waits_too_long_is_throttled(self) -> None:
        queue = self.queue(wait_seconds=0.01)
        queue.take("a", {})
        queue.take("b", {})
        assert queue.take("c", {}) == (None, "account")
        queue.give_back("a")
        assert queue.take("d", {}) == ("d", None)


def test_the_name_in_a_secrets_arn() -> None:
    assert resources.secret_name("arn:aws:secretsmanager:r:0:secret:museway/keys-prod-a1b2c3") == "museway/keys-prod"
    assert resources.secret_name("plain") == "plain"


def test_every_request_counts_as_tls() -> None:
    scopes: list[Any] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)

    headers = [(b"host", b"x"), (b"X-Forwarded-Proto", b"http")]
    for scope in ({"type": "http", "headers": headers}, {"type": "lifespan"}):
        with pytest.raises(StopIteration):
            emulator.as_tls(application)(scope, None, None).send(None)  # type: ignore[arg-type, attr-defined]
    assert scopes[0]["headers"] == [(b"host", b"x"), (b"x-forwarded-proto", b"https")]
    assert scopes[1] == {"type": "lifespan"}


def test_what_a_function_prints_stands_under_its_request() -> None:
    head, *lines = function_logs.entry("request-1", json.dumps({"message": "hello"}) + "\n").splitlines()
    assert head.startswith("--- 20")
    assert head.endswith(" request-1")
    assert lines == ['{"message": "hello"}']
    assert function_logs.entry("request-2", "\n").count("\n") == 1
