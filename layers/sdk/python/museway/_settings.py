"""Where the gateway is and who is calling: given arguments, else the environment."""

import os
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from museway.errors import NotConfigured

URL_VARIABLE = "MUSEWAY_URL"
API_KEY_VARIABLE = "MUSEWAY_API_KEY"


@dataclass(frozen=True, slots=True)
class Settings:
    """The gateway's base URL (without a trailing slash) and the caller's key, which no repr shows."""

    url: str
    api_key: str | None = field(repr=False)


def resolve(url: str | None = None, api_key: str | None = None) -> Settings:
    """Settings from arguments, else `MUSEWAY_URL` and `MUSEWAY_API_KEY`.

    A missing key is no error here, since the catalog is public. Raises NotConfigured for a missing or
    malformed URL and for a key that could not be sent in a header.
    """
    base = (url or os.environ.get(URL_VARIABLE, "")).strip().rstrip("/")
    key = (api_key or os.environ.get(API_KEY_VARIABLE, "")).strip()
    if not base:
        raise NotConfigured(
            "No gateway URL is set.",
            code="not_configured",
            hint=f"Set {URL_VARIABLE}, or pass Client(url=...).",
        )
    if not _is_http(base):
        raise NotConfigured(
            f"The gateway URL {base!r} is not an http(s) URL.",
            code="not_configured",
            hint=f"Set {URL_VARIABLE} to a URL such as https://api.example.com.",
        )
    if not (key.isascii() and key.isprintable()):
        raise NotConfigured(
            "The API key holds characters that no key has.",
            code="not_configured",
            hint=f"Copy the key again into {API_KEY_VARIABLE}; it starts with mw_.",
        )
    return Settings(base, key or None)


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        return False
