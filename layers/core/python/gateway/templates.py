"""How a model's inputs become one provider's request body. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from gateway import conditions
from gateway.conditions import CALLED, GENERATION_TYPE

REST = "*"
"""Ends the last name of a spread: it takes all that is left, as a list."""

Spread = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Case:
    """What is done besides when the conditions hold."""

    when: conditions.Conditions
    send: Mapping[str, Any] = field(default_factory=dict)
    """Fields to send (an aspect ratio that a provider writes as a size)."""
    spread: Spread = field(default_factory=dict)


@dataclass(frozen=True)
class Entries:
    """How a list of objects is written, and what a text calls its entries."""

    into: str
    entry: "RequestTemplate"
    text: str
    key: str
    called: str
    """`@Element{}`: what `@name` becomes in the text, by the entry's number from 1 on."""


@dataclass(frozen=True)
class RequestTemplate:
    """What an offer's endpoint calls differently; everything else passes as it is."""

    rename: Mapping[str, str] = field(default_factory=dict)
    """Input name -> the provider's name; a dotted one names a place in an object."""
    text: Mapping[str, str] = field(default_factory=dict)
    """Inputs that the provider wants as text, with the pattern to write them by: `{}`, `{}s`."""
    words: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Values that the provider words differently."""
    spread: Spread = field(default_factory=dict)
    """Lists whose entries become fields of their own, in order."""
    entries: Mapping[str, Entries] = field(default_factory=dict)
    constants: Mapping[str, Any] = field(default_factory=dict)
    """Fields that are always sent, such as a fixed resolution."""
    cases: tuple[Case, ...] = ()
    drop: tuple[str, ...] = ()
    """Inputs that only pricing or limits read."""


def render(template: RequestTemplate, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The provider's request body. Inputs without a value are left out; constants win.

    What the template puts somewhere wins over what a native request put there by the provider's own name:
    the price was made of the former.
    """
    held = [case for case in template.cases if conditions.hold(case.when, inputs)]
    spread = {**template.spread, **{name: into for case in held for name, into in case.spread.items()}}
    inputs = {**inputs, **_with_numbers(template, inputs)}
    moved = {*spread, *template.entries, *template.rename}
    body: dict[str, Any] = {}
    for name, value in sorted(inputs.items(), key=lambda one: one[0] in moved):
        if value is None or name in template.drop or name == GENERATION_TYPE:
            continue
        if name in spread:
            body |= _spread(spread[name], value)
        elif name in template.entries:
            entries = template.entries[name]
            body[entries.into] = [render(entries.entry, entry) for entry in value]
        else:
            _put(body, template.rename.get(name, name), _worded(template, name, value))
    for case in held:
        body |= case.send
    return body | dict(template.constants)


def _worded(template: RequestTemplate, name: str, value: Any) -> Any:
    words = template.words.get(name, {})
    if isinstance(value, str) and value in words:
        return words[value]
    return template.text[name].format(value) if name in template.text else value


def _put(body: dict[str, Any], path: str, value: Any) -> None:
    parent, _, rest = path.partition(".")
    if rest:
        # What the caller gave under the object's name is kept beside, in a copy; what is no object gives way.
        before = body.get(parent)
        value = {**(before if isinstance(before, dict) else {}), rest: value}
    body[parent] = value


def _spread(into: Sequence[str], value: Any) -> dict[str, Any]:
    entries = value if isinstance(value, list) else [value]
    spread: dict[str, Any] = {}
    for number, name in enumerate(into):
        if name.endswith(REST):
            spread[name.removesuffix(REST)] = entries[number:]
        elif number < len(entries):
            spread[name] = entries[number]
    return spread


def _with_numbers(template: RequestTemplate, inputs: Mapping[str, Any]) -> dict[str, str]:
    """Texts in which entries are called by number, for providers that know no names."""
    texts: dict[str, str] = {}
    for name, entries in template.entries.items():
        names = [str(entry.get(entries.key)) for entry in inputs.get(name) or []]
        text = inputs.get(entries.text)
        if names and isinstance(text, str):
            calls = {name: entries.called.format(number) for number, name in enumerate(names, start=1)}
            texts[entries.text] = CALLED.sub(partial(_called, calls), text)
    return texts


def _called(calls: Mapping[str, str], found: re.Match[str]) -> str:
    return calls.get(found[1], found[0])
