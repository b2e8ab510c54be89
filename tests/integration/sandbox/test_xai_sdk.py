"""xAI's pictures by OpenAI's client, as its documentation has it, at xAI's address; videos as plain HTTP.

xAI's own package, `xai-sdk`, speaks gRPC, which neither the gateway nor its sandbox does.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from PIL import Image

from tests.integration.sandbox.support import SandboxControl, probe, until

FILM = {"model": "grok-imagine-video", "prompt": "a fox", "duration": 2}
DRAWN: Any = {"model": "grok-imagine-image", "prompt": "a fox"}


@pytest.fixture
def xai(sandbox_url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key="xai-sandbox", base_url=f"{sandbox_url}/xai/v1", max_retries=0) as client:
        yield client


@pytest.fixture
def xai_http(sandbox_url: str) -> Iterator[httpx.Client]:
    headers = {"Authorization": "Bearer xai-sandbox"}
    with httpx.Client(base_url=f"{sandbox_url}/xai/v1", headers=headers, timeout=30) as client:
        yield client


def test_pictures(xai: openai.OpenAI, control: SandboxControl) -> None:
    made: Any = xai.images.generate(**DRAWN, n=2, response_format="b64_json", extra_body={"aspect_ratio": "16:9"})
    sizes = {Image.open(io.BytesIO(base64.b64decode(one.b64_json))).size for one in made.data}
    assert len(made.data) == 2
    assert all(width > height for width, height in sizes)
    assert made.data[0].revised_prompt == "a fox"
    assert made.usage.cost_in_usd_ticks == 400_000_000
    at_url: Any = xai.images.generate(**DRAWN).data
    assert Image.open(io.BytesIO(httpx.get(at_url[0].url).content)).format == "JPEG"
    assert control.paid(provider="xai") == 2
    assert "grok-imagine-image" in {model.id for model in xai.models.list()}


def test_what_moderation_withholds_is_paid_for(xai: openai.OpenAI, control: SandboxControl) -> None:
    control.arm("filtered", "xai")
    withheld: Any = xai.images.generate(**DRAWN)
    assert [one.respect_moderation for one in withheld.data] == [False]
    assert control.paid() == 1


def test_errors_have_their_classes(xai: openai.OpenAI, control: SandboxControl) -> None:
    for fault, kind in (
        ("refuse", openai.PermissionDeniedError),
        ("rate_limit", openai.RateLimitError),
        ("server_error", openai.InternalServerError),
    ):
        control.arm(fault, "xai")
        with pytest.raises(kind):
            xai.images.generate(**DRAWN)
    with pytest.raises(openai.BadRequestError):
        xai.images.generate(**DRAWN, n=11)
    with pytest.raises(openai.NotFoundError):
        xai.images.generate(model="no-such-model", prompt="a fox")
    assert control.paid() == 0


def test_a_video(xai_http: httpx.Client, control: SandboxControl) -> None:
    control.speed(0.5)
    request_id = xai_http.post("/videos/generations", json=FILM).json()["request_id"]
    queued = xai_http.get(f"/videos/{request_id}")
    assert (queued.status_code, queued.content) == (202, b"")
    until(lambda: xai_http.get(f"/videos/{request_id}").content != b"", "it runs")
    until(lambda: xai_http.get(f"/videos/{request_id}").status_code == 200, "it is done")
    done = xai_http.get(f"/videos/{request_id}").json()
    assert (done["status"], done["video"]["respect_moderation"]) == ("done", True)
    assert done["usage"] == {"cost_in_usd_ticks": 2 * 500_000_000}
    assert probe(httpx.get(done["video"]["url"]).content).frames == 48
