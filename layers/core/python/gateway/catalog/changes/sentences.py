"""A change and the words for it. Pure."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from gateway.money import exact

_SHOWN_MAX = 120
_PER = {
    "image": "image",
    "audio_second": "second of audio",
    "video_second": "second of video",
    "tts_character": "character",
    "mtok_input": "million input tokens",
    "mtok_output": "million output tokens",
    "mtok_cached_input": "million cached input tokens",
    "mtok_media_input": "million media input tokens",
    "mtok_media_output": "million media output tokens",
    "megapixel": "megapixel",
    "call": "call",
    "compute_second": "second of computing",
}


@dataclass(frozen=True)
class Change:
    """One difference between two catalogs."""

    about: str
    """The model's id, or a family's label."""
    part: str
    """The key of the compiled model that differs: `price_books`, `inputs`, ... or `models`, `families`."""
    sentence: str
    breaking: bool = False
    """Whether it can raise a price, narrow a limit or take a model away."""

    def to_dict(self) -> dict[str, Any]:
        """As the operator's function answers it."""
        return asdict(self)


def dollars(rate: str) -> str:
    """An exact rate: `$0.039`."""
    return f"${exact(Decimal(rate))}"


def priced(component: Mapping[str, Any]) -> str:
    """A rate with its unit: `$0.039 per image`."""
    return f"{dollars(component['rate'])} per {per(component['unit'])}"


def per(unit: str) -> str:
    """A pricing unit in words: `second of video`."""
    return _PER.get(unit, unit)


def percent(old: str, new: str) -> str:
    """By how much a rate rises or falls: ` (+15.4 %)`; empty where it was nothing."""
    before, after = Decimal(old), Decimal(new)
    return f" ({(after - before) / before * 100:+.1f} %)" if before else ""


def shown(value: Any) -> str:
    """Any value, short enough for a sentence."""
    if value is None:
        return "none"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN_MAX else f"{text[: _SHOWN_MAX - 3]}..."


def listed(values: Iterable[Any]) -> str:
    """Values with commas between them."""
    return ", ".join(shown(value) for value in values)


def span(low: Any, high: Any, unit: str = "") -> str:
    """A range: `3-15 s`, `up to 15 s`, `from 3 s`, `any`."""
    if low is None and high is None:
        return "any"
    if low is None:
        return f"up to {high}{unit}"
    return f"from {low}{unit}" if high is None else f"{low}-{high}{unit}"


def differences(old: Any, new: Any, path: str) -> Iterator[str]:
    """A clause for every leaf that differs: `request.constants.quality: high -> low`."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in _keys(old, new):
            yield from differences(old.get(key), new.get(key), f"{path}.{key}" if path else str(key))
    elif isinstance(old, Sequence) and isinstance(new, Sequence) and not {type(old), type(new)} & {str}:
        if len(old) != len(new):
            yield f"{path}: {shown(old)} -> {shown(new)}"
            return
        for number, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from differences(before, after, f"{path}[{number}]")
    elif old != new:
        yield f"{path}: {shown(old)} -> {shown(new)}"


def changed_keys(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """The keys under which two objects differ."""
    return [key for key in _keys(old, new) if old.get(key) != new.get(key)]


def _keys(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys([*old, *new]))
