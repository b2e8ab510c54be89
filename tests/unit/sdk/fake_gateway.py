"""A gateway of the contract's shapes, in memory, behind `httpx.MockTransport`; a clock that only tests move.

`FakeGateway.interruptions` are answers (or exceptions) that come instead of the next ones, in their order.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from museway._operations import Pace
from museway.client import AsyncClient, Client

URL = "https://gateway.test"
API_KEY = "mw_test"
FILES_URL = "https://files.test"


@dataclass
class Clock:
    """Time that passes when somebody sleeps, or when the gateway holds an answer."""

    seconds: float = 1000.0
    pauses: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.seconds += seconds

    async def sleep_async(self, seconds: float) -> None:
        self.sleep(seconds)


@dataclass
class FakeGateway:
    """Answers as the gateway does. A generation ends once `work_seconds` of the clock have passed."""

    clock: Clock = field(default_factory=Clock)
    work_seconds: float = 10.0
    failure: dict[str, Any] | None = None
    final_state: str = "completed"
    holds_answers: bool = True
    page_size: int = 100
    lists: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    interruptions: list[httpx.Response | Exception] = field(default_factory=list)
    refusals: dict[int, tuple[int, dict[str, Any]]] = field(default_factory=dict)
    requests: list[httpx.Request] = field(default_factory=list)
    accepted: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    expired: set[str] = field(default_factory=set)
    began_at: dict[str, float] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=lambda: dict(SETTINGS))

    def client(self, **options: Any) -> Client:
        pace = options.pop("pace", Pace(now=self.clock.now, jitter=lambda: 0.0))
        transport = httpx.MockTransport(self.handle)
        options = {"url": URL, "api_key": API_KEY, "sleep": self.clock.sleep, **options}
        return Client(transport=transport, pace=pace, **options)

    def async_client(self, **options: Any) -> AsyncClient:
        pace = Pace(now=self.clock.now, jitter=lambda: 0.0)
        transport = httpx.MockTransport(self.handle)
        options = {"url": URL, "api_key": API_KEY, "sleep": self.clock.sleep_async, **options}
        return AsyncClient(transport=transport, pace=pace, **options)

    def sent(self, method: str, path: str) -> list[httpx.Request]:
        return [request for request in self.requests if (request.method, request.url.path) == (method, path)]

    def body(self, path: str) -> dict[str, Any]:
        """The JSON body of the only POST to a path."""
        (request,) = self.sent("POST", path)
        content: dict[str, Any] = json.loads(request.content)
        return content

    def handle(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        if self.interruptions:
            interruption = self.interruptions.pop(0)
            if isinstance(interruption, Exception):
                raise interruption
            return interruption
        if request.url.host == "files.test":
            return self._file(request)
        if request.url.path not in {"/v1/models", "/v1/modes", "/v1/pricing", "/health"} and (
            request.headers.get("authorization") != f"Bearer {API_KEY}"
        ):
            return refusal(401, "unauthorized", "No live API key.", hint="Send a live API key.")
        return self._route(request)

    def _route(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        routes: dict[str, Callable[[httpx.Request], dict[str, Any]]] = {
            "/v1/media/generate": self._submit,
            "/v1/generate/media:batch": self._batch,
            "/v1/estimate": lambda _: ESTIMATE,
            "/v1/route": lambda _: ROUTE,
            "/v1/upload/media": self._upload,
            "/v1/drive/sign": self._sign,
            "/v1/balance": lambda _: BALANCE,
            "/health": lambda _: {"status": "ok", "version": "1", "catalog_version": "7", "stage": "local"},
        }
        if path in routes:
            status = 202 if path in {"/v1/media/generate", "/v1/generate/media:batch"} else 200
            return answer(status, routes[path](request))
        if path == "/v1/settings":
            self.settings |= json.loads(request.content or b"{}")
            return answer(200, self.settings)
        if path.startswith("/v1/keys") and (request.method, path) != ("GET", "/v1/keys"):
            return self._key(path.rpartition("/")[2], request)
        if path.startswith("/v1/routers") and (request.method, path) != ("GET", "/v1/routers"):
            return self._router(request)
        if path.endswith("/cancel"):
            return self._cancel(path.split("/")[3])
        if path.startswith("/v1/generations/"):
            return self._generation(path.rpartition("/")[2], request)
        return self._page(request)

    def _submit(self, request: httpx.Request) -> dict[str, Any]:
        return self._accept(request.headers["idempotency-key"], json.loads(request.content))

    def _accept(self, key: str, wanted: dict[str, Any]) -> dict[str, Any]:
        if key not in self.accepted:
            generation_id = f"gen_{len(self.accepted) + 1}"
            self.began_at[generation_id] = self.clock.now()
            self.accepted[key] = {
                "generation_id": generation_id,
                "status": "pending",
                "model": wanted.get("model", "chosen/model"),
                "estimated_time_seconds": 10,
                "estimated_cost_micros": 672_000,
            }
        return self.accepted[key]

    def _batch(self, request: httpx.Request) -> dict[str, Any]:
        """Accepts each request but those in `refusals`, by their number."""
        key, items = request.headers["idempotency-key"], []
        for number, wanted in enumerate(json.loads(request.content)["requests"]):
            status, error = self.refusals.get(number, (202, None))
            generation = None if error else self._accept(f"{key}-{number}", wanted)
            items.append({"index": number, "status": status, "generation": generation, "error": error})
        refused = sum(item["error"] is not None for item in items)
        return {"accepted": len(items) - refused, "refused": refused, "items": items}

    def _cancel(self, generation_id: str) -> httpx.Response:
        if generation_id not in self.began_at:
            return refusal(404, "not_found", "No such generation.")
        status = self._status(generation_id)
        if status["status"] in {"completed", "failed"}:
            told = {"error": "already_finished", "message": "It has ended.", "status": status["status"]}
            return answer(409, told)
        self.failure = None
        self.work_seconds, self.final_state = 1e-9, "cancelled"
        self.clock.seconds += 1
        return answer(200, self._status(generation_id))

    def _generation(self, generation_id: str, request: httpx.Request) -> httpx.Response:
        if generation_id not in self.began_at:
            return refusal(404, "not_found", "No such generation.")
        wait_seconds = float(request.url.params.get("wait", 0)) if self.holds_answers else 0.0
        left_seconds = self.began_at[generation_id] + self.work_seconds - self.clock.now()
        self.clock.seconds += max(0.0, min(wait_seconds, left_seconds))
        return answer(200, self._status(generation_id))

    def _status(self, generation_id: str) -> dict[str, Any]:
        done = (self.clock.now() - self.began_at[generation_id]) / self.work_seconds
        status = {
            "generation_id": generation_id,
            "status": "processing",
            "progress": min(99, int(done * 100)),
            "model": "kuaishou/kling-v3-i2v",
            "kind": "video",
            "outputs": [],
            "error": None,
            "billed_micros": None,
            "meta": {"metrics": {"inference_time": 12.4}},
        }
        if done < 1:
            return status
        if self.failure or self.final_state != "completed":
            cancelled = {"code": "cancelled", "message": "It was cancelled by its caller.", "retryable": False}
            error = self.failure or (cancelled if self.final_state == "cancelled" else None)
            state = "failed" if self.failure else self.final_state
            return status | {"status": state, "error": error, "billed_micros": 0}
        drive_path = f"media/{generation_id}.mp4"
        self.files.setdefault(drive_path, b"the film")
        output = {"url": f"{FILES_URL}/{drive_path}?signed=1", "drive_path": drive_path, "width": 1280}
        return status | {
            "status": "completed",
            "progress": 100,
            "outputs": [output],
            "billed_micros": 672_000,
        }

    def _key(self, key_id: str, request: httpx.Request) -> httpx.Response:
        keys = self.lists.setdefault("/v1/keys", [])
        body = json.loads(request.content or b"{}")
        if request.method == "POST":
            keys.insert(0, KEY | body | {"key_id": f"key_{len(keys) + 1}"})
            return answer(201, keys[0] | {"api_key": "mw_secret"})
        found = next((key for key in keys if key["key_id"] == key_id), None)
        if found is None:
            return refusal(404, "not_found", "No such key.")
        found |= body | ({"revoked_at": "2026-11-21T00:00:00Z"} if request.method == "DELETE" else {})
        return answer(200, found)

    def _router(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/dry-run"):
            return answer(200, REHEARSAL)
        wanted = json.loads(request.content or b"{}")
        version = int(request.url.params.get("version", 2 if request.method == "PUT" else 1))
        return answer(201 if request.method == "POST" else 200, ROUTER | wanted | {"version": version})

    def _upload(self, request: httpx.Request) -> dict[str, Any]:
        files = []
        for wanted in json.loads(request.content)["files"]:
            drive_path = f"uploads/{wanted['filename']}"
            url = f"{FILES_URL}/{drive_path}"
            headers = {"content-type": wanted["content_type"], "x-amz-meta-project": "p"}
            files.append({"upload_url": f"{url}?put=1", "headers": headers, "url": url, "drive_path": drive_path})
        return {"files": files}

    def _sign(self, request: httpx.Request) -> dict[str, Any]:
        drive_path = json.loads(request.content)["drive_path"]
        return {"url": f"{FILES_URL}/{drive_path}?signed=2", "drive_path": drive_path}

    def _file(self, request: httpx.Request) -> httpx.Response:
        drive_path = request.url.path.removeprefix("/")
        assert "authorization" not in request.headers, "the key must not leave the gateway"
        if request.method == "PUT":
            assert request.headers["content-length"] == str(len(request.content))
            self.files[drive_path] = request.content
            return httpx.Response(200)
        if str(request.url) in self.expired:
            return httpx.Response(403, text="<Error>expired</Error>")
        if drive_path not in self.files:
            return httpx.Response(404)
        return httpx.Response(200, content=self.files[drive_path])

    def _page(self, request: httpx.Request) -> httpx.Response:
        items = self.lists.get(request.url.path)
        if items is None:
            return refusal(404, "not_found", "No such route.")
        start = int(request.url.params.get("cursor", 0))
        end = start + self.page_size
        return answer(200, {"items": items[start:end], "next_cursor": str(end) if end < len(items) else None})


ESTIMATE = {
    "model": "kuaishou/kling-v3-i2v",
    "estimated_time_seconds": 90,
    "expected_micros": 672_000,
    "maximum_micros": 672_000,
    "lines": [{"unit": "video_second", "rate": "0.084", "meter": "output_seconds", "quantity": "8",
               "row_id": "silent", "amount": "0.672"}],
    "assumptions": [],
}  # fmt: skip
CANDIDATE = {
    "model": "p-image", "offer": "p-image@replicate", "provider": "replicate", "price_micros": 5000,
    "maximum_micros": 5000, "quality": "fast", "seconds": 5, "health": "closed", "kept": True, "reason": "By price.",
}  # fmt: skip
ROUTE = {"mode": "image", "capabilities": ["image-gen"], "prefer": "price", "router": None, "candidates": [CANDIDATE]}
ROUTER = {"name": "drafts", "version": 1, "mode": "image", "capabilities": [], "prefer": "price"}
REHEARSAL = {
    "router": {"name": "drafts", "version": 1},
    "items": [
        {"generation_id": "gen_2", "was": {"model": "nano-banana", "price_micros": 39_000}, "changed": True,
         "chosen": {"model": "p-image", "price_micros": 5000}, "reason": "By price.", "unknown": ["seed"]},
        {"generation_id": "gen_1", "was": {"model": "openai/tts-1", "price_micros": 15}, "changed": False,
         "chosen": None, "reason": "It was for something else than the router is.", "unknown": []},
    ],
    "totals": {"requests": 2, "served": 1, "changed": 1, "was_micros": 39_000, "would_be_micros": 5000},
}  # fmt: skip
KEY = {
    "key_id": "key_1",
    "name": "key",
    "scopes": ["generate", "read"],
    "spending_limit": None,
    "created_at": "2026-11-20T00:00:00Z",
    "expires_at": None,
    "revoked_at": None,
}
SETTINGS = {
    "currency": "USD",
    "spending_limit": None,
    "alerts": {"balance_low_micros": None, "limit_near_percent": 80},
}
BALANCE = {
    "available_micros": 9_328_000,
    "held_micros": 0,
    "spent_micros": 672_000,
    "granted_micros": 10_000_000,
    "currency": "USD",
}


def answer(status: int, content: dict[str, Any], **headers: str) -> httpx.Response:
    """A JSON answer with the request id that every answer has."""
    return httpx.Response(status, json=content, headers={"x-request-id": "req_1", **headers})


def refusal(
    status: int, code: str, message: str = "No.", *, retry_after: str | None = None, **fields: Any
) -> httpx.Response:
    """The contract's error."""
    headers = {"retry-after": retry_after} if retry_after is not None else {}
    content = {"error": code, "message": message, "hint": "Do better.", "request_id": "req_9", **fields}
    return answer(status, content, **headers)
