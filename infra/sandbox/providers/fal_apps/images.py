"""Image apps whose shape is an aspect ratio: nano-banana, Grok Imagine, Kling Image, Imagen 4."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, Field

from infra.sandbox.files import StoredFile
from infra.sandbox.providers.fal_apps.base import App, Seeded, Text, Url, one_of
from infra.sandbox.providers.fal_apps.shapes import Pixels, nearest_ratio, of_area, picture_ratio, ratio_of
from infra.sandbox.render.image import ImageFormat, ImageOrder
from infra.sandbox.render.media import Order
from infra.sandbox.sources import Found, Source

UpTo4 = Annotated[int, Field(ge=1, le=4)]
GOOGLE_RATIOS = "21:9 16:9 3:2 4:3 5:4 1:1 4:5 3:4 2:3 9:16"
GROK_RATIOS = "2:1 20:9 19.5:9 16:9 4:3 3:2 1:1 2:3 3:4 9:16 9:19.5 9:20 1:2"
KLING_RATIOS = "16:9 9:16 1:1 4:3 3:4 3:2 2:3 21:9"
SafetyLevel = Annotated[str, one_of("1 2 3 4 5 6")]

# Gemini 2.5 Flash Image (https://ai.google.dev/gemini-api/docs/image-generation).
NANO_BANANA_PIXELS: dict[str, Pixels] = {
    "1:1": (1024, 1024),
    "2:3": (832, 1248),
    "3:2": (1248, 832),
    "3:4": (864, 1184),
    "4:3": (1184, 864),
    "4:5": (896, 1152),
    "5:4": (1152, 896),
    "9:16": (768, 1344),
    "16:9": (1344, 768),
    "21:9": (1536, 672),
}
# Gemini 3 Pro Image and 3.1 Flash Image at 1K (the same page); other resolutions are multiples.
GEMINI_3_PIXELS: dict[str, Pixels] = {
    "1:1": (1024, 1024),
    "2:3": (848, 1264),
    "3:2": (1264, 848),
    "3:4": (896, 1200),
    "4:3": (1200, 896),
    "4:5": (928, 1152),
    "5:4": (1152, 928),
    "9:16": (768, 1376),
    "16:9": (1376, 768),
    "21:9": (1584, 672),
    "1:4": (512, 2048),
    "4:1": (2048, 512),
    "1:8": (384, 3072),
    "8:1": (3072, 384),
}
IMAGEN_PIXELS: dict[str, Pixels] = {
    "1:1": (1024, 1024),
    "3:4": (896, 1280),
    "4:3": (1280, 896),
    "9:16": (768, 1408),
    "16:9": (1408, 768),
}
SCALES = {"0.5K": 0.5, "1K": 1, "2K": 2, "4K": 4}


class ImageApp(App):
    """What every image app shares."""

    kind = "images"
    shows_pixels = True
    file_format: ClassVar[ImageFormat] = "png"
    prompt: Text

    def pixels(self, found: Found) -> Pixels:
        """Width and height of each picture."""
        raise NotImplementedError

    def count(self) -> int:
        """How many pictures are made."""
        return int(self.given("num_images", 1))

    def number(self) -> int:
        """The seed, 0 where none was given: the sandbox has no moods."""
        return int(self.given("seed", 0))

    def orders(self, found: Found, /) -> list[Order]:
        """The pictures, each with a seed of its own."""
        width, height = self.pixels(found)
        chosen: ImageFormat = self.given("output_format", self.file_format)
        return [
            ImageOrder(self.prompt, width, height, chosen, self.number() + index, found.pictures)
            for index in range(self.count())
        ]


class RatioApp(ImageApp):
    """An image app with `aspect_ratio`; `auto` is the shape of the first source, or else square."""

    table: ClassVar[dict[str, Pixels]] = {}

    def pixels(self, found: Found) -> Pixels:
        """From the model's table, or so that the area is that of the resolution's square."""
        asked = str(self.given("aspect_ratio", "auto"))
        if asked == "auto":
            pictures = found.pictures
            asked = nearest_ratio(picture_ratio(pictures[0]), self.allowed("aspect_ratio")) if pictures else "1:1"
        scale = SCALES[str(self.given("resolution", "1K")).upper()]
        if asked in self.table:
            width, height = self.table[asked]
            return round(width * scale), round(height * scale)
        return of_area(ratio_of(asked), round(1024 * 1024 * scale * scale))


class NanoBananaBase(RatioApp, Seeded):
    """What all apps of the nano-banana family share."""

    table = NANO_BANANA_PIXELS
    prompt: Annotated[str, Field(min_length=3, max_length=50_000)]
    num_images: UpTo4 = 1
    output_format: ImageFormat = "png"
    safety_tolerance: SafetyLevel = "4"
    limit_generations: bool = True

    def extras(self, _files: Sequence[StoredFile], /) -> dict[str, Any]:
        """The description this model adds."""
        return {"description": ""}


class NanoBanana(NanoBananaBase):
    """`fal-ai/nano-banana`."""

    aspect_ratio: Annotated[str, one_of(GOOGLE_RATIOS)] = "1:1"


class NanoBananaEdit(NanoBananaBase):
    """`fal-ai/nano-banana/edit`."""

    picture_fields = ("image_urls",)
    image_urls: Annotated[list[Url], Field(min_length=1, max_length=10)]
    aspect_ratio: Annotated[str, one_of(f"auto {GOOGLE_RATIOS}")] = "auto"


class NanoBananaPro(NanoBananaBase):
    """`fal-ai/nano-banana-pro`."""

    table = GEMINI_3_PIXELS
    aspect_ratio: Annotated[str, one_of(f"auto {GOOGLE_RATIOS}")] = "1:1"
    resolution: Annotated[str, one_of("1K 2K 4K")] = "1K"
    enable_web_search: bool = False
    system_prompt: str = ""


class NanoBananaProEdit(NanoBananaPro):
    """`fal-ai/nano-banana-pro/edit`."""

    picture_fields = ("image_urls",)
    image_urls: Annotated[list[Url], Field(min_length=1, max_length=14)]
    aspect_ratio: Annotated[str, one_of(f"auto {GOOGLE_RATIOS}")] = "auto"


class NanoBanana2(NanoBananaPro):
    """`fal-ai/nano-banana-2`."""

    aspect_ratio: Annotated[str, one_of(f"auto {GOOGLE_RATIOS} 4:1 1:4 8:1 1:8")] = "auto"
    resolution: Annotated[str, one_of("0.5K 1K 2K 4K")] = "1K"
    thinking_level: Annotated[str, one_of("minimal high")] | None = None


class NanoBanana2Edit(NanoBanana2):
    """`fal-ai/nano-banana-2/edit`; `video_url` may be a YouTube page, so it is not fetched."""

    picture_fields = ("image_urls",)
    other_fields = ("audio_url", "pdf_url")
    image_urls: Annotated[list[Url], Field(max_length=14)] | None = None
    audio_url: Url | None = None
    pdf_url: Url | None = None
    video_url: Url | None = None


class Grok(RatioApp):
    """`xai/grok-imagine-image`, also its quality variant."""

    aspect_ratio: Annotated[str, one_of(GROK_RATIOS)] = "1:1"
    num_images: UpTo4 = 1
    output_format: ImageFormat = "jpeg"
    resolution: Annotated[str, one_of("1k 2k")] = "1k"

    def extras(self, _files: Sequence[StoredFile], /) -> dict[str, Any]:
        """The prompt as the model understood it."""
        return {"revised_prompt": self.prompt}


class GrokEdit(Grok):
    """`xai/grok-imagine-image/edit`, also its quality variant; fal's schema lets image_urls be left out."""

    picture_fields = ("image_urls",)
    image_urls: Annotated[list[Url], Field(max_length=3)] | None = None
    aspect_ratio: Annotated[str, one_of(f"auto {GROK_RATIOS}")] = "auto"


class ImageElement(BaseModel):
    """A face or object the picture is to keep."""

    frontal_image_url: Url | None = None
    reference_image_urls: Annotated[list[Url], Field(max_length=3)] = []

    def sources(self) -> list[Source]:
        """Its pictures."""
        front = [self.frontal_image_url] if self.frontal_image_url else []
        return [Source("elements", url) for url in front + self.reference_image_urls]


class KlingImage(RatioApp):
    """What Kling's image apps share."""

    prompt: Annotated[str, Field(min_length=1, max_length=2500)]
    aspect_ratio: Annotated[str, one_of(KLING_RATIOS)] = "16:9"
    num_images: Annotated[int, Field(ge=1, le=9)] = 1
    output_format: ImageFormat = "png"
    resolution: Annotated[str, one_of("1K 2K")] = "1K"
    elements: list[ImageElement] | None = None

    def sources(self) -> list[Source]:
        """The pictures to change, and those of the elements."""
        return super().sources() + [source for element in self.elements or [] for source in element.sources()]


class KlingImage3(KlingImage):
    """`fal-ai/kling-image/v3/text-to-image`."""

    negative_prompt: str | None = None


class KlingImage3Edit(KlingImage):
    """`fal-ai/kling-image/v3/image-to-image`."""

    picture_fields = ("image_url",)
    image_url: Url


class KlingImageO3(KlingImage):
    """`fal-ai/kling-image/o3/text-to-image`; a series has series_amount pictures."""

    resolution: Annotated[str, one_of("1K 2K 4K")] = "1K"
    result_type: Annotated[str, one_of("single series")] = "single"
    series_amount: Annotated[int, Field(ge=2, le=9)] | None = None

    def count(self) -> int:
        """A series of its own length, or else num_images."""
        return self.series_amount or 2 if self.result_type == "series" else self.num_images


class KlingImageO3Edit(KlingImageO3):
    """`fal-ai/kling-image/o3/image-to-image`."""

    picture_fields = ("image_urls",)
    image_urls: Annotated[list[Url], Field(min_length=1, max_length=10)]
    aspect_ratio: Annotated[str, one_of(f"{KLING_RATIOS} auto")] = "auto"


class Imagen(RatioApp, Seeded):
    """`fal-ai/imagen4/preview` and its siblings (gone from fal's types in August 2026)."""

    table = IMAGEN_PIXELS
    aspect_ratio: Annotated[str, one_of("1:1 16:9 9:16 4:3 3:4")] = "1:1"
    num_images: UpTo4 = 1
    resolution: Annotated[str, one_of("1K 2K")] = "1K"
    negative_prompt: str = ""
    output_format: ImageFormat = "png"

    def extras(self, _files: Sequence[StoredFile], /) -> dict[str, Any]:
        """The seed of the first picture."""
        return {"seed": self.number()}


APPS: dict[str, type[App]] = {
    "fal-ai/nano-banana": NanoBanana,
    "fal-ai/nano-banana/edit": NanoBananaEdit,
    "fal-ai/nano-banana-pro": NanoBananaPro,
    "fal-ai/nano-banana-pro/edit": NanoBananaProEdit,
    "fal-ai/nano-banana-2": NanoBanana2,
    "fal-ai/nano-banana-2/edit": NanoBanana2Edit,
    "xai/grok-imagine-image": Grok,
    "xai/grok-imagine-image/edit": GrokEdit,
    "xai/grok-imagine-image/quality/text-to-image": Grok,
    "xai/grok-imagine-image/quality/edit": GrokEdit,
    "fal-ai/kling-image/v3/text-to-image": KlingImage3,
    "fal-ai/kling-image/v3/image-to-image": KlingImage3Edit,
    "fal-ai/kling-image/o3/text-to-image": KlingImageO3,
    "fal-ai/kling-image/o3/image-to-image": KlingImageO3Edit,
    "fal-ai/imagen4/preview": Imagen,
    "fal-ai/imagen4/preview/fast": Imagen,
    "fal-ai/imagen4/preview/ultra": Imagen,
}
