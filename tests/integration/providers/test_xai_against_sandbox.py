"""xAI's description over HTTP against the sandbox: every fault ends in the outcome that the port names."""

import base64
from dataclasses import replace

import pytest

from gateway import media
from gateway.errors import SourceRefused
from gateway.provider import Accepted, Failed, Finished, Refused, Running, Submission, Uncertain
from tests.integration.providers.test_against_sandbox import ended, fetched
from tests.integration.sandbox.support import until

FILM = {"model": "grok-imagine-video", "prompt": "a fox", "resolution": "480p", "aspect_ratio": "16:9", "duration": 2}
VIDEO = Submission("att_1", "videos/generations", FILM, None, 5)
DRAWN = {"model": "grok-imagine-image", "prompt": "a fox", "n": 2, "aspect_ratio": "1:1", "resolution": "1k"}
PICTURE = Submission("att_1", "images/generations", DRAWN, None, 20)


@pytest.fixture
def xai(at_sandbox):
    return at_sandbox("xai")


def looked_into(output, folder):
    path = folder / "output"
    path.write_bytes(output.data)
    return media.inspect(path)


def as_url(output):
    return "data:image/jpeg;base64," + base64.b64encode(output.data).decode()


def test_a_video(xai, control, tmp_path):
    accepted = xai.submit(VIDEO)
    assert isinstance(accepted, Accepted)
    outcome = ended(xai, accepted.reference)
    facts = fetched(outcome.outputs[0], tmp_path)
    assert (facts.kind, facts.has_audio, facts.height) == ("video", True, 480)
    assert facts.duration_seconds == pytest.approx(2, abs=0.05)
    assert (outcome.cost_usd, control.paid()) == ("0.1", 1)


def test_a_video_of_a_picture(xai, tmp_path):
    tall = xai.submit(replace(PICTURE, body={**DRAWN, "n": 1, "aspect_ratio": "9:16"})).outputs[0]
    body = {**FILM, "aspect_ratio": "auto", "resolution": "720p", "image": as_url(tall)}
    outcome = ended(xai, xai.submit(replace(VIDEO, body=body)).reference)
    facts = fetched(outcome.outputs[0], tmp_path)
    assert facts.height > facts.width == 720
    assert outcome.cost_usd == "0.142"


def test_pictures(xai, control, tmp_path):
    outcome = xai.submit(PICTURE)
    assert isinstance(outcome, Finished)
    assert len(outcome.outputs) == 2
    facts = looked_into(outcome.outputs[0], tmp_path)
    assert (facts.media_type, facts.width, facts.height) == ("image/jpeg", 1024, 1024)
    assert (outcome.cost_usd, control.paid()) == ("0.04", 1)


@pytest.mark.parametrize("count", [1, 3])
def test_edits(xai, count):
    given = [as_url(one) for one in xai.submit(replace(PICTURE, body={**DRAWN, "n": count})).outputs]
    sources = {"image": given[0]} if count == 1 else {"images": given}
    outcome = xai.submit(replace(PICTURE, endpoint="images/edits", body={**DRAWN, **sources}))
    assert len(outcome.outputs) == 2
    refused = xai.submit(replace(PICTURE, endpoint="images/edits"))
    assert refused.code == "invalid_inputs"


@pytest.mark.parametrize("submission", [VIDEO, PICTURE], ids=["video", "picture"])
class TestBoth:
    def outcome(self, xai, submission):
        found = xai.submit(submission)
        return ended(xai, found.reference) if isinstance(found, Accepted) else found

    def test_done_and_yet_withheld(self, xai, control, submission):
        control.arm("filtered", "xai")
        outcome = self.outcome(xai, submission)
        assert isinstance(outcome, Failed)
        assert (outcome.code, outcome.retryable, control.paid()) == ("moderated_output", False, 1)

    def test_nothing_made(self, xai, control, submission):
        control.arm("empty_output", "xai")
        outcome = self.outcome(xai, submission)
        assert isinstance(outcome, Finished)
        assert outcome.outputs == ()

    @pytest.mark.parametrize(("fault", "code"), [("refuse", "provider_auth"), ("rate_limit", "rate_limited")])
    def test_refused(self, xai, control, submission, fault, code):
        control.arm(fault, "xai")
        outcome = xai.submit(submission)
        assert isinstance(outcome, Refused)
        assert (outcome.code, outcome.retryable, control.paid()) == (code, True, 0)

    @pytest.mark.parametrize("fault", ["server_error", "accept_then_timeout"])
    def test_what_proves_nothing(self, xai, control, submission, fault):
        control.arm(fault, "xai")
        assert isinstance(xai.submit(replace(submission, timeout_seconds=0.5)), Uncertain)
        assert len(control.calls(method="POST")) == 1

    def test_invalid_inputs(self, xai, control, submission):
        outcome = xai.submit(replace(submission, body={**submission.body, "aspect_ratio": "7:1"}))
        assert isinstance(outcome, Refused)
        assert (outcome.code, outcome.retryable, control.paid()) == ("invalid_inputs", False, 0)
        assert "aspect_ratio" in outcome.message

    def test_unknown_model(self, xai, submission):
        outcome = xai.submit(replace(submission, body={**submission.body, "model": "no-such-model"}))
        assert (outcome.code, outcome.retryable) == ("provider_unavailable", True)


def test_a_job_whose_answer_cannot_be_read_is_uncertain(xai, control):
    control.arm("bad_json", "xai")
    assert isinstance(xai.submit(VIDEO), Uncertain)
    assert control.paid() == 1


def test_failed(xai, control):
    control.arm("fail_after_accept", "xai")
    outcome = ended(xai, xai.submit(VIDEO).reference)
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.retryable) == ("provider_error", True)


def test_what_is_queued_has_no_words(xai, control):
    control.arm("slow", "xai", seconds=10)
    assert xai.poll(xai.submit(VIDEO).reference) == Running(None)


def test_never_finishing(xai, control):
    control.arm("never_finish", "xai")
    reference = xai.submit(VIDEO).reference
    until(lambda: control.job_by_id(reference["request_id"])["state"] == "running", "the job runs")
    assert xai.poll(reference) == Running(50)
    assert xai.cancel(reference) is False


@pytest.mark.parametrize("fault", ["server_error", "rate_limit", "bad_json"])
def test_a_stumbling_poll_is_asked_again(xai, control, fault):
    reference = xai.submit(VIDEO).reference
    ended(xai, reference)
    control.arm(fault, "xai", match="/videos/")
    assert isinstance(xai.poll(reference), Uncertain)
    assert len(ended(xai, reference).outputs) == 1


def test_unknown_job(xai):
    outcome = xai.poll({"endpoint": VIDEO.endpoint, "request_id": "nobody"})
    assert isinstance(outcome, Failed)
    assert outcome.code == "provider_lost"


def test_an_output_that_has_expired(xai, control, tmp_path):
    control.arm("expired_output_url", "xai")
    outcome = ended(xai, xai.submit(VIDEO).reference)
    with pytest.raises(SourceRefused):
        fetched(outcome.outputs[0], tmp_path)
