"""MP4 and MOV: `moov` is found wherever it lies, and what plays is what counts."""

import struct
from decimal import Decimal
from functools import cache

import pytest

from gateway.probe import Facts, measure
from tests.unit.gateway.media_files import SIZE, film, tone
from tests.unit.gateway.probed import HEAD_BYTES, Reads, facts_of, probed, replaced
from tests.unit.gateway.test_probe_boxes import box

QUARTERS = {
    0: (1, 0, 0, 1),
    90: (0, 1, -1, 0),
    180: (-1, 0, 0, -1),
    270: (0, -1, 1, 0),
}


@cache
def plain():
    return film("mp4", "libx264", "aac")


@cache
def fast():
    """A film with many frames, and their table in front."""
    return film("mov", "mpeg4", "aac", seconds=50, fps=240, movflags="faststart")


def test_a_heavy_film_is_hardly_read():
    data = film("mov", "rawvideo", None, seconds=40)  # its frames are not compressed
    assert len(data) > 20_000_000
    assert data.index(b"moov") > 20_000_000
    facts, reads = probed(data)
    assert facts == Facts(*SIZE, Decimal(40), Decimal(24), None, True, False)
    assert HEAD_BYTES + reads.total_bytes < 200_000
    assert len(reads.asked) == 1


def test_a_table_of_contents_that_is_longer_than_the_first_read():
    data = fast()
    assert data.index(b"mdat") > HEAD_BYTES
    facts, reads = probed(data)
    assert (facts.duration_seconds, facts.frame_rate) == (50, 240)
    assert len(reads.asked) == 1


def test_one_that_is_longer_than_is_read_at_once_is_jumped_through(monkeypatch):
    data = fast()
    monkeypatch.setattr("gateway.probe.mp4.MOOV_AT_ONCE_BYTES", 10_000)
    facts, reads = probed(data, head_bytes=1000)
    assert (facts.duration_seconds, facts.frame_rate, facts.channels) == (50, 240, 1)
    assert len(reads.asked) <= 4


def test_a_media_box_with_a_long_size():
    data = plain()
    at = data.index(b"mdat") - 12
    assert data[at + 4 : at + 8] == b"free"  # the muxer leaves room for it
    (size,) = struct.unpack(">I", data[at + 8 : at + 12])
    data = data[:at] + struct.pack(">I4sQ", 1, b"mdat", size + 8) + data[at + 16 :]
    assert facts_of(data) == facts_of(plain())


@pytest.mark.parametrize("angle", QUARTERS)
def test_sides_are_as_shown(angle):
    a, b, c, d = (value << 16 for value in QUARTERS[angle])
    data = replaced(plain(), b"tkhd", 40, struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30))
    facts = facts_of(data)
    assert (facts.width, facts.height) == (SIZE if angle in (0, 180) else SIZE[::-1])


def test_a_trimmed_film_lasts_as_long_as_it_plays():
    data = replaced(plain(), b"elst", 8, struct.pack(">I", 750))  # of the movie's 1000 a second
    assert facts_of(data).duration_seconds == Decimal("0.75")


def test_an_edit_cannot_make_a_film_longer():
    assert facts_of(replaced(plain(), b"elst", 8, b"\xff" * 4)).duration_seconds == 2


def test_the_headers_duration_is_not_believed():
    data = replaced(plain(), b"mvhd", 16, struct.pack(">I", 1))
    data = replaced(data, b"mdhd", 16, struct.pack(">I", 1))
    data = replaced(data, b"tkhd", 20, struct.pack(">I", 1))
    assert facts_of(data).duration_seconds == 2


def test_a_varying_frame_rate_is_the_mean():
    data = plain()
    at = data.index(b"stts")
    assert struct.unpack(">II", data[at + 8 : at + 16]) == (1, 48)
    # Two rows in the place of one and the box behind it, which nothing here needs.
    (next_size,) = struct.unpack(">I", data[at + 20 : at + 24])
    (ticks,) = struct.unpack(">I", data[at + 16 : at + 20])
    rows = struct.pack(">IIIII", 2, 24, ticks, 24, 3 * ticks)
    varied = struct.pack(">I", 32) + b"stts" + bytes(4) + rows
    rest = 20 + next_size + 4 - len(varied)
    data = data[: at - 4] + varied + box(b"free", bytes(rest - 8)) + data[at - 4 + 20 + 4 + next_size :]
    facts = facts_of(data.replace(b"edts", b"free"))
    assert (facts.duration_seconds, facts.frame_rate) == (4, 12)


def test_channels_of_aac_are_its_own():
    data = tone("ipod", "aac")
    lying = replaced(data, b"mp4a", 16, struct.pack(">H", 2), which=data[: data.index(b"stsd")].count(b"mp4a"))
    assert lying != data
    assert facts_of(lying).channels == 1
    unspecified = lying.replace(b"esds", b"free")
    assert facts_of(unspecified).channels == 2


@pytest.mark.parametrize(("layout", "channels"), [("mono", 1), ("stereo", 2), ("5.1", 6), ("7.1", 8)])
def test_layouts(layout, channels):
    assert facts_of(tone("ipod", "aac", layout=layout, seconds=1)).channels == channels


def test_a_track_that_is_switched_off_does_not_count():
    data = plain()
    at = data.index(b"trak") - 4
    (size,) = struct.unpack(">I", data[at : at + 4])
    second = bytearray(data[at : at + size])
    flags = second.index(b"tkhd") + 7
    second[flags] &= 0xFE
    entry = second.index(b"avc1")
    second[entry + 28 : entry + 32] = struct.pack(">HH", 4000, 3000)
    moov = data.index(b"moov") - 4
    (moov_size,) = struct.unpack(">I", data[moov : moov + 4])
    both = data[:moov] + struct.pack(">I", moov_size + size) + data[moov + 4 : at] + bytes(second) + data[at:]
    assert facts_of(both) == facts_of(data)
    second[flags] |= 1
    both = data[:moov] + struct.pack(">I", moov_size + size) + data[moov + 4 : at] + bytes(second) + data[at:]
    assert facts_of(both).width == 4000


@pytest.mark.parametrize(
    ("mark", "skip", "new"),
    [
        (b"mvhd", 12, bytes(4)),  # no clock
        (b"mdhd", 12, bytes(4)),
        (b"stts", 4, b"\xff" * 4),  # more rows than there is room
        (b"stts", -8, b"\xff" * 4),  # larger than its parent
        (b"stsd", 8 + 32, bytes(4)),  # no pixels
        (b"moov", -4, b"free"),
        (b"hdlr", -4, b"free"),
    ],
)
def test_what_is_broken_tells_nothing(mark, skip, new):
    assert facts_of(replaced(plain(), mark, skip, new)) == Facts()


def test_no_samples_no_duration():
    facts = facts_of(replaced(plain(), b"stts", 8, bytes(4)))
    assert (facts.duration_seconds, facts.frame_rate, facts.width) == (None, None, SIZE[0])


def test_a_server_that_lies_about_the_length():
    """It says more than there is: the table of contents must be behind a media box that never ends."""
    data = plain()
    at = data.index(b"mdat") - 4
    lying = data[:at] + struct.pack(">I4s", 0x7FFFFFFF, b"mdat") + bytes(100)
    reads = Reads(lying)
    assert measure("video/mp4", 2**31 + 10_000, reads, lying) == Facts()
    assert len(reads.asked) == 1
