"""No URL from outside reaches anything but the internet: by its text, its address, or where it redirects."""

import ipaddress
import socket
import time
from io import BytesIO

import pytest

from gateway import transport, url_guard
from gateway.config import settings
from gateway.errors import SourceRefused
from tests.unit.gateway.loopback import answer, certificate, dripping, refusing_port, saying, serving, silent

PUBLIC = "93.184.216.34"
WHERE = {"field": "source_media_urls", "url_index": 2}

PRIVATE_ADDRESSES = [
    *("127.0.0.1", "127.8.9.10", "0.0.0.0", "10.0.0.8", "10.255.255.255", "172.16.0.1", "172.31.255.254"),
    *("192.168.0.1", "192.168.255.255", "100.64.0.1", "100.100.100.200", "169.254.169.254", "169.254.170.2"),
    *("169.254.79.129", "192.0.0.192", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.7"),
    *("203.0.113.9", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "168.63.129.16"),
    *("::", "::1", "::7f00:1", "::a9fe:a9fe", "::ffff:169.254.169.254", "::ffff:a9fe:a9fe"),
    *("::ffff:127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b::7f00:1", "64:ff9b:1::a9fe:a9fe"),
    *("2002:a9fe:a9fe::", "2002:7f00:1::", "2001:0:a9fe:a9fe::1", "2001:0:5db8:d822:0:0:5601:5601"),
    *("fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "fd12:3456:789a::1", "ff02::1", "2001:db8::1"),
    *("2001:20::1", "3fff::1", "5f00::1", "100::1", "4000::1"),
]
PUBLIC_ADDRESSES = [
    *("8.8.8.8", "1.1.1.1", PUBLIC, "172.15.255.255", "172.32.0.1", "100.63.255.255", "168.63.129.17"),
    *("2606:4700:4700::1111", "2a00:1450:4001:81b::200e", "64:ff9b::808:808", "::ffff:8.8.8.8"),
]

HOSTS = [
    *("localhost", "localhost.", "LOCALHOST", "a.localhost", "printer", "printer.local", "db.internal"),
    *("metadata.google.internal", "metadata", "127.1", "0", "0x7f.1", "2130706433", "2852039166"),
    *("0xA9FEA9FE", "0251.0376.0251.0376", "169.254.43518", "①⑥⑨.②⑤④.①⑥⑨.②⑤④", "169。254。169。254"),
    *("[fe80::1%25eth0]", "[::1%eth0]", "127.0.0.1.", "host.0x7f", "a..b", ".example.com", "-a.example"),
    "gοοgle.com",  # Greek omicrons
]

SYNTAX = [
    *("", " ", "https://", "https:///x", "https://?x", "//example.com/x", "example.com/x", "https:example.com"),
    *("https://user:pw@example.com/", "https://user@example.com/", "https://example.com@169.254.169.254/"),
    *("https://169.254.169.254#@example.com/", "https://169.254.169.254\\@example.com/"),
    *("https://example.com%2f@169.254.169.254/", "https://example.com%00.evil/", "https://exa%6dple.com/"),
    *("https://example.com\t.evil/", "https://example.com/\r\nHost: evil", "https://example.com/a b"),
    *("\thttps://example.com/", "https://example.com/\x00", "https://example.com/\x7f"),
    *("https://example.com:80:22/", "https://example.com:/", "https://example.com:65536/"),
    *("https://example.com:99999999999/", "https://example.com:-1/", "https://example.com: 443/"),
    *("https://example.com:22/", "https://example.com:25/", "https://example.com:6379/"),
    *("https://example.com:9001/", "https://example.com:8080/", "http://example.com/", "HTTP://example.com/"),
    *("file:///etc/passwd", "FILE:///etc/passwd", "ftp://example.com/", "gopher://example.com/_x"),
    *("data:image/png;base64,AA==", "jar:https://example.com!/x", "s3://bucket/key", "javascript:alert(1)"),
    *("https://[::1", "https://::1/", "https://example.com/" + "x" * 10_000, "https://example.com,evil/"),
]


@pytest.fixture(autouse=True)
def allowed(monkeypatch):
    """Clears the settings; the function it gives allows host:port pairs."""

    def allow(*pairs):
        monkeypatch.setenv("URL_ALLOWED_HOSTS", ",".join(pairs))
        settings.cache_clear()

    allow()
    yield allow
    settings.cache_clear()


@pytest.fixture
def names(monkeypatch):
    """A resolver of our own: {name: addresses, or a list of such lists, one per question}."""
    book, asked = {}, []
    real = socket.getaddrinfo

    def resolve(host, port, *args, **kwargs):
        try:
            ipaddress.ip_address(host)
        except ValueError:
            asked.append(host)
        else:
            return real(host, port, *args, **kwargs)
        if host not in book:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        found = book[host]
        if found and isinstance(found[0], list):
            found = found.pop(0) if len(found) > 1 else found[0]
        family = {one: socket.AF_INET6 if ":" in one else socket.AF_INET for one in found}
        return [(family[one], socket.SOCK_STREAM, 6, "", (one, port)) for one in found]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    book["asked"] = asked
    return book


@pytest.fixture
def target():
    """What must never hear of anything."""
    with serving(saying(answer(b"the metadata"))) as server:
        yield server
        assert server.connections == 0, "something reached the target"


def fetch(url, seconds=5.0, max_bytes=65536):
    return url_guard.fetch_head(url, max_bytes=max_bytes, timeout_seconds=seconds, where=WHERE)


def fetch_all(url, seconds=5.0, max_bytes=1_000_000):
    file = BytesIO()
    url_guard.download(url, file, max_bytes=max_bytes, timeout_seconds=seconds, where=WHERE)
    return file.getvalue()


def refusal(call, *args, **options):
    """The refusal's code; checks that it says where, and nothing of what it found."""
    with pytest.raises(SourceRefused) as raised:
        call(*args, **options)
    error = raised.value
    assert {name: error.fields.get(name) for name in WHERE} == WHERE
    assert not any(address in error.message for address in PRIVATE_ADDRESSES if len(address) > 4)
    assert "the metadata" not in str(error.body())
    return error.error_code


class TestAddresses:
    @pytest.mark.parametrize("address", PRIVATE_ADDRESSES)
    def test_not_public(self, address):
        assert not url_guard.is_public(ipaddress.ip_address(address))

    @pytest.mark.parametrize("address", PUBLIC_ADDRESSES)
    def test_public(self, address):
        assert url_guard.is_public(ipaddress.ip_address(address))

    @pytest.mark.parametrize("address", PRIVATE_ADDRESSES)
    def test_as_literal(self, address, names):
        host = f"[{address}]" if ":" in address else address
        assert refusal(fetch, f"https://{host}/") == "unsafe_url"
        assert names["asked"] == []

    @pytest.mark.parametrize("address", PRIVATE_ADDRESSES)
    def test_behind_a_name(self, address, names):
        names["media.example"] = [address]
        assert refusal(fetch, "https://media.example/x.png") == "unsafe_url"
        assert refusal(url_guard.check, "https://media.example/x.png", where=WHERE) == "unsafe_url"


class TestText:
    @pytest.mark.parametrize("host", HOSTS)
    def test_host(self, host, names):
        assert refusal(fetch, f"https://{host}/") == "unsafe_url"
        assert names["asked"] == []

    @pytest.mark.parametrize("url", SYNTAX, ids=lambda url: url[:40])
    def test_syntax(self, url, names):
        assert refusal(fetch, url) == "unsafe_url"
        assert names["asked"] == []

    @pytest.mark.parametrize("url", [None, 7, b"https://example.com/", ["https://example.com/"]])
    def test_not_even_text(self, url):
        assert refusal(fetch, url) == "unsafe_url"

    @pytest.mark.parametrize(
        "url",
        [
            "https://example.com",
            "HTTPS://Example.COM/a%20b?c=%2F&X-Amz-Signature=ab%2Bc#d",
            "https://example.com:8443/x",
            "https://example.com:80/",
            "https://bucket_name.s3.eu-central-1.amazonaws.com/key",
            "https://xn--bcher-kva.example/",
            "https://[2606:4700:4700::1111]/",
            "https://8.8.8.8/",
        ],
    )
    def test_accepted(self, url, names):
        for host in ("example.com", "xn--bcher-kva.example", "bucket_name.s3.eu-central-1.amazonaws.com"):
            names[host] = [PUBLIC]
        url_guard.check(url, where=WHERE)

    def test_queries_stay_as_they_were_signed(self):
        url = "https://example.com/a%20b?c=%2F&X-Amz-Signature=ab%2Bc~-_.%25"
        assert str(url_guard.parse(url)) == url


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1", "2130706433", "0x7f000001", "0", "localhost", "[::ffff:127.0.0.1]"),
        *("[::1]", "localhost.", "017700000001"),
    ],
)
def test_loopback_by_any_spelling_hears_nothing(host, target):
    for scheme in ("http", "https"):
        assert refusal(fetch, f"{scheme}://{host}:{target.port}/latest/meta-data") == "unsafe_url"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0", "localhost"])
def test_the_connection_itself_is_guarded(host, target):
    """Even when the text let everything pass, the address would not."""
    with (
        pytest.raises(SourceRefused),
        transport.stream(
            "GET",
            target.url(host=host),
            timeout_seconds=5,
            addresses=url_guard._checked_addresses,
        ),
    ):
        pass


class TestNames:
    def test_rebinding_gains_nothing(self, names, target):
        names["media.example"] = [[PUBLIC], ["127.0.0.1"]]
        url_guard.check("https://media.example:8443/x.png", where=WHERE)
        assert refusal(fetch, "https://media.example:8443/x.png") == "unsafe_url"
        assert names["asked"] == ["media.example"] * 2  # once per use, and never in between

    def test_every_address_counts(self, names):
        names["media.example"] = [PUBLIC, "fd00:ec2::254"]
        assert refusal(fetch, "https://media.example/") == "unsafe_url"
        names["media.example"] = [*(f"8.8.{n}.8" for n in range(99)), "10.0.0.1"]
        assert refusal(fetch, "https://media.example/") == "unsafe_url"

    def test_unknown(self, names):
        assert refusal(fetch, "https://media.example/") == "source_unreachable"

    def test_slow_resolver_does_not_outlive_the_deadline(self, monkeypatch):
        import threading

        ended = threading.Event()
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: ended.wait(20) and [])
        began = time.monotonic()
        assert refusal(fetch, "https://media.example/", seconds=0.2) == "source_unreachable"
        assert time.monotonic() - began < 3
        ended.set()

    def test_pinned_to_the_checked_address_with_the_name_in_tls(self, names, allowed, monkeypatch):
        served, trusting = certificate("media.example")
        monkeypatch.setattr(transport, "_ssl_context", lambda: trusting)
        transport._wire.cache_clear()
        names["media.example"] = ["127.0.0.1"]
        names["other.example"] = ["127.0.0.1"]
        with serving(saying(answer(b"bytes")), tls=served) as server:
            allowed(f"media.example:{server.port}", f"other.example:{server.port}")
            assert fetch(server.url(scheme="https", host="media.example")).data == b"bytes"
            assert f"host: media.example:{server.port}" in server.requests[0].lower()
            assert names["asked"] == ["media.example"]
            assert refusal(fetch, server.url(scheme="https", host="other.example")) == "source_unreachable"
            assert len(server.requests) == 1
        transport._wire(url_guard._checked_addresses).close()
        transport._wire.cache_clear()


@pytest.fixture
def serve(allowed):
    """Serves on an allowed pair: these tests are about what comes after the address."""
    from contextlib import contextmanager

    @contextmanager
    def serve(respond):
        with serving(respond) as server:
            allowed(f"127.0.0.1:{server.port}")
            yield server

    return serve


class TestRedirects:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_followed_by_hand(self, serve, status):
        def respond(path, connection):
            connection.sendall(
                answer(b"there") if path == "/b" else answer(status=status, location="/b", set_cookie="a=b")
            )

        with serve(respond) as server:
            assert fetch(server.url("/a")).data == b"there"
            assert fetch_all(server.url("/a")) == b"there"
        assert not any("cookie" in head.lower() for head in server.requests)

    @pytest.mark.parametrize(
        "location",
        [
            *("http://169.254.169.254/latest", "https://169.254.169.254/latest", "//169.254.169.254/"),
            *("https://[::ffff:169.254.169.254]/", "file:///etc/passwd", "gopher://127.0.0.1/", "data:,x"),
            *("https://user@example.com/", "https://example.com:22/", "http://example.com/"),
            *("https://127.1/", "https://localhost/", "https://169.254.169.254\\@example.com/", "http://[::1"),
        ],
    )
    def test_each_hop_passes_the_same_gate(self, serve, location, names):
        with serve(saying(answer(status=302, location=location))) as server:
            assert refusal(fetch, server.url()) == "unsafe_url"
            assert refusal(fetch_all, server.url()) == "unsafe_url"
        assert names["asked"] == []

    def test_to_the_target(self, serve, target):
        with serve(saying(answer(status=302, location=target.url()))) as server:
            assert refusal(fetch, server.url()) == "unsafe_url"

    def test_to_a_name_that_is_private(self, serve, names):
        names["inside.example"] = ["10.0.0.1"]
        with serve(saying(answer(status=307, location="https://inside.example/"))) as server:
            assert refusal(fetch, server.url()) == "unsafe_url"

    def test_no_downgrade_even_to_an_allowed_pair(self, allowed):
        allowed("127.0.0.1:80")
        with pytest.raises(SourceRefused, match="https to http"):
            url_guard._redirected(transport.URL("https://example.com/"), "http://127.0.0.1:80/")

    def test_three_and_no_more(self, serve):
        def respond(path, connection):
            hop = int(path.strip("/"))
            connection.sendall(answer(status=302, location=f"/{hop - 1}") if hop else answer(b"there"))

        with serve(respond) as server:
            assert fetch(server.url("/3")).data == b"there"
            assert refusal(fetch, server.url("/4")) == "source_unreachable"

    def test_loop(self, serve):
        with serve(saying(answer(status=302, location="/"))) as server:
            assert refusal(fetch, server.url()) == "source_unreachable"
        assert len(server.requests) == 4

    def test_nowhere(self, serve):
        with serve(saying(answer(status=302))) as server:
            assert refusal(fetch, server.url()) == "source_unreachable"

    def test_headers_stay_with_their_origin(self, allowed):
        """A key is sent along to the next address of the same server, and not to another's, nor back from there."""
        steps = {}
        respond = lambda path, connection: connection.sendall(steps.get(path) or answer(b"there"))  # noqa: E731
        with serving(respond) as own, serving(respond) as other:
            allowed(f"127.0.0.1:{own.port}", f"127.0.0.1:{other.port}")
            steps["/a"] = answer(status=302, location="/b")
            steps["/b"] = answer(status=302, location=other.url("/c"))
            steps["/c"] = answer(status=302, location=own.url("/d"))
            file = BytesIO()
            headers = {"x-api-key": "secret"}
            url_guard.download(own.url("/a"), file, max_bytes=100, timeout_seconds=5, headers=headers)
        assert file.getvalue() == b"there"
        asked = [(head.split(" ", 2)[1], "secret" in head) for head in (*own.requests, *other.requests)]
        assert asked == [("/a", True), ("/b", True), ("/d", False), ("/c", False)]


class TestHead:
    def test_a_range_is_asked_for_and_tells_the_size(self, serve):
        part = answer(b"x" * 100, status=206, content_range="bytes 0-99/5000")
        with serve(saying(part)) as server:
            head = fetch(server.url(), max_bytes=100)
        assert (head.data, head.total_bytes) == (b"x" * 100, 5000)
        assert "range: bytes=0-99" in server.requests[0].lower()

    def test_a_server_that_ignores_ranges_is_left_early(self, serve):
        with serve(dripping(answer(b"x" * 5000, content_length="9000000000"))) as server:
            head = fetch(server.url(), max_bytes=100)
        assert (len(head.data), head.total_bytes) == (100, 9_000_000_000)

    def test_unknown_size(self, serve):
        body = answer(b"1f4\r\n" + b"x" * 500 + b"\r\n", content_length="", transfer_encoding="chunked")
        with serve(dripping(body, b"1\r\nx\r\n")) as server:
            assert fetch(server.url(), max_bytes=100).total_bytes is None
        with serve(saying(body + b"0\r\n\r\n")) as server:
            assert fetch(server.url(), max_bytes=1000).total_bytes == 500

    def test_nothing(self, serve):
        for empty in (answer(), answer(status=416, content_range="bytes */0")):
            with serve(saying(empty)) as server:
                assert fetch(server.url()) == url_guard.Head(b"", 0)

    @pytest.mark.parametrize(
        "other",
        [
            answer(b"x", status=206, content_range="bytes 100-199/5000"),
            answer(b"x", status=206, content_range="bytes 0-"),
            answer(b"x", status=206),
            answer(b"the metadata", status=404),
            answer(b"the metadata", status=403),
            answer(b"the metadata", status=500),
            answer(status=204),
            answer(status=304),
            answer(b"\x1f\x8b", content_encoding="gzip"),
            answer(b"\x1f\x8b", content_encoding="gzip, gzip"),
            answer(b"x", content_encoding="br"),
            b"gibberish\r\n\r\n",
            answer(b"x", x="y" * 200_000),
        ],
        ids=lambda data: data[:60].decode("latin-1").replace("\r\n", " "),
    )
    def test_anything_else_is_unreachable(self, serve, other):
        with serve(saying(other)) as server:
            assert refusal(fetch, server.url()) == "source_unreachable"

    @pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nx: ", answer(b"", content_length="1000")])
    def test_one_byte_at_a_time_ends_at_the_deadline(self, serve, start):
        with serve(dripping(start)) as server:
            began = time.monotonic()
            assert refusal(fetch, server.url(), seconds=0.3) == "source_unreachable"
            assert time.monotonic() - began < 3

    def test_silence_ends_at_the_deadline(self, serve):
        with serve(silent) as server:
            assert refusal(fetch, server.url(), seconds=0.2) == "source_unreachable"

    def test_nobody_there(self, allowed):
        port = refusing_port()
        allowed(f"127.0.0.1:{port}")
        assert refusal(fetch, f"http://127.0.0.1:{port}/") == "source_unreachable"


def fetch_range(url, start, length, seconds=5.0):
    return url_guard.fetch_range(url, start, length, timeout_seconds=seconds, where=WHERE)


class TestRange:
    def test_a_part(self, serve):
        with serve(saying(answer(b"x" * 50, status=206, content_range="bytes 100-149/5000"))) as server:
            assert fetch_range(server.url(), 100, 50) == url_guard.Part(100, b"x" * 50)
            assert fetch_range(server.url(), 100, 50) == url_guard.Part(100, b"x" * 50)
        assert "range: bytes=100-149" in server.requests[0].lower()
        assert server.connections == 1

    def test_less_and_more_than_was_asked_for(self, serve):
        with serve(saying(answer(b"x" * 50, status=206, content_range="bytes 100-149/150"))) as server:
            assert len(fetch_range(server.url(), 100, 500).data) == 50
        endless = dripping(answer(b"x" * 5000, status=206, content_length="", content_range="bytes 100-149/*"))
        with serve(endless) as server:
            assert len(fetch_range(server.url(), 100, 50).data) == 50

    def test_behind_the_end(self, serve):
        with serve(saying(answer(status=416, content_range="bytes */90"))) as server:
            assert fetch_range(server.url(), 100, 50) == url_guard.Part(100, b"")

    def test_a_server_that_ignores_ranges_gives_its_beginning(self, serve, monkeypatch):
        monkeypatch.setattr(url_guard, "UNRANGED_BYTES_MAX", 200)
        with serve(saying(answer(bytes(range(150))))) as server:
            assert fetch_range(server.url(), 100, 10) == url_guard.Part(0, bytes(range(150)))
        with serve(dripping(answer(b"x" * 5000, content_length="9000000000"))) as server:
            assert fetch_range(server.url(), 100, 10) == url_guard.Part(0, b"x" * 200)
            assert fetch_range(server.url(), 200, 10) == url_guard.Part(0, b"")

    @pytest.mark.parametrize(
        "other",
        [
            answer(b"x", status=206, content_range="bytes 99-149/5000"),
            answer(b"x", status=206, content_range="bytes */5000"),
            answer(b"x", status=206, content_type="multipart/byteranges; boundary=x"),
            answer(b"the metadata", status=403),
            answer(status=302),
            answer(b"x", status=206, content_range="bytes 100-149/5000", content_encoding="gzip"),
            answer(b"x", status=206, content_range="bytes 100-149/5000", content_length="50"),
        ],
        ids=lambda data: data[:90].decode("latin-1").replace("\r\n", " "),
    )
    def test_anything_else_is_unreachable(self, serve, other):
        def respond(path, connection):
            connection.sendall(other)
            connection.shutdown(socket.SHUT_WR)

        with serve(respond) as server:
            assert refusal(fetch_range, server.url(), 100, 50) == "source_unreachable"

    def test_it_is_guarded(self, serve, target):
        assert refusal(fetch_range, "https://169.254.169.254/", 100, 50) == "unsafe_url"
        with serve(saying(answer(status=302, location=target.url()))) as server:
            assert refusal(fetch_range, server.url(), 100, 50) == "unsafe_url"

    def test_silence_ends_at_the_deadline(self, serve):
        with serve(silent) as server:
            assert refusal(fetch_range, server.url(), 100, 50, seconds=0.2) == "source_unreachable"


def resource(server, seconds=5.0):
    return url_guard.Resource(server.url(), timeout_seconds=seconds, where=WHERE)


class TestResource:
    def test_pieces_on_one_connection(self, serve):
        def respond(path, connection):
            first, last = (
                int(text) for text in server.requests[-1].lower().partition("bytes=")[2].split()[0].split("-")
            )
            body = bytes(number % 256 for number in range(first, last + 1))
            connection.sendall(answer(body, status=206, content_range=f"bytes {first}-{last}/5000"))

        with serve(respond) as server:
            found = resource(server)
            assert found.head(100).total_bytes == 5000
            assert found.read(300, 4) == bytes([44, 45, 46, 47])
            assert found.read(0, 2) == b"\0\1"
        assert (found.requests, found.bytes_read, server.connections) == (3, 106, 1)

    def test_a_server_that_ignores_ranges_is_asked_once_more(self, serve):
        with serve(saying(answer(bytes(range(150))))) as server:
            found = resource(server)
            assert found.head(10) == url_guard.Head(bytes(range(10)), 150)
            assert found.read(100, 5) == bytes(range(100, 105))
            assert found.read(148, 5) == b"\x94\x95"
            assert found.read(900, 5) == b""
        assert len(server.requests) == 2

    def test_what_was_counted_need_not_be_read_again(self, serve, monkeypatch):
        monkeypatch.setattr(url_guard, "UNRANGED_BYTES_MAX", 100)
        with serve(saying(answer(bytes(range(150))))) as server:
            found = resource(server)
            assert found.count(1000) == 150
            assert found.read(50, 4) == bytes([50, 51, 52, 53])
            assert found.read(98, 4) == bytes([98, 99])
            assert refusal(found.count, 149) == "source_too_large"
        assert len(server.requests) == 2

    def test_all_share_one_deadline(self, serve):
        def respond(path, connection):
            if len(server.requests) == 1:
                connection.sendall(answer(b"x" * 10, status=206, content_range="bytes 0-9/5000"))
            else:
                silent(path, connection)

        with serve(respond) as server:
            found = resource(server, seconds=0.4)
            began = time.monotonic()
            assert found.head(10).data == b"x" * 10
            for _ in range(5):
                assert refusal(found.read, 100, 5) == "source_unreachable"
            assert time.monotonic() - began < 3


class TestDownload:
    def test_whole(self, serve):
        file = BytesIO()
        with serve(saying(answer(b"x" * 200_000, content_type="image/png"))) as server:
            got = url_guard.download(server.url(), file, max_bytes=200_000, timeout_seconds=5)
        assert (got.bytes, got.declared_type, len(file.getvalue())) == (200_000, "image/png", 200_000)

    def test_announced_too_large_is_not_begun(self, serve):
        with serve(dripping(answer(b"", content_length=str(1 << 36)))) as server:
            assert refusal(fetch_all, server.url()) == "source_too_large"

    def test_what_arrives_is_counted(self, serve):
        endless = answer(b"", content_length="", transfer_encoding="chunked")
        chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        with serve(dripping(endless, chunk, seconds=0)) as server:
            assert refusal(fetch_all, server.url(), max_bytes=300_000) == "source_too_large"

    def test_a_length_that_lies_low_ends_there(self, serve):
        with serve(saying(answer(b"x" * 5000, content_length="10"))) as server:
            assert fetch_all(server.url()) == b"x" * 10

    def test_cut_off(self, serve):
        def cut(path, connection):
            connection.sendall(answer(b"x" * 500, content_length="1000"))
            connection.close()

        with serve(cut) as server:
            assert refusal(fetch_all, server.url()) == "source_unreachable"

    def test_the_status_is_told(self, serve):
        denied = saying(answer(b"AccessDenied", status=403))
        with serve(denied) as server, pytest.raises(SourceRefused) as raised:
            fetch_all(server.url())
        assert raised.value.fields["upstream_status"] == 403
        assert "AccessDenied" not in str(raised.value.body())


class TestAllowedPairs:
    def test_the_exact_pair_and_no_other(self, allowed, target):
        with serving(saying(answer(b"ours"))) as server:
            allowed(f"127.0.0.1:{server.port}")
            assert fetch(server.url()).data == b"ours"
            for url in (target.url(), server.url(host="localhost"), server.url(host="127.1")):
                assert refusal(fetch, url) == "unsafe_url"

    def test_only_the_address_is_excused(self, allowed):
        allowed("127.0.0.1:9000")
        for url in ("http://user@127.0.0.1:9000/", "ftp://127.0.0.1:9000/", "http://127.0.0.1:9000/a b"):
            assert refusal(fetch, url) == "unsafe_url"
