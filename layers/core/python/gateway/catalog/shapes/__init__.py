"""The shape of the reviewed catalog, as a person writes it; each shape refuses what makes no sense by itself.

What only shows across shapes - a price that does not cover a legal input, a successor that does not exist -
is `gateway.catalog.checks`' subject.
"""

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any, Literal

from pydantic import Field, model_validator

from gateway import conditions, routing
from gateway.catalog.shapes.inputs import (
    GenerationType,
    InputShape,
    Kind,
    ReferencesShape,
    RuleShape,
    SourcesShape,
    Strict,
)
from gateway.catalog.shapes.offers import OfferShape
from gateway.catalog.shapes.prices import MeterShape, PriceBookShape, RowShape
from gateway.conditions import GENERATION_TYPE

VideoAudio = Literal["included", "toggle_via_sound_param", "silent"]


class ModelShape(Strict):
    """One model as a person writes it."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)?$")
    name: str
    kind: Kind
    quality: routing.Quality = "standard"
    """By what its family says of it; the usual one is seed 002's."""
    modes: list[str] = Field(min_length=1)
    capabilities: dict[str, bool] = Field(min_length=1)
    video_audio: VideoAudio | None = None
    generation_types: list[GenerationType] = Field(min_length=1)
    estimated_time_seconds: int = Field(gt=0)
    successor: str | None = None
    inputs: dict[str, InputShape]
    fields: dict[str, str] = {}
    sources: list[SourcesShape] = []
    rules: list[RuleShape] = []
    references: list[ReferencesShape] = []
    unpriced: list[str] = []
    meters: dict[str, MeterShape]
    price_books: list[PriceBookShape] = Field(min_length=1)
    offers: list[OfferShape] = Field(min_length=1)

    @model_validator(mode="after")
    def _modes_known(self) -> "ModelShape":
        if unknown := sorted(set(self.modes) - set(routing.MODES)):
            raise ValueError(f"there is no mode {unknown}; there are {', '.join(routing.MODES)}")
        return self

    @model_validator(mode="after")
    def _names_resolve(self) -> "ModelShape":
        for name in self._inputs_named():
            if name not in self.inputs:
                raise ValueError(f"'{name}' is used but is not one of the inputs")
        if reserved := {GENERATION_TYPE, "source_media_urls", "model"} & {*self.inputs, *self.fields}:
            raise ValueError(f"{sorted(reserved)} is ours and cannot be an input")
        if shadowed := (set(self.fields) | set(self.unpriced)) & set(self.inputs):
            raise ValueError(f"{sorted(shadowed)} is an input and something else")
        for when in self.conditions():
            conditions.check_syntax(when)
            for name, expected in when.items():
                self._check_condition(name, expected)
        return self

    @model_validator(mode="after")
    def _meters_resolve(self) -> "ModelShape":
        for name, meter in self.meters.items():
            if missing := meter.meters - set(self.meters):
                raise ValueError(f"meter '{name}' is made of the unknown {sorted(missing)}")
            meter.check_inputs(name, self.inputs)
        try:
            TopologicalSorter({name: meter.meters for name, meter in self.meters.items()}).prepare()
        except CycleError as error:
            raise ValueError(f"a meter is made of itself: {error.args[1]}") from None
        for books in (self.price_books, *(offer.costs for offer in self.offers)):
            for row in (row for book in books for row in book.rows):
                self._check_row(row)
            starts = [book.effective_from for book in books]
            if len(set(starts)) < len(starts):
                raise ValueError("two price books start on the same day")
        return self

    def _check_row(self, row: RowShape) -> None:
        for component in row.components:
            needed = {component.meter, *(["outputs"] if component.per_output else [])}
            if unknown := sorted(needed - set(self.meters)):
                raise ValueError(f"row '{row.row_id}' uses the unknown meter '{unknown[0]}'")
            if self.meters[component.meter].usage and not component.is_plain:
                raise ValueError(f"row '{row.row_id}' rounds or counts per output what the provider reports")

    @model_validator(mode="after")
    def _media_fit(self) -> "ModelShape":
        for source in self.sources:
            listed = self.inputs[source.into[0]].type == "media_list"
            room = (self.inputs[source.into[0]].max_items or 0) if listed else len(source.into)
            for name in source.into:
                media = self.inputs[name].media
                if media is None or media.kind != source.kind or (listed and len(source.into) > 1):
                    raise ValueError(f"'{name}' is no place for a source of kind {source.kind}")
            if any(high > room for _, high in source.counts.values()):
                raise ValueError(f"'{source.into[0]}' has room for {room} sources, and not for all that are counted")
            if unknown := set(source.counts) - set(self.generation_types):
                raise ValueError(f"sources are counted for {sorted(unknown)}, which the model does not do")
        if (self.kind == "video") != (self.video_audio is not None):
            raise ValueError("a video model, and no other, says what its `video_audio` is")
        has_sound = "sound" in {*self.inputs, *self.fields}
        if has_sound != (self.video_audio == "toggle_via_sound_param"):
            raise ValueError("toggle_via_sound_param means a `sound` parameter, and no other has one")
        return self

    def conditions(self) -> Iterator[dict[str, Any]]:
        """Every set of conditions that the model states."""
        yield from (row.when for book in self.price_books for row in book.rows)
        for rule in self.rules:
            yield from (rule.when, rule.require)
        for offer in self.offers:
            yield from offer.conditions()

    def _check_condition(self, name: str, expected: Any) -> None:
        if name != GENERATION_TYPE:
            self.inputs[name].check_condition(name, expected)
        elif not set(expected if isinstance(expected, list) else [expected]) <= set(self.generation_types):
            raise ValueError(f"the model never does {expected!r}")

    def _inputs_named(self) -> Iterator[str]:
        yield from self.fields.values()
        for source in self.sources:
            yield from source.into
        for reference in self.references:
            yield from (reference.text, reference.entries)
        for meter in self.meters.values():
            yield from meter.reads
        for item in self.inputs.values():
            yield from item.sum_of[:1] if item.sum_of else ()
        for when in self.conditions():
            yield from (name for name in when if name != GENERATION_TYPE)
        for offer in self.offers:
            yield from offer.request.inputs_named()


class FamilyShape(Strict):
    """One file: a family of models. With `variant_required`, its name is a label that cannot be called itself."""

    family: str
    variant_required: bool = False
    models: list[ModelShape] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _without_anchors(cls, family: Any) -> Any:
        """What a file shares among its models stands under `shared`, only to be referred to."""
        if isinstance(family, Mapping):
            return {key: value for key, value in family.items() if key != "shared"}
        return family
