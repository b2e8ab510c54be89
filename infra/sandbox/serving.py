"""Serves the sandbox with hypercorn: in a process of its own, or in a thread for the length of a block."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import cast

from hypercorn.asyncio import serve
from hypercorn.config import Config
from hypercorn.typing import ASGIFramework
from starlette.applications import Starlette

from infra.sandbox.buckets import PutObject, nowhere
from infra.sandbox.server import JOB_SECONDS, create_app

STOP_TIMEOUT_SECONDS = 10.0


def listening_socket(host: str, port: int) -> socket.socket:
    """A bound and listening socket; port 0 takes a free one. Raises OSError when the port is taken."""
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(512)
    except BaseException:
        bound.close()
        raise
    return bound


def url_of(bound: socket.socket) -> str:
    """The http:// address of a bound socket."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def serve_on(bound: socket.socket, app: Starlette, stopped: Callable[[], Awaitable[object]]) -> None:
    """Serves the app on the socket until `stopped` returns; takes the socket over."""
    config = Config()
    # A descriptor, not an address: the port is ours from before the app knew its URL.
    config.bind = [f"fd://{bound.detach()}"]
    config.accesslog = None
    config.errorlog = "-"
    config.loglevel = "WARNING"
    # As long as providers keep theirs: a client that reuses a connection must not find it closed the same moment.
    config.keep_alive_timeout = 75.0
    config.graceful_timeout = 1.0

    async def until_stopped() -> None:
        await stopped()
        app.state.sandbox.stopping.set()

    await serve(cast("ASGIFramework", app), config, shutdown_trigger=until_stopped)


@contextmanager
def served_sandbox(
    *, job_seconds: float = JOB_SECONDS, host: str = "127.0.0.1", put_object: PutObject = nowhere
) -> Iterator[str]:
    """A sandbox on a free port for the length of the block; gives its URL.

    It runs in a thread of its own, so that blocking clients can be used. Leaving the block stops it.
    """
    bound = listening_socket(host, 0)
    url = url_of(bound)
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    def run() -> None:
        try:
            app = create_app(url, job_seconds=job_seconds, put_object=put_object)
            loop.run_until_complete(serve_on(bound, app, stop.wait))
        finally:
            loop.close()

    thread = threading.Thread(target=run, name="sandbox", daemon=True)
    thread.start()
    try:
        # The socket listens already: a client that is too early waits in its backlog.
        yield url
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(STOP_TIMEOUT_SECONDS)
