"""Seedance 2: rates, reference video, sound, ratios, and what each mode takes."""

from collections.abc import Iterator

from tests.seeds.table import (
    CLIP,
    PICTURE,
    SEEDANCE_2,
    SEEDANCE_2_RATES,
    SEEDANCE_2_REFERENCE_RATES,
    SOUND,
    Accepted,
    Refusal,
    Row,
    credits_price,
    typed,
    url,
)

SOURCE = "Seedance 2"
BILLING = "Seedance 2, billing"
HARD = "Seedance 2, hard limits"
MODES = "Seedance 2, modes"
FIELD = "source_media_urls"
RATIOS = ("1:1", "4:3", "3:4", "16:9", "9:16", "21:9", "adaptive")
TEXT_TO_VIDEO, IMAGE_TO_VIDEO = {"generation_type": "text-to-video"}, {"generation_type": "image-to-video"}


def _prices() -> Iterator[Row]:
    for model, rate in SEEDANCE_2_RATES.items():
        for seconds in (4, 5, 15):
            yield typed(model, f"{seconds} s", BILLING, credits_price(rate * seconds), duration=seconds)
        for audio in (True, False):
            silent = {"duration": "8s", "generate_audio": audio}
            yield typed(model, f"8 s, generate_audio {audio}", BILLING, credits_price(rate * 8), **silent)
        more = {"duration": 6, FIELD: [PICTURE, PICTURE, SOUND]}
        yield typed(model, "images and sound cost nothing", BILLING, credits_price(rate * 6), **more)
        framed = {"duration": 6, **IMAGE_TO_VIDEO, FIELD: [PICTURE]}
        yield typed(model, "6 s from a frame", BILLING, credits_price(rate * 6), **framed)


def _reference_prices() -> Iterator[Row]:
    for model, rate in SEEDANCE_2_REFERENCE_RATES.items():
        for names, reference_seconds, output_seconds in (
            (("clip-4s.mp4",), 4, 4),
            (("clip-4s.mp4",), 4, 15),
            (("clip-6s.mp4",), 6, 5),
            (("clip-4s.mp4", "clip-6s.mp4"), 10, 5),
            (("clip-4s.mp4", "clip-4s.mp4", "clip-6s.mp4"), 14, 10),
            (("clip-15s.mp4",), 15, 4),
        ):
            what = f"{' + '.join(names)} and {output_seconds} s"
            price = credits_price(rate * (reference_seconds + output_seconds))
            yield typed(model, what, BILLING, price, duration=output_seconds, source_media_urls=[*map(url, names)])
        for names in (
            ("clip-unread.mp4",),
            ("clip-unread.mp4", "clip-4s.mp4"),
            ("clip-unread.mp4", "clip-unread.mov", "clip-unread.webm"),
        ):
            price = credits_price(rate * (15 + 5), assumed=True)
            what = f"{' + '.join(names)} count 15 s"
            yield typed(model, what, BILLING, price, duration=5, source_media_urls=[*map(url, names)])
        silent = {"duration": 5, "generate_audio": False}
        yield typed(model, "silent costs the same", BILLING, credits_price(rate * 9), **silent)
        more = {"duration": 5, FIELD: [PICTURE, CLIP, SOUND]}
        yield typed(model, "only the video counts", BILLING, credits_price(rate * 9), **more)


def _settings() -> Iterator[Row]:
    for model in SEEDANCE_2:
        yield typed(model, "sound by default", SOURCE, Accepted({"generate_audio": True}))
        refused = Refusal(400, "invalid_request", "aspect_ratio", allowed=list(RATIOS))
        yield typed(model, "aspect 2:1", SOURCE, refused, aspect_ratio="2:1")
    for ratio in RATIOS:
        for model in ("seedance-2-720p", "seedance-2-fast-480p", "seedance-2-fast-720p-video-ref"):
            yield typed(model, f"aspect {ratio}", SOURCE, Accepted({"aspect_ratio": ratio}), aspect_ratio=ratio)
    expect = Accepted({"aspect_ratio": "1:1"})
    yield typed("seedance-2-480p", "square by default", "generate_media, parameters", expect)
    refused = Refusal(422, "invalid_request", "generate_audio")
    yield typed("seedance-2-480p", "generate_audio mistyped", SOURCE, refused, generate_audio="off")


def _counts() -> Iterator[Row]:
    for model in SEEDANCE_2:
        film = [CLIP] if model in SEEDANCE_2_REFERENCE_RATES else []
        for kind, place, most in (("image", PICTURE, 9), ("audio", SOUND, 3), ("video", CLIP, 3)):
            others = [] if kind == "video" else film
            refused = Refusal(400, f"too_many_{kind}s", FIELD)
            urls = [place] * (most + 1) + others
            yield typed(model, f"{most + 1} {kind}s", HARD, refused, **TEXT_TO_VIDEO, source_media_urls=urls)
            if kind != "video":
                urls = [place] * most + others
                yield typed(model, f"{most} {kind}s", MODES, Accepted(), **TEXT_TO_VIDEO, source_media_urls=urls)
    for model in SEEDANCE_2_REFERENCE_RATES:
        urls = [*[PICTURE] * 9, *[CLIP] * 3, *[SOUND] * 3]
        yield typed(model, "9 images, 3 videos, 3 sounds", MODES, Accepted(), **TEXT_TO_VIDEO, source_media_urls=urls)
    for model in SEEDANCE_2_RATES:
        for what, urls, expect in (
            ("1 image", [PICTURE], Accepted()),
            ("2 images", [PICTURE, PICTURE], Accepted()),
            ("2 images and 3 sounds", [PICTURE, PICTURE, SOUND, SOUND, SOUND], Accepted()),
            ("no image", [], Refusal(400, "source_media_required", FIELD)),
            ("sound alone", [SOUND], Refusal(400, "source_media_required", FIELD)),
            ("3 images", [PICTURE] * 3, Refusal(400, "too_many_images", FIELD)),
            ("4 sounds", [PICTURE, *[SOUND] * 4], Refusal(400, "too_many_audios", FIELD)),
            ("a reference video", [PICTURE, CLIP], Refusal(400, "too_many_videos", FIELD)),
        ):
            yield typed(model, f"image-to-video of {what}", MODES, expect, **IMAGE_TO_VIDEO, source_media_urls=urls)
        variant = f"{model}-video-ref"
        refused = Refusal(400, "variant_required", FIELD, variants=(variant,))
        yield typed(model, "a reference video is another variant", BILLING, refused, source_media_urls=[CLIP])


def _lengths() -> Iterator[Row]:
    too_long = Refusal(400, "source_too_long", FIELD)
    for model in SEEDANCE_2_REFERENCE_RATES:
        for what, names in (
            ("a reference video of 16 s", ("clip-16s.mp4",)),
            ("reference videos of 16 s in all", ("clip-6s.mp4", "clip-6s.mp4", "clip-4s.mp4")),
            ("a reference sound of 16 s", ("clip-4s.mp4", "sound-16s.mp3")),
            ("reference sounds of 16 s in all", ("clip-4s.mp4", "sound-8s.mp3", "sound-8s.mp3")),
        ):
            yield typed(model, what, HARD, too_long, source_media_urls=[*map(url, names)])
    for model in SEEDANCE_2_RATES:
        for mode, first in ((TEXT_TO_VIDEO, []), (IMAGE_TO_VIDEO, [PICTURE])):
            for what, names in (
                ("a sound of 16 s", ("sound-16s.mp3",)),
                ("sounds of 16 s in all", ("sound-8s.mp3", "sound-8s.mp3")),
            ):
                urls = [*first, *map(url, names)]
                yield typed(model, f"{mode['generation_type']} with {what}", HARD, too_long, **mode, **{FIELD: urls})
            urls = [*first, url("sound-15s.mp3")]
            what = f"{mode['generation_type']} with a sound of 15 s"
            yield typed(model, what, HARD, Accepted(), **mode, source_media_urls=urls)


def _classified() -> Iterator[Row]:
    """By extension, in whatever order."""
    images = [url(f"picture.{end}") for end in ("jpg", "png", "webp")]
    videos = [url(f"clip-unread.{end}") for end in ("mp4", "mov", "webm")]
    sounds = [url(name) for name in ("sound-3s.mp3", "sound-3s.wav", "sound-unread.m4a")]
    mixed = [place for three in zip(sounds, videos, images, strict=True) for place in three]
    expect = Accepted({"image_urls": images, "video_urls": videos, "audio_urls": sounds})
    for model in SEEDANCE_2_REFERENCE_RATES:
        yield typed(model, "every extension has its kind", MODES, expect, source_media_urls=mixed)


ROWS = (*_prices(), *_reference_prices(), *_settings(), *_counts(), *_lengths(), *_classified())
