"""Video apps: what they share, and Veo, Wan, Grok Imagine, Sora and Hailuo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from infra.sandbox.files import StoredFile
from infra.sandbox.providers.fal_apps.base import App, Seeded, Text, Url, one_of
from infra.sandbox.providers.fal_apps.shapes import Pixels, nearest_ratio, picture_ratio, ratio_of, short_sided
from infra.sandbox.render.media import Order
from infra.sandbox.render.video import VideoOrder
from infra.sandbox.sources import Found

SIDES = {"480p": 480, "540p": 540, "720p": 720, "768p": 768, "1080p": 1080, "4k": 2160}
# A picture that is narrower or wider is cropped.
PICTURE_RATIO_MAX = 2.5
GROK_RATIOS = "16:9 4:3 3:2 1:1 2:3 3:4 9:16"
UP_TO_1080P = "480p 720p 1080p"


def counted(first: int, last: int) -> str:
    """The whole numbers from first to last as words."""
    return " ".join(str(number) for number in range(first, last + 1))


class VideoApp(App):
    """What every video app shares.

    `resolution`, `aspect_ratio`, `duration` and `generate_audio` count where an app has them, with `auto` left to
    the class; the class says what the others always do.
    """

    kind = "video"
    side: ClassVar[int] = 720
    seconds: ClassVar[float] = 5
    sounds: ClassVar[bool] = False
    # The fields with the first and the last picture of the video.
    first_field: ClassVar[str] = ""
    last_field: ClassVar[str] = ""

    def pixels(self, found: Found) -> Pixels:
        """Width and height: the resolution is the shorter side, the shape asked or else the first picture's."""
        resolution = self.given("resolution", "auto")
        side = self.side if resolution == "auto" else SIDES[resolution]
        asked = self.given("aspect_ratio", None)
        if asked not in (None, "auto"):
            return short_sided(ratio_of(asked), side)
        if not found.pictures:
            return short_sided(ratio_of("16:9"), side)
        ratio = picture_ratio(found.pictures[0])
        if asked == "auto":
            return short_sided(ratio_of(nearest_ratio(ratio, self.allowed("aspect_ratio"))), side)
        return short_sided(min(PICTURE_RATIO_MAX, max(1 / PICTURE_RATIO_MAX, ratio)), side)

    def length(self, _found: Found) -> float:
        """Seconds: "5", "8s" or 6; auto is the class's."""
        duration = str(self.given("duration", "auto"))
        return self.seconds if duration == "auto" else float(duration.removesuffix("s"))

    def is_loud(self, _found: Found) -> bool:
        """Whether there is an audio track."""
        return bool(self.given("generate_audio", self.sounds))

    def words(self) -> str:
        """The prompt, or what stands for it."""
        return str(self.given("prompt", ""))

    def orders(self, found: Found, /) -> list[Order]:
        """One video."""
        width, height = self.pixels(found)
        first, last = found.picture(self.first_field), found.picture(self.last_field)
        seed = int(self.given("seed", 0))
        return [VideoOrder(self.words(), width, height, self.length(found), self.is_loud(found), seed, first, last)]


class PictureApp(VideoApp):
    """A video app that begins with `image_url`."""

    picture_fields: ClassVar[tuple[str, ...]] = ("image_url",)
    first_field = "image_url"
    image_url: Url


class SeedTold(VideoApp):
    """A video app whose answer tells the seed."""

    def extras(self, _files: Sequence[StoredFile], /) -> dict[str, Any]:
        """The seed, 0 where the input has none."""
        return {"seed": int(self.given("seed", 0))}


class VeoBase(VideoApp):
    """What all Veo 3.1 apps share."""

    seconds = 8
    prompt: Text
    generate_audio: bool = True
    resolution: Annotated[str, one_of("720p 1080p 4k")] = "720p"
    safety_tolerance: Annotated[str, one_of("1 2 3 4 5 6")] = "4"


class VeoText(VeoBase, Seeded):
    """`fal-ai/veo3.1` and `/fast`."""

    aspect_ratio: Annotated[str, one_of("16:9 9:16")] = "16:9"
    duration: Annotated[str, one_of("4s 6s 8s")] = "8s"
    negative_prompt: str | None = None
    auto_fix: bool = True


class VeoImage(PictureApp, VeoText):
    """`fal-ai/veo3.1/image-to-video` and `/fast`'s."""

    aspect_ratio: Annotated[str, one_of("auto 16:9 9:16")] = "auto"
    auto_fix: bool = False


class VeoFrames(VeoText):
    """`fal-ai/veo3.1/first-last-frame-to-video` and `/fast`'s."""

    picture_fields = ("first_frame_url", "last_frame_url")
    first_field = "first_frame_url"
    last_field = "last_frame_url"
    first_frame_url: Url
    last_frame_url: Url
    aspect_ratio: Annotated[str, one_of("auto 16:9 9:16")] = "auto"
    auto_fix: bool = False


class VeoReference(VeoBase):
    """`fal-ai/veo3.1/reference-to-video`: always 8 seconds."""

    picture_fields = ("image_urls",)
    first_field = "image_urls"
    image_urls: Annotated[list[Url], Field(min_length=1)]
    aspect_ratio: Annotated[str, one_of("16:9 9:16")] = "16:9"
    duration: Annotated[str, one_of("8s")] = "8s"
    auto_fix: bool = False


class VeoLiteText(VeoText):
    """`fal-ai/veo3.1/lite`."""

    resolution: Annotated[str, one_of("720p 1080p")] = "720p"


class VeoLiteImage(VeoImage):
    """`fal-ai/veo3.1/lite/image-to-video`."""

    resolution: Annotated[str, one_of("720p 1080p")] = "720p"


class VeoLiteFrames(VeoFrames):
    """`fal-ai/veo3.1/lite/first-last-frame-to-video`: always 8 seconds."""

    resolution: Annotated[str, one_of("720p 1080p")] = "720p"
    duration: Annotated[str, one_of("8s")] = "8s"


class WanBase(SeedTold, Seeded):
    """What both apps of Wan 2.5 share; audio_url is background music, it only has to be there."""

    sounds = True
    shows_pixels = True
    other_fields = ("audio_url",)
    prompt: Annotated[str, Field(min_length=1, max_length=1500)]
    negative_prompt: Annotated[str, Field(max_length=500)] | None = None
    audio_url: Url | None = None
    resolution: Annotated[str, one_of(UP_TO_1080P)] = "1080p"
    duration: Annotated[str, one_of("5 10")] = "5"
    enable_prompt_expansion: bool = True
    enable_safety_checker: bool = True

    def extras(self, files: Sequence[StoredFile], /) -> dict[str, Any]:
        """The seed and the prompt in the words of the model."""
        return {**super().extras(files), "actual_prompt": self.prompt}


class WanText(WanBase):
    """`fal-ai/wan-25-preview/text-to-video`."""

    aspect_ratio: Annotated[str, one_of("16:9 9:16 1:1")] = "16:9"


class WanImage(PictureApp, WanBase):
    """`fal-ai/wan-25-preview/image-to-video`: the picture's shape."""


class GrokText(VideoApp):
    """`xai/grok-imagine-video/text-to-video`."""

    sounds = True
    shows_pixels = True
    prompt: Annotated[str, Field(min_length=1, max_length=4096)]
    duration: Annotated[int, Field(ge=1, le=15)] = 6
    aspect_ratio: Annotated[str, one_of(GROK_RATIOS)] = "16:9"
    resolution: Annotated[str, one_of("480p 720p")] = "720p"


class GrokImage(PictureApp, GrokText):
    """`xai/grok-imagine-video/image-to-video`."""

    aspect_ratio: Annotated[str, one_of(f"auto {GROK_RATIOS}")] = "auto"


class GrokReference(GrokText):
    """`xai/grok-imagine-video/reference-to-video`."""

    picture_fields = ("reference_image_urls",)
    first_field = "reference_image_urls"
    reference_image_urls: Annotated[list[Url], Field(min_length=1, max_length=7)]
    duration: Annotated[int, Field(ge=1, le=10)] = 8
    resolution: Annotated[str, one_of("480p 720p")] = "480p"


class SoraText(VideoApp):
    """`fal-ai/sora-2/text-to-video` (gone from fal's types in August 2026)."""

    sounds = True
    shows_pixels = True
    prompt: Annotated[str, Field(min_length=1, max_length=5000)]
    resolution: Annotated[str, one_of("720p")] = "720p"
    aspect_ratio: Annotated[str, one_of("9:16 16:9")] = "16:9"
    duration: Literal[4, 8, 10, 12, 15, 25] = 4

    def extras(self, files: Sequence[StoredFile], /) -> dict[str, Any]:
        """The id a remix would name."""
        return {"video_id": f"video_{files[0].name.partition('.')[0]}" if files else None}


class SoraProText(SoraText):
    """`fal-ai/sora-2/text-to-video/pro`."""

    resolution: Annotated[str, one_of("720p 1080p")] = "1080p"


class SoraImage(PictureApp, SoraText):
    """`fal-ai/sora-2/image-to-video`."""

    resolution: Annotated[str, one_of("auto 720p")] = "auto"
    aspect_ratio: Annotated[str, one_of("auto 9:16 16:9")] = "auto"


class SoraProImage(SoraImage):
    """`fal-ai/sora-2/image-to-video/pro`."""

    resolution: Annotated[str, one_of("auto 720p 1080p")] = "auto"


class HailuoPro(VideoApp):
    """`fal-ai/minimax/hailuo-2.3/pro/text-to-video`: 1080p, 6 seconds, silent."""

    side = 1080
    seconds = 6
    prompt: Annotated[str, Field(min_length=1, max_length=2000)]
    prompt_optimizer: bool = True


class HailuoProImage(PictureApp, HailuoPro):
    """`fal-ai/minimax/hailuo-2.3/pro/image-to-video`."""


class Hailuo(HailuoPro):
    """`fal-ai/minimax/hailuo-2.3/standard/text-to-video`: 768p."""

    side = 768
    duration: Annotated[str, one_of("6 10")] = "6"


class HailuoImage(PictureApp, Hailuo):
    """`fal-ai/minimax/hailuo-2.3/standard/image-to-video`."""


APPS: dict[str, type[App]] = {
    "fal-ai/veo3.1": VeoText,
    "fal-ai/veo3.1/image-to-video": VeoImage,
    "fal-ai/veo3.1/first-last-frame-to-video": VeoFrames,
    "fal-ai/veo3.1/reference-to-video": VeoReference,
    "fal-ai/veo3.1/fast": VeoText,
    "fal-ai/veo3.1/fast/image-to-video": VeoImage,
    "fal-ai/veo3.1/fast/first-last-frame-to-video": VeoFrames,
    "fal-ai/veo3.1/lite": VeoLiteText,
    "fal-ai/veo3.1/lite/image-to-video": VeoLiteImage,
    "fal-ai/veo3.1/lite/first-last-frame-to-video": VeoLiteFrames,
    "fal-ai/wan-25-preview/text-to-video": WanText,
    "fal-ai/wan-25-preview/image-to-video": WanImage,
    "xai/grok-imagine-video/text-to-video": GrokText,
    "xai/grok-imagine-video/image-to-video": GrokImage,
    "xai/grok-imagine-video/reference-to-video": GrokReference,
    "fal-ai/sora-2/text-to-video": SoraText,
    "fal-ai/sora-2/text-to-video/pro": SoraProText,
    "fal-ai/sora-2/image-to-video": SoraImage,
    "fal-ai/sora-2/image-to-video/pro": SoraProImage,
    "fal-ai/minimax/hailuo-2.3/pro/text-to-video": HailuoPro,
    "fal-ai/minimax/hailuo-2.3/pro/image-to-video": HailuoProImage,
    "fal-ai/minimax/hailuo-2.3/standard/text-to-video": Hailuo,
    "fal-ai/minimax/hailuo-2.3/standard/image-to-video": HailuoImage,
}
