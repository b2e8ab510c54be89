"""Bedrock's pictures, texts and videos as the catalog asks for them, over HTTP against the sandbox."""

import uuid
from pathlib import Path
from typing import Any

import pytest

from gateway import aws, media, templates
from gateway.config import settings
from gateway.provider import (
    Accepted,
    Failed,
    Finished,
    MediaBytes,
    MediaObject,
    PollOutcome,
    Refused,
    Running,
    Submission,
    Uncertain,
)
from gateway.providers import ApiKey, Description
from gateway.providers.bedrock import Bedrock
from infra.sandbox.addresses import base_urls
from tests.integration.sandbox.support import SandboxControl, until
from tests.samples import normalized
from tests.unit.gateway.shipped import SNAPSHOT

MODELS = ["stability/stable-image-core", "stability/stable-image-ultra", "stability/stable-diffusion-3.5-large"]
CORE = MODELS[0]
TEXTS = ["amazon/nova-micro", "amazon/nova-lite", "amazon/nova-pro"]
LITE = TEXTS[1]
RAY = "luma/ray-2"


@pytest.fixture
def bedrock(sandbox_url: str, monkeypatch: pytest.MonkeyPatch) -> Bedrock:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("DRIVE_BUCKET", "drive")
    aws._session.cache_clear()
    settings.cache_clear()
    return Bedrock(described(sandbox_url), lambda: None)


def described(sandbox_url: str, account: str = "") -> Description:
    address = base_urls(sandbox_url, ["bedrock"])["bedrock"]
    return Description("bedrock", "Amazon Bedrock", address, account=account)


def asked(model_id: str = CORE, timeout_seconds: float = 20, attempt_id: str = "gen_1-1", **inputs: Any) -> Submission:
    """What the catalog makes of a native request."""
    model = SNAPSHOT.model(model_id)
    [offer] = model.offers
    body = templates.render(offer.request, normalized(model, {"prompt": "a fox", **inputs}, is_native=True).inputs)
    return Submission(attempt_id, offer.endpoints[0].name, body, None, timeout_seconds)


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


def text_of(outcome: Any) -> str:
    assert isinstance(outcome, Finished)
    [output] = outcome.outputs
    assert isinstance(output, MediaBytes)
    assert output.media_type == media.TEXT_TYPE
    return output.data.decode()


class TestTexts:
    @pytest.mark.parametrize("model_id", TEXTS)
    def test_every_model_writes(self, bedrock: Bedrock, control: SandboxControl, model_id: str) -> None:
        outcome = bedrock.submit(asked(model_id, system="Be brief.", temperature=0.5, top_p=0.9))
        assert "a fox" in text_of(outcome)
        assert outcome.usage["cached_input_tokens"] == 0
        assert outcome.usage["input_tokens"] > 0 < outcome.usage["output_tokens"]
        assert outcome.metrics["request_id"] == control.calls()[0]["request_id"]
        assert control.paid() == 1

    def test_no_more_than_asked_for(self, bedrock: Bedrock) -> None:
        outcome = bedrock.submit(asked(LITE, max_tokens=3))
        assert len(text_of(outcome)) == 12
        assert outcome.usage["output_tokens"] == 3

    def test_on_an_account_of_their_own(self, sandbox_url: str, control: SandboxControl) -> None:
        own = Bedrock(described(sandbox_url, account="demo"), lambda: ApiKey("their-key"))
        assert text_of(own.submit(asked(LITE)))
        refused = own.submit(asked(RAY))
        assert isinstance(refused, Refused)
        assert (refused.code, control.paid()) == ("provider_auth", 1)

    @pytest.mark.parametrize(
        ("fault", "code", "retryable"),
        [("filtered", "moderated_output", False), ("fail_after_accept", "provider_error", True)],
    )
    def test_failed(self, bedrock: Bedrock, control: SandboxControl, fault: str, code: str, *, retryable: bool) -> None:
        control.arm(fault, "bedrock")
        outcome = bedrock.submit(asked(LITE))
        assert isinstance(outcome, Failed)
        assert (outcome.code, outcome.retryable, control.paid()) == (code, retryable, 1)

    @pytest.mark.parametrize("fault", ["empty_output", "bad_json", "html", "wrong_type", "huge_answer"])
    def test_of_no_use(self, bedrock: Bedrock, control: SandboxControl, fault: str) -> None:
        control.arm(fault, "bedrock")
        outcome = bedrock.submit(asked(LITE))
        assert isinstance(outcome, Finished)
        assert (outcome.outputs, control.paid()) == ((), 1)

    @pytest.mark.parametrize("fault", ["accept_then_timeout", "never_finish", "drip", "redirect"])
    def test_what_may_have_been_made_is_uncertain(self, bedrock: Bedrock, control: SandboxControl, fault: str) -> None:
        control.arm(fault, "bedrock")
        assert isinstance(bedrock.submit(asked(LITE, timeout_seconds=0.5)), Uncertain)
        assert (len(control.calls()), control.paid()) == (1, 1)


class TestVideos:
    """Jobs, each under a token of its own: the sandbox's live as long as it."""

    @pytest.fixture
    def job(self) -> Submission:
        return asked(RAY, attempt_id=f"gen_{uuid.uuid4().hex}-1", duration=5, resolution="540p")

    def begun(self, bedrock: Bedrock, job: Submission) -> dict[str, str]:
        outcome = bedrock.submit(job)
        assert isinstance(outcome, Accepted), outcome
        return dict(outcome.reference)

    def ended(self, bedrock: Bedrock, reference: dict[str, str]) -> PollOutcome:
        outcomes: list[PollOutcome] = []

        def is_over() -> bool:
            outcomes.append(bedrock.poll(reference))
            return not isinstance(outcomes[-1], Running | Uncertain)

        until(is_over, "the job ends")
        return outcomes[-1]

    def test_one_lies_in_our_bucket(
        self,
        bedrock: Bedrock,
        control: SandboxControl,
        objects: dict[tuple[str, str], bytes],
        tmp_path: Path,
        job: Submission,
    ) -> None:
        outcome = self.ended(bedrock, self.begun(bedrock, job))
        assert isinstance(outcome, Finished)
        [output] = outcome.outputs
        assert isinstance(output, MediaObject)
        assert output.key.startswith(f"staging/{job.attempt_id}/")
        (tmp_path / "output").write_bytes(objects["drive", output.key])
        facts = media.inspect(tmp_path / "output")
        assert ((facts.width, facts.height), facts.media_type, facts.has_audio) == ((960, 540), "video/mp4", False)
        assert facts.duration_seconds == pytest.approx(5, abs=0.1)
        assert control.paid() == 1

    @pytest.mark.parametrize("fault", ["accept_then_timeout", "bad_json", "html", "redirect", "server_error"])
    def test_an_answer_that_was_lost_is_the_same_job(
        self, bedrock: Bedrock, control: SandboxControl, job: Submission, fault: str
    ) -> None:
        control.arm(fault, "bedrock", seconds=0.1)
        assert isinstance(self.ended(bedrock, self.begun(bedrock, job)), Finished)
        assert control.paid() == 1

    def test_one_that_was_lost_twice_is_uncertain(
        self, bedrock: Bedrock, control: SandboxControl, job: Submission
    ) -> None:
        control.arm("accept_then_timeout", "bedrock", times=2, seconds=0.1)
        assert isinstance(bedrock.submit(job), Uncertain)
        assert control.paid() == 1

    @pytest.mark.parametrize(("fault", "code"), [("refuse", "provider_auth"), ("rate_limit", "rate_limited")])
    def test_refused(self, bedrock: Bedrock, control: SandboxControl, job: Submission, fault: str, code: str) -> None:
        control.arm(fault, "bedrock")
        outcome = bedrock.submit(job)
        assert isinstance(outcome, Refused)
        assert (outcome.code, control.paid()) == (code, 0)

    @pytest.mark.parametrize("fault", ["fail_after_accept", "filtered"])
    def test_failed(self, bedrock: Bedrock, control: SandboxControl, job: Submission, fault: str) -> None:
        control.arm(fault, "bedrock")
        outcome = self.ended(bedrock, self.begun(bedrock, job))
        assert isinstance(outcome, Failed)
        assert (outcome.code, control.paid()) == ("provider_error", 1)

    @pytest.mark.parametrize("fault", ["server_error", "rate_limit", "bad_json", "html", "unknown_status", "redirect"])
    def test_a_question_without_an_answer_is_asked_again(
        self, bedrock: Bedrock, control: SandboxControl, job: Submission, fault: str
    ) -> None:
        reference = self.begun(bedrock, job)
        control.arm(fault, "bedrock", match="/async-invoke/")
        assert isinstance(bedrock.poll(reference), Uncertain)
        assert isinstance(self.ended(bedrock, reference), Finished)
