"""What Google's models take, what they make of it, and the tokens that it costs (the `google-genai` package's types).

Google refuses fields that it does not know, and so do these forms; of those that it knows, the ones are here that
matter to what is made.
"""

from __future__ import annotations

import base64
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic.alias_generators import to_camel

from infra.sandbox.providers.fal_apps.images import GOOGLE_RATIOS
from infra.sandbox.providers.fal_apps.shapes import Pixels, of_area, picture_ratio, ratio_of
from infra.sandbox.providers.openai_chat import composed, tokens_of
from infra.sandbox.render.audio import DialogueOrder, Encoded, MusicOrder, SpeechOrder
from infra.sandbox.render.image import ImageOrder, decode_image
from infra.sandbox.render.media import Media, Order, generator
from infra.sandbox.render.video import VideoOrder

PICTURE_MODELS: dict[str, dict[str, int]] = {
    "gemini-2.5-flash-image": {"1K": 1290},
    "gemini-3.1-flash-image": {"512": 747, "1K": 1120, "2K": 1680, "4K": 2520},
    "gemini-3-pro-image": {"1K": 1120, "2K": 1120, "4K": 2000},
}
"""Tokens of a picture by size, as their price lists give them."""
SONG_SECONDS = {"lyria-3-clip-preview": 30.0, "lyria-3-pro-preview": 120.0}
IMAGEN_MODEL = re.compile(r"imagen-4\.0-(fast-|ultra-)?generate-001")
VIDEO_MODEL = re.compile(r"veo-3\.1-(fast-|lite-)?generate-001")
SPEECH_MODEL = re.compile(r"gemini-[\d.]+-(flash|pro|flash-lite)-tts")
TEXT_MODEL = re.compile(r"gemini-[\d.]+-(flash|pro|flash-lite)")

PCM_TYPE = "audio/L16;codec=pcm;rate=24000"
SOURCE_TOKENS = 258
SOUND_TOKENS_PER_SECOND = 25
THOUGHT_TOKENS = 64
SIDES = {"512": 512, "1K": 1024, "2K": 2048, "4K": 4096}
_RATIOS = frozenset(f"{GOOGLE_RATIOS} 4:1 1:4 8:1 1:8".split())

Base64 = Annotated[str, Field(min_length=1)]


def decoded(encoded: str) -> bytes:
    """Bytes of base64 in either alphabet, as protocol buffers read it; the package writes the one for URLs."""
    return base64.b64decode(encoded.replace("-", "+").replace("_", "/"))


class Known(BaseModel):
    """A form whose fields are all that there are; in either spelling, as protocol buffers read JSON."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True)


class Blob(Known):
    """Media in the request."""

    mime_type: str
    data: Base64

    @property
    def content(self) -> bytes:
        """The bytes."""
        return decoded(self.data)


class Part(Known):
    """A text or a medium."""

    text: str | None = None
    inline_data: Blob | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Part:
        if (self.text is None) == (self.inline_data is None):
            raise ValueError("contents.parts must not be empty.")
        if self.inline_data is not None and self.inline_data.mime_type.startswith("image/"):
            try:
                decode_image(self.inline_data.content)
            except (OSError, ValueError, SyntaxError):
                raise ValueError("Unable to process input image. Please retry.") from None
        return self


class Content(Known):
    """A turn of a conversation."""

    role: Literal["user", "model"] = "user"
    parts: Annotated[list[Part], Field(min_length=1)]


class ImageConfig(Known):
    """The shape of a picture."""

    aspect_ratio: str | None = None
    image_size: Literal["512", "1K", "2K", "4K"] | None = None

    @field_validator("aspect_ratio")
    @classmethod
    def _ratio_is_served(cls, ratio: str | None) -> str | None:
        if ratio is not None and ratio not in _RATIOS:
            raise ValueError("aspect_ratio is not supported")
        return ratio


class PrebuiltVoice(Known):
    """One of thirty."""

    voice_name: Annotated[str, Field(pattern=r"^[A-Z][a-z]+$")]


class Voice(Known):
    """Who speaks."""

    prebuilt_voice_config: PrebuiltVoice


class Speaker(Known):
    """Who speaks the lines of one name."""

    speaker: str
    voice_config: Voice


class Speakers(Known):
    """Exactly two."""

    speaker_voice_configs: Annotated[list[Speaker], Field(min_length=2, max_length=2)]


class SpeechConfig(Known):
    """One voice, or those of a dialogue."""

    voice_config: Voice | None = None
    multi_speaker_voice_config: Speakers | None = None


class GenerationConfig(Known):
    """How it is to be made."""

    response_modalities: list[Literal["TEXT", "IMAGE", "AUDIO"]] = []
    image_config: ImageConfig = ImageConfig()
    speech_config: SpeechConfig = SpeechConfig()
    temperature: Annotated[float, Field(ge=0, le=2)] = 1
    top_p: Annotated[float, Field(ge=0, le=1)] = 1
    seed: int = 0
    max_output_tokens: Annotated[int, Field(ge=1)] | None = None


class GenerateRequest(Known):
    """The body of `generateContent`; the model is the address's."""

    model: str
    contents: Annotated[list[Content], Field(min_length=1)]
    system_instruction: Content | None = None
    generation_config: GenerationConfig = GenerationConfig()

    @model_validator(mode="after")
    def _modalities_are_the_models(self) -> GenerateRequest:
        config = self.generation_config
        if self.kind == "speech" and "AUDIO" not in config.response_modalities:
            raise ValueError("The requested combination of response modalities (TEXT) is not supported by the model.")
        if self.kind == "picture" and (config.image_config.image_size or "1K") not in PICTURE_MODELS[self.model]:
            raise ValueError("image_size is not supported by the model")
        return self

    @property
    def kind(self) -> Literal["picture", "speech", "music", "text"]:
        """What the model makes."""
        if self.model in PICTURE_MODELS:
            return "picture"
        if self.model in SONG_SECONDS:
            return "music"
        return "speech" if SPEECH_MODEL.fullmatch(self.model) else "text"

    @property
    def parts(self) -> list[Part]:
        """Everything that was given."""
        return [part for content in self.contents for part in content.parts]

    @property
    def words(self) -> str:
        """Everything that was said."""
        return "\n".join(part.text for part in self.parts if part.text is not None)

    @property
    def pictures(self) -> tuple[bytes, ...]:
        """Every picture that was given."""
        return tuple(part.inline_data.content for part in self.parts if part.inline_data is not None)

    def order(self) -> Order | None:
        """What is to be rendered; nothing where the model writes."""
        config = self.generation_config
        if self.kind == "picture":
            width, height = self._pixels()
            return ImageOrder(self.words, width, height, "jpeg", config.seed, self.pictures)
        if self.kind == "music":
            return MusicOrder(self.words, SONG_SECONDS[self.model], "mp3", config.seed)
        return self._speech() if self.kind == "speech" else None

    def text(self) -> str:
        """What a model of texts writes."""
        text = composed(generator(self.model, self.words, self.generation_config.seed), self.words[:80])
        most = self.generation_config.max_output_tokens
        return text if most is None else text[: max(most - self.thoughts, 0) * 4]

    @property
    def thoughts(self) -> int:
        """Tokens of thinking: of the third generation of Gemini, and of what writes or draws."""
        return THOUGHT_TOKENS if self.model.startswith("gemini-3") and self.kind in ("picture", "text") else 0

    def usage(self, media: Media | None, text: str) -> dict[str, Any]:
        """`usageMetadata` of what was made."""
        given = {"TEXT": tokens_of(self.words), "IMAGE": SOURCE_TOKENS * len(self.pictures)}
        made = {"TEXT": tokens_of(text), "IMAGE": 0, "AUDIO": 0}
        if media is not None and self.kind == "picture":
            made["IMAGE"] = PICTURE_MODELS[self.model][self.generation_config.image_config.image_size or "1K"]
        elif media is not None:
            made["AUDIO"] = round((media.duration_seconds or 0) * SOUND_TOKENS_PER_SECOND)
        told: dict[str, Any] = {
            "promptTokenCount": sum(given.values()),
            "candidatesTokenCount": sum(made.values()),
            "totalTokenCount": sum(given.values()) + sum(made.values()) + self.thoughts,
            "promptTokensDetails": _by_kind(given),
            "candidatesTokensDetails": _by_kind(made),
        }
        return {**told, "thoughtsTokenCount": self.thoughts} if self.thoughts else told

    def _pixels(self) -> Pixels:
        config = self.generation_config.image_config
        if config.aspect_ratio:
            ratio = ratio_of(config.aspect_ratio)
        else:
            ratio = picture_ratio(self.pictures[-1]) if self.pictures else 1.0
        return of_area(ratio, SIDES[config.image_size or "1K"] ** 2)

    def _speech(self) -> Order:
        speech = self.generation_config.speech_config
        if speech.multi_speaker_voice_config is None:
            voice = speech.voice_config.prebuilt_voice_config.voice_name if speech.voice_config else "Kore"
            return SpeechOrder(self.words, voice, "pcm")
        voices = {
            one.speaker: one.voice_config.prebuilt_voice_config.voice_name
            for one in speech.multi_speaker_voice_config.speaker_voice_configs
        }
        lines = (line.partition(":") for line in self.words.splitlines() if line.strip())
        return DialogueOrder(tuple((text, voices.get(name, "Kore")) for name, _, text in lines), Encoded("pcm"))


class Picture(Known):
    """A picture in a prediction's request."""

    bytes_base64_encoded: Base64
    mime_type: str

    @property
    def content(self) -> bytes:
        """The bytes."""
        return decoded(self.bytes_base64_encoded)

    @field_validator("bytes_base64_encoded")
    @classmethod
    def _is_a_picture(cls, encoded: str) -> str:
        try:
            decode_image(decoded(encoded))
        except (OSError, ValueError, SyntaxError):
            raise ValueError("Unable to process input image.") from None
        return encoded


class Reference(Known):
    """What a video shows."""

    image: Picture
    reference_type: Literal["asset"]


class Instance(Known):
    """What is to be made."""

    prompt: Annotated[str, Field(min_length=1)]
    image: Picture | None = None
    last_frame: Picture | None = None
    reference_images: Annotated[list[Reference], Field(max_length=3)] = []


class ImagenParameters(Known):
    """How many pictures, and of which shape."""

    sample_count: Annotated[int, Field(ge=1, le=4)] = 4
    aspect_ratio: Literal["1:1", "3:4", "4:3", "9:16", "16:9"] = "1:1"
    person_generation: Literal["dont_allow", "allow_adult", "allow_all"] = "allow_adult"
    include_rai_reason: bool = False


class PredictRequest(Known):
    """The body of Imagen's `predict`."""

    instances: Annotated[list[Instance], Field(min_length=1, max_length=1)]
    parameters: ImagenParameters = ImagenParameters()

    def orders(self) -> list[ImageOrder]:
        """The pictures to draw."""
        width, height = of_area(ratio_of(self.parameters.aspect_ratio), 1024 * 1024)
        prompt = self.instances[0].prompt
        return [ImageOrder(prompt, width, height, "png", seed) for seed in range(self.parameters.sample_count)]


class VeoParameters(Known):
    """How long, how large; there is always sound."""

    aspect_ratio: Literal["16:9", "9:16"] = "16:9"
    resolution: Literal["720p", "1080p", "4k"] = "720p"
    duration_seconds: Literal[4, 6, 8] = 8
    negative_prompt: str = ""
    person_generation: Literal["dont_allow", "allow_adult", "allow_all"] = "allow_all"
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    sample_count: Literal[1] = 1

    @field_validator("duration_seconds")
    @classmethod
    def _large_is_long(cls, seconds: int, info: ValidationInfo) -> int:
        if seconds != 8 and info.data.get("resolution") in ("1080p", "4k"):
            raise ValueError("durationSeconds must be 8 for this resolution")
        return seconds


class VideoRequest(Known):
    """The body of Veo's `predictLongRunning`; the model is the address's."""

    model: str
    instances: Annotated[list[Instance], Field(min_length=1, max_length=1)]
    parameters: VeoParameters = VeoParameters()

    @model_validator(mode="after")
    def _belongs_together(self) -> VideoRequest:
        instance, parameters = self.instances[0], self.parameters
        if instance.last_frame is not None and instance.image is None:
            raise ValueError("lastFrame needs image")
        if instance.reference_images and (instance.image is not None or parameters.duration_seconds != 8):
            raise ValueError("referenceImages need 8 seconds, and no image")
        if "-lite-" in self.model and (instance.reference_images or parameters.resolution == "4k"):
            raise ValueError("referenceImages and 4k are not supported by this model")
        return self

    def order(self) -> VideoOrder:
        """The video to film."""
        instance, wanted = self.instances[0], self.parameters
        short = {"720p": 720, "1080p": 1080, "4k": 2160}[wanted.resolution]
        width, height = (short * 16 // 9, short) if wanted.aspect_ratio == "16:9" else (short, short * 16 // 9)
        first = instance.image or next((one.image for one in instance.reference_images), None)
        return VideoOrder(
            instance.prompt,
            width,
            height,
            float(wanted.duration_seconds),
            audio=True,
            seed=wanted.seed,
            first_picture=first.content if first else None,
            last_picture=instance.last_frame.content if instance.last_frame else None,
        )


def _by_kind(counted: dict[str, int]) -> list[dict[str, Any]]:
    return [{"modality": kind, "tokenCount": number} for kind, number in counted.items() if number]
