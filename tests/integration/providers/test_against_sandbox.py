"""The real adapters over HTTP against the sandbox: every fault ends in the outcome that the port names.

Each test counts what the provider was paid for: an outcome is only right when the money agrees with it.
"""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from gateway import media, sources, url_guard
from gateway.errors import SourceRefused
from gateway.provider import (
    Accepted,
    Failed,
    Finished,
    ForgedWebhook,
    MediaBytes,
    Refused,
    Running,
    Submission,
    Uncertain,
)
from tests.integration.sandbox.support import until

IMAGE = Submission("att_1", "fal-ai/nano-banana", {"prompt": "a red bicycle", "num_images": 2}, None, 5)
DRAWING = Submission(
    "att_1",
    "images/generations",
    {"model": "gpt-image-2", "prompt": "a red bicycle", "size": "1024x1024", "quality": "low"},
    None,
    20,
)
SPEECH = Submission("att_1", "audio/speech", {"model": "tts-1", "input": "Hello there.", "voice": "alloy"}, None, 20)
CHAT = Submission("att_1", "chat/completions", {"model": "gpt-4.1-mini", "prompt": "Of foxes.", "seed": 7}, None, 20)
TOKEN_SPEECH = replace(SPEECH, body={**SPEECH.body, "model": "gpt-4o-mini-tts"})


def ended(adapter, reference):
    """What polling ends with, asked again for as long as the job runs."""
    outcome = adapter.poll(reference)
    pause = threading.Event()
    while isinstance(outcome, Running):
        pause.wait(0.02)
        outcome = adapter.poll(reference)
    return outcome


def fetched(output, folder: Path) -> media.Facts:
    path = folder / "output"
    with path.open("wb") as file:
        url_guard.download(output.url, file, max_bytes=50_000_000, timeout_seconds=10)
    return media.inspect(path)


class TestFal:
    def test_to_the_end(self, fal, control, tmp_path):
        accepted = fal.submit(IMAGE)
        assert isinstance(accepted, Accepted)
        assert accepted.reference["status_url"].startswith(control.url)
        outcome = ended(fal, accepted.reference)
        assert len(outcome.outputs) == 2
        assert outcome.usage["compute_seconds"] == outcome.metrics["inference_time"] >= 0
        facts = fetched(outcome.outputs[0], tmp_path)
        assert (facts.kind, facts.width, facts.height) == ("image", 1024, 1024)
        assert control.paid() == 1

    @pytest.mark.parametrize(
        ("endpoint", "body", "kind", "seconds"),
        [
            ("fal-ai/kling-video/v3/standard/text-to-video", {"prompt": "sea", "duration": "3"}, "video", 3.0),
            ("fal-ai/elevenlabs/tts/eleven-v3", {"text": "Hello there."}, "audio", None),
        ],
    )
    def test_other_kinds(self, fal, tmp_path, endpoint, body, kind, seconds):
        accepted = fal.submit(replace(IMAGE, endpoint=endpoint, body=body))
        (output,) = ended(fal, accepted.reference).outputs
        facts = fetched(output, tmp_path)
        assert (facts.kind, facts.has_audio) == (kind, True)
        assert seconds is None or facts.duration_seconds == pytest.approx(seconds, abs=0.05)

    def test_polling_by_id_and_endpoint_alone(self, fal):
        reference = fal.submit(IMAGE).reference
        bare = {name: reference[name] for name in ("request_id", "endpoint")}
        assert len(ended(fal, bare).outputs) == 2

    def test_a_webhook_wakes(self, fal, webhooks):
        accepted = fal.submit(replace(IMAGE, webhook_url=f"{webhooks.url}/callback"))
        (received,) = webhooks.wait_for(1)
        told = fal.webhook_reference(received.headers, received.body)
        assert told == {"request_id": accepted.reference["request_id"]}
        with pytest.raises(ForgedWebhook):
            fal.webhook_reference(received.headers, received.body + b" ")

    def test_a_forged_webhook(self, fal, control, webhooks):
        control.arm("forged_webhook", "fal")
        fal.submit(replace(IMAGE, webhook_url=f"{webhooks.url}/callback"))
        forged, true = webhooks.wait_for(2)
        with pytest.raises(ForgedWebhook):
            fal.webhook_reference(forged.headers, forged.body)
        # The same container still takes the true one: no minute's wait for keys that it has.
        assert fal.webhook_reference(true.headers, true.body)

    @pytest.mark.parametrize("fault", ["accept_then_timeout", "bad_json"])
    def test_an_accepted_job_whose_answer_was_lost(self, fal, control, webhooks, fault):
        control.arm(fault, "fal")
        asked = replace(IMAGE, webhook_url=f"{webhooks.url}/callback", timeout_seconds=0.5)
        assert isinstance(fal.submit(asked), Uncertain)
        (received,) = webhooks.wait_for(1)
        told = fal.webhook_reference(received.headers, received.body)
        assert len(ended(fal, {**told, "endpoint": IMAGE.endpoint}).outputs) == 2
        assert control.paid() == 1

    @pytest.mark.parametrize(("fault", "code"), [("refuse", "provider_auth"), ("rate_limit", "rate_limited")])
    def test_refused(self, fal, control, fault, code):
        control.arm(fault, "fal")
        outcome = fal.submit(IMAGE)
        assert isinstance(outcome, Refused)
        assert (outcome.code, outcome.retryable, control.paid()) == (code, True, 0)

    def test_a_server_error_on_submit_proves_nothing(self, fal, control):
        control.arm("server_error", "fal")
        assert isinstance(fal.submit(IMAGE), Uncertain)
        assert len(control.calls(method="POST")) == 1

    def test_invalid_inputs(self, fal, control):
        outcome = fal.submit(replace(IMAGE, body={"prompt": "a red bicycle", "num_images": 9}))
        assert isinstance(outcome, Refused)
        assert (outcome.code, outcome.retryable, control.paid()) == ("invalid_inputs", False, 0)
        assert "num_images" in outcome.message

    def test_unknown_model(self, fal):
        outcome = fal.submit(replace(IMAGE, endpoint="fal-ai/no-such-model"))
        assert (outcome.code, outcome.retryable) == ("provider_unavailable", True)

    @pytest.mark.parametrize(
        ("fault", "code", "retryable"),
        [("fail_after_accept", "provider_error", True), ("filtered", "moderated_input", False)],
    )
    def test_failed(self, fal, control, fault, code, retryable):
        control.arm(fault, "fal")
        outcome = ended(fal, fal.submit(IMAGE).reference)
        assert isinstance(outcome, Failed)
        assert (outcome.code, outcome.retryable) == (code, retryable)

    def test_nothing_made(self, fal, control):
        control.arm("empty_output", "fal")
        outcome = ended(fal, fal.submit(IMAGE).reference)
        assert isinstance(outcome, Finished)
        assert outcome.outputs == ()

    def test_never_finishing_and_cancelled(self, fal, control):
        control.arm("never_finish", "fal")
        reference = fal.submit(IMAGE).reference
        job_id = reference["request_id"]
        until(lambda: control.job_by_id(job_id)["state"] == "running", "the job runs")
        assert fal.poll(reference) == Running()
        assert fal.cancel(reference) is True
        outcome = ended(fal, reference)
        assert isinstance(outcome, Failed)
        assert outcome.code == "provider_error"
        assert fal.cancel(reference) is False

    @pytest.mark.parametrize("fault", ["server_error", "rate_limit", "bad_json"])
    def test_a_stumbling_status_is_asked_again(self, fal, control, fault):
        reference = fal.submit(IMAGE).reference
        control.arm(fault, "fal", match="/status")
        assert isinstance(fal.poll(reference), Uncertain)
        assert len(ended(fal, reference).outputs) == 2

    def test_unknown_job(self, fal):
        outcome = fal.poll({"request_id": "00000000-0000-0000-0000-000000000000", "endpoint": IMAGE.endpoint})
        assert isinstance(outcome, Failed)
        assert outcome.code == "provider_lost"

    @pytest.mark.parametrize(
        ("fault", "code", "status"),
        [
            ("expired_output_url", "source_unreachable", 404),
            ("huge_output", "source_too_large", None),
            ("truncated_output", "source_unreachable", None),
        ],
    )
    def test_outputs_that_cannot_be_fetched(self, fal, control, tmp_path, fault, code, status):
        control.arm(fault, "fal")
        outcome = ended(fal, fal.submit(replace(IMAGE, body={"prompt": "one"})).reference)
        with pytest.raises(SourceRefused) as raised:
            fetched(outcome.outputs[0], tmp_path)
        assert (raised.value.error_code, raised.value.fields.get("upstream_status")) == (code, status)

    def test_a_wrong_content_type_changes_nothing(self, fal, control, tmp_path):
        control.arm("wrong_content_type", "fal")
        outcome = ended(fal, fal.submit(IMAGE).reference)
        assert fetched(outcome.outputs[0], tmp_path).media_type == "image/png"

    def test_an_output_is_a_source(self, fal):
        outputs = ended(fal, fal.submit(IMAGE).reference).outputs
        found = sources.probe_sources([one.url for one in outputs], "source_media_urls")
        assert [one.media_type for one in found] == ["image/png"] * 2


class TestOpenAI:
    def test_images(self, openai, control, tmp_path):
        outcome = openai.submit(DRAWING)
        (output,) = outcome.outputs
        assert isinstance(output, MediaBytes)
        path = tmp_path / "output"
        path.write_bytes(output.data)
        facts = media.inspect(path, expected_kind="image")
        assert (facts.media_type, facts.width) == ("image/png", 1024)
        told = outcome.metrics["usage"]
        assert outcome.usage["media_output_tokens"] == told["output_tokens"] > 0
        assert sum(outcome.usage.values()) == told["total_tokens"]
        assert control.paid() == 1

    def test_edits(self, openai, fal, control):
        outputs = ended(fal, fal.submit(IMAGE).reference).outputs
        for image in (outputs[0].url, [one.url for one in outputs]):
            body = {**DRAWING.body, "image": image}
            outcome = openai.submit(replace(DRAWING, endpoint="images/edits", body=body))
            assert len(outcome.outputs) == 1
            count = 2 if isinstance(image, list) else 1
            assert outcome.metrics["usage"]["input_tokens_details"]["image_tokens"] == 323 * count
        assert control.paid(provider="openai") == 2

    def test_speech(self, openai, control, tmp_path):
        (output,) = openai.submit(SPEECH).outputs
        path = tmp_path / "output"
        path.write_bytes(output.data)
        facts = media.inspect(path, expected_kind="audio")
        assert facts.duration_seconds > 0.2
        assert control.paid() == 1

    def test_speech_by_tokens_is_the_same_with_its_usage(self, openai, control):
        outcome = openai.submit(TOKEN_SPEECH)
        assert outcome.outputs[0].data == openai.submit(SPEECH).outputs[0].data
        assert outcome.usage["input_tokens"] == 3
        assert outcome.usage["media_output_tokens"] > 0
        assert openai.submit(SPEECH).usage == {}

    def test_chat(self, openai, control, tmp_path):
        outcome = openai.submit(CHAT)
        (output,) = outcome.outputs
        path = tmp_path / "output"
        path.write_bytes(output.data)
        assert media.inspect(path, expected_kind="text").media_type == output.media_type
        assert sum(outcome.usage.values()) == outcome.metrics["usage"]["total_tokens"]
        assert control.paid() == 1

    def test_what_a_chat_read_before_is_cached(self, openai):
        asked = replace(CHAT, body={**CHAT.body, "prompt": "Of foxes, again and again. " * 200})
        before, after = openai.submit(asked).usage, openai.submit(asked).usage
        assert before["cached_input_tokens"] == 0
        assert after["cached_input_tokens"] >= 1024
        assert sum(before.values()) == sum(after.values())

    def test_a_chat_that_is_withheld(self, openai, control):
        control.arm("filtered", "openai")
        outcome = openai.submit(CHAT)
        assert isinstance(outcome, Failed)
        assert (outcome.code, control.paid()) == ("moderated_output", 1)

    @pytest.mark.parametrize("submission", [CHAT, TOKEN_SPEECH], ids=["chat", "speech"])
    @pytest.mark.parametrize("fault", ["empty_output", "bad_json", "huge_output"])
    def test_no_words(self, openai, control, submission, fault):
        control.arm(fault, "openai")
        assert openai.submit(submission).outputs == ()
        assert control.paid() == 1

    @pytest.mark.parametrize("submission", [CHAT, TOKEN_SPEECH], ids=["chat", "speech"])
    def test_words_under_another_name(self, openai, control, submission):
        control.arm("wrong_content_type", "openai")
        assert openai.submit(submission).outputs == openai.submit(submission).outputs != ()

    @pytest.mark.parametrize("submission", [CHAT, TOKEN_SPEECH], ids=["chat", "speech"])
    def test_words_that_break_off(self, openai, control, submission):
        control.arm("truncated_output", "openai")
        assert isinstance(openai.submit(submission), Uncertain)
        assert control.paid() == 1

    @pytest.mark.parametrize(
        ("fault", "code", "retryable"),
        [
            ("refuse", "provider_auth", True),
            ("rate_limit", "rate_limited", True),
            ("filtered", "moderated_input", False),
        ],
    )
    @pytest.mark.parametrize("submission", [DRAWING, SPEECH], ids=["image", "speech"])
    def test_refused(self, openai, control, submission, fault, code, retryable):
        control.arm(fault, "openai")
        outcome = openai.submit(submission)
        assert isinstance(outcome, Refused)
        assert (outcome.code, outcome.retryable, control.paid()) == (code, retryable, 0)

    @pytest.mark.parametrize("fault", ["server_error", "accept_then_timeout", "never_finish", "fail_after_accept"])
    def test_uncertain(self, openai, control, fault):
        control.arm(fault, "openai")
        assert isinstance(openai.submit(replace(DRAWING, timeout_seconds=1.0)), Uncertain)
        assert len(control.calls(method="POST")) == 1

    @pytest.mark.parametrize("fault", ["empty_output", "bad_json", "huge_output"])
    def test_nothing_usable(self, openai, control, fault):
        control.arm(fault, "openai")
        assert openai.submit(DRAWING).outputs == ()
        assert control.paid() == 1

    def test_half_an_image_is_found_out_when_it_is_opened(self, openai, control, tmp_path):
        control.arm("truncated_output", "openai")
        (output,) = openai.submit(DRAWING).outputs
        path = tmp_path / "output"
        path.write_bytes(output.data)
        with pytest.raises(media.UnusableOutput):
            media.inspect(path)

    def test_speech_that_breaks_off(self, openai, control):
        control.arm("truncated_output", "openai")
        assert isinstance(openai.submit(SPEECH), Uncertain)
        assert control.paid() == 1
