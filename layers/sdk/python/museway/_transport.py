"""Performs the steps of an operation over HTTP. The only module that imports httpx, when it is first used."""

import os
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar
from uuid import uuid4

from museway import __version__
from museway._files import sha256_of
from museway._operations import Flow
from museway._settings import API_KEY_VARIABLE, Settings
from museway._wire import Answer, Call, Pause, Put, Save, Step, Write, damaged
from museway.errors import ConnectionFailed, NotConfigured

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

CONNECT_TIMEOUT_SECONDS = 10.0
FILE_TIMEOUT_SECONDS = 60.0
"""Without a byte moved; a large file may take longer as a whole."""
CHUNK_BYTES = 1 << 18
_USER_AGENT = f"museway-python/{__version__} python/{platform.python_version()} {sys.platform}"


class SyncTransport:
    """Runs flows on the calling thread. May be shared between threads."""

    def __init__(
        self,
        settings: Callable[[], Settings],
        transport: "httpx.BaseTransport | None",
        sleep: Callable[[float], None],
    ) -> None:
        self._settings = settings
        self._transport = transport
        self._sleep = sleep
        self._lock = Lock()
        self._http: httpx.Client | None = None

    def run(self, flow: Flow[T]) -> T:
        """Perform every step of the flow and answer what it returns."""
        try:
            step = next(flow)
            while True:
                try:
                    answer = self._perform(step)
                except ConnectionFailed as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(answer)
        except StopIteration as stop:
            value: T = stop.value
            return value

    def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        with self._lock:
            http, self._http = self._http, None
        if http is not None:
            http.close()

    def _client(self) -> "httpx.Client":
        with self._lock:
            if self._http is None:
                import httpx

                self._http = httpx.Client(transport=self._transport)
            return self._http

    def _perform(self, step: Step) -> Answer | None:
        if isinstance(step, Pause):
            self._sleep(step.seconds)
            return None
        if isinstance(step, Write):
            write_file(step)
            return None
        if isinstance(step, Call):
            arguments = call_arguments(step, self._settings())
            with connection_errors():
                return answer_of(self._client().request(**arguments))
        with connection_errors():
            return self._put(step) if isinstance(step, Put) else self._save(step)

    def _put(self, step: Put) -> Answer:
        arguments = put_arguments(step)
        if isinstance(step.file.source, bytes):
            return answer_of(self._client().request(**arguments, content=step.file.source))
        with step.file.source.open("rb") as file:
            return answer_of(self._client().request(**arguments, content=_chunks(file)))

    def _save(self, step: Save) -> Answer:
        with self._client().stream(**save_arguments(step)) as response:
            if response.is_success:
                with whole_file(step.path, step.sha256) as file:
                    for chunk in response.iter_bytes(CHUNK_BYTES):
                        file.write(chunk)
            return Answer(response.status_code, headers_of(response))


def async_http(transport: "httpx.AsyncBaseTransport | None") -> "httpx.AsyncClient":
    """httpx's own client for `_async_transport`, made here so that httpx is imported in one module."""
    import httpx

    return httpx.AsyncClient(transport=transport)


def call_arguments(call: Call, settings: Settings) -> dict[str, Any]:
    """What httpx is to send for a call. Raises NotConfigured when it needs a key and there is none."""
    headers = {"accept": "application/json", "user-agent": _USER_AGENT}
    if settings.api_key:
        headers["authorization"] = f"Bearer {settings.api_key}"
    elif not call.is_public:
        raise NotConfigured(
            "No API key is set.",
            code="not_configured",
            hint=f"Set {API_KEY_VARIABLE}, or pass Client(api_key=...).",
        )
    if call.body is not None:
        headers["content-type"] = "application/json"
    if call.idempotency_key:
        headers["idempotency-key"] = call.idempotency_key
    return {
        "method": call.method,
        "url": settings.url + call.path,
        "params": dict(call.query),
        "content": call.body,
        "headers": headers,
        "timeout": _timeout(call.timeout_seconds),
    }


def put_arguments(step: Put) -> dict[str, Any]:
    """What httpx is to send for a file, besides its content; the gateway's key goes nowhere else."""
    # The length is stated, or httpx would stream in chunks, which presigned S3 URLs refuse.
    headers = {"content-type": step.file.content_type, **{k.lower(): v for k, v in step.headers.items()}}
    headers |= {"content-length": str(step.file.size_bytes), "user-agent": _USER_AGENT}
    return {"method": "PUT", "url": step.url, "headers": headers, "timeout": _timeout(FILE_TIMEOUT_SECONDS)}


def save_arguments(step: Save) -> dict[str, Any]:
    """What httpx is to send for a download."""
    return {
        "method": "GET",
        "url": step.url,
        "headers": {"user-agent": _USER_AGENT},
        "follow_redirects": True,
        "timeout": _timeout(FILE_TIMEOUT_SECONDS),
    }


def _timeout(seconds: float) -> "httpx.Timeout":
    import httpx

    return httpx.Timeout(seconds, connect=CONNECT_TIMEOUT_SECONDS)


def answer_of(response: "httpx.Response") -> Answer:
    """The whole answer as plain data."""
    return Answer(response.status_code, headers_of(response), response.content)


def headers_of(response: "httpx.Response") -> dict[str, str]:
    """The headers by lower-case name."""
    return {name.lower(): value for name, value in response.headers.items()}


@contextmanager
def connection_errors() -> Iterator[None]:
    """Turn httpx's errors into ours; the code tells those that may pass from those that cannot."""
    import httpx

    try:
        yield
    except (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError, httpx.ProxyError) as error:
        raise _failed(error, "connection_failed", "Check the network and MUSEWAY_URL; try again.") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _failed(error, "request_failed", "Check MUSEWAY_URL.") from error


def _failed(error: Exception, code: str, hint: str) -> ConnectionFailed:
    reason = str(error) or type(error).__name__
    return ConnectionFailed(f"No answer came: {reason}.", code=code, hint=hint)


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


def write_file(step: Write) -> None:
    """Put an answer's bytes into a file."""
    with whole_file(step.path) as file:
        file.write(step.content)


@contextmanager
def whole_file(path: Path, sha256: str | None = None) -> Iterator[BinaryIO]:
    """A file that takes its name only when it is complete, and has the digest given; its folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{uuid4().hex[:8]}.part")
    try:
        with partial.open("xb") as file:
            yield file
        if sha256 is not None and sha256_of(partial) != sha256:
            raise damaged(path)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
