"""AWS's own client works against the sandbox's Bedrock, and its errors come out as the client's own."""

from __future__ import annotations

import base64
import io
import json
import math
import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import httpx
import pytest
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError, ResponseStreamingError
from PIL import Image

from infra.sandbox.serving import served_sandbox
from tests.integration.sandbox.conftest import Objects
from tests.integration.sandbox.support import SandboxControl, probe, until

CORE = "stability.stable-image-core-v1:1"
LITE = "us.amazon.nova-lite-v1:0"
RAY = "luma.ray-v2:0"


@pytest.fixture
def bedrock(sandbox_url: str) -> Iterator[BaseClient]:
    client = made(sandbox_url)
    yield client
    client.close()


def made(sandbox_url: str) -> Any:
    """boto3's client, without its retries."""
    return boto3.client(
        "bedrock-runtime",
        endpoint_url=f"{sandbox_url}/bedrock",
        region_name="us-west-2",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, read_timeout=2),
    )


def invoked(client: Any, model: str = CORE, **body: Any) -> dict[str, Any]:
    answer = client.invoke_model(modelId=model, body=json.dumps({"prompt": "a red fox", **body}))
    told: dict[str, Any] = json.loads(answer["body"].read())
    return told


def picture(told: dict[str, Any]) -> Image.Image:
    [image] = told["images"]
    return Image.open(io.BytesIO(base64.b64decode(image)))


@pytest.mark.parametrize(
    ("model", "inputs", "size", "image_format"),
    [
        (CORE, {}, (1024, 1024), "PNG"),
        ("stability.stable-image-ultra-v1:1", {"aspect_ratio": "16:9", "output_format": "JPEG"}, (1344, 768), "JPEG"),
        ("stability.sd3-5-large-v1:0", {"aspect_ratio": "9:21", "mode": "text-to-image"}, (640, 1536), "PNG"),
    ],
)
def test_pictures(
    bedrock: BaseClient,
    control: SandboxControl,
    model: str,
    inputs: dict[str, Any],
    size: tuple[int, int],
    image_format: str,
) -> None:
    told = invoked(bedrock, model, seed=7, **inputs)
    assert (told["seeds"], told["finish_reasons"]) == ([7], [None])
    made = picture(told)
    assert (made.size, made.format) == (size, image_format)
    assert told == invoked(bedrock, model, seed=7, **inputs) != invoked(bedrock, model, seed=8, **inputs)
    assert control.paid(provider="bedrock") == 3


@pytest.mark.parametrize(
    ("fault", "code", "paid"),
    [
        ("refuse", "AccessDeniedException", 0),
        ("rate_limit", "ThrottlingException", 0),
        ("server_error", "InternalServerException", 0),
        ("fail_after_accept", "ModelErrorException", 1),
    ],
)
def test_errors(bedrock: BaseClient, control: SandboxControl, fault: str, code: str, paid: int) -> None:
    control.arm(fault, "bedrock")
    with pytest.raises(ClientError) as refused:
        invoked(bedrock)
    assert (refused.value.response["Error"]["Code"], control.paid()) == (code, paid)
    assert isinstance(refused.value, getattr(bedrock.exceptions, code))


@pytest.mark.parametrize(
    ("model", "inputs"),
    [(CORE, {"aspect_ratio": "7:1"}), (CORE, {"prompt": ""}), (CORE, {"samples": 2}), ("amazon.nova-canvas-v1:0", {})],
)
def test_invalid_requests(bedrock: BaseClient, control: SandboxControl, model: str, inputs: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as refused:
        invoked(bedrock, model, **inputs)
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    assert control.paid() == 0


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"model/{CORE}/invoke"),
        ("POST", f"model/{LITE}/converse"),
        ("POST", "async-invoke"),
        ("GET", "async-invoke/arn"),
    ],
)
def test_what_is_not_signed(sandbox_url: str, control: SandboxControl, method: str, path: str) -> None:
    answer = httpx.request(method, f"{sandbox_url}/bedrock/{path}", json={"prompt": "a fox"})
    assert (answer.status_code, control.paid()) == (403, 0)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("filtered", {"seeds": [], "finish_reasons": ["Filter reason: prompt"], "images": []}),
        ("empty_output", {"seeds": [], "finish_reasons": [None], "images": []}),
    ],
)
def test_nothing_made(bedrock: BaseClient, control: SandboxControl, fault: str, told: dict[str, Any]) -> None:
    control.arm(fault, "bedrock")
    assert invoked(bedrock) == told
    assert control.paid() == 1


@pytest.mark.parametrize("fault", ["accept_then_timeout", "never_finish"])
@pytest.mark.parametrize(("seconds", "error"), [(0.1, ResponseStreamingError), (30, ReadTimeoutError)])
def test_no_answer(
    bedrock: BaseClient, control: SandboxControl, fault: str, seconds: float, error: type[Exception]
) -> None:
    control.arm(fault, "bedrock", seconds=seconds)
    with pytest.raises(error):
        invoked(bedrock)
    assert (len(control.calls()), control.paid()) == (1, 1)


def test_spoiled_pictures(bedrock: BaseClient, control: SandboxControl) -> None:
    whole = base64.b64decode(invoked(bedrock)["images"][0])
    control.arm("truncated_output", "bedrock")
    assert base64.b64decode(invoked(bedrock)["images"][0]) == whole[: len(whole) // 2]
    control.arm("wrong_content_type", "bedrock")
    assert picture(invoked(bedrock)).format == "JPEG"
    control.arm("bad_json", "bedrock")
    with pytest.raises(ValueError, match="Unterminated"):
        invoked(bedrock)


def conversed(client: Any, text: str = "Of foxes.", model: str = LITE, **more: Any) -> dict[str, Any]:
    told: dict[str, Any] = client.converse(
        modelId=model, messages=[{"role": "user", "content": [{"text": text}]}], **more
    )
    return told


class TestConverse:
    def test_a_text_and_its_tokens(self, bedrock: BaseClient, control: SandboxControl) -> None:
        told = conversed(bedrock, system=[{"text": "Be brief."}])
        assert told["output"]["message"]["role"] == "assistant"
        [block] = told["output"]["message"]["content"]
        assert "Of foxes." in block["text"]
        usage = told["usage"]
        assert usage["inputTokens"] == math.ceil(len("Be brief.\nOf foxes.") / 4)
        assert usage["outputTokens"] == math.ceil(len(block["text"]) / 4)
        assert usage["totalTokens"] == usage["inputTokens"] + usage["outputTokens"]
        assert (usage["cacheReadInputTokens"], usage["cacheWriteInputTokens"]) == (0, 0)
        assert told["stopReason"] == "end_turn"
        assert told["metrics"]["latencyMs"] > 0
        again = conversed(bedrock, system=[{"text": "Be brief."}])
        assert again["output"] == told["output"] != conversed(bedrock)["output"]
        assert control.paid(provider="bedrock") == 3

    def test_no_more_than_asked_for(self, bedrock: BaseClient) -> None:
        told = conversed(bedrock, inferenceConfig={"maxTokens": 3, "temperature": 0.5, "topP": 0.5})
        assert (told["stopReason"], told["usage"]["outputTokens"]) == ("max_tokens", 3)

    @pytest.mark.parametrize(
        ("text", "more"),
        [
            ("x", {"model": "amazon.nova-lite-v1:0"}),
            ("x", {"model": CORE}),
            ("x", {"inferenceConfig": {"maxTokens": 6000}}),
            ("", {}),
        ],
    )
    def test_invalid_requests(self, bedrock: BaseClient, control: SandboxControl, text: str, more: Any) -> None:
        with pytest.raises(ClientError) as refused:
            conversed(bedrock, text, **more)
        assert refused.value.response["Error"]["Code"] == "ValidationException"
        assert control.paid() == 0

    @pytest.mark.parametrize(("fault", "reason"), [("filtered", "content_filtered"), ("empty_output", "end_turn")])
    def test_nothing_said(self, bedrock: BaseClient, control: SandboxControl, fault: str, reason: str) -> None:
        control.arm(fault, "bedrock")
        told = conversed(bedrock)
        assert (told["output"]["message"]["content"], told["stopReason"]) == ([], reason)
        assert control.paid() == 1


def started(client: Any, token: str, place: str = "s3://drive/staging", model: str = RAY, **inputs: Any) -> str:
    answer = client.start_async_invoke(
        clientRequestToken=token,
        modelId=model,
        modelInput={"prompt": "a fox", **inputs},
        outputDataConfig={"s3OutputDataConfig": {"s3Uri": place}},
    )
    return str(answer["invocationArn"])


def ended(client: Any, arn: str) -> dict[str, Any]:
    jobs: list[dict[str, Any]] = []

    def is_over() -> bool:
        jobs.append(client.get_async_invoke(invocationArn=arn))
        return bool(jobs[-1]["status"] != "InProgress")

    until(is_over, "the job ends")
    return jobs[-1]


@pytest.fixture
def token() -> str:
    return uuid.uuid4().hex


class TestJobs:
    @pytest.mark.parametrize(
        ("inputs", "size", "seconds"),
        [
            ({}, (1280, 720), 5),
            ({"resolution": "540p", "aspect_ratio": "9:16", "duration": "9s", "loop": True}, (540, 960), 9),
        ],
    )
    def test_a_video_lies_in_the_bucket(
        self,
        bedrock: BaseClient,
        control: SandboxControl,
        objects: Objects,
        token: str,
        inputs: dict[str, Any],
        size: tuple[int, int],
        seconds: int,
    ) -> None:
        arn = started(bedrock, token, "s3://drive/staging/", **inputs)
        job = ended(bedrock, arn)
        assert (job["status"], job["invocationArn"], job["clientRequestToken"]) == ("Completed", arn, token)
        assert job["modelArn"].endswith(f"::foundation-model/{RAY}")
        assert job["submitTime"] < job["endTime"]
        uri = job["outputDataConfig"]["s3OutputDataConfig"]["s3Uri"]
        assert uri == f"s3://drive/staging/{arn.rpartition('/')[2]}"
        content, media_type = objects["drive", f"{uri.removeprefix('s3://drive/')}/output.mp4"]
        facts = probe(content)
        assert ((facts.width, facts.height), media_type) == (size, "video/mp4")
        assert (facts.frames, facts.frames_per_second, facts.audio_seconds) == (24 * seconds, 24, None)
        assert control.paid(provider="bedrock") == 1

    def test_one_token_is_one_job(self, bedrock: BaseClient, control: SandboxControl, token: str) -> None:
        arn = started(bedrock, token)
        assert started(bedrock, token) == arn
        for other in ({"place": "s3://drive/other"}, {"duration": "9s"}):
            with pytest.raises(bedrock.exceptions.ConflictException):
                started(bedrock, token, **other)
        assert control.paid() == 1
        assert started(bedrock, f"{token}-2") != arn
        assert control.paid() == 2

    @pytest.mark.parametrize(
        "wrong",
        [
            {"model": "amazon.nova-reel-v1:1"},
            {"duration": "7s"},
            {"resolution": "1080p"},
            {"prompt": "x" * 5001},
            {"samples": 2},
            {"place": "drive/staging"},
        ],
    )
    def test_invalid_requests(
        self, bedrock: BaseClient, control: SandboxControl, token: str, wrong: dict[str, Any]
    ) -> None:
        with pytest.raises(bedrock.exceptions.ValidationException):
            started(bedrock, token, **wrong)
        assert control.paid() == 0

    def test_one_that_is_not_known(self, bedrock: Any) -> None:
        with pytest.raises(bedrock.exceptions.ValidationException):
            bedrock.get_async_invoke(invocationArn="arn:aws:bedrock:us-west-2:000000000000:async-invoke/aaaaaaaaaaaa")

    @pytest.mark.parametrize("fault", ["fail_after_accept", "filtered"])
    def test_failed(
        self, bedrock: BaseClient, control: SandboxControl, objects: Objects, token: str, fault: str
    ) -> None:
        control.arm(fault, "bedrock")
        before = len(objects)
        job = ended(bedrock, started(bedrock, token))
        assert job["status"] == "Failed"
        assert job["failureMessage"]
        assert (len(objects), control.paid()) == (before, 1)

    @pytest.mark.parametrize("fault", ["empty_output", "expired_output_url"])
    def test_nothing_written(
        self, bedrock: BaseClient, control: SandboxControl, objects: Objects, token: str, fault: str
    ) -> None:
        control.arm(fault, "bedrock")
        before = len(objects)
        assert ended(bedrock, started(bedrock, token))["status"] == "Completed"
        assert (len(objects), control.paid()) == (before, 1)

    def test_spoiled_videos(self, bedrock: BaseClient, control: SandboxControl, objects: Objects, token: str) -> None:
        def written() -> tuple[bytes, str]:
            ended(bedrock, started(bedrock, f"{token}-{len(objects)}"))
            return list(objects.values())[-1]

        whole, _ = written()
        control.arm("truncated_output", "bedrock")
        assert written() == (whole[: len(whole) // 2], "video/mp4")
        control.arm("wrong_content_type", "bedrock")
        assert written() == (whole, "text/html")

    def test_an_answer_that_did_not_come_is_asked_for_with_the_token(
        self, bedrock: BaseClient, control: SandboxControl, token: str
    ) -> None:
        control.arm("accept_then_timeout", "bedrock", seconds=0.1)
        with pytest.raises(ConnectionClosedError):
            started(bedrock, token)
        assert ended(bedrock, started(bedrock, token))["status"] == "Completed"
        assert control.paid() == 1

    def test_questions_are_struck_by_their_path(self, bedrock: Any, control: SandboxControl, token: str) -> None:
        arn = started(bedrock, token)
        control.arm("rate_limit", "bedrock", match="/async-invoke/")
        with pytest.raises(bedrock.exceptions.ThrottlingException):
            bedrock.get_async_invoke(invocationArn=arn)
        assert ended(bedrock, arn)["status"] == "Completed"


def test_without_an_s3_a_job_fails_and_says_why(token: str) -> None:
    with served_sandbox(job_seconds=0.01) as url:
        client = made(url)
        assert "--s3-endpoint" in ended(client, started(client, token))["failureMessage"]
        client.close()
