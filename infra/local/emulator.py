"""Starts MiniStack with the corrections of `infra.local.corrections`: `python -m infra.local.emulator`.

Port and address come from GATEWAY_PORT and BIND_HOST, as MiniStack reads them; MUSEWAY_FUNCTION_LOGS names a
folder for what the functions print.
"""

import importlib
import os
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

from infra.local import corrections, function_logs

Scope = MutableMapping[str, Any]
Application = Callable[[Scope, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]


def as_tls(application: Application) -> Application:
    """Mark every request as having come over TLS, as each one to AWS does.

    The buckets' policies refuse plain connections; on the loopback there is nobody to listen in.
    """

    async def serve(
        scope: Scope, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        if scope["type"] == "http":
            headers = [header for header in scope["headers"] if header[0].lower() != b"x-forwarded-proto"]
            scope = {**scope, "headers": [*headers, (b"x-forwarded-proto", b"https")]}
        await application(scope, receive, send)

    return serve


def main() -> None:
    """Serve until SIGTERM or SIGINT. Raises RuntimeError on a MiniStack that the corrections do not know."""
    corrections.apply()
    folder = os.environ.pop("MUSEWAY_FUNCTION_LOGS", "")
    if folder:
        function_logs.install(Path(folder))
    ministack: Any = importlib.import_module("ministack.app")
    ministack.app = as_tls(ministack.app)
    ministack.main()


if __name__ == "__main__":
    main()
