"""The one guard for every URL that comes from outside: sources, outputs at providers, callbacks.

What a URL's text says is only its first hurdle. The name is resolved once, every address must be public, and
the connection goes to an address that was judged, so a name that changes its mind between the check and the
use gains nothing. Each redirect passes the same gate. Facts behind the rules: `is_global` of `ipaddress` is
true for NAT64, 6to4 and multicast addresses, and resolvers read `127.1` or `0x7f000001` as loopback.
"""

import ipaddress
import re
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from gateway import transport
from gateway.config import settings
from gateway.errors import SourceRefused

URL_CHARACTERS_MAX = 2048
REDIRECTS_MAX = 3
PORTS = frozenset({443, 8443, 80})
UNRANGED_BYTES_MAX = 8 * 1024 * 1024
"""What is read of a resource whose server ignores `Range`, to get at what lies behind its beginning."""
REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})

Where = Mapping[str, Any]
"""What the caller knows of the URL's place (`field`, `url_index`); it becomes fields of the refusal."""

_NOWHERE: Where = {}
_NOTHING: Mapping[str, str] = {}
# Stricter than any URL grammar: ASCII names only, one optional port, no user, no escapes, no zone ids.
_AUTHORITY = re.compile(r"([A-Za-z0-9_](?:[A-Za-z0-9._-]*)|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?")
_SCHEME = re.compile(r"(https?)://([^/?#]*)", re.IGNORECASE)
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")
_INTERNAL_SUFFIXES = (".localhost", ".local", ".internal", ".intranet", ".lan", ".home.arpa", ".onion")

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_COMPATIBLE = ipaddress.IPv6Network("::/96")
_UNICAST_6 = ipaddress.IPv6Network("2000::/3")
# Public by `ipaddress`, at least in some release, and yet not the internet.
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(network)
    for network in (
        "100.64.0.0/10",  # carrier NAT, and 100.100.100.200 (Alibaba's metadata)
        "168.63.129.16/32",  # Azure's wire server
        "169.254.0.0/16",  # link-local: metadata of EC2 and ECS, X-Ray's daemon in Lambda
        "192.0.0.0/24",  # protocol assignments; 192.0.0.192 is Oracle's metadata
        "192.88.99.0/24",  # 6to4 relays
        "198.18.0.0/15",  # benchmarks
        "2001::/23",  # protocol assignments (Teredo is unwrapped before)
        "2001:db8::/32",  # documentation
        "3fff::/20",  # documentation
    )
)


@dataclass(frozen=True)
class Head:
    """The beginning of a resource, and how large the whole is where the server tells."""

    data: bytes = field(repr=False)
    total_bytes: int | None


@dataclass(frozen=True)
class Part:
    """Some bytes of a resource, and where in it they begin."""

    start: int
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class Download:
    """What `download` wrote."""

    bytes: int
    declared_type: str | None
    """The server's `Content-Type`, which proves nothing."""


def check(url: str, *, where: Where = _NOWHERE) -> None:
    """Refuse a URL that must not be fetched or called: its text, then every address of its host.

    Makes no connection. The addresses are judged again, and pinned, when a connection is made.
    Raises `SourceRefused` with code `unsafe_url` or `source_unreachable`.
    """
    with _placed(where):
        target = parse(url)
        port = target.port or (443 if target.scheme == "https" else 80)
        _checked_addresses(target.raw_host.decode(), port, transport.CONNECT_SECONDS_MAX)


def fetch_head(url: str, *, max_bytes: int, timeout_seconds: float, where: Where = _NOWHERE) -> Head:
    """The first `max_bytes` of a resource. Tolerates servers that ignore `Range`.

    Raises `SourceRefused` with code `unsafe_url` or `source_unreachable`.
    """
    with _placed(where), _opened(url, {"range": f"bytes=0-{max_bytes - 1}"}, timeout_seconds) as incoming:
        if incoming.status == 416:  # nothing to give a range of
            return Head(b"", 0)
        total = _total_bytes(incoming)
        data, is_all = _read(incoming, max_bytes)
        return Head(data, len(data) if total is None and is_all else total)


def fetch_range(url: str, start: int, length: int, *, timeout_seconds: float, where: Where = _NOWHERE) -> Part:
    """Up to `length` bytes of a resource from `start` on: fewer where it ends, none when it ends before.

    A server that ignores `Range` gives the beginning of the resource instead, up to `UNRANGED_BYTES_MAX` and
    nothing when `start` lies behind that; the part's `start` is 0 then.
    Raises `SourceRefused` with code `unsafe_url` or `source_unreachable`.
    """
    asked = {"range": f"bytes={start}-{start + length - 1}"}
    with _placed(where), _opened(url, asked, timeout_seconds) as incoming:
        if incoming.status == 416:
            return Part(start, b"")
        if incoming.status == 200:
            return Part(0, _read(incoming, UNRANGED_BYTES_MAX)[0] if start < UNRANGED_BYTES_MAX else b"")
        _require_range(incoming, start)
        return Part(start, _read(incoming, length)[0])


def download(
    url: str,
    file: transport.Sink,
    *,
    max_bytes: int,
    timeout_seconds: float,
    headers: Mapping[str, str] = _NOTHING,
    where: Where = _NOWHERE,
) -> Download:
    """Write a whole resource to `file`, counting what arrives rather than believing what is announced.

    `headers` may hold a key: they go to the URL's own origin, and no further once it redirects elsewhere.
    Raises `SourceRefused` with code `unsafe_url`, `source_unreachable` (with `upstream_status` where there
    was one) or `source_too_large`; the file may hold a part then.
    """
    with _placed(where), _opened(url, {}, timeout_seconds, headers) as incoming:
        if incoming.status != 200:
            raise _unreachable(incoming.status)
        announced = _length(incoming.headers.get("content-length"))
        if announced is not None and announced > max_bytes:
            raise transport.AnswerTooLarge
        size = incoming.copy_to(file, max_bytes=max_bytes)
        return Download(size, incoming.headers.get("content-type"))


class Resource:
    """One resource that is read in pieces: each passes the guard anew, and all share one deadline.

    Counts what it read: `requests` (without redirects) and `bytes_read`.
    """

    def __init__(self, url: str, *, timeout_seconds: float, where: Where = _NOWHERE) -> None:
        self.requests = 0
        self.bytes_read = 0
        self._url = url
        self._where = where
        self._deadline = time.monotonic() + timeout_seconds
        self._beginning: bytes | None = None  # kept when the server ignores ranges

    def head(self, max_bytes: int) -> Head:
        """As `fetch_head`."""
        head = fetch_head(self._url, max_bytes=max_bytes, timeout_seconds=self._next(), where=self._where)
        self.bytes_read += len(head.data)
        return head

    def read(self, start: int, length: int) -> bytes:
        """Up to `length` bytes from `start` on, as `fetch_range`; fewer or none behind what an unranged answer gave."""
        if self._beginning is None:
            part = fetch_range(self._url, start, length, timeout_seconds=self._next(), where=self._where)
            self.bytes_read += len(part.data)
            if part.start == start:
                return part.data[:length]
            self._beginning = part.data
        return self._beginning[start : start + length]

    def count(self, max_bytes: int) -> int:
        """The size of a resource whose server does not tell it, by reading it through, as `download`."""
        sink = _Beginning()
        seconds = self._next()
        found = download(self._url, sink, max_bytes=max_bytes, timeout_seconds=seconds, where=self._where)
        self.bytes_read += found.bytes
        self._beginning = bytes(sink.data)
        return found.bytes

    def _next(self) -> float:
        """The seconds that one more request may take."""
        self.requests += 1
        return self._deadline - time.monotonic()


class _Beginning:
    """A file that keeps only the start of what is written to it."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes) -> int:
        self.data += data[: UNRANGED_BYTES_MAX - len(self.data)]
        return len(data)


def parse(url: str) -> transport.URL:
    """The URL as the client will use it, when its text alone gives no reason to refuse it.

    Raises `SourceRefused` with code `unsafe_url`.
    """
    if not isinstance(url, str) or not 0 < len(url) <= URL_CHARACTERS_MAX:
        raise _unsafe(f"The URL is empty or longer than {URL_CHARACTERS_MAX} characters.")
    if "\\" in url or any(ord(character) <= 32 or ord(character) == 127 for character in url):
        raise _unsafe("The URL contains blanks, control characters or backslashes.")
    start = _SCHEME.match(url)
    authority = _AUTHORITY.fullmatch(start[2]) if start else None
    if not start or not authority:
        raise _unsafe("The URL is not of the form https://host/path.")
    try:
        target = transport.URL(url).copy_with(fragment=None)
    except transport.InvalidURL:
        raise _unsafe("The URL is malformed.") from None
    host, secure = authority[1].strip("[]").lower(), start[1].lower() == "https"
    number = int(authority[2]) if authority[2] else 443 if secure else 80
    # The client's own reading of the URL must be ours.
    read = (target.scheme, target.userinfo, target.raw_host.decode(), target.port or number)
    if read != (start[1].lower(), b"", host, number):
        raise _unsafe("The URL can be read in more than one way.")
    if _allowed(host, number):
        return target
    if not secure:
        raise _unsafe("Only https URLs are accepted.")
    if number not in PORTS:
        raise _unsafe("The URL names a port other than 443, 8443 or 80.")
    _check_host(host)
    return target


def _check_host(host: str) -> None:
    """Refuse hosts that no resolver needs to be asked about."""
    try:
        literal = ipaddress.ip_address(host)
    except ValueError:
        labels = host.removesuffix(".").split(".")
        # A last label that is a number makes resolvers read the whole as an address: 127.1, 0x7f000001.
        if len(labels) < 2 or _NUMERIC_LABEL.fullmatch(labels[-1]) or not all(labels):
            raise _unsafe("The URL's host is not a public name.") from None
        if host.removesuffix(".").endswith(_INTERNAL_SUFFIXES):
            raise _unsafe("The URL's host is an internal name.") from None
        return
    if not is_public(literal):
        raise _unsafe("The URL leads to an address that is not public.")


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether an address is on the internet, looking through every way to wrap IPv4 into IPv6."""
    if isinstance(address, ipaddress.IPv6Address):
        wrapped = _wrapped(address)
        if wrapped:
            return all(is_public(inner) for inner in wrapped)
        if address not in _UNICAST_6:
            return False
    if any(address in network for network in _NOT_PUBLIC if network.version == address.version):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_private)


def _wrapped(address: ipaddress.IPv6Address) -> list[ipaddress.IPv4Address]:
    if address.ipv4_mapped:
        return [address.ipv4_mapped]
    if address.sixtofour:
        return [address.sixtofour]
    if address.teredo:
        return list(address.teredo)
    if address in _NAT64 or address in _COMPATIBLE:
        return [ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)]
    return []


def _allowed(host: str, port: int) -> bool:
    return f"{host}:{port}" in settings().url_allowed_hosts


def _checked_addresses(host: str, port: int, seconds: float) -> list[str]:
    """Resolve a host once; every address must be public. IPv4 first: Lambda outside a VPC has no IPv6."""
    found = _resolve(host, port, seconds)
    if not _allowed(host, port) and not all(is_public(ipaddress.ip_address(one)) for one in found):
        raise _unsafe("The URL leads to an address that is not public.")
    return sorted(found, key=lambda one: ":" in one)


def _resolve(host: str, port: int, seconds: float) -> list[str]:
    """Addresses of a host. In a thread of its own, because the system's resolver knows no deadline."""
    answers: SimpleQueue[list[str]] = SimpleQueue()

    def ask() -> None:
        try:
            records = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answers.put([str(record[4][0]).partition("%")[0] for record in records])
        except (OSError, UnicodeError):
            answers.put([])

    Thread(target=ask, daemon=True).start()
    try:
        found = answers.get(timeout=max(seconds, 0.001))
    except Empty:
        found = []
    if not found:
        raise SourceRefused("The URL's host has no address.", code="source_unreachable")
    return found


@contextmanager
def _opened(
    url: str, headers: Mapping[str, str], timeout_seconds: float, secrets: Mapping[str, str] = _NOTHING
) -> Iterator[transport.Incoming]:
    """Open a URL for reading, following redirects by hand; all hops share one deadline."""
    deadline = time.monotonic() + timeout_seconds
    target = parse(url)
    for _ in range(REDIRECTS_MAX + 1):
        with transport.stream(
            "GET",
            str(target),
            headers={**headers, **secrets},
            timeout_seconds=deadline - time.monotonic(),
            addresses=_checked_addresses,
        ) as incoming:
            if incoming.status not in REDIRECT_STATUSES:
                if incoming.headers.get("content-encoding", "identity").lower() != "identity":
                    raise SourceRefused(
                        "The server compresses its answer although it was asked not to.",
                        code="source_unreachable",
                    )
                yield incoming
                return
            following = _redirected(target, incoming.headers.get("location", ""))
            # Not even on the way back: whoever is asked in between would choose what the key is used for.
            secrets = secrets if _origin(following) == _origin(target) else _NOTHING
            target = following
    raise SourceRefused(f"The URL redirects more than {REDIRECTS_MAX} times.", code="source_unreachable")


def _origin(url: transport.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _redirected(target: transport.URL, location: str) -> transport.URL:
    """The next hop, which must pass what the first passed and may not leave https."""
    try:
        following = parse(str(target.join(location)))
    except transport.InvalidURL:
        raise _unsafe("The URL redirects to a malformed one.") from None
    if target.scheme == "https" and following.scheme != "https":
        raise _unsafe("The URL redirects from https to http.")
    return following


def _total_bytes(incoming: transport.Incoming) -> int | None:
    """Size of the whole resource behind a possibly partial answer from its beginning."""
    if incoming.status == 200:
        return _length(incoming.headers.get("content-length"))
    return _length(_require_range(incoming, 0))


def _require_range(incoming: transport.Incoming, start: int) -> str:
    """The total that a partial answer from `start` on tells; anything else is refused."""
    content_range = re.fullmatch(r"bytes (\d{1,18})-\d+/(\d+|\*)", incoming.headers.get("content-range", ""))
    if incoming.status != 206 or not content_range or int(content_range[1]) != start:
        raise _unreachable(incoming.status)
    return content_range[2]


def _read(incoming: transport.Incoming, max_bytes: int) -> tuple[bytes, bool]:
    """The first bytes of an answer, and whether they are all."""
    # A range is read to its end, so that the connection can be used again; all of a file may be endless.
    enough = max_bytes + 1 if incoming.status == 206 else max_bytes
    buffer = BytesIO()
    for chunk in incoming.chunks():
        buffer.write(chunk)
        if buffer.tell() >= enough:
            return buffer.getvalue()[:max_bytes], False
    return buffer.getvalue(), True


def _length(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch("[0-9]{1,18}", text) else None


def _unsafe(message: str) -> SourceRefused:
    return SourceRefused(message, code="unsafe_url")


def _unreachable(status: int) -> SourceRefused:
    return SourceRefused(
        f"The server answered with status {status} instead of the file.",
        code="source_unreachable",
        upstream_status=status,
    )


@contextmanager
def _placed(where: Where) -> Iterator[None]:
    """Say in a refusal where its URL stood, and turn the wire's failures into refusals."""
    try:
        yield
    except SourceRefused as refusal:
        refusal.fields.update(where)
        raise
    except transport.AnswerTooLarge:
        raise SourceRefused("The file is too large.", code="source_too_large", **where) from None
    except transport.WireError:
        raise SourceRefused(
            "The file could not be fetched: no connection, or it broke off or took too long.",
            code="source_unreachable",
            **where,
        ) from None
