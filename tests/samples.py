"""The smallest legal requests of a model, made from what the catalog says of it. One module for every suite.

For each generation type: what is required, the fewest source media that are taken, and the least of every number
that the price or the length depends on. Everything else is left to its default, also what only bounds the price: a
model that may write one token writes nothing.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.catalog import Model
from gateway.conditions import GENERATION_TYPE
from gateway.errors import GatewayError
from gateway.limits import SOURCES, Input, Limits
from gateway.limits.requests import Normalized, from_native, from_typed

PROMPT = "a fox"
URLS = {kind: f"https://example.com/{name}" for kind, name in
        (("image", "fox.png"), ("video", "fox.mp4"), ("audio", "fox.mp3"))}  # fmt: skip
SOUND = "toggle_via_sound_param"


@dataclass(frozen=True)
class Sample:
    """One request: `fields` of a typed one, `inputs` of a native one."""

    model: Model
    generation_type: str
    is_native: bool
    fields: Mapping[str, Any]
    has_sound: bool | None = None
    """Whether sound was asked for; None where that cannot be asked."""

    def __str__(self) -> str:
        sound = {True: "-sound", False: "-silent", None: ""}[self.has_sound]
        door = "native-" if self.is_native else ""
        return f"{door}{self.model.model_id}-{self.generation_type}{sound}"

    @property
    def normalized(self) -> Normalized:
        """The request as pricing and the provider see it."""
        return normalized(self.model, self.fields, is_native=self.is_native)

    @property
    def body(self) -> dict[str, Any]:
        """The body of the API's request, also of an estimate."""
        fields = {"inputs": dict(self.fields)} if self.is_native else dict(self.fields)
        return {"model": self.model.model_id, **fields}


def normalized(model: Model, fields: Mapping[str, Any], *, is_native: bool) -> Normalized:
    """A request held to the model's limits, by the door it comes through. Raises GatewayError."""
    if is_native:
        return from_native(model.limits, fields, model.inputs_priced)
    return from_typed(model.limits, fields)


def sample_requests(model: Model, urls: Mapping[str, str] = URLS, *, is_native: bool = False) -> list[Sample]:
    """One request of each generation type, and where sound can be asked for one with and one without.

    `urls` are media by their kind. Raises AssertionError for a type of which no small request is legal.
    """
    samples = []
    for generation_type in model.limits.generation_types:
        for has_sound in (False, True) if model.video_audio == SOUND else (None,):
            sound = {} if has_sound is None else {_sound_name(model, is_native=is_native): has_sound}
            fields = _smallest(model, generation_type, urls, sound, is_native=is_native)
            samples.append(Sample(model, generation_type, is_native, fields, has_sound))
    return samples


def _sound_name(model: Model, *, is_native: bool) -> str:
    return model.limits.fields.get("sound", "sound") if is_native else "sound"


def _smallest(
    model: Model, generation_type: str, urls: Mapping[str, str], more: Mapping[str, Any], *, is_native: bool
) -> dict[str, Any]:
    """The first of the candidates, from few media to many, that is taken as it is."""
    refusals = []
    for media in _media(model.limits, generation_type, urls, is_native=is_native):
        fields = {**_least_inputs(model, urls, media), **media, **more}
        for named in ({}, {GENERATION_TYPE: generation_type}):
            try:
                found = normalized(model, {**fields, **named}, is_native=is_native)
            except GatewayError as error:
                refusals.append(error.message)
                continue
            if found.inputs[GENERATION_TYPE] == generation_type and (named or is_native):
                return {**fields, **named}
    raise AssertionError(f"{model.model_id} takes no small {generation_type}: {refusals}")


def _media(
    limits: Limits, generation_type: str, urls: Mapping[str, str], *, is_native: bool
) -> Iterator[dict[str, Any]]:
    """Source media as the door wants them, the fewest first, then one more of a kind where there is room."""
    choices = []
    for source in limits.sources:
        low, high = source.count(generation_type)
        choices.append([(source, count) for count in (low, low + 1) if count <= high])
    for chosen in sorted(itertools.product(*choices), key=lambda one: sum(count for _, count in one)):
        if not is_native:
            given = [urls[source.kind] for source, count in chosen for _ in range(count)]
            yield {SOURCES: given} if given else {}
            continue
        placed: dict[str, Any] = {}
        for source, count in chosen:
            if count and limits.inputs[source.into[0]].type == "media_list":
                placed[source.into[0]] = [urls[source.kind]] * count
            else:
                placed |= dict.fromkeys(source.into[:count], urls[source.kind])
        yield placed


def _least_inputs(model: Model, urls: Mapping[str, str], media: Mapping[str, Any]) -> dict[str, Any]:
    """What is required and not among the media, and the least of what is counted."""
    placed = {name for source in model.limits.sources for name in source.into} | set(media)
    bounds = {meter.maximum for meter in model.meters.values()}
    bounding = frozenset().union(*(model.meters[name].reads for name in bounds if name))
    given: dict[str, Any] = {}
    for name, item in model.limits.inputs.items():
        if name in placed or item.sum_of:
            continue
        is_counted = item.type == "seconds" or (item.is_numeric and name in model.inputs_priced - bounding)
        if item.required or is_counted:
            given[name] = least(item, urls)
    for item in model.limits.inputs.values():
        if item.sum_of and item.sum_of[0] in given:
            entries, part = item.sum_of
            given[entries] = [{**entry, part: min(item.seconds_allowed())} for entry in given[entries][:1]]
    return given


def least(item: Input, urls: Mapping[str, str] = URLS) -> Any:
    """The smallest legal value of an input."""
    if item.enum:
        return min(item.enum) if item.is_numeric else item.enum[0]
    if item.is_numeric:
        low = item.minimum if item.minimum is not None else 1
        return int(low) if item.type != "number" else float(low)
    match item.type:
        case "boolean":
            return False
        case "media":
            return urls[item.media.kind] if item.media else None
        case "media_list":
            return [urls[item.media.kind] if item.media else None] * max(item.min_items, 1)
        case "objects":
            return [_least_entry(item, urls)] * max(item.min_items, 1)
        case "size":
            return next(iter(item.presets))
    return PROMPT


def _least_entry(item: Input, urls: Mapping[str, str]) -> dict[str, Any]:
    entry = {name: least(part, urls) for name, part in item.entries.items() if part.required}
    if item.one_of and not set(item.one_of) & set(entry):
        entry[item.one_of[0]] = least(item.entries[item.one_of[0]], urls)
    return entry
