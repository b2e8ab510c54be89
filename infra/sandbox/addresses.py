"""Where the sandbox serves each provider: under its name, then the path of its own base URL."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

import yaml

DESCRIPTIONS = Path(__file__).parents[2] / "layers/core/python/gateway/catalog/providers"


def base_urls(sandbox_url: str, providers: Iterable[str]) -> dict[str, str]:
    """The base URLs of these providers at a sandbox. The catalog describes each of them."""
    return {name: f"{sandbox_url}/{name}{_path(name)}" for name in providers}


def _path(provider: str) -> str:
    described = yaml.safe_load((DESCRIPTIONS / f"{provider}.yaml").read_text(encoding="utf-8"))
    return str(urlsplit(described["base_url"]).path)
