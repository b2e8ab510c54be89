"""Sound: speech-like syllables of a text, and music-like chords of a prompt, as 16-bit mono samples.

Everything is built of short pieces that repeat (one period of a vowel, one note, one loop of four bars), so
that minutes of sound cost little time without a numeric library.
"""

from __future__ import annotations

import array
import functools
import io
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeAlias, cast

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.packet import Packet

from infra.sandbox.render.media import Media, generator

AudioFormat = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]
TelephoneFormat = Literal["ulaw", "alaw"]
SoundFormat = AudioFormat | TelephoneFormat
Samples: TypeAlias = "array.array[int]"

SPEECH_RATE_HZ = 24_000
MUSIC_RATE_HZ = 44_100
CHARACTERS_PER_SECOND = 15.0
SPEECH_SECONDS_MIN = 0.2


class _Encoding(NamedTuple):
    container: str
    codec: str
    media_type: str
    options: Mapping[str, str] = MappingProxyType({})


_ENCODINGS: dict[SoundFormat, _Encoding] = {
    # Level 7 of 9: half the time of the default; nobody compares the sandbox's sound quality.
    "mp3": _Encoding("mp3", "libmp3lame", "audio/mpeg", {"compression_level": "7"}),
    "opus": _Encoding("ogg", "libopus", "audio/opus"),
    "aac": _Encoding("adts", "aac", "audio/aac"),
    "flac": _Encoding("flac", "flac", "audio/flac"),
    "wav": _Encoding("wav", "pcm_s16le", "audio/wav"),
    # The last three are bare samples: a reader has to know rate and form.
    "pcm": _Encoding("s16le", "pcm_s16le", "audio/pcm"),
    "ulaw": _Encoding("mulaw", "pcm_mulaw", "audio/basic"),
    "alaw": _Encoding("alaw", "pcm_alaw", "audio/x-alaw-basic"),
}
# First and second formant in Hz.
_VOWELS = {"a": (730, 1090), "e": (530, 1840), "i": (270, 2290), "o": (570, 840), "u": (300, 870)}
_VOICED_CONSONANTS = frozenset("bdgjlmnrvwyz")
_CHORDS = {"I": (0, 4, 7), "ii": (2, 5, 9), "IV": (5, 9, 12), "V": (7, 11, 14), "vi": (9, 12, 16)}
_PROGRESSIONS = (
    ("I", "V", "vi", "IV"),
    ("vi", "IV", "I", "V"),
    ("I", "vi", "ii", "V"),
    ("I", "IV", "vi", "V"),
)


@dataclass(frozen=True)
class Encoded:
    """How sound is delivered; None is what suits the sound: its own rate, and the encoder's usual bits."""

    audio_format: SoundFormat = "mp3"
    rate_hz: int | None = None
    bits_per_second: int | None = None
    stereo: bool = False


@dataclass(frozen=True)
class SpeechOrder:
    """`text` spoken at about 15 characters a second times `speed`."""

    text: str
    voice: str
    audio_format: SoundFormat = "mp3"
    speed: float = 1.0
    encoded: Encoded | None = None

    def render(self) -> Media:
        """Speaks and encodes the text."""
        samples = speak(self.text, self.voice, self.speed)
        return _as_media(samples, SPEECH_RATE_HZ, self.encoded or Encoded(self.audio_format))


@dataclass(frozen=True)
class DialogueOrder:
    """Lines spoken one after the other, each a text and its voice."""

    lines: tuple[tuple[str, str], ...]
    encoded: Encoded = Encoded()

    def render(self) -> Media:
        """Speaks and encodes the lines."""
        samples = array.array("h")
        for text, voice in self.lines:
            samples.extend(speak(text, voice, 1.0))
        return _as_media(samples, SPEECH_RATE_HZ, self.encoded)


@dataclass(frozen=True)
class MusicOrder:
    """`seconds` of music for a prompt."""

    prompt: str
    seconds: float
    audio_format: SoundFormat = "mp3"
    seed: int = 0
    encoded: Encoded | None = None

    def render(self) -> Media:
        """Plays and encodes the music."""
        samples = play(self.prompt, self.seconds, self.seed)
        return _as_media(samples, MUSIC_RATE_HZ, self.encoded or Encoded(self.audio_format))


def speech_seconds(text: str, speed: float) -> float:
    """How long a text takes to speak."""
    return max(SPEECH_SECONDS_MIN, len(text) / CHARACTERS_PER_SECOND / speed)


def speak(text: str, voice: str, speed: float) -> Samples:
    """Samples at SPEECH_RATE_HZ: a vowel sounds, a consonant hums or hisses, everything else is a pause."""
    total = round(speech_seconds(text, speed) * SPEECH_RATE_HZ)
    pitch_hz = generator("voice", voice).randrange(95, 220)
    spoken = array.array("h")
    word = 0
    for index, character in enumerate(text):
        length = total * (index + 1) // len(text) - total * index // len(text)
        word += character.isspace()
        # Words fall in pitch and start again, as sentences do.
        spoken.extend(_phoneme(_sound_of(character), pitch_hz + 8 * (3 - word % 4), length))
    return spoken


def play(prompt: str, seconds: float, seed: int) -> Samples:
    """Samples at MUSIC_RATE_HZ: four bars of pad, bass and arpeggio, repeated and faded out at the end."""
    total = round(seconds * MUSIC_RATE_HZ)
    dice = generator("music", prompt, seed)
    beat = round(MUSIC_RATE_HZ * 60 / dice.randrange(84, 128))
    root = dice.randrange(45, 57)
    bars = min(4, math.ceil(total / (4 * beat)))
    loop = array.array("h")
    for chord in dice.choice(_PROGRESSIONS)[:bars]:
        loop.extend(_bar(root, _CHORDS[chord], beat))
    played = (loop * math.ceil(total / len(loop)))[:total]
    return _faded(played, min(total // 2, MUSIC_RATE_HZ))


def encode_audio(samples: Samples, rate_hz: int, encoded: Encoded) -> bytes:
    """A file of the samples, resampled where another rate is asked."""
    encoding = _ENCODINGS[encoded.audio_format]
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=encoding.container) as container:
        # Opus knows few rates; 48 kHz is the one it is made for.
        own_rate_hz = 48_000 if encoding.codec == "libopus" else rate_hz
        stream = cast("AudioStream", container.add_stream(encoding.codec, rate=encoded.rate_hz or own_rate_hz))
        stream.layout = "stereo" if encoded.stereo else "mono"
        stream.options = dict[str, object](encoding.options)
        if encoded.bits_per_second:
            stream.bit_rate = encoded.bits_per_second
        for packet in encoded_packets(stream, samples, rate_hz):
            container.mux(packet)
    return buffer.getvalue()


def encoded_packets(stream: AudioStream, samples: Samples, rate_hz: int) -> list[Packet[AudioStream]]:
    """The stream's packets for the samples, the encoder flushed."""
    packets: list[Packet[AudioStream]] = []
    for start in range(0, len(samples), rate_hz):
        piece = samples[start : start + rate_hz]
        frame = AudioFrame(format="s16", layout="mono", samples=len(piece), align=1)
        frame.planes[0].update(piece.tobytes())
        frame.sample_rate = rate_hz
        frame.pts = start
        packets.extend(stream.encode(frame))
    packets.extend(stream.encode(None))
    return packets


def _as_media(samples: Samples, rate_hz: int, encoded: Encoded) -> Media:
    content = encode_audio(samples, rate_hz, encoded)
    media_type = _ENCODINGS[encoded.audio_format].media_type
    return Media(content, media_type, encoded.audio_format, duration_seconds=len(samples) / rate_hz)


def _sound_of(character: str) -> str:
    """A vowel, `voiced`, `hiss` or `pause`; letters of other scripts count as vowels."""
    letter = character.lower()
    if letter in _VOWELS:
        return letter
    if letter in _VOICED_CONSONANTS:
        return "voiced"
    if letter.isascii() and letter.isalnum():
        return "hiss"
    return "aeiou"[ord(letter[0]) % 5] if letter.isalpha() else "pause"


@functools.lru_cache(maxsize=512)
def _phoneme(sound: str, pitch_hz: int, length: int) -> Samples:
    if sound == "pause" or length == 0:
        return array.array("h", bytes(2 * length))
    if sound == "hiss":
        dice = generator("hiss", length)
        return array.array("h", [int(dice.uniform(-2400, 2400) * (1 - i / length) ** 2) for i in range(length)])
    loudness = 0.35 if sound == "voiced" else 1.0
    period = _vowel_period("u" if sound == "voiced" else sound, pitch_hz)
    edge = max(1, length // 6)
    shape = [min(1.0, i / edge, (length - i) / edge) * loudness for i in range(length)]
    return array.array("h", [int(level * value) for level, value in zip(shape, itertools.cycle(period), strict=False)])


@functools.lru_cache(maxsize=128)
def _vowel_period(vowel: str, pitch_hz: int) -> list[float]:
    """One period of the voice with the vowel's two formants."""
    length = round(SPEECH_RATE_HZ / pitch_hz)
    weights = [
        sum(math.exp(-(((harmonic * pitch_hz - formant) / 140) ** 2)) for formant in _VOWELS[vowel]) + 0.4 / harmonic
        for harmonic in range(1, 3400 // pitch_hz)
    ]
    period = [
        sum(w * math.sin(2 * math.pi * (h + 1) * i / length) for h, w in enumerate(weights)) for i in range(length)
    ]
    peak = max(map(abs, period))
    return [9000 * value / peak for value in period]


def _bar(root: int, chord: tuple[int, ...], beat: int) -> Samples:
    """Four beats: the chord held, its root on every beat below, its notes in eighths above."""
    length = 4 * beat
    held = [_note(root + 12 + step, length, 0.3) for step in chord]
    bass = _note(root - 12 + chord[0], beat, 1.5) * 4
    eighth = beat // 2
    lead = [level for index in range(8) for level in _note(root + 24 + chord[index % len(chord)], eighth, 4.0)]
    lead.extend([0] * (length - len(lead)))
    mixed = zip(*held, bass, lead, strict=True)
    return array.array("h", [sum(levels) for levels in mixed])


@functools.lru_cache(maxsize=256)
def _note(midi: int, length: int, decay: float) -> list[int]:
    """A plucked tone that begins at once and ends at zero; the faster `decay`, the shorter it sounds."""
    period_length = MUSIC_RATE_HZ / (440 * 2 ** ((midi - 69) / 12))
    table = [
        4200 * (math.sin(a) + 0.35 * math.sin(2 * a) + 0.15 * math.sin(3 * a))
        for a in (2 * math.pi * i / 256 for i in range(256))
    ]
    step = 256 / period_length
    fall = math.exp(-decay / MUSIC_RATE_HZ)
    attack = MUSIC_RATE_HZ // 100
    tone: list[int] = []
    level = 1.0
    for i in range(length):
        level *= fall
        edge = min(i, length - i, attack) / attack
        tone.append(int(table[int(i * step) & 255] * level * edge))
    return tone


def _faded(samples: Samples, fade: int) -> Samples:
    start = len(samples) - fade
    tail = [int(value * (fade - i) / fade) for i, value in enumerate(samples[start:])]
    return samples[:start] + array.array("h", tail)
