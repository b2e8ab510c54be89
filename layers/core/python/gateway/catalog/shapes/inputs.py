"""What a model takes, as a person writes it."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Kind = Literal["image", "video", "audio", "text"]
MediaKind = Literal["image", "video", "audio"]
GenerationType = Literal[
    "text-to-image", "image-to-image", "text-to-video", "image-to-video", "reference-to-video", "video-to-video",
    "motion-control", "text-to-speech", "text-to-music", "text-to-sound", "text-to-text",
]  # fmt: skip
Listed = BeforeValidator(lambda value: [value] if isinstance(value, str) else value)

NUMERIC = frozenset({"integer", "number", "seconds"})
_MB = 1_000_000
# Seed 002: "JPEG, PNG, WebP, typically 10 MB max per file", MP4/WebM up to 100 MB, and the extensions it names.
_USUAL: Mapping[str, Mapping[str, Any]] = {
    "image": {"formats": ["image/jpeg", "image/png", "image/webp"], "bytes_max": 10 * _MB},
    "video": {"formats": ["video/mp4", "video/quicktime", "video/webm"], "bytes_max": 100 * _MB},
    "audio": {"formats": ["audio/mpeg", "audio/wav", "audio/mp4"], "bytes_max": 20 * _MB},
}


class Strict(BaseModel):
    """A source shape: no unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class MediaShape(Strict):
    """What a media input takes; a kind alone stands for what is usual."""

    kind: MediaKind
    formats: list[str]
    bytes_max: int = Field(gt=0)
    side_min_px: int | None = Field(default=None, gt=0)
    seconds_max: int | None = Field(default=None, gt=0)
    total_seconds_max: int | None = Field(default=None, gt=0)

    @model_validator(mode="before")
    @classmethod
    def _usual(cls, media: Any) -> Any:
        media = {"kind": media} if isinstance(media, str) else media
        return {**_USUAL.get(str(media.get("kind")), {}), **media} if isinstance(media, Mapping) else media


class InputShape(Strict):
    """One native input of a model."""

    type: Literal[
        "text", "integer", "number", "boolean", "seconds", "size", "media", "media_list", "objects"
    ] = "text"  # fmt: skip
    required: bool = False
    default: Any = None
    enum: list[Any] = []
    aliases: dict[str, Any] = {}
    minimum: int | float | None = None
    maximum: int | float | None = None
    max_length: int | None = Field(default=None, gt=0)
    min_items: int = Field(default=0, ge=0)
    max_items: int | None = Field(default=None, gt=0)
    presets: dict[str, tuple[int, int]] = {}
    entries: "dict[str, InputShape]" = {}
    one_of: list[str] = []
    sum_of: tuple[str, str] | None = None
    media: MediaShape | None = None
    strict: bool = False
    description: str = ""

    @model_validator(mode="after")
    def _complete(self) -> "InputShape":
        if (self.type in {"media", "media_list"}) != (self.media is not None):
            raise ValueError("an input of type media or media_list, and no other, says which `media` it takes")
        if (self.type == "objects") != bool(self.entries):
            raise ValueError("an input of type objects, and no other, has `entries`")
        if (self.type == "size") != bool(self.presets):
            raise ValueError("an input of type size, and no other, has `presets`")
        if self.type == "seconds" and not self.enum and (self.minimum is None or self.maximum is None):
            raise ValueError("an input of type seconds has an `enum`, or a `minimum` and a `maximum`")
        if self.type == "seconds" and not all(type(value) is int and value > 0 for value in self.enum):
            raise ValueError("seconds are whole")
        if not set(self.one_of) <= set(self.entries):
            raise ValueError(f"`one_of` names {sorted(set(self.one_of) - set(self.entries))}, which is no entry")
        if any(value not in self.enum for value in self.aliases.values()):
            raise ValueError("an alias stands for a value of the enum")
        self._check_default()
        return self

    def _check_default(self) -> None:
        if self.default is None:
            return
        if self.enum and self.default not in self.enum:
            raise ValueError(f"the default {self.default!r} is not in the enum")
        if self.type == "size" and self.default not in self.presets:
            raise ValueError(f"the default {self.default!r} is no preset")
        types = {"text": str, "boolean": bool, "integer": int, "seconds": int, "number": int | float, "size": str}
        if self.type not in types or not isinstance(self.default, types[self.type]):
            raise ValueError(f"the default {self.default!r} is not of type {self.type}")
        low, high = self.minimum, self.maximum
        number: Any = self.default if self.type in NUMERIC else None
        if number is not None and not ((low is None or number >= low) and (high is None or number <= high)):
            raise ValueError(f"the default {self.default!r} is out of range")

    def check_condition(self, name: str, expected: Any) -> None:
        """Raise ValueError for a condition that this input's values can never answer."""
        values = expected if isinstance(expected, list) else [expected]
        if isinstance(expected, Mapping):
            if "count" in expected and self.type not in {"media", "media_list", "objects"}:
                raise ValueError(f"'{name}' has no count: it is {self.type}")
            if not {"count", "present"} & set(expected) and self.type not in NUMERIC:
                raise ValueError(f"'{name}' has no range: it is {self.type}")
        elif self.enum and not all(value in self.enum for value in values):
            raise ValueError(f"'{name}' is never {expected!r}")


class SourcesShape(Strict):
    """Where source media of a kind go, and how few and how many a generation type takes."""

    kind: MediaKind
    into: Annotated[list[str], Listed] = Field(min_length=1)
    counts: dict[GenerationType, tuple[int, int]]

    @model_validator(mode="after")
    def _ordered(self) -> "SourcesShape":
        if any(not 0 <= low <= high for low, high in self.counts.values()):
            raise ValueError("counts are [fewest, most]")
        return self


class RuleShape(Strict):
    """A limit across fields."""

    code: str = Field(pattern=r"^[a-z0-9_]+$")
    field: str
    when: dict[str, Any]
    require: dict[str, Any] = Field(min_length=1)
    message: str
    variants: list[str] = []


class ReferencesShape(Strict):
    """`@name` in the text of one input must be an entry's `key` in a list of objects."""

    text: str
    entries: str
    key: str
