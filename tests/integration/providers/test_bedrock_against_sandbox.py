"""Bedrock's pictures as the catalog asks for them, over HTTP against the sandbox; jobs are in `test_bedrock_jobs`."""

from pathlib import Path
from typing import Any

import pytest

from gateway import aws, media, templates
from gateway.provider import Failed, Finished, Refused, Submission, Uncertain
from gateway.providers import Description
from gateway.providers.bedrock import Bedrock
from infra.sandbox.addresses import base_urls
from tests.integration.sandbox.support import SandboxControl
from tests.samples import normalized
from tests.unit.gateway.shipped import SNAPSHOT

MODELS = ["stability/stable-image-core", "stability/stable-image-ultra", "stability/stable-diffusion-3.5-large"]
CORE = MODELS[0]


@pytest.fixture
def bedrock(sandbox_url: str, monkeypatch: pytest.MonkeyPatch) -> Bedrock:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    aws._session.cache_clear()
    return Bedrock(
        Description("bedrock", "Amazon Bedrock", base_urls(sandbox_url, ["bedrock"])["bedrock"]), lambda: None
    )


def asked(model_id: str = CORE, timeout_seconds: float = 20, **inputs: Any) -> Submission:
    """What the catalog makes of a native request."""
    model = SNAPSHOT.model(model_id)
    [offer] = model.offers
    body = templates.render(offer.request, normalized(model, {"prompt": "a fox", **inputs}, is_native=True).inputs)
    return Submission("gen_1-1", offer.endpoints[0].name, body, None, timeout_seconds)


@pytest.mark.parametrize("model_id", MODELS)
@pytest.mark.parametrize(
    ("inputs", "size", "media_type"),
    [
        ({}, (1024, 1024), "image/png"),
        (
            {"aspect_ratio": "16:9", "output_format": "jpeg", "seed": 7, "negative_prompt": "snow"},
            (1344, 768),
            "image/jpeg",
        ),
    ],
)
def test_every_model_is_delivered(
    bedrock: Bedrock,
    control: SandboxControl,
    tmp_path: Path,
    model_id: str,
    inputs: dict[str, Any],
    size: tuple[int, int],
    media_type: str,
) -> None:
    outcome = bedrock.submit(asked(model_id, **inputs))
    assert isinstance(outcome, Finished)
    [output] = outcome.outputs
    (tmp_path / "output").write_bytes(output.data)
    facts = media.inspect(tmp_path / "output")
    assert ((facts.width, facts.height), facts.media_type) == (size, media_type)
    assert outcome.metrics["request_id"] == control.calls()[0]["request_id"]
    assert control.paid() == 1


@pytest.mark.parametrize(("fault", "code"), [("refuse", "provider_auth"), ("rate_limit", "rate_limited")])
def test_refused(bedrock: Bedrock, control: SandboxControl, fault: str, code: str) -> None:
    control.arm(fault, "bedrock")
    outcome = bedrock.submit(asked())
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.retryable, control.paid()) == (code, True, 0)


def test_invalid_inputs(bedrock: Bedrock, control: SandboxControl) -> None:
    endpoint = asked().endpoint
    outcome = bedrock.submit(Submission("gen_1-1", endpoint, {"prompt": "a fox", "aspect_ratio": "7:1"}, None, 20))
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.retryable, control.paid()) == ("invalid_inputs", False, 0)
    assert "aspect_ratio" in outcome.message


@pytest.mark.parametrize(
    ("fault", "code", "retryable"),
    [("filtered", "moderated_input", False), ("fail_after_accept", "provider_error", True)],
)
def test_failed(bedrock: Bedrock, control: SandboxControl, fault: str, code: str, retryable: bool) -> None:
    control.arm(fault, "bedrock")
    outcome = bedrock.submit(asked())
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.retryable, control.paid()) == (code, retryable, 1)


@pytest.mark.parametrize(("fault", "paid"), [("server_error", 0), ("accept_then_timeout", 1), ("never_finish", 1)])
def test_what_may_have_been_made_is_uncertain(bedrock: Bedrock, control: SandboxControl, fault: str, paid: int) -> None:
    control.arm(fault, "bedrock")
    assert isinstance(bedrock.submit(asked(timeout_seconds=0.5)), Uncertain)
    assert (len(control.calls()), control.paid()) == (1, paid)


@pytest.mark.parametrize("fault", ["empty_output", "bad_json", "huge_output"])
def test_of_no_use(bedrock: Bedrock, control: SandboxControl, fault: str) -> None:
    control.arm(fault, "bedrock")
    outcome = bedrock.submit(asked())
    assert isinstance(outcome, Finished)
    assert (outcome.outputs, control.paid()) == ((), 1)


@pytest.mark.parametrize("fault", ["slow", "wrong_content_type", "expired_output_url", "lost_webhook"])
def test_faults_that_leave_a_picture(bedrock: Bedrock, control: SandboxControl, fault: str) -> None:
    control.arm(fault, "bedrock", seconds=0.1)
    assert len(bedrock.submit(asked()).outputs) == 1
    assert control.paid() == 1
