"""A whole request held to a model's limits: its fields, its source media, and the rules across them."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gateway import conditions
from gateway.conditions import CALLED, GENERATION_TYPE
from gateway.errors import BadRequest, InvalidField
from gateway.limits import SOURCES, Limits, Rule
from gateway.limits.values import brief, checked, is_missing

KINDS = ("image", "video", "audio")
EXTENSIONS: Mapping[str, tuple[str, ...]] = {
    "image": ("jpg", "jpeg", "png", "webp"),
    "video": ("mp4", "mov", "webm"),
    "audio": ("mp3", "wav", "m4a"),
}
"""Seed 002 classifies source media by extension; the content is checked when the source is fetched."""


@dataclass(frozen=True)
class Source:
    """One medium that a request points at: the field as the caller wrote it, and the input that it is for."""

    field: str
    url: str
    input: str


@dataclass(frozen=True)
class Normalized:
    """Inputs ready for pricing and for the provider."""

    inputs: Mapping[str, Any]
    media: tuple[Source, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Door:
    """How strictly a request is held, and how its fields are named in refusals."""

    prefix: str
    is_native: bool
    priced: frozenset[str]

    def shown(self, name: str) -> str:
        return f"{self.prefix}{name}"


def from_typed(limits: Limits, request: Mapping[str, Any]) -> Normalized:
    """Normalize a typed request (the fields of seed 002 plus the model's own parameters).

    Raises BadRequest or InvalidField naming the field. A field that this model does not use is ignored
    and named in `warnings`.
    """
    return _normalized(limits, request, _Door("", is_native=False, priced=frozenset()))


def from_native(limits: Limits, inputs: Mapping[str, Any], priced: Iterable[str]) -> Normalized:
    """Normalize native inputs (seed 001): unknown ones pass untouched, `priced` ones are held to their limits."""
    return _normalized(limits, inputs, _Door("inputs.", is_native=True, priced=frozenset(priced)))


def kind_pattern(kind: str) -> str:
    """What a URL of a kind looks like by its extension, as a regular expression of JSON Schema."""
    endings = "|".join("".join(f"[{c}{c.upper()}]" if c.isalpha() else c for c in one) for one in EXTENSIONS[kind])
    return rf"^[^?#]*\.(?:{endings})(?:[?#]|$)"


# In JSON Schema `$` is the very end; in Python it would also stand before a last line break.
_PATTERNS = {kind: re.compile(kind_pattern(kind).removesuffix("$)") + r"\Z)") for kind in KINDS}


def kind_of(url: str) -> str | None:
    """The kind that a URL's extension promises, or None when it has no known one."""
    return next((kind for kind, pattern in _PATTERNS.items() if pattern.match(url)), None)


def _normalized(limits: Limits, request: Mapping[str, Any], door: _Door) -> Normalized:
    own = {name: value for name, value in request.items() if name not in {GENERATION_TYPE, SOURCES}}
    inputs, unused = _inputs(limits, own, door)
    warnings = [f"'{brief(name)}' is not used by this model and was ignored." for name in unused]
    from_urls = _place(limits, request.get(SOURCES), inputs, door)
    inputs |= from_urls
    inputs[GENERATION_TYPE] = _generation_type(limits, request.get(GENERATION_TYPE), inputs, door)
    _complete(limits, inputs, door)
    _check_rules(limits, inputs, door)
    warnings += _check_references(limits, inputs, door)
    media = tuple(_media_of(limits, inputs, from_urls, door))
    return Normalized(inputs, media, tuple(warnings))


def _inputs(limits: Limits, given: Mapping[str, Any], door: _Door) -> tuple[dict[str, Any], list[str]]:
    """The model's inputs under their own names, each held to its limits, and the fields that it does not use."""
    inputs: dict[str, Any] = {}
    unused: list[str] = []
    for name, value in given.items():
        target = limits.fields.get(name, name)
        if target in limits.inputs:
            if value is None:
                continue
            if target in inputs:
                raise InvalidField(f"'{target}' is given twice.", field=door.shown(name))
            item = limits.inputs[target]
            strict = item.strict or not door.is_native or target in door.priced
            inputs[target] = checked(item, value, door.shown(name), strict=strict)
        elif door.is_native:
            if value is not None and (limits.is_closed or name in limits.unpriced):
                raise InvalidField(
                    f"This model's price does not cover the input '{brief(name)}'.",
                    field=door.shown(brief(name)),
                    allowed=sorted(limits.inputs),
                )
            inputs[name] = value
        elif value is not None:
            unused.append(name)
    return inputs, unused


def _complete(limits: Limits, inputs: dict[str, Any], door: _Door) -> None:
    """Fill in defaults and sums, and refuse what is missing."""
    for name, item in limits.inputs.items():
        if item.sum_of and (entries := inputs.get(item.sum_of[0])):
            total = sum(entry.get(item.sum_of[1]) or 0 for entry in entries)
            if inputs.get(name) not in (None, total):
                raise BadRequest(
                    f"'{door.shown(name)}' is not the sum of {item.sum_of[0]}[].{item.sum_of[1]}.",
                    field=door.shown(name),
                    allowed=[total],
                )
            inputs[name] = checked(item, total, door.shown(name), strict=True)
        if inputs.get(name) is None and item.default is not None:
            inputs[name] = item.default
        if item.required and is_missing(item, inputs.get(name)):
            shown = door.shown(name if door.is_native else limits.names_of(name)[-1])
            raise InvalidField(f"'{shown}' is required by this model.", field=shown)


def _check_rules(limits: Limits, inputs: Mapping[str, Any], door: _Door) -> None:
    for rule in limits.rules:
        if conditions.hold(rule.when, inputs) and not conditions.hold(rule.require, inputs):
            raise _broken(rule, door)


def _broken(rule: Rule, door: _Door) -> BadRequest:
    more = {"available_variants": list(rule.variants)} if rule.variants else {"allowed": dict(rule.require)}
    return BadRequest(rule.message, code=rule.code, field=door.shown(rule.field), **more)


def _check_references(limits: Limits, inputs: Mapping[str, Any], door: _Door) -> Iterator[str]:
    """Refuse a text that names an entry which is not there; warn of names where there are no entries at all."""
    for reference in limits.references:
        named = set(CALLED.findall(str(inputs.get(reference.text) or "")))
        entries = inputs.get(reference.entries) or []
        known = {str(entry.get(reference.key)) for entry in entries}
        if len(known) < len(entries):
            raise BadRequest(
                f"Two entries of '{reference.entries}' have the same {reference.key}.",
                field=door.shown(reference.entries),
            )
        missing = sorted(named - known)
        if entries and missing:
            raise BadRequest(
                f"The text refers to @{brief(missing[0])}, which '{reference.entries}' does not define.",
                code="unknown_element",
                field=door.shown(reference.text),
                allowed=sorted(known),
            )
        if missing:
            yield f"The text refers to @{brief(missing[0])}, but no '{reference.entries}' are given."


def _media_of(limits: Limits, inputs: Mapping[str, Any], from_urls: Mapping[str, Any], door: _Door) -> Iterator[Source]:
    for path in limits.media_inputs():
        name, _, key = path.partition(".")
        entries = inputs.get(name)
        values = [entry.get(key) for entry in entries or []] if key else [entries]
        field = door.shown(SOURCES) if name in from_urls else door.shown(name)
        for value in values:
            for url in [value] if isinstance(value, str) else value or []:
                yield Source(field, url, path)


def _place(limits: Limits, given: Any, inputs: Mapping[str, Any], door: _Door) -> dict[str, Any]:
    """Put source URLs into the model's inputs by kind; more than there are places for is refused here."""
    urls = [] if given is None else given if isinstance(given, list) else [given]
    field = door.shown(SOURCES)
    own = [name for source in limits.sources for name in source.into if name in inputs]
    if urls and own:
        raise InvalidField(f"Give the media either in '{SOURCES}' or in '{own[0]}'.", field=field)
    by_kind: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for url in urls:
        if not isinstance(url, str) or not url:
            raise InvalidField(f"Every entry of {SOURCES} must be a URL.", field=field)
        by_kind[kind_of(url) or (limits.sources[0].kind if limits.sources else "image")].append(url)
    placed: dict[str, Any] = {}
    for source in limits.sources:
        found = by_kind.pop(source.kind)
        most = max((high for _, high in source.counts.values()), default=0)
        if len(found) > most:
            raise _too_many(source.kind, len(found), most, "This model", field)
        if found and limits.inputs[source.into[0]].type == "media_list":
            placed[source.into[0]] = found
        else:
            placed |= dict(zip(source.into, found, strict=False))
    for kind, found in by_kind.items():
        if found:
            raise _too_many(kind, len(found), 0, "This model", field)
    return placed


def _generation_type(limits: Limits, asked: Any, inputs: Mapping[str, Any], door: _Door) -> str:
    """The type that was asked for, or the first whose source media are given; its counts must fit."""
    counts = {source.kind: sum(conditions.count(inputs.get(name)) for name in source.into) for source in limits.sources}

    def misfit(generation_type: str) -> BadRequest | None:
        for source in limits.sources:
            low, high = source.count(generation_type)
            found = counts[source.kind]
            field = door.shown(SOURCES if not door.is_native else source.into[0])
            if found > high:
                return _too_many(source.kind, found, high, f"{generation_type} on this model", field)
            if found < low:
                return _too_few(source.kind, found, low, high, generation_type, field)
        return None

    if asked is None:
        fitting = (one for one in limits.generation_types if misfit(one) is None)
        chosen = next(fitting, limits.generation_types[0])
    elif asked not in limits.generation_types:
        raise BadRequest(
            f"This model does not do '{brief(asked)}'.",
            field=door.shown(GENERATION_TYPE),
            allowed=list(limits.generation_types),
        )
    else:
        chosen = str(asked)
    if problem := misfit(chosen):
        raise problem
    return chosen


def _too_many(kind: str, found: int, most: int, who: str, field: str) -> BadRequest:
    amount = f"no {kind}" if most == 0 else f"at most {most} {kind}{'s' if most > 1 else ''}"
    return BadRequest(
        f"{who} takes {amount} as source; {found} given.",
        code=f"too_many_{kind}s",
        field=field,
        allowed={"minimum": 0, "maximum": most},
    )


def _too_few(kind: str, found: int, low: int, high: int, generation_type: str, field: str) -> BadRequest:
    needed = str(low) if low == high else f"{low} to {high}"
    return BadRequest(
        f"{generation_type} on this model takes {needed} {kind} source(s); {found} given.",
        code="source_media_required",
        field=field,
        allowed={"minimum": low, "maximum": high},
    )
