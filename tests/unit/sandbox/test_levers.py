"""No unpriced lever: nothing that a native request may pass on makes more than what it was priced for.

Native inputs that the catalog does not know go to the provider untouched (seed 001). So each field of a provider's
input that changes what is made, or what it costs, must be read by the price, fixed by the offer, or refused - or be
left free here, with the reason.
"""

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from pydantic import BaseModel, create_model

from gateway import templates
from gateway.catalog import Model, Offer
from gateway.errors import GatewayError
from infra.sandbox.providers import bedrock, bedrock_jobs, bedrock_texts, elevenlabs
from infra.sandbox.providers.fal_apps import APPS
from infra.sandbox.providers.kie import MODELS as KIE_MODELS
from infra.sandbox.providers.kling import MODELS as KLING_MODELS
from infra.sandbox.providers.openai import ImageRequest, SpeechRequest
from infra.sandbox.providers.openai_chat import ChatRequest
from infra.sandbox.providers.replicate_models import MODELS as REPLICATE_MODELS
from infra.sandbox.providers.wavespeed import MODELS as WAVESPEED_MODELS
from tests.samples import URLS, least, normalized, sample_requests
from tests.unit.gateway.shipped import COMPILED, SNAPSHOT


class Methods(dict[str, type[BaseModel]]):
    """What an endpoint `MODEL:METHOD` takes, by its method."""

    def __missing__(self, endpoint: str) -> type[BaseModel]:
        return self[endpoint.rpartition(":")[2]]


def of_names(names: str) -> type[BaseModel]:
    return create_model("Names", **dict.fromkeys(names.split(), (Any, None)))


GOOGLE = Methods(
    generateContent=of_names(
        "prompt style_instructions system images voice speakers responseModalities temperature topP seed "
        "maxOutputTokens aspectRatio imageSize"
    ),
    predictLongRunning=of_names(
        "prompt image lastFrame referenceImages aspectRatio resolution durationSeconds negativePrompt "
        "personGeneration seed"
    ),
)
"""Of a body for Google its adapter sends these alone, in Google's form."""
TAKEN: dict[str, Mapping[str, type[BaseModel]]] = {
    "fal": APPS,
    "openai": {
        "images/generations": ImageRequest,
        "images/edits": ImageRequest,
        "audio/speech": SpeechRequest,
        "chat/completions": ChatRequest,
    },
    "replicate": REPLICATE_MODELS,
    "bedrock": {
        **dict.fromkeys(
            [
                "invoke/stability.stable-image-core-v1:1",
                "invoke/stability.stable-image-ultra-v1:1",
                "invoke/stability.sd3-5-large-v1:0",
            ],
            bedrock.PictureRequest,
        ),
        **{f"converse/{model}": bedrock_texts.ConverseRequest for model in bedrock_texts.PROFILES},
        **{f"async-invoke/{model}": taken for model, taken in bedrock_jobs.MODELS.items()},
    },
    "elevenlabs": {
        "text-to-speech/{voice_id}": elevenlabs.SpeechRequest,
        "music": elevenlabs.MusicRequest,
        "sound-generation": elevenlabs.EffectRequest,
    },
    "google": GOOGLE,
    "kie": KIE_MODELS,
    "kling": KLING_MODELS,
    "wavespeed": WAVESPEED_MODELS,
}
"""What each provider's endpoints take, as the sandbox knows it."""

READ = {
    (provider, beginning): re.findall(r"input\.(\w+)", wire["submit"]["body"])
    for provider, described in COMPILED["providers"].items()
    for beginning, wire in described.get("wires", {}).items()
}
"""What is read of the inputs, by (provider, beginning of an endpoint), where the rest of them is not sent at all."""

UNKNOWN_TO_THE_SANDBOX = {
    "images/generations": ("stream", "partial_images"),
    "images/edits": ("stream", "partial_images", "input_fidelity"),
    "chat/completions": ("stream", "service_tier", "tools", "web_search_options"),
    "videos/text2video": ("voice_list",),
    "videos/image2video": ("voice_list",),
    **{
        f"converse/{model}": ("toolConfig", "performanceConfig", "serviceTier", "additionalModelRequestFields")
        for model in bedrock_texts.PROFILES
    },
    "async-invoke/luma.ray-v2:0": ("keyframes",),
}
"""Levers that the real endpoint has besides (the `openai` package's types, botocore's model)."""


def words(text: str) -> list[str]:
    return text.split()


LEVERS = frozenset(
    words(
        """
        num_images n max_images limit_generations duration num_frames fps music_length_ms composition_plan multi_prompt
        resolution image_size size quality rendering_speed draft bitrate_mode num_inference_steps seconds_total
        input_fidelity thinking_level reasoning_effort enable_web_search web_search_options service_tier tools
        duration_seconds generate_audio save_audio keep_original_sound voice_ids timestamps style style_id
        image image_urls images elements video_url video_urls audio_url audio_urls pdf_url character_orientation
        model_name model_id mode sound multi_shot multi_shots voice_list google_search web_search images image_input
        reference_image_urls reference_video_urls reference_audio_urls
        reference_images reference_videos reference_audios sequential_image_generation
        text input messages max_tokens max_completion_tokens model stream partial_images stream_format output_format
        imageSize durationSeconds lastFrame referenceImages responseModalities maxOutputTokens
        inferenceConfig toolConfig performanceConfig serviceTier additionalModelRequestFields keyframes
        """
    )
)
"""Fields that change how much is made, how long or large it is, how it is made, or whether it can be delivered."""

HARMLESS: dict[str, str] = {
    **dict.fromkeys(
        words(
            "prompt negative_prompt negativePrompt system system_prompt lyrics lyrics_optimizer instructions "
            "style_instructions speakers "
            "previous_text next_text"
        ),
        "words: where they are counted, the price reads them (`text`, `input` and token models are levers)",
    ),
    **dict.fromkeys(
        words(
            "aspect_ratio aspectRatio ratio watermark shot_type style_codes style_preset background camera_fixed loop"
        ),
        "what the picture or clip looks like, at the same size and length",
    ),
    **dict.fromkeys(
        words(
            "image_url start_image_url end_image_url end_image image_tail tail_image_url first_frame_url "
            "last_frame_url first_frame last_frame mask_url mask_image_url"
        ),
        "one picture to go by; providers charge for those that come as lists, which are levers",
    ),
    **dict.fromkeys(
        words(
            "voice voice_setting voice_settings speed stability similarity_boost temperature language_code "
            "language_boost apply_text_normalization force_instrumental is_instrumental"
        ),
        "how the same text is spoken or the same piece played; speech is charged by its text",
    ),
    **dict.fromkeys(["audio_setting", "format", "response_format"], "the file's format"),
    **dict.fromkeys(
        words(
            "seed topP guidance_scale cfg_scale prompt_influence acceleration turbo use_turbo prompt_optimizer "
            "expand_prompt enable_prompt_expansion enhance_prompt_mode auto_fix"
        ),
        "how the model goes about it; no list price speaks of it",
    ),
    **dict.fromkeys(
        words("personGeneration safety_tolerance enable_safety_checker disable_safety_checker end_user_id"),
        "what is let through",
    ),
    "respect_sections_durations": "speaks of a composition plan, which is refused",
}
"""The other fields, and why they cannot change what a call costs."""

FREE: dict[tuple[str, str], str] = {
    ("bytedance/seedance-2", "generate_audio"): "sound is free (seed 002, video audio)",
    ("bytedance/seedance-2.0", "audio_urls"): "charged by the second that is made; reference videos alone are a tier",
    ("bytedance/seedance-2.0", "image_urls"): "charged by the second that is made",
    ("bytedance/seedance-2.0", "bitrate_mode"): "a larger file of the same seconds and pixels; no list price",
    ("bytedance/seedance-2", "reference_audio_urls"): "charged by the second that is made; videos alone are a tier",
    ("bytedance/seedance-2", "reference_image_urls"): "charged by the second that is made",
    ("async-invoke/luma.ray-v2", "keyframes"): "charged by the second that is made",
    ("kling-3.0/video", "image_urls"): "charged by the second that is made",
    ("nano-banana", "image_input"): "given images are not charged",
    ("fal-ai/wan-25-preview", "audio_url"): "charged by the second that is made",
    ("fal-ai/veo3.1", "image_urls"): "charged by the second that is made",
    ("fal-ai/kling-video", "elements"): "charged by the second that is made, with elements or without (seed 002)",
    ("fal-ai/kling-image", "resolution"): "1K and 2K have one price",
    **{(start, "image_size"): "one price an image at every size" for start in (
        "bytedance/seedream", "fal-ai/bytedance/seedream", "fal-ai/ideogram", "fal-ai/recraft",
    )},
    **{(start, "image_urls"): "given images are not charged" for start in (
        "bytedance/seedream", "fal-ai/bytedance/seedream", "fal-ai/gpt-image", "openai/gpt-image", "fal-ai/ideogram",
        "fal-ai/nano-banana", "google/nano-banana", "xai/grok-imagine-image",
    )},
    **{(start, "num_inference_steps"): "charged by the pixel" for start in ("fal-ai/flux", "fal-ai/qwen-image")},
    ("fal-ai/fast-sdxl", "num_inference_steps"): "charged by the seconds that it takes, up to the hold",
    ("fal-ai/fast-sdxl", "image_size"): "charged by the seconds that it takes, up to the hold",
    ("fal-ai/stable-audio", "num_inference_steps"): "one price a piece",
    ("fal-ai/stable-audio", "seconds_total"): "one price a piece of any length",
    ("fal-ai/elevenlabs/tts", "style"): "a number: how strongly the voice's style is spoken",
    ("fal-ai/elevenlabs/tts", "timestamps"): "told beside the sound",
    ("fal-ai/elevenlabs/sound-effects", "text"): "charged by the second",
    ("sound-generation", "text"): "charged by the second",
    ("fal-ai/ideogram", "style"): "one price by rendering speed",
    ("audio/speech", "stream_format"): "models that are charged by characters refuse to stream",
    ("chat/completions", "reasoning_effort"): "charged by the tokens that are told, up to the hold",
    ("contents/", "generate_audio"): "sound is free (seed 002, video audio); Seedance 1.0 makes none",
    ("contents/", "reference_audios"): "charged by the second that is made; videos alone are a tier",
    ("contents/", "reference_images"): "charged by the second that is made",
    ("images/generations", "image"): "given images are not charged",
    ("images/generations", "images"): "given images are not charged",
    ("images/edits", "images"): "given images are not charged",
    ("prunaai/p-video", "image"): "charged by the second that is made",
    ("prunaai/p-video", "save_audio"): "charged by the second that is made",
    **{(start, "images"): "given images cost a hundredth of what is made" for start in ("gemini-", "lyria-")},
    **{(start, "maxOutputTokens"): "makes less, never more" for start in ("gemini-", "lyria-")},
    ("lyria-", "imageSize"): "a song has none",
    **{("veo-", name): "charged by the second that is made" for name in ("image", "lastFrame", "referenceImages")},
    ("", "output_format"): "one price in every format; one that cannot be delivered is not charged",
}  # fmt: skip
"""(beginning of an endpoint, lever): why it is left free there."""

URL = URLS["image"]
HOSTILE: list[Any] = [
    4, "4", 9.5, True, False, "hostile", URL, [URL, URL], {"width": 4000, "height": 4000}, {"a": 1},
    [{"prompt": "x", "duration": "9"}],
]  # fmt: skip


@dataclass(frozen=True)
class Call:
    """A legal native request of a model, and the endpoint that one of its offers calls for it."""

    model: Model
    offer: Offer
    endpoint: str
    fields: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.model.model_id} at {self.endpoint}"

    @property
    def taken(self) -> tuple[str, ...]:
        """The names of what the endpoint takes."""
        for (provider, beginning), names in READ.items():
            if provider == self.offer.provider and self.endpoint.startswith(beginning):
                return tuple(dict.fromkeys(names))
        fields = TAKEN[self.offer.provider][self.endpoint].model_fields
        known = (field.alias or name for name, field in fields.items())
        return (*known, *UNKNOWN_TO_THE_SANDBOX.get(self.endpoint, ()))

    def body(self, **more: Any) -> dict[str, Any] | None:
        """What is sent when the caller passes more; None when that is refused, or goes elsewhere."""
        try:
            inputs = normalized(self.model, {**self.fields, **more}, is_native=True).inputs
        except GatewayError:
            return None
        is_for_it = self.offer.serves(inputs) and self.offer.endpoint(inputs) == self.endpoint
        return templates.render(self.offer.request, inputs) if is_for_it else None


@cache
def calls() -> list[Call]:
    """One call for each endpoint of each offer."""
    found: dict[tuple[str, str, str], Call] = {}
    for model in SNAPSHOT.models.values():
        for fields in requests_of(model):
            inputs = normalized(model, fields, is_native=True).inputs
            for offer in (one for one in model.offers if one.serves(inputs)):
                call = Call(model, offer, offer.endpoint(inputs), fields)
                found.setdefault((model.model_id, offer.offer_id, call.endpoint), call)
    return list(found.values())


def requests_of(model: Model) -> Iterator[Mapping[str, Any]]:
    """The smallest requests of a model, each also with one thing more or other."""
    for sample in sample_requests(model, is_native=True):
        yield sample.fields
        for name, item in model.limits.inputs.items():
            values: list[Any] = [*item.enum, *([True] if item.type == "boolean" else [])]
            if item.type == "media_list":
                values = [least(item)[:1] * count for count in range(1, (item.max_items or 1) + 1)]
            elif item.type in {"objects", "media"}:
                values = [least(item)]
            for value in values:
                fields = {**sample.fields, name: value}
                try:
                    normalized(model, fields, is_native=True)
                except GatewayError:
                    continue
                yield fields


def test_every_endpoint_is_called_here() -> None:
    named = {(m.model_id, o.offer_id, e.name) for m in SNAPSHOT.models.values() for o in m.offers for e in o.endpoints}
    assert {(call.model.model_id, call.offer.offer_id, call.endpoint) for call in calls()} == named


def test_every_field_is_judged() -> None:
    taken = {name for call in calls() for name in call.taken}
    assert taken - LEVERS - set(HARMLESS) == set()
    assert set(HARMLESS) - taken == set()
    assert set(HARMLESS) & LEVERS == set()


def moved(call: Call, lever: str) -> list[Any]:
    """The hostile values that arrive at the provider under a lever's name, wherever the caller writes it."""
    before = call.body() or {}
    found = []
    for value in HOSTILE:
        first = Call(call.model, call.offer, call.endpoint, {lever: value, **call.fields}).body(**{lever: value})
        explicit = normalized(call.model, call.fields, is_native=True).inputs
        last = Call(call.model, call.offer, call.endpoint, explicit).body(**{lever: value})
        if any(body is not None and body.get(lever) != before.get(lever) for body in (first, last)):
            found.append(value)
    return found


def reasons(call: Call, lever: str) -> set[tuple[str, str]]:
    """The entries that leave a lever of a call free."""
    return {key for key in FREE if key[1] == lever and call.endpoint.startswith(key[0])}


def is_priced(call: Call, lever: str) -> bool:
    """Whether the price reads what is passed under a lever's name; then it is also held to its limits."""
    return call.model.limits.fields.get(lever, lever) in call.model.inputs_priced


@cache
def open_levers() -> list[tuple[Call, str, list[Any]]]:
    """Levers that pass although the price does not read them, and what passes."""
    pairs = [(call, lever) for call, lever in itertools.product(calls(), sorted(LEVERS)) if lever in call.taken]
    found = [(call, lever, moved(call, lever)) for call, lever in pairs if not is_priced(call, lever)]
    return [one for one in found if one[2]]


def test_no_lever_is_left_unpriced() -> None:
    unpriced = [f"{call}: {lever} = {values[0]!r}" for call, lever, values in open_levers() if not reasons(call, lever)]
    assert unpriced == []


def test_what_is_left_free_is() -> None:
    """A reason that nothing needs any more says something untrue."""
    assert set(FREE) == set().union(*(reasons(call, lever) for call, lever, _ in open_levers()))


@pytest.mark.parametrize("call", calls(), ids=str)
def test_what_was_priced_is_what_is_sent(call: Call) -> None:
    """Names of the provider's, given beside ours, displace nothing that the price or the limits have seen."""
    inputs = normalized(call.model, call.fields, is_native=True).inputs
    sent = templates.render(call.offer.request, inputs)
    objects = {into.partition(".")[0] for into in call.offer.request.rename.values() if "." in into}
    for name in set(sent) - set(inputs):
        for value in HOSTILE:
            for given in ({**inputs, name: value}, {name: value, **inputs}):
                found = templates.render(call.offer.request, given)[name]
                # What is given in an object that is ours too stays beside; whether it may be given is asked above.
                assert {**found, **sent[name]} == found if name in objects else found == sent[name]
