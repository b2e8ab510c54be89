"""A whole Museway in one process: the real handlers over moto, a scripted provider, virtual time.

`Faults` can do anything around any single store or provider call. moto runs in one thread here: it is not safe
under more. Worlds that are made by the thousand stand on `tests.chaos.store` instead.
"""

import copy
import functools
import hashlib
import heapq
import importlib
import io
import itertools
import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

import boto3
import httpx
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from moto import mock_aws
from PIL import Image
from pynamodb.exceptions import PynamoDBException

from gateway import (
    advance,
    audit,
    auth,
    aws,
    callbacks,
    catalog,
    config,
    durations,
    fx,
    health,
    ids,
    keys,
    ledger,
    providers,
    tables,
    transport,
    views,
)
from gateway.catalog.source import compile_catalog
from gateway.errors import GatewayError
from gateway.provider import Accepted, Failed, Finished, MediaBytes, MediaUrl, Refused, Running, Submission, Uncertain
from infra import manifest
from infra.sandbox.render.audio import SpeechOrder
from infra.sandbox.render.video import VideoOrder
from tests.chaos.faults import Crash, Faults
from tests.chaos.store import Store
from tests.integration import overheard
from tests.integration.machine import Machine, StepFailed
from tests.integration.overheard import Overheard
from tests.invariants import FINAL, violations

ENVIRONMENT = {
    "STAGE": "test", "CATALOG_TABLE": "catalog", "PROJECTS_TABLE": "projects", "JOBS_TABLE": "jobs",
    "LEDGER_TABLE": "ledger", "DRIVE_BUCKET": "drive", "EVENT_BUS": "museway-test",
    "STATE_MACHINE_ARN": "arn:aws:states:us-east-1:123456789012:stateMachine:generation",
    "PUBLIC_URL": "https://museway.test", "URL_ALLOWED_HOSTS": "files.test:80", "POLL_WINDOW_SECONDS": "20",
    "PROVIDER_TIMEOUT_SECONDS": "30", "DEADLINE_SECONDS_MAX": "600", "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "POWERTOOLS_METRICS_NAMESPACE": "Museway",
    "POWERTOOLS_SERVICE_NAME": "test", "POWERTOOLS_LOG_LEVEL": "CRITICAL",
    "PROJECT_KEYS_KEY_ARN": "alias/museway-test-project-keys",
}  # fmt: skip
PROJECT = "demo"
GRANTED_MICROS = 10_000_000


class Clock:
    """Virtual time with a queue of things that will happen (webhooks)."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.skew_seconds = 0.0
        """How far the clock of whoever asks is ahead; what passes is the same for all."""
        self.pace = 0.0
        """Seconds that pass outside for each one in here, where something runs there."""
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    def now(self) -> datetime:
        return datetime(2026, 11, 21, tzinfo=UTC) + timedelta(seconds=self.seconds + self.skew_seconds)

    def monotonic(self) -> float:
        return self.seconds

    def after(self, seconds: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.seconds + seconds, next(self._numbers), event))

    def sleep(self, seconds: float) -> None:
        ends_at = self.seconds + seconds
        while self.sleep_until_event(ends_at):
            pass

    @contextmanager
    def alone(self) -> Iterator[None]:
        """What is due meanwhile happens later."""
        self._events, due = [], self._events
        yield
        for one in due:
            heapq.heappush(self._events, one)

    def sleep_until_event(self, ends_at: float) -> bool:
        """Go on to the next event, or to `ends_at` when there is none before; whether there was one."""
        if self._events and self._events[0][0] <= ends_at:
            due_at, _, event = heapq.heappop(self._events)
            self._pass_until(due_at)
            event()
            return True
        self._pass_until(ends_at)
        return False

    def _pass_until(self, moment: float) -> None:
        passing, self.seconds = max(moment - self.seconds, 0.0), max(self.seconds, moment)
        if self.pace:
            time.sleep(passing * self.pace)


class ScriptedProvider:
    """A provider that does what its script says, and counts what it was paid for."""

    name = "fal"

    def __init__(self, world: "World") -> None:
        self.world = world
        self.script = "deliver"
        self.seconds = 8.0
        self.outputs = 1
        self.usage: dict[str, Any] = {}
        self.cost_usd: str | None = None
        """What it says that it charges."""
        self.loses_webhooks = False
        self.finds = False
        """Whether it can be asked for the job of an attempt."""
        self.calls_back_by_account = False
        """Whether what it calls back with goes to the account's address and names the job alone."""
        self.extension = "png"
        self.refusal = Refused("invalid_inputs", "no", retryable=False)
        """What the script `refuse` answers."""
        self.failure = Failed("provider_error", "the model broke", retryable=True)
        """What the script `fail` ends with."""
        self.scripts: dict[str, str] = {}
        """Generations that have a script of their own."""
        self.submissions: dict[str, Submission] = {}
        self.paid: list[str] = []
        self.jobs: dict[str, float] = {}
        self.cancelled: list[str] = []
        self.looks: dict[str, int] = {}
        """How often a finished job was asked for."""

    def submit(self, submission: Submission) -> Any:
        return self.world.faults.around("provider.submit", lambda: self._submit(submission))

    def script_of(self, attempt_id: str) -> str:
        """What becomes of an attempt: `refuse, deliver` has the first refused and the others delivered."""
        generation_id, number = attempt_id.rsplit("-", 1)
        parts = self.scripts.get(generation_id, self.script).split(", ")
        return parts[min(int(number), len(parts)) - 1]

    def _submit(self, submission: Submission) -> Any:
        self.submissions[submission.attempt_id] = submission
        if submission.webhook_url:
            self.world.overheard.add(submission.webhook_url.rpartition("/")[2])
        script = self.script_of(submission.attempt_id)
        if script == "turn_away":
            return Refused("overloaded", "not now", retryable=True)
        if script == "refuse":
            return self.refusal
        self.paid.append(submission.attempt_id)
        if script == "withhold_at_once":
            return Failed("moderated_output", "not this", retryable=False)
        if script == "deliver_at_once":
            made = tuple(MediaBytes(*media_file(self.extension)) for _ in range(self.outputs))
            return Finished(made, usage=self.usage)
        self.jobs[submission.attempt_id] = self.world.clock.seconds + self.seconds
        if submission.webhook_url and not self.loses_webhooks:
            self.world.clock.after(self.seconds, lambda: self.call_back(submission))
        if script == "call_back_early":
            self.call_back(submission)
        if script == "lose_answer":
            return Uncertain("no answer")
        return Accepted({"request_id": submission.attempt_id, "endpoint": submission.endpoint})

    def find(self, attempt_id: str, endpoint: str) -> Mapping[str, str]:
        if not self.finds:
            return {}
        known = {"request_id": attempt_id, "endpoint": endpoint} if attempt_id in self.jobs else {}
        return dict(self.world.faults.around("provider.find", lambda: known))

    def poll(self, reference: Mapping[str, str]) -> Any:
        return self.world.faults.around("provider.poll", lambda: self._poll(reference["request_id"]))

    def _poll(self, attempt_id: str) -> Any:
        script = self.script_of(attempt_id)
        if script == "never_finish" or self.jobs[attempt_id] > self.world.clock.seconds:
            return Running(progress=40)
        if script == "fail":
            return self.failure
        looks = self.looks[attempt_id] = self.looks.get(attempt_id, 0) + 1
        if script == "flap" and looks == 2:
            return Running(progress=60)
        folder = "expired/" if script == "expire" and looks <= 2 else ""
        urls = () if script == "deliver_nothing" else range(self.outputs)
        address = f"http://files.test/{folder}{{}}.{self.extension}?signature={overheard.SIGNATURE}"
        named = tuple(MediaUrl(address.format(n), headers={"x-key": overheard.KEY}) for n in urls)
        told = {"note": overheard.WORDS}
        return Finished(named, {"inference_time": 1.5, **told}, raw=told, usage=self.usage, cost_usd=self.cost_usd)

    def cancel(self, reference: Mapping[str, str]) -> bool:
        return bool(self.world.faults.around("provider.cancel", lambda: self._cancel(reference["request_id"])))

    def _cancel(self, attempt_id: str) -> bool:
        self.cancelled.append(attempt_id)
        return True

    def webhook_reference(self, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        return json.loads(body)

    def call_back(self, submission: Submission) -> None:
        """Call Museway's webhook, and again after an error."""
        provider, generation_id, token = submission.webhook_url.rsplit("/", 3)[1:]
        body = json.dumps({"request_id": submission.attempt_id}).encode()
        try:
            if self.calls_back_by_account:
                callbacks.receive_of_account(provider, {}, body)
            else:
                callbacks.receive(provider, generation_id, token, {}, body)
        except (Crash, ClientError, GatewayError):
            # The provider sees an error and calls again a little later.
            self.world.clock.after(5, lambda: self.call_back(submission))


class World:
    """One deployment, with a project that has credits and a key."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        faults: Faults | None = None,
        dies_on_crash: bool = False,
        models: Collection[str] | None = None,
        in_memory: bool = False,
        changed: Callable[[dict[str, Any]], None] | None = None,
        compared: Callable[[str, Any, Callable[[], Any]], Any] | None = None,
    ) -> None:
        self.faults = faults or Faults()
        self.clock = Clock()
        self.provider = ScriptedProvider(self)
        self.machine = Machine(self.clock, self._call, dies_on_crash)
        self.dynamodb = CLIENT("dynamodb")
        self.events: list[dict[str, Any]] = []
        """What was put on the bus."""
        self.overheard = Overheard()
        self.store = Store.empty() if in_memory else None
        self.compiled = COMPILED if models is None else cut(models)
        if changed:
            self.compiled = copy.deepcopy(self.compiled)
            changed(self.compiled)
        self.skews: dict[str, float] = {}
        """Functions whose machine's clock is ahead, in seconds."""
        self.tampered: str | None = None
        """Why the invariants need not hold at the end of a test that breaks them on purpose."""
        self._compared = compared or (lambda _operation, _arguments, action: action())
        """Whoever wants to hold each answer of the emulator against another's."""
        self._dispatched: set[tuple[str, str]] = set()
        self._patch(monkeypatch)
        catalog.forget()
        durations.forget()
        fx.forget()
        health.forget()
        self._settle_in()
        self.faults.active = True

    # Doors
    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = "",
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, dict[str, Any], dict[str, str]]:
        """A request as API Gateway passes it on, through the authorizer: status, body, headers."""
        answer = self.answer(method, path, body, key=key, headers=headers)
        return answer["statusCode"], json.loads(answer["body"]), answer["headers"]

    def answer(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = "",
        headers: Mapping[str, str] | None = None,
        base64_encoded: bool = False,
    ) -> dict[str, Any]:
        """As `request`, but the answer as the function gave it."""
        sent = {name.lower(): value for name, value in (headers or {}).items()}
        if key is not None:
            sent["authorization"] = f"Bearer {key or self.api_key}"
        found, parameters = route(method, path)
        context = None if found.public_because else self._call("authorizer", {"headers": sent})["context"]
        path_only, _, query = path.partition("?")
        event = {
            "version": "2.0",
            "rawPath": decoded(path_only),
            "rawQueryString": query,
            "queryStringParameters": dict(pair.split("=", 1) for pair in query.split("&")) if query else None,
            "headers": sent,
            "pathParameters": {name: decoded(value) for name, value in parameters.items()},
            "body": body if isinstance(body, str | None) else json.dumps(body),
            "isBase64Encoded": base64_encoded,
            "requestContext": {
                "http": {"method": method, "path": path_only},
                "stage": "$default",
                "requestId": f"req-{len(self.faults.calls)}",
                "domainName": "museway.test",
                **({} if context is None else {"authorizer": {"lambda": context}}),
            },
        }
        return self._call(found.function, event)

    def generate(self, model: str = "nano-banana", **inputs: Any) -> str:
        """Submit a typed request; answers the generation's id."""
        status, body, _ = self.request("POST", "/v1/generate/media", {"model": model, "prompt": "a fox"} | inputs)
        assert status == 202, body
        return body["generation_id"]

    # Time
    def settle_down(self, rounds: int = 60) -> None:
        """Let everything happen that is going to: the stream, the executions, the reconciler."""
        for _ in range(rounds):
            moved = self._deliver_stream()
            moved = self._guarded(self.machine.run_all) or moved
            if not moved and self._at_rest():
                return
            if not moved:
                self.reconcile(after_seconds=61)
        raise AssertionError(f"never came to rest: {self.violations(at_rest=True)}")

    def reconcile(self, after_seconds: float) -> None:
        """The clock strikes a while later; what the audit finds is no part of any world."""
        self.clock.sleep(after_seconds)
        done = self._guarded(lambda: self._call("reconcile", {}))
        if done and done["equations_broken"] and self.tampered is None:
            raise AssertionError(f"the audit found something: {audit.report(ledger.project_of(PROJECT))}")

    def violations(self, *, at_rest: bool = False) -> list[str]:
        self.faults.active, before = False, self.faults.active
        try:
            return violations(self.dynamodb, "jobs", "ledger", at_rest=at_rest)
        finally:
            self.faults.active = before

    def generation(self, generation_id: str) -> dict[str, Any]:
        return views.generation(PROJECT, generation_id)

    def totals(self) -> ledger.Totals:
        return ledger.totals(ledger.account_of(PROJECT))

    # Insides
    def _call(self, function: str, event: dict[str, Any]) -> Any:
        handler = importlib.import_module(f"functions.{function}.handler").handler
        skew_seconds, self.clock.skew_seconds = self.clock.skew_seconds, self.skews.get(function, 0)
        try:
            answer = handler(event, None)
            self.overheard.hear(function, answer)
            return answer
        except Crash as crash:
            if function in {"submit_attempt", "poll_attempt", "collect_outputs", "settle", "fail"}:
                raise StepFailed("Crash") from crash
            raise
        except Exception as error:
            self.overheard.hear(function, repr(error))
            if function in {"submit_attempt", "poll_attempt", "collect_outputs", "settle", "fail"}:
                raise StepFailed(type(error).__name__) from error
            raise
        finally:
            self.clock.skew_seconds = skew_seconds

    def _deliver_stream(self) -> bool:
        moved = False
        for item in self._generations():
            for name, due in (("INSERT", True), ("MODIFY", item["status"]["S"] in FINAL)):
                mark = (name, item["pk"]["S"])
                if not due or mark in self._dispatched:
                    continue
                keys = {"pk": item["pk"], "sk": item["sk"]}
                record = {"eventName": name, "dynamodb": {"Keys": keys, "SequenceNumber": "1"}}
                delivered = self._guarded(
                    lambda record=record: not self._call("dispatch", {"Records": [record]})["batchItemFailures"]
                )
                if delivered:
                    self._dispatched.add(mark)
                moved = True
        return moved

    def _guarded(self, action: Callable[[], Any]) -> Any:
        """An event, the machine's turn or a tick of the clock: what goes wrong with it is met again later."""
        try:
            return action()
        except (Crash, ClientError, PynamoDBException, GatewayError):
            return None

    def _generations(self) -> list[dict[str, Any]]:
        return [item for item in self._items("jobs") if item["sk"]["S"] == "GENERATION"]

    def _items(self, table: str) -> list[dict[str, Any]]:
        self.faults.active, before = False, self.faults.active
        items: list[dict[str, Any]] = self.dynamodb.scan(TableName=table)["Items"]
        self.faults.active = before
        return items

    def _at_rest(self) -> bool:
        holds = [item for item in self._items("ledger") if item["sk"]["S"] == "HOLD"]
        return all(item["status"]["S"] in FINAL and "work" not in item for item in self._generations()) and all(
            item["status"]["S"] != "open" for item in holds
        )

    def _patch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ids, "now", self.clock.now)
        for module in (advance, audit, health, ledger.reading, views, tables.items):
            monkeypatch.setattr(module, "time", self.clock)
        real = aws.client
        monkeypatch.setattr(
            aws, "client", lambda service: FaultyMachine(self) if service == "stepfunctions" else real(service)
        )
        monkeypatch.setattr(providers, "provider", lambda _name, _own=None: self.provider)
        monkeypatch.setattr(providers, "calls_back_by_account", lambda _name: self.provider.calls_back_by_account)
        original = BaseClient._make_api_call

        def make_api_call(client: Any, operation: str, arguments: Any) -> Any:
            return self.faults.around(
                operation, lambda: self._made(operation, arguments, lambda: original(client, operation, arguments))
            )

        monkeypatch.setattr(BaseClient, "_make_api_call", make_api_call)

    def _made(self, operation: str, arguments: Any, original: Callable[[], Any]) -> Any:
        """Make a call, here or at the emulator."""
        if self.store is not None:
            answer = self.store.call(operation, arguments)
        else:
            answer = self._compared(operation, arguments, original)
        if operation == "PutEvents":
            self.events += [json.loads(one["Detail"]) for one in arguments["Entries"]]
            self.overheard.hear("event", arguments)
        return answer

    def _settle_in(self) -> None:
        """Tables, a project with credits and a key, a catalog. In memory they are made once and copied."""
        founded = FOUNDED.get(kind := json.dumps(self.compiled, default=str)) if self.store else None
        if founded:
            self.store, (self.key_id, self.api_key) = founded[0].copy(), founded[1:]
            return
        if self.store is None:
            self._build()
        created_at = ids.timestamp(self.clock.now())
        tables.Project(f"PROJECT#{PROJECT}", "PROJECT", project_id=PROJECT, name="Demo", created_at=created_at).insert()
        ledger.grant(PROJECT, GRANTED_MICROS, "welcome")
        key = keys.create(PROJECT, "test", scopes=auth.SCOPES)
        self.key_id, self.api_key = key["key_id"], key["api_key"]
        catalog.publish(self.compiled)
        if self.store is not None:
            FOUNDED[kind] = (self.store.copy(), self.key_id, self.api_key)

    def _build(self) -> None:
        for table in manifest.TABLES:
            self.dynamodb.create_table(**schema_of(table))
        CLIENT("s3").create_bucket(Bucket="drive")
        CLIENT("events").create_event_bus(Name="museway-test")
        key_id = CLIENT("kms").create_key()["KeyMetadata"]["KeyId"]
        CLIENT("kms").create_alias(AliasName=ENVIRONMENT["PROJECT_KEYS_KEY_ARN"], TargetKeyId=key_id)


class FaultyMachine:
    """The machine's client side, with faults around each call."""

    def __init__(self, world: World) -> None:
        self.exceptions = Machine.exceptions
        self._world = world

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(**arguments: Any) -> Any:
            self._world.overheard.hear(f"states.{name}", arguments)
            return self._world.faults.around(f"states.{name}", lambda: getattr(self._world.machine, name)(**arguments))

        return call


def schema_of(table: manifest.Table) -> dict[str, Any]:
    """What a table of the deployment is created with."""
    attributes = {"pk": "S", "sk": "S"}
    options: dict[str, Any] = {}
    for index in table.indexes:
        attributes |= {index.partition: "S", index.sort: "N" if index.sort_is_number else "S"}
        options.setdefault("GlobalSecondaryIndexes", []).append(
            {
                "IndexName": index.name,
                "KeySchema": schema(index.partition, index.sort),
                "Projection": {"ProjectionType": "KEYS_ONLY" if index.keys_only else "ALL"},
            }
        )
    return {
        "TableName": table.name,
        "KeySchema": schema("pk", "sk"),
        "AttributeDefinitions": [{"AttributeName": a, "AttributeType": t} for a, t in attributes.items()],
        "BillingMode": "PAY_PER_REQUEST",
        **options,
    }


def schema(key: str, sort: str) -> list[dict[str, str]]:
    return [{"AttributeName": key, "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}]


def route(method: str, path: str) -> tuple[manifest.Route, dict[str, str]]:
    """The route of a request and its parameters, by the deployment's own list."""
    asked = path.partition("?")[0].strip("/").split("/")
    for candidate in manifest.ROUTES:
        parts = candidate.path.strip("/").split("/")
        greedy = parts[-1].endswith("+}")
        if candidate.method != method or not (len(parts) == len(asked) or (greedy and len(asked) >= len(parts))):
            continue
        found = dict(zip(parts, [*asked[: len(parts) - 1], "/".join(asked[len(parts) - 1 :])], strict=True))
        if all(part == given or part.startswith("{") for part, given in found.items()):
            return candidate, {p.strip("{}+"): v for p, v in found.items() if p.startswith("{")}
    return manifest.FALLBACK, {}


def decoded(path: str) -> str:
    """As API Gateway's HTTP APIs decode a path: every escape but the percent sign's."""
    return "%25".join(unquote(part) for part in path.split("%25"))


def picture(color: str = "orange") -> bytes:
    """A small real PNG."""
    file = io.BytesIO()
    Image.new("RGB", (64, 36), color).save(file, "PNG")
    return file.getvalue()


@functools.cache
def media_file(extension: str) -> tuple[bytes, str]:
    """A small real file and its type: png, mp4, mp3, wav or txt."""
    match extension:
        case "txt":
            return "A fox – 狐.\n".encode(), "text/plain"
        case "png":
            return picture(), "image/png"
        case "mp4":
            media = VideoOrder("a fox", 64, 36, 1.0, audio=True).render()
        case _:
            media = SpeechOrder("A fox.", "alloy", extension).render()
    return media.content, media.media_type


def files(request: httpx.Request) -> httpx.Response:
    """What the outside holds: media under http://files.test/, and some that are not what they seem."""
    name, _, extension = request.url.path.strip("/").rpartition(".")
    if name.startswith("expired/"):
        return httpx.Response(404)
    if name == "broken":
        raise httpx.ReadError("the connection broke")
    if name == "huge":
        return httpx.Response(200, content=picture(), headers={"content-length": "10000001"})
    if extension in {"png", "mp4", "mp3", "wav", "txt"}:
        data, media_type = media_file(extension)
        return httpx.Response(200, content=data, headers={"content-type": media_type})
    if extension == "html":
        return httpx.Response(200, content=b"<html>", headers={"content-type": "image/png"})
    return httpx.Response(404)


COMPILED = compile_catalog()


def cut(models: Collection[str]) -> dict[str, Any]:
    """A catalog of some models alone, each with its first offer: worlds that are made by the hundred publish no more
    than they use, and who wants another offer says so."""
    chosen = [model | {"offers": model["offers"][:1]} for model in COMPILED["models"] if model["id"] in models]
    return {"models": chosen, "families": {}, "providers": COMPILED["providers"]}


FOUNDED: dict[str, tuple[Store, str, str]] = {}
"""By their catalog, worlds in memory as they begin: their store, and the id of the key and the key."""

# Every world shares the clients (making them is most of a world's cost); moto forgets between worlds.
CLIENT = functools.cache(boto3.client)


@contextmanager
def world(
    environment: Mapping[str, str] | None = None,
    outside: Callable[[httpx.Request], httpx.Response] | None = files,
    **options: Any,
) -> Iterator[World]:
    """A fresh world, with changes to its environment; everything is undone at the end. `outside` None is the real one.

    What a test leaves behind keeps every promise about money and jobs, unless it says why not (`tampered`), and no
    secret was said to anybody (`overheard`).
    """
    emulator = nullcontext() if options.get("in_memory") else mock_aws()
    with pytest.MonkeyPatch.context() as monkeypatch, emulator:
        for name, value in {**ENVIRONMENT, **(environment or {})}.items():
            monkeypatch.setenv(name, value)
        config.settings.cache_clear()
        with transport.use(httpx.MockTransport(outside)) if outside else nullcontext():
            made = World(monkeypatch, **options)
            with made.overheard.logs():
                yield made
            if leaks := made.overheard.leaks():
                raise AssertionError(f"secrets were said: {leaks}")
            if made.tampered is None:
                assert made.violations() == []
    config.settings.cache_clear()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
