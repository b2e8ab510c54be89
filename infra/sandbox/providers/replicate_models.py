"""The models that the sandbox's Replicate serves: their inputs, and what they make of them.

Names and limits of the inputs are as the models' pages show them and are not verified against the live API. Sizes
of p-image by aspect ratio: https://runware.ai/docs/models/prunaai-p-image-edit.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from infra.sandbox.render.image import ImageOrder, decode_image
from infra.sandbox.render.media import Order
from infra.sandbox.render.video import VideoOrder
from infra.sandbox.sources import Found, Source

SENSITIVE = "The input or output was flagged as sensitive. Please try again with different inputs. (E005)"
NSFW = "NSFW content detected. Try running it again, or try a different prompt."
SIZES = {
    "1:1": (1024, 1024),
    "16:9": (1376, 768),
    "9:16": (768, 1376),
    "4:3": (1184, 896),
    "3:4": (896, 1184),
    "3:2": (1248, 832),
    "2:3": (832, 1248),
}
SHORT_SIDES = {"720p": 720, "1080p": 1080}

Text = Annotated[str, Field(min_length=1)]
Url = Annotated[str, Field(pattern=r"^(https?://|data:)")]
Ratio = Literal["1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3"]


class Model(BaseModel):
    """A model's input. `official` ones are called by name, the others by version."""

    model_config = ConfigDict(extra="ignore")
    official: ClassVar[bool] = True
    gives_list: ClassVar[bool] = False
    filtered: ClassVar[str] = SENSITIVE
    prompt: Text
    seed: int | None = None

    def sources(self) -> list[Source]:
        """The media the input refers to."""
        return []

    def orders(self, found: Found) -> list[Order]:
        """What to render, given what its sources held."""
        raise NotImplementedError


class PImage(Model):
    """`prunaai/p-image`."""

    aspect_ratio: Ratio = "16:9"
    disable_safety_checker: bool = False

    def orders(self, found: Found) -> list[Order]:
        """One picture."""
        return [ImageOrder(self.prompt, *SIZES[self.aspect_ratio], "jpeg", self.seed or 0, found.pictures)]


class PImageEdit(Model):
    """`prunaai/p-image-edit`."""

    images: Annotated[list[Url], Field(min_length=1, max_length=8)]
    aspect_ratio: Literal["match_input_image"] | Ratio = "match_input_image"
    turbo: bool = True
    disable_safety_checker: bool = False

    def sources(self) -> list[Source]:
        """The pictures to edit."""
        return [Source("images", url) for url in self.images]

    def orders(self, found: Found) -> list[Order]:
        """One picture, in the shape asked for or the one nearest to the first picture's."""
        if self.aspect_ratio == "match_input_image":
            first = decode_image(found.pictures[0])
            size = min(SIZES.values(), key=lambda size: abs(size[0] / size[1] - first.width / first.height))
        else:
            size = SIZES[self.aspect_ratio]
        return [ImageOrder(self.prompt, *size, "jpeg", self.seed or 0, found.pictures)]


class PVideo(Model):
    """`prunaai/p-video`."""

    image: Url | None = None
    duration: Annotated[int, Field(ge=1, le=15)] = 5
    resolution: Literal["720p", "1080p"] = "720p"
    aspect_ratio: Ratio = "16:9"
    fps: Literal[24, 48] = 24
    draft: bool = False
    save_audio: bool = True

    def sources(self) -> list[Source]:
        """The first picture, when there is one."""
        return [Source("image", self.image)] if self.image else []

    def orders(self, found: Found) -> list[Order]:
        """One video; its short side is the resolution's, and both sides are even."""
        across, down = (int(part) for part in self.aspect_ratio.split(":"))
        short = SHORT_SIDES[self.resolution]
        width, height = (short * side // min(across, down) // 2 * 2 for side in (across, down))
        first = next(iter(found.pictures), None)
        return [VideoOrder(self.prompt, width, height, float(self.duration), self.save_audio, self.seed or 0, first)]


class StableDiffusionXL(Model):
    """`stability-ai/sdxl`: of the community, billed by time, called by version, with a list of pictures."""

    official: ClassVar[bool] = False
    gives_list: ClassVar[bool] = True
    filtered: ClassVar[str] = NSFW
    negative_prompt: str = ""
    width: Annotated[int, Field(ge=256, le=1536, multiple_of=8)] = 1024
    height: Annotated[int, Field(ge=256, le=1536, multiple_of=8)] = 1024
    num_outputs: Annotated[int, Field(ge=1, le=4)] = 1

    def orders(self, _found: Found) -> list[Order]:
        """As many pictures as asked for."""
        seeds = range(self.seed or 0, (self.seed or 0) + self.num_outputs)
        return [ImageOrder(self.prompt, self.width, self.height, "png", seed) for seed in seeds]


MODELS: dict[str, type[Model]] = {
    "prunaai/p-image": PImage,
    "prunaai/p-image-edit": PImageEdit,
    "prunaai/p-video": PVideo,
    "stability-ai/sdxl": StableDiffusionXL,
}
VERSIONS = {
    "stability-ai/sdxl": "7762fd07cf82c948538e41f63f77d685e02b063e37e496e96eefd46c929f9bdc",
}
"""The version by which a community model is called."""
