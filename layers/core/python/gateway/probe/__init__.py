"""What a media file tells of itself - sides, duration, frame rate, channels - by reading as little as it needs.

Our own reader, because no library reads over ranges and within bounds: tinytag and mutagen know sound only,
imagesize pictures only, and what knows films (PyAV, pymediainfo) is native code, too heavy for the functions
that answer requests.

A file's claims are taken where players take them from, so that what plays is what is measured; but a file can
still say what is not so, and a server give another one later. `media.inspect` measures what we hold ourselves.
"""

import struct
from collections.abc import Callable, Mapping

from gateway.probe import audio, image, matroska, mp4
from gateway.probe.reading import BYTES_MAX, READS_MAX, Facts, File, Read, Unreadable

__all__ = ["BYTES_MAX", "READS_MAX", "Facts", "Read", "measure"]

_PARSERS: Mapping[str, Callable[[File], Facts]] = {
    "image/png": image.measure_png,
    "image/jpeg": image.measure_jpeg,
    "image/webp": image.measure_webp,
    "image/gif": image.measure_gif,
    "image/bmp": image.measure_bmp,
    "image/avif": image.measure_heif,
    "image/heic": image.measure_heif,
    "video/mp4": mp4.measure,
    "video/quicktime": mp4.measure,
    "video/webm": matroska.measure,
    "video/x-matroska": matroska.measure,
    "audio/mpeg": audio.measure_mp3,
    "audio/mp4": mp4.measure,
    "audio/wav": audio.measure_wav,
    "audio/flac": audio.measure_flac,
    "audio/ogg": audio.measure_ogg,
    "audio/webm": matroska.measure,
}


def measure(media_type: str, size_bytes: int, read: Read, first_bytes: bytes = b"") -> Facts:
    """The facts of a file of a type that its content showed (`media.sniff`).

    `read(start, length)` is called at most `READS_MAX` times and for at most `BYTES_MAX` altogether, and only
    for what `first_bytes` do not hold. A file that is broken, cut off, or of another type than those known here
    gives facts that are all None; nothing is raised but what `read` raises.
    """
    parser = _PARSERS.get(media_type)
    if parser is None:
        return Facts()
    try:
        return parser(File(size_bytes, read, first_bytes))
    except (Unreadable, struct.error, IndexError):  # the latter two: a piece ends before what it should hold
        return Facts()
