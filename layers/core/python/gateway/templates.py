"""How a model's inputs become one provider's request body. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway import conditions


@dataclass(frozen=True)
class Case:
    """Fields to send when the conditions hold."""

    when: conditions.Conditions
    send: Mapping[str, Any]


@dataclass(frozen=True)
class RequestTemplate:
    """What an offer's endpoint calls differently; everything else passes as it is."""

    rename: Mapping[str, str] = field(default_factory=dict)
    """Input name -> the provider's name."""
    text: tuple[str, ...] = ()
    """Inputs that the provider wants as text although they are numbers (Kling's durations)."""
    constants: Mapping[str, Any] = field(default_factory=dict)
    """Fields that are always sent, such as a fixed resolution."""
    cases: tuple[Case, ...] = ()
    """Fields that depend on the inputs (an aspect ratio that a provider writes as a size)."""
    drop: tuple[str, ...] = ()
    """Inputs that only pricing or limits read."""


def render(template: RequestTemplate, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The provider's request body. Inputs without a value are left out; constants win."""
    body: dict[str, Any] = {}
    for name, value in inputs.items():
        if value is None or name in template.drop:
            continue
        body[template.rename.get(name, name)] = str(value) if name in template.text else value
    for case in template.cases:
        if conditions.hold(case.when, inputs):
            body |= case.send
    return body | dict(template.constants)
