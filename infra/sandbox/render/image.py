"""Pictures: an evening landscape with colours, sun and hills from the prompt, the prompt written below."""

from __future__ import annotations

import colorsys
import io
import math
import random
from dataclasses import dataclass
from typing import Literal

from PIL import Image, ImageDraw, ImageFont, ImageOps

from infra.sandbox.render.media import Media, generator

ImageFormat = Literal["png", "jpeg", "webp"]
Colour = tuple[int, int, int]

EXTENSIONS: dict[ImageFormat, str] = {"png": "png", "jpeg": "jpg", "webp": "webp"}
CAPTION_CHARACTERS_MAX = 120
HILLS = 3


@dataclass(frozen=True)
class ImageOrder:
    """A picture of `width` x `height` pixels; `sources` are encoded pictures it shows as small prints."""

    prompt: str
    width: int
    height: int
    image_format: ImageFormat = "png"
    seed: int = 0
    sources: tuple[bytes, ...] = ()

    def render(self) -> Media:
        """Draws and encodes the picture."""
        picture = paint(self.prompt, self.width, self.height, self.seed)
        for index, source in enumerate(self.sources[:4]):
            _pin(picture, source, index)
        return Media(
            encode_image(picture, self.image_format),
            f"image/{self.image_format}",
            EXTENSIONS[self.image_format],
            self.width,
            self.height,
        )


def paint(prompt: str, width: int, height: int, seed: int) -> Image.Image:
    """An RGB picture that is the same for the same prompt, size and seed."""
    dice = generator("picture", prompt, seed)
    hue = dice.random()
    sky = Image.linear_gradient("L").resize((width, height), Image.Resampling.BILINEAR)
    picture = ImageOps.colorize(
        sky,
        black=_colour(hue, 0.65, 0.35),
        white=_colour(hue + 0.12, 0.45, 1.0),
        mid=_colour(hue + 0.06, 0.6, 0.8),
    )
    _draw_sun(picture, dice, hue)
    for layer in range(HILLS):
        _draw_hill(picture, dice, layer, hue)
    _write(picture, prompt)
    return picture


def decode_image(content: bytes) -> Image.Image:
    """The RGB picture in an encoded file, turned upright; raises OSError when it is no picture."""
    with Image.open(io.BytesIO(content)) as opened:
        upright = ImageOps.exif_transpose(opened)
        return upright.convert("RGB")


def encode_image(picture: Image.Image, image_format: ImageFormat) -> bytes:
    """The picture's file, without metadata."""
    buffer = io.BytesIO()
    # Level 1: half the time of the default for files a third larger.
    options = {"compress_level": 1} if image_format == "png" else {"quality": 88}
    picture.save(buffer, format=image_format, **options)
    return buffer.getvalue()


def _colour(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def _draw_sun(picture: Image.Image, dice: random.Random, hue: float) -> None:
    radius = min(picture.size) * dice.uniform(0.08, 0.16)
    x = picture.width * dice.uniform(0.2, 0.8)
    y = picture.height * dice.uniform(0.2, 0.45)
    halo = ImageDraw.Draw(picture, "RGBA")
    for ring in (1.8, 1.4, 1.0):
        reach = radius * ring
        alpha = 255 if ring == 1.0 else 60
        halo.ellipse((x - reach, y - reach, x + reach, y + reach), fill=(*_colour(hue + 0.5, 0.25, 1.0), alpha))


def _draw_hill(picture: Image.Image, dice: random.Random, layer: int, hue: float) -> None:
    width, height = picture.size
    base = height * (0.55 + 0.13 * layer)
    swing = height * dice.uniform(0.05, 0.12)
    waves = dice.uniform(1.0, 2.5)
    shift = dice.uniform(0, 2 * math.pi)
    steps = 48
    crest = [
        (width * step / steps, base + swing * math.sin(shift + waves * 2 * math.pi * step / steps))
        for step in range(steps + 1)
    ]
    shade = _colour(hue + 0.04 * layer, 0.55, 0.55 - 0.15 * layer)
    ImageDraw.Draw(picture).polygon([(0, height), *crest, (width, height)], fill=shade)


def _write(picture: Image.Image, prompt: str) -> None:
    caption = " ".join(prompt.split())
    if len(caption) > CAPTION_CHARACTERS_MAX:
        caption = caption[: CAPTION_CHARACTERS_MAX - 1] + "…"
    size = max(10, min(picture.size) // 18)
    font = ImageFont.load_default(size)
    lines = _wrapped(caption, font, picture.width * 0.9)
    pen = ImageDraw.Draw(picture)
    pen.multiline_text(
        (picture.width / 2, picture.height - size * 0.7),
        "\n".join(lines),
        font=font,
        fill=(255, 255, 255),
        anchor="md",
        align="center",
        stroke_width=max(1, size // 14),
        stroke_fill=(20, 20, 30),
    )


def _wrapped(caption: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width_pixels: float) -> list[str]:
    lines: list[str] = []
    for word in caption.split(" "):
        joined = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(joined) <= width_pixels:
            lines[-1] = joined
        else:
            lines.append(word)
    return lines


def _pin(picture: Image.Image, source: bytes, index: int) -> None:
    """Shows a source as a framed print in one of the corners of the upper half."""
    side = min(picture.size) // 4
    frame = max(1, side // 20)
    pinned = ImageOps.expand(ImageOps.fit(decode_image(source), (side, side)), frame, fill=(255, 255, 255))
    right = index % 2 == 1
    x = picture.width - pinned.width - frame * 2 if right else frame * 2
    y = frame * 2 + (index // 2) * (pinned.height + frame)
    picture.paste(pinned, (x, y))
