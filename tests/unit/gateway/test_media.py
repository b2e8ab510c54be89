"""A file is what its bytes are; what is broken, cut off or a trap is not delivered."""

import hashlib
import io
import struct
import subprocess
import sys
import zlib
from functools import cache

import av
import pytest
from PIL import Image

from gateway import media
from tests.unit.gateway.loopback import answer, saying, serving
from tests.unit.gateway.media_files import film, picture, tone

PICTURES = {
    "image/png": lambda: picture("PNG"),
    "image/jpeg": lambda: picture("JPEG"),
    "image/webp": lambda: picture("WEBP"),
    "image/gif": lambda: picture("GIF", mode="P"),
    "image/avif": lambda: picture("AVIF"),
    "image/bmp": lambda: picture("BMP"),
    "image/tiff": lambda: picture("TIFF"),
}
FILMS = {
    "video/mp4": lambda: film("mp4", "libx264", "aac"),
    "video/mp4 fast": lambda: film("mp4", "libx264", "aac", movflags="+faststart"),
    "video/mp4 fragmented": lambda: film("mp4", "libx264", "aac", movflags="frag_keyframe+empty_moov"),
    "video/quicktime": lambda: film("mov", "mpeg4", "aac"),
    "video/webm": lambda: film("webm", "libvpx", "libopus"),
    "video/x-matroska": lambda: film("matroska", "mpeg4", "libopus"),
    "video/x-msvideo": lambda: film("avi", "mpeg4", "libmp3lame"),
}
SOUNDS = {
    "audio/mpeg": lambda: tone("mp3", "libmp3lame"),
    "audio/wav": lambda: tone("wav", "pcm_s16le"),
    "audio/ogg": lambda: tone("ogg", "libopus"),
    "audio/flac": lambda: tone("flac", "flac"),
    "audio/aac": lambda: tone("adts", "aac"),
    "audio/aiff": lambda: tone("aiff", "pcm_s16be"),
    "audio/mp4": lambda: tone("ipod", "aac"),
}


@cache
def made(name):
    """The bytes of a sample; made once."""
    return {**PICTURES, **FILMS, **SOUNDS}[name]()


@pytest.fixture
def on_disk(tmp_path):
    def write(data):
        path = tmp_path / "output.bin"
        path.write_bytes(data)
        return path

    return write


def optimized(path, facts):
    """What is made for showing, and its type; None where nothing is."""
    into = path.with_suffix(".optimized")
    media_type = media.optimize(path, facts, into)
    assert into.exists() == (media_type is not None)
    return (into.read_bytes(), media_type) if media_type else None


def packets(data):
    """The encoded pictures and sounds of a film, by stream."""
    with av.open(io.BytesIO(data)) as container:
        found = [(one.stream.type, bytes(one)) for one in container.demux() if one.size]
    return sorted(found)


def reason(path, **options):
    with pytest.raises(media.UnusableOutput) as raised:
        media.inspect(path, **options)
    return raised.value.reason


class TestSniff:
    @pytest.mark.parametrize("name", [*PICTURES, *FILMS, *SOUNDS])
    def test_by_content(self, name):
        assert media.sniff(made(name)[: media.SNIFF_BYTES]) == name.split()[0]

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\x00" * 5000,
            b"<!DOCTYPE html><html><body>Sign in",
            b"<html><script>fetch('//evil')</script>",
            b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script/></svg>',
            b"<svg xmlns='http://www.w3.org/2000/svg'/>",
            b'{"error": "AccessDenied"}',
            b"<Error><Code>AccessDenied</Code></Error>",
            b"#EXTM3U\n#EXT-X-TARGETDURATION:9\nhttp://127.0.0.1/x.ts\n",
            b"ffconcat version 1.0\nfile '/etc/passwd'\n",
            b'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"/>',
            b"%PDF-1.7\n",
            b"PK\x03\x04" + b"\0" * 100,
            b"\x1f\x8b\x08" + b"\0" * 100,
            b"MThd\x00\x00\x00\x06",
            b"just some words that are not media at all",
            b"8BPS" + b"\0" * 100,
        ],
        ids=lambda data: repr(data[:20]),
    )
    def test_anything_else_is_nothing(self, data):
        assert media.sniff(data) is None

    def test_every_type_has_a_kind_and_an_extension(self):
        for media_type, extension in media.EXTENSIONS.items():
            if media_type != media.TEXT_TYPE:
                assert media_type.startswith(media.kind_of(media_type))
            assert extension.startswith(".")


class TestInspect:
    @pytest.mark.parametrize("name", PICTURES)
    def test_picture(self, name, on_disk):
        data = made(name)
        assert media.inspect(on_disk(data)) == media.Facts(
            media_type=name,
            kind="image",
            width=160,
            height=96,
            duration_seconds=None,
            has_audio=False,
            bytes=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
        )

    @pytest.mark.parametrize("name", FILMS)
    def test_film(self, name, on_disk):
        facts = media.inspect(on_disk(made(name)), expected_kind="video")
        assert (facts.media_type, facts.kind, facts.has_audio) == (name.split()[0], "video", True)
        assert (facts.width, facts.height) == (160, 96)
        assert facts.duration_seconds == pytest.approx(2, abs=0.05)

    @pytest.mark.parametrize("name", SOUNDS)
    def test_sound(self, name, on_disk):
        facts = media.inspect(on_disk(made(name)), expected_kind="audio")
        assert (facts.media_type, facts.width, facts.has_audio) == (name, None, True)
        assert facts.duration_seconds == pytest.approx(2, abs=0.05)

    def test_exact_where_the_container_is(self, on_disk):
        assert media.inspect(on_disk(made("video/mp4"))).duration_seconds == 2.0
        assert media.inspect(on_disk(made("audio/wav"))).duration_seconds == 2.0

    def test_silent_film(self, on_disk):
        assert not media.inspect(on_disk(film("mp4", "libx264", None))).has_audio

    def test_sound_in_a_film_container_is_sound(self, on_disk):
        facts = media.inspect(on_disk(tone("mp4", "aac")))
        assert (facts.kind, facts.media_type) == ("audio", "audio/mp4")

    def test_wrong_kind(self, on_disk):
        assert reason(on_disk(made("image/png")), expected_kind="video") == "wrong_kind"
        assert reason(on_disk(tone("mp4", "aac")), expected_kind="video") == "wrong_kind"

    def test_turned_pictures_are_measured_upright(self, on_disk):
        exif = Image.Exif()
        exif[0x0112] = 6
        facts = media.inspect(on_disk(picture("JPEG", exif=exif)))
        assert (facts.width, facts.height) == (96, 160)

    def test_speech_that_was_streamed_tells_no_size(self, on_disk):
        data = bytearray(made("audio/wav"))
        at = data.index(b"data")
        data[4:8] = data[at + 4 : at + 8] = b"\xff" * 4
        assert media.inspect(on_disk(bytes(data))).duration_seconds == 2.0


class TestHostile:
    @pytest.mark.parametrize("share", [0.97, 0.5])
    @pytest.mark.parametrize("name", ["image/png", "image/jpeg", "image/webp", "video/mp4", "video/mp4 fast"])
    def test_cut_off(self, name, share, on_disk):
        data = made(name)
        assert reason(on_disk(data[: int(len(data) * share)])) == "truncated"

    @pytest.mark.parametrize(
        "name",
        [
            *("image/gif", "image/avif", "video/mp4 fragmented", "video/quicktime", "video/webm"),
            *("video/x-matroska", "video/x-msvideo", "audio/mpeg", "audio/wav", "audio/flac", "audio/mp4"),
        ],
    )
    def test_half_of_it(self, name, on_disk):
        data = made(name)
        assert reason(on_disk(data[: len(data) // 2])) == "truncated"

    @pytest.mark.parametrize("name", [*PICTURES, *FILMS, *SOUNDS])
    def test_no_damage_raises_anything_else(self, name, on_disk):
        """Whatever is done to a file, it is either whole or refused."""
        data = made(name)
        for at in range(16, len(data), max(len(data) // 25, 1)):
            damaged = data[:at] + bytes((one ^ 0xA5) for one in data[at : at + 8]) + data[at + 8 :]
            try:
                facts = media.inspect(on_disk(damaged))
                media.thumbnail(on_disk(damaged), facts)
            except media.UnusableOutput:
                continue

    @pytest.mark.parametrize(
        "data",
        [b"", b"<html>", b'<svg xmlns="http://www.w3.org/2000/svg"/>', b"%PDF-1.7", b"#EXTM3U\nhttp://x/"],
    )
    def test_not_media(self, data, on_disk):
        assert reason(on_disk(data)) == "not_media"

    def test_headers_alone(self, on_disk):
        for start in (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"RIFF\x00\x00\x00\x00WEBP", b"ID3" + b"\0" * 40):
            assert reason(on_disk(start + b"\0" * 300)) in {"truncated", "zero_duration", "not_media"}

    @pytest.mark.parametrize("side", [8000, 100_000])
    def test_a_picture_that_claims_a_huge_canvas(self, side, on_disk):
        head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        data = b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
            for kind, body in ((b"IHDR", head), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b""))
        )
        assert reason(on_disk(data)) == "too_large"

    def test_many_frames_cost_one(self, on_disk):
        frames = [Image.effect_noise((32, 32), 80) for _ in range(300)]
        data = io.BytesIO()
        frames[0].save(data, "GIF", save_all=True, append_images=frames[1:])
        path = on_disk(data.getvalue())
        facts = media.inspect(path)
        assert facts.kind == "image"
        assert media.thumbnail(path, facts)
        assert optimized(path, facts) is None

    @pytest.mark.parametrize(("box", "offset"), [(b"mvhd", 20), (b"tkhd", 24), (b"mdhd", 20), (b"elst", 12)])
    def test_a_duration_in_a_header_is_only_a_claim(self, box, offset, on_disk):
        data = bytearray(film("mp4", "libx264", None))
        at = data.index(box) + offset
        data[at : at + 4] = b"\x7f\xff\xff\xff"
        try:
            seconds = media.inspect(on_disk(bytes(data))).duration_seconds
        except media.UnusableOutput:
            return
        assert seconds == 2.0

    def test_frames_that_last_years(self, on_disk):
        data = bytearray(film("mp4", "libx264", None))
        at = data.index(b"stts") + 16
        data[at : at + 4] = b"\x7f\xff\xff\xff"
        assert reason(on_disk(bytes(data))) == "too_large"

    def test_playlists_open_nothing(self, on_disk):
        with serving(saying(answer(made("video/mp4")))) as server:
            address = server.url("/x.mp4")
            lists = [
                f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{address}\n#EXT-X-ENDLIST\n",
                f"ffconcat version 1.0\nfile '{address}'\n",
                f"<MPD xmlns='urn:mpeg:dash:schema:mpd:2011'><Period><BaseURL>{address}</BaseURL></Period></MPD>",
            ]
            for text in lists:
                for start in (b"", made("video/mp4")[:32], made("audio/mpeg")[:3], b"\x1a\x45\xdf\xa3"):
                    with pytest.raises(media.UnusableOutput):
                        media.inspect(on_disk(start + text.encode()))
            assert server.connections == 0


class TestSmallPictures:
    def test_thumbnail_of_a_picture(self, on_disk):
        path = on_disk(picture("PNG", size=(1000, 500), mode="RGBA"))
        small = Image.open(io.BytesIO(media.thumbnail(path, media.inspect(path))))
        assert (small.format, small.size, small.mode) == ("JPEG", (512, 256), "RGB")

    def test_transparency_becomes_white(self, on_disk):
        clear = io.BytesIO()
        Image.new("RGBA", (20, 20), (255, 0, 0, 0)).save(clear, "PNG")
        path = on_disk(clear.getvalue())
        small = Image.open(io.BytesIO(media.thumbnail(path, media.inspect(path))))
        assert small.getpixel((10, 10)) == (255, 255, 255)

    @pytest.mark.parametrize("name", FILMS)
    def test_thumbnail_of_a_film(self, name, on_disk):
        path = on_disk(made(name))
        facts = media.inspect(path)
        small = Image.open(io.BytesIO(media.thumbnail(path, facts)))
        assert (small.format, small.size) == ("JPEG", (160, 96))

    @pytest.mark.parametrize("name", FILMS)
    def test_a_film_whose_index_lies_behind_its_pictures_gets_one_with_the_index_first(self, name, on_disk):
        path = on_disk(made(name))
        facts = media.inspect(path)
        found = optimized(path, facts)
        if name not in {"video/mp4", "video/quicktime"}:
            assert found is None
            return
        data, media_type = found
        assert media_type == media.sniff(data) == "video/mp4"
        assert data.index(b"moov") < data.index(b"mdat")
        again = media.inspect(on_disk(data))
        told = (again.width, again.height, again.duration_seconds, again.has_audio)
        assert told == (facts.width, facts.height, facts.duration_seconds, facts.has_audio)
        assert packets(data) == packets(made(name))

    def test_what_mp4_has_no_place_for_stays_as_it_is(self, on_disk):
        path = on_disk(film("mov", "mpeg4", "pcm_mulaw"))
        assert optimized(path, media.inspect(path)) is None

    @pytest.mark.parametrize("name", PICTURES)
    def test_of_every_picture(self, name, on_disk):
        path = on_disk(made(name))
        facts = media.inspect(path)
        assert media.thumbnail(path, facts)
        data, media_type = optimized(path, facts)
        assert media_type == media.sniff(data) == "image/webp"

    def test_optimized_is_bounded(self, on_disk):
        path = on_disk(picture("JPEG", size=(3200, 80)))
        data, _ = optimized(path, media.inspect(path))
        assert Image.open(io.BytesIO(data)).size == (1600, 40)

    def test_none_of_sound(self, on_disk):
        path = on_disk(made("audio/mpeg"))
        facts = media.inspect(path)
        assert media.thumbnail(path, facts) is None
        assert optimized(path, facts) is None


def test_decoders_are_imported_when_needed():
    """The API's functions sniff sources and do not carry the decoders."""
    code = "import sys, gateway.sources; print({'PIL', 'av'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"


class TestText:
    def test_words(self, on_disk):
        path = on_disk("Füchse \u72d0\r\n\tund mehr".encode())
        facts = media.inspect(path, expected_kind="text")
        assert (facts.media_type, facts.kind, facts.bytes) == ("text/plain", "text", path.stat().st_size)
        assert (facts.width, facts.height, facts.duration_seconds, facts.has_audio) == (None, None, None, False)
        assert facts.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert media.thumbnail(path, facts) is None
        assert optimized(path, facts) is None
        assert media.EXTENSIONS[facts.media_type] == ".txt"

    @pytest.mark.parametrize(
        "data", [b"", b" \n\t", b"\xff", "Fuchs \u72d0".encode()[:-1], b"a\0b", "a".encode("utf-16")]
    )
    def test_anything_else(self, data, on_disk):
        assert reason(on_disk(data), expected_kind="text") == "not_media"

    def test_too_long(self, on_disk, monkeypatch):
        monkeypatch.setattr(media, "TEXT_BYTES_MAX", 9)
        assert reason(on_disk(b"ten letter"), expected_kind="text") == "too_large"

    @pytest.mark.parametrize("kind", [None, "image", "video", "audio"])
    def test_words_are_no_other_output(self, kind, on_disk):
        assert reason(on_disk(b"<html>Sign in"), expected_kind=kind) == "not_media"
