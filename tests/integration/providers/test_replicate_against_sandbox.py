"""The Replicate adapter over HTTP against the sandbox: every fault ends in the outcome that the port names."""

from dataclasses import replace

import pytest

from gateway import sources
from gateway.errors import SourceRefused
from gateway.provider import Accepted, Failed, Finished, ForgedWebhook, Refused, Running, Submission, Uncertain
from infra.sandbox.providers.replicate_models import VERSIONS
from tests.integration.providers.test_against_sandbox import ended, fetched
from tests.integration.sandbox.support import until

IMAGE = Submission("att_1", "prunaai/p-image", {"prompt": "a red bicycle", "aspect_ratio": "1:1"}, None, 5)
SDXL = replace(
    IMAGE, endpoint=f"stability-ai/sdxl:{VERSIONS['stability-ai/sdxl']}", body={"prompt": "x", "num_outputs": 2}
)


def with_webhook(webhooks, **changes):
    return replace(IMAGE, webhook_url=f"{webhooks.url}/callback", **changes)


def test_to_the_end(predictions, control, tmp_path):
    accepted = predictions.submit(IMAGE)
    assert isinstance(accepted, Accepted)
    assert accepted.reference["get_url"].startswith(control.url)
    assert accepted.reference["cancel_url"].endswith("/cancel")
    outcome = ended(predictions, accepted.reference)
    (output,) = outcome.outputs
    facts = fetched(output, tmp_path)
    assert (facts.kind, facts.width, facts.height) == ("image", 1024, 1024)
    assert outcome.usage == {"compute_seconds": outcome.metrics["predict_time"]}
    assert outcome.usage["compute_seconds"] > 0
    assert control.paid() == 1


def test_several_outputs_of_a_community_model(predictions, control):
    outcome = ended(predictions, predictions.submit(SDXL).reference)
    assert len(outcome.outputs) == 2
    assert control.paid() == 1


def test_a_video(predictions, tmp_path):
    body = {"prompt": "sea", "duration": 3, "draft": True}
    outcome = ended(predictions, predictions.submit(replace(IMAGE, endpoint="prunaai/p-video", body=body)).reference)
    facts = fetched(outcome.outputs[0], tmp_path)
    assert (facts.kind, facts.has_audio) == ("video", True)
    assert facts.duration_seconds == pytest.approx(3, abs=0.05)


def test_polling_by_id_alone(predictions):
    reference = predictions.submit(IMAGE).reference
    assert len(ended(predictions, {"prediction_id": reference["prediction_id"]}).outputs) == 1


def test_a_webhook_wakes(predictions, webhooks):
    accepted = predictions.submit(with_webhook(webhooks))
    (received,) = webhooks.wait_for(1)
    told = predictions.webhook_reference(received.headers, received.body)
    assert told == {"prediction_id": accepted.reference["prediction_id"]}
    with pytest.raises(ForgedWebhook):
        predictions.webhook_reference(received.headers, received.body + b" ")


def test_a_forged_webhook(predictions, control, webhooks):
    control.arm("forged_webhook", "replicate")
    predictions.submit(with_webhook(webhooks))
    forged, true = webhooks.wait_for(2)
    with pytest.raises(ForgedWebhook):
        predictions.webhook_reference(forged.headers, forged.body)
    assert predictions.webhook_reference(true.headers, true.body)


@pytest.mark.parametrize("fault", ["accept_then_timeout", "bad_json"])
def test_an_accepted_job_whose_answer_was_lost(predictions, control, webhooks, fault):
    control.arm(fault, "replicate")
    assert isinstance(predictions.submit(with_webhook(webhooks, timeout_seconds=0.5)), Uncertain)
    (received,) = webhooks.wait_for(1)
    told = predictions.webhook_reference(received.headers, received.body)
    assert len(ended(predictions, told).outputs) == 1
    assert control.paid() == 1


@pytest.mark.parametrize(("fault", "code"), [("refuse", "provider_auth"), ("rate_limit", "rate_limited")])
def test_refused(predictions, control, fault, code):
    control.arm(fault, "replicate")
    outcome = predictions.submit(IMAGE)
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.retryable, control.paid()) == (code, True, 0)


def test_a_server_error_on_submit_proves_nothing(predictions, control):
    control.arm("server_error", "replicate")
    assert isinstance(predictions.submit(IMAGE), Uncertain)
    assert len(control.calls(method="POST")) == 1


def test_invalid_inputs(predictions, control):
    outcome = predictions.submit(replace(IMAGE, body={"prompt": "a red bicycle", "aspect_ratio": "7:1"}))
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.retryable, control.paid()) == ("invalid_inputs", False, 0)
    assert "aspect_ratio" in outcome.message


def test_unknown_model(predictions):
    outcome = predictions.submit(replace(IMAGE, endpoint="prunaai/no-such-model"))
    assert (outcome.code, outcome.retryable) == ("provider_unavailable", True)


@pytest.mark.parametrize("submission", [IMAGE, SDXL], ids=["official", "community"])
@pytest.mark.parametrize(
    ("fault", "code", "retryable"),
    [("fail_after_accept", "provider_error", True), ("filtered", "moderated_output", False)],
)
def test_failed(predictions, control, submission, fault, code, retryable):
    control.arm(fault, "replicate")
    outcome = ended(predictions, predictions.submit(submission).reference)
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.retryable) == (code, retryable)


def test_a_source_that_replicate_cannot_fetch(predictions, control):
    body = {"prompt": "blue", "images": [f"{control.url}/files/gone.png"]}
    accepted = predictions.submit(replace(IMAGE, endpoint="prunaai/p-image-edit", body=body))
    outcome = ended(predictions, accepted.reference)
    assert (outcome.code, outcome.retryable) == ("invalid_inputs", False)


@pytest.mark.parametrize("submission", [IMAGE, SDXL], ids=["official", "community"])
def test_nothing_made(predictions, control, submission):
    control.arm("empty_output", "replicate")
    outcome = ended(predictions, predictions.submit(submission).reference)
    assert isinstance(outcome, Finished)
    assert outcome.outputs == ()


def test_never_finishing_and_cancelled(predictions, control):
    control.arm("never_finish", "replicate")
    reference = predictions.submit(IMAGE).reference
    job_id = reference["prediction_id"]
    until(lambda: control.job_by_id(job_id)["state"] == "running", "the job runs")
    assert isinstance(predictions.poll(reference), Running)
    assert predictions.cancel(reference) is True
    outcome = ended(predictions, reference)
    assert isinstance(outcome, Failed)
    assert outcome.code == "provider_error"


def test_what_has_ended_is_not_cancelled(predictions):
    reference = predictions.submit(IMAGE).reference
    ended(predictions, reference)
    assert predictions.cancel(reference) is False


@pytest.mark.parametrize("fault", ["server_error", "rate_limit", "bad_json"])
def test_a_stumbling_poll_is_asked_again(predictions, control, fault):
    reference = predictions.submit(IMAGE).reference
    control.arm(fault, "replicate", match="/predictions/")
    assert isinstance(predictions.poll(reference), Uncertain)
    assert len(ended(predictions, reference).outputs) == 1


def test_unknown_job(predictions):
    outcome = predictions.poll({"prediction_id": "nobody"})
    assert isinstance(outcome, Failed)
    assert outcome.code == "provider_lost"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("expired_output_url", "source_unreachable"),
        ("huge_output", "source_too_large"),
        ("truncated_output", "source_unreachable"),
    ],
)
def test_outputs_that_cannot_be_fetched(predictions, control, tmp_path, fault, code):
    control.arm(fault, "replicate")
    outcome = ended(predictions, predictions.submit(IMAGE).reference)
    with pytest.raises(SourceRefused) as raised:
        fetched(outcome.outputs[0], tmp_path)
    assert raised.value.error_code == code


def test_an_output_is_a_source(predictions):
    outputs = ended(predictions, predictions.submit(IMAGE).reference).outputs
    found = sources.probe_sources([one.url for one in outputs], "source_media_urls")
    assert [one.media_type for one in found] == ["image/jpeg"]
