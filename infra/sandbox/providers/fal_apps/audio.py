"""Audio apps: speech, music and sound effects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal, cast

from pydantic import BaseModel, Field, model_validator

from infra.sandbox.files import StoredFile
from infra.sandbox.providers.fal_apps.base import App, OneOf, Seeded, Share, Text, Url, one_of
from infra.sandbox.providers.fal_apps.words import (
    ELEVENLABS_FORMATS,
    GEMINI_LANGUAGES,
    GEMINI_VOICES,
    MINIMAX_LANGUAGES,
)
from infra.sandbox.render.audio import AudioFormat, DialogueOrder, Encoded, MusicOrder, SoundFormat, SpeechOrder
from infra.sandbox.render.media import Order
from infra.sandbox.sources import Found


class AudioApp(App):
    """What every audio app shares."""

    kind = "audio"

    def encoded(self) -> Encoded:
        """The form the sound is delivered in."""
        return Encoded()


class MusicApp(AudioApp):
    """An app that makes music of `prompt`; `seconds` where the input says no length."""

    seconds: ClassVar[float] = 30

    def length(self) -> float:
        """Seconds of music."""
        return self.seconds

    def orders(self, _found: Found, /) -> list[Order]:
        """One piece of music."""
        prompt, seed = str(self.given("prompt", "")), int(self.given("seed", 0))
        return [MusicOrder(prompt, self.length(), seed=seed, encoded=self.encoded())]


class ElevenLabsEncoded(AudioApp):
    """The output formats of ElevenLabs: codec, rate in Hz and kilobits a second."""

    output_format: Annotated[str, one_of(ELEVENLABS_FORMATS)] = "mp3_44100_128"

    def encoded(self) -> Encoded:
        """The format's three parts; bare samples have no bits."""
        codec, rate_hz, *kilobits = self.output_format.split("_")
        bits_per_second = int(kilobits[0]) * 1000 if kilobits else None
        return Encoded(cast("SoundFormat", codec), int(rate_hz), bits_per_second)


class MusicSection(BaseModel):
    """One section of a planned song."""

    section_name: Annotated[str, Field(min_length=1, max_length=100)]
    duration_ms: Annotated[int, Field(ge=3_000, le=120_000)]
    lines: list[Annotated[str, Field(max_length=200)]]
    positive_local_styles: list[str]
    negative_local_styles: list[str]


class MusicPlan(BaseModel):
    """A song in sections."""

    positive_global_styles: list[str]
    negative_global_styles: list[str]
    sections: Annotated[list[MusicSection], Field(min_length=1)]


class ElevenLabsMusic(ElevenLabsEncoded, MusicApp):
    """`fal-ai/elevenlabs/music`: of a prompt, or else of a plan, which has its own length."""

    prompt: Text | None = None
    composition_plan: MusicPlan | None = None
    music_length_ms: Annotated[int, Field(ge=3_000, le=600_000)] | None = None
    force_instrumental: bool = False
    respect_sections_durations: bool = True

    @model_validator(mode="after")
    def _prompt_or_plan(self) -> ElevenLabsMusic:
        if (self.prompt is None) == (self.composition_plan is None):
            raise ValueError("either prompt or composition_plan must be provided")
        return self

    def length(self) -> float:
        """The plan's sections together, or the length asked."""
        if self.composition_plan is not None:
            return sum(section.duration_ms for section in self.composition_plan.sections) / 1000
        return self.music_length_ms / 1000 if self.music_length_ms else self.seconds


class ElevenLabsEffect(ElevenLabsEncoded):
    """`fal-ai/elevenlabs/sound-effects/v2`; 5 seconds where no length is asked."""

    text: Text
    duration_seconds: Annotated[float, Field(ge=0.5, le=22)] | None = None
    prompt_influence: Share = 0.3
    loop: bool = False

    def orders(self, _found: Found, /) -> list[Order]:
        """One sound."""
        return [MusicOrder(self.text, self.duration_seconds or 5.0, encoded=self.encoded())]


class ElevenLabsSpeech(AudioApp):
    """`fal-ai/elevenlabs/tts/eleven-v3`."""

    text: Annotated[str, Field(min_length=1, max_length=5_000)]
    voice: str = "Rachel"
    stability: Share = 0.5
    timestamps: bool = False
    language_code: str | None = None
    apply_text_normalization: Annotated[str, one_of("auto on off")] = "auto"

    def extras(self, _files: Sequence[StoredFile], /) -> dict[str, Any]:
        """No timestamps, asked or not."""
        return {"timestamps": None}

    def orders(self, _found: Found, /) -> list[Order]:
        """The spoken text."""
        return [SpeechOrder(self.text, self.voice, speed=float(self.given("speed", 1)), encoded=self.encoded())]


class ElevenLabsSpeech2(ElevenLabsSpeech):
    """`fal-ai/elevenlabs/tts/multilingual-v2` and `/turbo-v2.5`."""

    text: Annotated[str, Field(min_length=1, max_length=40_000)]
    similarity_boost: Share = 0.75
    style: Share = 0
    speed: Annotated[float, Field(ge=0.7, le=1.2)] = 1
    previous_text: str | None = None
    next_text: str | None = None


class Line(BaseModel):
    """A line of a dialogue."""

    text: Text
    voice: Text


class ElevenLabsDialogue(AudioApp, Seeded):
    """`fal-ai/elevenlabs/text-to-dialogue/eleven-v3`."""

    inputs: Annotated[list[Line], Field(min_length=1)]
    stability: Share | None = None
    use_speaker_boost: bool | None = None
    language_code: str | None = None

    def extras(self, _files: Sequence[StoredFile], /) -> dict[str, Any]:
        """The seed."""
        return {"seed": self.given("seed", 0)}

    def orders(self, _found: Found, /) -> list[Order]:
        """The lines, each in its voice."""
        return [DialogueOrder(tuple((line.text, line.voice) for line in self.inputs), self.encoded())]


class SpeechSetting(BaseModel):
    """MiniMax's encoding of speech."""

    format: Literal["mp3", "pcm", "flac"] = "mp3"
    sample_rate: Literal[8000, 16000, 22050, 24000, 32000, 44100] = 32000
    bitrate: Literal[32000, 64000, 128000, 256000] = 128000
    channel: Literal[1, 2] = 1


class VoiceSetting(BaseModel):
    """MiniMax's voice."""

    voice_id: str = "Wise_Woman"
    speed: Annotated[float, Field(ge=0.5, le=2)] = 1
    vol: Annotated[float, Field(gt=0, le=10)] = 1
    pitch: Annotated[int, Field(ge=-12, le=12)] = 0
    emotion: Annotated[str, one_of("happy sad angry fearful disgusted surprised neutral")] | None = None
    english_normalization: bool = False


class MiniMaxSpeech(AudioApp):
    """`fal-ai/minimax/speech-*`: the text is `prompt`; fal's File carries a URL whatever output_format says."""

    prompt: Annotated[str, Field(min_length=1, max_length=10_000)]
    voice_setting: VoiceSetting = VoiceSetting()
    audio_setting: SpeechSetting = SpeechSetting()
    language_boost: Annotated[str, one_of(MINIMAX_LANGUAGES)] | None = None
    output_format: Annotated[str, one_of("url hex")] = "hex"

    def encoded(self) -> Encoded:
        """As audio_setting asks."""
        asked = self.audio_setting
        bits_per_second = asked.bitrate if asked.format == "mp3" else None
        return Encoded(asked.format, asked.sample_rate, bits_per_second, stereo=asked.channel == 2)

    def extras(self, files: Sequence[StoredFile], /) -> dict[str, Any]:
        """Milliseconds of speech."""
        return {"duration_ms": round((files[0].duration_seconds or 0) * 1000) if files else 0}

    def orders(self, _found: Found, /) -> list[Order]:
        """The spoken text."""
        voice = self.voice_setting
        return [SpeechOrder(self.prompt, voice.voice_id, speed=voice.speed, encoded=self.encoded())]


class MiniMaxMusic2(MusicApp):
    """`fal-ai/minimax-music/v2`: a song of a minute."""

    seconds = 60
    prompt: Annotated[str, Field(min_length=10, max_length=300)]
    lyrics_prompt: Annotated[str, Field(min_length=10, max_length=3000)]
    audio_setting: SpeechSetting = SpeechSetting()

    def encoded(self) -> Encoded:
        """As audio_setting asks."""
        asked = self.audio_setting
        return Encoded(asked.format, asked.sample_rate, asked.bitrate if asked.format == "mp3" else None)


class SongSetting(BaseModel):
    """MiniMax's encoding of music since version 2.5."""

    format: Literal["mp3", "wav", "pcm"] = "mp3"
    sample_rate: Literal[16000, 24000, 32000, 44100] = 44100
    bitrate: Literal[32000, 64000, 128000, 256000] = 256000


class MiniMaxMusic26(MusicApp):
    """`fal-ai/minimax-music/v2.6`: a song of a minute; lyrics may be left out of what is instrumental."""

    seconds = 60
    prompt: Annotated[str, Field(min_length=1, max_length=2000)]
    lyrics: Annotated[str, Field(max_length=3500)] = ""
    lyrics_optimizer: bool = False
    is_instrumental: bool = False
    audio_setting: SongSetting = SongSetting()

    @model_validator(mode="after")
    def _lyrics_or_none_needed(self) -> MiniMaxMusic26:
        if not (self.lyrics or self.lyrics_optimizer or self.is_instrumental):
            raise ValueError("lyrics are required unless is_instrumental or lyrics_optimizer is true")
        return self

    def encoded(self) -> Encoded:
        """As audio_setting asks."""
        asked = self.audio_setting
        return Encoded(asked.format, asked.sample_rate, asked.bitrate if asked.format == "mp3" else None)


class Lyria2(MusicApp, Seeded):
    """`fal-ai/lyria2`: 30 seconds in WAV."""

    prompt: Text
    negative_prompt: str = "low quality"

    def encoded(self) -> Encoded:
        """WAV at 48 kHz, as the model's card says."""
        return Encoded("wav", 48_000)


class Lyria3(MusicApp):
    """`fal-ai/lyria3`: a clip of 30 seconds."""

    picture_fields = ("image_url",)
    prompt: Text
    image_url: Url | None = None

    def extras(self, _files: Sequence[StoredFile], /) -> dict[str, Any]:
        """No lyrics: nobody sings."""
        return {"lyrics": None}


class Lyria3Pro(Lyria3):
    """`fal-ai/lyria3/pro`: a song of two minutes."""

    seconds = 120


class Speaker(BaseModel):
    """One of several voices."""

    speaker_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9]+$")]
    voice: Annotated[str, one_of(GEMINI_VOICES)]


class Gemini31Speech(AudioApp):
    """`fal-ai/gemini-3.1-flash-tts`; several speakers all sound like the first."""

    prompt: Text
    style_instructions: str | None = None
    voice: Annotated[str, one_of(GEMINI_VOICES)] = "Kore"
    language_code: Annotated[str, OneOf(GEMINI_LANGUAGES)] | None = None
    speakers: list[Speaker] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] = 1
    output_format: Annotated[str, one_of("wav mp3 ogg_opus")] = "mp3"

    def encoded(self) -> Encoded:
        """Ogg with Opus is this sandbox's opus."""
        return Encoded(cast("AudioFormat", self.output_format.removeprefix("ogg_")))

    def orders(self, _found: Found, /) -> list[Order]:
        """The spoken text."""
        voice = self.speakers[0].voice if self.speakers else self.voice
        return [SpeechOrder(self.prompt, voice, encoded=self.encoded())]


class GeminiSpeech(Gemini31Speech):
    """`fal-ai/gemini-tts`."""

    model: Annotated[str, one_of("gemini-2.5-flash-tts gemini-2.5-pro-tts")] = "gemini-2.5-flash-tts"


class StableAudio(MusicApp, Seeded):
    """`fal-ai/stable-audio-25/text-to-audio`."""

    prompt: Text
    seconds_total: Annotated[int, Field(ge=1, le=190)] = 190
    num_inference_steps: Annotated[int, Field(ge=4, le=8)] = 8
    guidance_scale: Annotated[float, Field(ge=1, le=25)] = 1

    def length(self) -> float:
        """The seconds asked."""
        return self.seconds_total

    def encoded(self) -> Encoded:
        """WAV, as fal delivers it."""
        return Encoded("wav")

    def extras(self, _files: Sequence[StoredFile], /) -> dict[str, Any]:
        """The seed."""
        return {"seed": self.given("seed", 0)}


APPS: dict[str, type[App]] = {
    "fal-ai/elevenlabs/music": ElevenLabsMusic,
    "fal-ai/elevenlabs/sound-effects/v2": ElevenLabsEffect,
    "fal-ai/elevenlabs/tts/eleven-v3": ElevenLabsSpeech,
    "fal-ai/elevenlabs/tts/multilingual-v2": ElevenLabsSpeech2,
    "fal-ai/elevenlabs/tts/turbo-v2.5": ElevenLabsSpeech2,
    "fal-ai/elevenlabs/text-to-dialogue/eleven-v3": ElevenLabsDialogue,
    "fal-ai/minimax/speech-2.8-hd": MiniMaxSpeech,
    "fal-ai/minimax/speech-2.8-turbo": MiniMaxSpeech,
    "fal-ai/minimax/speech-2.6-hd": MiniMaxSpeech,
    "fal-ai/minimax/speech-2.6-turbo": MiniMaxSpeech,
    "fal-ai/minimax-music/v2": MiniMaxMusic2,
    "fal-ai/minimax-music/v2.6": MiniMaxMusic26,
    "fal-ai/lyria2": Lyria2,
    "fal-ai/lyria3": Lyria3,
    "fal-ai/lyria3/pro": Lyria3Pro,
    "fal-ai/gemini-tts": GeminiSpeech,
    "fal-ai/gemini-3.1-flash-tts": Gemini31Speech,
    "fal-ai/stable-audio-25/text-to-audio": StableAudio,
}
