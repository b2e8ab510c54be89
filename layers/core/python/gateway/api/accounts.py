"""What the API takes of a project's keys and settings."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StrictBool

from gateway.auth import DEFAULT_SCOPES, SCOPES
from gateway.fx import CURRENCIES
from gateway.keys import NAME_LENGTH_MAX
from gateway.spending import MICROS_MAX

Micros = Annotated[int, Field(strict=True, ge=0, le=MICROS_MAX, description="Millionths of a US dollar")]
Name = Annotated[str, Field(min_length=1, max_length=NAME_LENGTH_MAX, examples=["render farm"])]
# Enums for the schema alone: an unknown one is refused with the list of those there are.
Scope = Annotated[str, Field(max_length=100, json_schema_extra={"enum": list(SCOPES)})]
Currency = Annotated[str, Field(max_length=100, json_schema_extra={"enum": list(CURRENCIES)})]


class Limits(BaseModel):
    """The most that may be spent: in a UTC day, in a UTC month, in all. Null is no limit, 0 lets nothing be spent."""

    model_config = ConfigDict(extra="forbid")

    day_micros: Micros | None = None
    month_micros: Micros | None = None
    total_micros: Micros | None = None


class CreateKey(BaseModel):
    """A key to be made. A repeat under its Idempotency-Key makes none: 409 tells the `key_id` of the first."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    scopes: Annotated[
        list[Scope] | None,
        Field(min_length=1, max_length=100, description=f"Your key's own at most; null: {', '.join(DEFAULT_SCOPES)}"),
    ] = None
    spending_limit: Limits | None = None
    expires_at: Annotated[
        str | None,
        Field(max_length=64, examples=["2027-01-31T00:00:00Z"], description="ISO 8601, UTC; null: never"),
    ] = None


class Changes(BaseModel):
    """What is to be changed."""

    model_config = ConfigDict(extra="forbid")

    def named(self) -> dict[str, Any]:
        """The fields that were named, null among them."""
        return self.model_dump(exclude_unset=True)


class ChangeKey(Changes):
    """Changes of a key. What is not named stays, parts of the limit too; null takes a limit off."""

    name: Annotated[Name, Field(default_factory=str)]
    spending_limit: Limits | None = None


class Alerts(BaseModel):
    """When a project is told, by events on the deployment's bus."""

    model_config = ConfigDict(extra="forbid")

    balance_low_micros: Annotated[Micros | None, Field(description="When less is available; null: never")] = None
    limit_near_percent: Annotated[
        int | None, Field(strict=True, ge=1, le=100, description="When so much of a spending limit is used; null: 80")
    ] = None


class ChangeSettings(Changes):
    """Changes of a project's settings. What is not named stays, parts of an object too; null sets a field back."""

    currency: Annotated[Currency | None, Field(description="What records are also converted to; null: USD")] = None
    spending_limit: Limits | None = None
    alerts: Alerts | None = None


class SaveProviderKey(BaseModel):
    """A key of the project's own at a provider. It is encrypted, and never shown again but for its last four."""

    model_config = ConfigDict(extra="forbid")

    key: Annotated[SecretStr, Field(min_length=1, max_length=5000)]
    test: Annotated[StrictBool, Field(description="Ask the provider first, and save only a key that it takes")] = True
