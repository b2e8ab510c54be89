"""Which models take a duration, how it may be written, and what each refuses."""

from collections.abc import Iterator
from typing import Any

from tests.seeds.table import FRAMED, IMAGE_IDS, SEEDANCE_2, Accepted, Refusal, Row, typed

SOURCE = "models that support duration"
RANGE_3_TO_15 = {"minimum": 3, "maximum": 15}
RANGE_4_TO_15 = {"minimum": 4, "maximum": 15}


def _refused(allowed: Any) -> Refusal:
    return Refusal(400, "invalid_request", "duration", allowed)


def _mistyped() -> Refusal:
    return Refusal(422, "invalid_request", "duration")


def _listed(model: str, taken: tuple[int, ...], refused: tuple[Any, ...], **request: Any) -> Iterator[Row]:
    what = f" {request['generation_type']}" if "generation_type" in request else ""
    for seconds in taken:
        for written in (seconds, str(seconds), f"{seconds}s"):
            expect = Accepted({"duration": seconds})
            yield typed(model, f"duration {written!r}{what}", SOURCE, expect, duration=written, **request)
    for written in refused:
        yield typed(model, f"duration {written!r}{what}", SOURCE, _refused(list(taken)), duration=written, **request)


def _ranged(model: str, allowed: dict[str, int]) -> Iterator[Row]:
    low, high = allowed["minimum"], allowed["maximum"]
    for written in (low, f"{low}s", 7, "8", f"{high}s", high):
        expect = Accepted({"duration": int(str(written).removesuffix("s"))})
        yield typed(model, f"duration {written!r}", SOURCE, expect, duration=written)
    for written in (low - 1, high + 1, f"{high + 1}s"):
        yield typed(model, f"duration {written!r}", SOURCE, _refused(allowed), duration=written)
    yield typed(model, "a duration that is not whole", SOURCE, _mistyped(), duration=low + 0.5)


def _rows() -> Iterator[Row]:
    yield from _listed("kling-2-6-text-to-video", (5, 10), (3, "7s", "15s"))
    yield from _listed("kling-2-6-image-to-video", (5, 10), (4, "8s"))
    yield from _listed("wan-2-5", (5, 10), (4, "15s"), generation_type="text-to-video")
    picture = {"generation_type": "image-to-video", "source_media_urls": FRAMED["source_media_urls"][:1]}
    yield from _listed("wan-2-5", (5, 10), ("12s",), **picture)
    yield from _listed("v1-pro-fast-i2v", (5, 10), (3, "12s"))
    yield from _listed("seedance-1-5-pro", (4, 8, 12), (5, "10s", 13), generation_type="text-to-video")
    frames = {"generation_type": "image-to-video", "source_media_urls": FRAMED["source_media_urls"]}
    yield from _listed("seedance-1-5-pro", (4, 8, 12), (6,), **frames)
    for model in ("sora-2", "sora-2-pro"):
        yield from _listed(model, (10, 15), (5, "25s"), generation_type="text-to-video")
        yield from _listed(model, (10, 15), (12,), **picture)
    for model in ("kling-3-0-std", "kling-3-0-pro"):
        yield from _ranged(model, RANGE_3_TO_15)
    for model in ("seedance-2-480p", "seedance-2-fast-720p", "seedance-2-1080p-video-ref"):
        yield from _ranged(model, RANGE_4_TO_15)
    for model in SEEDANCE_2:
        yield typed(model, "longer than 15 s", SOURCE, _refused(RANGE_4_TO_15), duration=20)
    for written in ("soon", "5 minutes", "5ss", True):
        yield typed("kling-2-6-text-to-video", f"duration {written!r}", SOURCE, _mistyped(), duration=written)
    yield from _storyboards()
    for model in ("grok-text-to-video-6s", "grok-image-to-video", "kling-2-5-image-to-video-pro", "veo3-1"):
        yield typed(model, "a duration is ignored", SOURCE, Accepted(ignored=("duration",)), duration="8s")
    for model in IMAGE_IDS:
        yield typed(model, "a duration is ignored", SOURCE, Accepted(ignored=("duration",)), duration="5s")


def _storyboards() -> Iterator[Row]:
    """The length follows from the shots: 10, 15 or 25 s in all."""
    for seconds in ((4, 6), (5, 5, 5), (10, 15)):
        shots = [{"prompt": f"scene {number}", "duration": one} for number, one in enumerate(seconds, 1)]
        what = f"shots of {sum(seconds)} s"
        yield typed("sora-2-pro-storyboard", what, SOURCE, Accepted({"duration": sum(seconds)}), shots=shots)
    shots = [{"prompt": "one", "duration": 6}, {"prompt": "two", "duration": 6}]
    refused = Refusal(400, "invalid_request", allowed=[10, 15, 25])
    yield typed("sora-2-pro-storyboard", "shots of 12 s", SOURCE, refused, shots=shots)


ROWS = tuple(_rows())
