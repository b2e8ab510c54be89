"""AWS's own client works against the sandbox's Bedrock, and its errors come out as the client's own."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from typing import Any

import boto3
import httpx
import pytest
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError, ResponseStreamingError
from PIL import Image

from tests.integration.sandbox.support import SandboxControl

CORE = "stability.stable-image-core-v1:1"


@pytest.fixture
def bedrock(sandbox_url: str) -> Iterator[BaseClient]:
    """boto3's client, without its retries."""
    client = boto3.client(
        "bedrock-runtime",
        endpoint_url=f"{sandbox_url}/bedrock",
        region_name="us-west-2",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, read_timeout=2),
    )
    yield client
    client.close()


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


def test_what_is_not_signed(sandbox_url: str, control: SandboxControl) -> None:
    answer = httpx.post(f"{sandbox_url}/bedrock/model/{CORE}/invoke", json={"prompt": "a fox"})
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
