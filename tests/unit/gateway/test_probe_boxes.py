"""Boxes are walked one after the other, each within its parent."""

import struct

import pytest

from gateway.probe import boxes
from gateway.probe.reading import File, Unreadable
from tests.unit.gateway.probed import Reads


def box(kind, body=b""):
    return struct.pack(">I4s", 8 + len(body), kind) + body


def long_box(kind, body=b""):
    return struct.pack(">I4sQ", 1, kind, 16 + len(body)) + body


def walk(data):
    file = File(len(data), Reads(data), data)
    return [(one.kind, data[one.body : one.end]) for one in boxes.boxes(file, 0, len(data))]


def test_sizes_of_32_bits_64_bits_and_to_the_end():
    data = box(b"ftyp", b"abc") + long_box(b"mdat", b"de") + struct.pack(">I4s", 0, b"free") + b"fgh"
    assert walk(data) == [(b"ftyp", b"abc"), (b"mdat", b"de"), (b"free", b"fgh")]


def test_a_terminator_of_zeros_is_no_box():
    assert walk(box(b"udta", b"x") + bytes(4)) == [(b"udta", b"x")]


@pytest.mark.parametrize(
    "broken",
    [
        struct.pack(">I4s", 7, b"free"),
        struct.pack(">I4s", 9, b"free"),
        struct.pack(">I4sQ", 1, b"mdat", 15),
        struct.pack(">I4sQ", 1, b"mdat", 2**64 - 1),
        struct.pack(">I4s", 1, b"mdat"),
    ],
)
def test_a_box_that_does_not_fit_in(broken):
    with pytest.raises(Unreadable):
        walk(broken)


def test_paths():
    data = box(b"moov", box(b"mvhd", b"1") + box(b"trak", box(b"mdia", b"")) + box(b"trak", b""))
    file = File(len(data), Reads(data), data)
    (moov,) = boxes.boxes(file, 0, len(data))
    assert boxes.find(file, moov, b"trak", b"mdia").kind == b"mdia"
    assert boxes.find(file, moov, b"trak", b"mdhd") is None
    assert len(boxes.children(file, moov, b"trak", b"mvhd")) == 3
    with pytest.raises(Unreadable):
        boxes.need(file, moov, b"udta")


def test_tables_stay_within_their_box_and_bound():
    data = box(b"stts", bytes(16))
    file = File(len(data), Reads(data), data)
    (stts,) = boxes.boxes(file, 0, len(data))
    assert boxes.table(file, stts, stts.body, 8, 2, 100) == bytes(16)
    for count, most in ((3, 100), (2, 15), (2**32 - 1, 2**60)):
        with pytest.raises(Unreadable):
            boxes.table(file, stts, stts.body, 8, count, most)


def test_thousands_of_boxes_end():
    data = box(b"free") * 30_000
    with pytest.raises(Unreadable):
        walk(data)
