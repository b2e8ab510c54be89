"""The bytes of outputs: what they are, whether they are whole, and the small pictures made of them.

Everything here treats a file as hostile: its type comes from its content, its claims (canvas, duration) are
bounded before anything is decoded, and a container is opened by the one demuxer its type names, so that a
playlist can never make it open other files or addresses. Pillow and PyAV are imported when needed: only
`collect_outputs` carries them.
"""

import hashlib
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import filetype

if TYPE_CHECKING:
    from PIL import Image

Kind = Literal["image", "video", "audio", "text"]
Reason = Literal["not_media", "wrong_kind", "truncated", "zero_duration", "too_large"]

SNIFF_BYTES = 8192
PIXELS_MAX = 60_000_000
"""More than any model makes (8K is 33 million), and 240 MB when decoded."""
DURATION_SECONDS_MAX = 4 * 3600
TEXT_TYPE = "text/plain"
TEXT_BYTES_MAX = 16 * 1024 * 1024
"""Far more than any model writes (128,000 tokens are about half a megabyte)."""
THUMBNAIL_SIDE = 512
OPTIMIZED_SIDE = 1600


class UnusableOutput(Exception):
    """A file that cannot be delivered; `reason` is stable, the message is for people."""

    def __init__(self, message: str, reason: Reason = "not_media") -> None:
        super().__init__(message)
        self.reason: Reason = reason


@dataclass(frozen=True)
class Facts:
    """What is true of a media file, measured and not claimed."""

    media_type: str
    kind: Kind
    width: int | None
    height: int | None
    duration_seconds: float | None
    """Rounded to the millisecond, so its `str()` is exact; None for images and text."""
    has_audio: bool
    bytes: int
    sha256: str


@dataclass(frozen=True)
class _Format:
    kind: Kind
    decoder: str
    """Pillow's format of an image, FFmpeg's demuxer of the rest; empty when we cannot decode it."""


_FORMATS = {
    "image/png": _Format("image", "PNG"),
    "image/jpeg": _Format("image", "JPEG"),
    "image/webp": _Format("image", "WEBP"),
    "image/gif": _Format("image", "GIF"),
    "image/avif": _Format("image", "AVIF"),
    "image/bmp": _Format("image", "BMP"),
    "image/tiff": _Format("image", "TIFF"),
    "image/heic": _Format("image", ""),
    "video/mp4": _Format("video", "mov"),
    "video/quicktime": _Format("video", "mov"),
    "video/webm": _Format("video", "matroska"),
    "video/x-matroska": _Format("video", "matroska"),
    "video/x-msvideo": _Format("video", "avi"),
    "audio/mpeg": _Format("audio", "mp3"),
    "audio/mp4": _Format("audio", "mov"),
    "audio/wav": _Format("audio", "wav"),
    "audio/flac": _Format("audio", "flac"),
    "audio/ogg": _Format("audio", "ogg"),
    "audio/webm": _Format("audio", "matroska"),
    "audio/aac": _Format("audio", "aac"),
    "audio/aiff": _Format("audio", "aiff"),
}
# Other names of the same things, as `filetype` and servers give them.
_ALIASES = {
    "image/apng": "image/png",
    "image/heif": "image/heic",
    "video/x-m4v": "video/mp4",
    "audio/x-wav": "audio/wav",
    "audio/x-flac": "audio/flac",
    "audio/x-aiff": "audio/aiff",
}
_AUDIO_ONLY = {"video/mp4": "audio/mp4", "video/quicktime": "audio/mp4", "video/webm": "audio/webm"}


def sniff(first_bytes: bytes) -> str | None:
    """The media type that content shows, or None for anything that is not plain media.

    Playlists, SVG, HTML, JSON and archives are None whatever their name or declared type says. A few
    kilobytes are enough (`SNIFF_BYTES`).
    """
    if first_bytes[4:8] == b"ftyp" and first_bytes[8:11] in (b"M4A", b"M4B"):
        return "audio/mp4"  # its compatible brands say mp4, which `filetype` reads first
    guess = filetype.guess(first_bytes)
    media_type = _ALIASES.get(guess.mime, guess.mime) if guess else None
    return media_type if media_type in _FORMATS else None


EXTENSIONS: Mapping[str, str] = {
    **{media_type: f".{media_type.partition('/')[2]}" for media_type in _FORMATS},
    "image/jpeg": ".jpg",
    "video/quicktime": ".mov",
    "video/x-matroska": ".mkv",
    "video/x-msvideo": ".avi",
    "audio/mpeg": ".mp3",
    "audio/mp4": ".m4a",
    TEXT_TYPE: ".txt",
}
"""The usual file name extension of each type, with its dot."""


def kind_of(media_type: str) -> Kind:
    """Image, video or audio, for a type that `sniff` answered (it never answers text)."""
    return _FORMATS[media_type].kind


def inspect(path: str | Path, *, expected_kind: Kind | None = None, sha256: str | None = None) -> Facts:
    """Measure a file, making sure that it is media and whole. Its name says nothing; its content does.

    Images are decoded; of video and audio every packet is read and a frame decoded, so the duration is what
    is there and not what a header says. Text counts only where it is expected: an error page is text too.
    `sha256` is the file's, where it is known already. Raises `UnusableOutput`.
    """
    path = Path(path)
    if expected_kind == "text":
        return _inspect_text(path)
    with path.open("rb") as file:
        media_type = sniff(file.read(SNIFF_BYTES))
    if media_type is None or not _FORMATS[media_type].decoder:
        raise UnusableOutput("The file is not an image, video or sound that can be delivered.")
    form = _FORMATS[media_type]
    with _trouble_means_unusable():
        measured = _measure_image(path, form) if form.kind == "image" else _measure_stream(path, form)
    if expected_kind and measured.kind != expected_kind:
        raise UnusableOutput(f"Expected {expected_kind}, got {measured.kind}.", "wrong_kind")
    if measured.kind == "audio":
        media_type = _AUDIO_ONLY.get(media_type, media_type)
    return Facts(
        media_type=media_type,
        kind=measured.kind,
        width=measured.width,
        height=measured.height,
        duration_seconds=measured.duration_seconds,
        has_audio=measured.has_audio,
        bytes=path.stat().st_size,
        sha256=sha256 or _sha256(path),
    )


def thumbnail(path: str | Path, facts: Facts) -> bytes | None:
    """A JPEG of the image or of the video's first frame, longest side 512; None for audio and text.

    Raises `UnusableOutput` when it cannot be decoded.
    """
    if facts.kind in {"audio", "text"}:
        return None
    with _trouble_means_unusable(), _picture(Path(path), facts) as picture:
        out = BytesIO()
        _on_white(_shrunk(picture, THUMBNAIL_SIDE)).save(out, "JPEG", quality=82, optimize=True)
        return out.getvalue()


def optimize(path: str | Path, facts: Facts, into: Path) -> str | None:
    """Write what is quick to show to the file `into`; its media type, or None where there is nothing to gain.

    A still image becomes a WebP, longest side 1600. A video whose index lies behind its pictures becomes an MP4 with
    the index first, so that it plays while it loads; pictures and sound stay as they are.
    Raises `UnusableOutput` for an image that cannot be decoded.
    """
    path = Path(path)
    if facts.kind == "video":
        return "video/mp4" if _FORMATS[facts.media_type].decoder == "mov" and _index_first(path, into) else None
    if facts.kind != "image":
        return None
    with _trouble_means_unusable(), _picture(path, facts) as picture:
        if getattr(picture, "n_frames", 1) > 1:
            return None
        _shrunk(picture, OPTIMIZED_SIDE).save(into, "WEBP", quality=80, method=4)
        return "image/webp"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _inspect_text(path: Path) -> Facts:
    """Text is UTF-8 with words in it, and no zero bytes, which only other files have."""
    if path.stat().st_size > TEXT_BYTES_MAX:
        raise UnusableOutput("The text is too long.", "too_large")
    data = path.read_bytes()
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise UnusableOutput("The file is not text.", "not_media") from error
    if not text.strip() or "\0" in text:
        raise UnusableOutput("The file holds no text.", "not_media")
    return Facts(
        media_type=TEXT_TYPE,
        kind="text",
        width=None,
        height=None,
        duration_seconds=None,
        has_audio=False,
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )


@dataclass(frozen=True)
class _Measured:
    kind: Kind
    width: int | None
    height: int | None
    duration_seconds: float | None
    has_audio: bool


def _measure_image(path: Path, form: _Format) -> _Measured:
    with _opened_image(path, form.decoder) as picture:
        picture.load()
        _turn_upright(picture)
        return _Measured("image", picture.width, picture.height, None, False)


@contextmanager
def _opened_image(path: Path, decoder: str) -> "Iterator[Image.Image]":
    from PIL import Image

    try:
        opened = Image.open(path, formats=[decoder])
    except Image.DecompressionBombError:
        raise UnusableOutput("The picture claims too many pixels.", "too_large") from None
    with opened as picture:
        _bound_pixels(picture.width, picture.height)
        yield picture


def _bound_pixels(width: int, height: int) -> None:
    if width * height > PIXELS_MAX:
        raise UnusableOutput(f"The picture claims {width} x {height} pixels.", "too_large")


def _measure_stream(path: Path, form: _Format) -> _Measured:
    if form.decoder == "mov":
        _require_whole_boxes(path)
    with _opened_container(path, form.decoder) as container:
        video, audio = _moving_pictures(container), next(iter(container.streams.audio), None)
        main = video or audio
        if main is None:
            raise UnusableOutput("The file has neither pictures nor sound.", "not_media")
        width, height = (video.codec_context.width, video.codec_context.height) if video else (None, None)
        _bound_pixels(width or 0, height or 0)
        claims = {one.index: _claimed_seconds(container, one) for one in (video, audio) if one}
        seconds = _read_through(container, [one for one in (video, audio) if one], _is_open_ended(path))
        if max(*claims.values(), *seconds.values()) > DURATION_SECONDS_MAX:
            raise UnusableOutput("The file claims a duration of more than four hours.", "too_large")
        if seconds[main.index] <= 0:
            raise UnusableOutput("The file contains no frames.", "zero_duration")
        for index, claimed in claims.items():
            # Containers round, and encoders pad; half a second or a tenth is beyond either.
            if claimed - seconds[index] > max(Fraction(1, 2), claimed / 10):
                raise UnusableOutput("The file ends before the duration it announces.", "truncated")
        kind: Kind = "video" if video else "audio"
        return _Measured(kind, width, height, round(float(seconds[main.index]), 3), audio is not None)


def _require_whole_boxes(path: Path) -> None:
    """Every top-level box of an MP4 must end within the file."""
    size = path.stat().st_size
    if any(length < 8 or at + length > size for _, at, length in _boxes(path)):
        raise UnusableOutput("The file is damaged or cut off.", "truncated")


def _boxes(path: Path) -> Iterator[tuple[bytes, int, int]]:
    """Kind, place and length of the top-level boxes of an MP4, as they claim it (ISO 14496-12, 4.2)."""
    size = path.stat().st_size
    at = 0
    with path.open("rb") as file:
        while at < size:
            file.seek(at)
            length, kind, long_length = struct.unpack(">I4sQ", file.read(16).ljust(16, b"\0"))
            length = {0: size - at, 1: long_length}.get(length, length)
            yield kind, at, length
            at += max(length, 8)


def _index_first(path: Path, into: Path) -> bool:
    """Write an MP4 whose index comes first; False where it does already, or where that cannot be done.

    FFmpeg's muxer writes the file and then moves everything behind the index, a piece at a time.
    """
    import av

    kinds = [kind for kind, _, _ in _boxes(path) if kind in {b"moov", b"mdat"}]
    if kinds[:1] == [b"moov"]:
        return False
    try:
        with (
            _opened_container(path, "mov") as source,
            av.open(f"file:{into.absolute()}", "w", format="mp4", options={"movflags": "+faststart"}) as made,
        ):
            kept = [one for one in (_moving_pictures(source), next(iter(source.streams.audio), None)) if one]
            ours = {one.index: made.add_stream_from_template(one) for one in kept}
            for packet in source.demux(kept):
                if packet.dts is not None:
                    packet.stream = ours[packet.stream.index]
                    made.mux(packet)
    except (av.FFmpegError, ValueError):
        # A codec that MP4 has no place for: the video is delivered as it is.
        into.unlink(missing_ok=True)
        return False
    return True


def _is_open_ended(path: Path) -> bool:
    """A WAV written as a stream (speech services do) announces no true size, so its end is where it ends."""
    with path.open("rb") as file:
        start = file.read(8)
    return start == b"RIFF" + b"\xff" * 4


@contextmanager
def _opened_container(path: Path, demuxer: str) -> Iterator[Any]:
    import av

    # The demuxer is named and may open nothing but files: HLS and concat scripts never get to run.
    with av.open(f"file:{path.absolute()}", format=demuxer, options={"protocol_whitelist": "file"}) as opened:
        yield opened


def _moving_pictures(container: Any) -> Any:
    """The first video stream that is not a cover picture, or None."""
    from av.stream import Disposition

    return next((one for one in container.streams.video if not one.disposition & Disposition.attached_pic), None)


def _claimed_seconds(container: Any, main: Any) -> Fraction:
    if main.duration and main.time_base:
        return Fraction(main.duration * main.time_base)
    return Fraction(container.duration or 0, 1_000_000)


def _read_through(container: Any, streams: list[Any], open_ended: bool) -> dict[int, Fraction]:
    """The seconds that the packets of each stream span; the first frame of each must be decodable."""
    spans = {one.index: (None, 0) for one in streams}  # type: dict[int, tuple[int | None, int]]
    undecoded = {one.index: one for one in streams}
    for packet in container.demux(streams):
        if packet.size == 0:
            continue
        if packet.is_corrupt and not open_ended:
            raise UnusableOutput("The file is damaged or cut off.", "truncated")
        index = packet.stream.index
        if index in undecoded and packet.decode():
            del undecoded[index]
        at = packet.pts if packet.pts is not None else packet.dts
        if at is not None:
            first, end = spans[index]
            spans[index] = (at if first is None else min(first, at), max(end, at + (packet.duration or 0)))
    for one in undecoded.values():  # decoders that reorder give their first frame only when flushed
        if not one.codec_context.decode(None):
            raise UnusableOutput("The file contains no frames.", "zero_duration")
    # What lies before zero is the encoder's priming and is not presented.
    return {
        one.index: Fraction((spans[one.index][1] - max(spans[one.index][0] or 0, 0)) * one.time_base) for one in streams
    }


@contextmanager
def _picture(path: Path, facts: Facts) -> "Iterator[Image.Image]":
    """The image, or the first frame of the video."""
    form = _FORMATS[facts.media_type]
    if facts.kind == "image":
        with _opened_image(path, form.decoder) as picture:
            yield picture
        return
    with _opened_container(path, form.decoder) as container:
        for frame in container.decode(_moving_pictures(container)):
            yield frame.to_image()
            return
    raise UnusableOutput("The video has no frame that can be decoded.", "not_media")


def _turn_upright(picture: "Image.Image") -> None:
    from PIL import ImageOps

    ImageOps.exif_transpose(picture, in_place=True)


def _shrunk(picture: "Image.Image", side: int) -> "Image.Image":
    """An upright RGB or RGBA copy within `side` x `side`; made small before anything else is done to it."""
    picture.draft("RGB", (side, side))
    _turn_upright(picture)
    copy = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    copy.thumbnail((side, side))
    return copy


def _on_white(picture: "Image.Image") -> "Image.Image":
    from PIL import Image

    if picture.mode == "RGB":
        return picture
    ground = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(ground, picture).convert("RGB")


@contextmanager
def _trouble_means_unusable() -> Iterator[None]:
    """Whatever a decoder raises over a file means that the file is broken.

    Pillow raises OSError, SyntaxError, ValueError and struct errors by format; PyAV's errors derive from
    its own base and from OSError or ValueError.
    """
    try:
        yield
    except UnusableOutput:
        raise
    except MemoryError:
        raise UnusableOutput("The file needs too much memory to be decoded.", "too_large") from None
    except Exception as error:
        raise UnusableOutput("The file is damaged or cut off.", "truncated") from error
