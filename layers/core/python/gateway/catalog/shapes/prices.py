"""What a model costs, as a person writes it."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from gateway.catalog.shapes.inputs import NUMERIC, InputShape, Kind, Strict
from gateway.pricing import UNITS, Meter

# Rates are written as text: a YAML float would already have lost the cent's exactness.
Rate = Annotated[str, Field(pattern=r"^\d+(\.\d+)?$")]


class MeterShape(Strict):
    """Where a quantity comes from; see `gateway.pricing.meters.Meter`."""

    input: str | None = None
    values: dict[str, int | float] = {}
    length_of: str | None = None
    bytes_of: str | None = None
    count_of: str | None = None
    total_of: tuple[str, str] | None = None
    pixels_of: str | None = None
    seconds_of: str | None = None
    seconds_max: int = Field(default=0, ge=0)
    sum_of: list[str] = []
    greatest_of: list[str] = []
    constant: int = Field(default=1, ge=0)
    multiply_by: int = Field(default=1, gt=0)
    divide_by: int = Field(default=1, gt=0)
    usage: Literal[
        "input_tokens", "cached_input_tokens", "media_input_tokens", "output_tokens", "media_output_tokens",
        "compute_seconds",
    ] | None = None  # fmt: skip
    maximum: str | None = None

    @model_validator(mode="after")
    def _exact(self) -> "MeterShape":
        rest = self.divide_by
        for factor in (2, 5):
            while rest % factor == 0:
                rest //= factor
        if rest != 1:
            raise ValueError(f"a quantity divided by {self.divide_by} is no exact decimal")
        if bool(self.usage) != bool(self.maximum):
            raise ValueError("a meter of usage, and no other, names the meter of its `maximum`")
        if self.usage and self.multiply_by != 1:
            raise ValueError("what the provider reports is only divided")
        if (self.seconds_of is None) != (self.seconds_max == 0):
            raise ValueError("a meter of seconds, and no other, has a `seconds_max`")
        sources = [
            *(self.input, self.length_of, self.bytes_of, self.count_of, self.total_of, self.pixels_of),
            *(self.seconds_of, self.sum_of or None, self.greatest_of or None),
        ]
        if sum(one is not None for one in sources) > 1:
            raise ValueError("a meter reads one thing")
        return self

    @property
    def reads(self) -> frozenset[str]:
        """The inputs it reads."""
        return Meter.from_dict(self.model_dump()).reads

    @property
    def meters(self) -> frozenset[str]:
        """The other meters it is made of."""
        return Meter.from_dict(self.model_dump()).meters

    def check_inputs(self, meter: str, inputs: Mapping[str, InputShape]) -> None:
        """Raise ValueError unless what it reads always gives a quantity that is bounded and not negative."""
        if self.input is not None:
            self._check_number(meter, inputs[self.input])
        for name in filter(None, (self.length_of, self.bytes_of)):
            if inputs[name].type != "text" or (inputs[name].max_length is None and not inputs[name].enum):
                raise ValueError(f"meter '{meter}' needs a text with max_length in '{name}'")
        if self.count_of is not None and inputs[self.count_of].type not in {"media", "media_list", "objects"}:
            raise ValueError(f"meter '{meter}' counts '{self.count_of}', which is no list")
        if self.seconds_of is not None and inputs[self.seconds_of].type not in {"media", "media_list"}:
            raise ValueError(f"meter '{meter}' measures '{self.seconds_of}', which is no media")
        if self.pixels_of is not None:
            self._check_size(meter, inputs[self.pixels_of])
        if self.total_of is not None and self.total_of[1] not in inputs[self.total_of[0]].entries:
            raise ValueError(f"meter '{meter}' adds up '{'.'.join(self.total_of)}', which does not exist")

    def _check_number(self, meter: str, item: InputShape) -> None:
        if not item.required and item.default is None:
            raise ValueError(f"meter '{meter}' reads '{self.input}', which may be absent")
        if self.values:
            if {str(value) for value in item.enum} != set(self.values):
                raise ValueError(f"meter '{meter}' needs a value for each choice of '{self.input}', and no other")
            return
        bounded = bool(item.enum) or (item.minimum is not None and item.minimum >= 0 and item.maximum is not None)
        if item.type not in NUMERIC or not bounded:
            raise ValueError(f"meter '{meter}' needs a number with minimum >= 0 and maximum in '{self.input}'")

    def _check_size(self, meter: str, item: InputShape) -> None:
        if item.type != "size" or item.maximum is None or item.default is None:
            raise ValueError(f"meter '{meter}' needs a size with a maximum and a default in '{self.pixels_of}'")
        if set(self.values) != set(item.presets):
            raise ValueError(f"meter '{meter}' needs the pixels of each preset of '{self.pixels_of}', and no other")


class ComponentShape(Strict):
    """One rate in US dollars per unit."""

    unit: str
    rate: Rate
    meter: str
    modality: Kind
    round_up_to: int | None = Field(default=None, gt=0)
    minimum: int | None = Field(default=None, ge=0)
    per_output: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether the quantity is billed as it is metered."""
        return self.round_up_to is None and self.minimum is None and not self.per_output

    @model_validator(mode="after")
    def _known_unit(self) -> "ComponentShape":
        if self.unit not in UNITS:
            raise ValueError(f"unit '{self.unit}' is not one of {sorted(UNITS)}")
        return self


class RowShape(Strict):
    """One row of a rate table; a `surcharge` is a further component."""

    row_id: str
    when: dict[str, Any] = {}
    components: list[ComponentShape] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _written_shortly(cls, row: Any) -> Any:
        """A row with one rate may write its fields beside `row_id`, and a surcharge besides."""
        if not isinstance(row, Mapping):
            return row
        kept = {key: row[key] for key in ("row_id", "when") if key in row}
        components = row.get("components")
        if components is None:
            components = [{key: value for key, value in row.items() if key not in {*kept, "surcharge"}}]
            row = {key: value for key, value in row.items() if key in {*kept, "surcharge"}}
        surcharge = [row["surcharge"]] if "surcharge" in row else []
        rest = {key: value for key, value in row.items() if key not in {"components", "surcharge"}}
        return rest | {"components": [*components, *surcharge]}


class PriceBookShape(Strict):
    """A rate table and the day it starts; `source` says where its rates stand."""

    effective_from: date
    source: str = Field(min_length=1)
    rows: list[RowShape] = Field(min_length=1)

    @model_validator(mode="after")
    def _named_once(self) -> "PriceBookShape":
        names = [row.row_id for row in self.rows]
        if len(set(names)) < len(names):
            raise ValueError("two rows have the same row_id")
        return self
