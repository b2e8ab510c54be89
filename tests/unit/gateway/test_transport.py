"""The wire tells apart what never left and what may have arrived; everything about money rests on that."""

import socket
import time
from io import BytesIO

import httpx
import pytest

from gateway import transport
from tests.unit.gateway.loopback import answer, certificate, dripping, refusing_port, saying, serving, silent


def post(url: str, **options):
    return transport.request("POST", url, json={"prompt": "a cat"}, **{"timeout_seconds": 5.0, **options})


def test_an_answer_of_any_status_is_an_answer():
    with serving(saying(answer(b'{"detail": "no"}', status=503, x_thing="1"))) as server:
        got = post(server.url("/submit"), headers={"authorization": "Key k"})
    assert (got.status, got.json(), got.headers["x-thing"]) == (503, {"detail": "no"}, "1")
    head = server.requests[0].lower()
    assert head.startswith("post /submit")
    assert "authorization: key k" in head
    assert "accept-encoding: identity" in head


class TestNeverSent:
    def test_refused_connection(self):
        with pytest.raises(transport.NeverSent):
            post(f"http://127.0.0.1:{refusing_port()}/")

    def test_unknown_name(self, monkeypatch):
        def nothing(*args, **kwargs):
            raise socket.gaierror(socket.EAI_NONAME, "unknown")

        monkeypatch.setattr(socket, "getaddrinfo", nothing)
        with pytest.raises(transport.NeverSent):
            post("http://nobody.example/")

    def test_certificate_that_nobody_vouches_for(self):
        served, _ = certificate("localhost")
        with serving(saying(answer()), tls=served) as server, pytest.raises(transport.NeverSent):
            post(server.url(scheme="https", host="localhost"))
        assert server.connections == 1
        assert server.requests == []

    def test_deadline_before_the_connection(self):
        with serving(saying(answer())) as server, pytest.raises(transport.NeverSent):
            post(server.url(), timeout_seconds=0)
        assert server.requests == []

    def test_header_that_is_illegal(self):
        with serving(saying(answer())) as server, pytest.raises(transport.NeverSent):
            post(server.url(), headers={"authorization": "Key a\nb"})
        assert server.requests == []

    def test_malformed_url(self):
        with pytest.raises(transport.NeverSent):
            post("http://[::1/")


class TestNoAnswer:
    def test_silence(self):
        with serving(silent) as server, pytest.raises(transport.NoAnswer):
            post(server.url(), timeout_seconds=0.2)
        assert len(server.requests) == 1

    def test_hanging_up_is_not_retried(self):
        with serving(lambda path, connection: connection.close()) as server, pytest.raises(transport.NoAnswer):
            post(server.url())
        assert len(server.requests) == 1

    def test_gibberish(self):
        with serving(saying(b"SSH-2.0-hello\r\n\r\n")) as server, pytest.raises(transport.NoAnswer):
            post(server.url())

    def test_answer_cut_off(self):
        def cut(path, connection):
            connection.sendall(answer(b'{"request_id"', content_length="500"))
            connection.close()

        with serving(cut) as server, pytest.raises(transport.NoAnswer):
            post(server.url())

    @pytest.mark.parametrize(
        "start", [b"HTTP/1.1 200 OK\r\nx-slow: ", answer(b"{", content_length="100000")], ids=["head", "body"]
    )
    def test_dripping_does_not_outlive_the_deadline(self, start):
        with serving(dripping(start)) as server:
            began = time.monotonic()
            with pytest.raises(transport.NoAnswer):
                post(server.url(), timeout_seconds=0.3)
            assert time.monotonic() - began < 3

    def test_too_large(self):
        with serving(saying(answer(b"x" * 1001))) as server, pytest.raises(transport.AnswerTooLarge):
            post(server.url(), max_bytes=1000)


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (httpx.ConnectError, transport.NeverSent),
        (httpx.ConnectTimeout, transport.NeverSent),
        (httpx.PoolTimeout, transport.NeverSent),
        (httpx.ReadTimeout, transport.NoAnswer),
        (httpx.WriteTimeout, transport.NoAnswer),
        (httpx.WriteError, transport.NoAnswer),
        (httpx.ReadError, transport.NoAnswer),
        (httpx.RemoteProtocolError, transport.NoAnswer),
    ],
)
def test_a_replaced_transport_is_classified_alike(error, verdict):
    def fail(request):
        raise error("")

    with transport.use(httpx.MockTransport(fail)), pytest.raises(transport.WireError) as raised:
        post("https://provider.example/")
    assert type(raised.value) is verdict


def test_a_replaced_transport_is_put_back():
    with transport.use(httpx.MockTransport(lambda request: httpx.Response(418))):
        assert post("https://provider.example/").status == 418
    with pytest.raises(transport.NeverSent):
        post(f"http://127.0.0.1:{refusing_port()}/")


def test_reads_share_a_connection_and_writes_never_do():
    with serving(saying(answer(b"{}"))) as server:
        for _ in range(3):
            transport.request("GET", server.url(), timeout_seconds=5)
        assert server.connections == 1
        for _ in range(3):
            post(server.url())
        assert server.connections == 4


def test_redirects_proxies_and_cookies_are_left_alone(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{refusing_port()}")
    monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{refusing_port()}")
    with serving(saying(answer(status=302, location="/elsewhere", set_cookie="a=b"))) as server:
        assert post(server.url()).status == 302
        assert post(server.url()).status == 302
    assert len(server.requests) == 2
    assert not any("cookie" in head.lower() for head in server.requests)


def test_forms_carry_fields_and_files():
    def see(request):
        body = request.read()
        assert request.headers["content-type"].startswith("multipart/form-data")
        assert b'name="image[]"; filename="a.png"' in body
        assert b"Content-Type: image/png" in body
        assert b"PIXELS" in body
        assert b'name="n"' in body
        return httpx.Response(200, json={})

    part = ("image[]", ("a.png", b"PIXELS", "image/png"))
    with transport.use(httpx.MockTransport(see)):
        transport.request("POST", "https://provider.example/", data={"n": "2"}, files=[part], timeout_seconds=5)


def test_a_stream_is_written_as_it_comes_and_counted():
    with serving(saying(answer(b"x" * 5000))) as server:
        with transport.stream("GET", server.url(), timeout_seconds=5) as incoming:
            file = BytesIO()
            assert incoming.copy_to(file, max_bytes=5000) == 5000
        assert file.getvalue() == b"x" * 5000


def test_addresses_decide_where_a_connection_goes():
    asked = []

    def addresses(host, port, seconds):
        asked.append((host, port))
        assert 0 < seconds <= 5
        return ["127.0.0.1"]

    with serving(saying(answer(b"here"))) as server:
        url = server.url("/x", host="media.example")
        with transport.stream("GET", url, timeout_seconds=5, addresses=addresses) as incoming:
            assert b"".join(incoming.chunks()) == b"here"
        assert asked == [("media.example", server.port)]
        assert f"host: media.example:{server.port}" in server.requests[0].lower()


def test_json_that_is_none_is_a_value_error():
    for body in (b"<html>", b"[" * 100_000):
        with pytest.raises(ValueError, match=r"nested|Expecting"):
            transport.Answer(200, {}, body).json()
