"""The wire: the one module on the server side that imports httpx.

It answers the question on which money hangs: did the request leave this machine? `NeverSent` says that it
is known not to have run; `NoAnswer` says that it may have. Nothing here retries, follows a redirect, reads
proxy settings or keeps cookies, and every deadline is wall-clock time for the whole exchange, so a peer that
drips one byte a second does not outlive it.
"""

import atexit
import json
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from typing import Any, Protocol, TypedDict, Unpack, cast

import httpcore
import httpx

Addresses = Callable[[str, int, float], list[str]]
"""(host, port, seconds left) -> the addresses to connect to, in order; raises what it pleases to refuse."""

ANSWER_BYTES_MAX = 64 * 1024 * 1024
CONNECT_SECONDS_MAX = 5.0
ADDRESSES_TRIED = 4
WRITE_CHUNK_BYTES = 64 * 1024

URL = httpx.URL
InvalidURL = httpx.InvalidURL


class WireError(Exception):
    """An exchange that gave no complete answer. Messages carry no addresses and nothing of the peer's."""


class NeverSent(WireError):
    """No byte of the request left this machine: it is known not to have run."""


class NoAnswer(WireError):
    """The request may have arrived and been carried out, but no complete answer came back."""


class AnswerTooLarge(NoAnswer):
    """The answer passed `max_bytes` and was cut off."""


@dataclass(frozen=True)
class Answer:
    """A complete answer. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def json(self) -> Any:
        """The body as JSON; `ValueError` when it is not."""
        try:
            return json.loads(self.body)
        except RecursionError:
            raise ValueError("nested too deeply") from None


@dataclass
class _Exchange:
    """One request under way: when it must be over, and whether any of it has left."""

    deadline: float
    sent: bool = False


# Per thread and call. The streams below outlive an exchange (idle connections), the deadline must not.
_exchange: ContextVar[_Exchange] = ContextVar("exchange")


def _time_for(late: type[Exception], at_most: float | None) -> float:
    """Seconds that the next socket operation may take; raises `late` when there are none."""
    left = _exchange.get().deadline - time.monotonic()
    if left <= 0:
        raise late("deadline")
    return left if at_most is None else min(left, at_most)


class _Stream(httpcore.NetworkStream):
    """A socket whose every operation is bounded by the deadline of the exchange that uses it."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _time_for(httpcore.ReadTimeout, timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # In pieces, because the inner stream applies its timeout to each send and not to the whole.
        for start in range(0, len(buffer), WRITE_CHUNK_BYTES):
            seconds = _time_for(httpcore.WriteTimeout, timeout)
            _exchange.get().sent = True
            self._inner.write(buffer[start : start + WRITE_CHUNK_BYTES], seconds)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        seconds = _time_for(httpcore.ConnectTimeout, timeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, seconds))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    """Connects to what `addresses` answers for a host, so the address that was checked is the one used."""

    def __init__(self, addresses: Addresses | None) -> None:
        self._addresses = addresses
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        hosts = [host]
        if self._addresses:
            hosts = self._addresses(host, port, _time_for(httpcore.ConnectTimeout, timeout))
        failure: Exception = httpcore.ConnectError("no address")
        for address in hosts[:ADDRESSES_TRIED]:
            seconds = _time_for(httpcore.ConnectTimeout, timeout)
            try:
                return _Stream(self._inner.connect_tcp(address, port, seconds, local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


@cache
def _ssl_context() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)


class _Body(httpx.SyncByteStream):
    """Hands httpcore's stream to httpx."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __iter__(self) -> Iterator[bytes]:
        yield from self._inner

    def close(self) -> None:
        self._inner.close()


class _Wire(httpx.BaseTransport):
    """httpx over httpcore, built by hand because httpx offers no way to pass a network backend.

    Reads reuse idle connections; writes never do. A container that was frozen may hold a connection that
    the peer closed meanwhile, and a paid POST sent into it would be uncertain for no reason.
    """

    def __init__(self, addresses: Addresses | None) -> None:
        def pool(idle: int) -> httpcore.ConnectionPool:
            return httpcore.ConnectionPool(
                ssl_context=_ssl_context(),
                max_connections=32,
                max_keepalive_connections=idle,
                keepalive_expiry=15.0,
                retries=0,
                network_backend=_Backend(addresses),
            )

        self._reusing = pool(idle=8)
        self._fresh = pool(idle=0)
        atexit.register(self.close)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; httpcore's exceptions pass through to `_classified`."""
        pool = self._reusing if request.method in ("GET", "HEAD") else self._fresh
        answer = pool.handle_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=request.url.raw_scheme,
                    host=request.url.raw_host,
                    port=request.url.port,
                    target=request.url.raw_path,
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer.stream))

    def close(self) -> None:
        """Close idle connections."""
        self._reusing.close()
        self._fresh.close()


@cache
def _wire(addresses: Addresses | None) -> httpx.BaseTransport:
    return _Wire(addresses)


_replacement: httpx.BaseTransport | None = None


@contextmanager
def use(replacement: httpx.BaseTransport) -> Iterator[None]:
    """Send everything through another transport meanwhile: `httpx.MockTransport` in tests.

    No connection is made then, so there are no addresses to check either.
    """
    global _replacement
    before, _replacement = _replacement, replacement
    try:
        yield
    finally:
        _replacement = before


_BEFORE_SENDING = tuple(
    getattr(library, name)
    for library in (httpx, httpcore)
    for name in ("ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol")
)
_BROKEN = (
    *(httpx.TransportError, httpx.DecodingError),
    *(httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError),
)


@contextmanager
def _classified(exchange: _Exchange) -> Iterator[None]:
    """Turn the libraries' exceptions into the two that matter."""
    try:
        yield
    except _BEFORE_SENDING as error:
        raise NeverSent(type(error).__name__) from error
    except (httpx.LocalProtocolError, httpcore.LocalProtocolError) as error:
        # An illegal header is found before the first byte is written.
        raise (NoAnswer if exchange.sent else NeverSent)(type(error).__name__) from error
    except _BROKEN as error:
        raise NoAnswer(type(error).__name__) from error


class Sink(Protocol):
    """Something to write bytes to."""

    def write(self, data: bytes, /) -> int:
        """Take all of `data`."""
        ...


class Incoming:
    """An answer whose body is still arriving. Header names are lower case."""

    def __init__(self, response: httpx.Response, exchange: _Exchange) -> None:
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._exchange = exchange

    def chunks(self) -> Iterator[bytes]:
        """The body as it is on the wire (no decompression), piece by piece. Raises `NoAnswer`."""
        body = cast("httpx.SyncByteStream", self._response.stream)
        with _classified(self._exchange):
            yield from body

    def copy_to(self, file: Sink, *, max_bytes: int) -> int:
        """Write the body to `file`; its size in bytes. Raises `NoAnswer`, `AnswerTooLarge`."""
        total = 0
        for chunk in self.chunks():
            total += len(chunk)
            if total > max_bytes:
                raise AnswerTooLarge(f"more than {max_bytes} bytes")
            file.write(chunk)
        return total


class Body(TypedDict, total=False):
    """What a request carries: one of `json`, `content`, or a form of `data` and `files`."""

    json: Any
    content: bytes
    data: Mapping[str, Any]
    files: Sequence[tuple[str, tuple[str | None, bytes, str | None]]]
    """Multipart parts `(field, (file name, bytes, media type))`; a plain field has neither name nor type."""


def _request(method: str, url: str, headers: Mapping[str, str] | None, body: Body) -> httpx.Request:
    # Answers stay uncompressed, so that a byte count is the truth and a bomb stays small.
    own = {"user-agent": "museway/1", "accept": "*/*", "accept-encoding": "identity"}
    try:
        return httpx.Request(method, url, headers={**own, **(headers or {})}, **body)
    except (httpx.InvalidURL, UnicodeError) as error:
        raise NeverSent(type(error).__name__) from error


@contextmanager
def stream(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    timeout_seconds: float,
    addresses: Addresses | None = None,
    **body: Unpack[Body],
) -> Iterator[Incoming]:
    """Send a request once and give its answer as it arrives; leaving the block drops the rest.

    `timeout_seconds` bounds everything from the name look-up to the last byte that is read.
    `addresses` says where a host may be reached (the URL guard's check). Raises `NeverSent`, `NoAnswer`.
    """
    exchange = _Exchange(time.monotonic() + timeout_seconds)
    token = _exchange.set(exchange)
    response: httpx.Response | None = None
    try:
        request = _request(method, url, headers, body)
        request.extensions["timeout"] = {"pool": timeout_seconds, "connect": CONNECT_SECONDS_MAX}
        with _classified(exchange):
            response = (_replacement or _wire(addresses)).handle_request(request)
        yield Incoming(response, exchange)
    finally:
        if response is not None:
            response.close()
        _exchange.reset(token)


def request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    timeout_seconds: float,
    max_bytes: int = ANSWER_BYTES_MAX,
    **body: Unpack[Body],
) -> Answer:
    """Send a request once and give its whole answer, whatever its status.

    Raises `NeverSent` (known not to have run), `NoAnswer` (may have run), `AnswerTooLarge` (a `NoAnswer`).
    """
    with stream(method, url, headers=headers, timeout_seconds=timeout_seconds, **body) as incoming:
        buffer = BytesIO()
        incoming.copy_to(buffer, max_bytes=max_bytes)
        return Answer(incoming.status, dict(incoming.headers), buffer.getvalue())
