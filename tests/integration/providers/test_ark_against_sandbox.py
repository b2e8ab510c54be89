"""ModelArk's description over HTTP against the sandbox: every fault ends in the outcome that the port names."""

import base64
from dataclasses import replace

import pytest

from gateway import media
from gateway.errors import SourceRefused
from gateway.provider import Accepted, Failed, Finished, Refused, Running, Submission, Uncertain
from tests.integration.providers.test_against_sandbox import ended, fetched
from tests.integration.sandbox.support import until

FILM = {
    "model": "dreamina-seedance-2-0-260128",
    "prompt": "a fox",
    "resolution": "480p",
    "ratio": "16:9",
    "duration": 4,
}
VIDEO = Submission("att_1", "contents/generations/tasks", FILM, None, 5)
DRAWN = {"model": "seedream-4-0-250828", "prompt": "a fox", "size": "1024x1024", "response_format": "b64_json"}
PICTURE = Submission("att_1", "images/generations", DRAWN, None, 20)


@pytest.fixture
def ark(at_sandbox):
    return at_sandbox("ark")


def with_webhook(webhooks, **changes):
    return replace(VIDEO, webhook_url=f"{webhooks.url}/callback", **changes)


def looked_into(output, folder):
    path = folder / "output"
    path.write_bytes(output.data)
    return media.inspect(path)


class TestVideos:
    def test_to_the_end(self, ark, control, tmp_path):
        accepted = ark.submit(VIDEO)
        assert isinstance(accepted, Accepted)
        outcome = ended(ark, accepted.reference)
        (output,) = outcome.outputs
        facts = fetched(output, tmp_path)
        assert (facts.kind, facts.has_audio, facts.height) == ("video", True, 480)
        assert facts.duration_seconds == pytest.approx(4, abs=0.05)
        assert outcome.usage == {"media_output_tokens": facts.width * facts.height * 24 * 4 // 1024}
        assert control.paid() == 1

    def test_silent_if_asked(self, ark, tmp_path):
        accepted = ark.submit(replace(VIDEO, body={**FILM, "generate_audio": False}))
        assert not fetched(ended(ark, accepted.reference).outputs[0], tmp_path).has_audio

    def test_frames_and_references(self, ark, control, tmp_path):
        made = ended(ark, ark.submit(replace(VIDEO, body={**FILM, "ratio": "3:4"})).reference).outputs[0].url
        referring = {**FILM, "reference_videos": [made], "ratio": "1:1"}
        outcome = ended(ark, ark.submit(replace(VIDEO, body=referring)).reference)
        facts = fetched(outcome.outputs[0], tmp_path)
        assert (facts.width, facts.height) == (480, 480)
        refused = ark.submit(replace(VIDEO, body={**FILM, "first_frame": made, "reference_videos": [made]}))
        assert (refused.code, refused.retryable) == ("invalid_inputs", False)

    def test_a_webhook_wakes(self, ark, webhooks):
        accepted = ark.submit(with_webhook(webhooks))
        (received,) = webhooks.wait_for(1)
        assert ark.webhook_reference(received.headers, received.body) == {"task_id": accepted.reference["task_id"]}

    @pytest.mark.parametrize("fault", ["accept_then_timeout", "bad_json"])
    def test_an_accepted_job_whose_answer_was_lost(self, ark, control, webhooks, fault):
        control.arm(fault, "ark")
        assert isinstance(ark.submit(with_webhook(webhooks, timeout_seconds=0.5)), Uncertain)
        (received,) = webhooks.wait_for(1)
        told = ark.webhook_reference(received.headers, received.body)
        assert len(ended(ark, {"endpoint": VIDEO.endpoint, **told}).outputs) == 1
        assert control.paid() == 1

    @pytest.mark.parametrize(
        ("fault", "code", "retryable"),
        [("fail_after_accept", "provider_error", True), ("filtered", "moderated_output", False)],
    )
    def test_failed_with_200(self, ark, control, fault, code, retryable):
        control.arm(fault, "ark")
        outcome = ended(ark, ark.submit(VIDEO).reference)
        assert isinstance(outcome, Failed)
        assert (outcome.code, outcome.retryable) == (code, retryable)

    def test_nothing_made(self, ark, control):
        control.arm("empty_output", "ark")
        outcome = ended(ark, ark.submit(VIDEO).reference)
        assert isinstance(outcome, Finished)
        assert outcome.outputs == ()

    def test_what_is_queued_is_cancelled(self, ark, control):
        control.arm("slow", "ark", seconds=30)
        reference = ark.submit(VIDEO).reference
        assert ark.poll(reference) == Running(None)
        assert ark.cancel(reference) is True
        outcome = ark.poll(reference)
        assert isinstance(outcome, Failed)
        assert (outcome.code, outcome.retryable) == ("provider_error", True)

    def test_what_runs_is_not_cancelled(self, ark, control):
        control.arm("never_finish", "ark")
        reference = ark.submit(VIDEO).reference
        job_id = reference["task_id"].removeprefix("cgt-")
        until(lambda: control.job_by_id(job_id)["state"] == "running", "the job runs")
        assert isinstance(ark.poll(reference), Running)
        assert ark.cancel(reference) is False

    def test_what_has_ended_is_forgotten_by_a_cancellation(self, ark):
        reference = ark.submit(VIDEO).reference
        ended(ark, reference)
        ark.cancel(reference)
        lost = ark.poll(reference)
        assert isinstance(lost, Failed)
        assert lost.code == "provider_lost"

    @pytest.mark.parametrize("fault", ["server_error", "rate_limit", "bad_json"])
    def test_a_stumbling_poll_is_asked_again(self, ark, control, fault):
        reference = ark.submit(VIDEO).reference
        control.arm(fault, "ark", match="/tasks/")
        assert isinstance(ark.poll(reference), Uncertain)
        assert len(ended(ark, reference).outputs) == 1

    def test_a_source_that_cannot_be_fetched(self, ark, control):
        body = {**FILM, "reference_images": [f"{control.url}/files/gone.png"]}
        outcome = ended(ark, ark.submit(replace(VIDEO, body=body)).reference)
        assert isinstance(outcome, Failed)
        assert "reference_image" in outcome.message

    @pytest.mark.parametrize(
        ("fault", "code"),
        [
            ("expired_output_url", "source_unreachable"),
            ("huge_output", "source_too_large"),
            ("truncated_output", "source_unreachable"),
        ],
    )
    def test_outputs_that_cannot_be_fetched(self, ark, control, tmp_path, fault, code):
        control.arm(fault, "ark")
        outcome = ended(ark, ark.submit(VIDEO).reference)
        with pytest.raises(SourceRefused) as raised:
            fetched(outcome.outputs[0], tmp_path)
        assert raised.value.error_code == code


class TestPictures:
    def test_to_the_end(self, ark, control, tmp_path):
        outcome = ark.submit(PICTURE)
        assert isinstance(outcome, Finished)
        facts = looked_into(outcome.outputs[0], tmp_path)
        assert (facts.kind, facts.width, facts.height) == ("image", 1024, 1024)
        assert outcome.metrics == {"generated_images": 1}
        assert outcome.usage["media_output_tokens"] > 0
        assert control.paid() == 1

    def test_one_picture_a_call(self, ark):
        """How long a series is, the model decides: its length is not passed on."""
        alone = {"sequential_image_generation": "disabled", "sequential_image_generation_options": {"max_images": 3}}
        outcome = ark.submit(replace(PICTURE, body={**DRAWN, **alone}))
        assert (len(outcome.outputs), outcome.metrics) == (1, {"generated_images": 1})

    def test_a_named_size_has_the_shape_of_what_is_edited(self, ark, control, tmp_path):
        wide = ark.submit(replace(PICTURE, body={**DRAWN, "size": "1280x640"})).outputs[0]
        encoded = "data:image/jpeg;base64," + base64.b64encode(wide.data).decode()
        edited = ark.submit(replace(PICTURE, body={**DRAWN, "size": "1K", "image": [encoded]}))
        facts = looked_into(edited.outputs[0], tmp_path)
        assert facts.width / facts.height == pytest.approx(2, abs=0.05)

    def test_filtered_and_unpaid(self, ark, control):
        control.arm("filtered", "ark")
        outcome = ark.submit(PICTURE)
        assert isinstance(outcome, Refused)
        assert (outcome.code, outcome.retryable, control.paid()) == ("moderated_input", False, 0)

    def test_nothing_made(self, ark, control):
        control.arm("empty_output", "ark")
        outcome = ark.submit(PICTURE)
        assert isinstance(outcome, Finished)
        assert outcome.outputs == ()

    @pytest.mark.parametrize("fault", ["accept_then_timeout", "never_finish", "fail_after_accept"])
    def test_what_may_have_been_made_is_uncertain(self, ark, control, fault):
        control.arm(fault, "ark")
        assert isinstance(ark.submit(replace(PICTURE, timeout_seconds=0.5)), Uncertain)
        assert control.paid() == 1

    def test_what_is_too_large_is_over(self, ark, control):
        control.arm("huge_output", "ark")
        outcome = ark.submit(PICTURE)
        assert isinstance(outcome, Finished)
        assert outcome.outputs == ()


@pytest.mark.parametrize("submission", [VIDEO, PICTURE], ids=["video", "picture"])
class TestRefusals:
    @pytest.mark.parametrize(("fault", "code"), [("refuse", "provider_auth"), ("rate_limit", "rate_limited")])
    def test_refused(self, ark, control, submission, fault, code):
        control.arm(fault, "ark")
        outcome = ark.submit(submission)
        assert isinstance(outcome, Refused)
        assert (outcome.code, outcome.retryable, control.paid()) == (code, True, 0)

    def test_a_server_error_on_submit_proves_nothing(self, ark, control, submission):
        control.arm("server_error", "ark")
        assert isinstance(ark.submit(submission), Uncertain)
        assert len(control.calls(method="POST")) == 1

    def test_invalid_inputs(self, ark, control, submission):
        body = {**submission.body, "ratio": "7:1", "size": "9x9"}
        outcome = ark.submit(replace(submission, body=body))
        assert isinstance(outcome, Refused)
        assert (outcome.code, outcome.retryable, control.paid()) == ("invalid_inputs", False, 0)

    def test_unknown_model(self, ark, control, submission):
        outcome = ark.submit(replace(submission, body={**submission.body, "model": "no-such-model"}))
        assert (outcome.code, outcome.retryable, control.paid()) == ("provider_unavailable", True, 0)
