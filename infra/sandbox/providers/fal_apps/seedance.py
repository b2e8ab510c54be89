"""Seedance at fal: versions 1 pro fast, 1.5 pro, and 2.0 with its fast and mini variants."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from infra.sandbox.providers.fal_apps.base import App, Seeded, Text, Url, one_of
from infra.sandbox.providers.fal_apps.videos import UP_TO_1080P, PictureApp, SeedTold, VideoApp, counted
from infra.sandbox.render.video import FRAMES_PER_SECOND
from infra.sandbox.sources import Found

SEEDANCE_RATIOS = "21:9 16:9 4:3 1:1 3:4 9:16"


class Seedance1(SeedTold, Seeded):
    """`fal-ai/bytedance/seedance/v1/pro/fast/text-to-video`: silent; num_frames wins over duration."""

    prompt: Text
    aspect_ratio: Annotated[str, one_of(SEEDANCE_RATIOS)] = "16:9"
    resolution: Annotated[str, one_of(UP_TO_1080P)] = "1080p"
    duration: Annotated[str, one_of(counted(2, 12))] = "5"
    num_frames: Annotated[int, Field(ge=29, le=289)] | None = None
    camera_fixed: bool = False
    enable_safety_checker: bool = True

    def length(self, found: Found) -> float:
        """Seconds of num_frames or of the duration."""
        return self.num_frames / FRAMES_PER_SECOND if self.num_frames else super().length(found)


class Seedance1Image(PictureApp, Seedance1):
    """`fal-ai/bytedance/seedance/v1/pro/fast/image-to-video`."""

    aspect_ratio: Annotated[str, one_of(f"{SEEDANCE_RATIOS} auto")] = "auto"


class Seedance15(SeedTold, Seeded):
    """`fal-ai/bytedance/seedance/v1.5/pro/text-to-video`."""

    prompt: Text
    aspect_ratio: Annotated[str, one_of(f"{SEEDANCE_RATIOS} auto")] = "16:9"
    resolution: Annotated[str, one_of(UP_TO_1080P)] = "720p"
    duration: Annotated[str, one_of(counted(4, 12))] = "5"
    generate_audio: bool = True
    camera_fixed: bool = False
    enable_safety_checker: bool = True


class Seedance15Image(PictureApp, Seedance15):
    """`fal-ai/bytedance/seedance/v1.5/pro/image-to-video`."""

    picture_fields = ("image_url", "end_image_url")
    last_field = "end_image_url"
    end_image_url: Url | None = None


class Seedance2Mini(SeedTold):
    """`bytedance/seedance-2.0/mini/text-to-video`; `auto` is 5 seconds."""

    prompt: Text
    resolution: Annotated[str, one_of("480p 720p")] = "720p"
    duration: Annotated[str, one_of(f"auto {counted(4, 15)}")] = "auto"
    aspect_ratio: Annotated[str, one_of(f"auto {SEEDANCE_RATIOS}")] = "auto"
    generate_audio: bool = True
    end_user_id: str | None = None


class Seedance2Fast(Seedance2Mini):
    """`bytedance/seedance-2.0/fast/text-to-video`."""

    bitrate_mode: Annotated[str, one_of("standard high")] = "standard"


class Seedance2(Seedance2Fast):
    """`bytedance/seedance-2.0/text-to-video`."""

    resolution: Annotated[str, one_of(f"{UP_TO_1080P} 4k")] = "720p"


class Seedance2Picture(PictureApp):
    """What the image-to-video apps of Seedance 2 add."""

    picture_fields = ("image_url", "end_image_url")
    last_field = "end_image_url"
    end_image_url: Url | None = None


class Seedance2References(VideoApp):
    """What the reference-to-video apps of Seedance 2 add; only pictures are looked into."""

    picture_fields = ("image_urls",)
    other_fields = ("video_urls", "audio_urls")
    first_field = "image_urls"
    image_urls: Annotated[list[Url], Field(max_length=9)] | None = None
    video_urls: Annotated[list[Url], Field(max_length=3)] | None = None
    audio_urls: Annotated[list[Url], Field(max_length=3)] | None = None

    @model_validator(mode="after")
    def _possible_references(self) -> Seedance2References:
        if self.audio_urls and not (self.image_urls or self.video_urls):
            raise ValueError("audio_urls need at least one reference image or video")
        if len(self.sources()) > 12:
            raise ValueError("at most 12 references are allowed in all")
        return self


class Seedance2MiniImage(Seedance2Picture, Seedance2Mini):
    """`bytedance/seedance-2.0/mini/image-to-video`."""


class Seedance2MiniReference(Seedance2References, Seedance2Mini):
    """`bytedance/seedance-2.0/mini/reference-to-video`."""


class Seedance2FastImage(Seedance2Picture, Seedance2Fast):
    """`bytedance/seedance-2.0/fast/image-to-video`."""


class Seedance2FastReference(Seedance2References, Seedance2Fast):
    """`bytedance/seedance-2.0/fast/reference-to-video`."""


class Seedance2Image(Seedance2Picture, Seedance2):
    """`bytedance/seedance-2.0/image-to-video`."""


class Seedance2Reference(Seedance2References, Seedance2):
    """`bytedance/seedance-2.0/reference-to-video`."""


APPS: dict[str, type[App]] = {
    "fal-ai/bytedance/seedance/v1/pro/fast/text-to-video": Seedance1,
    "fal-ai/bytedance/seedance/v1/pro/fast/image-to-video": Seedance1Image,
    "fal-ai/bytedance/seedance/v1.5/pro/text-to-video": Seedance15,
    "fal-ai/bytedance/seedance/v1.5/pro/image-to-video": Seedance15Image,
    "bytedance/seedance-2.0/text-to-video": Seedance2,
    "bytedance/seedance-2.0/image-to-video": Seedance2Image,
    "bytedance/seedance-2.0/reference-to-video": Seedance2Reference,
    "bytedance/seedance-2.0/fast/text-to-video": Seedance2Fast,
    "bytedance/seedance-2.0/fast/image-to-video": Seedance2FastImage,
    "bytedance/seedance-2.0/fast/reference-to-video": Seedance2FastReference,
    "bytedance/seedance-2.0/mini/text-to-video": Seedance2Mini,
    "bytedance/seedance-2.0/mini/image-to-video": Seedance2MiniImage,
    "bytedance/seedance-2.0/mini/reference-to-video": Seedance2MiniReference,
}
