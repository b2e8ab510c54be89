"""What the shapes of all answers share."""

from pydantic import BaseModel, ConfigDict

Micros = int
Timestamp = str


class Answer(BaseModel):
    """A shape without unlisted fields."""

    model_config = ConfigDict(extra="forbid")


class Page(Answer):
    """A page of a list."""

    next_cursor: str | None
