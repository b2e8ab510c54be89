"""Films in fragments: their end counts, whether an index leads there or not."""

import struct
from decimal import Decimal
from functools import cache

import pytest

from gateway.probe import READS_MAX
from tests.unit.gateway.media_files import film
from tests.unit.gateway.probed import facts_of, probed, replaced
from tests.unit.gateway.test_probe_boxes import box

EMPTY = "empty_moov+default_base_moof"


@cache
def fragmented(movflags, seconds=2, **options):
    return film("mp4", "libx264", None, seconds, movflags=movflags, **options)


def loosened(data, filler_bytes=200_000):
    """The same film with room between the fragments, as if its frames were larger."""
    out, at = b"", 0
    while at < len(data):
        (size,) = struct.unpack(">I", data[at : at + 4])
        kind = data[at + 4 : at + 8]
        out += (box(b"free", bytes(filler_bytes)) if kind == b"moof" else b"") + data[at : at + size]
        at += size
    return out


@pytest.mark.parametrize(
    "movflags",
    [
        f"frag_keyframe+{EMPTY}",
        f"frag_every_frame+{EMPTY}",
        f"frag_keyframe+{EMPTY}+skip_trailer",
        f"frag_keyframe+{EMPTY}+global_sidx",
        "dash+frag_keyframe",
        "frag_keyframe",  # the first samples stand in `moov`
    ],
)
def test_short_ones_are_gone_through(movflags):
    facts, reads = probed(fragmented(movflags))
    assert (facts.duration_seconds, facts.frame_rate) == (2, 24)
    assert reads.asked == []


def every_second(seconds, **options):
    """Fragments of a second each, with an `mfra` at the end."""
    return film("mp4", "mpeg4", None, seconds, frag_duration="1000000", movflags=EMPTY, **options)


def test_the_table_at_the_end_leads_to_the_last_fragments():
    data = moved_table(loosened(every_second(20)))
    facts, reads = probed(data)
    assert float(facts.duration_seconds) == pytest.approx(20, abs=0.05)
    assert len(reads.asked) <= 3


def test_a_table_that_leads_astray_leaves_the_end_unknown():
    data = moved_table(loosened(every_second(20)), astray_bytes=3)
    facts = facts_of(data)
    assert facts.duration_seconds is None
    assert facts.width == 160


def moved_table(data, astray_bytes=0):
    """The table of fragments with the places where they are now."""
    places, at = [], 0
    while (at := data.find(b"moof", at + 1)) > 0:
        places.append(at - 4)
    start = data.rindex(b"mfra") - 4
    tfra = data.index(b"tfra", start)
    is_long = data[tfra + 4] > 0
    (count,) = struct.unpack(">I", data[tfra + 16 : tfra + 20])
    row = (16 if is_long else 8) + 3
    out = bytearray(data)
    for number in range(count):
        last_of = places[len(places) - count + number] + astray_bytes
        at = tfra + 20 + number * row
        out[at + row - 3 - (8 if is_long else 4) : at + row - 3] = struct.pack(">Q" if is_long else ">I", last_of)
    return bytes(out)


def test_without_an_index_few_enough_fragments_are_visited():
    facts, reads = probed(loosened(cut_table(every_second(4))))
    assert float(facts.duration_seconds) == pytest.approx(4, abs=0.05)
    assert len(reads.asked) <= 6


def cut_table(data):
    return data[: data.rindex(b"mfra") - 4]


def test_without_an_index_too_many_fragments_leave_the_end_unknown():
    facts, reads = probed(loosened(cut_table(every_second(20))))
    assert facts.duration_seconds is None
    assert (facts.width, facts.has_video) == (160, True)
    assert len(reads.asked) == READS_MAX


def test_then_the_announced_duration_counts():
    data = loosened(cut_table(every_second(20)))
    mvex = data.index(b"mvex") - 4
    header = box(b"mehd", struct.pack(">II", 0, 20_500))
    out = bytearray(data[: mvex + 8] + header + data[mvex + 8 :])
    for mark in (b"moov", b"mvex"):
        at = out.index(mark) - 4
        out[at : at + 4] = struct.pack(">I", struct.unpack(">I", out[at : at + 4])[0] + len(header))
    assert facts_of(bytes(out)).duration_seconds == Decimal("20.5")


def test_the_index_in_front_leads_to_the_last_part():
    data = every_second(4)
    first = data.index(b"moof") - 4
    loose = loosened(data[first : data.rindex(b"mfra") - 4])
    starts, at = [], 0
    while (at := loose.find(b"moof", at + 1)) > 0:
        starts.append(at - 4)
    sizes = [end - start for start, end in zip(starts, [*starts[1:], len(loose)], strict=True)]
    for version, form in ((0, ">IIII"), (1, ">IIQQ")):
        rows = b"".join(struct.pack(">III", size, 1, 0) for size in sizes)
        body = struct.pack(form, 1, 12288, 0, starts[0]) + struct.pack(">HH", 0, len(sizes)) + rows
        index = box(b"sidx", struct.pack(">B3x", version) + body)
        facts, reads = probed(data[:first] + index + loose)
        assert float(facts.duration_seconds) == pytest.approx(4, abs=0.1)
        assert len(reads.asked) == 2


def test_a_stream_that_was_joined_late_lasts_as_long_as_it_shows():
    data = every_second(2)
    at = 0
    while (at := data.find(b"tfdt", at + 1)) > 0:
        form = ">Q" if data[at + 4] else ">I"
        size = struct.calcsize(form)
        (ticks,) = struct.unpack(form, data[at + 8 : at + 8 + size])
        data = data[: at + 8] + struct.pack(form, ticks + 12288 * 1000) + data[at + 8 + size :]
    assert float(facts_of(data).duration_seconds) == pytest.approx(2, abs=0.05)


@pytest.mark.parametrize("mark", [b"tfhd", b"trun", b"tfdt"])
def test_broken_fragments_leave_the_end_unknown_and_the_rest_known(mark):
    facts = facts_of(replaced(every_second(2), mark, -8, b"\xff" * 4, which=1))
    assert facts.duration_seconds is None
    assert facts.width == 160
