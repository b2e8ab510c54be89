"""ElevenLabs as the catalog describes it and asks it, over HTTP against the sandbox."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway import media, templates
from gateway.provider import Failed, Finished, Refused, Submission, Uncertain
from gateway.providers import ApiKey, Description
from gateway.providers.http import Http
from tests.integration.sandbox.support import SandboxControl
from tests.samples import normalized
from tests.unit.gateway.shipped import COMPILED, SNAPSHOT

MODELS = [model for model in SNAPSHOT.models.values() if any(offer.provider == "elevenlabs" for offer in model.offers)]
SPEECH = "elevenlabs/multilingual-v2"
SOUND = "elevenlabs/sound-effects-v2"


@pytest.fixture
def eleven_labs(sandbox_url: str) -> Http:
    description = Description(
        "elevenlabs", "ElevenLabs", f"{sandbox_url}/elevenlabs/v1", COMPILED["providers"]["elevenlabs"]["wire"]
    )
    return Http(description, lambda: ApiKey("sandbox-key"))


def asked(model_id: str, timeout_seconds: float = 20, **inputs: Any) -> Submission:
    """What the catalog makes of a native request."""
    model = SNAPSHOT.model(model_id)
    given = normalized(model, inputs, is_native=True).inputs
    [offer] = [one for one in model.offers if one.provider == "elevenlabs"]
    body = templates.render(offer.request, given)
    return Submission("gen_1-1", offer.endpoints[0].name, body, None, timeout_seconds)


def facts(outcome: Any, folder: Path) -> media.Facts:
    assert isinstance(outcome, Finished)
    (output,) = outcome.outputs
    (folder / "output").write_bytes(output.data)
    return media.inspect(folder / "output")


def test_models() -> None:
    assert {model.model_id for model in MODELS} == {
        "elevenlabs/music",
        "elevenlabs/eleven-v3",
        "elevenlabs/multilingual-v2",
        "elevenlabs/turbo-v2.5",
        "elevenlabs/sound-effects-v2",
    }
    assert {model.offers[0].provider for model in MODELS} == {"fal"}


@pytest.mark.parametrize(
    ("model_id", "inputs", "seconds"),
    [
        ("elevenlabs/eleven-v3", {"text": "Hello there, fox.", "stability": 0.5, "timestamps": True}, None),
        (SPEECH, {"text": "Hello there, fox. " * 4, "speed": 1.2, "style": 0.1, "language_code": "en"}, 4),
        ("elevenlabs/turbo-v2.5", {"text": "Hello.", "voice": "Rachel", "apply_text_normalization": "on"}, None),
        ("elevenlabs/music", {"prompt": "rain", "music_length_ms": 3000, "force_instrumental": True}, 3),
        (SOUND, {"text": "a door", "duration_seconds": 1.5, "loop": True}, 1.5),
        (SOUND, {"text": "a door", "output_format": "opus_48000_128"}, 5),
    ],
)
def test_every_model_is_delivered(
    eleven_labs: Http,
    control: SandboxControl,
    tmp_path: Path,
    model_id: str,
    inputs: Mapping[str, Any],
    seconds: float | None,
) -> None:
    found = facts(eleven_labs.submit(asked(model_id, **inputs)), tmp_path)
    assert found.kind == "audio"
    assert found.media_type == ("audio/ogg" if "output_format" in inputs else "audio/mpeg")
    assert seconds is None or found.duration_seconds == pytest.approx(seconds, abs=0.1)
    assert control.paid() == 1


def test_a_voice_is_asked_by_its_id(eleven_labs: Http, control: SandboxControl) -> None:
    unnamed, rachel, named = (
        eleven_labs.submit(asked(SPEECH, text="Hello there.", **voice))
        for voice in ({}, {"voice": "Rachel"}, {"voice": "JBFqnCBsd6RMkjVDRZzb"})
    )
    assert unnamed.outputs == rachel.outputs != named.outputs
    assert [call["path"].rpartition("/")[2] for call in control.calls()] == [
        "21m00Tcm4TlvDq8ikWAM",
        "21m00Tcm4TlvDq8ikWAM",
        "JBFqnCBsd6RMkjVDRZzb",
    ]


@pytest.mark.parametrize("voice", ["Aria", "a/../../user", "x?model_id=y"])
def test_a_voice_that_it_does_not_know_may_be_another_offers(
    eleven_labs: Http, control: SandboxControl, voice: str
) -> None:
    outcome = eleven_labs.submit(asked(SPEECH, text="Hello there.", voice=voice))
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.retryable, control.paid()) == ("provider_unavailable", True, 0)


@pytest.mark.parametrize(
    ("fault", "code", "retryable"),
    [
        ("refuse", "provider_auth", True),
        ("rate_limit", "rate_limited", True),
        ("filtered", "moderated_input", False),
    ],
)
def test_refused(eleven_labs: Http, control: SandboxControl, fault: str, code: str, retryable: bool) -> None:
    control.arm(fault, "elevenlabs")
    outcome = eleven_labs.submit(asked(SPEECH, text="Hello there."))
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.retryable, control.paid()) == (code, retryable, 0)


def test_inputs_that_it_cannot_use(eleven_labs: Http, control: SandboxControl) -> None:
    body = {"text": "", "voice_id": "21m00Tcm4TlvDq8ikWAM"}
    outcome = eleven_labs.submit(Submission("gen_1-1", "text-to-speech/{voice_id}", body, None, 20))
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.retryable, control.paid()) == ("invalid_inputs", False, 0)
    assert "at least 1 character" in outcome.message


@pytest.mark.parametrize(
    ("fault", "paid"),
    [
        ("server_error", 0),
        ("fail_after_accept", 1),
        ("accept_then_timeout", 1),
        ("never_finish", 1),
        ("truncated_output", 1),
    ],
)
def test_what_may_be_made_is_uncertain(eleven_labs: Http, control: SandboxControl, fault: str, paid: int) -> None:
    control.arm(fault, "elevenlabs")
    assert isinstance(eleven_labs.submit(asked(SPEECH, 0.5, text="Hello there.")), Uncertain)
    assert (len(control.calls()), control.paid()) == (1, paid)
    lost = eleven_labs.poll({"endpoint": "music"})
    assert isinstance(lost, Failed)
    assert (lost.code, lost.retryable) == ("provider_lost", False)


@pytest.mark.parametrize("fault", ["empty_output", "huge_output"])
def test_of_no_use(eleven_labs: Http, control: SandboxControl, fault: str) -> None:
    control.arm(fault, "elevenlabs")
    assert eleven_labs.submit(asked(SPEECH, text="Hello there.")) == Finished(())
    assert control.paid() == 1


@pytest.mark.parametrize(
    "fault", ["slow", "wrong_content_type", "expired_output_url", "lost_webhook", "forged_webhook"]
)
def test_faults_that_leave_a_sound(eleven_labs: Http, control: SandboxControl, tmp_path: Path, fault: str) -> None:
    control.arm(fault, "elevenlabs", seconds=0.1)
    found = facts(eleven_labs.submit(asked(SPEECH, text="Hello there, fox. " * 4)), tmp_path)
    assert found.media_type == "audio/mpeg"
    assert control.paid() == 1


def test_a_sound_that_stops_in_the_middle_is_seen(eleven_labs: Http, control: SandboxControl, tmp_path: Path) -> None:
    control.arm("bad_json", "elevenlabs")
    outcome = eleven_labs.submit(asked(SPEECH, text="Hello there, fox. " * 4))
    with pytest.raises(media.UnusableOutput, match="ends before"):
        facts(outcome, tmp_path)
    assert control.paid() == 1
