"""Google's adapter over HTTP against the sandbox: every fault ends in the outcome that the port names."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from gateway import media, url_guard
from gateway.errors import SourceRefused
from gateway.outputs import delivered
from gateway.provider import Accepted, Failed, Finished, MediaUrl, Refused, Running, Submission, Uncertain
from gateway.providers import ApiKey, Description
from gateway.providers.google import Google

PICTURE = Submission(
    "att_1",
    "gemini-3.1-flash-image:generateContent",
    {"prompt": "a red fox", "responseModalities": ["IMAGE"], "aspectRatio": "3:2", "imageSize": "512"},
    None,
    30,
)
SPEECH = replace(
    PICTURE,
    endpoint="gemini-3.8-flash-tts:generateContent",
    body={"prompt": "Hello there, old fox.", "responseModalities": ["AUDIO"], "voice": "Kore"},
)
TEXT = replace(PICTURE, endpoint="gemini-3.8-flash:generateContent", body={"prompt": "Of foxes.", "system": "Be kind."})
IMAGEN = replace(PICTURE, endpoint="imagen-4.0-generate-001:predict", body={"prompt": "a red fox", "sampleCount": 2})
VIDEO = replace(
    PICTURE,
    endpoint="veo-3.1-fast-generate-001:predictLongRunning",
    body={"prompt": "a fox runs", "durationSeconds": 4, "resolution": "720p", "aspectRatio": "16:9"},
)
AT_ONCE = [PICTURE, SPEECH, TEXT, IMAGEN]
EACH = [*AT_ONCE, VIDEO]


@pytest.fixture
def google(sandbox_url):
    return Google(Description("google", "Google", f"{sandbox_url}/google/v1beta"), lambda: ApiKey("sandbox-key"))


def ended(adapter, reference):
    """What polling ends with, asked again for as long as the job runs."""
    outcome = adapter.poll(reference)
    pause = threading.Event()
    while isinstance(outcome, Running):
        pause.wait(0.05)
        outcome = adapter.poll(reference)
    return outcome


@pytest.fixture
def picture_url(fal):
    """A picture that somebody else made."""
    body = {"prompt": "a fox", "aspect_ratio": "16:9"}
    accepted = fal.submit(Submission("att_2", "fal-ai/nano-banana", body, None, 5))
    return ended(fal, accepted.reference).outputs[0].url


def outcome_of(adapter, submission):
    """What a call comes to, whether at once or as a job."""
    outcome = adapter.submit(submission)
    return ended(adapter, outcome.reference) if isinstance(outcome, Accepted) else outcome


def facts_of(output, folder: Path, kind) -> media.Facts:
    path = folder / "output"
    with path.open("wb") as file:
        if isinstance(output, MediaUrl):
            url_guard.download(output.url, file, max_bytes=50_000_000, timeout_seconds=20, headers=output.headers)
        else:
            file.write(output.data)
    return media.inspect(path, expected_kind=kind)


def test_a_picture(google, control, tmp_path):
    outcome = google.submit(PICTURE)
    (output,) = outcome.outputs
    facts = facts_of(output, tmp_path, "image")
    assert (facts.media_type, facts.width, facts.height) == ("image/jpeg", 624, 416)
    assert outcome.usage["media_output_tokens"] == 747
    assert outcome.usage["output_tokens"] == outcome.metrics["usage"]["thoughtsTokenCount"]
    assert sum(outcome.usage.values()) == outcome.metrics["usage"]["totalTokenCount"]
    assert control.paid() == 1


def test_an_edit(google, picture_url, tmp_path):
    body = {"prompt": "make it blue", "responseModalities": ["IMAGE"], "images": [picture_url, picture_url]}
    outcome = google.submit(replace(PICTURE, body=body))
    assert outcome.usage["media_input_tokens"] == 2 * 258
    facts = facts_of(outcome.outputs[0], tmp_path, "image")
    assert facts.width > facts.height


def test_speech_is_a_file(google, tmp_path):
    outcome = google.submit(SPEECH)
    facts = facts_of(outcome.outputs[0], tmp_path, "audio")
    assert facts.media_type in {"audio/wav", "audio/x-wav"}
    assert facts.duration_seconds == pytest.approx(21 / 15, abs=0.1)
    assert outcome.usage["media_output_tokens"] == pytest.approx(25 * 21 / 15, abs=2)


def test_a_dialogue(google, tmp_path):
    speakers = [{"speaker_id": "Ann", "voice": "Kore"}, {"speaker_id": "Bob", "voice": "Puck"}]
    body = {**SPEECH.body, "prompt": "Ann: Hello.\nBob: Good day.", "speakers": speakers}
    outcome = google.submit(replace(SPEECH, body=body))
    assert facts_of(outcome.outputs[0], tmp_path, "audio").duration_seconds > 0.5


def test_music(google, tmp_path):
    body = {"prompt": "a calm song", "responseModalities": ["AUDIO", "TEXT"]}
    outcome = google.submit(replace(PICTURE, endpoint="lyria-3-clip-preview:generateContent", body=body))
    (output,) = outcome.outputs
    facts = facts_of(output, tmp_path, "audio")
    assert (facts.media_type, round(facts.duration_seconds)) == ("audio/mpeg", 30)


def test_text(google, tmp_path):
    outcome = google.submit(TEXT)
    assert facts_of(outcome.outputs[0], tmp_path, "text").kind == "text"
    assert sum(outcome.usage.values()) == outcome.metrics["usage"]["totalTokenCount"]


def test_imagen(google, tmp_path):
    outcome = google.submit(IMAGEN)
    assert len(outcome.outputs) == 2
    assert facts_of(outcome.outputs[0], tmp_path, "image").media_type == "image/png"


def test_a_video_is_fetched_with_the_key_alone(google, control, tmp_path):
    accepted = google.submit(VIDEO)
    assert set(accepted.reference) == {"operation"}
    outcome = ended(google, accepted.reference)
    (output,) = delivered(outcome, None)
    assert output.url.startswith(f"{control.url}/google/v1beta/files/")
    facts = facts_of(output, tmp_path, "video")
    assert (facts.width, facts.height, facts.has_audio) == (1280, 720, True)
    assert facts.duration_seconds == pytest.approx(4, abs=0.1)
    (named,) = delivered(outcome, "response.generateVideoResponse.generatedSamples[].video.uri")
    assert named == output
    with pytest.raises(SourceRefused) as refused:
        facts_of(MediaUrl(output.url), tmp_path, "video")
    assert refused.value.fields["upstream_status"] == 403
    assert control.paid() == 1


def test_a_video_of_pictures(google, control, picture_url):
    shown = {"durationSeconds": 8, "referenceImages": [picture_url] * 3}
    for body in ({"image": picture_url, "lastFrame": picture_url}, shown):
        control.arm("never_finish", "google")
        assert isinstance(google.submit(replace(VIDEO, body={**VIDEO.body, **body})), Accepted)


@pytest.mark.parametrize("submission", EACH, ids=lambda one: one.endpoint)
class TestFaults:
    @pytest.mark.parametrize(("fault", "code"), [("refuse", "provider_auth"), ("rate_limit", "rate_limited")])
    def test_refused(self, google, control, submission, fault, code):
        control.arm(fault, "google")
        outcome = google.submit(submission)
        assert isinstance(outcome, Refused)
        assert (outcome.code, outcome.retryable, control.paid()) == (code, True, 0)

    def test_a_server_error(self, google, control, submission):
        """Of `generateContent` it is known not to be charged; of a prediction it proves nothing."""
        control.arm("server_error", "google")
        outcome = google.submit(submission)
        if submission.endpoint.endswith(":generateContent"):
            assert (outcome.code, outcome.retryable) == ("provider_error", True)
        else:
            assert isinstance(outcome, Uncertain)
        assert len(control.calls(method="POST")) == 1

    def test_no_answer(self, google, control, submission):
        control.arm("accept_then_timeout", "google")
        assert isinstance(google.submit(replace(submission, timeout_seconds=1.5)), Uncertain)
        assert (control.paid(), len(control.calls(method="POST"))) == (1, 1)

    def test_half_an_answer(self, google, control, submission):
        control.arm("bad_json", "google")
        outcome = google.submit(submission)
        is_job = submission is VIDEO
        assert isinstance(outcome, Uncertain) if is_job else outcome == Finished(())
        assert control.paid() == 1

    def test_withheld(self, google, control, submission):
        control.arm("filtered", "google")
        outcome = outcome_of(google, submission)
        assert isinstance(outcome, Failed)
        code = "moderated_input" if submission is SPEECH else "moderated_output"
        assert (outcome.code, outcome.retryable) == (code, False)

    def test_nothing_made(self, google, control, submission):
        control.arm("empty_output", "google")
        outcome = outcome_of(google, submission)
        if submission in (IMAGEN, VIDEO):
            assert isinstance(outcome, Finished)
            assert outcome.outputs == ()
        else:
            assert (outcome.code, outcome.retryable) == ("empty_output", True)

    def test_failed(self, google, control, submission):
        control.arm("fail_after_accept", "google")
        outcome = outcome_of(google, submission)
        if submission is IMAGEN:
            assert isinstance(outcome, Uncertain)
        else:
            assert (outcome.code, outcome.retryable) == ("provider_error", True)

    def test_slow(self, google, control, submission):
        control.arm("slow", "google", seconds=0.3)
        assert outcome_of(google, submission).outputs

    def test_an_unknown_model(self, google, control, submission):
        outcome = google.submit(replace(submission, endpoint=submission.endpoint.replace("-", "-no-", 1)))
        assert (outcome.code, outcome.retryable, control.paid()) == ("provider_unavailable", True, 0)


@pytest.mark.parametrize("submission", AT_ONCE, ids=lambda one: one.endpoint)
def test_hanging_at_once(google, control, submission):
    control.arm("never_finish", "google")
    assert isinstance(google.submit(replace(submission, timeout_seconds=1.5)), Uncertain)
    assert control.paid() == 1


@pytest.mark.parametrize("submission", [PICTURE, SPEECH, IMAGEN], ids=lambda one: one.endpoint)
class TestFlawsOfWhatIsAnsweredAtOnce:
    def test_huge(self, google, control, submission):
        control.arm("huge_output", "google")
        assert google.submit(submission) == Finished(())

    def test_cut_off(self, google, control, submission, tmp_path):
        control.arm("truncated_output", "google")
        output = google.submit(submission).outputs[0]
        if submission is SPEECH:  # half of a sound is a sound
            assert facts_of(output, tmp_path, "audio").duration_seconds < 1
        else:
            with pytest.raises(media.UnusableOutput):
                facts_of(output, tmp_path, "image")

    def test_another_name(self, google, control, submission, tmp_path):
        """What a picture is called changes nothing; bare samples without their name are no sound."""
        control.arm("wrong_content_type", "google")
        output = google.submit(submission).outputs[0]
        if submission is SPEECH:
            with pytest.raises(media.UnusableOutput):
                facts_of(output, tmp_path, "audio")
        else:
            assert facts_of(output, tmp_path, "image").kind == "image"


class TestVideos:
    def test_never_finishing(self, google, control):
        control.arm("never_finish", "google")
        reference = google.submit(VIDEO).reference
        assert google.poll(reference) == Running()
        assert google.cancel(reference) is False

    @pytest.mark.parametrize("fault", ["server_error", "rate_limit", "refuse", "bad_json"])
    def test_a_stumbling_state_is_asked_again(self, google, control, fault):
        reference = google.submit(VIDEO).reference
        control.arm(fault, "google", match="/operations/")
        assert isinstance(google.poll(reference), Uncertain)
        assert len(ended(google, reference).outputs) == 1

    def test_an_unknown_job(self, google):
        outcome = google.poll({"operation": "models/veo-3.1-generate-001/operations/nobody"})
        assert (outcome.code, outcome.retryable) == ("provider_lost", False)

    @pytest.mark.parametrize(
        ("fault", "code", "status"),
        [
            ("expired_output_url", "source_unreachable", 404),
            ("huge_output", "source_too_large", None),
            ("truncated_output", "source_unreachable", None),
        ],
    )
    def test_a_file_that_cannot_be_fetched(self, google, control, tmp_path, fault, code, status):
        control.arm(fault, "google")
        (output,) = outcome_of(google, VIDEO).outputs
        with pytest.raises(SourceRefused) as raised:
            facts_of(output, tmp_path, "video")
        assert (raised.value.error_code, raised.value.fields.get("upstream_status")) == (code, status)

    def test_a_wrong_content_type_changes_nothing(self, google, control, tmp_path):
        control.arm("wrong_content_type", "google")
        (output,) = outcome_of(google, VIDEO).outputs
        assert facts_of(output, tmp_path, "video").media_type == "video/mp4"

    @pytest.mark.parametrize(
        "body", [{"durationSeconds": 5}, {"resolution": "4k"}, {"aspectRatio": "1:1"}], ids=lambda one: next(iter(one))
    )
    def test_invalid_inputs(self, google, control, body):
        outcome = google.submit(replace(VIDEO, body={**VIDEO.body, **body}))
        assert (outcome.code, outcome.retryable, control.paid()) == ("invalid_inputs", False, 0)
