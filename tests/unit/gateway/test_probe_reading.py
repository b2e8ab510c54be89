"""A file is read in few pieces, each byte once, and never beyond the bounds."""

from decimal import Decimal
from fractions import Fraction

import pytest

from gateway.probe import reading
from gateway.probe.reading import AHEAD_BYTES, BYTES_MAX, READS_MAX, STEPS_MAX, File, Unreadable
from tests.unit.gateway.probed import Reads

DATA = bytes(range(256)) * 4096  # 1 MiB


SIZE = len(DATA)


def opened(first=b"", size=SIZE):
    reads = Reads(DATA)
    return File(size, reads, first), reads


def test_what_is_at_hand_is_not_read():
    file, reads = opened(DATA[:1000])
    assert file.at(0, 1000) == DATA[:1000]
    assert file.at(990, 10) == DATA[990:1000]
    assert file.unpack(">HB", 1) == (0x0102, 3)
    assert reads.asked == []


def test_what_is_missing_is_read_once_and_with_a_little_more():
    file, reads = opened(DATA[:1000])
    assert file.at(995, 10) == DATA[995:1005]
    assert file.at(1005, 5000) == DATA[1005:6005]
    assert reads.asked == [(1000, AHEAD_BYTES)]
    assert file.at(500_000, 4) == DATA[500_000:500_004]
    assert reads.asked[1:] == [(500_000, AHEAD_BYTES)]


def test_nothing_is_asked_for_behind_the_end():
    file, reads = opened()
    assert file.at(len(DATA) - 10, 10) == DATA[-10:]
    assert file.tail(4) == (len(DATA) - 4, DATA[-4:])
    assert reads.asked == [(len(DATA) - 10, 10)]


def test_the_tail_of_a_short_file_is_all_of_it():
    assert opened(DATA[:50], size=50)[0].tail(100) == (0, DATA[:50])


def test_reading_straight_on_takes_growing_pieces():
    file, reads = opened(b"")
    for at in range(0, len(DATA), 1000):
        file.at(at, min(1000, len(DATA) - at))
    assert [length // AHEAD_BYTES for _, length in reads.asked] == [1, 2, 4, 8, 1]
    assert reads.total_bytes == len(DATA)


@pytest.mark.parametrize(("start", "length"), [(-1, 4), (0, -1), (len(DATA) - 3, 4), (2**63, 1), (0, 2**63)])
def test_places_outside_are_unreadable(start, length):
    file, reads = opened()
    with pytest.raises(Unreadable):
        file.at(start, length)
    assert reads.asked == []


def test_an_answer_that_is_too_short_is_unreadable():
    file, _ = opened(size=2 * len(DATA))
    with pytest.raises(Unreadable):
        file.at(len(DATA) - 3, 4)


def test_an_answer_that_is_too_long_is_cut():
    file = File(100_000, lambda start, length: b"x" * 10_000_000)
    assert len(file.at(0, 10)) == 10
    assert len(file.at(0, 100_000)) == 100_000


def test_bytes_are_bounded():
    asked = []

    def read(start, length):
        asked.append(length)
        return bytes(length)

    file = File(2**40, read)
    with pytest.raises(Unreadable):
        file.at(0, BYTES_MAX + 1)
    file.at(0, BYTES_MAX - 10)
    with pytest.raises(Unreadable):
        file.at(2**30, 11)
    file.at(2**30, 10)
    assert sum(asked) == BYTES_MAX


def test_reads_are_bounded():
    reads = []

    def read(start, length):
        reads.append(start)
        return bytes(length)

    file = File(2**40, read)
    for at in range(READS_MAX):
        file.at(at << 20, 1)
    with pytest.raises(Unreadable):
        file.at(2**30, 1)
    assert len(reads) == READS_MAX


def test_steps_are_bounded():
    file, _ = opened(DATA[:10])
    for _ in range(STEPS_MAX):
        file.at(0, 1)
    with pytest.raises(Unreadable):
        file.step()


@pytest.mark.parametrize(
    ("value", "rounded"),
    [
        (Fraction(5), "5"),
        (Fraction(1, 3), "0.333"),
        (Fraction(24000, 1001), "23.976"),
        (Fraction(1, 10_000), None),
        (Fraction(0), None),
        (Fraction(-1), None),
        (Fraction(10**12), None),
        (None, None),
    ],
)
def test_rounding(value, rounded):
    assert reading.seconds(value) == reading.per_second(value) == (Decimal(rounded) if rounded else None)


@pytest.mark.parametrize("absurd", [(0, 5), (5, 0), (-1, 5), (5, 2**31)])
def test_absurd_sides(absurd):
    with pytest.raises(Unreadable):
        reading.sides(*absurd)
    assert reading.sides(3, 4, turned=True) == (4, 3)
