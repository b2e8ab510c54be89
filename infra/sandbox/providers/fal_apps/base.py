"""What every app shares: an input in fal's form, the media it refers to, and the answer in fal's form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from infra.sandbox.files import StoredFile
from infra.sandbox.render.media import Order
from infra.sandbox.render.video import FRAMES_PER_SECOND
from infra.sandbox.sources import Found, Source

Text = Annotated[str, Field(min_length=1)]
Url = Annotated[str, Field(pattern=r"^(https?://|data:)")]
Share = Annotated[float, Field(ge=0, le=1)]


class OneOf:
    """Marks a text of which only some words are allowed; the error is the one of a Literal."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = tuple(words)

    def __get_pydantic_core_schema__(self, _source: object, _handler: GetCoreSchemaHandler) -> CoreSchema:
        """The schema pydantic makes of Literal[words]."""
        return core_schema.literal_schema(list(self.words))


def one_of(words: str) -> OneOf:
    """The words that spaces separate: `Annotated[str, one_of("480p 720p")]`."""
    return OneOf(words.split())


class App(BaseModel):
    """One app's input. `kind` names the field of the output: images, video or audio."""

    model_config = ConfigDict(extra="ignore")
    kind: ClassVar[str]
    # The fields with URLs of pictures, and of other media that only have to be there.
    picture_fields: ClassVar[tuple[str, ...]] = ()
    other_fields: ClassVar[tuple[str, ...]] = ()
    # Whether the files of the output carry pixels, as fal's Image and VideoFile do and its File does not.
    shows_pixels: ClassVar[bool] = False

    def given(self, field: str, otherwise: Any) -> Any:
        """The input's value of a field; `otherwise` where the app has no such field or it was left out."""
        value = getattr(self, field, None)
        return otherwise if value is None else value

    def sources(self) -> list[Source]:
        """The media the input refers to."""
        pictures = [Source(field, url) for field in self.picture_fields for url in self._urls(field)]
        others = [Source(field, url, is_picture=False) for field in self.other_fields for url in self._urls(field)]
        return pictures + others

    def orders(self, found: Found, /) -> list[Order]:
        """What to render, given what its sources held."""
        raise NotImplementedError

    def output(self, files: Sequence[StoredFile]) -> dict[str, Any]:
        """The result; without files what fal would answer had the model made nothing."""
        shown = [self._described(file) for file in files]
        made: Any = shown if self.kind == "images" else next(iter(shown), None)
        return {self.kind: made, **self.extras(files)}

    def extras(self, _files: Sequence[StoredFile], /) -> dict[str, Any]:
        """What the output says besides its files."""
        return {}

    @classmethod
    def allowed(cls, field: str) -> tuple[str, ...]:
        """The words a field of OneOf allows."""
        marks = cls.model_fields[field].metadata
        return next(mark.words for mark in marks if isinstance(mark, OneOf))

    def _urls(self, field: str) -> list[str]:
        value = self.given(field, [])
        return [value] if isinstance(value, str) else list(value)

    def _described(self, file: StoredFile) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "url": file.url,
            "content_type": file.media_type,
            "file_name": file.name,
            "file_size": file.size_bytes,
        }
        if self.shows_pixels:
            shown.update(width=file.width, height=file.height)
            if file.duration_seconds is not None:
                frames = round(file.duration_seconds * FRAMES_PER_SECOND)
                shown.update(duration=file.duration_seconds, fps=FRAMES_PER_SECOND, num_frames=frames)
        return shown


class Seeded(BaseModel):
    """An input with a seed of its own choice."""

    seed: int | None = None
