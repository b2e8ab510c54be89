"""What every renderer makes, and what orders it."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Media:
    """A rendered file. Pixels are of the picture or the video, seconds of the video or the sound."""

    content: bytes
    media_type: str
    extension: str
    width: int | None = None
    height: int | None = None
    duration_seconds: float | None = None


class Order(Protocol):
    """A complete description of one output: hashable, and rendering it twice gives the same bytes."""

    def render(self) -> Media:
        """Makes the media; pure, so it may run in any thread."""
        ...

    def __hash__(self) -> int: ...


def generator(*parts: object) -> random.Random:
    """A random generator that depends on nothing but `parts`."""
    digest = hashlib.sha256("\x1f".join(str(part) for part in parts).encode()).digest()
    return random.Random(digest)  # noqa: S311 - it picks colours, not secrets
