"""fal's answers as outcomes: what was accepted, what surely was not, and what nobody can tell."""

import base64
import hashlib
import json
import time

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway import transport
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
from gateway.providers import ApiKey, Description
from gateway.providers.fal import Fal

BASE = "https://queue.fal.run"
AT_BASE = Description("fal", "fal.ai", BASE)
JOB = f"{BASE}/fal-ai/kling-video/requests/req-1"
REFERENCE = {"request_id": "req-1", "endpoint": "fal-ai/kling-video/v2.6/pro/text-to-video"}
SUBMISSION = Submission(
    attempt_id="att_1",
    endpoint=REFERENCE["endpoint"],
    body={"prompt": "a cat", "duration": "5", "sync_mode": True},
    webhook_url="https://api.example/v1/callbacks/fal/gen_1/tok?a=b",
    timeout_seconds=5,
)
KEY = ApiKey("fal-secret-key")


class Wire:
    """What fal answers, by method and path; remembers the requests."""

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
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return httpx.Response(status, content=content)


@pytest.fixture
def fal():
    return Fal(AT_BASE, lambda: KEY)


def submit(adapter, answer, submission=SUBMISSION):
    wire = Wire({f"POST /{submission.endpoint}": answer})
    with transport.use(httpx.MockTransport(wire)):
        return adapter.submit(submission), wire


def poll(adapter, status, result=(200, {}), reference=REFERENCE):
    path = "/fal-ai/kling-video/requests/req-1"
    wire = Wire({f"GET {path}/status": status, f"GET {path}": result})
    with transport.use(httpx.MockTransport(wire)):
        return adapter.poll(reference), wire


def completed(**more):
    return 200, {"status": "COMPLETED", "metrics": {"inference_time": 12.4}, "error": None, **more}


class TestSubmit:
    def test_accepted(self, fal):
        answer = {
            "status": "IN_QUEUE",
            "request_id": "req-1",
            "response_url": JOB,
            "status_url": f"{JOB}/status",
            "cancel_url": f"{JOB}/cancel",
        }
        outcome, wire = submit(fal, (200, answer))
        urls = {"response_url": JOB, "status_url": f"{JOB}/status", "cancel_url": f"{JOB}/cancel"}
        assert outcome == Accepted({**REFERENCE, **urls})
        (request,) = wire.requests
        assert request.headers["authorization"] == "Key fal-secret-key"
        assert request.headers["x-fal-no-retry"] == "1"
        assert dict(request.url.params) == {"fal_webhook": SUBMISSION.webhook_url}
        assert json.loads(request.content) == {"prompt": "a cat", "duration": "5"}
        assert "fal-secret-key" not in repr(outcome)

    @pytest.mark.parametrize(
        "elsewhere",
        [
            *("https://evil.example/requests/req-1/status", "http://queue.fal.run/x", "https://queue.fal.run:444/"),
            *("https://queue.fal.run@evil.example/", "https://queue.fal.run.evil.example/", "//evil.example/", ""),
            *("https://user@queue.fal.run/x", "https://evil.example\\@queue.fal.run/", None, 7, "https://[::1"),
        ],
    )
    def test_the_key_follows_no_foreign_url(self, fal, elsewhere):
        answer = {"request_id": "req-1", "status_url": elsewhere, "response_url": elsewhere, "cancel_url": elsewhere}
        outcome, _ = submit(fal, (200, answer))
        assert outcome == Accepted(REFERENCE)
        stored = {**REFERENCE, "status_url": str(elsewhere), "response_url": str(elsewhere)}
        _, wire = poll(fal, completed(), reference=stored)
        assert {request.url.host for request in wire.requests} == {"queue.fal.run"}

    @pytest.mark.parametrize(
        ("status", "body", "code", "retryable"),
        [
            (401, {"detail": "no"}, "provider_auth", True),
            (403, {"detail": "User is locked. Reason: Exhausted balance."}, "provider_auth", True),
            (404, {"detail": "Application not found"}, "provider_unavailable", True),
            (429, {"detail": "Too many requests"}, "rate_limited", True),
            (400, {"detail": "bad"}, "invalid_inputs", False),
            (
                422,
                {"detail": [{"loc": ["body", "prompt"], "msg": "Field required", "type": "missing"}]},
                "invalid_inputs",
                False,
            ),
            (
                422,
                {"detail": [{"loc": ["body", "prompt"], "msg": "no", "type": "content_policy_violation"}]},
                "moderated_input",
                False,
            ),
            (422, b"<html>", "invalid_inputs", False),
        ],
    )
    def test_an_explicit_no_is_a_refusal(self, fal, status, body, code, retryable):
        outcome, _ = submit(fal, (status, body))
        assert isinstance(outcome, Refused)
        assert (outcome.code, outcome.retryable) == (code, retryable)

    def test_a_refusal_names_the_input(self, fal):
        detail = [{"loc": ["body", "prompt"], "msg": "Field\n required", "type": "missing"}]
        outcome, _ = submit(fal, (422, {"detail": detail}))
        assert outcome.message == "fal: prompt: Field required"

    @pytest.mark.parametrize("error", [httpx.ConnectError(""), httpx.ConnectTimeout(""), httpx.PoolTimeout("")])
    def test_what_never_left_is_refused(self, fal, error):
        outcome, _ = submit(fal, error)
        assert (outcome.code, outcome.retryable) == ("provider_unavailable", True)

    @pytest.mark.parametrize(
        "answer",
        [
            *(httpx.ReadTimeout(""), httpx.ReadError(""), httpx.WriteError(""), httpx.RemoteProtocolError("")),
            *((500, {"detail": "Internal Server Error"}), (502, b""), (503, {"detail": "down"}), (504, b"<html>")),
            *((302, b""), (307, b"")),
            *((200, b'{"request_id"'), (200, b""), (200, []), (200, {"status": "IN_QUEUE"}), (200, {"request_id": 7})),
        ],
    )
    def test_what_may_have_been_queued_is_uncertain(self, fal, answer):
        outcome, wire = submit(fal, answer)
        assert isinstance(outcome, Uncertain)
        assert len(wire.requests) == 1

    def test_without_a_key_nothing_is_sent(self):
        outcome, wire = submit(Fal(AT_BASE, lambda: None), (200, {}))
        assert (outcome.code, wire.requests) == ("provider_auth", [])

    def test_without_a_webhook(self, fal):
        plain = Submission("att_1", "fal-ai/nano-banana", {}, None, 5)
        _, wire = submit(fal, (200, {"request_id": "r"}), plain)
        assert str(wire.requests[0].url) == f"{BASE}/fal-ai/nano-banana"


class TestPoll:
    @pytest.mark.parametrize("state", ["IN_QUEUE", "IN_PROGRESS"])
    def test_running(self, fal, state):
        outcome, wire = poll(fal, (202, {"status": state}))
        assert outcome == Running()
        assert str(wire.requests[0].url) == f"{JOB}/status"
        assert wire.requests[0].headers["authorization"] == "Key fal-secret-key"

    @pytest.mark.parametrize(
        ("endpoint", "app"),
        [
            ("fal-ai/nano-banana", "fal-ai/nano-banana"),
            ("fal-ai/veo3.1/fast/image-to-video", "fal-ai/veo3.1"),
            ("workflows/owner/name/step", "workflows/owner/name"),
        ],
    )
    def test_id_and_endpoint_are_enough(self, fal, endpoint, app):
        wire = Wire({f"GET /{app}/requests/req-1/status": (202, {"status": "IN_QUEUE"})})
        with transport.use(httpx.MockTransport(wire)):
            assert fal.poll({"request_id": "req-1", "endpoint": endpoint}) == Running()

    def test_an_id_cannot_climb_out_of_its_path(self, fal):
        path = "/fal-ai/kling-video/requests/..%2F..%2Fother/status"
        with transport.use(
            httpx.MockTransport(
                lambda request: httpx.Response(
                    200 if request.url.raw_path.decode() == path else 500, json={"status": "IN_QUEUE"}
                )
            )
        ):
            assert fal.poll({**REFERENCE, "request_id": "../../other"}) == Running()

    def test_own_urls_are_used(self, fal):
        wire = Wire({"GET /odd/status": (200, {"status": "IN_QUEUE"})})
        with transport.use(httpx.MockTransport(wire)):
            assert fal.poll({**REFERENCE, "status_url": f"{BASE}/odd/status"}) == Running()

    @pytest.mark.parametrize(
        ("result", "urls"),
        [
            (
                {
                    "images": [
                        {"url": "https://v3.fal.media/a.png", "content_type": "image/png"},
                        {"url": "https://v3.fal.media/b.png"},
                    ],
                    "seed": 7,
                },
                ["a.png", "b.png"],
            ),
            ({"image": {"url": "https://v3.fal.media/a.png"}}, ["a.png"]),
            (
                {"video": {"url": "https://v3.fal.media/a.mp4"}, "thumbnail": {"url": "https://v3.fal.media/t.png"}},
                ["a.mp4"],
            ),
            ({"audio": {"url": "https://v3.fal.media/a.mp3", "file_size": 1}}, ["a.mp3"]),
            ({"audio_file": {"url": "https://v3.fal.media/a.wav"}}, ["a.wav"]),
            ({"audio_url": "https://v3.fal.media/a.wav"}, ["a.wav"]),
            ({"output": ["https://v3.fal.media/a.mp4"]}, ["a.mp4"]),
            ({"images": []}, []),
            ({"video": None}, []),
            ({"images": [{"url": None}, {"url": "data:image/png;base64,AA=="}, 7, None]}, []),
            ({"prompt": "https://v3.fal.media/a.png", "image_urls": ["https://in.example/a.png"]}, []),
            ([], []),
        ],
    )
    def test_finished(self, fal, result, urls):
        outcome, _ = poll(fal, completed(), (200, result))
        assert isinstance(outcome, Finished)
        assert [one.url.rsplit("/", 1)[1] for one in outcome.outputs] == urls
        assert outcome.metrics == {"inference_time": 12.4}
        assert outcome.usage == {"compute_seconds": 12.4}
        assert outcome.raw == (result or {})

    def test_the_declared_type_is_passed_on(self, fal):
        result = {"video": {"url": "https://v3.fal.media/a", "content_type": "video/mp4"}}
        outcome, _ = poll(fal, completed(), (200, result))
        assert outcome.outputs == (MediaUrl("https://v3.fal.media/a", "video/mp4"),)

    def test_pictures_that_a_checker_blackened_are_not_outputs(self, fal):
        images = [{"url": "https://v3.fal.media/a.png"}, {"url": "https://v3.fal.media/b.png"}]
        some, _ = poll(fal, completed(), (200, {"images": images, "has_nsfw_concepts": [True, False]}))
        assert [one.url for one in some.outputs] == ["https://v3.fal.media/b.png"]
        none, _ = poll(fal, completed(), (200, {"images": images, "has_nsfw_concepts": [True, True]}))
        assert (none.code, none.retryable) == ("moderated_output", False)

    @pytest.mark.parametrize(
        ("status", "result", "code", "retryable"),
        [
            (
                completed(error="Runner crashed", error_type="runner_server_error"),
                (500, {"detail": "Runner crashed"}),
                "provider_error",
                True,
            ),
            (
                completed(error="Runner crashed"),
                (200, {"video": {"url": "https://v3.fal.media/a"}}),
                "provider_error",
                True,
            ),
            (completed(error="Runner crashed"), httpx.ReadTimeout(""), "provider_error", True),
            (
                completed(error="cancelled", error_type="client_cancelled"),
                (499, {"detail": "cancelled"}),
                "provider_error",
                True,
            ),
            (completed(), (500, {"detail": "Internal error"}), "provider_error", True),
            (
                completed(),
                (422, {"detail": [{"loc": ["body", "prompt"], "msg": "no", "type": "content_policy_violation"}]}),
                "moderated_input",
                False,
            ),
            (
                completed(error="422"),
                (422, {"detail": [{"loc": ["body", "prompt"], "msg": "no", "type": "content_policy_violation"}]}),
                "moderated_input",
                False,
            ),
            (
                completed(),
                (422, {"detail": [{"loc": ["body"], "msg": "no", "type": "content_policy_violation"}]}),
                "moderated_output",
                False,
            ),
            (
                completed(),
                (422, {"detail": [{"loc": ["body", "image_url"], "msg": "no", "type": "file_download_error"}]}),
                "invalid_inputs",
                False,
            ),
            (
                completed(),
                (422, {"detail": [{"loc": ["body"], "msg": "no", "type": "no_media_generated"}]}),
                "empty_output",
                True,
            ),
            (completed(), (404, {"detail": "not found"}), "expired_output", True),
            ((404, {"detail": "Request not found"}), (404, {}), "provider_lost", False),
        ],
    )
    def test_failed(self, fal, status, result, code, retryable):
        outcome, _ = poll(fal, status, result)
        assert isinstance(outcome, Failed)
        assert (outcome.code, outcome.retryable) == (code, retryable)

    @pytest.mark.parametrize(
        ("status", "result"),
        [
            (httpx.ConnectError(""), (200, {})),
            (httpx.ReadTimeout(""), (200, {})),
            ((401, {"detail": "key revoked"}), (200, {})),
            ((429, {"detail": "slow down"}), (200, {})),
            ((500, {"detail": "down"}), (200, {})),
            ((200, b"<html>"), (200, {})),
            ((200, {"status": "NEW"}), (200, {})),
            (completed(), httpx.ReadTimeout("")),
            (completed(), (503, b"<html>")),
            (completed(), (429, {"detail": "slow down"})),
        ],
    )
    def test_no_verdict_is_uncertain(self, fal, status, result):
        assert isinstance(poll(fal, status, result)[0], Uncertain)

    @pytest.mark.parametrize("reference", [{}, {"request_id": "req-1"}, {"endpoint": "a/b"}])
    def test_nothing_to_ask_about(self, fal, reference):
        outcome, wire = poll(fal, completed(), reference=reference)
        assert isinstance(outcome, Uncertain)
        assert wire.requests == []


@pytest.mark.parametrize(
    ("answer", "promised"),
    [
        ((202, {"status": "CANCELLATION_REQUESTED"}), True),
        ((200, {"status": "OK"}), True),
        ((400, {"status": "ALREADY_COMPLETED"}), False),
        ((404, {"status": "NOT_FOUND"}), False),
        ((500, b""), False),
        (httpx.ReadTimeout(""), False),
    ],
)
def test_cancel(fal, answer, promised):
    wire = Wire({"PUT /fal-ai/kling-video/requests/req-1/cancel": answer})
    with transport.use(httpx.MockTransport(wire)):
        assert fal.cancel(REFERENCE) is promised
    assert len(wire.requests) == 1


class Signer:
    """fal's side of webhooks: a key, its JWKS, and what it signs."""

    def __init__(self):
        self.key = Ed25519PrivateKey.generate()

    @property
    def jwk(self):
        x = base64.urlsafe_b64encode(self.key.public_key().public_bytes_raw()).decode().rstrip("=")
        return {"kty": "OKP", "crv": "Ed25519", "x": x}

    def headers(self, body, at=None, request_id="req-1", **changed):
        at = str(int(time.time()) if at is None else at)
        message = "\n".join((request_id, "user-1", at, hashlib.sha256(body).hexdigest()))
        return {
            "x-fal-webhook-request-id": request_id,
            "x-fal-webhook-user-id": "user-1",
            "x-fal-webhook-timestamp": at,
            "x-fal-webhook-signature": self.key.sign(message.encode()).hex(),
            **changed,
        }


BODY = b'{"request_id": "req-1", "status": "OK", "payload": {"images": []}}'


class TestWebhook:
    @pytest.fixture
    def jwks(self):
        """The key set that fal shows, and how often it was read."""
        state = {"keys": [], "reads": 0, "fails": False}

        def answer(request):
            state["reads"] += 1
            if state["fails"]:
                raise httpx.ConnectError("")
            return httpx.Response(200, json={"keys": [signer.jwk for signer in state["keys"]]})

        with transport.use(httpx.MockTransport(answer)):
            yield state

    @pytest.fixture
    def clock(self, monkeypatch):
        """Moves monotonic time."""
        ahead = [0.0]
        real = time.monotonic
        monkeypatch.setattr(time, "monotonic", lambda: real() + ahead[0])
        return ahead

    def test_verified(self, fal, jwks):
        signer = Signer()
        jwks["keys"] = [Signer(), signer]
        for _ in range(3):
            assert fal.webhook_reference(signer.headers(BODY), BODY) == {"request_id": "req-1"}
        assert jwks["reads"] == 1

    @pytest.mark.parametrize(
        "forge",
        [
            lambda s: (s.headers(BODY), BODY + b" "),
            lambda s: (s.headers(BODY, **{"x-fal-webhook-user-id": "user-2"}), BODY),
            lambda s: (s.headers(BODY, **{"x-fal-webhook-request-id": "req-2"}), BODY),
            lambda s: (s.headers(BODY, **{"x-fal-webhook-signature": "00" * 64}), BODY),
            lambda s: (s.headers(BODY, **{"x-fal-webhook-signature": "zz"}), BODY),
            lambda s: (s.headers(BODY, **{"x-fal-webhook-signature": ""}), BODY),
            lambda s: (s.headers(BODY, **{"x-fal-webhook-timestamp": "soon"}), BODY),
            lambda s: (s.headers(BODY, at=int(time.time()) - 301), BODY),
            lambda s: (s.headers(BODY, at=int(time.time()) + 302), BODY),
            lambda s: (s.headers(BODY, at=10**40), BODY),
            lambda s: (Signer().headers(BODY), BODY),
            lambda s: (s.headers(BODY, request_id="req-2"), BODY),
            lambda s: (s.headers(b"[]"), b"[]"),
            lambda s: (s.headers(b"<x>"), b"<x>"),
            lambda s: ({}, BODY),
        ],
    )
    def test_forged(self, fal, jwks, forge):
        signer = Signer()
        jwks["keys"] = [signer]
        headers, body = forge(signer)
        with pytest.raises(ForgedWebhook):
            fal.webhook_reference(headers, body)

    def test_leeway(self, fal, jwks):
        signer = Signer()
        jwks["keys"] = [signer]
        for at in (int(time.time()) - 295, int(time.time()) + 295):
            assert fal.webhook_reference(signer.headers(BODY, at=at), BODY)

    def test_a_new_key_is_fetched_at_most_once_a_minute(self, fal, jwks, clock):
        old, new = Signer(), Signer()
        jwks["keys"] = [old]
        fal.webhook_reference(old.headers(BODY), BODY)
        for _ in range(5):
            with pytest.raises(ForgedWebhook):
                fal.webhook_reference(new.headers(BODY), BODY)
        assert jwks["reads"] == 1
        jwks["keys"] = [new]
        clock[0] += 61
        assert fal.webhook_reference(new.headers(BODY), BODY)
        assert jwks["reads"] == 2

    def test_keys_are_kept_for_a_day(self, fal, jwks, clock):
        signer = Signer()
        jwks["keys"] = [signer]
        fal.webhook_reference(signer.headers(BODY), BODY)
        clock[0] += 23 * 3600
        fal.webhook_reference(signer.headers(BODY), BODY)
        assert jwks["reads"] == 1
        clock[0] += 2 * 3600
        fal.webhook_reference(signer.headers(BODY), BODY)
        assert jwks["reads"] == 2

    def test_without_keys_nothing_verifies(self, fal, jwks):
        signer = Signer()
        jwks["fails"] = True
        with pytest.raises(ForgedWebhook, match="no keys"):
            fal.webhook_reference(signer.headers(BODY), BODY)

    def test_other_kinds_of_keys_are_passed_over(self, fal):
        signer = Signer()
        keys = [{"kty": "RSA", "n": "AQAB"}, {"x": "AA"}, {"x": None}, None, "text", {"x": "!!"}, signer.jwk]
        with transport.use(httpx.MockTransport(lambda request: httpx.Response(200, json={"keys": keys}))):
            assert fal.webhook_reference(signer.headers(BODY), BODY)
