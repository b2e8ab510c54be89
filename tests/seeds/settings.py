"""Fields that some models use and the others ignore: quality, resolution, negative_prompt, sound, seed."""

from collections.abc import Iterator, Mapping

from tests.seeds.table import IMAGE_IDS, SEEDANCE_2, SIMPLEST, Accepted, Refusal, Row, typed

QUALITY = "models that support quality"
RESOLUTION = "resolution tiers"
NEGATIVE = "models that support negative_prompt"
AUDIO = "video audio"

USES_NEGATIVE = ("imagen-4", "imagen-4-fast", "imagen-4-ultra", "wan-2-5", "kling-2-5-image-to-video-pro")
USES_QUALITY: Mapping[str, tuple[str, ...]] = {
    "sora-2-pro": ("standard", "pro", "high", "hd"),
    **dict.fromkeys(("imagen-4", "imagen-4-fast", "imagen-4-ultra"), ("standard", "fast", "ultra")),
    **dict.fromkeys(("seedream-v4", "seedream-v4-edit"), ("1K", "2K", "4K")),
    **dict.fromkeys(("seedream-v4-5", "seedream-v4-5-edit"), ("basic", "high")),
    **dict.fromkeys(("5-lite-text-to-image", "5-lite-image-to-image"), ("basic", "high")),
}
QUALITY_DEFAULTS: Mapping[str, str] = {
    "sora-2-pro": "standard",
    **dict.fromkeys(("seedream-v4", "seedream-v4-edit"), "1K"),
    **dict.fromkeys(("seedream-v4-5", "seedream-v4-5-edit"), "basic"),
    **dict.fromkeys(("5-lite-text-to-image", "5-lite-image-to-image"), "basic"),
}
USES_RESOLUTION: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("gpt-image-2", "nano-banana-2", "nano-banana-pro"), ("1K", "2K", "4K")),
    **dict.fromkeys(("flux-2", "flux-2-edit"), ("1K", "2K")),
}
TOGGLES_SOUND = (
    "kling-2-6-text-to-video", "kling-2-6-image-to-video", "kling-3-0-std", "kling-3-0-pro", "seedance-1-5-pro",
)  # fmt: skip
SOUND_UNSTATED = (*SEEDANCE_2, "p-video-1080p")
"""Seedance 2 has a toggle of its own, and nothing is said of P-Video."""


def _quality() -> Iterator[Row]:
    for model, values in USES_QUALITY.items():
        for value in values:
            yield typed(model, f"quality {value}", QUALITY, Accepted(), quality=value)
        refused = Refusal(400, "invalid_request", "quality")
        yield typed(model, "a quality that it does not have", QUALITY, refused, quality="8K")
    for model, value in QUALITY_DEFAULTS.items():
        yield typed(model, "quality by default", QUALITY, Accepted({"quality": value}))
    for model in SIMPLEST.keys() - USES_QUALITY.keys():
        yield typed(model, "quality is ignored", QUALITY, Accepted(ignored=("quality",)), quality="pro")
    example = {"prompt": "A futuristic city at sunset with flying cars", "generation_type": "text-to-image"}
    expect = Accepted({"aspect_ratio": "16:9"}, ignored=("quality",))
    yield typed("nano-banana", "the first example", "examples", expect, aspect_ratio="16:9", quality="pro", **example)


def _resolution() -> Iterator[Row]:
    for model, values in USES_RESOLUTION.items():
        for value in values:
            wide = {"resolution": value, "aspect_ratio": "16:9"}
            yield typed(model, f"resolution {value}", RESOLUTION, Accepted({"resolution": value}), **wide)
        yield typed(model, "resolution by default", RESOLUTION, Accepted({"resolution": "1K"}))
        refused = Refusal(400, "invalid_request", "resolution", allowed=list(values))
        unknown = "4K" if "4K" not in values else "8K"
        yield typed(model, f"no {unknown}", RESOLUTION, refused, resolution=unknown, aspect_ratio="16:9")
    for model in SIMPLEST.keys() - USES_RESOLUTION.keys():
        yield typed(model, "resolution is ignored", RESOLUTION, Accepted(ignored=("resolution",)), resolution="2K")


def _negative() -> Iterator[Row]:
    words = "blur, low quality"
    for model in USES_NEGATIVE:
        expect = Accepted({"negative_prompt": words})
        yield typed(model, "negative_prompt", NEGATIVE, expect, negative_prompt=words)
    for model in SIMPLEST.keys() - {*USES_NEGATIVE}:
        expect = Accepted(ignored=("negative_prompt",))
        yield typed(model, "negative_prompt is ignored", NEGATIVE, expect, negative_prompt=words)


def _sound() -> Iterator[Row]:
    for model in TOGGLES_SOUND:
        for sound in (True, False):
            yield typed(model, f"sound {sound}", AUDIO, Accepted(), sound=sound)
        yield typed(model, "sound that is neither", AUDIO, Refusal(422, "invalid_request", "sound"), sound="loud")
    for model in SIMPLEST.keys() - {*TOGGLES_SOUND, *SOUND_UNSTATED}:
        source = AUDIO if model not in IMAGE_IDS else "video audio, image-only models"
        yield typed(model, "sound is ignored", source, Accepted(ignored=("sound",)), sound=True)


ROWS = tuple(
    row
    for rows in (_quality(), _resolution(), _negative(), _sound())
    for row in sorted(rows, key=lambda row: (row.model, row.id))
)
