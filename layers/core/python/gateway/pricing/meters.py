"""Meters: the quantities that rates are multiplied by, read from a call's inputs. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from gateway import conditions
from gateway.money import exact


class PricingError(Exception):
    """A price that cannot be computed: no row matches, or a quantity is missing. A fault of the catalog."""


Measured = Mapping[str, Sequence[Decimal | None]]
"""Seconds of the media that each input points at, in order; None where a length could not be read."""


@dataclass(frozen=True)
class Meter:
    """Where a quantity comes from: one of the sources below, else a constant; then times and divided by."""

    input: str | None = None
    """A number's value."""
    values: Mapping[str, Decimal] = field(default_factory=dict)
    """What each choice of `input` stands for, where it is a word."""
    length_of: str | None = None
    """Characters of a text."""
    bytes_of: str | None = None
    """Bytes of a text in UTF-8: the most tokens that it can be cut into."""
    count_of: str | None = None
    """Entries of a list."""
    total_of: tuple[str, str] | None = None
    """(list, field): the sum of a field over a list of objects."""
    pixels_of: str | None = None
    """Pixels of a size, given as a word of `values` or as `{width, height}`."""
    seconds_of: str | None = None
    """Measured seconds of media; one that could not be measured makes it `seconds_max`."""
    seconds_max: Decimal = Decimal(0)
    sum_of: tuple[str, ...] = ()
    """Other meters, added up."""
    greatest_of: tuple[str, ...] = ()
    """Other meters, the largest of which counts."""
    constant: Decimal = Decimal(1)
    multiply_by: Decimal = Decimal(1)
    divide_by: Decimal = Decimal(1)
    usage: str | None = None
    """What the provider reports, and the bill counts; the meter itself is only the expectation then."""
    maximum: str | None = None
    """The meter of the most that usage can be."""

    @classmethod
    def from_dict(cls, meter: Mapping[str, Any]) -> "Meter":
        """The meter that the catalog writes; what it leaves out has its default."""
        made: dict[str, Any] = dict(meter)
        for name in {"seconds_max", "constant", "multiply_by", "divide_by"} & set(made):
            made[name] = Decimal(str(made[name]))
        for name in {"total_of", "sum_of", "greatest_of"} & set(made):
            made[name] = made[name] and tuple(made[name])
        made["values"] = {word: Decimal(str(value)) for word, value in made.get("values", {}).items()}
        return cls(**made)

    @property
    def reads(self) -> frozenset[str]:
        """The inputs that this meter depends on directly."""
        listed = self.total_of[0] if self.total_of else None
        named = (self.input, self.length_of, self.bytes_of, self.count_of, self.pixels_of, self.seconds_of, listed)
        return frozenset(filter(None, named))

    @property
    def meters(self) -> frozenset[str]:
        """The other meters that this one is made of."""
        return frozenset((*self.sum_of, *self.greatest_of, *filter(None, [self.maximum])))


@dataclass(frozen=True)
class Reading:
    """All meters of a model, for one call's inputs."""

    meters: Mapping[str, Meter]
    inputs: Mapping[str, Any]
    measured: Measured

    def quantity(self, name: str) -> Decimal:
        """What a meter reads. Raises PricingError when the input is absent."""
        meter = self.meters[name]
        return self._raw(meter) * meter.multiply_by / meter.divide_by

    def maximum(self, name: str) -> Decimal:
        """The most that the quantity can turn out to be."""
        limit = self.meters[name].maximum
        return self.quantity(limit) if limit else self.quantity(name)

    def assumptions(self, name: str) -> Iterator[str]:
        """What a meter had to assume."""
        meter = self.meters[name]
        if meter.seconds_of and self._is_unmeasured(meter.seconds_of):
            seconds = exact(meter.seconds_max)
            yield f"The length of a medium in '{meter.seconds_of}' could not be read; it counts {seconds} s in all."
        for other in sorted(meter.meters):
            yield from self.assumptions(other)

    def _raw(self, meter: Meter) -> Decimal:
        if meter.sum_of:
            return sum((self.quantity(one) for one in meter.sum_of), Decimal(0))
        if meter.greatest_of:
            return max(self.quantity(one) for one in meter.greatest_of)
        if meter.length_of is not None:
            return Decimal(len(str(self.inputs.get(meter.length_of) or "")))
        if meter.bytes_of is not None:
            return Decimal(len(str(self.inputs.get(meter.bytes_of) or "").encode(errors="replace")))
        if meter.count_of is not None:
            return Decimal(conditions.count(self.inputs.get(meter.count_of)))
        if meter.total_of is not None:
            entries, part = meter.total_of
            return sum((_number(entry.get(part), part) for entry in self.inputs.get(entries) or []), Decimal(0))
        if meter.seconds_of is not None:
            return self._seconds(meter.seconds_of, meter.seconds_max)
        if meter.pixels_of is not None:
            return self._pixels(meter, meter.pixels_of)
        if meter.input is None:
            return meter.constant
        value = self.inputs.get(meter.input)
        if meter.values:
            return _chosen(meter, value, meter.input)
        return _number(value, meter.input)

    def _is_unmeasured(self, name: str) -> bool:
        seconds = self.measured.get(name, ())
        return conditions.count(self.inputs.get(name)) != len(seconds) or None in seconds

    def _seconds(self, name: str, most: Decimal) -> Decimal:
        if self._is_unmeasured(name):
            return most
        return min(sum((one for one in self.measured.get(name, ()) if one is not None), Decimal(0)), most)

    def _pixels(self, meter: Meter, name: str) -> Decimal:
        value = self.inputs.get(name)
        if isinstance(value, Mapping):
            return _number(value.get("width"), name) * _number(value.get("height"), name)
        return _chosen(meter, value, name)


def _chosen(meter: Meter, value: Any, name: str) -> Decimal:
    if str(value) not in meter.values:
        raise PricingError(f"the meter knows no quantity for this '{name}'")
    return meter.values[str(value)]


def _number(value: Any, name: str) -> Decimal:
    if value is None or isinstance(value, bool) or not isinstance(value, int | float | str):
        raise PricingError(f"the meter needs the input '{name}'")
    return Decimal(str(value))
