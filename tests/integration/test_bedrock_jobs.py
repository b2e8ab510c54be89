"""Bedrock through the steps, against the emulator's own Bedrock: text at once, and a job that writes into our bucket.

The emulator's jobs are done at once and write nothing, so the output is put where Bedrock would.
"""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from ministack.services import bedrock_runtime

from gateway import aws, providers, tables, transport
from gateway.config import settings
from gateway.provider import Finished, MediaBytes, Submission
from gateway.providers import Description
from gateway.providers.bedrock import Bedrock
from infra.sandbox.render.video import VideoOrder
from tests.integration import world as outside
from tests.integration.world import World

MODEL = "kuaishou/kling-v3-t2v"
REEL = "async-invoke/amazon.nova-reel-v1:1"
CLIP = VideoOrder("a fox", 320, 180, 3.0, audio=False).render().content
REQUEST = {"model": MODEL, "prompt": "a fox", "duration": 3}


class Emulated:
    """The emulator's Bedrock on the wire; `lost` answers of the next calls do not arrive."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.tokens: list[str] = []
        self.lost = 0
        self.delivers = True

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode().partition("?")[0]
        self.calls.append((request.method, path.split("/")[1]))
        if path == "/async-invoke":
            self._write(json.loads(request.content))
        handled = bedrock_runtime.handle_request(request.method, path, {}, request.content, {})
        status, headers, body = asyncio.run(handled)
        if self.lost:
            self.lost -= 1
            raise httpx.ReadTimeout("")
        return httpx.Response(status, headers=headers, content=body)

    def _write(self, job: dict[str, Any]) -> None:
        self.tokens.append(job["clientRequestToken"])
        bucket, _, key = job["outputDataConfig"]["s3OutputDataConfig"]["s3Uri"].removeprefix("s3://").partition("/")
        if self.delivers:
            aws.client("s3").put_object(Bucket=bucket, Key=f"{key}/output.mp4", Body=CLIP, ContentType="video/mp4")


def by_bedrock(compiled: dict[str, Any]) -> None:
    """The model's one offer is a job at Bedrock."""
    model = next(one for one in compiled["models"] if one["id"] == MODEL)
    job = {"provider": "bedrock", "endpoints": [{"endpoint": REEL}], "webhook": False}
    model["offers"] = [{**model["offers"][0], **job, "offer_id": f"{MODEL}@bedrock"}]


@pytest.fixture
def emulated() -> Emulated:
    bedrock_runtime.reset()
    return Emulated()


@pytest.fixture
def bedrock() -> Bedrock:
    return Bedrock(Description("bedrock", "Amazon Bedrock", "http://bedrock.test"), lambda: None)


@pytest.fixture
def world(emulated: Emulated, bedrock: Bedrock) -> Iterator[World]:
    # Undone before the world undoes its own.
    with outside.world(changed=by_bedrock) as world, pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(providers, "provider", lambda _name: bedrock)
        with transport.use(httpx.MockTransport(emulated)):
            yield world


def made(world: World) -> dict[str, Any]:
    status, accepted, _ = world.request("POST", "/v1/generate/media", REQUEST)
    assert status == 202, accepted
    world.settle_down()
    shown: dict[str, Any] = world.generation(accepted["generation_id"])
    return shown


@pytest.mark.parametrize("lost", [0, 1])
def test_a_job_is_delivered_from_our_own_bucket(world: World, emulated: Emulated, lost: int) -> None:
    emulated.lost = lost
    shown = made(world)
    assert (shown["status"], shown["error"]) == ("completed", None)
    [output] = shown["outputs"]
    assert (output["media_type"], output["bytes"]) == ("video/mp4", len(CLIP))
    assert output["duration_seconds"] == pytest.approx(3, abs=0.1)
    attempt = tables.Attempt.find(shown["generation_id"], 1)
    assert attempt is not None
    assert attempt.reference["output_uri"] == f"s3://{settings().drive_bucket}/staging/{shown['generation_id']}-1"
    assert emulated.tokens == [f"{shown['generation_id']}-1"] * (lost + 1)
    assert shown["billed_micros"] == world.totals().spent_micros > 0


def test_a_job_that_is_lost_twice_is_waited_out_and_not_charged(world: World, emulated: Emulated) -> None:
    emulated.lost = 2
    shown = made(world)
    assert (shown["status"], shown["error"]["code"]) == ("failed", "provider_lost")
    assert len(emulated.calls) == 2
    assert (world.totals().held_micros, world.totals().spent_micros) == (0, 0)


def test_a_job_whose_output_is_not_there_is_not_charged(world: World, emulated: Emulated) -> None:
    emulated.delivers = False
    shown = made(world)
    assert (shown["status"], shown["error"]["code"]) == ("failed", "provider_error")
    assert (world.totals().held_micros, world.totals().spent_micros) == (0, 0)


def test_the_emulator_converses(bedrock: Bedrock, emulated: Emulated) -> None:
    body = {"prompt": "Of foxes.", "system": "Be brief.", "inferenceConfig": {"maxTokens": 100}}
    with outside.world(), transport.use(httpx.MockTransport(emulated)):
        outcome = bedrock.submit(Submission("gen_1-1", "converse/amazon.nova-lite-v1:0", body, None, 10))
    assert isinstance(outcome, Finished)
    [text] = outcome.outputs
    assert isinstance(text, MediaBytes)
    assert b"reply for prompt#" in text.data
    assert outcome.usage == {"input_tokens": 4, "output_tokens": len(text.data) // 4}
    assert emulated.calls == [("POST", "model")]
