"""Video models but for Seedance 2: what each takes as sources, and Kling 3.0's prices and elements."""

from collections.abc import Iterator
from typing import Any

from tests.seeds.table import (
    CLIP,
    MOTION_CONTROL,
    PICTURE,
    SOUND,
    Accepted,
    Refusal,
    Row,
    credits_price,
    typed,
    url,
)

INPUTS = "input file limits"
KLING_AUDIO = "video audio, live rates"
ELEMENTS = "Kling 3.0 elements"
KLING_3_RATES = {"kling-3-0-std": (17, 23), "kling-3-0-pro": (21, 30)}
"""Credits a second, silent and with audio."""

FIELD = "source_media_urls"
TOO_MANY = Refusal(400, "too_many_images", FIELD)
MISSING = Refusal(400, "source_media_required", FIELD)
TEXT_TO_VIDEO, IMAGE_TO_VIDEO = {"generation_type": "text-to-video"}, {"generation_type": "image-to-video"}


def _pictures(count: int) -> dict[str, Any]:
    return {FIELD: [PICTURE] * count}


def _one_image() -> Iterator[Row]:
    for model in (
        "kling-2-6-image-to-video", "sora-2", "wan-2-5", "grok-image-to-video", "v1-pro-fast-i2v",
    ):  # fmt: skip
        for count, expect in ((0, MISSING), (1, Accepted()), (2, TOO_MANY)):
            what = f"image-to-video of {count} images"
            yield typed(model, what, INPUTS, expect, **IMAGE_TO_VIDEO, **_pictures(count))
        for extra, code in ((CLIP, "too_many_videos"), (SOUND, "too_many_audios")):
            both = {FIELD: [PICTURE, extra]}
            yield typed(model, f"images only, {code}", INPUTS, Refusal(400, code, FIELD), **IMAGE_TO_VIDEO, **both)
    for model in ("kling-2-6-text-to-video", "grok-text-to-video-6s", "wan-2-5", "sora-2"):
        yield typed(model, "text-to-video takes no image", "model rules", TOO_MANY, **TEXT_TO_VIDEO, **_pictures(1))
    example = {"prompt": "Gentle motion and subtle movement", "aspect_ratio": "16:9", "duration": "5s"}
    # The example gives a ratio; the picture has its own, and the answer says so.
    expect = Accepted({"duration": 5}, ignored=("aspect_ratio",))
    yield typed("kling-2-6-image-to-video", "the second example", "examples", expect, **IMAGE_TO_VIDEO, **example)


def _frames() -> Iterator[Row]:
    model = "kling-2-5-image-to-video-pro"
    for count, expect in ((0, MISSING), (2, Accepted()), (3, TOO_MANY)):
        yield typed(model, f"{count} images", INPUTS, expect, **_pictures(count))
    for model in KLING_3_RATES:
        for count, expect in ((0, MISSING), (1, Accepted()), (2, Accepted()), (3, TOO_MANY)):
            what = f"image-to-video of {count} images"
            yield typed(model, what, INPUTS, expect, **IMAGE_TO_VIDEO, **_pictures(count))
        expect = Accepted({"generation_type": "text-to-video"})
        yield typed(model, "text alone", INPUTS, expect, **TEXT_TO_VIDEO)
        yield typed(model, "a JPEG", INPUTS, Accepted(), **IMAGE_TO_VIDEO, source_media_urls=url("picture.jpg"))
        no_webp = Refusal(400, "source_not_media", FIELD)
        yield typed(model, "no WebP", INPUTS, no_webp, **IMAGE_TO_VIDEO, source_media_urls=url("picture.webp"))
        no_video = Refusal(400, "too_many_videos", FIELD)
        yield typed(model, "no video", INPUTS, no_video, **IMAGE_TO_VIDEO, source_media_urls=[PICTURE, CLIP])
    model = "sora-2-pro-storyboard"
    for count, expect in ((0, Accepted()), (1, Accepted()), (2, TOO_MANY)):
        yield typed(model, f"{count} images", INPUTS, expect, **_pictures(count))
    veo = "veo3-1"
    for count, mode in ((0, TEXT_TO_VIDEO), (1, TEXT_TO_VIDEO), (2, IMAGE_TO_VIDEO), (3, {})):
        yield typed(veo, f"{count} images", INPUTS, Accepted(), **mode, **_pictures(count))
    yield typed(veo, "4 images", INPUTS, TOO_MANY, **_pictures(4))


def _seedance_1_5() -> Iterator[Row]:
    source, model = "Seedance 1.5 Pro, two modes", "seedance-1-5-pro"
    for count, expect in ((0, Accepted()), (1, Accepted()), (2, TOO_MANY)):
        yield typed(model, f"text-to-video of {count} images", source, expect, **TEXT_TO_VIDEO, **_pictures(count))
    for count, expect in ((0, MISSING), (1, MISSING), (2, Accepted()), (3, TOO_MANY)):
        yield typed(model, f"image-to-video of {count} images", source, expect, **IMAGE_TO_VIDEO, **_pictures(count))


def _motion_control() -> Iterator[Row]:
    for model in MOTION_CONTROL:
        yield typed(model, "an image and a video", INPUTS, Accepted())
        for what, urls, code in (
            ("no video", [PICTURE], "source_media_required"),
            ("no image", [CLIP], "source_media_required"),
            ("nothing", [], "source_media_required"),
            ("two images", [PICTURE, PICTURE, CLIP], "too_many_images"),
            ("two videos", [PICTURE, CLIP, CLIP], "too_many_videos"),
            ("a sound", [PICTURE, CLIP, SOUND], "too_many_audios"),
        ):
            yield typed(model, what, INPUTS, Refusal(400, code, FIELD), source_media_urls=urls)
        for name in ("clip-30s.mp4", "clip-unread.webm", "clip-100mb.mp4"):
            yield typed(model, name, INPUTS, Accepted(), source_media_urls=[PICTURE, url(name)])
        for name, code in (("clip-31s.mp4", "source_too_long"), ("clip-over-100mb.mp4", "source_too_large")):
            yield typed(model, name, INPUTS, Refusal(400, code, FIELD), source_media_urls=[PICTURE, url(name)])


def _kling_3_prices() -> Iterator[Row]:
    for model, (silent, audio) in KLING_3_RATES.items():
        for seconds in (3, 5, 10, 15):
            for asked, rate in (({}, silent), ({"sound": False}, silent), ({"sound": True}, audio)):
                what = f"{seconds} s, {asked or 'no sound asked'}"
                price = credits_price(rate * seconds, row=f"{model}-audio" if rate == audio else model)
                yield typed(model, what, KLING_AUDIO, price, duration=seconds, **asked)
        framed = {**IMAGE_TO_VIDEO, **_pictures(2), "duration": "8s", "sound": True}
        yield typed(model, "8 s between frames", KLING_AUDIO, credits_price(8 * audio), **framed)


def _element(**changes: Any) -> dict[str, Any]:
    element = {"name": "hero", "description": "a tall sailor", "element_input_urls": [PICTURE, PICTURE], **changes}
    return {key: value for key, value in element.items() if value is not None}


def _elements() -> Iterator[Row]:
    said = {"prompt": "@hero climbs the stairs"}
    film = _element(element_input_urls=None, element_input_video_urls=[CLIP])
    for model in KLING_3_RATES:
        for what, element in (
            ("2 images", _element()),
            ("4 images", _element(element_input_urls=[PICTURE] * 4)),
            ("1 video", film),
        ):
            yield typed(model, f"an element of {what}", ELEMENTS, Accepted(), kling_elements=[element], **said)
        for what, status, element in _wrong_elements():
            refused = Refusal(status, "invalid_request", "kling_elements")
            yield typed(model, f"an element {what}", ELEMENTS, refused, kling_elements=[element], **said)
        unknown = Refusal(400, "unknown_element", "prompt", allowed=["hero"])
        both = {"prompt": "@hero meets @villain", "kling_elements": [_element()]}
        yield typed(model, "an element that is not defined", ELEMENTS, unknown, **both)
        two = {"prompt": "@hero meets @villain", "kling_elements": [_element(), film | {"name": "villain"}]}
        yield typed(model, "two elements", ELEMENTS, Accepted(), **two)
        framed = {**said, **IMAGE_TO_VIDEO, **_pictures(2), "kling_elements": [_element()]}
        yield typed(model, "elements beside frames", ELEMENTS, Accepted(), **framed)
        yield typed(
            model, "elements cost nothing", ELEMENTS, credits_price(5 * KLING_3_RATES[model][0]), duration=5, **two
        )
    for what, code, element in (
        ("under 300 pixels", "source_too_small", _element(element_input_urls=[PICTURE, url("small.png")])),
        ("of WebP", "source_not_media", _element(element_input_urls=[PICTURE, url("picture.webp")])),
        ("over 10 MB", "source_too_large", _element(element_input_urls=[PICTURE, url("picture-over-10mb.png")])),
        ("of WebM", "source_not_media", film | {"element_input_video_urls": [url("clip-unread.webm")]}),
        ("over 50 MB", "source_too_large", film | {"element_input_video_urls": [url("clip-over-50mb.mp4")]}),
    ):
        refused = Refusal(400, code, "kling_elements")
        yield typed("kling-3-0-pro", f"an element {what}", ELEMENTS, refused, kling_elements=[element], **said)
    for name in ("clip-unread.mov", "clip-50mb.mp4"):
        element = film | {"element_input_video_urls": [url(name)]}
        yield typed("kling-3-0-std", f"an element of {name}", ELEMENTS, Accepted(), kling_elements=[element], **said)


def _wrong_elements() -> Iterator[tuple[str, int, dict[str, Any]]]:
    """What is wrong, the status, and the element."""
    yield "of 1 image", 400, _element(element_input_urls=[PICTURE])
    yield "of 5 images", 400, _element(element_input_urls=[PICTURE] * 5)
    yield "of 2 videos", 400, _element(element_input_urls=None, element_input_video_urls=[CLIP, CLIP])
    yield "of nothing", 422, _element(element_input_urls=None)
    yield "of both", 422, _element(element_input_video_urls=[CLIP])
    yield "without a name", 422, _element(name=None)
    yield "without a description", 422, _element(description=None)


ROWS = (
    *_one_image(),
    *_frames(),
    *_seedance_1_5(),
    *_motion_control(),
    *_kling_3_prices(),
    *_elements(),
)
