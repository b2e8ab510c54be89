"""Google answers with what it made, or with why it made nothing; a video is a job whose file needs the key."""

import base64
import io
import json
import wave

import httpx
import pytest

from gateway import transport
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
from gateway.providers.google import Google
from tests.unit.gateway.loopback import answer, serving
from tests.unit.gateway.media_files import picture

BASE = "https://generativelanguage.googleapis.com/v1beta"
KEY = ApiKey("AIza-secret")
PNG = picture("PNG")
B64 = base64.b64encode(PNG).decode()
IMAGE, SPEECH, TEXT = (f"gemini-{name}:generateContent" for name in ("3.1-flash-image", "3.8-flash-tts", "3.8-flash"))
IMAGEN, VEO = "imagen-4.0-generate-001:predict", "veo-3.1-generate-001:predictLongRunning"
OPERATION = "models/veo-3.1-generate-001/operations/abc"
FILE = f"{BASE}/files/xyz:download?alt=media"


def google(key=KEY, base=BASE):
    return Google(Description("google", "Google Gemini API", base), lambda: key)


def call(ask, reply):
    requests = []

    def respond(request):
        request.read()
        requests.append(request)
        if isinstance(reply, Exception):
            raise reply
        return reply if isinstance(reply, httpx.Response) else httpx.Response(200, json=reply)

    with transport.use(httpx.MockTransport(respond)):
        return ask(), requests


def submit(endpoint, reply, key=KEY, **body):
    given = Submission("att_1", endpoint, body, None, 5)
    return call(lambda: google(key).submit(given), reply)


def poll(reply, reference=None):
    return call(lambda: google().poll({"operation": OPERATION} if reference is None else reference), reply)


def inline(media_type="image/png", data=B64):
    return {"inlineData": {"mimeType": media_type, "data": data}}


def candidate(*parts, ending="STOP"):
    return {"content": {"role": "model", "parts": list(parts)}, "finishReason": ending, "index": 0}


def generated(*candidates, **more):
    return {"candidates": list(candidates), "modelVersion": "gemini", "responseId": "r1", **more}


def error(status, message="no", state="INVALID_ARGUMENT", details=()):
    told = {"code": status, "message": message, "status": state, "details": list(details)}
    return httpx.Response(status, json={"error": told})


def sent(requests):
    (request,) = requests
    return json.loads(request.content)


class TestGenerate:
    def test_a_picture(self):
        outcome, requests = submit(
            IMAGE,
            generated(candidate({"text": "Here."}, inline("image/jpeg")), usageMetadata={"promptTokenCount": 12}),
            prompt="a fox",
            responseModalities=["IMAGE"],
            aspectRatio="16:9",
            imageSize="2K",
            seed=None,
        )
        assert outcome.outputs == (MediaBytes(PNG, "image/jpeg"),)
        assert outcome.metrics == {"usage": {"promptTokenCount": 12}, "request_id": "r1", "model": "gemini"}
        assert B64 not in repr(outcome.raw)
        assert str(requests[0].url) == f"{BASE}/models/{IMAGE}"
        assert requests[0].headers["x-goog-api-key"] == "AIza-secret"
        assert sent(requests) == {
            "contents": [{"role": "user", "parts": [{"text": "a fox"}]}],
            "generationConfig": {
                "responseModalities": ["IMAGE"],
                "imageConfig": {"aspectRatio": "16:9", "imageSize": "2K"},
            },
        }

    def test_what_is_not_named_is_not_sent(self):
        """A field of Google's that nobody prices must not come by way of a native request."""
        _, requests = submit(TEXT, generated(), prompt="Hi", candidateCount=8, tools=[{"googleSearch": {}}], n=2)
        assert sent(requests) == {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}

    def test_text(self):
        parts = [{"text": "hm", "thought": True}, {"text": "A "}, {"text": "fox."}]
        outcome, requests = submit(
            TEXT, generated(candidate(*parts, ending="MAX_TOKENS")), prompt="Hi", system="Be brief.", maxOutputTokens=9
        )
        assert outcome.outputs == (MediaBytes(b"A fox.", "text/plain"),)
        assert sent(requests)["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
        assert sent(requests)["generationConfig"] == {"maxOutputTokens": 9}

    def test_what_a_model_draws_while_it_thinks_is_no_output(self):
        parts = [{**inline(), "thought": True}, inline("image/jpeg")]
        outcome, _ = submit(IMAGE, generated(candidate(*parts)), prompt="x", responseModalities=["IMAGE"])
        assert outcome.outputs == (MediaBytes(PNG, "image/jpeg"),)

    @pytest.mark.parametrize(
        ("media_type", "rate"),
        [("audio/L16;codec=pcm;rate=24000", 24000), ("audio/l16; rate=16000", 16000), ("audio/pcm", 24000)],
    )
    def test_bare_samples_become_a_file(self, media_type, rate):
        samples = base64.b64encode(b"\x01\x00" * 100).decode()
        outcome, requests = submit(
            SPEECH,
            generated(candidate(inline(media_type, samples))),
            prompt="Hello.",
            style_instructions="Softly",
            voice="Kore",
            responseModalities=["AUDIO"],
        )
        (output,) = outcome.outputs
        assert output.media_type == "audio/wav"
        with wave.open(io.BytesIO(output.data)) as sound:
            assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 2, rate)
            assert sound.readframes(200) == b"\x01\x00" * 100
        asked = sent(requests)
        assert asked["contents"][0]["parts"] == [{"text": "Softly\n\nHello."}]
        voice = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}}
        assert asked["generationConfig"] == {"responseModalities": ["AUDIO"], "speechConfig": voice}

    def test_a_dialogue(self):
        speakers = [{"speaker_id": "A", "voice": "Kore"}, {"speaker_id": "B", "voice": "Puck"}]
        _, requests = submit(SPEECH, generated(), prompt="A: Hi. B: Hi.", voice="Kore", speakers=speakers)
        configs = sent(requests)["generationConfig"]["speechConfig"]["multiSpeakerVoiceConfig"]["speakerVoiceConfigs"]
        assert [(one["speaker"], one["voiceConfig"]["prebuiltVoiceConfig"]["voiceName"]) for one in configs] == [
            ("A", "Kore"),
            ("B", "Puck"),
        ]

    @pytest.mark.parametrize("given", [4, True, "hostile", ["x"], {"a": 1}, [{"a": 1}], None])
    def test_whatever_a_native_request_passes_on_raises_nothing(self, given):
        names = ("images", "speakers", "voice", "system", "responseModalities", "imageSize", "style_instructions")
        for name in names:
            outcome, _ = submit(SPEECH, generated(), prompt=given, **{name: given})
            assert isinstance(outcome, Finished | Refused)
        for name in ("image", "lastFrame", "referenceImages"):
            outcome, _ = submit(VEO, {"name": OPERATION}, prompt=given, **{name: given})
            assert isinstance(outcome, Accepted | Refused)

    def test_music_is_delivered_without_its_words(self):
        reply = generated(candidate({"text": "La la"}, inline("audio/mpeg")))
        outcome, _ = submit("lyria-3-clip-preview:generateContent", reply, responseModalities=["AUDIO", "TEXT"])
        assert outcome.outputs == (MediaBytes(PNG, "audio/mpeg"),)

    @pytest.mark.parametrize("reason", ["SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY"])
    def test_a_blocked_prompt(self, reason):
        outcome, _ = submit(IMAGE, {"promptFeedback": {"blockReason": reason}}, prompt="x")
        assert isinstance(outcome, Failed)
        assert (outcome.code, outcome.retryable) == ("moderated_input", False)
        assert reason in outcome.message

    @pytest.mark.parametrize(
        ("ending", "code", "retryable"),
        [
            *((one, "moderated_output", False) for one in ("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT")),
            *((one, "moderated_output", False) for one in ("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "SPII")),
            ("IMAGE_RECITATION", "moderated_output", False),
            *((one, "empty_output", True) for one in ("NO_IMAGE", "IMAGE_OTHER", "OTHER", "STOP", "A_NEW_REASON")),
        ],
    )
    def test_a_candidate_that_holds_nothing(self, ending, code, retryable):
        reply = generated(candidate({"text": "I cannot."}, ending=ending))
        outcome, _ = submit(IMAGE, reply, prompt="x", responseModalities=["IMAGE"])
        assert isinstance(outcome, Failed)
        assert (outcome.code, outcome.retryable) == (code, retryable)
        assert ending in outcome.message

    def test_what_is_withheld_is_not_delivered_although_it_came(self):
        outcome, _ = submit(TEXT, generated(candidate({"text": "half a"}, ending="SAFETY")), prompt="x")
        assert outcome.code == "moderated_output"

    def test_one_of_two_candidates(self):
        reply = generated(candidate(ending="IMAGE_SAFETY"), candidate(inline()))
        outcome, _ = submit(IMAGE, reply, prompt="x", responseModalities=["IMAGE"])
        assert outcome.outputs == (MediaBytes(PNG, "image/png"),)

    @pytest.mark.parametrize(
        "reply",
        [
            {},
            [],
            {"candidates": None},
            {"candidates": ["?"]},
            httpx.Response(200, content=b'{"candidates": [{"content'),
            httpx.Response(200, content=b"<html>"),
        ],
    )
    def test_a_complete_answer_without_candidates(self, reply):
        outcome, _ = submit(IMAGE, httpx.Response(200, json=reply) if isinstance(reply, list) else reply, prompt="x")
        assert isinstance(outcome, Finished)
        assert outcome.outputs == ()

    @pytest.mark.parametrize("part", [inline(data="no base64!"), inline(data=7), {"inlineData": "?"}, {}])
    def test_media_that_are_none(self, part):
        outcome, _ = submit(IMAGE, generated(candidate(part)), prompt="x", responseModalities=["IMAGE"])
        assert outcome.code == "empty_output"

    def test_an_answer_beyond_the_limit(self, monkeypatch):
        monkeypatch.setattr(transport.request, "__kwdefaults__", {**transport.request.__kwdefaults__, "max_bytes": 99})
        outcome, _ = submit(IMAGE, generated(candidate(inline())), prompt="x")
        assert outcome == Finished(())


def details(**by_kind):
    return [{"modality": kind, "tokenCount": number} for kind, number in by_kind.items()]


class TestUsage:
    @pytest.mark.parametrize(
        ("told", "counted"),
        [
            ({"promptTokenCount": 12, "candidatesTokenCount": 1290}, (12, 0, 0, 0, 1290)),
            (
                {
                    "promptTokenCount": 270,
                    "promptTokensDetails": details(TEXT=12, IMAGE=258),
                    "candidatesTokenCount": 1140,
                    "candidatesTokensDetails": details(TEXT=20, IMAGE=1120),
                    "thoughtsTokenCount": 100,
                },
                (12, 0, 258, 120, 1120),
            ),
            (
                {
                    "promptTokenCount": 300,
                    "promptTokensDetails": details(TEXT=40, IMAGE=258, AUDIO=2),
                    "cachedContentTokenCount": 100,
                    "cacheTokensDetails": details(TEXT=10, IMAGE=90),
                    "toolUsePromptTokenCount": 5,
                    "candidatesTokenCount": 0,
                },
                (35, 100, 170, 0, 0),
            ),
            (
                {
                    "promptTokenCount": 50,
                    "promptTokensDetails": details(TEXT=20, IMAGE=30),
                    "cachedContentTokenCount": 25,
                },
                (0, 25, 25, 0, 0),
            ),
            ({"promptTokenCount": "many", "candidatesTokenCount": -1, "thoughtsTokenCount": None}, (0, 0, 0, 0, 0)),
            ({"promptTokenCount": 5, "promptTokensDetails": "?", "cachedContentTokenCount": 9}, (0, 5, 0, 0, 0)),
        ],
    )
    def test_each_token_is_counted_once(self, told, counted):
        reply = generated(candidate(inline()), usageMetadata=told)
        outcome, _ = submit(IMAGE, reply, prompt="x", responseModalities=["IMAGE"])
        names = ("input", "cached_input", "media_input", "output", "media_output")
        assert outcome.usage == {f"{name}_tokens": number for name, number in zip(names, counted, strict=True)}

    def test_words_without_details_are_words(self):
        told = {"promptTokenCount": 3, "candidatesTokenCount": 7, "thoughtsTokenCount": 10}
        outcome, _ = submit(TEXT, generated(candidate({"text": "Hi."}), usageMetadata=told), prompt="x")
        assert (outcome.usage["output_tokens"], outcome.usage["media_output_tokens"]) == (17, 0)

    @pytest.mark.parametrize("usage", [None, [], {}])
    def test_no_usage(self, usage):
        outcome, _ = submit(TEXT, generated(candidate({"text": "Hi."}), usageMetadata=usage), prompt="x")
        assert outcome.usage == {}


class TestPredict:
    def test_pictures(self):
        reply = {"predictions": [{"mimeType": "image/png", "bytesBase64Encoded": B64}] * 2}
        outcome, requests = submit(IMAGEN, reply, prompt="a fox", sampleCount=2, aspectRatio="1:1")
        assert outcome.outputs == (MediaBytes(PNG, "image/png"),) * 2
        assert sent(requests) == {
            "instances": [{"prompt": "a fox"}],
            "parameters": {"sampleCount": 2, "aspectRatio": "1:1", "includeRaiReason": True},
        }

    def test_withheld(self):
        outcome, _ = submit(IMAGEN, {"predictions": [{"raiFilteredReason": "Blocked. Code 39322892"}]}, prompt="x")
        assert isinstance(outcome, Failed)
        assert (outcome.code, outcome.retryable) == ("moderated_output", False)
        assert "39322892" in outcome.message

    def test_one_of_two_is_withheld(self):
        reply = {"predictions": [{"raiFilteredReason": "Blocked."}, {"bytesBase64Encoded": B64}]}
        outcome, _ = submit(IMAGEN, reply, prompt="x")
        assert outcome.outputs == (MediaBytes(PNG, None),)

    def test_nothing(self):
        assert submit(IMAGEN, {}, prompt="x")[0] == Finished(())


class TestVideos:
    def test_submitted(self):
        outcome, requests = submit(
            VEO, {"name": OPERATION}, prompt="a fox", durationSeconds=8, resolution="720p", seed=7, sampleCount=4
        )
        assert outcome == Accepted({"operation": OPERATION})
        assert str(requests[0].url) == f"{BASE}/models/{VEO}"
        # Two videos would cost twice as much.
        assert sent(requests) == {
            "instances": [{"prompt": "a fox"}],
            "parameters": {"resolution": "720p", "durationSeconds": 8, "seed": 7},
        }

    @pytest.mark.parametrize("told", [{}, [], {"name": 7}, {"name": "models/x/../../files"}, {"name": "operations/a"}])
    def test_an_answer_without_a_job_proves_nothing(self, told):
        outcome, _ = submit(VEO, httpx.Response(200, json=told), prompt="x")
        assert isinstance(outcome, Uncertain)

    @pytest.mark.parametrize("told", [{}, {"done": False}, {"done": "true"}])
    def test_running(self, told):
        outcome, (request,) = poll({"name": OPERATION, **told})
        assert outcome == Running()
        assert (request.method, str(request.url)) == ("GET", f"{BASE}/{OPERATION}")
        assert request.headers["x-goog-api-key"] == "AIza-secret"

    def done(self, **response):
        return poll({"name": OPERATION, "done": True, "response": {"generateVideoResponse": response}})[0]

    def test_the_file_is_fetched_with_the_key(self):
        outcome = self.done(generatedSamples=[{"video": {"uri": FILE}}])
        (output,) = outcome.outputs
        assert output == MediaUrl(FILE, "video/mp4", {"x-goog-api-key": "AIza-secret"})
        assert "AIza" not in repr(outcome)

    @pytest.mark.parametrize(
        "url",
        [
            "https://evil.example/v1beta/files/xyz",
            "https://generativelanguage.googleapis.com.evil.example/v1beta/files/xyz",
            "https://generativelanguage.googleapis.com/other/files/xyz",
            "http://generativelanguage.googleapis.com/v1beta/files/xyz",
            "https://x@generativelanguage.googleapis.com/v1beta/files/xyz",
        ],
    )
    def test_the_key_goes_nowhere_else(self, url):
        (output,) = self.done(generatedSamples=[{"video": {"uri": url}}]).outputs
        assert output == MediaUrl(url, "video/mp4", {})

    def test_withheld_although_done(self):
        reasons = ["Veo could not generate 1 videos. You will not be charged."]
        outcome = self.done(raiMediaFilteredCount=1, raiMediaFilteredReasons=reasons)
        assert isinstance(outcome, Failed)
        assert (outcome.code, outcome.retryable) == ("moderated_output", False)
        assert "not be charged" in outcome.message
        assert self.done(raiMediaFilteredCount=1).code == "moderated_output"

    def test_one_of_two_is_withheld(self):
        outcome = self.done(raiMediaFilteredCount=1, generatedSamples=[{"video": {"uri": FILE}}])
        assert len(outcome.outputs) == 1

    @pytest.mark.parametrize(
        "response", [{}, {"generatedSamples": None}, {"generatedSamples": [{"video": {"uri": 7}}]}]
    )
    def test_done_with_nothing(self, response):
        assert self.done(**response).outputs == ()

    @pytest.mark.parametrize(
        ("told", "code", "retryable"),
        [
            ({"code": 3, "message": "The image cannot be read."}, "invalid_inputs", False),
            ({"code": 3, "message": "It violates our Usage Guidelines."}, "moderated_input", False),
            ({"code": 13, "message": "Internal error."}, "provider_error", True),
            ({"code": 8}, "provider_error", True),
        ],
    )
    def test_failed(self, told, code, retryable):
        outcome, _ = poll({"name": OPERATION, "done": True, "error": told})
        assert isinstance(outcome, Failed)
        assert (outcome.code, outcome.retryable) == (code, retryable)

    @pytest.mark.parametrize(
        "reply",
        [
            *(error(500, state="INTERNAL"), error(429, state="RESOURCE_EXHAUSTED"), error(403)),
            *(httpx.Response(200, content=b"<html>"), httpx.ReadTimeout("late"), {"name": "models/x/operations/y"}),
        ],
    )
    def test_a_stumbling_state_is_asked_again(self, reply):
        assert isinstance(poll(reply)[0], Uncertain)

    def test_an_unknown_job(self):
        outcome, _ = poll(error(404, state="NOT_FOUND"))
        assert (outcome.code, outcome.retryable) == ("provider_lost", False)

    def test_what_is_no_job_cannot_be_asked_for(self):
        outcome, requests = poll({}, {"endpoint": IMAGE})
        assert (outcome.code, requests) == ("provider_lost", [])


@pytest.mark.parametrize("endpoint", [IMAGE, IMAGEN, VEO])
@pytest.mark.parametrize(
    ("reply", "code", "retryable"),
    [
        (error(400, "Invalid aspect ratio."), "invalid_inputs", False),
        (error(400, "It violates Google's Responsible AI practices."), "moderated_input", False),
        (error(400, "API key not valid.", details=[{"reason": "API_KEY_INVALID"}]), "provider_auth", True),
        (error(400, "User location is not supported.", "FAILED_PRECONDITION"), "provider_auth", True),
        (error(403, "denied", "PERMISSION_DENIED"), "provider_auth", True),
        (error(404, "no such model", "NOT_FOUND"), "provider_unavailable", True),
        (error(429, "quota", "RESOURCE_EXHAUSTED"), "rate_limited", True),
        (httpx.ConnectError("down"), "provider_unavailable", True),
    ],
)
def test_an_explicit_no_is_a_refusal(endpoint, reply, code, retryable):
    outcome, requests = submit(endpoint, reply, prompt="x")
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.retryable) == (code, retryable)
    assert len(requests) == 1


def test_an_error_of_googles_own_is_over_and_not_charged():
    outcome, _ = submit(IMAGE, error(503, "The model is overloaded.", "UNAVAILABLE"), prompt="x")
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.retryable) == ("provider_error", True)


@pytest.mark.parametrize("endpoint", [IMAGEN, VEO])
def test_of_a_prediction_an_error_proves_nothing(endpoint):
    assert isinstance(submit(endpoint, error(500, state="INTERNAL"), prompt="x")[0], Uncertain)


@pytest.mark.parametrize(
    "reply",
    [
        httpx.Response(502, content=b"<html>"),
        httpx.Response(302, headers={"location": "https://evil.example"}),
        httpx.ReadTimeout("late"),
    ],
)
def test_what_may_have_been_made_is_uncertain(reply):
    outcome, requests = submit(IMAGE, reply, prompt="x")
    assert isinstance(outcome, Uncertain)
    assert len(requests) == 1


def test_without_a_key_nothing_is_sent():
    outcome, requests = submit(IMAGE, {}, key=None, prompt="x")
    assert (outcome.code, requests) == ("provider_auth", [])
    assert isinstance(google(None).poll({"operation": OPERATION}), Uncertain)


def test_there_is_nothing_to_stop_or_to_be_told():
    assert google().cancel({"operation": OPERATION}) is False
    with pytest.raises(ForgedWebhook):
        google().webhook_reference({}, b"{}")


class TestSources:
    """Over real connections: sources pass the URL guard, and their bytes stand in the call."""

    @pytest.fixture
    def server(self, monkeypatch):
        files = {"/a.png": answer(PNG), "/page.png": answer(b"<html>")}

        def respond(path, connection):
            made = answer(json.dumps({"name": OPERATION, "candidates": [candidate(inline())]}).encode())
            connection.sendall(made if path.startswith("/v1beta") else files.get(path, answer(status=404)))

        with serving(respond) as running:
            monkeypatch.setenv("URL_ALLOWED_HOSTS", f"127.0.0.1:{running.port}")
            settings.cache_clear()
            yield running
        settings.cache_clear()

    def submit(self, server, endpoint, **body):
        given = Submission("att_1", endpoint, {"prompt": "x", "responseModalities": ["IMAGE"], **body}, None, 5)
        return google(base=server.url("/v1beta")).submit(given)

    def paid(self, server):
        return sum(head.startswith("POST ") for head in server.requests)

    @pytest.mark.parametrize(
        ("endpoint", "body"),
        [(IMAGE, {"images": 2}), (VEO, {"image": 0, "lastFrame": 0}), (VEO, {"referenceImages": 3})],
    )
    def test_they_are_sent_along(self, server, endpoint, body):
        url = server.url("/a.png")
        outcome = self.submit(server, endpoint, **{name: [url] * many or url for name, many in body.items()})
        assert isinstance(outcome, Finished | Accepted)
        assert self.paid(server) == 1

    def test_as_google_reads_them(self):
        url = "https://media.example/a.png"

        def body(endpoint, **given):
            requests = []

            def respond(request):
                if request.method == "GET":
                    return httpx.Response(200, content=PNG)
                requests.append(request)
                return httpx.Response(200, json={})

            with transport.use(httpx.MockTransport(respond)):
                google().submit(Submission("att_1", endpoint, {"prompt": "x", **given}, None, 5))
            return sent(requests)

        assert body(IMAGE, images=[url])["contents"][0]["parts"] == [{"text": "x"}, inline()]
        here = {"bytesBase64Encoded": B64, "mimeType": "image/png"}
        (instance,) = body(VEO, image=url, lastFrame=url, referenceImages=[url])["instances"]
        reference = {"image": here, "referenceType": "asset"}
        assert instance == {"prompt": "x", "image": here, "lastFrame": here, "referenceImages": [reference]}

    @pytest.mark.parametrize(("path", "retryable"), [("/page.png", False), ("/gone.png", True)])
    def test_one_that_cannot_be_used_is_refused_before_anything_is_paid(self, server, path, retryable):
        outcome = self.submit(server, IMAGE, images=[server.url(path)])
        assert isinstance(outcome, Refused)
        assert (outcome.code, outcome.retryable) == ("invalid_inputs", retryable)
        assert self.paid(server) == 0

    @pytest.mark.parametrize(
        "images", [["http://169.254.169.254/"], "file:///etc/passwd", [7], ["https://x.test"] * 15]
    )
    def test_what_is_unsafe_or_too_much(self, server, images):
        outcome = self.submit(server, IMAGE, images=images)
        assert (outcome.code, outcome.retryable) == ("invalid_inputs", False)
        assert server.connections == 0
