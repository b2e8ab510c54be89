"""OpenAI's videos against the sandbox: jobs whose content is fetched with the key, and webhooks of the account."""

from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from gateway import media, signing_keys, url_guard
from gateway.config import settings
from gateway.errors import SourceRefused
from gateway.provider import Accepted, Failed, Finished, ForgedWebhook, Refused, Running, Submission, Uncertain, job_id
from gateway.providers import ApiKey
from gateway.providers import openai as adapters
from infra.sandbox.providers.openai_videos import SIGNING_SECRET
from infra.sandbox.render.image import ImageOrder
from tests.integration.providers.conftest import NotedKeys
from tests.integration.providers.test_against_sandbox import ended
from tests.integration.sandbox.support import until
from tests.unit.gateway.loopback import answer, serving

FILM = {"model": "sora-2", "prompt": "a fox", "seconds": "4", "size": "1280x720"}
VIDEO = Submission("att_1", "videos", FILM, "https://museway.test/x", 5)


@pytest.fixture(autouse=True)
def operators_key(monkeypatch):
    monkeypatch.setattr(signing_keys, "SigningKey", NotedKeys())
    monkeypatch.setattr(adapters, "api_key", {"openai_webhook": ApiKey(SIGNING_SECRET)}.get)


def fetched(output, folder: Path, **changes):
    path = folder / "output"
    with path.open("wb") as file:
        headers = {**output.headers, **changes}
        url_guard.download(output.url, file, max_bytes=50_000_000, timeout_seconds=10, headers=headers)
    return media.inspect(path)


def register(control, url):
    """The account's endpoint, as its owner makes it."""
    asked = {"name": "x", "url": url, "event_types": ["video.completed", "video.failed"]}
    headers = {"authorization": "Bearer x"}
    httpx.post(f"{control.url}/openai/v1/webhook_endpoints", json=asked, headers=headers).raise_for_status()


def test_to_the_end(openai, control, tmp_path):
    accepted = openai.submit(VIDEO)
    assert isinstance(accepted, Accepted)
    assert accepted.reference["video_id"] == job_id(accepted.reference)
    outcome = ended(openai, accepted.reference)
    (output,) = outcome.outputs
    assert output.url.startswith(f"{control.url}/openai/v1/videos/video_")
    assert "sandbox-key" not in repr(outcome)
    assert output.expires_at_seconds > 0
    facts = fetched(output, tmp_path)
    assert (facts.kind, facts.width, facts.height, facts.has_audio) == ("video", 1280, 720, True)
    assert facts.duration_seconds == pytest.approx(4, abs=0.05)
    assert control.paid() == 1


def test_its_content_is_for_who_has_the_key(openai, tmp_path):
    (output,) = ended(openai, openai.submit(VIDEO).reference).outputs
    with pytest.raises(SourceRefused) as refused:
        fetched(output, tmp_path, authorization="")
    assert refused.value.fields["upstream_status"] == 401


def test_a_first_picture_is_uploaded(openai, control, monkeypatch):
    picture = ImageOrder("a fox", 640, 360, "jpeg").render().content
    with serving(lambda _path, connection: connection.sendall(answer(picture, content_type="image/jpeg"))) as server:
        url = server.url()
        monkeypatch.setenv("URL_ALLOWED_HOSTS", ",".join(httpx.URL(one).netloc.decode() for one in (url, control.url)))
        settings.cache_clear()
        accepted = openai.submit(replace(VIDEO, body={**FILM, "input_reference": url}))
    assert isinstance(accepted, Accepted)
    assert len(ended(openai, accepted.reference).outputs) == 1


def test_the_account_is_called_back(openai, control, webhooks):
    register(control, f"{webhooks.url}/v1/callbacks/openai")
    accepted = openai.submit(VIDEO)
    (received,) = webhooks.wait_for(1)
    told = openai.webhook_reference(received.headers, received.body)
    assert told == {"video_id": accepted.reference["video_id"]}
    assert job_id(told) == job_id(accepted.reference)
    with pytest.raises(ForgedWebhook):
        openai.webhook_reference(received.headers, received.body + b" ")


def test_a_forged_webhook(openai, control, webhooks):
    register(control, webhooks.url)
    control.arm("forged_webhook", "openai")
    openai.submit(VIDEO)
    forged, true = webhooks.wait_for(2)
    with pytest.raises(ForgedWebhook):
        openai.webhook_reference(forged.headers, forged.body)
    assert openai.webhook_reference(true.headers, true.body)


@pytest.mark.parametrize(("fault", "code"), [("refuse", "provider_auth"), ("rate_limit", "rate_limited")])
def test_refused(openai, control, fault, code):
    control.arm(fault, "openai")
    outcome = openai.submit(VIDEO)
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.retryable, control.paid()) == (code, True, 0)


@pytest.mark.parametrize("fault", ["server_error", "accept_then_timeout", "bad_json"])
def test_what_may_have_been_begun_is_uncertain(openai, control, fault):
    control.arm(fault, "openai")
    assert isinstance(openai.submit(replace(VIDEO, timeout_seconds=0.5)), Uncertain)
    assert len(control.calls(method="POST")) == 1


def test_invalid_inputs(openai, control):
    outcome = openai.submit(replace(VIDEO, body={**FILM, "seconds": "5"}))
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.retryable, control.paid()) == ("invalid_inputs", False, 0)
    assert "seconds" in outcome.message


@pytest.mark.parametrize(
    ("fault", "code", "retryable"),
    [("fail_after_accept", "provider_error", True), ("filtered", "moderated_output", False)],
)
def test_failed(openai, control, fault, code, retryable):
    control.arm(fault, "openai")
    outcome = ended(openai, openai.submit(VIDEO).reference)
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.retryable) == (code, retryable)


def test_there_is_no_content_before_the_end(openai, control):
    control.arm("never_finish", "openai")
    reference = openai.submit(VIDEO).reference
    until(lambda: openai.poll(reference) == Running(50), "the job runs")
    content = f"{control.url}/openai/v1/videos/{reference['video_id']}/content"
    assert httpx.get(content, headers={"authorization": "Bearer x"}).status_code == 404
    assert openai.cancel(reference) is False


@pytest.mark.parametrize("fault", ["server_error", "rate_limit", "bad_json"])
def test_a_stumbling_poll_is_asked_again(openai, control, fault):
    reference = openai.submit(VIDEO).reference
    control.arm(fault, "openai", match="/videos/")
    assert isinstance(openai.poll(reference), Uncertain)
    assert len(ended(openai, reference).outputs) == 1


def test_unknown_job(openai):
    outcome = openai.poll({"endpoint": "videos", "video_id": "video_nobody"})
    assert isinstance(outcome, Failed)
    assert outcome.code == "provider_lost"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("empty_output", "source_unreachable"),
        ("expired_output_url", "source_unreachable"),
        ("huge_output", "source_too_large"),
        ("truncated_output", "source_unreachable"),
    ],
)
def test_outputs_that_cannot_be_fetched(openai, control, tmp_path, fault, code):
    control.arm(fault, "openai")
    outcome = ended(openai, openai.submit(VIDEO).reference)
    assert isinstance(outcome, Finished)
    with pytest.raises(SourceRefused) as raised:
        fetched(outcome.outputs[0], tmp_path)
    assert raised.value.error_code == code
