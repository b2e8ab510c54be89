"""What GET /v1/models says of each model, and prices that differ where a seed says that they do."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.seeds.table import CLIP, IMAGE_IDS, MOTION_CONTROL, PICTURE, SEEDANCE_2_RATES, SEEDANCE_2_REFERENCE_RATES

TEXT_TO_IMAGE, IMAGE_TO_IMAGE = "text-to-image", "image-to-image"
TEXT_TO_VIDEO, IMAGE_TO_VIDEO = "text-to-video", "image-to-video"


@dataclass(frozen=True)
class Fact:
    """One model as it is listed; None is not stated. `generation_types` are all that it does."""

    model: str
    kind: str
    video_audio: str | None
    supports_sound: bool | None
    input_media_types: frozenset[str] | None
    generation_types: frozenset[str] | None


TEXT_ALONE = ("imagen-4", "imagen-4-fast", "imagen-4-ultra", "seedream-v4", "seedream-v4-5", "flux-2")
IMAGE_INPUTS: dict[str, bool] = {model: model not in TEXT_ALONE for model in IMAGE_IDS}
IMAGE_TYPES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("imagen-4", "imagen-4-fast", "imagen-4-ultra", "seedream-v4", "seedream-v4-5"), (TEXT_TO_IMAGE,)),
    **dict.fromkeys(("gpt-image-2", "gpt-1.5-image-medium", "gpt-1.5-image-high"), (TEXT_TO_IMAGE, IMAGE_TO_IMAGE)),
    "flux-2": (TEXT_TO_IMAGE,),
    "flux-2-edit": (IMAGE_TO_IMAGE,),
    "5-lite-image-to-image": (IMAGE_TO_IMAGE,),
    "p-image-edit": (IMAGE_TO_IMAGE,),
}
ONE_TYPE = {
    "kling-2-6-text-to-video": TEXT_TO_VIDEO,
    "kling-2-6-image-to-video": IMAGE_TO_VIDEO,
    "kling-2-5-image-to-video-pro": IMAGE_TO_VIDEO,
    "v1-pro-fast-i2v": IMAGE_TO_VIDEO,
    "grok-text-to-video-6s": TEXT_TO_VIDEO,
    "grok-image-to-video": IMAGE_TO_VIDEO,
    **dict.fromkeys(SEEDANCE_2_REFERENCE_RATES, TEXT_TO_VIDEO),
}
TWO_TYPES = (
    "wan-2-5", "seedance-1-5-pro", "sora-2", "sora-2-pro", "kling-3-0-std", "kling-3-0-pro", *SEEDANCE_2_RATES,
)  # fmt: skip
VIDEO_AUDIO: dict[str, str] = {
    **dict.fromkeys(("veo3-1", "veo3-1-fast", "sora-2", "sora-2-pro", "sora-2-pro-storyboard"), "included"),
    **dict.fromkeys(("wan-2-5", "grok-text-to-video-6s", "grok-image-to-video"), "included"),
    **dict.fromkeys(("kling-2-5-image-to-video-pro", *MOTION_CONTROL), "included"),
    **dict.fromkeys(("kling-2-6-text-to-video", "kling-2-6-image-to-video"), "toggle_via_sound_param"),
    **dict.fromkeys(("kling-3-0-std", "kling-3-0-pro", "seedance-1-5-pro"), "toggle_via_sound_param"),
    "v1-pro-fast-i2v": "silent",
    # Silent is Seedance 1.0 alone, and these three families have no `sound` parameter.
    **dict.fromkeys((*SEEDANCE_2_RATES, *SEEDANCE_2_REFERENCE_RATES, "p-video-1080p"), "included"),
}
VIDEO_INPUTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("kling-2-6-text-to-video", "grok-text-to-video-6s"), ()),
    **dict.fromkeys(MOTION_CONTROL, ("image", "video")),
    **dict.fromkeys((*SEEDANCE_2_RATES, *SEEDANCE_2_REFERENCE_RATES), ("image", "video", "audio")),
}
INPUTS_UNSTATED = ("p-video-1080p",)


def _facts() -> Iterator[Fact]:
    for model, takes_images in IMAGE_INPUTS.items():
        inputs = frozenset({"image"} if takes_images else ())
        types = frozenset(IMAGE_TYPES[model]) if model in IMAGE_TYPES else None
        yield Fact(model, "image", None, supports_sound=False, input_media_types=inputs, generation_types=types)
    for model, audio in VIDEO_AUDIO.items():
        types = frozenset({ONE_TYPE[model]}) if model in ONE_TYPE else None
        if model in TWO_TYPES:
            types = frozenset({TEXT_TO_VIDEO, IMAGE_TO_VIDEO})
        stated = None if model in INPUTS_UNSTATED else frozenset(VIDEO_INPUTS.get(model, ("image",)))
        yield Fact(model, "video", audio, audio == "toggle_via_sound_param", stated, types)


FACTS = tuple(_facts())


@dataclass(frozen=True)
class Dearer:
    """Two native calls, the first of which costs more."""

    id: str
    source: str
    model: str
    inputs: dict[str, Any]
    cheaper_model: str
    cheaper_inputs: dict[str, Any]


def _dearer() -> Iterator[Dearer]:
    rain = {"prompt": "rain", "duration": 4}
    for slug in ("google/veo-3-t2v", "kuaishou/kling-v3-t2v"):
        louder, quieter = rain | {"generate_audio": True}, rain | {"generate_audio": False}
        yield Dearer(f"{slug}: audio on and off", "seed 001, patterns", slug, louder, slug, quieter)
    fast, standard = "bytedance/seedance-2-fast-t2v", "bytedance/seedance-2-i2v"
    framed = rain | {"image_url": PICTURE}
    yield Dearer("Seedance 2 and its fast tier", "seed 001, fast tiers", standard, framed, fast, rain)
    quick, full = "google/veo-3-fast-i2v", "google/veo-3-t2v"
    for audio in (True, False):
        loud = {"generate_audio": audio}
        framed = rain | loud | {"image_url": PICTURE}
        what = f"Veo 3 and its fast tier, audio {audio}"
        yield Dearer(what, "seed 001, fast tiers", full, rain | loud, quick, framed)


DEARER = tuple(_dearer())

PER_SECOND = MOTION_CONTROL
"""Seed 002, motion control: billed by the second, whatever the rate; the reference drives the length."""

REFERENCE_SLUG = "bytedance/seedance-2-r2v"
REFERENCE_INPUTS: dict[str, Any] = {"prompt": "match the style", "image_urls": [PICTURE], "duration": 6}
REFERENCE_VIDEO: dict[str, Any] = {"video_url": CLIP}
"""Seed 001: a reference video triggers the with-reference rate."""
