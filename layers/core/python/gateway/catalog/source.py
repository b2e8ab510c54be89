"""The reviewed YAML of the catalog, its shape and its checks; compiled at build, never imported by a function.

One file per family under `models/`. Everything that a person writes is checked here, so that what functions
load can be trusted: `compile_catalog` refuses a catalog with a price that does not cover a legal input, an
input that nothing defines, or an offer without a provider.
"""

import hashlib
import itertools
import json
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from gateway import conditions
from gateway.pricing import UNITS

MODELS_DIRECTORY = Path(__file__).parent / "models"

_MEDIA = "https://example.com/media"
_NUMERIC = frozenset({"integer", "number"})
Kind = Literal["image", "video", "audio", "text"]
GenerationType = Literal[
    "text-to-image", "image-to-image", "text-to-video", "image-to-video", "text-to-speech", "text-to-music"
]
# Rates are written as text: a YAML float would already have lost the cent's exactness.
Rate = Annotated[str, Field(pattern=r"^\d+(\.\d+)?$")]
Listed = BeforeValidator(lambda value: [value] if isinstance(value, str) else value)


class CatalogError(Exception):
    """What is wrong with the catalog's sources, one line per fault, each with its file."""


class Strict(BaseModel):
    """A source shape: no unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class InputSource(Strict):
    """One native input of a model."""

    type: Literal["text", "integer", "number", "boolean", "media", "media_list"] = "text"
    required: bool = False
    default: Any = None
    enum: list[Any] = []
    minimum: int | float | None = None
    maximum: int | float | None = None
    max_length: int | None = None
    max_items: int | None = None
    description: str = ""

    @model_validator(mode="after")
    def _legal_default(self) -> "InputSource":
        if self.default is None:
            return self
        if self.enum and self.default not in self.enum:
            raise ValueError(f"the default {self.default!r} is not in the enum")
        if self.type in _NUMERIC and not (
            isinstance(self.default, int | float)
            and (self.minimum is None or self.default >= self.minimum)
            and (self.maximum is None or self.default <= self.maximum)
        ):
            raise ValueError(f"the default {self.default!r} is out of range")
        return self

    def check_condition(self, name: str, expected: Any) -> None:
        """Raise ValueError for a condition that this input's values can never answer."""
        values = expected if isinstance(expected, list) else [expected]
        if isinstance(expected, Mapping):
            if "count" in expected and not self.type.startswith("media"):
                raise ValueError(f"'{name}' has no count: it is {self.type}")
            if not {"count", "present"} & set(expected) and self.type not in _NUMERIC:
                raise ValueError(f"'{name}' has no range: it is {self.type}")
        elif self.enum and not all(value in self.enum for value in values):
            raise ValueError(f"'{name}' is never {expected!r}")


class MediaSource(Strict):
    """Where source media of a kind go."""

    kind: Literal["image", "video", "audio"]
    into: Annotated[list[str], Listed]
    counts: dict[GenerationType, tuple[int, int]]


class RuleSource(Strict):
    """A limit across fields."""

    code: str
    field: str
    when: dict[str, Any]
    require: dict[str, Any]
    message: str


class MeterSource(Strict):
    """Where a quantity comes from."""

    input: str | None = None
    length_of: str | None = None
    divide_by: int = Field(default=1, gt=0)
    constant: int = Field(default=1, ge=0)

    @model_validator(mode="after")
    def _exact(self) -> "MeterSource":
        rest = self.divide_by
        for factor in (2, 5):
            while rest % factor == 0:
                rest //= factor
        if rest != 1:
            raise ValueError(f"a quantity divided by {self.divide_by} is no exact decimal")
        return self

    def check_input(self, meter: str, inputs: Mapping[str, InputSource]) -> None:
        """Raise ValueError unless the input it reads always gives a quantity that is bounded and not negative."""
        if self.input is not None:
            item = inputs[self.input]
            bounded = item.minimum is not None and item.minimum >= 0 and item.maximum is not None
            if item.type not in _NUMERIC or not bounded:
                raise ValueError(f"meter '{meter}' needs a number with minimum >= 0 and maximum in '{self.input}'")
            if not item.required and item.default is None:
                raise ValueError(f"meter '{meter}' reads '{self.input}', which may be absent")
        if self.length_of is not None and inputs[self.length_of].type != "text":
            raise ValueError(f"meter '{meter}' counts the characters of '{self.length_of}', which is no text")


class ComponentSource(Strict):
    """One rate in US dollars per unit."""

    unit: str
    rate: Rate
    meter: str
    modality: Kind
    round_up_to: int | None = Field(default=None, gt=0)
    minimum: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _known_unit(self) -> "ComponentSource":
        if self.unit not in UNITS:
            raise ValueError(f"unit '{self.unit}' is not one of {sorted(UNITS)}")
        return self


class RowSource(Strict):
    """One row of a rate table."""

    row_id: str
    when: dict[str, Any] = {}
    components: list[ComponentSource] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _one_component(cls, row: Any) -> Any:
        """A row with one rate may write its fields beside `row_id`."""
        if isinstance(row, Mapping) and "components" not in row:
            kept = {key: row[key] for key in ("row_id", "when") if key in row}
            return kept | {"components": [{key: value for key, value in row.items() if key not in kept}]}
        return row


class PriceBookSource(Strict):
    """A rate table and the day it starts; `source` says where its rates stand."""

    effective_from: date
    source: str
    rows: list[RowSource] = Field(min_length=1)


class EndpointSource(Strict):
    """A provider endpoint and when it is called."""

    endpoint: str
    when: dict[str, Any] = {}


class CaseSource(Strict):
    """Fields that are sent when conditions hold."""

    when: dict[str, Any]
    send: dict[str, Any]


class RequestSource(Strict):
    """How inputs become the provider's body."""

    rename: dict[str, str] = {}
    text: list[str] = []
    constants: dict[str, Any] = {}
    cases: list[CaseSource] = []
    drop: list[str] = []


class OfferSource(Strict):
    """One provider that serves the model."""

    provider: str
    endpoints: list[EndpointSource] = Field(min_length=1)
    webhook: bool
    typical_seconds: int = Field(gt=0)
    deadline_seconds: int = Field(gt=0)
    request: RequestSource = RequestSource()
    sunset_at: date | None = None
    cost_basis: str
    source: str

    def conditions(self) -> list[dict[str, Any]]:
        """Every condition that this offer asks of the inputs."""
        return [item.when for item in self.endpoints] + [case.when for case in self.request.cases]

    @model_validator(mode="after")
    def _always_an_endpoint(self) -> "OfferSource":
        if self.endpoints[-1].when:
            raise ValueError("the last endpoint must be unconditional")
        return self


class ModelSource(Strict):
    """One model as a person writes it."""

    id: str
    name: str
    kind: Kind
    modes: list[str]
    capabilities: dict[str, Any]
    generation_types: list[GenerationType] = Field(min_length=1)
    estimated_time_seconds: int = Field(gt=0)
    inputs: dict[str, InputSource]
    fields: dict[str, str] = {}
    sources: list[MediaSource] = []
    rules: list[RuleSource] = []
    meters: dict[str, MeterSource]
    price_books: list[PriceBookSource] = Field(min_length=1)
    offers: list[OfferSource] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_resolve(self) -> "ModelSource":
        for name in self._inputs_named():
            if name not in self.inputs:
                raise ValueError(f"'{name}' is used but is not one of the inputs")
        for when in self._conditions():
            conditions.check_syntax(when)
            for name, expected in when.items():
                self.inputs[name].check_condition(name, expected)
        for name, meter in self.meters.items():
            meter.check_input(name, self.inputs)
        starts = [book.effective_from for book in self.price_books]
        if len(set(starts)) < len(starts):
            raise ValueError("two price books start on the same day")
        for book in self.price_books:
            for row in book.rows:
                for component in row.components:
                    if component.meter not in self.meters:
                        raise ValueError(f"row '{row.row_id}' uses the unknown meter '{component.meter}'")
        return self

    def _conditions(self) -> Iterator[dict[str, Any]]:
        yield from (row.when for book in self.price_books for row in book.rows)
        for rule in self.rules:
            yield from (rule.when, rule.require)
        for offer in self.offers:
            yield from offer.conditions()

    def _inputs_named(self) -> Iterator[str]:
        yield from self.fields.values()
        yield from itertools.chain.from_iterable(source.into for source in self.sources)
        yield from filter(None, (meter.input for meter in self.meters.values()))
        yield from filter(None, (meter.length_of for meter in self.meters.values()))
        yield from itertools.chain.from_iterable(self._conditions())
        for offer in self.offers:
            yield from (*offer.request.rename, *offer.request.text, *offer.request.drop)


class FamilySource(Strict):
    """One file: a family of models. A `label` cannot be called itself; it stands for its variants."""

    family: str
    variant_required: bool = False
    models: list[ModelSource] = Field(min_length=1)


def compile_catalog(directory: Path = MODELS_DIRECTORY) -> dict[str, Any]:
    """Read, check and compile every family file. Raises CatalogError that lists each fault with its file."""
    faults: list[str] = []
    models: list[dict[str, Any]] = []
    families: dict[str, list[str]] = {}
    defined: dict[str, str] = {}
    for path in sorted(directory.glob("*.yaml")):
        try:
            family = FamilySource.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            faults.append(f"{path.name}: is not YAML: {' '.join(str(error).split())}")
            continue
        except ValidationError as error:
            faults += [f"{path.name}: {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
            continue
        labels = [family.family] if family.variant_required else []
        for name in (*labels, *(model.id for model in family.models)):
            if name in defined:
                faults.append(f"{path.name}: '{name}' is already defined in {defined[name]}")
            defined[name] = path.name
        for model in family.models:
            faults += [f"{path.name}: {model.id}: {fault}" for fault in uncovered_inputs(model)]
            models.append(_compiled(model, family.family))
        if family.variant_required:
            families[family.family] = [model.id for model in family.models]
    if faults or not models:
        raise CatalogError("\n".join(faults or [f"no model in {directory}"]))
    return {"models": models, "families": families}


def uncovered_inputs(model: ModelSource) -> list[str]:
    """Faults of the rate tables: a combination of the inputs' telling values without a row, or a dead row."""
    faults = []
    for book in model.price_books:
        hit: set[str] = set()
        for inputs in _telling_inputs(model, book):
            row = next((row for row in book.rows if conditions.hold(row.when, inputs)), None)
            if row is None:
                faults.append(f"no price row for {inputs}")
            else:
                hit.add(row.row_id)
        faults += [f"price row '{row.row_id}' can never be hit" for row in book.rows if row.row_id not in hit]
    return faults


def _telling_inputs(model: ModelSource, book: PriceBookSource) -> Iterator[dict[str, Any]]:
    """Every combination of the values that could make a difference to the table's conditions."""
    names = sorted({name for row in book.rows for name in row.when})
    choices = [
        _telling_values(model.inputs[name], [row.when[name] for row in book.rows if name in row.when]) for name in names
    ]
    for values in itertools.product(*choices):
        yield dict(zip(names, values, strict=True))


def _telling_values(item: InputSource, expectations: list[Any]) -> list[Any]:
    """One value from each region that the expectations tell apart, among those that the input may take."""
    absent = [] if item.required or item.default is not None else [None]
    if item.enum:
        return absent + item.enum
    if item.type == "boolean":
        return [*absent, True, False]
    if item.type == "media":
        return [*absent, _MEDIA]
    named = [value for expected in expectations for value in _values_named(expected)]
    numbers = [value for value in named if isinstance(value, int | float) and not isinstance(value, bool)]
    if item.type == "media_list":
        most = item.max_items if item.max_items is not None else int(max(numbers, default=0)) + 1
        return absent + [[_MEDIA] * count for count in range(1 if item.required else 0, most + 1)]
    if item.type in _NUMERIC:
        return absent + _telling_numbers(item, numbers)
    # Any text but those named must have a row too.
    texts = [value for value in named if isinstance(value, str)]
    return [*absent, *dict.fromkeys([*texts, "".join(texts) + "x"])]


def _values_named(expected: Any) -> list[Any]:
    if isinstance(expected, Mapping):
        bounds = expected.get("count", expected)
        return list(bounds.values())
    return expected if isinstance(expected, list) else [expected]


def _telling_numbers(item: InputSource, named: list[int | float]) -> list[Any]:
    """Every bound, and what lies beside and between the bounds."""
    low, high = item.minimum, item.maximum
    bounds = sorted({*named, *(edge for edge in (low, high) if edge is not None)}) or [0]
    if item.type == "integer":
        found: set[int | float] = {math.floor(bound) + step for bound in bounds for step in (-1, 0, 1, 2)}
    else:
        between = [(left + right) / 2 for left, right in itertools.pairwise(bounds)]
        found = {bounds[0] - 1, *bounds, *between, bounds[-1] + 1}
    return sorted(n for n in found if (low is None or n >= low) and (high is None or n <= high))


def _compiled(model: ModelSource, family: str) -> dict[str, Any]:
    compiled = model.model_dump(mode="json")
    compiled["family"] = family
    for book, source in zip(compiled["price_books"], model.price_books, strict=True):
        start = datetime.combine(source.effective_from, time(), UTC)
        book["effective_from"] = start.isoformat()
        contents = json.dumps([book["rows"], compiled["meters"]], sort_keys=True)
        book["version"] = f"{source.effective_from}-{hashlib.sha256(contents.encode()).hexdigest()[:12]}"
        for row in book["rows"]:
            for component in row["components"]:
                component["rate"] = str(Decimal(component["rate"]))
    for number, offer in enumerate(compiled["offers"], start=1):
        offer["offer_id"] = f"{model.id}@{offer['provider']}" + (f"-{number}" if number > 1 else "")
    return compiled
