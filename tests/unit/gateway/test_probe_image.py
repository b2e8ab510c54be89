"""Images: the sides as they are shown, however much stands before them."""

import io
import struct

import pytest
from PIL import Image, ImageOps

from gateway.probe import Facts
from tests.unit.gateway.media_files import SIZE, picture
from tests.unit.gateway.probed import facts_of, probed


def exif(orientation):
    block = Image.Exif()
    block[0x0112] = orientation
    return block


def sides(facts):
    return facts.width, facts.height


@pytest.mark.parametrize("orientation", range(10))
def test_jpegs_are_upright(orientation):
    data = picture("JPEG", exif=exif(orientation))
    assert sides(facts_of(data)) == ImageOps.exif_transpose(Image.open(io.BytesIO(data))).size


def test_both_byte_orders():
    for order, mark in (("<", b"II*\0"), (">", b"MM\0*")):
        block = mark + struct.pack(order + "IHHHIHH", 8, 1, 0x0112, 3, 1, 6, 0)
        data = picture("JPEG", exif=b"Exif\0\0" + block)
        assert sides(facts_of(data)) == SIZE[::-1]


@pytest.mark.parametrize(
    "block",
    [b"", b"II", b"II*\0\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff", b"XX*\0\x08\0\0\0\1\0", b"MM\0*\0\0\0\7"],
)
def test_broken_exif_does_not_matter(block):
    assert sides(facts_of(picture("JPEG", exif=b"Exif\0\0" + block))) == SIZE


def with_segments(count, data=None):
    """Segments of nearly 64 kB in front of all others, as previews and colour profiles are."""
    data = data or picture("JPEG")
    return data[:2] + (b"\xff\xe2" + struct.pack(">H", 65_000) + bytes(64_998)) * count + data[2:]


def test_sides_behind_megabytes_of_metadata():
    facts, reads = probed(with_segments(30, picture("JPEG", exif=exif(6))))
    assert sides(facts) == SIZE[::-1]
    assert len(reads.asked) <= 6


def test_endless_metadata_ends():
    facts, reads = probed(with_segments(300))
    assert facts == Facts()
    assert reads.total_bytes <= 8 * 1024 * 1024


def test_fill_bytes_and_markers_without_a_length():
    data = picture("JPEG")
    assert sides(facts_of(data[:2] + b"\xff\xff\xff\x01\xff\xd0" + data[2:])) == SIZE


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8" + b"\xff" * 100_000,
        b"\xff\xd8" + b"\xff\xd0" * 50_000,
        b"\xff\xd8\xff\xd9",
        b"\xff\xd8\xff\xda\0\x08" + bytes(100),
        b"\xff\xd8\xff\xc0\0\x0b\x08\0\0\0\0\3" + bytes(20),
    ],
)
def test_jpegs_without_sides(data):
    assert facts_of(data, "image/jpeg") == Facts()


def test_a_bmp_that_runs_downwards():
    data = picture("BMP")
    assert sides(facts_of(data[:22] + struct.pack("<i", -SIZE[1]) + data[26:])) == SIZE


@pytest.mark.parametrize("size", [(1, 1), (1, 4000), (4000, 3), (16383, 1)])
@pytest.mark.parametrize("options", [{}, {"lossless": True}, {"mode": "RGBA"}])
def test_webp_of_any_size(size, options):
    assert sides(facts_of(picture("WEBP", size, **options))) == size


def test_animations():
    frames = [Image.effect_noise(SIZE, 50).convert("RGB") for _ in range(3)]
    for form in ("WEBP", "GIF", "PNG"):
        out = io.BytesIO()
        frames[0].save(out, form, save_all=True, append_images=frames[1:])
        assert sides(facts_of(out.getvalue())) == SIZE


def test_avif_turned():
    data = picture("AVIF", exif=exif(6))
    assert b"irot" in data
    assert sides(facts_of(data)) == SIZE[::-1]


@pytest.mark.parametrize(
    ("media_type", "data"),
    [
        ("image/png", picture("PNG").replace(b"IHDR", b"IHDX")),
        ("image/webp", picture("WEBP").replace(b"VP8 ", b"VP9 ")),
        ("image/webp", picture("WEBP").replace(b"\x9d\x01\x2a", b"\x9d\x01\x2b")),
        ("image/avif", picture("AVIF").replace(b"meta", b"free")),
        ("image/avif", picture("AVIF").replace(b"ispe", b"free")),
    ],
)
def test_what_is_broken_tells_nothing(media_type, data):
    assert facts_of(data, media_type) == Facts()
