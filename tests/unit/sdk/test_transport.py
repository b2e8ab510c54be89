"""What both transports do with bytes: stated lengths, whole files or none, nothing left behind."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest

from museway import errors
from museway._async_transport import AsyncTransport
from museway._files import local_file
from museway._operations import Flow
from museway._settings import Settings
from museway._transport import CHUNK_BYTES, SyncTransport
from museway._wire import Answer, Put, Save, Step

Handler = Callable[[httpx.Request], httpx.Response]
Perform = Callable[[Handler, Step], Answer]


def one(step: Step) -> Flow[Answer]:
    answer: Answer = yield step
    return answer


def blocking(handler: Handler, step: Step) -> Answer:
    transport = SyncTransport(settings, httpx.MockTransport(handler), lambda _: None)
    try:
        return transport.run(one(step))
    finally:
        transport.close()


def awaited(handler: Handler, step: Step) -> Answer:
    async def perform() -> Answer:
        transport = AsyncTransport(settings, httpx.MockTransport(handler), None)
        try:
            return await transport.run(one(step))
        finally:
            await transport.close()

    return asyncio.run(perform())


def settings() -> Settings:
    return Settings("https://gateway.test", "mw_secret")


class Broken(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that ends too soon."""

    def __iter__(self) -> Iterator[bytes]:
        yield b"half of"
        raise httpx.RemoteProtocolError("peer closed connection")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            yield chunk


@pytest.fixture(params=[blocking, awaited])
def perform(request: pytest.FixtureRequest) -> Perform:
    chosen: Perform = request.param
    return chosen


def test_a_file_is_streamed_with_its_length_and_without_the_key(perform: Perform, tmp_path: Path) -> None:
    content = b"x" * (2 * CHUNK_BYTES + 1)
    (tmp_path / "a.png").write_bytes(content)
    sent: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200)

    perform(handler, Put("https://files.test/a", local_file(tmp_path / "a.png"), {"X-Amz-Acl": "private"}))
    (request,) = sent
    assert request.content == content
    assert request.headers["content-length"] == str(len(content))
    assert (request.headers["content-type"], request.headers["x-amz-acl"]) == ("image/png", "private")
    assert not {"transfer-encoding", "authorization"} & set(request.headers)


def test_a_download_that_breaks_off_leaves_the_old_file_alone(perform: Perform, tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(b"old")
    with pytest.raises(errors.ConnectionFailed, match="peer closed"):
        perform(lambda _: httpx.Response(200, stream=Broken()), Save("https://files.test/f", path))
    assert [file.name for file in tmp_path.iterdir()] == ["film.mp4"]
    assert path.read_bytes() == b"old"


def test_a_download_follows_redirects_and_takes_its_name_when_whole(perform: Perform, tmp_path: Path) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        assert "authorization" not in request.headers
        if request.url.path == "/f":
            return httpx.Response(302, headers={"location": "https://cdn.test/g"})
        return httpx.Response(200, content=b"new")

    perform(handler, Save("https://files.test/f", tmp_path / "film.mp4"))
    assert (tmp_path / "film.mp4").read_bytes() == b"new"


def test_a_url_that_httpx_refuses_is_our_error(perform: Perform, tmp_path: Path) -> None:
    with pytest.raises(errors.ConnectionFailed) as caught:
        perform(lambda _: httpx.Response(200), Save("https://files.test:x/f", tmp_path / "a"))
    assert caught.value.code == "request_failed"
