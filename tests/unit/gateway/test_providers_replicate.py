"""Replicate's answers as outcomes, and callbacks told from forgeries by a key that the callback's function may read."""

import base64
import hashlib
import hmac
import json
import time

import httpx
import pytest

from gateway import signing_keys, telemetry, transport
from gateway.provider import (
    Accepted,
    Failed,
    Finished,
    ForgedWebhook,
    MediaUrl,
    Refused,
    Running,
    Submission,
    Uncertain,
)
from gateway.providers import ApiKey, Description, replicate
from gateway.providers.replicate import Replicate

BASE = "https://api.replicate.com/v1"
AT_BASE = Description("replicate", "Replicate", BASE)
CREATE = "/v1/models/prunaai/p-image/predictions"
SECRET = "/v1/webhooks/default/secret"
REFERENCE = {"prediction_id": "rrr4"}
KEY = ApiKey("r8_secret")
SIGNING_KEY = "whsec_" + base64.b64encode(b"a key of the account").decode()
OTHER_KEY = "whsec_" + base64.b64encode(b"another key").decode()
URLS = {name: f"{BASE}/predictions/rrr4{path}" for name, path in (("get", ""), ("cancel", "/cancel"))}


def submission(webhook_url=None, endpoint="prunaai/p-image", **inputs):
    return Submission("att_1", endpoint, inputs or {"prompt": "a cat"}, webhook_url, 5)


class Wire:
    """What Replicate answers, by method and path; remembers the requests."""

    def __init__(self, answers):
        self.answers = answers
        self.requests = []

    def __call__(self, request):
        request.read()
        self.requests.append(request)
        answer = self.answers[f"{request.method} {request.url.path}"]
        if isinstance(answer, Exception):
            raise answer
        status, body = answer
        return httpx.Response(status, content=body if isinstance(body, bytes) else json.dumps(body).encode())

    def paths(self):
        return [f"{request.method} {request.url.path}" for request in self.requests]


class Keys:
    """The noted signing keys, as the jobs table keeps them."""

    def __init__(self):
        self.key = None
        self.reads = 0
        self.broken = False

    def note(self, provider, key):
        assert provider == "replicate"
        if self.broken:
            raise RuntimeError("the store does not answer")
        self.key = key

    def of(self, provider):
        self.reads += 1
        return None if self.key is None else type("Noted", (), {"key": self.key})


@pytest.fixture
def keys(monkeypatch):
    kept = Keys()
    monkeypatch.setattr(signing_keys, "SigningKey", kept)
    return kept


@pytest.fixture
def ahead(monkeypatch):
    """Seconds that the monotonic clock is ahead."""
    seconds, real = [0.0], time.monotonic
    monkeypatch.setattr(replicate.time, "monotonic", lambda: real() + seconds[0])
    return seconds


@pytest.fixture
def adapter(keys):
    return Replicate(AT_BASE, lambda: KEY)


def call(act, answers):
    wire = Wire(answers)
    with transport.use(httpx.MockTransport(wire)):
        return act(), wire


def submit(adapter, answer, given=None):
    given = given or submission()
    return call(lambda: adapter.submit(given), {f"POST {CREATE}": answer, f"GET {SECRET}": (200, {"key": SIGNING_KEY})})


def poll(adapter, status="succeeded", *, http=200, reference=REFERENCE, **prediction):
    body = {"id": "rrr4", "status": status, "output": None, "error": None, "logs": "", "metrics": {}, **prediction}
    return call(lambda: adapter.poll(reference), {"GET /v1/predictions/rrr4": (http, body)})[0]


class TestSubmit:
    @pytest.mark.parametrize("status", [200, 201, 202])
    def test_accepted(self, adapter, status):
        outcome, wire = submit(adapter, (status, {"id": "rrr4", "status": "starting", "urls": URLS}))
        assert outcome == Accepted({"prediction_id": "rrr4", "get_url": URLS["get"], "cancel_url": URLS["cancel"]})
        (request,) = wire.requests
        assert request.headers["authorization"] == "Bearer r8_secret"
        assert json.loads(request.content) == {"input": {"prompt": "a cat"}}

    def test_with_a_webhook(self, adapter, keys):
        outcome, wire = submit(adapter, (201, {"id": "rrr4"}), submission("https://api.example/v1/callbacks/x"))
        assert outcome == Accepted({"prediction_id": "rrr4"})
        assert json.loads(wire.requests[-1].content) == {
            "input": {"prompt": "a cat"},
            "webhook": "https://api.example/v1/callbacks/x",
            "webhook_events_filter": ["completed"],
        }
        assert wire.paths() == [f"GET {SECRET}", f"POST {CREATE}"]
        assert keys.key == SIGNING_KEY

    def test_a_version_of_a_model_that_is_not_official(self, adapter):
        given = submission(endpoint="stability-ai/sdxl:7762fd")
        outcome, wire = call(lambda: adapter.submit(given), {"POST /v1/predictions": (201, {"id": "rrr4"})})
        assert isinstance(outcome, Accepted)
        assert json.loads(wire.requests[0].content) == {"version": given.endpoint, "input": {"prompt": "a cat"}}

    @pytest.mark.parametrize(
        "url",
        [
            "https://evil.example/v1/predictions/rrr4",
            "http://api.replicate.com/v1/predictions/rrr4",
            "https://api.replicate.com:444/v1/predictions/rrr4",
            "https://user@api.replicate.com/v1/predictions/rrr4",
            "https://api.replicate.com/v2/predictions/rrr4",
            "https://api.replicate.com/v10/predictions/rrr4",
            "//",
            7,
            None,
        ],
    )
    def test_urls_elsewhere_are_not_kept(self, adapter, url):
        outcome, _ = submit(adapter, (201, {"id": "rrr4", "urls": {"get": url, "cancel": url}}))
        assert outcome == Accepted({"prediction_id": "rrr4"})

    @pytest.mark.parametrize(
        ("answer", "code", "retryable"),
        [
            ((401, {"detail": "Unauthenticated"}), "provider_auth", True),
            ((402, {"title": "Insufficient credit", "detail": "no credit"}), "provider_auth", True),
            ((403, {}), "provider_auth", True),
            ((404, {"detail": "no model"}), "provider_unavailable", True),
            ((422, {"detail": "- input.prompt: is required", "invalid_fields": []}), "invalid_inputs", False),
            ((400, b"<html>"), "invalid_inputs", False),
            ((429, {"detail": "Request was throttled."}), "rate_limited", True),
            (httpx.ConnectError(""), "provider_unavailable", True),
        ],
    )
    def test_refused(self, adapter, answer, code, retryable):
        outcome, wire = submit(adapter, answer)
        assert isinstance(outcome, Refused)
        assert (outcome.code, outcome.retryable, len(wire.requests)) == (code, retryable, 1)
        assert "r8_" not in outcome.message

    def test_what_is_wrong_is_told(self, adapter):
        outcome, _ = submit(adapter, (422, {"title": "Invalid", "detail": "- input: prompt is required\n"}))
        assert outcome.message == "Replicate: - input: prompt is required"

    @pytest.mark.parametrize(
        "answer",
        [
            *((302, {}), (500, {}), (503, {"id": "rrr4"}), (201, b'{"id'), (201, {"id": 7}), (200, [])),
            *(httpx.ReadTimeout(""), httpx.ReadError(""), httpx.RemoteProtocolError("")),
        ],
    )
    def test_uncertain(self, adapter, answer):
        outcome, wire = submit(adapter, answer)
        assert isinstance(outcome, Uncertain)
        assert len(wire.requests) == 1

    def test_without_a_key(self, keys):
        outcome, wire = submit(Replicate(AT_BASE, lambda: None), (201, {}), submission("https://api.example/x"))
        assert (outcome.code, wire.requests) == ("provider_auth", [])


class TestPoll:
    @pytest.mark.parametrize(
        ("logs", "progress"),
        [
            ("", None),
            (None, None),
            ("Using seed: 7\n 10%|█ | 5/50 [00:01<00:09]\n 64%|██████ | 32/50 [00:06<00:03]\n", 64),
            ("  0%|          | 0/50", 0),
            ("999%|", 100),
        ],
    )
    @pytest.mark.parametrize("status", ["starting", "processing"])
    def test_running(self, adapter, status, logs, progress):
        assert poll(adapter, status, logs=logs) == Running(progress)

    @pytest.mark.parametrize(
        ("output", "urls"),
        [
            ("https://replicate.delivery/a.png", ["a.png"]),
            (["https://replicate.delivery/a.png", "https://replicate.delivery/b.png"], ["a.png", "b.png"]),
            ({"video": "https://replicate.delivery/v.mp4", "seconds": 5, "text": "no URL"}, ["v.mp4"]),
            (
                {"images": [{"url": "https://replicate.delivery/a.png"}], "first": "https://replicate.delivery/a.png"},
                ["a.png"],
            ),
            (["Once", " upon"], []),
            (None, []),
            (7, []),
            ("file:///etc/passwd", []),
        ],
    )
    def test_succeeded(self, adapter, output, urls):
        outcome = poll(adapter, output=output, metrics={"predict_time": 3.25, "total_time": 4})
        assert isinstance(outcome, Finished)
        assert outcome.outputs == tuple(MediaUrl(f"https://replicate.delivery/{name}") for name in urls)
        assert outcome.usage == {"compute_seconds": 3.25}
        assert outcome.metrics == {"predict_time": 3.25, "total_time": 4}
        assert outcome.raw["output"] == output

    @pytest.mark.parametrize("metrics", [None, {}, {"predict_time": None}, {"predict_time": -1}, [3.25]])
    def test_without_times(self, adapter, metrics):
        outcome = poll(adapter, output="https://replicate.delivery/a.png", metrics=metrics)
        assert outcome.usage == {}

    @pytest.mark.parametrize("output", [None, [], ""])
    def test_removed(self, adapter, output):
        outcome = poll(adapter, output=output, data_removed=True)
        assert (outcome.code, outcome.retryable) == ("expired_output", True)

    @pytest.mark.parametrize(
        ("error", "code", "retryable"),
        [
            ("NSFW content detected. Try running it again, or try a different prompt.", "moderated_output", False),
            ("The input or output was flagged as sensitive. Please try again. (E005)", "moderated_output", False),
            ("Input validation error: image: could not be fetched", "invalid_inputs", False),
            ("Prediction interrupted; please retry (code: PA)", "provider_error", True),
            ("CUDA out of memory", "provider_error", True),
            ("a sensitive instrument failed", "provider_error", True),
            (None, "provider_error", True),
            ({"text": "no text"}, "provider_error", True),
        ],
    )
    def test_failed(self, adapter, error, code, retryable):
        outcome = poll(adapter, "failed", error=error)
        assert isinstance(outcome, Failed)
        assert (outcome.code, outcome.retryable) == (code, retryable)
        assert outcome.message.startswith("Replicate: ")

    @pytest.mark.parametrize("status", ["canceled", "aborted"])
    def test_stopped(self, adapter, status):
        outcome = poll(adapter, status)
        assert isinstance(outcome, Failed)
        assert (outcome.code, outcome.retryable) == ("provider_error", True)

    def test_unknown(self, adapter):
        outcome = poll(adapter, http=404)
        assert (outcome.code, outcome.retryable) == ("provider_lost", False)

    @pytest.mark.parametrize(
        ("http", "status"), [(200, "dancing"), (200, None), (401, "failed"), (429, "x"), (500, "succeeded"), (302, "x")]
    )
    def test_uncertain(self, adapter, http, status):
        assert isinstance(poll(adapter, status, http=http), Uncertain)

    @pytest.mark.parametrize("answer", [httpx.ConnectError(""), httpx.ReadTimeout(""), (200, b"{"), (200, [])])
    def test_no_answer(self, adapter, answer):
        outcome, _ = call(lambda: adapter.poll(REFERENCE), {"GET /v1/predictions/rrr4": answer})
        assert isinstance(outcome, Uncertain)

    def test_nothing_to_ask_about(self, adapter):
        assert isinstance(adapter.poll({}), Uncertain)

    def test_the_key_goes_nowhere_else(self, adapter):
        reference = {**REFERENCE, "get_url": "https://evil.example/v1/predictions/rrr4"}
        assert isinstance(poll(adapter, reference=reference), Finished)

    def test_an_id_is_no_path(self, adapter):
        with_slash = {"prediction_id": "../models"}
        wire = Wire({})
        with transport.use(httpx.MockTransport(wire)), pytest.raises(KeyError):
            adapter.poll(with_slash)
        assert wire.requests[0].url.raw_path == b"/v1/predictions/..%2Fmodels"


class TestCancel:
    @pytest.mark.parametrize(
        ("answer", "promised"),
        [
            ((200, {"status": "canceled"}), True),
            ((200, {"status": "processing"}), True),
            ((200, {"status": "succeeded"}), False),
            ((200, {"status": "failed"}), False),
            ((404, {"status": "canceled"}), False),
            ((200, b"?"), False),
            (httpx.ReadTimeout(""), False),
        ],
    )
    def test_cancel(self, adapter, answer, promised):
        reference = {**REFERENCE, "cancel_url": URLS["cancel"]}
        for asked in (reference, REFERENCE):
            done, wire = call(lambda asked=asked: adapter.cancel(asked), {"POST /v1/predictions/rrr4/cancel": answer})
            assert done is promised
            assert len(wire.requests) == 1


def signed(body=b'{"id": "rrr4", "status": "succeeded"}', key=SIGNING_KEY, at=None, message_id="msg_1"):
    """The headers that Replicate sends with a body (https://replicate.com/docs/topics/webhooks/verify-webhook)."""
    timestamp = str(int(time.time() if at is None else at))
    secret = base64.b64decode(key.removeprefix("whsec_"))
    message = f"{message_id}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.new(secret, message, hashlib.sha256).digest()).decode()
    return {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": f"v1,{signature}"}, body


class TestWebhook:
    def test_true(self, adapter, keys):
        keys.key = SIGNING_KEY
        for _ in range(3):
            assert adapter.webhook_reference(*signed()) == {"prediction_id": "rrr4"}
        assert keys.reads == 1

    def test_one_of_several_signatures_is_enough(self, adapter, keys):
        keys.key = SIGNING_KEY
        headers, body = signed()
        others = [signed(key=OTHER_KEY)[0]["webhook-signature"], "v1a,abc", "v2", "v1,é", "v1,"]
        headers["webhook-signature"] = " ".join([*others, headers["webhook-signature"]])
        assert adapter.webhook_reference(headers, body)

    @pytest.mark.parametrize(
        "changes",
        [
            {"webhook-signature": ""},
            {"webhook-signature": "v1,AAAA"},
            {"webhook-id": "msg_2"},
            {"webhook-id": ""},
            {"webhook-timestamp": ""},
            {"webhook-timestamp": "-5"},
            {"webhook-timestamp": "²"},
            {"webhook-timestamp": "9" * 400},
        ],
    )
    def test_forged(self, adapter, keys, changes):
        keys.key = SIGNING_KEY
        headers, body = signed()
        with pytest.raises(ForgedWebhook):
            adapter.webhook_reference({**headers, **changes}, body)

    def test_another_body_or_another_version_of_the_scheme(self, adapter, keys):
        keys.key = SIGNING_KEY
        headers, body = signed()
        with pytest.raises(ForgedWebhook):
            adapter.webhook_reference(headers, body + b" ")
        headers["webhook-signature"] = headers["webhook-signature"].replace("v1,", "v2,")
        with pytest.raises(ForgedWebhook):
            adapter.webhook_reference(headers, body)

    @pytest.mark.parametrize("seconds", [-301, 301])
    def test_too_old_or_too_new(self, adapter, keys, seconds):
        keys.key = SIGNING_KEY
        with pytest.raises(ForgedWebhook, match="old"):
            adapter.webhook_reference(*signed(at=time.time() + seconds))

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"id": 7}', b'{"id": ""}', b"[" * 100_000])
    def test_a_signed_body_that_names_nothing(self, adapter, keys, body):
        keys.key = SIGNING_KEY
        with pytest.raises(ForgedWebhook):
            adapter.webhook_reference(*signed(body))

    @pytest.mark.parametrize("noted", [None, "", "whsec_", "whsec_?", "key"])
    def test_without_a_key_nothing_verifies(self, adapter, keys, noted):
        keys.key = noted
        with pytest.raises(ForgedWebhook, match="no key"):
            adapter.webhook_reference(*signed())

    def test_a_changed_key_is_read_again_once_a_minute(self, adapter, keys, ahead):
        keys.key = SIGNING_KEY
        adapter.webhook_reference(*signed())
        keys.key = OTHER_KEY
        for _ in range(3):
            with pytest.raises(ForgedWebhook):
                adapter.webhook_reference(*signed(key=OTHER_KEY))
        assert keys.reads == 1
        ahead[0] = 61
        assert adapter.webhook_reference(*signed(key=OTHER_KEY))
        assert keys.reads == 2


class TestNotingTheKey:
    WITH_WEBHOOK = submission("https://api.example/x")

    def submit(self, adapter, secret):
        answers = {f"POST {CREATE}": (201, {"id": "rrr4"}), f"GET {SECRET}": secret}
        return call(lambda: adapter.submit(self.WITH_WEBHOOK), answers)

    def test_once_an_hour(self, adapter, ahead):
        for seconds, asked in ((0, True), (1, False), (3599, False), (3601, True)):
            ahead[0] = seconds
            _, wire = self.submit(adapter, (200, {"key": SIGNING_KEY}))
            assert (f"GET {SECRET}" in wire.paths()) is asked

    @pytest.mark.parametrize("secret", [(500, {}), (200, {"key": 7}), (200, b"?"), (403, {}), httpx.ReadTimeout("")])
    def test_trouble_stops_no_submission_and_is_tried_again_in_a_minute(
        self, adapter, keys, ahead, monkeypatch, secret
    ):
        said = []
        monkeypatch.setattr(telemetry.logger, "error", lambda *args, **options: said.append((args, options)))
        for seconds, asked in ((0, True), (59, False), (61, True)):
            ahead[0] = seconds
            outcome, wire = self.submit(adapter, secret)
            assert isinstance(outcome, Accepted)
            assert (f"GET {SECRET}" in wire.paths()) is asked
        assert keys.key is None
        assert len(said) == 2

    def test_nor_does_a_store_that_is_broken(self, adapter, keys, monkeypatch):
        said = []
        monkeypatch.setattr(telemetry.logger, "error", lambda *args, **options: said.append((args, options)))
        keys.broken = True
        outcome, _ = self.submit(adapter, (200, {"key": SIGNING_KEY}))
        assert isinstance(outcome, Accepted)
        assert SIGNING_KEY not in str(said)
