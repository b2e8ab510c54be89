"""Museway: every image, video, music and speech model behind one call, billed to the micro-dollar.

    from museway import media

    video = media.run("kuaishou/kling-v3-i2v", image_url="bicycle.png", prompt="make it spin", duration=8)
    video["billed_micros"]          # 672000

Set `MUSEWAY_URL` and `MUSEWAY_API_KEY`, or make a `Client(url=..., api_key=...)` of your own.

Reading order: `media` (the default client's methods), `client`, `_operations` (what each call does, once
for sync and async), `_wire` (requests and answers, pure), `_transport` (the only module that imports httpx),
`_files`, `_settings`; `errors`; `records` (bills recomputed offline); `cli`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from museway import errors, media, records
    from museway.client import AsyncClient, AsyncGeneration, Client, Generation
    from museway.errors import (
        AlreadyCreated,
        AlreadyFinished,
        AuthenticationError,
        ConnectionFailed,
        GenerationFailed,
        InsufficientCredits,
        InvalidRequest,
        ModelRetired,
        MusewayError,
        NotConfigured,
        NotFound,
        PayloadTooLarge,
        RateLimited,
        ServerError,
        SpendingLimitReached,
        UnknownModel,
        WaitTimeout,
    )

__version__ = "0.1.0"

# Where each public name lives. Each is loaded when it is asked for, so `import museway` is nearly free.
_HOMES = {
    "AlreadyCreated": "errors",
    "AlreadyFinished": "errors",
    "AsyncClient": "client",
    "AsyncGeneration": "client",
    "AuthenticationError": "errors",
    "Client": "client",
    "ConnectionFailed": "errors",
    "Generation": "client",
    "GenerationFailed": "errors",
    "InsufficientCredits": "errors",
    "InvalidRequest": "errors",
    "ModelRetired": "errors",
    "MusewayError": "errors",
    "NotConfigured": "errors",
    "NotFound": "errors",
    "PayloadTooLarge": "errors",
    "RateLimited": "errors",
    "ServerError": "errors",
    "SpendingLimitReached": "errors",
    "UnknownModel": "errors",
    "WaitTimeout": "errors",
}

__all__ = [
    "AlreadyCreated",
    "AlreadyFinished",
    "AsyncClient",
    "AsyncGeneration",
    "AuthenticationError",
    "Client",
    "ConnectionFailed",
    "Generation",
    "GenerationFailed",
    "InsufficientCredits",
    "InvalidRequest",
    "ModelRetired",
    "MusewayError",
    "NotConfigured",
    "NotFound",
    "PayloadTooLarge",
    "RateLimited",
    "ServerError",
    "SpendingLimitReached",
    "UnknownModel",
    "WaitTimeout",
    "errors",
    "media",
    "records",
]


def __getattr__(name: str) -> Any:
    """Load a public name on first use (PEP 562)."""
    if name in _HOMES:
        return getattr(import_module(f"museway.{_HOMES[name]}"), name)
    if name in __all__:
        return import_module(f"museway.{name}")
    raise AttributeError(f"module 'museway' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
