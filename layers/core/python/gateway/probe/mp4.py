"""MP4, MOV, M4A: the `moov` box, wherever it lies, and fragments where there are some.

Durations are summed from the table that players time samples by (`stts`), not taken from the headers, which
nothing needs to be true. Layouts: ISO/IEC 14496-12, sections 8.2 to 8.6 and 12; QuickTime File Format, "Sound
sample descriptions"; MPEG-4 audio's configuration: ISO/IEC 14496-3, 1.6.2.1.
"""

import struct
from dataclasses import dataclass
from fractions import Fraction

from gateway.probe import fragments
from gateway.probe.boxes import Box, boxes, children, find, need, table, version_of
from gateway.probe.reading import Facts, File, Unreadable, per_second, seconds, sides

MOOV_AT_ONCE_BYTES = 1024 * 1024
"""Up to this size one read brings all; in a larger one the tables that are not needed are jumped over."""
TABLE_BYTES_MAX = 1024 * 1024
AAC_CHANNELS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 8, 11: 7, 12: 8, 14: 8}
PARAMETRIC_STEREO = 29


@dataclass(frozen=True)
class _Track:
    box: Box
    identity: int
    is_enabled: bool
    is_turned: bool
    is_video: bool
    timescale: int
    entry: bytes
    """The first sample description."""


def measure(file: File) -> Facts:
    """What the file tells. Raises `Unreadable`."""
    moov = next((box for box in boxes(file, 0, file.size_bytes) if box.kind == b"moov"), None)
    if moov is None:
        raise Unreadable
    if moov.end - moov.start <= MOOV_AT_ONCE_BYTES:
        file.at(moov.start, moov.end - moov.start)
    tracks = [track for box in children(file, moov, b"trak") if (track := _track(file, box))]
    films = [track for track in tracks if track.is_video]
    # A track that is switched off holds chapters or alternatives.
    films = [track for track in films if track.is_enabled] or films
    sounds = [track for track in tracks if not track.is_video]
    timings = _timings(file, moov, films or sounds)
    film = max(films, key=_pixels, default=None)
    width, height = sides(*_size(film), turned=film.is_turned) if film else (None, None)
    return Facts(
        width=width,
        height=height,
        duration_seconds=seconds(max((known.seconds for known in timings.values() if known.seconds), default=None)),
        frame_rate=per_second(timings[film.identity].frame_rate) if film else None,
        channels=_channels(sounds[0].entry) if sounds else None,
        has_video=bool(films),
        has_audio=bool(sounds),
    )


def _track(file: File, box: Box) -> _Track | None:
    """A track of pictures or sound; None for subtitles, time codes and the like."""
    media = need(file, box, b"mdia")
    (handler,) = file.unpack(">4s", need(file, media, b"hdlr").body + 8)
    if handler not in (b"vide", b"soun"):
        return None
    header = need(file, box, b"tkhd")
    version, flags = version_of(file, header)
    (identity,) = file.unpack(">I", header.body + (20 if version else 12))
    a, b, _, c, d = file.unpack(">5i", header.body + (52 if version else 40))
    descriptions = need(file, media, b"minf", b"stbl", b"stsd")
    first = next(boxes(file, descriptions.body + 8, descriptions.end), None)
    if first is None:
        raise Unreadable
    return _Track(
        box=box,
        identity=identity,
        is_enabled=bool(flags & 1),
        is_turned=a == d == 0 and b != 0 and c != 0,
        is_video=handler == b"vide",
        timescale=_clock(file, need(file, media, b"mdhd")),
        entry=file.at(first.start, min(first.end - first.start, 4096)),
    )


def _clock(file: File, header: Box) -> int:
    """Ticks per second of a `mvhd` or `mdhd`."""
    (timescale,) = file.unpack(">I", header.body + (20 if version_of(file, header)[0] else 12))
    if not timescale:
        raise Unreadable
    return int(timescale)


@dataclass(frozen=True)
class _Timing:
    seconds: Fraction | None
    frame_rate: Fraction | None


def _timings(file: File, moov: Box, tracks: list[_Track]) -> dict[int, _Timing]:
    """The timing of each track by its id."""
    movie_clock = _clock(file, need(file, moov, b"mvhd"))
    extends = find(file, moov, b"mvex")
    pieces = fragments.spans(file, moov, extends) if extends else {}
    announced = fragments.announced_ticks(file, extends) if extends else None
    timings = {}
    for track in tracks:
        samples, ticks, frame_ticks = _sample_times(file, track.box)
        length: Fraction | None = Fraction(ticks, track.timescale)
        rate = Fraction(samples * track.timescale, ticks) if ticks else None
        if frame_ticks:
            rate = Fraction(track.timescale, frame_ticks)
        span = pieces.get(track.identity)
        if span:
            rate = Fraction(span.samples * track.timescale, span.ticks) if span.ticks else rate
            # Fragments that follow samples of `moov` go on counting from them.
            begin = 0 if ticks else span.begin
            length = Fraction(span.end - begin, track.timescale) if span.end is not None else None
        if extends and (length is None or not (ticks or span)):
            length = Fraction(announced, movie_clock) if announced else None
        if length is not None:
            length = _presented(file, track, length, movie_clock)
        timings[track.identity] = _Timing(length, rate)
    return timings


def _sample_times(file: File, box: Box) -> tuple[int, int, int | None]:
    """Samples of a track, their ticks together, and the ticks of each when they are alike (but the last)."""
    times = need(file, box, b"mdia", b"minf", b"stbl", b"stts")
    (count,) = file.unpack(">I", times.body + 4)
    rows = list(struct.iter_unpack(">II", table(file, times, times.body + 8, 8, count, TABLE_BYTES_MAX)))
    samples = sum(number for number, _ in rows)
    number, ticks = max(rows, default=(0, 0))
    return samples, sum(number * ticks for number, ticks in rows), ticks if number and number >= samples - 1 else None


def _presented(file: File, track: _Track, length: Fraction, movie_clock: int) -> Fraction:
    """What of a track its edit list shows: trimmed videos and the priming of sound encoders are common."""
    edits = find(file, track.box, b"edts", b"elst")
    if edits is None:
        return length
    form = ">Qqi" if version_of(file, edits)[0] else ">Iii"
    (count,) = file.unpack(">I", edits.body + 4)
    rows = table(file, edits, edits.body + 8, struct.calcsize(form), count, TABLE_BYTES_MAX)
    shown = Fraction(0)
    for ticks, media_time, _ in struct.iter_unpack(form, rows):
        # Frames that are shown later than they are decoded make up for a film's start.
        rest = length if track.is_video else length - Fraction(media_time, track.timescale)
        if media_time >= 0 and rest > 0:  # a negative time is a pause
            shown += min(rest, Fraction(ticks, movie_clock)) if ticks else rest
    return shown or length


def _size(track: _Track) -> tuple[int, int]:
    width, height = struct.unpack_from(">HH", track.entry, 32)
    return width, height


def _pixels(track: _Track) -> int:
    width, height = _size(track)
    return width * height


def _channels(entry: bytes) -> int | None:
    """Channels of a sound's sample description. For AAC its own field may be a constant 2, so AAC is asked."""
    (version,) = struct.unpack_from(">H", entry, 16)
    (channels,) = struct.unpack_from(">I", entry, 48) if version == 2 else struct.unpack_from(">H", entry, 24)
    own = entry.find(b"esds")
    return (_aac_channels(entry[own + 8 :]) if own >= 0 else None) or channels or None


def _aac_channels(descriptors: bytes) -> int | None:
    """Channels by the decoder's configuration, the innermost of three nested descriptors."""
    at = 0
    for tag, fixed_bytes in ((3, 3), (4, 13), (5, 0)):
        if descriptors[at : at + 1] != bytes([tag]):
            return None
        at += 1
        while descriptors[at : at + 1] >= b"\x80":  # the length, seven bits a byte, is not needed
            at += 1
        at += 1 + fixed_bytes
    bits, left = int.from_bytes(descriptors[at : at + 8].ljust(8, b"\0"), "big"), 64

    def take(count: int) -> int:
        nonlocal left
        left -= count
        return bits >> left & (1 << count) - 1

    kind = take(5)
    if kind == 31:
        take(6)
    if take(4) == 15:
        take(24)
    return 2 if kind == PARAMETRIC_STEREO else AAC_CHANNELS.get(take(4))
