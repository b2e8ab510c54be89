"""Prompt character limits: at the limit it is taken, one more is refused; and nothing is made of no prompt."""

from collections.abc import Iterator

from tests.seeds.table import SEEDANCE_2, SIMPLEST, Accepted, Refusal, Row, typed

SOURCE = "prompt character limits"

LIMITS = {
    "wan-2-5": 800,
    "kling-2-6-text-to-video": 2500,
    "kling-2-6-image-to-video": 2500,
    **dict.fromkeys(SEEDANCE_2, 2500),
    "kling-3-0-std": 2500,
    "kling-3-0-pro": 2500,
    "kling-2-5-image-to-video-pro": 2500,
    "seedream-v4": 2500,
    "seedream-v4-edit": 2500,
    "seedream-v4-5": 3000,
    "seedream-v4-5-edit": 3000,
    "5-lite-text-to-image": 2995,
    "5-lite-image-to-image": 2995,
    "gpt-1.5-image-medium": 3000,
    "gpt-1.5-image-high": 3000,
    "nano-banana": 5000,
    "imagen-4": 5000,
    "sora-2": 5000,
    "flux-2": 5000,
    "veo3-1": 5000,
    "v1-pro-fast-i2v": 5000,
    "grok-text-to-video-6s": 5000,
    "grok-image-to-video": 5000,
    "grok-text-to-image": 5000,  # "grok (image/video)" names no id of its image model
    "p-image-edit": 5000,
    "nano-banana-pro": 20_000,
    "nano-banana-2": 20_000,
}


def _rows() -> Iterator[Row]:
    for model, limit in LIMITS.items():
        yield typed(model, f"a prompt of {limit}", SOURCE, Accepted(), prompt="x" * limit)
        refused = Refusal(400, "prompt_too_long", "prompt", allowed=limit)
        yield typed(model, f"a prompt of {limit + 1}", SOURCE, refused, prompt="x" * (limit + 1))
    # Characters, not bytes.
    yield typed("wan-2-5", "800 letters beyond ASCII", SOURCE, Accepted(), prompt="ü" * 800)
    for model in SIMPLEST:
        refused = Refusal(422, "invalid_request", "prompt")
        yield typed(model, "no prompt", "generate_media, parameters", refused, prompt=None)


ROWS = tuple(_rows())
