"""The price of a call: rate rows x quantities, exactly. Pure: no I/O, no clock.

One function prices the estimate, the hold and the bill. A quote freezes the row it hit, so that the bill
needs neither the catalog nor the day's prices: `Quote.delivered` makes it of the frozen lines and what came.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from typing import Any

from gateway import conditions
from gateway.money import BPS, exact, number, to_credits, to_micros
from gateway.pricing.meters import Measured, Meter, PricingError, Reading

OUTPUTS = "outputs"
"""The meter of what is delivered piece by piece: what does not come is not billed."""
USAGE_STEP = Decimal("0.000000000001")
"""Reported quantities are kept to this; a token is a millionth of the unit that it is priced in."""
REPORT_MULTIPLE_MAX = 1000
"""Of a line's maximum: a provider's report above it is a mistake, not a quantity."""
UNITS = frozenset(
    {
        "image", "audio_second", "video_second", "tts_character", "mtok_input", "mtok_output", "mtok_cached_input",
        "megapixel", "call", "mtok_media_input", "mtok_media_output", "compute_second",
    }
)  # fmt: skip
"""The twelve canonical pricing units (seed 000 and the shared money rules)."""


@dataclass(frozen=True)
class Component:
    """One rate of a row: exact US dollars per unit, times a meter."""

    unit: str
    rate: Decimal
    meter: str
    modality: str
    round_up_to: Decimal | None = None
    """Quantities are rounded up to a multiple of this (a started minute is 60 seconds)."""
    minimum: Decimal | None = None
    """The smallest quantity that is billed."""
    per_output: bool = False
    """The quantity is that of one output, and counts for each."""

    @property
    def metered_by(self) -> tuple[str, ...]:
        """The meters that its quantity depends on."""
        return (self.meter, OUTPUTS) if self.per_output else (self.meter,)

    def rounded(self, quantity: Decimal) -> Decimal:
        """The quantity that is billed for what was metered."""
        billed = max(quantity, self.minimum or Decimal(0))
        if self.round_up_to:
            steps = (billed / self.round_up_to).to_integral_value(rounding=ROUND_CEILING)
            billed = steps * self.round_up_to
        return billed


@dataclass(frozen=True)
class Row:
    """The first row of a table whose conditions hold is the row."""

    row_id: str
    when: conditions.Conditions
    components: tuple[Component, ...]


@dataclass(frozen=True)
class PriceBook:
    """One rate table of a model, in force from a moment on. `version` names its exact contents."""

    version: str
    effective_from: datetime
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Usage:
    """How a line's quantity follows from what the provider reports."""

    name: str
    scale: Decimal
    """Quantity of one reported unit (a millionth for tokens)."""
    maximum: Decimal

    def to_dict(self) -> dict[str, str]:
        """As it is frozen in a quote."""
        return {"name": self.name, "scale": exact(self.scale), "maximum": exact(self.maximum)}

    @classmethod
    def from_dict(cls, frozen: Mapping[str, str]) -> "Usage":
        """The usage that `to_dict` froze."""
        return cls(frozen["name"], Decimal(frozen["scale"]), Decimal(frozen["maximum"]))


@dataclass(frozen=True)
class Line:
    """One line of a quote or bill; amount = quantity x rate, exactly."""

    unit: str
    modality: str
    meter: str
    quantity: Decimal
    rate: Decimal
    row_id: str
    usage: Usage | None = None
    """Set where the provider's report decides the quantity."""
    each: Decimal | None = None
    """Quantity of one output, where outputs that do not come are not billed."""

    @property
    def amount_usd(self) -> Decimal:
        """Exact dollars."""
        return self.quantity * self.rate

    @property
    def maximum_usd(self) -> Decimal:
        """The most that this line can come to."""
        return self.usage.maximum * self.rate if self.usage else self.amount_usd

    def billed(self, outputs: int, usage: Mapping[str, Any]) -> "Line":
        """The line for what was delivered and used. Without a report, as expected.

        A provider may report more than was held for: the line then says so, and what is charged is capped by
        whoever bills. A report beyond any reason is cut, so that it stays a number that everybody can read.
        """
        if self.each is not None:
            return replace(self, quantity=min(self.quantity, self.each * outputs), each=None)
        if self.usage is None:
            return self
        reported = usage.get(self.usage.name)
        if reported is None:
            # A report that names other quantities says that there was none of this one.
            return replace(self, quantity=Decimal(0), usage=None) if usage else replace(self, usage=None)
        highest = max(self.usage.maximum, Decimal(1)) * REPORT_MULTIPLE_MAX
        used = min(max(Decimal(str(reported)) * self.usage.scale, Decimal(0)), highest)
        # Whatever digits were reported: a record must come out the same wherever it is recomputed.
        # Adding nothing takes the sign off a reported -0.
        return replace(self, quantity=used.quantize(USAGE_STEP, ROUND_HALF_UP).normalize() + 0, usage=None)

    def to_dict(self) -> dict[str, Any]:
        """As it stands in quotes and records: decimals as text."""
        frozen: dict[str, Any] = {
            "unit": self.unit, "modality": self.modality, "meter": self.meter, "quantity": exact(self.quantity),
            "rate": exact(self.rate), "row_id": self.row_id, "amount": exact(self.amount_usd),
        }  # fmt: skip
        if self.usage is not None:
            frozen["usage"] = self.usage.to_dict()
        if self.each is not None:
            frozen["each"] = exact(self.each)
        return frozen

    @classmethod
    def from_dict(cls, line: Mapping[str, Any]) -> "Line":
        """The line that `to_dict` wrote."""
        return cls(
            unit=line["unit"],
            modality=line["modality"],
            meter=line["meter"],
            quantity=Decimal(line["quantity"]),
            rate=Decimal(line["rate"]),
            row_id=line["row_id"],
            usage=Usage.from_dict(line["usage"]) if "usage" in line else None,
            each=Decimal(line["each"]) if "each" in line else None,
        )


@dataclass(frozen=True)
class Terms:
    """What a project's plan adds: margin, or under its own provider key the platform fee alone."""

    margin_bps: int = 0
    platform_fee_bps: int = 0
    byok: bool = False
    own_providers: frozenset[str] = frozenset()
    """The providers that the project has a key of its own at."""

    def amount_micros(self, subtotal_usd: Decimal) -> int:
        """The amount charged for a list amount; the one rounding."""
        factor = self.platform_fee_bps if self.byok else BPS + self.margin_bps
        return to_micros(subtotal_usd * factor / BPS)


@dataclass(frozen=True)
class Quote:
    """The price of a generation before it runs. Amounts in micros; `maximum_micros` is what is held."""

    lines: tuple[Line, ...]
    terms: Terms
    price_book_version: str
    inputs_priced: Mapping[str, Any]
    assumptions: tuple[str, ...] = field(default=())

    @property
    def subtotal_usd(self) -> Decimal:
        """Exact list dollars, before margin or fee."""
        return sum((line.amount_usd for line in self.lines), Decimal(0))

    @property
    def expected_micros(self) -> int:
        """What the call will cost when everything asked for is delivered."""
        return self.terms.amount_micros(self.subtotal_usd)

    @property
    def maximum_micros(self) -> int:
        """What the call can cost at most. Equal to the expectation while inputs fix every quantity."""
        return self.terms.amount_micros(sum((line.maximum_usd for line in self.lines), Decimal(0)))

    @property
    def is_fixed(self) -> bool:
        """Whether the inputs alone fix what a delivered call costs."""
        return not any(line.usage for line in self.lines)

    def delivered(self, outputs: int, usage: Mapping[str, Any]) -> "Quote":
        """The same price for what came: at most the outputs delivered, and the usage that was reported.

        Where usage decides, this may exceed `maximum_micros`; only what is held may be charged.
        """
        return replace(self, lines=tuple(line.billed(outputs, usage) for line in self.lines))

    def under(self, *, byok: bool) -> "Quote":
        """The same price with the project's own key at the provider, or with ours."""
        return replace(self, terms=replace(self.terms, byok=byok))

    def to_dict(self) -> dict[str, Any]:
        """Frozen as JSON on the generation."""
        return {
            "lines": [line.to_dict() for line in self.lines],
            "margin_bps": self.terms.margin_bps,
            "platform_fee_bps": self.terms.platform_fee_bps,
            "byok": self.terms.byok,
            "price_book_version": self.price_book_version,
            "inputs_priced": dict(self.inputs_priced),
            "assumptions": list(self.assumptions),
        }

    @classmethod
    def from_dict(cls, frozen: Mapping[str, Any]) -> "Quote":
        """The quote that `to_dict` froze."""
        return cls(
            lines=tuple(Line.from_dict(line) for line in frozen["lines"]),
            terms=Terms(int(frozen["margin_bps"]), int(frozen["platform_fee_bps"]), bool(frozen["byok"])),
            price_book_version=frozen["price_book_version"],
            inputs_priced=frozen["inputs_priced"],
            assumptions=tuple(frozen["assumptions"]),
        )


def book_at(books: Sequence[PriceBook], moment: datetime) -> PriceBook:
    """The book in force at a moment: the latest that has started. Raises PricingError when none has."""
    started = [book for book in books if book.effective_from <= moment]
    if not started:
        raise PricingError("no price book is in force yet")
    return max(started, key=lambda book: book.effective_from)


def matching_row(book: PriceBook, inputs: Mapping[str, Any]) -> Row:
    """The first row whose conditions hold. Raises PricingError when none does."""
    for row in book.rows:
        if conditions.hold(row.when, inputs):
            return row
    raise PricingError("no price row matches the inputs")


def inputs_read(books: Sequence[PriceBook], meters: Mapping[str, Meter]) -> frozenset[str]:
    """Every input that some price of the model depends on."""
    rows = [row for book in books for row in book.rows]
    conditioned = {name for row in rows for name in row.when}
    pending = [name for row in rows for part in row.components for name in part.metered_by]
    used: set[str] = set()
    while pending:
        name = pending.pop()
        if name not in used:
            used.add(name)
            pending += meters[name].meters
    return frozenset(conditioned.union(*(meters[name].reads for name in used)))


def outputs_of(meters: Mapping[str, Meter], inputs: Mapping[str, Any]) -> int:
    """How many outputs a call asks for: what the meter `outputs` reads, and one where a model has no such meter."""
    return int(Reading(meters, inputs, {}).quantity(OUTPUTS)) if OUTPUTS in meters else 1


def quote(
    books: Sequence[PriceBook],
    meters: Mapping[str, Meter],
    inputs: Mapping[str, Any],
    now: datetime,
    terms: Terms,
    measured: Measured | None = None,
) -> Quote:
    """The price of a call with these normalized inputs at this moment; `measured` are its media's seconds.

    Raises PricingError when the table does not cover the inputs, which the catalog's checks rule out.
    """
    book = book_at(books, now)
    row = matching_row(book, inputs)
    reading = Reading(meters, inputs, measured or {})
    lines = tuple(_line(component, row.row_id, reading) for component in row.components)
    assumptions = dict.fromkeys(text for part in row.components for text in reading.assumptions(part.meter))
    if reported := [line.meter for line in lines if line.usage]:
        text = f"What the provider reports decides {', '.join(reported)}: an estimate, bounded by the maximum."
        assumptions[text] = None
    priced = {
        name: _named(name, inputs[name], books, meters, measured or {})
        for name in sorted(inputs_read(books, meters))
        if inputs.get(name) is not None
    }
    return Quote(lines, terms, book.version, priced, tuple(assumptions))


def _line(component: Component, row_id: str, reading: Reading) -> Line:
    meter = reading.meters[component.meter]
    quantity, usage = component.rounded(reading.quantity(component.meter)), None
    if meter.usage:
        maximum = component.rounded(reading.maximum(component.meter))
        usage = Usage(meter.usage, 1 / meter.divide_by, maximum)
        quantity = min(quantity, maximum)
    each = None
    if component.per_output:
        each, quantity = quantity, quantity * reading.quantity(OUTPUTS)
    elif component.meter == OUTPUTS:
        each = Decimal(1)
    return Line(component.unit, component.modality, component.meter, quantity, component.rate, row_id, usage, each)


def _named(name: str, value: Any, books: Sequence[PriceBook], meters: Mapping[str, Meter], measured: Measured) -> Any:
    """An input as the record keeps it. Records are kept for ever, prompts and URLs are not: a text that is
    only counted is named by its length, media by their number and measured seconds."""
    if any(name in {meter.length_of, meter.bytes_of} for meter in meters.values()):
        return len(str(value))
    asked = [row.when[name] for book in books for row in book.rows if name in row.when]
    only_counted = asked and all(isinstance(one, Mapping) and {"count", "present"} & set(one) for one in asked)
    is_media = any(name in {meter.count_of, meter.seconds_of} for meter in meters.values())
    if isinstance(value, list) or only_counted or is_media:
        seconds = [None if one is None else exact(one) for one in measured.get(name, ())]
        return {"count": conditions.count(value), **({"seconds": seconds} if seconds else {})}
    return value


def credits_of(amount_micros: int) -> int | float:
    """Micros as a JSON number of credits, for people to read."""
    return number(to_credits(amount_micros))


__all__ = [
    "OUTPUTS", "UNITS", "Component", "Line", "Measured", "Meter", "PriceBook", "PricingError", "Quote", "Row", "Terms",
    "Usage", "book_at", "credits_of", "inputs_read", "matching_row", "outputs_of", "quote",
]  # fmt: skip
