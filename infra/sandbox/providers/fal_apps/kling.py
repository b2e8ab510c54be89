"""Kling at fal: versions 2.5 turbo, 2.6, 3 and O3, with shots, elements and motion control."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import BaseModel, Field, model_validator

from infra.sandbox.providers.fal_apps.base import App, Share, Url, one_of
from infra.sandbox.providers.fal_apps.images import ImageElement
from infra.sandbox.providers.fal_apps.videos import PictureApp, VideoApp, counted
from infra.sandbox.sources import Found, Source

Prompt = Annotated[str, Field(min_length=1, max_length=2500)]
Ratio = Annotated[str, one_of("16:9 9:16 1:1")]
Seconds3To15 = Annotated[str, one_of(counted(3, 15))]
NEGATIVE_PROMPT = "blur, distort, and low quality"
SHOTS_SECONDS_MAX = 15
# How long a reference video may be (fal's endpoint types, motion control).
MOTION_SECONDS_MAX = {"image": 10.0, "video": 30.0}


class Kling25Text(VideoApp):
    """`fal-ai/kling-video/v2.5-turbo/pro/text-to-video`: 1080p, silent."""

    side = 1080
    prompt: Prompt
    duration: Annotated[str, one_of("5 10")] = "5"
    aspect_ratio: Ratio = "16:9"
    negative_prompt: Annotated[str, Field(max_length=2500)] = NEGATIVE_PROMPT
    cfg_scale: Share = 0.5


class Kling25Image(PictureApp):
    """`fal-ai/kling-video/v2.5-turbo/standard/image-to-video`: 720p, silent."""

    prompt: Prompt
    duration: Annotated[str, one_of("5 10")] = "5"
    negative_prompt: Annotated[str, Field(max_length=2500)] = NEGATIVE_PROMPT
    cfg_scale: Share = 0.5


class Kling25ProImage(Kling25Image):
    """`fal-ai/kling-video/v2.5-turbo/pro/image-to-video`: 1080p, and a last picture."""

    side = 1080
    picture_fields = ("image_url", "tail_image_url")
    last_field = "tail_image_url"
    tail_image_url: Url | None = None


class Kling26Text(Kling25Text):
    """`fal-ai/kling-video/v2.6/pro/text-to-video`."""

    generate_audio: bool = True


class Frames(VideoApp):
    """First and last picture under the names of versions 2.6 and 3; image_url is an older name."""

    picture_fields = ("start_image_url", "end_image_url")
    first_field = "start_image_url"
    last_field = "end_image_url"
    start_image_url: Url
    end_image_url: Url | None = None

    @model_validator(mode="before")
    @classmethod
    def _older_name(cls, inputs: object) -> object:
        if isinstance(inputs, dict) and "image_url" in inputs:
            return {"start_image_url": inputs["image_url"], **inputs}
        return inputs


class Kling26Image(Frames):
    """`fal-ai/kling-video/v2.6/pro/image-to-video`."""

    side = 1080
    prompt: Prompt
    duration: Annotated[str, one_of("5 10")] = "5"
    generate_audio: bool = True
    negative_prompt: Annotated[str, Field(max_length=2500)] = NEGATIVE_PROMPT
    voice_ids: Annotated[list[str], Field(max_length=2)] | None = None


class Shot(BaseModel):
    """One shot of several."""

    prompt: Prompt
    duration: Annotated[str, one_of(counted(1, 15))] = "5"


class Shots(VideoApp):
    """A prompt, or else shots whose seconds are added up."""

    prompt_needed: ClassVar[bool] = True
    prompt: Prompt | None = None
    multi_prompt: Annotated[list[Shot], Field(min_length=1, max_length=6)] | None = None
    duration: Seconds3To15 = "5"

    @model_validator(mode="after")
    def _prompt_or_shots(self) -> Shots:
        if self.prompt is not None and self.multi_prompt is not None:
            raise ValueError("prompt and multi_prompt exclude each other")
        if self.prompt_needed and self.prompt is None and self.multi_prompt is None:
            raise ValueError("either prompt or multi_prompt must be provided")
        if sum(int(shot.duration) for shot in self.multi_prompt or []) > SHOTS_SECONDS_MAX:
            raise ValueError(f"the shots may last {SHOTS_SECONDS_MAX} seconds in all")
        return self

    def length(self, found: Found) -> float:
        """Seconds of the shots, or else of the video."""
        if self.multi_prompt:
            return sum(int(shot.duration) for shot in self.multi_prompt)
        return super().length(found)

    def words(self) -> str:
        """The prompt, or those of the shots."""
        return self.prompt or " / ".join(shot.prompt for shot in self.multi_prompt or [])


class Kling3Base(Shots):
    """What the text and image apps of version 3 share."""

    generate_audio: bool = True
    negative_prompt: Annotated[str, Field(max_length=2500)] = NEGATIVE_PROMPT
    cfg_scale: Share = 0.5
    shot_type: Annotated[str, one_of("customize intelligent")] = "customize"


class Kling3Text(Kling3Base):
    """`fal-ai/kling-video/v3/standard/text-to-video`: 720p."""

    aspect_ratio: Ratio = "16:9"


class Kling3ProText(Kling3Text):
    """`fal-ai/kling-video/v3/pro/text-to-video`."""

    side = 1080


class Kling34kText(Kling3Text):
    """`fal-ai/kling-video/v3/4k/text-to-video`."""

    side = 2160


class VideoElement(ImageElement):
    """A character or object: its pictures, or a video; the video only has to be there."""

    video_url: Url | None = None
    voice_id: str | None = None

    def sources(self) -> list[Source]:
        """Its pictures and its video."""
        videos = [Source("elements", self.video_url, is_picture=False)] if self.video_url else []
        return super().sources() + videos


class Elements(VideoApp):
    """Characters and objects the prompt names."""

    elements: list[VideoElement] | None = None

    def sources(self) -> list[Source]:
        """The app's own media, and what the elements have."""
        return super().sources() + [source for element in self.elements or [] for source in element.sources()]


class Kling3Image(Elements, Frames, Kling3Base):
    """`fal-ai/kling-video/v3/standard/image-to-video`: 720p."""


class Kling3ProImage(Kling3Image):
    """`fal-ai/kling-video/v3/pro/image-to-video`."""

    side = 1080


class Kling34kImage(Kling3Image):
    """`fal-ai/kling-video/v3/4k/image-to-video`."""

    side = 2160


class Kling3TurboText(Shots):
    """`fal-ai/kling-video/v3/turbo/standard/text-to-video`: 720p, with sound."""

    sounds = True
    aspect_ratio: Ratio = "16:9"


class Kling3TurboProText(Kling3TurboText):
    """`fal-ai/kling-video/v3/turbo/pro/text-to-video`."""

    side = 1080


class Kling3TurboImage(PictureApp, Shots):
    """`fal-ai/kling-video/v3/turbo/standard/image-to-video`: a picture says enough."""

    sounds = True
    prompt_needed = False


class Kling3TurboProImage(Kling3TurboImage):
    """`fal-ai/kling-video/v3/turbo/pro/image-to-video`."""

    side = 1080


class KlingO3Reference(Elements, Shots):
    """`fal-ai/kling-video/o3/standard/reference-to-video`: 720p, silent unless asked."""

    picture_fields = ("start_image_url", "end_image_url", "image_urls")
    first_field = "start_image_url"
    last_field = "end_image_url"
    start_image_url: Url | None = None
    end_image_url: Url | None = None
    image_urls: list[Url] | None = None
    aspect_ratio: Ratio = "16:9"
    generate_audio: bool = False
    shot_type: Annotated[str, one_of("customize intelligent")] = "customize"


class KlingO3ProReference(KlingO3Reference):
    """`fal-ai/kling-video/o3/pro/reference-to-video`."""

    side = 1080


class KlingO34kReference(KlingO3Reference):
    """`fal-ai/kling-video/o3/4k/reference-to-video`."""

    side = 2160


class Motion(PictureApp):
    """`fal-ai/kling-video/v2.6/standard/motion-control`: the picture moves as the reference video does.

    As long as that video, which is cut where it is longer than fal allows; the sound is that video's.
    """

    prompt: Annotated[str, Field(max_length=2500)] | None = None
    video_url: Url
    character_orientation: Annotated[str, one_of("image video")]
    keep_original_sound: bool = True

    def sources(self) -> list[Source]:
        """The picture, and the video whose length counts."""
        return [*super().sources(), Source("video_url", self.video_url, is_picture=False, is_clip=True)]

    def length(self, found: Found) -> float:
        """The reference video's seconds."""
        return min(found.clips[0].seconds, MOTION_SECONDS_MAX[self.character_orientation])

    def is_loud(self, found: Found) -> bool:
        """Whether there is a sound to keep."""
        return self.keep_original_sound and found.clips[0].has_sound


class ProMotion(Motion):
    """`fal-ai/kling-video/v2.6/pro/motion-control`."""

    side = 1080


class Motion3(Motion):
    """`fal-ai/kling-video/v3/standard/motion-control`."""

    elements: Annotated[list[ImageElement], Field(max_length=1)] | None = None

    def sources(self) -> list[Source]:
        """The picture, the video and the element's pictures."""
        return super().sources() + [source for element in self.elements or [] for source in element.sources()]


class ProMotion3(Motion3):
    """`fal-ai/kling-video/v3/pro/motion-control`."""

    side = 1080


APPS: dict[str, type[App]] = {
    "fal-ai/kling-video/v2.5-turbo/pro/text-to-video": Kling25Text,
    "fal-ai/kling-video/v2.5-turbo/pro/image-to-video": Kling25ProImage,
    "fal-ai/kling-video/v2.5-turbo/standard/image-to-video": Kling25Image,
    "fal-ai/kling-video/v2.6/pro/text-to-video": Kling26Text,
    "fal-ai/kling-video/v2.6/pro/image-to-video": Kling26Image,
    "fal-ai/kling-video/v2.6/pro/motion-control": ProMotion,
    "fal-ai/kling-video/v2.6/standard/motion-control": Motion,
    "fal-ai/kling-video/v3/standard/text-to-video": Kling3Text,
    "fal-ai/kling-video/v3/standard/image-to-video": Kling3Image,
    "fal-ai/kling-video/v3/standard/motion-control": Motion3,
    "fal-ai/kling-video/v3/pro/text-to-video": Kling3ProText,
    "fal-ai/kling-video/v3/pro/image-to-video": Kling3ProImage,
    "fal-ai/kling-video/v3/pro/motion-control": ProMotion3,
    "fal-ai/kling-video/v3/4k/text-to-video": Kling34kText,
    "fal-ai/kling-video/v3/4k/image-to-video": Kling34kImage,
    "fal-ai/kling-video/o3/standard/reference-to-video": KlingO3Reference,
    "fal-ai/kling-video/o3/pro/reference-to-video": KlingO3ProReference,
    "fal-ai/kling-video/o3/4k/reference-to-video": KlingO34kReference,
    "fal-ai/kling-video/v3/turbo/standard/text-to-video": Kling3TurboText,
    "fal-ai/kling-video/v3/turbo/standard/image-to-video": Kling3TurboImage,
    "fal-ai/kling-video/v3/turbo/pro/text-to-video": Kling3TurboProText,
    "fal-ai/kling-video/v3/turbo/pro/image-to-video": Kling3TurboProImage,
}
