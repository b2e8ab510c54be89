"""Images: their sides, from the few bytes that hold them.

Layouts: PNG 1.2, 11.2.2; ITU T.81, B.2 (JPEG) and Exif 2.32, 4.6.4 (orientation); RFC 9649 (WebP); GIF89a, 18;
ISO/IEC 23008-12, 6.5 (AVIF, HEIC).
"""

import struct

from gateway.probe.boxes import Box, boxes, children, find, need
from gateway.probe.reading import Facts, File, Unreadable, sides

ORIENTATION = 0x0112
ENTRIES_MAX = 512
TURNED = frozenset({5, 6, 7, 8})
"""Orientations that exchange the sides."""
JPEG_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of frame headers; the three others define tables."""
JPEG_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers without a length."""
JPEG_ENDS = frozenset({0xD9, 0xDA})


def _picture(width: int, height: int, *, turned: bool = False) -> Facts:
    width, height = sides(width, height, turned=turned)
    return Facts(width=width, height=height, has_video=False, has_audio=False)


def measure_png(file: File) -> Facts:
    """The sides of a PNG."""
    kind, width, height = file.unpack(">4sII", 12)
    if kind != b"IHDR":
        raise Unreadable
    return _picture(width, height)


def measure_gif(file: File) -> Facts:
    """The sides of a GIF."""
    return _picture(*file.unpack("<HH", 6))


def measure_bmp(file: File) -> Facts:
    """The sides of a BMP; a negative height means that its rows run downwards."""
    (header_bytes,) = file.unpack("<I", 14)
    width, height = file.unpack("<HH" if header_bytes == 12 else "<ii", 18)
    return _picture(width, abs(height))


def measure_jpeg(file: File) -> Facts:
    """The sides of a JPEG as it is shown; Exif, profiles and previews before them may be megabytes."""
    at, turned = 2, False
    while True:
        prefix, marker = file.unpack(">BB", at)
        if prefix != 0xFF or marker in JPEG_ENDS:
            raise Unreadable
        if marker == 0xFF:  # fill
            at += 1
        elif marker in JPEG_ALONE:
            at += 2
        else:
            (length,) = file.unpack(">H", at + 2)
            if marker in JPEG_SIZES:
                height, width = file.unpack(">HH", at + 5)
                return _picture(width, height, turned=turned)
            if marker == 0xE1 and length > 8 and file.at(at + 4, 6) == b"Exif\0\0":
                turned = _orientation(file.at(at + 10, length - 8)) in TURNED
            at += 2 + length


def _orientation(exif: bytes) -> int:
    """The orientation that an Exif block names, 1 without one."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None or len(exif) < 8:
        return 1
    (at,) = struct.unpack_from(order + "I", exif, 4)
    if at + 2 > len(exif):
        return 1
    (count,) = struct.unpack_from(order + "H", exif, at)
    for entry in range(at + 2, min(at + 2 + 12 * min(count, ENTRIES_MAX), len(exif) - 11), 12):
        tag, _, _, value = struct.unpack_from(order + "HHIH", exif, entry)
        if tag == ORIENTATION:
            return int(value)
    return 1


def measure_webp(file: File) -> Facts:
    """The sides of a WebP, by the kind of its first chunk."""
    kind = file.at(12, 4)
    if kind == b"VP8X":
        data = file.at(24, 6)
        return _picture(int.from_bytes(data[:3], "little") + 1, int.from_bytes(data[3:], "little") + 1)
    if kind == b"VP8L":
        mark, bits = file.unpack("<BI", 20)
        if mark == 0x2F:
            return _picture((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if kind == b"VP8 ":
        mark, width, height = file.unpack("<3sHH", 23)
        if mark == b"\x9d\x01\x2a":
            return _picture(width & 0x3FFF, height & 0x3FFF)
    raise Unreadable


def measure_heif(file: File) -> Facts:
    """The sides of an AVIF or HEIC: the largest of its pictures is the one that its tiles make up."""
    meta = next((box for box in boxes(file, 0, file.size_bytes) if box.kind == b"meta"), None)
    if meta is None:
        raise Unreadable
    properties = need(file, Box(meta.kind, meta.start, meta.body + 4, meta.end), b"iprp", b"ipco")
    found = [file.unpack(">II", box.body + 4) for box in children(file, properties, b"ispe")]
    if not found:
        raise Unreadable
    turn = find(file, properties, b"irot")
    width, height = max(found, key=lambda pair: pair[0] * pair[1])
    return _picture(width, height, turned=bool(turn and file.at(turn.body, 1)[0] & 1))
