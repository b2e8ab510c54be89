"""Which gateway a command speaks to: the environment's, else the one that runs on this machine."""

import ipaddress
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from museway._settings import API_KEY_VARIABLE, URL_VARIABLE
from museway.client import Client
from museway.errors import NotConfigured

LOCAL_FILE = Path(".museway") / "local.json"


@dataclass(frozen=True, slots=True)
class LocalSystem:
    """What `museway up` wrote about the system it started; `content` is the whole file."""

    path: Path
    url: str
    api_key: str = field(repr=False)
    content: dict[str, Any] = field(repr=False)


def local_system() -> LocalSystem | None:
    """The local system of the current directory or the nearest parent that has one.

    Raises NotConfigured for a file that is damaged or names another machine: it holds a key, and a checkout
    from elsewhere must not be able to direct calls to a server of its choice.
    """
    here = Path.cwd()
    path = next((at / LOCAL_FILE for at in (here, *here.parents) if (at / LOCAL_FILE).is_file()), None)
    if path is None:
        return None
    try:
        content = json.loads(path.read_text("utf-8"))
        url, api_key = str(content["url"]), str(content["api_key"])
        endpoints = [url, str(content.get("aws_endpoint_url") or url)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise _unusable(path, "is damaged") from None
    if not all(_is_loopback(endpoint) for endpoint in endpoints):
        raise _unusable(path, "names a server that is not on this machine")
    return LocalSystem(path, url, api_key, content)


def make_client() -> Client:
    """A client of the environment's gateway, or of the local system when neither variable is set.

    Raises NotConfigured when there is neither.
    """
    if os.environ.get(URL_VARIABLE) or os.environ.get(API_KEY_VARIABLE):
        return Client()
    local = local_system()
    if local is None:
        raise NotConfigured(
            "No gateway is known here.",
            code="not_configured",
            hint=f"Set {URL_VARIABLE} and {API_KEY_VARIABLE}, or start a system here with `museway up`.",
        )
    return Client(local.url, local.api_key)


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _unusable(path: Path, reason: str) -> NotConfigured:
    return NotConfigured(
        f"{path} {reason}.",
        code="local_file_unusable",
        hint=f"Remove it and run `museway up` again, or set {URL_VARIABLE} and {API_KEY_VARIABLE}.",
    )
