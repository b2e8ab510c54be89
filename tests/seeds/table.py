"""What a row of the seeds' statements is, and what the rows share: the ids, their simplest requests, the media.

The rows are written from the seeds alone. They name what is expected and not how it is brought about, so that
they hold in process and over HTTP.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

Door = Literal["typed", "native"]
Request = Mapping[str, Any]

MEDIA = "https://media.example.com/"
MICROS_PER_CREDIT = 10_000


@dataclass(frozen=True)
class File:
    """A medium that rows point at: what looking at it finds. One that is not `made` stands for its facts only."""

    kind: str
    media_type: str
    duration_seconds: Decimal | None = None
    width: int | None = None
    height: int | None = None
    bytes: int = 20_000
    made: bool = True


def _picture(media_type: str, side: int = 320, size_bytes: int = 20_000) -> File:
    return File("image", media_type, width=side, height=side, bytes=size_bytes, made=size_bytes == 20_000)


def _clip(seconds: int | None, media_type: str = "video/mp4", size_bytes: int = 20_000) -> File:
    lasts = None if seconds is None else Decimal(seconds)
    return File("video", media_type, lasts, 128, 72, size_bytes, made=size_bytes == 20_000)


def _sound(seconds: int | None, media_type: str = "audio/mpeg") -> File:
    return File("audio", media_type, None if seconds is None else Decimal(seconds))


FILES: Mapping[str, File] = {
    "picture.png": _picture("image/png"),
    "picture.jpg": _picture("image/jpeg"),
    "picture.webp": _picture("image/webp"),
    "small.png": _picture("image/png", side=299),
    "picture-10mb.png": _picture("image/png", size_bytes=10_000_000),
    "picture-over-10mb.png": _picture("image/png", size_bytes=11_000_000),
    "clip-4s.mp4": _clip(4),
    "clip-6s.mp4": _clip(6),
    "clip-15s.mp4": _clip(15),
    "clip-16s.mp4": _clip(16),
    "clip-30s.mp4": _clip(30),
    "clip-31s.mp4": _clip(31),
    "clip-unread.mp4": _clip(None),
    "clip-unread.mov": _clip(None, "video/quicktime"),
    "clip-unread.webm": _clip(None, "video/webm"),
    "clip-50mb.mp4": _clip(4, size_bytes=50_000_000),
    "clip-over-50mb.mp4": _clip(4, size_bytes=53_000_000),
    "clip-100mb.mp4": _clip(4, size_bytes=100_000_000),
    "clip-over-100mb.mp4": _clip(4, size_bytes=110_000_000),
    "sound-3s.mp3": _sound(3),
    "sound-8s.mp3": _sound(8),
    "sound-15s.mp3": _sound(15),
    "sound-16s.mp3": _sound(16),
    "sound-3s.wav": _sound(3, "audio/wav"),
    "sound-unread.m4a": _sound(None, "audio/mp4"),
}
"""By name. The length of an unread one cannot be told, so its price is the worst case."""


def url(name: str) -> str:
    """Where the file of a name is, until a runner puts it elsewhere."""
    if name not in FILES:
        raise KeyError(name)
    return f"{MEDIA}{name}"


PICTURE, CLIP, SOUND = url("picture.png"), url("clip-4s.mp4"), url("sound-3s.mp3")


@dataclass(frozen=True)
class Price:
    """It is taken, and costs this. `assumed`: something could not be known, and the quote says so."""

    micros: int
    assumed: bool = False
    row: str | None = None
    """The row of the rate table, where the seed names it."""


def credits_price(amount: int, *, assumed: bool = False, row: str | None = None) -> Price:
    """A price in credits of $0.01."""
    return Price(amount * MICROS_PER_CREDIT, assumed, row)


@dataclass(frozen=True)
class Accepted:
    """It is taken; `inputs` are values that it stands for, `ignored` the fields that warnings name."""

    inputs: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refusal:
    """It is refused and nothing is held. What is None or empty is not stated."""

    status: int
    code: str
    field: str | None = None
    allowed: Any = None
    """A list counts as a set."""
    body: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Further fields, exactly."""
    variants: tuple[str, ...] = ()
    """`available_variants`, in any order."""
    among: str | None = None
    """One of `available_variants`, where the seed does not name them all."""


Expectation = Price | Accepted | Refusal


@dataclass(frozen=True)
class Row:
    """One statement of a seed: a request and what becomes of it."""

    id: str
    source: str
    door: Door
    model: str
    request: Request
    expect: Expectation

    @property
    def files(self) -> frozenset[str]:
        """The names of the media that the request points at."""
        return frozenset(text.removeprefix(MEDIA) for text in _texts(self.request) if text.startswith(MEDIA))


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)


def moved(value: Any, places: Mapping[str, str]) -> Any:
    """A request whose media are elsewhere: `places` by the names of files."""
    if isinstance(value, str):
        return places.get(value.removeprefix(MEDIA), value) if value.startswith(MEDIA) else value
    if isinstance(value, Mapping):
        return {key: moved(part, places) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [moved(part, places) for part in value]
    return value


TEXT: Request = {"prompt": "a lighthouse at dusk"}
PICTURED: Request = {**TEXT, "source_media_urls": [PICTURE]}
EDITED: Request = {**PICTURED, "generation_type": "image-to-image"}
FRAMED: Request = {**TEXT, "source_media_urls": [PICTURE, PICTURE]}
MOVED: Request = {**TEXT, "source_media_urls": [PICTURE, CLIP]}
REFERRED: Request = {**TEXT, "source_media_urls": [CLIP]}
STORY: Request = {**TEXT, "shots": [{"prompt": "the lamp is lit", "duration": 5}, {"prompt": "fog", "duration": 5}]}

MOTION_CONTROL = tuple(
    f"kling-{version}-motion-control-{tier}" for version in ("2-6", "3-0") for tier in ("720p", "1080p")
)
SEEDANCE_2_RATES: Mapping[str, int] = {
    "seedance-2-1080p": 93,
    "seedance-2-480p": 18,
    "seedance-2-720p": 40,
    "seedance-2-fast-480p": 16,
    "seedance-2-fast-720p": 34,
}
SEEDANCE_2_REFERENCE_RATES: Mapping[str, int] = {
    "seedance-2-1080p-video-ref": 65,
    "seedance-2-480p-video-ref": 13,
    "seedance-2-720p-video-ref": 29,
    "seedance-2-fast-480p-video-ref": 12,
    "seedance-2-fast-720p-video-ref": 24,
}
"""Seed 002, live per-second rates, in credits."""
SEEDANCE_2 = (*SEEDANCE_2_RATES, *SEEDANCE_2_REFERENCE_RATES)

IMAGE_IDS: Mapping[str, Request] = {
    "nano-banana": TEXT,
    "nano-banana-edit": EDITED,
    "nano-banana-pro": TEXT,
    "nano-banana-2": TEXT,
    "gpt-image-2": TEXT,
    "gpt-1.5-image-medium": TEXT,
    "gpt-1.5-image-high": TEXT,
    "flux-2": TEXT,
    "flux-2-edit": EDITED,
    "imagen-4": TEXT,
    "imagen-4-fast": TEXT,
    "imagen-4-ultra": TEXT,
    "seedream-v4": TEXT,
    "seedream-v4-edit": EDITED,
    "seedream-v4-5": TEXT,
    "seedream-v4-5-edit": EDITED,
    "5-lite-text-to-image": TEXT,
    "5-lite-image-to-image": EDITED,
    "p-image-edit": EDITED,
}
VIDEO_IDS: Mapping[str, Request] = {
    "kling-2-6-text-to-video": TEXT,
    "kling-2-6-image-to-video": PICTURED,
    "kling-2-5-image-to-video-pro": FRAMED,
    "kling-3-0-std": TEXT,
    "kling-3-0-pro": TEXT,
    **dict.fromkeys(MOTION_CONTROL, MOVED),
    "wan-2-5": TEXT,
    "v1-pro-fast-i2v": PICTURED,
    "seedance-1-5-pro": TEXT,
    **dict.fromkeys(SEEDANCE_2_RATES, TEXT),
    **dict.fromkeys(SEEDANCE_2_REFERENCE_RATES, REFERRED),
    "sora-2": TEXT,
    "sora-2-pro": TEXT,
    "sora-2-pro-storyboard": STORY,
    "grok-text-to-video-6s": TEXT,
    "grok-image-to-video": PICTURED,
    "veo3-1": TEXT,
    "veo3-1-fast": TEXT,
    "p-video-1080p": TEXT,
}
SIMPLEST: Mapping[str, Request] = {**IMAGE_IDS, **VIDEO_IDS}
"""Every id that seed 002 names, with the least that it takes."""


def typed(model: str, what: str, source: str, expect: Expectation, **changes: Any) -> Row:
    """A typed row: the model's simplest request with changes; None takes a field away."""
    request = {name: value for name, value in {**SIMPLEST.get(model, TEXT), **changes}.items() if value is not None}
    return Row(f"{model}: {what}", f"seed 002, {source}", "typed", model, request, expect)


def native(model: str, what: str, source: str, expect: Expectation, **inputs: Any) -> Row:
    """A native row: exactly these inputs."""
    return Row(f"{model}: {what}", f"seed 001, {source}", "native", model, inputs, expect)
