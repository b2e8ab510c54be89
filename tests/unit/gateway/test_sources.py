"""A source is judged by its first bytes and its true size, and a refusal says which source it means."""

import re
import threading
from decimal import Decimal

import httpx
import pytest

from gateway import sources, transport
from gateway.config import settings
from gateway.errors import SourceRefused
from tests.unit.gateway.loopback import answer, serving
from tests.unit.gateway.media_files import film, picture, tone

PNG = picture("PNG")
FILES = {
    "/picture.mp4": answer(PNG, content_type="video/mp4"),
    "/film.png": answer(film("mp4", "mpeg4", None, seconds=1), content_type="image/png"),
    "/tone": answer(tone("mp3", "libmp3lame", seconds=1), content_type="text/plain"),
    "/page.png": answer(b"<html>Please sign in</html>", content_type="image/png"),
    "/drawing.svg": answer(b"<svg xmlns='http://www.w3.org/2000/svg'/>", content_type="image/svg+xml"),
    "/list.mp4": answer(b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n", content_type="video/mp4"),
    "/data.png": answer(b'{"error": "expired"}', content_type="image/png"),
    "/empty.png": answer(content_type="image/png"),
    "/part.png": answer(PNG[:1000], status=206, content_range="bytes 0-999/9999999"),
    "/big.png": answer(PNG[:1000], status=206, content_range="bytes 0-999/10000001"),
    "/gone.png": answer(b"<Error/>", status=404),
}


def chunked(data, times=1):
    body = b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in [data] * times)
    return answer(body + b"0\r\n\r\n", content_length="", transfer_encoding="chunked")


@pytest.fixture
def server(monkeypatch):
    more = {"/chunked.png": chunked(PNG + b"\0" * 70_000), "/endless.png": chunked(PNG, times=400)}

    def respond(path, connection):
        connection.sendall({**FILES, **more}[path])

    with serving(respond) as running:
        monkeypatch.setenv("URL_ALLOWED_HOSTS", f"127.0.0.1:{running.port}")
        settings.cache_clear()
        yield running
    settings.cache_clear()


def probe(server, *paths, **options):
    return sources.probe_sources([server.url(path) for path in paths], "source_media_urls", **options)


def refusal(server, *paths, **options):
    with pytest.raises(SourceRefused) as raised:
        probe(server, *paths, **options)
    return raised.value


def test_content_decides_and_order_is_kept(server):
    found = probe(server, "/picture.mp4", "/film.png", "/tone")
    assert [(one.kind, one.media_type) for one in found] == [
        ("image", "image/png"),
        ("video", "video/mp4"),
        ("audio", "audio/mpeg"),
    ]
    assert found[0].bytes == len(PNG)
    assert found[1].url == server.url("/film.png")


def test_no_sources_cost_nothing(server):
    assert probe(server) == []
    assert server.connections == 0


def test_only_the_beginning_is_asked_for(server):
    assert probe(server, "/part.png")[0].bytes == 9_999_999
    assert "range: bytes=0-65535" in server.requests[0].lower()


@pytest.mark.parametrize("path", ["/page.png", "/drawing.svg", "/list.mp4", "/data.png", "/empty.png"])
def test_not_media(server, path):
    error = refusal(server, "/picture.mp4", path)
    assert error.error_code == "source_not_media"
    assert (error.fields["field"], error.fields["url_index"]) == ("source_media_urls", 1)


def test_too_large_for_its_kind(server):
    error = refusal(server, "/big.png")
    assert (error.error_code, error.fields["max_bytes"]) == ("source_too_large", 10_000_000)
    assert probe(server, "/big.png", max_bytes_by_kind={"image": 20_000_000})
    assert refusal(server, "/picture.mp4", max_bytes_by_kind={"image": 100}).error_code == "source_too_large"
    assert probe(server, "/film.png", max_bytes_by_kind={"image": 100})


def test_a_size_that_is_not_told_is_counted(server):
    assert probe(server, "/chunked.png")[0].bytes == len(PNG) + 70_000
    error = refusal(server, "/endless.png", max_bytes_by_kind={"image": 100_000})
    assert (error.error_code, error.fields["url_index"]) == ("source_too_large", 0)


def test_gone(server):
    error = refusal(server, "/gone.png")
    assert (error.error_code, error.fields["upstream_status"]) == ("source_unreachable", 404)


def test_unsafe_among_others(server):
    urls = [server.url("/picture.mp4"), "https://169.254.169.254/x.png", "https://localhost/"]
    with pytest.raises(SourceRefused) as raised:
        sources.probe_sources(urls, "inputs.image_urls")
    assert raised.value.error_code == "unsafe_url"
    assert (raised.value.fields["field"], raised.value.fields["url_index"]) == ("inputs.image_urls", 1)


def test_several_are_fetched_at_a_time(monkeypatch):
    together = threading.Barrier(4, timeout=10)

    def respond(path, connection):
        together.wait()
        connection.sendall(FILES["/picture.mp4"])

    with serving(respond) as running:
        monkeypatch.setenv("URL_ALLOWED_HOSTS", f"127.0.0.1:{running.port}")
        settings.cache_clear()
        assert len(probe(running, "/1", "/2", "/3", "/4")) == 4
    settings.cache_clear()


class Server:
    """Files behind `https://media.example`, by ranges unless told otherwise, counting what is sent."""

    def __init__(self, ranges=True, most_requests=None, **files):
        self.files = files
        self.ranges = ranges
        self.most_requests = most_requests
        self.sent_bytes = 0
        self.asked = []

    def __call__(self, request):
        self.asked.append(request.headers.get("range", "all"))
        if self.most_requests is not None and len(self.asked) > self.most_requests:
            return self.beyond(request)
        data = self.files[request.url.path.strip("/")]
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("range", ""))
        if not self.ranges or not wanted:
            return httpx.Response(200, headers={"content-length": str(len(data))}, stream=self.stream(data))
        start, end = int(wanted[1]), min(int(wanted[2]) + 1, len(data))
        if start >= len(data):
            return httpx.Response(416)
        headers = {"content-range": f"bytes {start}-{end - 1}/{len(data)}", "content-length": str(end - start)}
        return httpx.Response(206, headers=headers, stream=self.stream(data[start:end]))

    def stream(self, data):
        server = self

        class Pieces(httpx.SyncByteStream):
            def __iter__(self):
                for at in range(0, len(data), 16_384):
                    piece = data[at : at + 16_384]
                    server.sent_bytes += len(piece)
                    yield piece

        return Pieces()

    def beyond(self, request):
        raise httpx.ReadTimeout("silence")

    def probe(self, *names, **options):
        with transport.use(httpx.MockTransport(self)):
            return sources.probe_sources([f"https://media.example/{name}" for name in names], "video_urls", **options)


def heavy_film(**options):
    """More than 20 MB, because its frames are not compressed."""
    return film("mov", "rawvideo", None, seconds=40, **options)


def facts(source):
    return source.width, source.height, source.duration_seconds, source.frame_rate, source.channels


class TestFacts:
    def test_of_everything(self):
        server = Server(
            picture=PNG,
            film=film("mp4", "libx264"),
            tone=tone("mp3"),
            voice=tone("mp4", "aac"),
            note=tone("webm", "libopus"),
        )
        found = server.probe("picture", "film", "tone", "voice", "note")
        assert [one.kind for one in found] == ["image", "video", "audio", "audio", "audio"]
        assert [facts(one) for one in found[:4]] == [
            (160, 96, None, None, None),
            (160, 96, Decimal(2), Decimal(24), 1),
            (None, None, Decimal(2), None, 1),
            (None, None, Decimal(2), None, 1),
        ]
        assert float(found[4].duration_seconds) == pytest.approx(2, abs=0.02)
        assert len(server.asked) == 5

    def test_a_heavy_film_costs_two_small_requests(self):
        data = heavy_film()
        server = Server(film=data)
        (source,) = server.probe("film")
        assert facts(source) == (160, 96, Decimal(40), Decimal(24), None)
        assert source.bytes == len(data) > 20_000_000
        assert len(server.asked) == 2
        assert server.sent_bytes < 200_000

    def test_one_with_its_table_in_front_costs_one(self):
        server = Server(film=heavy_film(movflags="faststart"))
        assert facts(server.probe("film")[0])[2] == 40
        assert (len(server.asked), server.sent_bytes) == (1, sources.HEAD_BYTES)

    def test_a_server_without_ranges_gives_a_small_film(self):
        data = film("mp4", "libx264", seconds=2)
        behind = data.index(b"moov") - 4
        filler = (200_000).to_bytes(4, "big") + b"free" + bytes(199_992)
        server = Server(ranges=False, film=data[:behind] + filler + data[behind:])
        assert facts(server.probe("film")[0]) == (160, 96, Decimal(2), Decimal(24), 1)
        assert len(server.asked) == 2

    def test_a_server_without_ranges_does_not_give_a_heavy_film(self):
        server = Server(ranges=False, film=heavy_film())
        (source,) = server.probe("film")
        assert (source.kind, facts(source)) == ("video", (None,) * 5)
        assert server.sent_bytes < 200_000

    def test_a_server_that_falls_silent_is_no_refusal(self):
        server = Server(most_requests=1, film=heavy_film())
        (source,) = server.probe("film")
        assert (source.kind, facts(source)) == ("video", (None,) * 5)
        assert len(server.asked) == 2

    def test_a_server_that_lies_about_the_length(self):
        data = film("mp4", "libx264", movflags="faststart")

        def longer(request):
            headers = {"content-range": f"bytes 0-{len(data) - 1}/90000000"}
            return httpx.Response(206, headers=headers, stream=httpx.ByteStream(data))

        with transport.use(httpx.MockTransport(longer)):
            (source,) = sources.probe_sources(["https://media.example/film"], "video_urls")
        assert (source.bytes, source.duration_seconds) == (90_000_000, 2)

    def test_a_redirect_that_becomes_unsafe_is_refused(self):
        class Turning(Server):
            def beyond(self, request):
                return httpx.Response(302, headers={"location": "https://169.254.169.254/latest/meta-data"})

        server = Turning(most_requests=1, film=heavy_film())
        with pytest.raises(SourceRefused) as raised:
            server.probe("film")
        assert raised.value.error_code == "unsafe_url"
        assert (raised.value.fields["field"], raised.value.fields["url_index"]) == ("video_urls", 0)

    def test_the_same_url_is_fetched_once(self):
        server = Server(picture=PNG, tone=tone("mp3"))
        found = server.probe("tone", "picture", "tone", "picture", "picture")
        assert [one.kind for one in found] == ["audio", "image", "audio", "image", "image"]
        assert len(server.asked) == 2

    def test_sound_in_a_films_container_has_the_limit_of_sound(self):
        server = Server(voice=tone("mp4", "aac"))
        with pytest.raises(SourceRefused, match="The audio is larger"):
            server.probe("voice", max_bytes_by_kind={"audio": 1000})
        assert server.probe("voice", max_bytes_by_kind={"video": 20_000})
