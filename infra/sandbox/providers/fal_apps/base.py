"""fal's model apps: what each takes, and what it makes (after fal's model pages and its JavaScript client).

The inputs are pydantic models because fal's apps are: their validation errors come out in fal's own form.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from infra.sandbox.files import StoredFile
from infra.sandbox.render.audio import MusicOrder, SpeechOrder
from infra.sandbox.render.image import ImageFormat, ImageOrder, decode_image
from infra.sandbox.render.media import Order
from infra.sandbox.render.video import VideoOrder
from infra.sandbox.sources import Source

Text = Annotated[str, Field(min_length=1)]
Url = Annotated[str, Field(pattern=r"^(https?://|data:)")]
Pixels = tuple[int, int]

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
SEEDANCE_RATIOS = ("21:9", "16:9", "4:3", "1:1", "3:4", "9:16")
IMAGE_SIZES: dict[str, Pixels] = {
    "square_hd": (1024, 1024),
    "square": (512, 512),
    "portrait_4_3": (768, 1024),
    "portrait_16_9": (576, 1024),
    "landscape_4_3": (1024, 768),
    "landscape_16_9": (1024, 576),
}


class App(BaseModel):
    """One app's input. `kind` names the field of the output: images, video or audio."""

    model_config = ConfigDict(extra="ignore")
    kind: ClassVar[str]

    def sources(self) -> list[Source]:
        """The media the input refers to."""
        return []

    def orders(self, pictures: Sequence[bytes], /) -> list[Order]:
        """What to render, given the pictures among the sources."""
        raise NotImplementedError

    def output(self, files: Sequence[StoredFile]) -> dict[str, Any]:
        """The result; without files what fal would answer had the model made nothing."""
        if self.kind == "images":
            return {"images": [described(file) for file in files]}
        return {self.kind: described(files[0]) if files else None}


def described(file: StoredFile) -> dict[str, Any]:
    """fal's File: pictures carry their pixels as well."""
    shown: dict[str, Any] = {
        "url": file.url,
        "content_type": file.media_type,
        "file_name": file.name,
        "file_size": file.size_bytes,
    }
    if file.media_type.startswith("image/"):
        shown.update(width=file.width, height=file.height)
    return shown


class NanoBananaBase(App):
    """What both apps of `fal-ai/nano-banana` share."""

    kind = "images"
    prompt: Annotated[str, Field(min_length=3, max_length=50_000)]
    num_images: Annotated[int, Field(ge=1, le=4)] = 1
    output_format: ImageFormat = "png"
    seed: int = 0

    def output(self, files: Sequence[StoredFile]) -> dict[str, Any]:
        """Pictures with the description this model adds."""
        return {**super().output(files), "description": ""}

    def _pictures(self, aspect_ratio: str, pictures: Sequence[bytes]) -> list[Order]:
        """One picture for each of num_images, each with a seed of its own."""
        width, height = NANO_BANANA_PIXELS[aspect_ratio]
        return [
            ImageOrder(self.prompt, width, height, self.output_format, self.seed + index, tuple(pictures))
            for index in range(self.num_images)
        ]


class NanoBanana(NanoBananaBase):
    """`fal-ai/nano-banana`."""

    aspect_ratio: Literal["21:9", "16:9", "3:2", "4:3", "5:4", "1:1", "4:5", "3:4", "2:3", "9:16"] = "1:1"

    def orders(self, pictures: Sequence[bytes], /) -> list[Order]:
        """The pictures."""
        return self._pictures(self.aspect_ratio, pictures)


class NanoBananaEdit(NanoBananaBase):
    """`fal-ai/nano-banana/edit`."""

    image_urls: Annotated[list[Url], Field(min_length=1, max_length=10)]
    aspect_ratio: Literal["auto", "21:9", "16:9", "3:2", "4:3", "5:4", "1:1", "4:5", "3:4", "2:3", "9:16"] = "auto"

    def sources(self) -> list[Source]:
        """The pictures to edit."""
        return [Source("image_urls", url) for url in self.image_urls]

    def orders(self, pictures: Sequence[bytes], /) -> list[Order]:
        """The pictures; `auto` is the shape of the first source."""
        ratio = self.aspect_ratio
        return self._pictures(nearest_ratio(pictures[0], NANO_BANANA_PIXELS) if ratio == "auto" else ratio, pictures)


class Size(BaseModel):
    """Pixels asked in full."""

    width: Annotated[int, Field(ge=16, le=3840)]
    height: Annotated[int, Field(ge=16, le=3840)]


class GptImage2(App):
    """`openai/gpt-image-2`."""

    kind = "images"
    prompt: Annotated[str, Field(min_length=2, max_length=32_000)]
    image_size: (
        Size
        | Literal["square_hd", "square", "portrait_4_3", "portrait_16_9", "landscape_4_3", "landscape_16_9", "auto"]
    ) = "landscape_4_3"
    quality: Literal["auto", "low", "medium", "high"] = "high"
    num_images: Annotated[int, Field(ge=1, le=4)] = 1
    output_format: ImageFormat = "png"

    def orders(self, pictures: Sequence[bytes], /) -> list[Order]:
        """One picture for each of num_images."""
        if isinstance(self.image_size, Size):
            width, height = self.image_size.width, self.image_size.height
        else:
            width, height = IMAGE_SIZES.get(self.image_size, IMAGE_SIZES["square_hd"])
        return [
            ImageOrder(self.prompt, width, height, self.output_format, index, tuple(pictures))
            for index in range(self.num_images)
        ]


class GptImage2Edit(GptImage2):
    """`openai/gpt-image-2/edit`."""

    image_urls: Annotated[list[Url], Field(min_length=1, max_length=16)]
    mask_url: Url | None = None

    def sources(self) -> list[Source]:
        """The pictures to edit, and the mask."""
        masks = [Source("mask_url", self.mask_url)] if self.mask_url else []
        return [Source("image_urls", url) for url in self.image_urls] + masks


class KlingText(App):
    """`fal-ai/kling-video/v3/standard/text-to-video`: 720p."""

    kind = "video"
    prompt: Annotated[str, Field(min_length=1, max_length=2500)]
    duration: Literal["3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15"] = "5"
    aspect_ratio: Literal["16:9", "9:16", "1:1"] = "16:9"
    generate_audio: bool = True

    def orders(self, pictures: Sequence[bytes], /) -> list[Order]:
        """One video."""
        width, height = video_pixels(self.aspect_ratio, 720)
        first = pictures[0] if pictures else None
        return [VideoOrder(self.prompt, width, height, int(self.duration), self.generate_audio, 0, first)]


class KlingImage(KlingText):
    """`fal-ai/kling-video/v3/standard/image-to-video`; image_url is an older name."""

    start_image_url: Url
    end_image_url: Url | None = None

    @model_validator(mode="before")
    @classmethod
    def _older_name(cls, inputs: Any) -> Any:
        if isinstance(inputs, dict) and "image_url" in inputs:
            return {"start_image_url": inputs["image_url"], **inputs}
        return inputs

    def sources(self) -> list[Source]:
        """First and last picture."""
        ends = [Source("end_image_url", self.end_image_url)] if self.end_image_url else []
        return [Source("start_image_url", self.start_image_url), *ends]


class SeedanceText(App):
    """`bytedance/seedance-2.0/fast/text-to-video`."""

    kind = "video"
    prompt: Text
    resolution: Literal["480p", "720p"] = "720p"
    duration: Literal["auto", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15"] = "auto"
    aspect_ratio: Literal["auto", "21:9", "16:9", "4:3", "1:1", "3:4", "9:16"] = "auto"
    generate_audio: bool = True
    seed: int = 0

    def orders(self, pictures: Sequence[bytes], /) -> list[Order]:
        """One video; `auto` is 5 seconds, and the shape of the first picture or else 16:9."""
        first = pictures[0] if pictures else None
        width, height = video_pixels(self._ratio(first), int(self.resolution.removesuffix("p")))
        seconds = 5 if self.duration == "auto" else int(self.duration)
        return [VideoOrder(self.prompt, width, height, seconds, self.generate_audio, self.seed, first)]

    def output(self, files: Sequence[StoredFile]) -> dict[str, Any]:
        """The video with its seed."""
        return {**super().output(files), "seed": self.seed}

    def _ratio(self, first: bytes | None) -> str:
        if self.aspect_ratio != "auto":
            return self.aspect_ratio
        return nearest_ratio(first, SEEDANCE_RATIOS) if first else "16:9"


class SeedanceImage(SeedanceText):
    """`bytedance/seedance-2.0/fast/image-to-video`."""

    image_url: Url
    end_image_url: Url | None = None

    def sources(self) -> list[Source]:
        """First and last picture."""
        ends = [Source("end_image_url", self.end_image_url)] if self.end_image_url else []
        return [Source("image_url", self.image_url), *ends]


class SeedanceReference(SeedanceText):
    """`bytedance/seedance-2.0/fast/reference-to-video`."""

    image_urls: Annotated[list[Url], Field(max_length=9)] = []
    video_urls: Annotated[list[Url], Field(max_length=3)] = []
    audio_urls: Annotated[list[Url], Field(max_length=3)] = []

    def sources(self) -> list[Source]:
        """Every reference; only pictures are looked into."""
        return [
            *(Source("image_urls", url) for url in self.image_urls),
            *(Source("video_urls", url, is_picture=False) for url in self.video_urls),
            *(Source("audio_urls", url, is_picture=False) for url in self.audio_urls),
        ]


class ElevenLabsMusic(App):
    """`fal-ai/elevenlabs/music`."""

    kind = "audio"
    prompt: Text
    music_length_ms: Annotated[int, Field(ge=3_000, le=600_000)] = 30_000

    def orders(self, _pictures: Sequence[bytes], /) -> list[Order]:
        """One piece of music."""
        return [MusicOrder(self.prompt, self.music_length_ms / 1000)]


class ElevenLabsSpeech(App):
    """`fal-ai/elevenlabs/tts/eleven-v3`."""

    kind = "audio"
    text: Annotated[str, Field(min_length=1, max_length=5_000)]
    voice: str = "Rachel"

    def orders(self, _pictures: Sequence[bytes], /) -> list[Order]:
        """The spoken text."""
        return [SpeechOrder(self.text, self.voice)]


APPS: dict[str, type[App]] = {
    "fal-ai/nano-banana": NanoBanana,
    "fal-ai/nano-banana/edit": NanoBananaEdit,
    "openai/gpt-image-2": GptImage2,
    "openai/gpt-image-2/edit": GptImage2Edit,
    "fal-ai/kling-video/v3/standard/text-to-video": KlingText,
    "fal-ai/kling-video/v3/standard/image-to-video": KlingImage,
    "bytedance/seedance-2.0/fast/text-to-video": SeedanceText,
    "bytedance/seedance-2.0/fast/image-to-video": SeedanceImage,
    "bytedance/seedance-2.0/fast/reference-to-video": SeedanceReference,
    "fal-ai/elevenlabs/music": ElevenLabsMusic,
    "fal-ai/elevenlabs/tts/eleven-v3": ElevenLabsSpeech,
}


def video_pixels(aspect_ratio: str, short_side: int) -> Pixels:
    """Even width and height of an aspect ratio such as 16:9, the shorter given (H.264 needs even sides)."""
    across, down = (int(part) for part in aspect_ratio.split(":"))
    long_side = round(short_side * max(across, down) / min(across, down) / 2) * 2
    return (long_side, short_side) if across >= down else (short_side, long_side)


def nearest_ratio(picture: bytes, ratios: Iterable[str]) -> str:
    """The aspect ratio that comes closest to an encoded picture's."""
    width, height = decode_image(picture).size

    def distance(ratio: str) -> float:
        across, down = (int(part) for part in ratio.split(":"))
        return abs(math.log(width / height * down / across))

    return min(ratios, key=distance)
