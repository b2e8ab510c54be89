"""OpenAI answers with the media itself; what did not arrive may have been made, and is never asked for twice."""

import base64
import hashlib
import hmac
import json
import time
from typing import ClassVar

import httpx
import pytest

from gateway import signing_keys, transport
from gateway.config import settings
from gateway.provider import (
    Accepted,
    Failed,
    Finished,
    ForgedWebhook,
    MediaBytes,
    MediaUrl,
    Refused,
    Running,
    Submission,
    Uncertain,
)
from gateway.providers import ApiKey, Description
from gateway.providers import openai as adapters
from gateway.providers.openai import OpenAI
from tests.unit.gateway.loopback import answer, serving
from tests.unit.gateway.media_files import picture

BASE = "https://api.openai.com/v1"
AT_BASE = Description("openai", "OpenAI", BASE)
KEY = ApiKey("sk-secret")
PNG = picture("PNG")
B64 = base64.b64encode(PNG).decode()
USAGE = {"input_tokens": 50, "output_tokens": 4160, "output_tokens_details": {"image_tokens": 4160}}


def submission(endpoint="images/generations", **body):
    return Submission("att_1", endpoint, {"model": "gpt-image-2", **body}, None, 5)


def submit(given, reply, key=KEY):
    requests = []

    def respond(request):
        request.read()
        requests.append(request)
        if isinstance(reply, Exception):
            raise reply
        return reply

    with transport.use(httpx.MockTransport(respond)):
        return OpenAI(AT_BASE, lambda: key).submit(given), requests


def images(*items, **more):
    body = {"created": 1, "output_format": "png", "data": list(items), "usage": USAGE, **more}
    return httpx.Response(200, json=body, headers={"x-request-id": "req_1", "openai-processing-ms": "8000"})


def error(status, code=None, message="no"):
    return httpx.Response(status, json={"error": {"message": message, "type": "x", "param": None, "code": code}})


class TestImages:
    def test_finished(self):
        outcome, (request,) = submit(submission(prompt="a cat", n=2), images({"b64_json": B64}, {"b64_json": B64}))
        assert outcome.outputs == (MediaBytes(PNG, "image/png"),) * 2
        assert outcome.metrics == {"usage": USAGE, "request_id": "req_1", "processing_ms": "8000"}
        assert outcome.usage["media_output_tokens"] == 4160
        assert outcome.raw["data"] == [{}, {}]
        assert B64 not in repr(outcome.raw)
        assert str(request.url) == f"{BASE}/images/generations"
        assert request.headers["authorization"] == "Bearer sk-secret"
        assert json.loads(request.content) == {"model": "gpt-image-2", "prompt": "a cat", "n": 2}

    def test_an_url_is_an_output_too(self):
        outcome, _ = submit(submission(), images({"url": "https://oai.example/a.png"}))
        assert outcome.outputs == (MediaUrl("https://oai.example/a.png", "image/png"),)

    @pytest.mark.parametrize(
        ("given", "made", "counted"),
        [
            ({"text_tokens": 10, "image_tokens": 40}, {"image_tokens": 4160, "text_tokens": 0}, (10, 0, 40, 0, 4160)),
            ({"text_tokens": 10, "image_tokens": 40}, {"image_tokens": 4100, "text_tokens": 60}, (10, 0, 40, 60, 4100)),
            ({"text_tokens": 10, "image_tokens": 40, "cached_tokens": 4}, None, (6, 4, 40, 0, 4160)),
            ({"text_tokens": 10, "image_tokens": 40, "cached_tokens": 30}, None, (0, 30, 20, 0, 4160)),
            ({"text_tokens": 10, "image_tokens": 40, "cached_tokens": 99}, None, (0, 50, 0, 0, 4160)),
            (None, None, (50, 0, 0, 0, 4160)),
            ("?", ["?"], (50, 0, 0, 0, 4160)),
        ],
    )
    def test_each_token_is_counted_once(self, given, made, counted):
        told = {"input_tokens": 50, "output_tokens": 4160}
        told |= {"input_tokens_details": given, "output_tokens_details": made}
        outcome, _ = submit(submission(), images({"b64_json": B64}, usage=told))
        names = ("input", "cached_input", "media_input", "output", "media_output")
        assert outcome.usage == {f"{name}_tokens": count for name, count in zip(names, counted, strict=True)}
        assert sum(counted) == 50 + 4160

    @pytest.mark.parametrize("usage", [None, [], "many", {}])
    def test_no_usage(self, usage):
        outcome, _ = submit(submission(), images({"b64_json": B64}, usage=usage))
        assert len(outcome.outputs) == 1
        assert outcome.usage == {}

    @pytest.mark.parametrize(
        "reply",
        [
            images(),
            images({"b64_json": "not base64!"}),
            images({"b64_json": 7}),
            images({}),
            httpx.Response(200, json={"data": None}),
            httpx.Response(200, json={"data": {"b64_json": B64}}),
            httpx.Response(200, json=[]),
            httpx.Response(200, content=b'{"data": [{"b64'),
            httpx.Response(200, content=b""),
        ],
    )
    def test_a_complete_answer_without_media_is_an_end_without_outputs(self, reply):
        outcome, _ = submit(submission(), reply)
        assert isinstance(outcome, Finished)
        assert outcome.outputs == ()

    def test_one_broken_image_of_two(self):
        outcome, _ = submit(submission(), images({"b64_json": "?"}, {"b64_json": B64}))
        assert outcome.outputs == (MediaBytes(PNG, "image/png"),)

    def test_an_answer_beyond_the_limit(self, monkeypatch):
        monkeypatch.setattr(transport.request, "__kwdefaults__", {**transport.request.__kwdefaults__, "max_bytes": 99})
        outcome, _ = submit(submission(), images({"b64_json": B64}))
        assert outcome == Finished(())


class TestSpeech:
    def test_finished(self):
        reply = httpx.Response(200, content=b"ID3 sound", headers={"content-type": "audio/mpeg"})
        outcome, (request,) = submit(submission("audio/speech", input="hello", voice="alloy"), reply)
        assert outcome.outputs == (MediaBytes(b"ID3 sound", "audio/mpeg"),)
        assert str(request.url) == f"{BASE}/audio/speech"

    def test_nothing(self):
        outcome, _ = submit(submission("audio/speech"), httpx.Response(200))
        assert outcome == Finished(())


def events(*told, ending="\n\n"):
    body = "".join(f"data: {one if isinstance(one, str) else json.dumps(one)}{ending}" for one in told)
    return httpx.Response(200, content=body, headers={"content-type": "text/event-stream; charset=utf-8"})


def delta(sound):
    return {"type": "speech.audio.delta", "audio": base64.b64encode(sound).decode()}


DONE = {"type": "speech.audio.done", "usage": {"input_tokens": 14, "output_tokens": 101, "total_tokens": 115}}


class TestSpeechInEvents:
    """`gpt-4o-mini-tts` is billed by tokens, which OpenAI tells in the stream of events alone."""

    def speak(self, reply, **body):
        return submit(submission("audio/speech", **{"model": "gpt-4o-mini-tts", "input": "hello", **body}), reply)

    @pytest.mark.parametrize("ending", ["\n\n", "\r\n\r\n"])
    @pytest.mark.parametrize("more", [(), ("[DONE]",), ({"type": "something.else"}, [], 7)])
    def test_finished(self, ending, more):
        outcome, (request,) = self.speak(events(delta(b"ID3"), delta(b" sound"), DONE, *more, ending=ending))
        assert outcome.outputs == (MediaBytes(b"ID3 sound"),)
        assert outcome.usage == {"input_tokens": 14, "media_output_tokens": 101}
        assert json.loads(request.content)["stream_format"] == "sse"

    @pytest.mark.parametrize("model", ["tts-1", "tts-1-hd"])
    def test_older_models_do_not_stream(self, model):
        reply = httpx.Response(200, content=b"ID3 sound", headers={"content-type": "audio/mpeg"})
        outcome, (request,) = self.speak(reply, model=model)
        assert "stream_format" not in json.loads(request.content)
        assert outcome.usage == {}

    def test_a_stream_under_another_name(self):
        reply = events(delta(b"ID3"), DONE)
        outcome, _ = self.speak(httpx.Response(200, content=reply.content, headers={"content-type": "text/html"}))
        assert outcome.outputs == (MediaBytes(b"ID3"),)

    def test_a_stream_that_ends_early_delivers_nothing(self):
        outcome, _ = self.speak(events(delta(b"ID3"), delta(b" so")))
        assert isinstance(outcome, Finished)
        assert outcome.outputs == ()

    @pytest.mark.parametrize(
        "told",
        [
            (DONE,),
            ({"type": "speech.audio.delta"}, DONE),
            ({"type": "speech.audio.delta", "audio": 7}, DONE),
            ({"type": "speech.audio.delta", "audio": "a"}, DONE),
            ("{not json", DONE),
            ({"type": "error", "error": {"message": "no"}},),
        ],
    )
    def test_nothing_usable(self, told):
        outcome, _ = self.speak(events(*told))
        assert isinstance(outcome, Finished)
        assert outcome.outputs == ()

    def test_usage_that_is_none(self):
        outcome, _ = self.speak(events(delta(b"ID3"), {"type": "speech.audio.done", "usage": {"input_tokens": -1}}))
        assert outcome.outputs == (MediaBytes(b"ID3"),)
        assert outcome.usage == {}


CHAT_USAGE = {
    "prompt_tokens": 1100,
    "completion_tokens": 300,
    "total_tokens": 1400,
    "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 256, "audio_tokens": 0},
}


def choice(content, finish_reason="stop", **more):
    return {"index": 0, "message": {"role": "assistant", "content": content, **more}, "finish_reason": finish_reason}


class TestChat:
    def chat(self, *choices, usage=CHAT_USAGE, **body):
        reply = httpx.Response(200, json={"id": "chatcmpl-1", "choices": list(choices), "usage": usage})
        return submit(submission("chat/completions", **{"model": "gpt-5-mini", "prompt": "hello", **body}), reply)

    def test_finished(self):
        outcome, (request,) = self.chat(choice("A f\u00f6x."), system="Be brief.", max_completion_tokens=500)
        assert outcome.outputs == (MediaBytes("A f\u00f6x.".encode(), "text/plain"),)
        assert outcome.usage == {
            "input_tokens": 76,
            "cached_input_tokens": 1024,
            "media_input_tokens": 0,
            "output_tokens": 300,
            "media_output_tokens": 0,
        }
        assert outcome.metrics["usage"] == CHAT_USAGE
        assert "choices" not in outcome.raw
        assert str(request.url) == f"{BASE}/chat/completions"
        assert json.loads(request.content) == {
            "model": "gpt-5-mini",
            "max_completion_tokens": 500,
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello"}],
        }

    def test_a_prompt_alone(self):
        _, (request,) = self.chat(choice("A fox."))
        assert json.loads(request.content)["messages"] == [{"role": "user", "content": "hello"}]

    def test_messages_of_its_own(self):
        messages = [{"role": "user", "content": [{"type": "text", "text": "hello"}]}]
        body = {"model": "gpt-5-mini", "messages": messages}
        reply = httpx.Response(200, json={"choices": [choice("A fox.")]})
        outcome, (request,) = submit(Submission("att_1", "chat/completions", body, None, 5), reply)
        assert json.loads(request.content) == body
        assert outcome.usage == {}

    def test_several(self):
        outcome, _ = self.chat(
            choice("One."), choice(""), choice("Three.", "content_filter"), choice("Four.", "length")
        )
        assert [one.data for one in outcome.outputs] == [b"One.", b"Four."]

    @pytest.mark.parametrize(
        "withheld",
        [
            choice("", "content_filter"),
            choice("Half of", "content_filter"),
            choice(None, "content_filter"),
            choice(None, refusal="I can't help with that."),
        ],
    )
    def test_withheld(self, withheld):
        outcome, _ = self.chat(withheld)
        assert isinstance(outcome, Failed)
        assert (outcome.code, outcome.retryable) == ("moderated_output", False)
        assert "OpenAI: " in outcome.message

    @pytest.mark.parametrize(
        "reply",
        [
            {"choices": []},
            {"choices": None},
            {"choices": [7, {"message": "?"}]},
            {"choices": [choice("")]},
            {"choices": [choice(" \n")]},
            {"choices": [choice(None, "tool_calls")]},
            {"choices": [choice(["text"])]},
            [],
        ],
    )
    def test_nothing_written(self, reply):
        outcome, _ = submit(submission("chat/completions", prompt="hello"), httpx.Response(200, json=reply))
        assert isinstance(outcome, Finished)
        assert outcome.outputs == ()

    def test_sound_and_pictures_are_counted_apart(self):
        given = {"audio_tokens": 30, "image_tokens": 20, "cached_tokens": 60}
        usage = {"prompt_tokens": 100, "completion_tokens": 90, "prompt_tokens_details": given}
        usage["completion_tokens_details"] = {"audio_tokens": 40, "reasoning_tokens": 10}
        outcome, _ = self.chat(choice("A fox."), usage=usage)
        assert list(outcome.usage.values()) == [0, 60, 40, 50, 40]


@pytest.mark.parametrize(
    ("stage", "code"), [("input", "moderated_input"), ("output", "moderated_output"), ("unknown", "moderated_input")]
)
def test_moderation_says_what_it_looked_at_where_openai_tells(stage, code):
    told = {"code": "moderation_blocked", "message": "no", "moderation_details": {"moderation_stage": stage}}
    outcome, _ = submit(submission(), httpx.Response(400, json={"error": told}))
    assert outcome == Refused(code, "OpenAI: no", retryable=False)


@pytest.mark.parametrize(
    ("reply", "code", "retryable"),
    [
        (error(400, "moderation_blocked"), "moderated_input", False),
        (error(400, "content_policy_violation"), "moderated_input", False),
        (error(400, "invalid_value"), "invalid_inputs", False),
        (error(422), "invalid_inputs", False),
        (httpx.Response(400, content=b"<html>"), "invalid_inputs", False),
        (httpx.Response(400, json={"error": "text"}), "invalid_inputs", False),
        (error(401, "invalid_api_key", "Incorrect API key provided: sk-se***et."), "provider_auth", True),
        (error(403, "model_not_found"), "provider_auth", True),
        (error(404, "model_not_found"), "provider_unavailable", True),
        (error(409), "provider_unavailable", True),
        (error(429, "rate_limit_exceeded"), "rate_limited", True),
        (error(429, "insufficient_quota"), "rate_limited", True),
        (httpx.ConnectError(""), "provider_unavailable", True),
        (httpx.ConnectTimeout(""), "provider_unavailable", True),
    ],
)
@pytest.mark.parametrize("endpoint", ["images/generations", "audio/speech", "chat/completions"])
def test_an_explicit_no_is_a_refusal(endpoint, reply, code, retryable):
    outcome, requests = submit(submission(endpoint), reply)
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.retryable, len(requests)) == (code, retryable, 1)
    assert "sk-" not in outcome.message


@pytest.mark.parametrize(
    "reply",
    [
        *(httpx.ReadTimeout(""), httpx.ReadError(""), httpx.WriteTimeout(""), httpx.RemoteProtocolError("")),
        *(error(500), error(502), error(503), httpx.Response(504, content=b"<html>")),
        httpx.Response(302, headers={"location": "https://evil.example/"}),
    ],
)
def test_what_may_have_been_made_is_uncertain(reply):
    outcome, requests = submit(submission(), reply)
    assert isinstance(outcome, Uncertain)
    assert len(requests) == 1


def test_without_a_key_nothing_is_sent():
    outcome, requests = submit(submission(), images(), key=None)
    assert (outcome.code, requests) == ("provider_auth", [])


def test_there_is_nothing_to_ask_to_stop_or_to_be_told(monkeypatch):
    monkeypatch.setattr(signing_keys.SigningKey, "of", lambda _provider: None)
    adapter = OpenAI(AT_BASE, lambda: KEY)
    asked = adapter.poll({})
    assert isinstance(asked, Failed)
    assert (asked.code, asked.retryable) == ("provider_lost", False)
    assert adapter.cancel({}) is False
    with pytest.raises(ForgedWebhook):
        adapter.webhook_reference({}, b"{}")


class TestEdits:
    """Over real connections: the sources pass the URL guard, which a replaced transport would not exercise."""

    FILES: ClassVar = {
        "/a.png": answer(PNG),
        "/b.jpg": answer(picture("JPEG")),
        "/page.png": answer(b"<html>sign in</html>"),
        "/big.png": answer(b"", content_length="25000001"),
        "/v1/images/edits": answer(json.dumps({"data": [{"b64_json": B64}], "usage": USAGE}).encode()),
    }

    @pytest.fixture
    def server(self, monkeypatch):
        def respond(path, connection):
            connection.sendall(self.FILES.get(path, answer(status=404)))

        with serving(respond) as running:
            monkeypatch.setenv("URL_ALLOWED_HOSTS", f"127.0.0.1:{running.port}")
            settings.cache_clear()
            yield running
        settings.cache_clear()

    def edit(self, server, image, **body):
        adapter = OpenAI(Description("openai", "OpenAI", server.url("/v1")), lambda: KEY)
        return adapter.submit(submission("images/edits", prompt="a hat", image=image, **body))

    def paid(self, server):
        return sum(head.startswith("POST ") for head in server.requests)

    def test_sources_become_files(self, server):
        outcome = self.edit(server, [server.url("/a.png"), server.url("/b.jpg")], n=1, mask=None)
        assert outcome.outputs == (MediaBytes(PNG, None),)
        assert "content-type: multipart/form-data" in server.requests[-1].lower()

    @pytest.mark.parametrize(("path", "retryable"), [("/page.png", False), ("/big.png", False), ("/gone.png", True)])
    def test_a_source_that_cannot_be_used_is_refused_before_anything_is_paid(self, server, path, retryable):
        outcome = self.edit(server, server.url(path))
        assert (outcome.code, outcome.retryable) == ("invalid_inputs", retryable)
        assert self.paid(server) == 0

    @pytest.mark.parametrize("url", ["http://169.254.169.254/latest", "file:///etc/passwd", 7])
    def test_an_unsafe_source(self, server, url):
        outcome = self.edit(server, url)
        assert (outcome.code, outcome.retryable) == ("invalid_inputs", False)
        assert self.paid(server) == 0

    def test_too_many(self, server):
        outcome = self.edit(server, [server.url("/a.png")] * 17)
        assert outcome.code == "invalid_inputs"
        assert server.connections == 0

    def test_the_form(self):
        """Field names as the `openai` package sends them: `image`, or `image[]` for several."""
        seen = []

        def respond(request):
            if request.method == "GET":
                return httpx.Response(200, content=PNG)
            seen.append(request.read())
            return images({"b64_json": B64})

        with transport.use(httpx.MockTransport(respond)):
            adapter = OpenAI(AT_BASE, lambda: KEY)
            sources = ["https://media.example/a.png", "https://media.example/b.png"]
            adapter.submit(submission("images/edits", image=sources[:1], mask=sources[1], n=2, stream=False))
            adapter.submit(submission("images/edits", image=sources))
        one, several = seen
        for part in (b'name="image"; filename="image-0.png"', b'name="mask"; filename="mask-0.png"'):
            assert part in one
        assert b'name="n"\r\n\r\n2\r\n' in one
        assert b'name="stream"\r\n\r\nfalse\r\n' in one
        assert b'name="model"\r\n\r\ngpt-image-2\r\n' in one
        assert several.count(b'name="image[]"') == 2


class TestVideos:
    REFERENCE: ClassVar = {"endpoint": "videos", "video_id": "video/1"}
    FILM: ClassVar = {"prompt": "a fox", "seconds": "8"}
    CONTENT = f"{BASE}/videos/video%2F1/content"

    def poll(self, reply, key=KEY):
        def respond(request):
            assert (request.method, str(request.url)) == ("GET", f"{BASE}/videos/video%2F1")
            if isinstance(reply, Exception):
                raise reply
            return reply

        with transport.use(httpx.MockTransport(respond)):
            return OpenAI(AT_BASE, lambda: key).poll(self.REFERENCE)

    def state(self, **told):
        return self.poll(httpx.Response(200, json={"id": "video/1", **told}))

    def test_a_job_is_made_by_a_form(self):
        given = submission("videos", **self.FILM)
        outcome, (request,) = submit(given, httpx.Response(200, json={"id": "video_1", "status": "queued"}))
        assert outcome == Accepted({"endpoint": "videos", "video_id": "video_1"})
        assert request.headers["content-type"].startswith("multipart/form-data")
        assert b'name="seconds"\r\n\r\n8\r\n' in request.content

    @pytest.mark.parametrize("body", [b"{}", b"<html>", b'{"id": 7}', b'{"id": ""}', b'{"id": "vid'])
    def test_without_a_name_it_may_run(self, body):
        outcome, _ = submit(submission("videos", **self.FILM), httpx.Response(200, content=body))
        assert isinstance(outcome, Uncertain)

    def test_the_operators_key_of_webhooks_is_noted(self, monkeypatch):
        noted = []
        monkeypatch.setattr(signing_keys.SigningKey, "note", lambda _provider, key: noted.append(key))
        monkeypatch.setattr(adapters, "api_key", {"openai_webhook": ApiKey("whsec_a2V5")}.get)
        for endpoint in ("images/generations", "videos"):
            submit(submission(endpoint, **self.FILM), httpx.Response(200, json={"id": "video_1"}))
        assert noted == ["whsec_a2V5"]

    @pytest.mark.parametrize("status", ["queued", "in_progress"])
    def test_it_works_on(self, status):
        assert self.state(status=status, progress=33) == Running(33)
        assert self.state(status=status, progress="much") == Running(None)

    def test_it_is_fetched_with_the_key(self):
        done = self.state(status="completed", expires_at=4_000_000_000)
        headers = {"authorization": "Bearer sk-secret"}
        assert done.outputs == (MediaUrl(self.CONTENT, "video/mp4", headers, 4_000_000_000.0),)
        assert "sk-secret" not in repr(done)

    def test_what_has_expired_is_not_delivered(self):
        gone = self.state(status="completed", expires_at=1_700_000_000)
        assert isinstance(gone, Failed)
        assert (gone.code, gone.retryable) == ("expired_output", True)

    @pytest.mark.parametrize(
        ("error", "code", "retryable"),
        [
            ({"code": "moderation_blocked", "message": "no"}, "moderated_output", False),
            ({"code": "server_error", "message": "no"}, "provider_error", True),
            (None, "provider_error", True),
            ("odd", "provider_error", True),
        ],
    )
    def test_failed(self, error, code, retryable):
        failed = self.state(status="failed", error=error)
        assert isinstance(failed, Failed)
        assert (failed.code, failed.retryable) == (code, retryable)

    @pytest.mark.parametrize(
        "reply",
        [
            httpx.Response(200, content=b"<html>"),
            httpx.Response(200, json={"status": "dreaming"}),
            httpx.Response(500, json={"status": "completed"}),
            httpx.ReadTimeout(""),
        ],
    )
    def test_what_cannot_be_read_is_asked_again(self, reply):
        assert isinstance(self.poll(reply), Uncertain)
        assert isinstance(self.poll(reply, key=None), Uncertain)

    def test_unknown(self):
        lost = self.poll(error(404))
        assert isinstance(lost, Failed)
        assert lost.code == "provider_lost"

    @pytest.mark.parametrize(
        ("event", "told"),
        [
            ({"type": "video.completed", "data": {"id": "video_1"}}, {"video_id": "video_1"}),
            ({"type": "video.failed", "data": {"id": "video_1"}}, {"video_id": "video_1"}),
            ({"type": "response.completed", "data": {"id": "resp_1"}}, {}),
            ({"type": "video.completed", "data": {"id": 7}}, {}),
            ({"type": 7}, {}),
            ([], {}),
        ],
    )
    def test_events(self, monkeypatch, event, told):
        monkeypatch.setattr(signing_keys.SigningKey, "of", lambda _provider: signing_keys.SigningKey(key=SECRET))
        body = json.dumps(event).encode()
        assert OpenAI(AT_BASE, lambda: KEY).webhook_reference(signed(body), body) == told
        with pytest.raises(ForgedWebhook):
            OpenAI(AT_BASE, lambda: KEY).webhook_reference(signed(body + b" "), body)
        with pytest.raises(ForgedWebhook, match="readable"):
            OpenAI(AT_BASE, lambda: KEY).webhook_reference(signed(b"{"), b"{")


SECRET = "whsec_a2V5"


def signed(body):
    stamp = str(int(time.time()))
    digest = hmac.new(b"key", f"id.{stamp}.".encode() + body, hashlib.sha256).digest()
    signature = "v1," + base64.b64encode(digest).decode()
    return {"webhook-id": "id", "webhook-timestamp": stamp, "webhook-signature": signature}
