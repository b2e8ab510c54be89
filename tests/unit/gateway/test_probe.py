"""Every format tells what the libraries that decode it measure, and no file can make the reader run away."""

import io
from decimal import Decimal
from functools import cache

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from gateway import media, probe
from tests.unit.gateway.media_files import film, picture, tone
from tests.unit.gateway.probed import Reads, facts_of, probed

IMAGES = {
    "png": lambda: picture("PNG"),
    "jpeg": lambda: picture("JPEG"),
    "progressive jpeg": lambda: picture("JPEG", progressive=True),
    "webp lossy": lambda: picture("WEBP"),
    "webp lossless": lambda: picture("WEBP", lossless=True),
    "webp with alpha": lambda: picture("WEBP", mode="RGBA"),
    "gif": lambda: picture("GIF"),
    "bmp": lambda: picture("BMP"),
    "avif": lambda: picture("AVIF"),
}
STREAMS = {
    "mp4": lambda: film("mp4", "libx264", seconds=3, fps=30),
    "mp4, moov in front": lambda: film("mp4", "libx264", movflags="faststart"),
    "mp4 without sound": lambda: film("mp4", "mpeg4", None, fps=25),
    "mp4 in fragments": lambda: film("mp4", "libx264", movflags="frag_keyframe+empty_moov", g="12"),
    "mov": lambda: film("mov", "libx264", "pcm_s16le"),
    "webm": lambda: film("webm", "libvpx", "libopus"),
    "webm, recorded": lambda: film("webm", "libvpx", "libopus", live="1"),
    "matroska": lambda: film("matroska", "libx264", "aac"),
    "mp3": lambda: tone("mp3", seconds=3),
    "m4a": lambda: tone("ipod", "aac", layout="stereo"),
    "sound in mp4": lambda: tone("mp4", "aac"),
    "sound in webm": lambda: tone("webm", "libopus", layout="stereo"),
    "wav": lambda: tone("wav", "pcm_s16le", layout="stereo"),
    "flac": lambda: tone("flac", "flac", layout="stereo"),
    "ogg": lambda: tone("ogg", "libopus"),
}
UNKNOWN = probe.Facts()


@cache
def file(name):
    return {**IMAGES, **STREAMS}[name]()


@pytest.mark.parametrize("name", IMAGES)
def test_images_have_the_sides_that_pillow_sees(name):
    data = file(name)
    shown = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    facts, reads = probed(data)
    assert facts == probe.Facts(width=shown.width, height=shown.height, has_video=False, has_audio=False)
    assert reads.asked == []


@pytest.mark.parametrize("name", STREAMS)
def test_films_and_sounds_are_as_ffmpeg_sees_them(name, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(file(name))
    facts, measured = facts_of(path.read_bytes()), media.inspect(path)
    assert (facts.width, facts.height) == (measured.width, measured.height)
    assert (facts.has_video, facts.has_audio) == (measured.kind == "video", measured.has_audio)
    assert float(facts.duration_seconds) == pytest.approx(measured.duration_seconds, abs=0.05)
    assert facts.duration_seconds == facts.duration_seconds.quantize(Decimal("0.001"))
    with av.open(str(path)) as container:
        if container.streams.video:
            assert float(facts.frame_rate) == pytest.approx(float(container.streams.video[0].guessed_rate), abs=0.01)
        else:
            assert facts.frame_rate is None
        channels = container.streams.audio[0].channels if container.streams.audio else None
        assert facts.channels == channels


@pytest.mark.parametrize("name", [*IMAGES, *STREAMS])
def test_the_same_whether_the_beginning_is_at_hand_or_read(name):
    data = file(name)
    facts, reads = probed(data, head_bytes=0)
    assert facts == facts_of(data) != UNKNOWN
    assert 0 < reads.total_bytes <= len(data)


@pytest.mark.parametrize("media_type", ["image/tiff", "video/x-msvideo", "audio/aac", "audio/aiff", "text/html"])
def test_other_types_are_unknown_and_cost_nothing(media_type):
    assert probed(file("mp4"), media_type, head_bytes=0) == (UNKNOWN, Reads(file("mp4"), []))


@pytest.mark.parametrize("name", [*IMAGES, *STREAMS])
def test_cut_off_anywhere(name):
    """What a beginning tells may be a part of the truth (a film's sides), and is never an error."""
    data = file(name)
    for length in {0, 1, 3, 4, 8, 12, 16, 30, 100, len(data) // 2, len(data) - 1}:
        reads = Reads(data[:length])
        facts = probe.measure(media.sniff(data), length, reads, data[: min(length, 10)])
        assert all(value is None or value >= 0 for value in vars(facts).values())
        assert reads.total_bytes <= length


def test_what_the_reader_raises_passes_through():
    class Refused(Exception):
        pass

    def refuse(start, length):
        raise Refused

    with pytest.raises(Refused):
        probe.measure("video/mp4", 1000, refuse)


SMALL = {
    name: cache(make)
    for name, make in {
        "image/png": lambda: picture("PNG", (8, 8)),
        "image/jpeg": lambda: picture("JPEG", (8, 8), exif=_exif(6)),
        "image/webp": lambda: picture("WEBP", (8, 8)),
        "image/gif": lambda: picture("GIF", (8, 8)),
        "image/bmp": lambda: picture("BMP", (8, 8)),
        "image/avif": lambda: picture("AVIF", (8, 8)),
        "video/mp4": lambda: film("mp4", "mpeg4", "aac", 1, 5),
        "video/mp4 in fragments": lambda: film("mp4", "mpeg4", "aac", 1, 5, movflags="frag_every_frame+empty_moov"),
        "video/mp4 with an index": lambda: film("mp4", "mpeg4", None, 1, 5, movflags="dash+frag_every_frame"),
        "video/webm": lambda: film("webm", "libvpx", "libopus", 1, 5),
        "video/webm recorded": lambda: film("webm", "libvpx", "libopus", 1, 5, live="1"),
        "audio/mpeg": lambda: tone("mp3", seconds=1),
        "audio/mpeg without a count": lambda: tone("mp3", seconds=1, write_xing="0"),
        "audio/wav": lambda: tone("wav", "pcm_s16le", 1)[:2000],
        "audio/flac": lambda: tone("flac", "flac", 1)[:2000],
        "audio/ogg": lambda: tone("ogg", "libopus", 1),
    }.items()
}


def _exif(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


NUMBERS = st.sampled_from([b"\0", b"\xff", b"\0\0\0\0", b"\0\0\0\1", b"\x7f\xff\xff\xff", b"\xff" * 4, b"\xff" * 8])


@pytest.mark.parametrize("name", SMALL)
@given(st.data())
def test_no_damage_makes_it_run_away(name, data):
    whole = bytearray(SMALL[name]())
    for _ in range(data.draw(st.integers(0, 6))):
        new = data.draw(st.one_of(NUMBERS, st.binary(min_size=1, max_size=4)))
        # Most of what matters stands at either end.
        at = data.draw(st.one_of(st.integers(0, 1500), st.integers(-1500, -1), st.integers(0, len(whole))))
        at = min(at % (len(whole) + 1), len(whole) - len(new))
        whole[at : at + len(new)] = new
    cut = bytes(whole[: data.draw(st.one_of(st.just(len(whole)), st.integers(0, len(whole))))])
    claimed = data.draw(st.sampled_from([len(cut), len(whole), 2 * len(cut), 10**9, 2**63]))
    reads = Reads(cut)
    facts = probe.measure(name.partition(" ")[0], claimed, reads, cut[: data.draw(st.sampled_from([0, 64, 65536]))])
    assert len(reads.asked) <= probe.READS_MAX
    assert reads.total_bytes <= probe.BYTES_MAX
    assert all(value is None or isinstance(value, bool) or value > 0 for value in vars(facts).values())


@pytest.mark.parametrize("name", SMALL)
@given(st.binary(max_size=600), st.integers(0, 40))
def test_neither_does_noise(name, noise, kept):
    cut = SMALL[name]()[:kept] + noise
    reads = Reads(cut)
    probe.measure(name.partition(" ")[0], len(cut), reads)
    assert len(reads.asked) <= probe.READS_MAX
