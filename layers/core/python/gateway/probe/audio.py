"""MP3, WAV, FLAC, Ogg: sound without pictures.

Layouts: ISO/IEC 11172-3, 2.4.2.3 (MPEG audio's header); id3.org, "ID3v2.4.0 main structure"; gabriel.mp3-tech.org,
"The Xing, Info and LAME tags"; EBU Tech 3306 (RF64); RFC 9639 (FLAC); RFC 7845 and Vorbis I, 4.2 (Ogg).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from gateway.probe.reading import AHEAD_BYTES, Facts, File, Unreadable, seconds

TAGS_MAX = 4
TAIL_BYTES = 16 * 1024
BITRATES_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
BITRATES_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
"""Kilobits per second of layer III, by version and index; index 0 is "free"."""
RATES_HZ = (44100, 48000, 32000)
UNCOMPRESSED = frozenset({1, 3, 6, 7, 0xFFFE})
"""WAV's codes of samples with a constant size: PCM, floating point, A-law, mu-law, "extensible"."""
OPUS_HZ = 48000


def _sound(length: Fraction | None, channels: int) -> Facts:
    return Facts(duration_seconds=seconds(length), channels=channels or None, has_video=False, has_audio=True)


@dataclass(frozen=True)
class _Frame:
    """The header of an MP3 frame."""

    version: int
    """3 is MPEG 1, 2 is MPEG 2, 0 is "2.5"."""
    rate_hz: int
    kilobits: int
    bytes: int
    is_mono: bool

    @property
    def samples(self) -> int:
        return 1152 if self.version == 3 else 576

    def is_like(self, other: "_Frame") -> bool:
        return (self.version, self.rate_hz) == (other.version, other.rate_hz)


def _frame(data: bytes, at: int) -> _Frame | None:
    """The layer III header at a place, if there is one."""
    if at + 4 > len(data):
        return None
    (word,) = struct.unpack_from(">I", data, at)
    version, index, rate = word >> 19 & 3, word >> 12 & 15, word >> 10 & 3
    if word >> 21 != 0x7FF or version == 1 or word >> 17 & 3 != 1 or index in (0, 15) or rate == 3:
        return None
    rate_hz = RATES_HZ[rate] >> (0 if version == 3 else 1 if version == 2 else 2)
    kilobits = (BITRATES_1 if version == 3 else BITRATES_2)[index]
    size = (144_000 if version == 3 else 72_000) * kilobits // rate_hz + (word >> 9 & 1)
    return _Frame(version, rate_hz, kilobits, size, word >> 6 & 3 == 3)


def _chain(file: File, data: bytes, at: int) -> Iterator[tuple[int, _Frame]]:
    """Frames that follow one another from a place on, each whole."""
    first = frame = _frame(data, at)
    while first and frame and frame.is_like(first) and at + frame.bytes <= len(data):
        file.step()
        yield at, frame
        at += frame.bytes
        frame = _frame(data, at)


def _frames(file: File, data: bytes) -> list[tuple[int, _Frame]]:
    """The first chain in some bytes. A lone header may be chance, unless it fills the bytes to their end."""
    at = data.find(b"\xff")
    while at >= 0:
        found = list(_chain(file, data, at))
        if len(found) > 1 or (found and at + found[0][1].bytes == len(data)):
            return found
        file.step()
        at = data.find(b"\xff", at + 1)
    raise Unreadable


def measure_mp3(file: File) -> Facts:
    """What an MP3 tells: its own count of frames, or its size when all frames seen have one bit rate."""
    start = _after_tags(file)
    data = file.at(start, min(AHEAD_BYTES, file.size_bytes - start))
    chain = _frames(file, data)
    at, first = chain[0]
    samples = _counted_samples(data, at, first, file.size_bytes - start)
    if samples is None:
        samples = _estimated_samples(file, start, chain)
    return _sound(Fraction(samples, first.rate_hz) if samples else None, 1 if first.is_mono else 2)


def _after_tags(file: File) -> int:
    """Where the sound begins: behind the ID3v2 tags, which may hold a picture of any size."""
    start = 0
    for _ in range(TAGS_MAX):
        if file.at(start, min(3, file.size_bytes - start)) != b"ID3":
            break
        flags, *parts = file.unpack(">5xB4B", start)
        size = 0
        for part in parts:  # seven bits each
            size = size << 7 | part & 0x7F
        start += 10 + size + (10 if flags & 0x10 else 0)
    return start


def _counted_samples(data: bytes, at: int, first: _Frame, sound_bytes: int) -> int | None:
    """Samples by the frame that encoders write in front; None without one, 0 when it cannot be true."""
    side_bytes = (17 if first.is_mono else 32) if first.version == 3 else (9 if first.is_mono else 17)
    frame = data[at : at + first.bytes].ljust(200, b"\0")
    xing = 4 + side_bytes
    unheard = 0
    if frame[xing : xing + 4] in (b"Xing", b"Info"):
        flags, count = struct.unpack_from(">II", frame, xing + 4)
        if not flags & 1:
            return None
        encoder = xing + 12 + (4 if flags & 2 else 0) + (100 if flags & 4 else 0) + (4 if flags & 8 else 0)
        if frame[encoder : encoder + 3] in (b"LAM", b"Lav"):
            # What the encoder put before and after the sound, 12 bits each.
            padding = int.from_bytes(frame[encoder + 21 : encoder + 24], "big")
            unheard = (padding >> 12) + (padding & 0xFFF)
    elif frame[36:40] == b"VBRI":
        (count,) = struct.unpack_from(">I", frame, 50)
    else:
        return None
    kilobits = Fraction(sound_bytes * first.rate_hz, 125 * first.samples * count) if count else 0
    bounds = BITRATES_1 if first.version == 3 else BITRATES_2
    # The frame in front and tags behind count as sound here, so a short file may seem to pass the highest rate.
    return count * first.samples - unheard if bounds[1] / 2 <= kilobits <= bounds[-1] * 2 else 0


def _estimated_samples(file: File, start: int, chain: list[tuple[int, _Frame]]) -> int | None:
    """Samples by the bytes from the first frame to the end of the last, at one bit rate; None when there are more."""
    tail_start, tail = file.tail(min(TAIL_BYTES, file.size_bytes - start))
    last_chain = _frames(file, tail)
    frames = [frame for _, frame in (*chain, *last_chain)]
    first = frames[0]
    if any(frame.kilobits != first.kilobits or not frame.is_like(first) for frame in frames):
        return None
    at, last = last_chain[-1]
    sound_bytes = tail_start + at + last.bytes - (start + chain[0][0])
    # A frame is 1/8 of its samples times the bits per sample; paddings make the mean exact.
    return round(Fraction(sound_bytes * first.rate_hz, 125 * first.kilobits * first.samples)) * first.samples


def measure_wav(file: File) -> Facts:
    """What a WAV tells. One that was written as a stream announces no size: its data go on to the end."""
    if file.at(8, 4) != b"WAVE":
        raise Unreadable
    form: tuple[int, ...] | None = None
    long_size, samples = 0, 0
    at = 12
    while True:
        kind, size = file.unpack("<4sI", at)
        if kind == b"fmt ":
            form = file.unpack("<HHIIH", at + 8)
        elif kind == b"ds64":
            (long_size,) = file.unpack("<8xQ", at + 8)
        elif kind == b"fact":
            (samples,) = file.unpack("<I", at + 8)
        elif kind == b"data" and form:
            break
        at += 8 + size + size % 2
    rest = file.size_bytes - at - 8
    data_bytes = min((long_size if size == 0xFFFFFFFF else size) or rest, rest)
    code, channels, rate_hz, bytes_per_second, block_bytes = form
    if code in UNCOMPRESSED:
        bytes_per_second = rate_hz * block_bytes
    elif samples and rate_hz:
        return _sound(Fraction(samples, rate_hz), channels)
    return _sound(Fraction(data_bytes, bytes_per_second) if bytes_per_second else None, channels)


def measure_flac(file: File) -> Facts:
    """What a FLAC's first block tells."""
    start = _after_tags(file)
    name, kind = file.unpack(">4sB", start)
    if name != b"fLaC" or kind & 0x7F:
        raise Unreadable
    (word,) = file.unpack(">Q", start + 18)
    rate_hz, channels, samples = word >> 44, (word >> 41 & 7) + 1, word & (1 << 36) - 1
    return _sound(Fraction(samples, rate_hz) if rate_hz else None, channels)


def measure_ogg(file: File) -> Facts:
    """What an Ogg of Opus or Vorbis tells: the position that its last page ends at."""
    name, serial, parts = file.unpack("<4s10xI8xB", 0)
    packet = file.at(27 + parts, 16)
    if name != b"OggS":
        raise Unreadable
    if packet[:8] == b"OpusHead":
        channels, skipped = struct.unpack_from("<BH", packet, 9)
        rate_hz = OPUS_HZ
    elif packet[:7] == b"\x01vorbis":
        channels, rate_hz = struct.unpack_from("<BI", packet, 11)
        skipped = 0
    else:
        raise Unreadable
    _, data = file.tail(AHEAD_BYTES)
    at = data.rfind(b"OggS")
    while at >= 0:
        file.step()
        if at + 18 <= len(data):
            position, of = struct.unpack_from("<qI", data, at + 6)
            if of == serial and position >= 0 and rate_hz:
                return _sound(Fraction(position - skipped, rate_hz), channels)
        at = data.rfind(b"OggS", 0, at)
    return _sound(None, channels)
