"""WebM and Matroska: what is announced, or else the end of the last block."""

import struct
from decimal import Decimal
from functools import cache

import pytest

from gateway.probe import Facts
from tests.unit.gateway.media_files import SIZE, film, tone
from tests.unit.gateway.probed import facts_of, probed, replaced

DURATION = b"\x44\x89\x88"
DEFAULT_DURATION = b"\x23\xe3\x83"
CLUSTER = b"\x1f\x43\xb6\x75"
UNKNOWN_LENGTH = b"\x01" + b"\xff" * 7


@cache
def plain():
    return film("webm", "libvpx", "libopus", seconds=2)


@cache
def recorded():
    """As browsers record: no duration, no length of the whole, no list of contents."""
    return film("webm", "libvpx", "libopus", seconds=3, live="1")


def element(name, body, length=None):
    return name + (length or struct.pack(">Q", 1 << 56 | len(body))) + body


def test_recordings_do_not_announce_and_are_measured():
    data = recorded()
    assert DURATION not in data
    assert UNKNOWN_LENGTH in data
    facts, reads = probed(data)
    assert float(facts.duration_seconds) == pytest.approx(3, abs=0.05)
    assert reads.asked == []


def test_a_long_recording_costs_one_read_of_its_end():
    data = recorded()
    first = data.index(CLUSTER)
    data = data[:first] + element(b"\xec", bytes(3_000_000)) + data[first:]
    facts, reads = probed(data)
    assert float(facts.duration_seconds) == pytest.approx(3, abs=0.05)
    assert len(reads.asked) <= 2
    assert reads.total_bytes < 1_300_000


def test_without_a_frame_duration_the_last_two_blocks_tell():
    data = recorded().replace(DEFAULT_DURATION, b"\x23\xe3\x84")
    facts = facts_of(data)
    assert facts.frame_rate is None
    assert float(facts.duration_seconds) == pytest.approx(3, abs=0.05)


def test_a_recording_that_was_cut_off_lasts_as_long_as_it_goes():
    data = recorded()
    at = data.rindex(CLUSTER)
    facts = facts_of(data[: at + (len(data) - at) // 2])
    assert 0 < facts.duration_seconds < 3


def test_no_blocks_no_duration():
    data = recorded()
    facts = facts_of(data[: data.index(CLUSTER)])
    assert facts.duration_seconds is None
    assert (facts.width, facts.height, facts.has_audio) == (*SIZE, True)


@pytest.mark.parametrize("absurd", [float("nan"), float("inf"), -5.0, 0.0])
def test_absurd_durations_are_not_believed(absurd):
    data = replaced(plain(), DURATION, 0, struct.pack(">d", absurd))
    assert float(facts_of(data).duration_seconds) == pytest.approx(2, abs=0.05)  # measured instead


def test_a_duration_of_four_bytes_and_another_scale():
    info = element(b"\x2a\xd7\xb1", b"\x0f\x42\x40") + element(b"\x44\x89", struct.pack(">f", 2500.0))
    tracks = element(b"\xae", element(b"\xd7", b"\1") + element(b"\x83", b"\2") + element(b"\xe1", b""))
    data = element(b"\x1a\x45\xdf\xa3", b"") + element(
        b"\x18\x53\x80\x67",
        element(b"\x15\x49\xa9\x66", info) + element(b"\x16\x54\xae\x6b", tracks),
    )
    # One channel is the default that may be left out.
    assert facts_of(data, "video/webm") == Facts(
        duration_seconds=Decimal("2.5"), channels=1, has_video=False, has_audio=True
    )


def test_tracks_behind_the_media_are_found_by_the_list_of_contents():
    tracks = element(b"\x16\x54\xae\x6b", element(b"\xae", element(b"\x83", b"\2") + element(b"\xe1", b"\x9f\x81\2")))
    cluster = element(CLUSTER, bytes([0xEC, 0x10, 0x04, 0x93, 0xE0]) + bytes(300_000))

    def list_of_contents(position):
        entry = element(b"\x53\xab", b"\x16\x54\xae\x6b") + element(b"\x53\xac", struct.pack(">I", position))
        return element(b"\x11\x4d\x9b\x74", element(b"\x4d\xbb", entry))

    head = list_of_contents(len(list_of_contents(0)) + len(cluster))
    data = element(b"\x1a\x45\xdf\xa3", b"") + element(b"\x18\x53\x80\x67", head + cluster + tracks)
    facts, reads = probed(data, "video/webm")
    assert (facts.channels, facts.has_video, facts.duration_seconds) == (2, False, None)
    assert len(reads.asked) <= 2


@pytest.mark.parametrize(("layout", "channels"), [("mono", 1), ("stereo", 2)])
def test_channels(layout, channels):
    assert facts_of(tone("matroska", "aac", layout=layout)).channels == channels


@pytest.mark.parametrize(
    "data",
    [
        b"\x1a\x45\xdf\xa3",
        b"\x1a\x45\xdf\xa3" + b"\0" * 50,
        element(b"\x1a\x45\xdf\xa3", b"") + element(b"\x18\x53\x80\x67", b""),
        element(b"\x1a\x45\xdf\xa3", b"") + element(b"\x18\x53\x80\x67", b"\xae\x80" * 30_000),
        element(b"\x1a\x45\xdf\xa3", b"") + element(b"\x18\x53\x80\x67", b"\x11\x4d\x9b\x74\xff" * 9),
    ],
)
def test_what_is_broken_tells_nothing(data):
    assert facts_of(data, "video/webm") == Facts()
