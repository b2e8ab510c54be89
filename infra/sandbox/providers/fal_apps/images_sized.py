"""Image apps whose shape is an image size: GPT Image, Seedream, FLUX, SDXL, Qwen, Ideogram, Recraft."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, Field, model_validator

from infra.sandbox.files import StoredFile
from infra.sandbox.providers.fal_apps.base import App, OneOf, Seeded, Url, one_of
from infra.sandbox.providers.fal_apps.images import ImageApp, UpTo4
from infra.sandbox.providers.fal_apps.shapes import PRESETS, Pixels, of_area, picture_ratio, within
from infra.sandbox.providers.fal_apps.words import IDEOGRAM_PRESETS, RECRAFT_STYLES
from infra.sandbox.render.image import ImageFormat
from infra.sandbox.sources import Found

PRESET_NAMES = "square_hd square portrait_4_3 portrait_16_9 landscape_4_3 landscape_16_9"
Preset = Annotated[str, one_of(PRESET_NAMES)]
PresetOrAuto = Annotated[str, one_of(f"{PRESET_NAMES} auto")]
JpegOrPng = Literal["jpeg", "png"]
UpTo6 = Annotated[int, Field(ge=1, le=6)]
Acceleration = Annotated[str, one_of("none regular high")]
SIDE_MAX = 4096
# The square that an automatic size has the area of.
AUTO_SIDES = {"auto": 1024, "auto_1K": 1024, "auto_2K": 2048, "auto_3K": 3072, "auto_4K": 4096}


class Size(BaseModel):
    """Pixels asked in full; what is left out is 512. fal's bound of 14142 is beyond what any model draws."""

    width: Annotated[int, Field(gt=0, le=SIDE_MAX)] = 512
    height: Annotated[int, Field(gt=0, le=SIDE_MAX)] = 512


class SizedApp(ImageApp):
    """An image app with `image_size`; left out or automatic, it is the shape of the first source, or else square."""

    pixels_min: ClassVar[int] = 1
    pixels_max: ClassVar[int] = SIDE_MAX * SIDE_MAX

    def pixels(self, found: Found) -> Pixels:
        """The size asked, scaled to the model's bounds where it is not within."""
        asked: Size | str = self.given("image_size", "auto")
        if isinstance(asked, Size):
            return within((asked.width, asked.height), self.pixels_min, self.pixels_max)
        if asked in PRESETS:
            return within(PRESETS[asked], self.pixels_min, self.pixels_max)
        ratio = picture_ratio(found.pictures[0]) if found.pictures else 1.0
        return of_area(min(3.0, max(1 / 3, ratio)), AUTO_SIDES[asked] ** 2)


class SeedTold(SizedApp):
    """A sized app that tells its seed."""

    def extras(self, _files: Sequence[StoredFile], /) -> dict[str, Any]:
        """The seed of the first picture."""
        return {"seed": self.number()}


class GptImage2(SizedApp):
    """`openai/gpt-image-2`."""

    prompt: Annotated[str, Field(min_length=2, max_length=32_000)]
    image_size: Size | PresetOrAuto = "landscape_4_3"
    quality: Annotated[str, one_of("auto low medium high")] = "high"
    num_images: UpTo4 = 1
    output_format: ImageFormat = "png"

    @model_validator(mode="after")
    def _possible_size(self) -> GptImage2:
        if isinstance(self.image_size, Size):
            width, height = self.image_size.width, self.image_size.height
            if width % 16 or height % 16:
                raise ValueError("image_size must be in multiples of 16")
            if max(width, height) > 3840 or max(width, height) > 3 * min(width, height):
                raise ValueError("image_size must have edges of at most 3840 and an aspect ratio of at most 3:1")
            if not 655_360 <= width * height <= 8_294_400:
                raise ValueError("image_size must have between 655360 and 8294400 pixels")
        return self


class GptImage2Edit(GptImage2):
    """`openai/gpt-image-2/edit`."""

    picture_fields = ("image_urls", "mask_url")
    image_size: Size | PresetOrAuto = "auto"
    image_urls: Annotated[list[Url], Field(min_length=1, max_length=16)]
    mask_url: Url | None = None


class GptImage15(ImageApp):
    """`fal-ai/gpt-image-1.5`; a transparent background is painted like any other."""

    image_size: Annotated[str, one_of("1024x1024 1536x1024 1024x1536")] = "1024x1024"
    background: Annotated[str, one_of("auto transparent opaque")] = "auto"
    quality: Annotated[str, one_of("low medium high")] = "high"
    num_images: UpTo4 = 1
    output_format: ImageFormat = "png"

    def pixels(self, found: Found) -> Pixels:
        """The size asked; `auto` is the one whose shape is the first source's."""
        asked = self.image_size
        if asked == "auto":
            ratio = picture_ratio(found.pictures[0])
            asked = "1024x1024" if 0.8 < ratio < 1.25 else "1536x1024" if ratio > 1 else "1024x1536"
        width, height = (int(side) for side in asked.split("x"))
        return width, height


class GptImage15Edit(GptImage15):
    """`fal-ai/gpt-image-1.5/edit`."""

    picture_fields = ("image_urls", "mask_image_url")
    image_urls: Annotated[list[Url], Field(min_length=1, max_length=16)]
    image_size: Annotated[str, one_of("auto 1024x1024 1536x1024 1024x1536")] = "auto"
    input_fidelity: Annotated[str, one_of("low high")] = "high"
    mask_image_url: Url | None = None


class Edited(BaseModel):
    """The pictures of Seedream's edit apps; of more than ten the last ten are used."""

    picture_fields: ClassVar[tuple[str, ...]] = ("image_urls",)
    image_urls: Annotated[list[Url], Field(min_length=1)]


class Seedream(SeedTold):
    """What the Seedream apps share; each of num_images rounds makes max_images pictures."""

    pixels_min = 2560 * 1440
    pixels_max = 4096 * 4096
    num_images: UpTo6 = 1
    max_images: UpTo6 = 1
    enable_safety_checker: bool = True

    def count(self) -> int:
        """The pictures of all rounds (a real model may make fewer than max_images)."""
        return self.num_images * self.max_images


class Seedream4(Seedream, Seeded):
    """`fal-ai/bytedance/seedream/v4/text-to-image`."""

    pixels_min = 960 * 960
    image_size: Size | Annotated[str, one_of(f"{PRESET_NAMES} auto auto_2K auto_4K")] = Size(width=2048, height=2048)
    enhance_prompt_mode: Annotated[str, one_of("standard fast")] = "standard"


class Seedream4Edit(Edited, Seedream4):
    """`fal-ai/bytedance/seedream/v4/edit`."""


class Seedream45(Seedream, Seeded):
    """`fal-ai/bytedance/seedream/v4.5/text-to-image`."""

    image_size: Size | Annotated[str, one_of(f"{PRESET_NAMES} auto_2K auto_4K")] = Size(width=2048, height=2048)


class Seedream45Edit(Edited, Seedream45):
    """`fal-ai/bytedance/seedream/v4.5/edit`: the only one that keeps its seed to itself."""

    def extras(self, _files: Sequence[StoredFile], /) -> dict[str, Any]:
        """Nothing."""
        return {}


class Seedream5Lite(Seedream):
    """`bytedance/seedream/v5/lite/text-to-image`."""

    image_size: Size | Annotated[str, one_of(f"{PRESET_NAMES} auto_2K auto_3K auto_4K")] = "auto_2K"


class Seedream5LiteEdit(Edited, Seedream5Lite):
    """`bytedance/seedream/v5/lite/edit`."""


class Seedream5Pro(SizedApp):
    """`bytedance/seedream/v5/pro/text-to-image`."""

    pixels_min = 1024 * 1024
    pixels_max = 2048 * 2048
    image_size: Size | Annotated[str, one_of(f"{PRESET_NAMES} auto_1K auto_2K")] = "auto_2K"
    num_images: UpTo6 = 1
    output_format: JpegOrPng = "jpeg"
    enable_safety_checker: bool = True


class Seedream5ProEdit(Edited, Seedream5Pro):
    """`bytedance/seedream/v5/pro/edit`."""


class Diffusion(SeedTold, Seeded):
    """What the open models share: they tell whether a picture was unsafe, and the prompt."""

    image_size: Size | Preset | None = "landscape_4_3"
    num_images: UpTo4 = 1
    enable_safety_checker: bool = True

    def extras(self, files: Sequence[StoredFile], /) -> dict[str, Any]:
        """Seed, prompt and the safety checker's answers."""
        told = {"prompt": self.prompt, "timings": {}, "has_nsfw_concepts": [False for _ in files]}
        return {**super().extras(files), **told}


class Flux2Size(Size):
    """Sides that FLUX.2 can draw."""

    width: Annotated[int, Field(ge=512, le=2048)] = 512
    height: Annotated[int, Field(ge=512, le=2048)] = 512


class Flux2Klein(Diffusion):
    """`fal-ai/flux-2/klein/4b` and `/9b`."""

    num_inference_steps: Annotated[int, Field(ge=4, le=8)] = 4
    output_format: ImageFormat = "png"


class Flux2KleinEdit(Flux2Klein):
    """`fal-ai/flux-2/klein/4b/edit` and `/9b/edit`."""

    picture_fields = ("image_urls",)
    image_size: Size | Preset | None = None
    image_urls: Annotated[list[Url], Field(min_length=1, max_length=4)]


class Flux2(Diffusion):
    """`fal-ai/flux-2`."""

    image_size: Flux2Size | Preset | None = "landscape_4_3"
    acceleration: Acceleration = "regular"
    guidance_scale: Annotated[float, Field(ge=0, le=20)] = 2.5
    num_inference_steps: Annotated[int, Field(ge=4, le=50)] = 28
    output_format: ImageFormat = "png"


class Flux2Edit(Flux2):
    """`fal-ai/flux-2/edit`; of more than four pictures the first four are used."""

    picture_fields = ("image_urls",)
    image_size: Flux2Size | Preset | None = None
    image_urls: Annotated[list[Url], Field(min_length=1)]


class Flux2Pro(SeedTold, Seeded):
    """`fal-ai/flux-2-pro` and `fal-ai/flux-2-max`: one picture."""

    image_size: Size | Preset = "landscape_4_3"
    output_format: JpegOrPng = "jpeg"
    safety_tolerance: Annotated[str, one_of("1 2 3 4 5")] = "2"
    enable_safety_checker: bool = True


class Flux2ProEdit(Flux2Pro):
    """`fal-ai/flux-2-pro/edit` and `fal-ai/flux-2-max/edit`."""

    picture_fields = ("image_urls",)
    image_size: Size | PresetOrAuto = "auto"
    image_urls: Annotated[list[Url], Field(min_length=1)]


class Flux2Flex(Flux2Pro):
    """`fal-ai/flux-2-flex`."""

    guidance_scale: Annotated[float, Field(ge=1.5, le=10)] = 3.5
    num_inference_steps: Annotated[int, Field(ge=2, le=50)] = 28


class Flux2FlexEdit(Flux2ProEdit, Flux2Flex):
    """`fal-ai/flux-2-flex/edit`."""


class FluxDev(Diffusion):
    """`fal-ai/flux/dev`."""

    acceleration: Acceleration = "none"
    guidance_scale: Annotated[float, Field(ge=1, le=20)] = 3.5
    num_inference_steps: Annotated[int, Field(ge=1, le=50)] = 28
    output_format: JpegOrPng = "jpeg"


class FluxSchnell(FluxDev):
    """`fal-ai/flux/schnell`; fal's types show the 28 steps of its sibling, whose type it shares there."""

    num_inference_steps: Annotated[int, Field(ge=1, le=12)] = 4


class FastSdxl(Diffusion):
    """`fal-ai/fast-sdxl`; its format is called `format`."""

    image_size: Size | Preset | None = "square_hd"
    negative_prompt: str = ""
    num_images: Annotated[int, Field(ge=1, le=8)] = 1
    num_inference_steps: Annotated[int, Field(ge=1, le=50)] = 25
    guidance_scale: Annotated[float, Field(ge=0, le=20)] = 7.5
    format: JpegOrPng = "jpeg"

    @property
    def output_format(self) -> ImageFormat:
        """The format under the name it has elsewhere."""
        return self.format


class QwenImage(Diffusion):
    """`fal-ai/qwen-image`."""

    acceleration: Acceleration = "none"
    negative_prompt: str = " "
    guidance_scale: Annotated[float, Field(ge=0, le=20)] = 2.5
    num_inference_steps: Annotated[int, Field(ge=2, le=250)] = 30
    output_format: JpegOrPng = "png"
    use_turbo: bool = False


class Ideogram3(SeedTold, Seeded):
    """`fal-ai/ideogram/v3`; its pictures come without their pixels."""

    shows_pixels = False
    picture_fields = ("image_urls",)
    image_size: Size | Preset = "square_hd"
    image_urls: list[Url] | None = None
    negative_prompt: str = ""
    num_images: Annotated[int, Field(ge=1, le=8)] = 1
    rendering_speed: Annotated[str, one_of("TURBO BALANCED QUALITY")] = "BALANCED"
    style: Annotated[str, one_of("AUTO GENERAL REALISTIC DESIGN")] | None = None
    style_preset: Annotated[str, one_of(IDEOGRAM_PRESETS)] | None = None
    style_codes: list[str] | None = None
    expand_prompt: bool = True


class Recraft4(SizedApp):
    """`fal-ai/recraft/v4/text-to-image`, also v4.1 and the pro variants: one picture, without its pixels."""

    shows_pixels = False
    file_format = "webp"
    image_size: Size | Preset = "square_hd"
    enable_safety_checker: bool = True


class Recraft3(Recraft4):
    """`fal-ai/recraft/v3/text-to-image`; vector styles are painted like the others."""

    style: Annotated[str, OneOf(RECRAFT_STYLES)] = "realistic_image"
    style_id: str | None = None
    enable_safety_checker: bool = False


APPS: dict[str, type[App]] = {
    "openai/gpt-image-2": GptImage2,
    "openai/gpt-image-2/edit": GptImage2Edit,
    "fal-ai/gpt-image-1.5": GptImage15,
    "fal-ai/gpt-image-1.5/edit": GptImage15Edit,
    "fal-ai/bytedance/seedream/v4/text-to-image": Seedream4,
    "fal-ai/bytedance/seedream/v4/edit": Seedream4Edit,
    "fal-ai/bytedance/seedream/v4.5/text-to-image": Seedream45,
    "fal-ai/bytedance/seedream/v4.5/edit": Seedream45Edit,
    "bytedance/seedream/v5/lite/text-to-image": Seedream5Lite,
    "bytedance/seedream/v5/lite/edit": Seedream5LiteEdit,
    "bytedance/seedream/v5/pro/text-to-image": Seedream5Pro,
    "bytedance/seedream/v5/pro/edit": Seedream5ProEdit,
    "fal-ai/flux-2": Flux2,
    "fal-ai/flux-2/edit": Flux2Edit,
    "fal-ai/flux-2-pro": Flux2Pro,
    "fal-ai/flux-2-pro/edit": Flux2ProEdit,
    "fal-ai/flux-2-flex": Flux2Flex,
    "fal-ai/flux-2-flex/edit": Flux2FlexEdit,
    "fal-ai/flux-2-max": Flux2Pro,
    "fal-ai/flux-2-max/edit": Flux2ProEdit,
    "fal-ai/flux-2/klein/4b": Flux2Klein,
    "fal-ai/flux-2/klein/4b/edit": Flux2KleinEdit,
    "fal-ai/flux-2/klein/9b": Flux2Klein,
    "fal-ai/flux-2/klein/9b/edit": Flux2KleinEdit,
    "fal-ai/flux/dev": FluxDev,
    "fal-ai/flux/schnell": FluxSchnell,
    "fal-ai/fast-sdxl": FastSdxl,
    "fal-ai/qwen-image": QwenImage,
    "fal-ai/ideogram/v3": Ideogram3,
    "fal-ai/recraft/v3/text-to-image": Recraft3,
    "fal-ai/recraft/v4/text-to-image": Recraft4,
    "fal-ai/recraft/v4/pro/text-to-image": Recraft4,
    "fal-ai/recraft/v4.1/text-to-image": Recraft4,
    "fal-ai/recraft/v4.1/pro/text-to-image": Recraft4,
}
