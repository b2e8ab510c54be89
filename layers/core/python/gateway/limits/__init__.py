"""What a model takes: one description that is the limits, the errors and the JSON Schema. Pure.

Two doors lead here. The *typed* request (seed 002) names common fields - `source_media_urls`, `sound`,
`"5s"` - and is held to every limit. The *native* request (seed 001) passes the model's own inputs: what we
know of is checked for presence and type, what pricing reads is held to its limits, the rest goes through
as it is, because the model is the judge of it.

`values` holds one value to its input's limits, `requests` a whole request, `sources` the media that it
points at, and `schema` says the same as JSON Schema.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from gateway import conditions

SOURCES = "source_media_urls"


@dataclass(frozen=True)
class Media:
    """What media an input takes; each limit is None (or empty) where there is none."""

    kind: str
    formats: tuple[str, ...] = ()
    """Media types, such as `image/png`."""
    bytes_max: int | None = None
    side_min_px: int | None = None
    seconds_max: Decimal | None = None
    """Of each file."""
    total_seconds_max: Decimal | None = None
    """Of all files of this input together."""


@dataclass(frozen=True)
class Input:
    """One native input of a model.

    `type`: text, integer, number, boolean; seconds (whole, also written "5s"); size (a preset's name, or
    `{width, height}`); media (a URL), media_list; objects (a list of `entries`).
    """

    name: str
    type: str
    required: bool = False
    default: Any = None
    enum: tuple[Any, ...] = ()
    aliases: Mapping[str, Any] = field(default_factory=dict)
    """Other words for a value of the enum."""
    minimum: Decimal | None = None
    """Of a number, or of each side of a size in pixels."""
    maximum: Decimal | None = None
    max_length: int | None = None
    min_items: int = 0
    max_items: int | None = None
    presets: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Width and height that a size's names stand for."""
    entries: Mapping[str, "Input"] = field(default_factory=dict)
    """The fields of each object of a list."""
    one_of: tuple[str, ...] = ()
    """Exactly one of these fields must be in each object."""
    sum_of: tuple[str, str] | None = None
    """(objects input, field): the value is the sum of that field; a value of one's own must agree."""
    media: Media | None = None
    strict: bool = False
    """Held to its limits in a native request too: another value would be paid for and could not be delivered."""
    description: str = ""

    @property
    def is_media(self) -> bool:
        """Whether it holds URLs of media."""
        return self.type in {"media", "media_list"}

    @property
    def is_numeric(self) -> bool:
        """Whether its values are numbers."""
        return self.type in {"integer", "number", "seconds"}

    def seconds_allowed(self) -> tuple[int, ...]:
        """Every value that an input of type seconds takes."""
        if self.enum:
            return self.enum
        return tuple(range(int(self.minimum or 0), int(self.maximum or 0) + 1))


@dataclass(frozen=True)
class Sources:
    """Where source media of one kind go, and how many a generation type takes: `{type: (min, max)}`."""

    kind: str
    into: tuple[str, ...]
    """One list, or single inputs in the order in which they fill up."""
    counts: Mapping[str, tuple[int, int]]

    def count(self, generation_type: str) -> tuple[int, int]:
        """How few and how many a generation type takes."""
        return self.counts.get(generation_type, (0, 0))


@dataclass(frozen=True)
class Rule:
    """A limit across fields: when the conditions hold, the requirements must hold too."""

    code: str
    field: str
    when: conditions.Conditions
    require: conditions.Conditions
    message: str
    variants: tuple[str, ...] = ()
    """The models that take what this one does not."""


@dataclass(frozen=True)
class References:
    """`@name` in a text must be the name of an entry of a list."""

    text: str
    entries: str
    key: str


@dataclass(frozen=True)
class Limits:
    """Everything a model accepts. `fields` maps a typed request's field to the model's own input."""

    inputs: Mapping[str, Input]
    generation_types: tuple[str, ...]
    fields: Mapping[str, str] = field(default_factory=dict)
    sources: tuple[Sources, ...] = ()
    rules: tuple[Rule, ...] = ()
    references: tuple[References, ...] = ()
    unpriced: tuple[str, ...] = ()
    """Inputs of the provider's that would change what the call costs in ways that the prices do not know."""
    is_closed: bool = False
    """Whether also a native request may name only these inputs: unknown ones could raise what the provider uses."""

    def names_of(self, name: str) -> tuple[str, ...]:
        """Every name under which a request may give an input."""
        return (name, *(alias for alias, target in self.fields.items() if target == name))

    def media_inputs(self) -> Mapping[str, Input]:
        """The inputs that hold media, by path: those inside objects are written `list.field`."""
        nested = {
            f"{name}.{key}": entry
            for name, item in self.inputs.items()
            for key, entry in item.entries.items()
            if entry.is_media
        }
        return {name: item for name, item in self.inputs.items() if item.is_media} | nested
