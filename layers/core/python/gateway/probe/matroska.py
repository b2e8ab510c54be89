"""WebM and Matroska: elements named by number, each with its length (RFC 8794, RFC 9559)."""

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from gateway.probe.reading import Facts, File, Unreadable, per_second, seconds, sides

EBML, SEGMENT, SEEK_HEAD, INFO, TRACKS, CLUSTER = (
    *(0x1A45DFA3, 0x18538067, 0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1F43B675),
)
SEEK, SEEK_ID, SEEK_POSITION = 0x4DBB, 0x53AB, 0x53AC
TIMESTAMP_SCALE, DURATION = 0x2AD7B1, 0x4489
TRACK_ENTRY, TRACK_NUMBER, TRACK_TYPE, DEFAULT_DURATION = 0xAE, 0xD7, 0x83, 0x23E383
VIDEO, PIXEL_WIDTH, PIXEL_HEIGHT, AUDIO, CHANNELS = 0xE0, 0xB0, 0xBA, 0xE1, 0x9F
TIMESTAMP, SIMPLE_BLOCK, BLOCK_GROUP, BLOCK = 0xE7, 0xA3, 0xA0, 0xA1

TYPE_VIDEO, TYPE_AUDIO = 1, 2
SCALE_NANOSECONDS = 1_000_000
NANOSECONDS = 1_000_000_000
TAIL_BYTES = 1024 * 1024
"""Browsers begin a cluster with each key frame; one fits in here at the rates they record with."""
CANDIDATES_MAX = 16


@dataclass(frozen=True)
class _Element:
    name: int
    body: int
    end: int


def _element(file: File, start: int, end: int) -> _Element:
    """The element at a place within a parent. One of unknown length lasts as long as the parent."""
    data = file.at(start, min(12, end - start))
    name_bytes = 9 - data[0].bit_length()
    if name_bytes > 4:
        raise Unreadable
    length_bytes = 9 - data[name_bytes].bit_length()
    body = start + name_bytes + length_bytes
    if length_bytes > 8 or body > end:
        raise Unreadable
    length = int.from_bytes(data[name_bytes : name_bytes + length_bytes], "big") & (1 << 7 * length_bytes) - 1
    is_unknown = length == (1 << 7 * length_bytes) - 1
    return _Element(int.from_bytes(data[:name_bytes], "big"), body, end if is_unknown else body + length)


def _elements(file: File, start: int, end: int) -> Iterator[_Element]:
    while start < end:
        found = _element(file, start, end)
        yield found
        start = found.end


def _values(file: File, parent: _Element) -> dict[int, bytes]:
    """The small values directly within an element; the first of each name."""
    values: dict[int, bytes] = {}
    for one in _elements(file, parent.body, parent.end):
        if one.end > parent.end:
            raise Unreadable
        if one.end - one.body <= 8:
            values.setdefault(one.name, file.at(one.body, one.end - one.body))
    return values


def _number(data: bytes | None, default: int = 0) -> int:
    return int.from_bytes(data, "big") if data else default


@dataclass(frozen=True)
class _Track:
    number: int
    kind: int
    frame_nanoseconds: int
    width: int
    height: int
    channels: int


@dataclass
class _Contents:
    """Where the segment's parts lie, as far as it was read."""

    info: _Element | None = None
    tracks: _Element | None = None
    listed: dict[int, int] = field(default_factory=dict)


def measure(file: File) -> Facts:
    """What the file tells. Raises `Unreadable`."""
    segment = next((one for one in _elements(file, 0, file.size_bytes) if one.name == SEGMENT), None)
    if segment is None:
        raise Unreadable
    contents = _contents(file, segment)
    if contents.tracks is None:
        raise Unreadable
    entries = _elements(file, contents.tracks.body, contents.tracks.end)
    tracks = [_track(file, one) for one in entries if one.name == TRACK_ENTRY]
    films = [track for track in tracks if track.kind == TYPE_VIDEO]
    sounds = [track for track in tracks if track.kind == TYPE_AUDIO]
    film = max(films, key=lambda track: track.width * track.height, default=None)
    main = film or next(iter(sounds), None)
    width, height = sides(film.width, film.height) if film else (None, None)
    frame = Fraction(film.frame_nanoseconds, NANOSECONDS) if film else Fraction(0)
    return Facts(
        width=width,
        height=height,
        duration_seconds=seconds(_length(file, contents.info, main)),
        frame_rate=per_second(1 / frame) if frame else None,
        channels=sounds[0].channels or None if sounds else None,
        has_video=bool(films),
        has_audio=bool(sounds),
    )


def _contents(file: File, segment: _Element) -> _Contents:
    """Find the two parts that matter before the media, or by the list of contents when they come after."""
    contents = _Contents()
    for one in _elements(file, segment.body, min(segment.end, file.size_bytes)):
        _note(file, one, segment, contents)
        if one.name == CLUSTER or (contents.info and contents.tracks):
            break
    for name, found in ((INFO, contents.info), (TRACKS, contents.tracks)):
        if found is None and name in contents.listed:
            one = _element(file, contents.listed[name], file.size_bytes)
            if one.name == name:
                _note(file, one, segment, contents)
    return contents


def _note(file: File, one: _Element, segment: _Element, contents: _Contents) -> None:
    if one.name == INFO:
        contents.info = one
    elif one.name == TRACKS:
        contents.tracks = one
    elif one.name == SEEK_HEAD:
        for entry in _elements(file, one.body, one.end):
            if entry.name == SEEK:
                values = _values(file, entry)
                contents.listed[_number(values.get(SEEK_ID))] = segment.body + _number(values.get(SEEK_POSITION))


def _track(file: File, entry: _Element) -> _Track:
    values = _values(file, entry)
    parts = {one.name: one for one in _elements(file, entry.body, entry.end) if one.name in (VIDEO, AUDIO)}
    picture = _values(file, parts[VIDEO]) if VIDEO in parts else {}
    sound = _values(file, parts[AUDIO]) if AUDIO in parts else {}
    return _Track(
        number=_number(values.get(TRACK_NUMBER)),
        kind=_number(values.get(TRACK_TYPE)),
        frame_nanoseconds=_number(values.get(DEFAULT_DURATION)),
        width=_number(picture.get(PIXEL_WIDTH)),
        height=_number(picture.get(PIXEL_HEIGHT)),
        channels=_number(sound.get(CHANNELS), 1),
    )


def _length(file: File, info: _Element | None, main: _Track | None) -> Fraction | None:
    """The duration that the file announces, or by its last blocks: recordings are written in one go."""
    values = _values(file, info) if info else {}
    scale = Fraction(_number(values.get(TIMESTAMP_SCALE), SCALE_NANOSECONDS), NANOSECONDS)
    announced = values.get(DURATION, b"")
    if len(announced) in (4, 8):
        (ticks,) = struct.unpack(">f" if len(announced) == 4 else ">d", announced)
        if math.isfinite(ticks) and ticks > 0:
            return Fraction(ticks) * scale
    if main is None or not scale:
        return None
    try:
        return _end(file, main, scale)
    except (Unreadable, IndexError, struct.error):
        return None


def _end(file: File, main: _Track, scale: Fraction) -> Fraction | None:
    """Seconds to the end of a track's last block, from the last cluster."""
    start, data = file.tail(TAIL_BYTES)
    at = len(data)
    for _ in range(CANDIDATES_MAX):
        at = data.rfind(CLUSTER.to_bytes(4, "big"), 0, at)
        if at < 0:
            break
        times = sorted(_times(file, start + at, main.number))
        if times:
            last = times[-1] - times[-2] if len(times) > 1 else 0
            frame = Fraction(main.frame_nanoseconds, NANOSECONDS) or last * scale
            return times[-1] * scale + frame
    return None


def _times(file: File, start: int, track: int) -> list[int]:
    """When a track's blocks in a cluster begin, in ticks of the segment."""
    base, times = None, []
    cluster = _element(file, start, file.size_bytes)
    try:
        for one in _elements(file, cluster.body, min(cluster.end, file.size_bytes)):
            if one.end - one.body <= 8 and one.name == TIMESTAMP:
                base = _number(file.at(one.body, one.end - one.body))
            block = one
            if one.name == BLOCK_GROUP:
                block = next((part for part in _elements(file, one.body, one.end) if part.name == BLOCK), one)
            if base is not None and block.name in (SIMPLE_BLOCK, BLOCK) and block.end <= file.size_bytes:
                number, at = _small_number(file, block.body)
                if number == track:
                    times.append(base + file.unpack(">h", at)[0])
    except (Unreadable, IndexError):  # cut off in the middle of a block
        pass
    return times


def _small_number(file: File, at: int) -> tuple[int, int]:
    """A number as blocks name their track, and where it ends."""
    first = file.at(at, 1)[0]
    count = 9 - first.bit_length()
    if count > 8:
        raise Unreadable
    return int.from_bytes(file.at(at, count), "big") & (1 << 7 * count) - 1, at + count
