"""Pixels: of the names and ratios fal's inputs use, and of pictures."""

from __future__ import annotations

import math
from collections.abc import Iterable

from infra.sandbox.render.image import decode_image

Pixels = tuple[int, int]

PRESETS: dict[str, Pixels] = {
    "square_hd": (1024, 1024),
    "square": (512, 512),
    "portrait_4_3": (768, 1024),
    "portrait_16_9": (576, 1024),
    "landscape_4_3": (1024, 768),
    "landscape_16_9": (1024, 576),
}


def ratio_of(words: str) -> float:
    """Width over height of an aspect ratio such as 16:9."""
    across, down = (float(part) for part in words.split(":"))
    return across / down


def picture_ratio(picture: bytes) -> float:
    """Width over height of an encoded picture."""
    width, height = decode_image(picture).size
    return width / height


def nearest_ratio(ratio: float, words: Iterable[str]) -> str:
    """The aspect ratio among the words that comes closest; words that are no ratio, such as auto, are passed over."""
    return min((word for word in words if ":" in word), key=lambda word: abs(math.log(ratio / ratio_of(word))))


def short_sided(ratio: float, short_side: int) -> Pixels:
    """Even width and height of a ratio, the shorter side given (H.264 needs even sides)."""
    long_side = round(short_side * max(ratio, 1 / ratio) / 2) * 2
    return (long_side, short_side) if ratio >= 1 else (short_side, long_side)


def of_area(ratio: float, pixels: int, multiple: int = 16) -> Pixels:
    """Width and height of a ratio with about so many pixels in all, each a multiple."""
    width = math.sqrt(pixels * ratio)
    return tuple(max(1, round(side / multiple)) * multiple for side in (width, width / ratio))  # type: ignore[return-value]


def within(size: Pixels, pixels_min: int, pixels_max: int) -> Pixels:
    """The size, scaled so that its pixels in all are within the bounds."""
    width, height = size
    if width * height < pixels_min:
        factor = math.sqrt(pixels_min / (width * height))
        # Rounded first: the root of a perfect ratio may be a hair above a whole number of pixels.
        return math.ceil(round(width * factor, 6)), math.ceil(round(height * factor, 6))
    if width * height > pixels_max:
        factor = math.sqrt(pixels_max / (width * height))
        return math.floor(width * factor), math.floor(height * factor)
    return size
