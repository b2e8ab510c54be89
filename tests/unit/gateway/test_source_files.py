"""Sources that travel inside a call: real pictures, in a third of its time, or the call is not made."""

import httpx
import pytest

from gateway import source_files, transport, url_guard
from gateway.errors import SourceRefused
from gateway.source_files import SourceFile, SourceFiles
from tests.unit.gateway.media_files import picture, tone

URL = "https://media.example/a"


def fetch(reply, url=URL):
    with transport.use(httpx.MockTransport(lambda _request: reply)):
        return SourceFiles(30).image(url)


@pytest.mark.parametrize(("form", "media_type"), [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp")])
def test_the_type_is_the_contents(form, media_type):
    content = picture(form)
    found = fetch(httpx.Response(200, content=content, headers={"content-type": "text/html"}))
    assert found == SourceFile(content, media_type)
    assert str(content) not in repr(found)


@pytest.mark.parametrize(
    ("reply", "code", "retryable"),
    [
        (httpx.Response(200, content=b"<html>"), "source_not_media", False),
        (httpx.Response(200, content=tone("wav", "pcm_s16le")), "source_not_media", False),
        (httpx.Response(200, headers={"content-length": "25000001"}), "source_too_large", False),
        (httpx.Response(404), "source_unreachable", True),
    ],
)
def test_what_cannot_be_used(reply, code, retryable):
    with pytest.raises(SourceRefused) as raised:
        fetch(reply)
    assert raised.value.error_code == code
    refused = source_files.refused(raised.value)
    assert (refused.code, refused.retryable) == ("invalid_inputs", retryable)


def test_what_is_unsafe():
    with pytest.raises(SourceRefused) as raised:
        fetch(httpx.Response(200), "file:///etc/passwd")
    assert source_files.refused(raised.value).retryable is False


def test_all_of_them_get_a_third_of_the_time(monkeypatch):
    given = []
    monkeypatch.setattr(source_files.time, "monotonic", iter([100.0, 100.0, 107.0]).__next__)
    monkeypatch.setattr(url_guard, "download", lambda *_, timeout_seconds, **__: given.append(timeout_seconds))
    sources = SourceFiles(30)
    for _ in range(2):
        with pytest.raises(SourceRefused):
            sources.image(URL)
    assert given == [10.0, 3.0]
