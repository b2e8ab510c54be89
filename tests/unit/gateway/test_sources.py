"""A source is judged by its first bytes and its true size, and a refusal says which source it means."""

import threading

import pytest

from gateway import sources
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
        assert len(probe(running, *["/x"] * 4)) == 4
    settings.cache_clear()
