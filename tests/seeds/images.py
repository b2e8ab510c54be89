"""Image models: GPT Image 2's tiers, aspect ratios, and how many images each takes."""

from collections.abc import Iterator

from tests.seeds.table import EDITED, PICTURE, TEXT, Accepted, Refusal, Row, credits_price, typed, url

TIERS = "resolution tiers"
INPUTS = "input file limits"
RATIOS = "input file limits, p-image-edit"

GPT_CREDITS = {"1K": 11, "2K": 15, "4K": 21}
HIGH_RES_RATIOS = ("9:16", "16:9", "4:3", "3:4")

MOST_IMAGES = {
    "seedream-v4-edit": 10,
    "5-lite-text-to-image": 10,
    "5-lite-image-to-image": 10,
    "nano-banana": 10,
    "nano-banana-edit": 10,
    "nano-banana-pro": 8,
    "nano-banana-2": 8,
    "p-image-edit": 8,
    "flux-2-edit": 8,
    "gpt-1.5-image-medium": 16,
    "gpt-1.5-image-high": 16,
}
NEEDS_AN_IMAGE = (
    "seedream-v4-edit", "seedream-v4-5-edit", "5-lite-image-to-image", "nano-banana-edit", "p-image-edit",
    "flux-2-edit",
)  # fmt: skip
TEXT_ONLY = ("imagen-4", "imagen-4-fast", "imagen-4-ultra", "seedream-v4", "seedream-v4-5", "flux-2")


def _gpt_image_2() -> Iterator[Row]:
    for mode, request in (("text-to-image", TEXT), ("image-to-image", EDITED)):
        asked = {**request, "generation_type": mode}
        for tier, amount in GPT_CREDITS.items():
            for ratio in HIGH_RES_RATIOS:
                what = f"{mode} {tier} {ratio}"
                size = {"resolution": tier, "aspect_ratio": ratio}
                yield typed("gpt-image-2", what, TIERS, credits_price(amount), **{**asked, **size})
        for ratio in ("auto", "1:1"):
            expect = credits_price(GPT_CREDITS["1K"])
            square = {**asked, "aspect_ratio": ratio}
            yield typed("gpt-image-2", f"{mode} 1K {ratio}", TIERS, expect, **{**square, "resolution": "1K"})
            for tier in ("2K", "4K"):
                refused = Refusal(400, "aspect_ratio_incompatible_with_high_res", "aspect_ratio")
                yield typed("gpt-image-2", f"{mode} {tier} {ratio}", TIERS, refused, **{**square, "resolution": tier})
        refused = Refusal(400, "aspect_ratio_incompatible_with_high_res", "aspect_ratio")
        yield typed("gpt-image-2", f"{mode} 2K, no ratio", TIERS, refused, **{**asked, "resolution": "2K"})
    yield typed("gpt-image-2", "1K is the default", TIERS, credits_price(11), aspect_ratio="16:9")
    # A default is no explicit ratio either.
    yield typed("gpt-image-2", "neither", TIERS, credits_price(11))


def _ratios() -> Iterator[Row]:
    taken = ("auto", "1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3")
    for ratio in taken:
        yield typed("p-image-edit", f"aspect {ratio}", RATIOS, Accepted({"aspect_ratio": ratio}), aspect_ratio=ratio)
    refused = Refusal(400, "invalid_request", "aspect_ratio", allowed=list(taken))
    yield typed("p-image-edit", "aspect 21:9", RATIOS, refused, aspect_ratio="21:9")
    for model in ("nano-banana", "nano-banana-pro", "nano-banana-2", "flux-2", "imagen-4"):
        expect = Accepted({"aspect_ratio": "1:1", "generation_type": "text-to-image"})
        yield typed(model, "square by default", "generate_media, parameters", expect)
    yield typed("gpt-image-2", "square by default", "generate_media, parameters", Accepted({"aspect_ratio": "1:1"}))
    for model in ("nano-banana-pro", "nano-banana-2"):
        for tier in ("1K", "2K", "4K"):
            for ratio in ("1:1", "16:9", "21:9"):
                expect = Accepted({"aspect_ratio": ratio, "resolution": tier})
                yield typed(model, f"{tier} {ratio}", TIERS, expect, resolution=tier, aspect_ratio=ratio)


def _counts() -> Iterator[Row]:
    for model, most in MOST_IMAGES.items():
        request = {"generation_type": "image-to-image"}
        yield typed(model, f"{most} images", INPUTS, Accepted(), source_media_urls=[PICTURE] * most, **request)
        refused = Refusal(400, "too_many_images", "source_media_urls")
        yield typed(model, f"{most + 1} images", INPUTS, refused, source_media_urls=[PICTURE] * (most + 1), **request)
    for model in NEEDS_AN_IMAGE:
        refused = Refusal(400, "source_media_required", "source_media_urls")
        yield typed(model, "no image", "model rules", refused, source_media_urls=None)
        yield typed(model, "one image, as text", "generate_media, parameters", Accepted(), source_media_urls=PICTURE)
    for model in TEXT_ONLY:
        refused = Refusal(400, "too_many_images", "source_media_urls")
        yield typed(model, "takes no image", "model rules", refused, source_media_urls=[PICTURE])
    for model in ("nano-banana", "p-image-edit", "gpt-1.5-image-high"):
        for clip, code in (("clip-4s.mp4", "too_many_videos"), ("sound-3s.mp3", "too_many_audios")):
            both = [PICTURE, url(clip)]
            refused = Refusal(400, code, "source_media_urls")
            yield typed(model, f"images only, no {clip}", INPUTS, refused, **{**EDITED, "source_media_urls": both})
    for name in ("picture.png", "picture.jpg", "picture.webp", "picture-10mb.png"):
        yield typed("nano-banana-edit", name, INPUTS, Accepted(), source_media_urls=[url(name)])
    too_large = Refusal(400, "source_too_large", "source_media_urls")
    yield typed("nano-banana-edit", "over 10 MB", INPUTS, too_large, source_media_urls=[url("picture-over-10mb.png")])


def _p_image_edit() -> Iterator[Row]:
    yield typed("p-image-edit", "its defaults", RATIOS, Accepted({"turbo": True, "disable_safety_checker": True}))
    for name in ("turbo", "disable_safety_checker"):
        yield typed("p-image-edit", f"{name} off", RATIOS, Accepted({name: False}), **{name: False})
        yield typed("p-image-edit", f"{name} mistyped", RATIOS, Refusal(422, "invalid_request", name), **{name: "no"})
    yield typed("p-image-edit", "a seed", RATIOS, Accepted({"seed": 7}), seed=7)
    not_made = Refusal(400, "invalid_request", "generation_type", allowed=["image-to-image"])
    yield typed("p-image-edit", "text-to-image", RATIOS, not_made, generation_type="text-to-image")


ROWS = (*_gpt_image_2(), *_ratios(), *_counts(), *_p_image_edit())
