"""Sound: how long it plays, not how long its file is."""

import struct
from decimal import Decimal
from functools import cache

import pytest

from gateway import media
from gateway.probe import Facts
from tests.unit.gateway.media_files import tone
from tests.unit.gateway.probed import HEAD_BYTES, facts_of, probed, replaced


@cache
def mp3(kilobits=128, seconds=3, **options):
    return tone("mp3", "libmp3lame", seconds, bit_rate=kilobits * 1000, id3v2_version="0", **options)


@cache
def bare(kilobits=128, **options):
    """Without a count in front."""
    return mp3(kilobits, write_xing="0", **options)


@cache
def varying():
    return tone("mp3", seconds=10, encoder={"global_quality": "472", "flags": "+qscale"})


def cover(size_bytes, footer=False):
    """An ID3 tag as large as one with a picture."""
    size = bytes(size_bytes >> shift & 0x7F for shift in (21, 14, 7, 0))
    return (
        b"ID3\4\0" + (b"\x10" if footer else b"\0") + size + bytes(size_bytes) + (b"3DI".ljust(10) if footer else b"")
    )


def inspected(data, tmp_path):
    path = tmp_path / "sound"
    path.write_bytes(data)
    return media.inspect(path).duration_seconds


class TestMp3:
    @pytest.mark.parametrize("kilobits", [64, 128, 320])
    def test_counted(self, kilobits):
        assert facts_of(mp3(kilobits)) == Facts(
            duration_seconds=Decimal(3), channels=1, has_video=False, has_audio=True
        )

    def test_a_varying_bit_rate_with_a_count(self):
        assert facts_of(varying()).duration_seconds == 10

    @pytest.mark.parametrize("kilobits", [64, 128, 320])
    def test_one_bit_rate_without_a_count(self, kilobits, tmp_path):
        data = bare(kilobits, seconds=10)
        facts, reads = probed(data)
        assert float(facts.duration_seconds) == pytest.approx(inspected(data, tmp_path), abs=0.03)
        assert len(reads.asked) <= 1

    def test_two_bit_rates_without_a_count_tell_nothing(self):
        facts = facts_of(bare(128) + bare(64))
        assert (facts.duration_seconds, facts.channels) == (None, 1)

    def test_the_end_is_looked_at_too(self):
        data = bare(320, seconds=10) + bare(64, seconds=3)
        assert len(data) > 5 * HEAD_BYTES
        assert facts_of(data).duration_seconds is None

    @pytest.mark.parametrize("behind", [b"TAG" + bytes(125), b"APETAGEX" + bytes(3000), b"\0" * 500])
    def test_tags_behind_do_not_count(self, behind):
        assert facts_of(bare() + behind) == facts_of(bare())

    @pytest.mark.parametrize("sound", [mp3, bare])
    @pytest.mark.parametrize("footer", [False, True])
    def test_a_cover_in_front_is_jumped_over(self, sound, footer):
        data = cover(1_500_000, footer) + sound()
        facts, reads = probed(data)
        assert facts == facts_of(sound(), "audio/mpeg")
        assert reads.total_bytes <= HEAD_BYTES
        assert len(reads.asked) == 1

    def test_several_tags_and_some_padding(self):
        assert facts_of(cover(1000) + cover(70_000, True) + bytes(300) + mp3()).duration_seconds == 3

    def test_fraunhofers_count(self):
        data = bare()
        vbri = b"VBRI" + struct.pack(">HHHII", 1, 0, 0, len(data), 500)
        assert facts_of(data[:36] + vbri + data[36 + len(vbri) :]).duration_seconds == Decimal(500 * 1152) / 48000

    @pytest.mark.parametrize("count", [0, 3, 1_000_000])
    def test_a_count_that_cannot_be_is_not_believed(self, count):
        facts = facts_of(replaced(mp3(), b"Info", 4, struct.pack(">I", count)))
        assert (facts.duration_seconds, facts.channels) == (None, 1)

    @pytest.mark.parametrize(("rate", "layout", "channels"), [(48000, "stereo", 2), (24000, "mono", 1)])
    def test_other_rates_and_layouts(self, rate, layout, channels, tmp_path):
        import io

        import av

        out = io.BytesIO()
        with av.open(out, "w", format="mp3", options={"id3v2_version": "0"}) as container:
            stream = container.add_stream("libmp3lame", rate=rate, layout=layout)
            for at in range(0, 2 * rate, 1152):
                frame = av.AudioFrame(format="s16p", layout=layout, samples=min(1152, 2 * rate - at))
                for plane in frame.planes:
                    plane.update(bytes(plane.buffer_size))
                frame.rate, frame.pts = rate, at
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        assert facts_of(out.getvalue()) == Facts(
            duration_seconds=Decimal(2), channels=channels, has_video=False, has_audio=True
        )

    @pytest.mark.parametrize("data", [cover(100), cover(100_000), b"\xff\xfb" * 30_000, b"\xff" * 70_000, b"ID3"])
    def test_no_sound_tells_nothing(self, data):
        assert facts_of(data, "audio/mpeg") == Facts()


def wav(size=None, data=bytes(64_000), form=(1, 2, 8000, 32000, 4, 16), before=b"", name=b"RIFF"):
    header = b"fmt " + struct.pack("<IHHIIHH", 16, *form) + before
    size = len(data) if size is None else size
    return name + struct.pack("<I", 0xFFFFFFFF) + b"WAVE" + header + b"data" + struct.pack("<I", size) + data


class TestWav:
    def test_plain(self):
        assert facts_of(wav()) == Facts(duration_seconds=Decimal(2), channels=2, has_video=False, has_audio=True)

    @pytest.mark.parametrize("size", [0xFFFFFFFF, 0, 0x7FFFF000])
    def test_a_stream_without_a_size_goes_on_to_the_end(self, size):
        assert facts_of(wav(size)).duration_seconds == 2

    def test_tags_behind_do_not_count(self):
        assert facts_of(wav() + b"LIST" + struct.pack("<I", 5000) + bytes(5000)).duration_seconds == 2

    def test_large_chunks_before_are_jumped_over(self):
        before = b"junk" + struct.pack("<I", 500_001) + bytes(500_002)
        facts, reads = probed(wav(before=before))
        assert facts.duration_seconds == 2
        assert len(reads.asked) == 1

    def test_rf64(self, tmp_path):
        data = tone("wav", "pcm_s16le", rf64="always")
        assert data[:4] == b"RF64"
        assert facts_of(data, "audio/wav").duration_seconds == 2

    def test_a_rate_of_bytes_that_is_not_true(self):
        assert facts_of(wav(form=(1, 2, 8000, 999_999, 4, 16))).duration_seconds == 2

    def test_compressed(self):
        assert float(facts_of(tone("wav", "adpcm_ms", seconds=3)).duration_seconds) == pytest.approx(3, abs=0.02)
        assert facts_of(wav(form=(0x55, 2, 8000, 16_000, 1, 0))).duration_seconds == 4

    @pytest.mark.parametrize(
        "data",
        [
            wav()[:30],
            wav().replace(b"fmt ", b"fmx "),
            wav().replace(b"data", b"date"),
            wav().replace(b"WAVE", b"AVI "),
            b"RIFF\0\0\0\0WAVE" + b"junk\0\0\0\0" * 30_000,
        ],
    )
    def test_what_is_broken_tells_nothing(self, data):
        assert facts_of(data, "audio/wav") == Facts()

    @pytest.mark.parametrize("form", [(1, 2, 0, 0, 4, 16), (1, 2, 8000, 32000, 0, 16), (2, 2, 8000, 0, 4, 16)])
    def test_no_rate_no_duration(self, form):
        assert facts_of(wav(form=form)).duration_seconds is None


class TestFlac:
    def test_behind_a_tag(self):
        assert facts_of(cover(500) + tone("flac", "flac"), "audio/flac").duration_seconds == 2

    def test_a_stream_without_a_count(self):
        data = tone("flac", "flac")
        assert facts_of(data[:22] + bytes(4) + data[26:]).duration_seconds is None


class TestOgg:
    def test_only_both_ends_are_read(self):
        data = tone("ogg", "libopus", seconds=30, bit_rate=256_000)
        assert len(data) > 3 * HEAD_BYTES
        facts, reads = probed(data)
        assert facts.duration_seconds == 30
        assert reads.asked == [(len(data) - HEAD_BYTES, HEAD_BYTES)]

    def test_vorbis(self):
        packet = b"\x01vorbis" + struct.pack("<IBI", 0, 2, 44100)
        pages = [
            b"OggS\0\2" + struct.pack("<qII", position, 7, 0) + bytes(4) + b"\1\x1e" + packet.ljust(30, b"\0")
            for position in (0, 441_000)
        ]
        assert facts_of(b"".join(pages), "audio/ogg") == Facts(
            duration_seconds=Decimal(10), channels=2, has_video=False, has_audio=True
        )

    def test_another_streams_pages_do_not_count(self):
        data = tone("ogg", "libopus")
        other = b"OggS\0\0" + struct.pack("<qII", 10**9, 12345, 0)
        assert facts_of(data + other, "audio/ogg") == facts_of(data)
