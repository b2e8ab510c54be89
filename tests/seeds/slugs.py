"""Seed 001's slugs with native inputs, and the ids and labels that are refused."""

from collections.abc import Iterator

from tests.seeds.table import (
    CLIP,
    MOTION_CONTROL,
    PICTURE,
    SEEDANCE_2,
    SIMPLEST,
    Accepted,
    Price,
    Refusal,
    Row,
    native,
    typed,
)

EXAMPLES = "patterns"
LABELS = "family-name disambiguation"
KLING_MICROS = {False: 84_000, True: 112_000}
"""Kling 3's registered rates a second, silent and with audio: 8 s silent are the 672,000 micros of seed 001."""

UNKNOWN_INPUTS = {"cfg_scale": 0.5, "camera": {"pan": [1, 2]}, "style": "etching", "nothing": None}


def _kling() -> Iterator[Row]:
    source = "surface and how billing resolves"
    for slug, more in (("kuaishou/kling-v3-t2v", {}), ("kuaishou/kling-v3-i2v", {"image_url": PICTURE})):
        inputs = {"prompt": "rainy alley", **more}
        for seconds in (5, 8):
            price = Price(KLING_MICROS[False] * seconds)
            yield native(slug, f"{seconds} s", source, price, duration=seconds, **inputs)
            for audio in (False, True):
                price = Price(KLING_MICROS[audio] * seconds)
                asked = {"duration": seconds, "generate_audio": audio}
                yield native(slug, f"{seconds} s, audio {audio}", source, price, **asked, **inputs)
    answer = {"image_url": PICTURE, "prompt": "waves", "duration": 8}
    yield native("kuaishou/kling-v3-i2v", "the answer shown", "surface, returns", Price(672_000), **answer)


def _examples() -> Iterator[Row]:
    bicycle = {"prompt": "a vintage red bicycle", "size": "1024x1024", "quality": "high"}
    yield native("openai/gpt-image-2", "text-to-image", EXAMPLES, Accepted(bicycle), **bicycle)
    yield native("openai/gpt-image-2", "a prompt alone", EXAMPLES, Accepted(), prompt="a vintage red bicycle")
    neon = {"image_url": PICTURE, "prompt": "give it neon trim"}
    yield native("bytedance/seedream-v4-edit", "edit", EXAMPLES, Accepted({"prompt": neon["prompt"]}), **neon)
    spin = {"image_url": PICTURE, "prompt": "make it spin slowly", "duration": 8}
    yield native("bytedance/seedance-2-i2v", "image-to-video", EXAMPLES, Accepted(spin), **spin)
    match = {"prompt": "match the style of the reference clip", "image_urls": [PICTURE], "duration": 6}
    yield native("bytedance/seedance-2-r2v", "reference-to-video", EXAMPLES, Accepted(), **match, video_url=CLIP)
    yield native("bytedance/seedance-2-r2v", "images alone", EXAMPLES, Accepted(), **match)
    alley = {"prompt": "rainy alley", "duration": 5}
    yield native("kuaishou/kling-v3-t2v", "audio off", EXAMPLES, Price(420_000), **alley)
    thunder = {"prompt": "thunder rolling over hills", "duration": 4, "generate_audio": True}
    yield native("google/veo-3-t2v", "audio on", EXAMPLES, Accepted(thunder), **thunder)
    yield native("bytedance/seedance-2-fast-t2v", "fast", EXAMPLES, Accepted(), prompt="a tram", duration=5)
    yield native("google/veo-3-fast-i2v", "fast, no prompt", EXAMPLES, Accepted(), image_url=PICTURE, duration=4)
    yield native("kuaishou/kling-v3-image", "an image", EXAMPLES, Accepted(), prompt="a paper boat")


def _untouched() -> Iterator[Row]:
    source = "one knob, input shape is not validated"
    for slug, inputs in (
        ("kuaishou/kling-v3-i2v", {"prompt": "waves", "image_url": PICTURE, "duration": 5}),
        ("kuaishou/kling-v3-t2v", {"prompt": "waves", "duration": 5}),
        ("openai/gpt-image-2", {"prompt": "waves"}),
        ("bytedance/seedance-2-i2v", {"prompt": "waves", "image_url": PICTURE, "duration": 5}),
        ("google/veo-3-t2v", {"prompt": "waves", "duration": 4, "generate_audio": False}),
        ("nano-banana", {"prompt": "waves"}),
    ):
        expect = Accepted({**inputs, **UNKNOWN_INPUTS})
        yield native(slug, "inputs that we do not know", source, expect, **inputs, **UNKNOWN_INPUTS)
    long = "x" * 2501
    expect = Accepted({"prompt": long})
    yield native("kuaishou/kling-v3-t2v", "the model judges its prompt", source, expect, prompt=long, duration=5)


def _unknown() -> Iterator[Row]:
    for slug in ("kuaishou/kling-v9-i2v", "openai/gpt-image-3", "nobody/nothing", "kling-v3-i2v", "NANO-BANANA"):
        refused = Refusal(400, "unknown_model", "model")
        yield native(slug, "unknown", "unknown slugs are rejected", refused, prompt="x")
        yield typed(slug, "unknown, typed", "model parameter", refused)


def _labels() -> Iterator[Row]:
    fast = {
        "error": "variant_required",
        "family": "seedance-2-fast",
        "available_variants": [
            "seedance-2-fast-480p",
            "seedance-2-fast-720p",
            "seedance-2-fast-480p-video-ref",
            "seedance-2-fast-720p-video-ref",
        ],
        "hint": "Ask the user which variant they want — resolution, draft vs standard, or with/without reference "
        "video. Pull pricing from get_models.",
    }
    yield typed("seedance-2-fast", "the label", LABELS, Refusal(400, "variant_required", body=fast))
    standard = tuple(model for model in SEEDANCE_2 if not model.startswith("seedance-2-fast"))
    for label, variants in (
        ("seedance-2", standard),
        ("kling-2-6-motion-control", MOTION_CONTROL[:2]),
        ("kling-3-0-motion-control", MOTION_CONTROL[2:]),
        ("p-video", ()),
    ):
        body = {"family": label, "hint": fast["hint"]}
        among = "p-video-1080p" if label == "p-video" else None
        refused = Refusal(400, "variant_required", body=body, variants=variants, among=among)
        yield typed(label, "the label", LABELS, refused)
        yield native(label, "the label, native", "unknown slugs are rejected", refused, prompt="x")


def _every_id() -> Iterator[Row]:
    for model in SIMPLEST:
        yield typed(model, "is there and has a price", "every id that it names", Accepted())


ROWS = (*_every_id(), *_labels(), *_unknown(), *_kling(), *_examples(), *_untouched())
