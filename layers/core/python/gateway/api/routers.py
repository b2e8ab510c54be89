"""What the API takes of saved routers: a wish, and the name that it goes by."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from gateway.api.requests import Choice, Names
from gateway.routing import Wish


class ChangeRouter(Choice):
    """What a router says from now on, as a whole: what is not named is as if it had never been."""

    model_config = ConfigDict(extra="forbid", defer_build=False)

    fallback_order: Annotated[Names, Field(description="Models that come before all others, in this order")] = None

    def saved(self) -> Wish:
        """What is to be saved."""
        return self.wish(
            max_price_micros=self.max_price_micros,
            fallback_order=tuple(self.fallback_order or ()),
        )


class CreateRouter(ChangeRouter):
    """A router to be saved. A repeat with the same contents changes nothing."""

    name: Annotated[str, Field(max_length=100, examples=["drafts"], description="a-z, 0-9, '.', '_' and '-'")]


class DryRun(BaseModel):
    """Which version of a router is to be tried, on how many of the project's last requests."""

    model_config = ConfigDict(extra="forbid")

    version: Annotated[int | None, Field(strict=True, ge=1, description="Null: the present one")] = None
    limit: Annotated[int, Field(strict=True, ge=1, le=100)] = 20
