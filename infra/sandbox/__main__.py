"""`python -m infra.sandbox --port 4570`: the sandbox until Ctrl-C or SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys

from infra.sandbox import buckets
from infra.sandbox.server import JOB_SECONDS, create_app
from infra.sandbox.serving import listening_socket, serve_on, url_of


def main(arguments: list[str] | None = None) -> int:
    """Serves until a signal; exits with 1 when the port is taken."""
    parser = argparse.ArgumentParser(prog="python -m infra.sandbox", description="Sandbox of the media providers.")
    parser.add_argument("--port", type=int, required=True, help="0 takes a free one")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--base-url", help="the URL that clients reach it at; default http://HOST:PORT")
    parser.add_argument("--job-seconds", type=float, default=JOB_SECONDS, help="how long a queue job takes")
    parser.add_argument(
        "--s3-endpoint", help="the emulator's S3, for providers that deliver into a bucket; default none"
    )
    options = parser.parse_args(arguments)
    try:
        bound = listening_socket(options.host, options.port)
    except OSError as error:
        parser.exit(1, f"Cannot listen on port {options.port}: {error.strerror}. Choose another --port.\n")
    url = options.base_url or url_of(bound)
    put_object = buckets.at(options.s3_endpoint) if options.s3_endpoint else buckets.nowhere
    app = create_app(url, job_seconds=options.job_seconds, put_object=put_object)

    async def run() -> None:
        stop = asyncio.Event()
        for name in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(name, stop.set)
        sys.stdout.write(f"Sandbox providers: {url}\n")
        sys.stdout.flush()
        await serve_on(bound, app, stop.wait)

    asyncio.run(run())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
