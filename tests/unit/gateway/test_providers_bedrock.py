"""Bedrock's adapter: what is sent is what AWS's own client sends, and what its answers mean."""

import base64
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import boto3
import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from gateway import aws, transport
from gateway.config import settings
from gateway.provider import (
    Accepted,
    Failed,
    Finished,
    ForgedWebhook,
    MediaBytes,
    MediaObject,
    Refused,
    Running,
    Submission,
    Uncertain,
)
from gateway.providers import ApiKey, Description
from gateway.providers.bedrock import Bedrock

BASE = "https://bedrock-runtime.us-west-2.amazonaws.com"
CORE = "invoke/stability.stable-image-core-v1:1"
REEL = "async-invoke/amazon.nova-reel-v1:1"
CHAT = "converse/us.amazon.nova-lite-v1:0"
ARN = "arn:aws:bedrock:us-west-2:123456789012:async-invoke/abc123"
OUTPUT_URI = "s3://drive/staging/gen_1-1"
REFERENCE = {"invocation_arn": ARN, "output_uri": OUTPUT_URI}
PICTURE = base64.b64encode(b"picture").decode()


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "canary-secret",
        "AWS_SESSION_TOKEN": "token",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "DRIVE_BUCKET": "drive",
    }.items():
        monkeypatch.setenv(name, value)
    aws._session.cache_clear()
    settings.cache_clear()
    yield
    aws._session.cache_clear()
    settings.cache_clear()


def adapter() -> Bedrock:
    return Bedrock(Description("bedrock", "Amazon Bedrock", BASE), lambda: None)


def asked(endpoint: str = CORE, **body: Any) -> Submission:
    return Submission("gen_1-1", endpoint, body or {"prompt": "a fox"}, None, 10)


def answering(act: Callable[[], Any], *answers: Any) -> tuple[Any, list[httpx.Request]]:
    """What `act` comes to when the wire gives these answers in turn: (status, body), an error's name, an exception."""
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        given = answers[len(requests)]
        requests.append(request)
        if isinstance(given, Exception):
            raise given
        status, body, *kind = given
        headers = {"x-amzn-errortype": f"{kind[0]}:http://internal.amazon.com/"} if kind else {}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return httpx.Response(status, content=content, headers={"x-amzn-requestid": "r-1", **headers})

    with transport.use(httpx.MockTransport(answer)):
        return act(), requests


def submit(submission: Submission, *answers: Any) -> tuple[Any, list[httpx.Request]]:
    return answering(lambda: adapter().submit(submission), *answers)


def poll(body: Any, status: int = 200) -> Any:
    return answering(lambda: adapter().poll(REFERENCE), (status, body))[0]


class TestTheWire:
    """Each call beside the one that boto3 makes of the same, at the same second."""

    @pytest.fixture
    def boto(self) -> tuple[Any, list[Any]]:
        client = boto3.client("bedrock-runtime", region_name="us-west-2", config=Config(retries={"max_attempts": 0}))
        sent: list[Any] = []

        def stop(request: Any, **_: Any) -> None:
            sent.append(request)
            raise InterruptedError

        client.meta.events.register("before-send.bedrock-runtime.*", stop)
        return client, sent

    @pytest.mark.parametrize(
        ("act", "theirs"),
        [
            (
                lambda: adapter().submit(asked()),
                lambda client: client.invoke_model(
                    modelId="stability.stable-image-core-v1:1",
                    body=json.dumps({"prompt": "a fox"}),
                    contentType="application/json",
                ),
            ),
            (
                lambda: adapter().submit(
                    asked(CHAT, prompt="Hi.", system="Be brief.", inferenceConfig={"maxTokens": 5})
                ),
                lambda client: client.converse(
                    modelId="us.amazon.nova-lite-v1:0",
                    messages=[{"role": "user", "content": [{"text": "Hi."}]}],
                    system=[{"text": "Be brief."}],
                    inferenceConfig={"maxTokens": 5},
                ),
            ),
            (
                lambda: adapter().submit(asked(REEL, taskType="TEXT_VIDEO")),
                lambda client: client.start_async_invoke(
                    clientRequestToken="gen_1-1",
                    modelId="amazon.nova-reel-v1:1",
                    modelInput={"taskType": "TEXT_VIDEO"},
                    outputDataConfig={"s3OutputDataConfig": {"s3Uri": OUTPUT_URI}},
                ),
            ),
            (
                lambda: adapter().poll(REFERENCE),
                lambda client: client.get_async_invoke(invocationArn=ARN),
            ),
        ],
    )
    def test_it_is_the_one_of_awss_own_client(
        self, boto: Any, monkeypatch: pytest.MonkeyPatch, act: Any, theirs: Any
    ) -> None:
        client, sent = boto
        with pytest.raises(InterruptedError):
            theirs(client)
        [expected] = sent
        _, [ours] = answering(act, (200, {"invocationArn": ARN}))
        assert (ours.method, str(ours.url)) == (expected.method, expected.url)
        assert json.loads(ours.content or b"0") == json.loads(expected.body or b"0")
        scope = "AKIDEXAMPLE/{}/us-west-2/bedrock/aws4_request"
        for headers in (ours.headers, expected.headers):
            date = _text(headers["X-Amz-Date"])
            assert scope.format(date[:8]) in _text(headers["Authorization"])
            assert _text(headers["X-Amz-Security-Token"]) == "token"
        assert _resigned(expected, ours) == ours.headers["authorization"]

    def test_another_address_is_signed_for_this_region(self) -> None:
        for url, region in (("http://127.0.0.1:1/bedrock/x", "eu-central-1"), (f"{BASE}/model/a", "us-west-2")):
            assert f"/{region}/bedrock/" in (aws.signed("bedrock", "POST", url) or {})["Authorization"]

    def test_without_credentials_nothing_is_sent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
        monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
        for endpoint in (CORE, CHAT, REEL):
            outcome, requests = submit(asked(endpoint))
            assert isinstance(outcome, Refused)
            assert (outcome.code, requests) == ("provider_auth", [])
        assert isinstance(answering(lambda: adapter().poll(REFERENCE))[0], Uncertain)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _resigned(theirs: Any, ours: httpx.Request) -> str:
    """The signature that botocore gives the address that AWS's client calls, with our body and time."""
    names = _text(ours.headers["authorization"]).split("SignedHeaders=")[1].split(",")[0].split(";")
    headers = {name: ours.headers[name] for name in names if name == "content-type"}
    request = AWSRequest(theirs.method, theirs.url, headers, ours.content)
    moment = datetime.strptime(ours.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *_, **__: moment)
        SigV4Auth(Credentials("AKIDEXAMPLE", "canary-secret", "token"), "bedrock", "us-west-2").add_auth(request)
    return str(request.headers["Authorization"])


class TestAnAccountOfTheirOwn:
    """A project's key is a bearer token; the deployment's role signs nothing for it."""

    def own(self, key: str | None) -> Bedrock:
        described = Description("bedrock", "Amazon Bedrock", BASE, account="demo")
        return Bedrock(described, lambda: ApiKey(key) if key else None)

    def test_its_key_authorizes(self) -> None:
        told = {"finish_reasons": [None], "images": [PICTURE]}
        done, [request] = answering(lambda: self.own("their-key").submit(asked()), (200, told))
        assert done.outputs == (MediaBytes(b"picture"),)
        assert request.headers["authorization"] == "Bearer their-key"
        assert not [name for name in request.headers if name.startswith("x-amz-")]

    @pytest.mark.parametrize(("key", "endpoint"), [(None, CORE), (None, CHAT), (None, REEL), ("their-key", REEL)])
    def test_without_one_and_for_jobs_nothing_is_sent(self, key: str | None, endpoint: str) -> None:
        outcome, requests = answering(lambda: self.own(key).submit(asked(endpoint)))
        assert isinstance(outcome, Refused)
        assert (outcome.code, outcome.retryable, requests) == ("provider_auth", True, [])

    def test_ours_is_never_a_key(self) -> None:
        described = Description("bedrock", "Amazon Bedrock", BASE)
        ours = Bedrock(described, lambda: ApiKey("stray-key"))
        _, [request] = answering(lambda: ours.submit(asked()), (200, {}))
        assert request.headers["authorization"].startswith("AWS4-HMAC-SHA256 ")


class TestPictures:
    def test_they_come_as_base64(self) -> None:
        told = {"seeds": [1, 2], "finish_reasons": [None, None], "images": [PICTURE, "%", None, ""]}
        done, [request] = submit(asked(), (200, told))
        assert done.outputs == (MediaBytes(b"picture"),)
        assert done.raw == {"seeds": [1, 2], "finish_reasons": [None, None]}
        assert done.metrics == {"request_id": "r-1"}
        assert unquote(request.url.path) == "/model/stability.stable-image-core-v1:1/invoke"

    @pytest.mark.parametrize(
        ("reason", "code", "retryable"),
        [
            ("Filter reason: prompt", "moderated_input", False),
            ("Filter reason: input image", "moderated_input", False),
            ("Filter reason: output image", "moderated_output", False),
            ("Inference error", "provider_error", True),
        ],
    )
    @pytest.mark.parametrize("images", [None, [], [""], [PICTURE]])
    def test_withheld_at_200(self, reason: str, code: str, retryable: bool, images: Any) -> None:
        outcome, _ = submit(asked(), (200, {"finish_reasons": [reason], "images": images}))
        assert outcome == Failed(code, f"Amazon Bedrock: {reason}", retryable=retryable)

    def test_some_of_them_withheld(self) -> None:
        other = base64.b64encode(b"other").decode()
        told = {"finish_reasons": ["Filter reason: output image", None], "images": [other, PICTURE]}
        assert submit(asked(), (200, told))[0].outputs == (MediaBytes(b"picture"),)

    @pytest.mark.parametrize(
        "body", [{}, [], {"images": []}, {"images": 7, "finish_reasons": {}}, b"<html>", b'{"images": ["' + b"A" * 99]
    )
    def test_nothing_in_it(self, body: Any) -> None:
        assert submit(asked(), (200, body))[0].outputs == ()


class TestText:
    def test_it_comes_with_its_usage(self) -> None:
        told = {
            "output": {"message": {"content": [{"reasoningContent": {}}, {"text": "A "}, {"text": "fox."}]}},
            "stopReason": "end_turn",
            "usage": {
                "inputTokens": 10,
                "outputTokens": 4,
                "totalTokens": 34,
                "cacheReadInputTokens": 15,
                "cacheWriteInputTokens": 5,
            },
        }
        done, _ = submit(asked(CHAT), (200, told))
        assert done.outputs == (MediaBytes(b"A fox.", "text/plain"),)
        assert done.usage == {"input_tokens": 15, "cached_input_tokens": 15, "output_tokens": 4}
        assert "output" not in done.raw

    @pytest.mark.parametrize("reason", ["guardrail_intervened", "content_filtered"])
    def test_withheld_at_200(self, reason: str) -> None:
        told = {"output": {"message": {"content": [{"text": "Sorry."}]}}, "stopReason": reason}
        outcome, _ = submit(asked(CHAT), (200, told))
        assert isinstance(outcome, Failed)
        assert (outcome.code, outcome.retryable) == ("moderated_output", False)

    @pytest.mark.parametrize(
        "told",
        [
            {},
            [],
            {"output": None, "usage": 7},
            {"stopReason": ["content_filtered"]},
            {"output": {"message": {"content": "x"}}, "usage": {"inputTokens": "many", "outputTokens": -1}},
            {"output": {"message": {"content": [7, {"text": None}, {"text": " "}]}}},
        ],
    )
    def test_nothing_in_it(self, told: Any) -> None:
        done, _ = submit(asked(CHAT), (200, told))
        assert isinstance(done, Finished)
        assert (done.outputs, done.usage) == ((), {})

    def test_messages_of_their_own(self) -> None:
        messages = [{"role": "user", "content": [{"text": "Hi."}]}]
        _, [request] = submit(asked(CHAT, messages=messages, prompt="not this"), (200, {}))
        assert json.loads(request.content) == {"messages": messages}


ERRORS = [
    (400, "ValidationException", "invalid_inputs", False),
    (400, "ServiceQuotaExceededException", "rate_limited", True),
    (403, "AccessDeniedException", "provider_auth", True),
    (403, "UnrecognizedClientException", "provider_auth", True),
    (404, "ResourceNotFoundException", "provider_unavailable", True),
    (429, "ThrottlingException", "rate_limited", True),
    (429, "ModelNotReadyException", "provider_unavailable", True),
]


@pytest.mark.parametrize("endpoint", [CORE, CHAT, REEL])
@pytest.mark.parametrize(("status", "kind", "code", "retryable"), ERRORS)
def test_refused(endpoint: str, status: int, kind: str, code: str, retryable: bool) -> None:
    outcome, requests = submit(asked(endpoint), (status, {"message": "no, canary"}, kind))
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.retryable, len(requests)) == (code, retryable, 1)
    assert "canary-secret" not in repr(outcome)


@pytest.mark.parametrize(("status", "kind"), [(408, "ModelTimeoutException"), (424, "ModelErrorException")])
@pytest.mark.parametrize("endpoint", [CORE, CHAT])
def test_a_model_that_made_nothing(endpoint: str, status: int, kind: str) -> None:
    outcome, _ = submit(asked(endpoint), (status, {"message": "oh"}, kind))
    assert outcome == Failed("provider_error", "Amazon Bedrock: oh", retryable=True)


@pytest.mark.parametrize("endpoint", [CORE, CHAT])
@pytest.mark.parametrize(
    "answer", [(500, {}), (301, {}), (503, b"<html>"), httpx.ReadTimeout(""), httpx.RemoteProtocolError("")]
)
def test_what_may_have_been_made_is_uncertain_and_sent_once(endpoint: str, answer: Any) -> None:
    outcome, requests = submit(asked(endpoint), answer)
    assert isinstance(outcome, Uncertain)
    assert len(requests) == 1


@pytest.mark.parametrize("endpoint", [CORE, CHAT, REEL])
def test_what_never_left_is_refused(endpoint: str) -> None:
    outcome, requests = submit(asked(endpoint), httpx.ConnectError(""))
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.retryable, len(requests)) == ("provider_unavailable", True, 1)


class TestJobs:
    def test_one_is_started_under_the_attempts_token(self) -> None:
        outcome, [request] = submit(asked(REEL, taskType="TEXT_VIDEO"), (200, {"invocationArn": ARN}))
        assert outcome == Accepted(REFERENCE)
        assert json.loads(request.content)["clientRequestToken"] == "gen_1-1"

    @pytest.mark.parametrize(
        "lost",
        [
            httpx.ReadTimeout(""),
            (500, {}, "InternalServerException"),
            (503, {}),
            (307, {}),
            (200, b'{"invocationArn'),
            (200, {}),
            (400, {}, "ConflictException"),
        ],
    )
    def test_an_answer_that_was_lost_is_asked_for_again_with_the_same_token(self, lost: Any) -> None:
        outcome, requests = submit(asked(REEL), lost, (200, {"invocationArn": ARN}))
        assert outcome == Accepted(REFERENCE)
        assert len({request.content for request in requests}) == 1
        assert len(requests) == 2

    @pytest.mark.parametrize(
        "second",
        [
            httpx.ReadTimeout(""),
            httpx.ConnectError(""),
            (500, {}),
            (429, {}, "ThrottlingException"),
            (400, {}, "ConflictException"),
            (403, {}, "AccessDeniedException"),
        ],
    )
    def test_what_else_the_second_call_is_told_says_nothing_of_the_first(self, second: Any) -> None:
        outcome, requests = submit(asked(REEL), httpx.ReadTimeout(""), second)
        assert isinstance(outcome, Uncertain)
        assert len(requests) == 2

    def test_it_works_on(self) -> None:
        assert poll({"status": "InProgress"}) == Running()

    @pytest.mark.parametrize("below", ["", "/", "/abc123"])
    def test_it_wrote_into_our_bucket(self, below: str) -> None:
        done = poll(completed(OUTPUT_URI + below))
        assert done == Finished((MediaObject(f"staging/gen_1-1{below.rstrip('/')}/output.mp4"),))

    @pytest.mark.parametrize(
        "place",
        [None, 7, "", "s3://drive/staging/gen_1-10/abc", "s3://other/staging/gen_1-1", "s3://drive/projects/demo", {}],
    )
    def test_what_it_wrote_elsewhere_is_not_ours(self, place: Any) -> None:
        assert poll(completed(place)) == Finished(())

    def test_it_failed(self) -> None:
        failed = poll({"status": "Failed", "failureMessage": "the\nmodel broke"})
        assert failed == Failed("provider_error", "Amazon Bedrock: the model broke", retryable=True)

    @pytest.mark.parametrize(("body", "status"), [(b"<html>", 200), ({}, 200), ({"status": "Odd"}, 200), ({}, 500)])
    def test_what_cannot_be_read_is_asked_again(self, body: Any, status: int) -> None:
        assert isinstance(poll(body, status), Uncertain)

    def test_no_answer_is_asked_again(self) -> None:
        assert isinstance(answering(lambda: adapter().poll(REFERENCE), httpx.ReadTimeout(""))[0], Uncertain)

    def test_one_that_is_not_known_is_lost(self) -> None:
        assert poll({}, 404).code == "provider_lost"
        lost = adapter().poll({})
        assert isinstance(lost, Failed)
        assert (lost.code, lost.retryable) == ("provider_lost", False)


def completed(place: Any) -> dict[str, Any]:
    return {"status": "Completed", "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": place}}}


def test_it_can_neither_cancel_nor_call_back() -> None:
    assert adapter().cancel(REFERENCE) is False
    with pytest.raises(ForgedWebhook):
        adapter().webhook_reference({}, b"{}")
