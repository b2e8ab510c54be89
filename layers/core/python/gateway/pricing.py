"""The price of a call: rate rows x quantities, exactly. Pure: no I/O, no clock.

One function prices the estimate, the hold and the bill. A quote freezes the row it hit, so that the bill
needs neither the catalog nor the day's prices: `bill` recomputes from the frozen lines and what was delivered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import ROUND_CEILING, Decimal
from typing import Any

from gateway import conditions
from gateway.money import BPS, exact, number, to_credits, to_micros

UNITS = frozenset(
    {
        "image", "audio_second", "video_second", "tts_character", "mtok_input", "mtok_output", "mtok_cached_input",
        "megapixel", "call", "mtok_media_input", "mtok_media_output", "compute_second",
    }
)  # fmt: skip
"""The twelve canonical pricing units (seed 000 and the shared money rules)."""


class PricingError(Exception):
    """A price that cannot be computed: no row matches, or a quantity is missing. A fault of the catalog."""


@dataclass(frozen=True)
class Meter:
    """Where a quantity comes from: an input's value, or the length of its text; else a constant."""

    input: str | None = None
    length_of: str | None = None
    divide_by: Decimal = Decimal(1)
    constant: Decimal = Decimal(1)

    def read(self, inputs: Mapping[str, Any]) -> Decimal:
        """The quantity for these inputs. Raises PricingError when the input is absent."""
        if self.length_of is not None:
            return Decimal(len(str(inputs.get(self.length_of) or "")))
        if self.input is None:
            return self.constant
        value = inputs.get(self.input)
        if value is None or isinstance(value, bool):
            raise PricingError(f"the meter needs the input '{self.input}'")
        return Decimal(str(value)) / self.divide_by

    @property
    def reads(self) -> frozenset[str]:
        """The inputs that this meter depends on."""
        return frozenset(filter(None, (self.input, self.length_of)))


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
class Line:
    """One line of a quote or bill; amount = quantity x rate, exactly."""

    unit: str
    modality: str
    meter: str
    quantity: Decimal
    rate: Decimal
    row_id: str

    @property
    def amount_usd(self) -> Decimal:
        """Exact dollars."""
        return self.quantity * self.rate

    def to_dict(self) -> dict[str, str]:
        """As it stands in quotes and records: decimals as text."""
        return {
            "unit": self.unit, "modality": self.modality, "meter": self.meter, "quantity": exact(self.quantity),
            "rate": exact(self.rate), "row_id": self.row_id, "amount": exact(self.amount_usd),
        }  # fmt: skip

    @classmethod
    def from_dict(cls, line: Mapping[str, str]) -> "Line":
        """The line that `to_dict` wrote."""
        return cls(
            unit=line["unit"],
            modality=line["modality"],
            meter=line["meter"],
            quantity=Decimal(line["quantity"]),
            rate=Decimal(line["rate"]),
            row_id=line["row_id"],
        )


@dataclass(frozen=True)
class Terms:
    """What a project's plan adds: margin, or under its own provider key the platform fee alone."""

    margin_bps: int = 0
    platform_fee_bps: int = 0
    byok: bool = False

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
        return self.expected_micros

    def delivered(self, outputs: int) -> "Quote":
        """The same price for the outputs that came: lines metered by `outputs` bill at most those."""
        cap = Decimal(outputs)
        return replace(
            self,
            lines=tuple(
                replace(line, quantity=min(line.quantity, cap)) if line.meter == "outputs" else line
                for line in self.lines
            ),
        )

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
    names: set[str] = set()
    for book in books:
        for row in book.rows:
            names |= set(row.when)
            for component in row.components:
                names |= meters[component.meter].reads
    return frozenset(names)


def quote(
    books: Sequence[PriceBook],
    meters: Mapping[str, Meter],
    inputs: Mapping[str, Any],
    now: datetime,
    terms: Terms,
) -> Quote:
    """The price of a call with these normalized inputs at this moment.

    Raises PricingError when the table does not cover the inputs, which the catalog's checks rule out.
    """
    book = book_at(books, now)
    row = matching_row(book, inputs)
    lines = tuple(
        Line(
            component.unit,
            component.modality,
            component.meter,
            _quantity(component, meters[component.meter].read(inputs)),
            component.rate,
            row.row_id,
        )
        for component in row.components
    )
    # A text that is only counted is named by its length: records are kept for ever, prompts are not.
    lengths = {meter.length_of for meter in meters.values() if meter.length_of}
    priced = {
        name: len(str(inputs[name])) if name in lengths else inputs[name]
        for name in sorted(inputs_read(books, meters))
        if inputs.get(name) is not None
    }
    return Quote(lines, terms, book.version, priced)


def _quantity(component: Component, metered: Decimal) -> Decimal:
    quantity = max(metered, component.minimum or Decimal(0))
    if component.round_up_to:
        steps = (quantity / component.round_up_to).to_integral_value(rounding=ROUND_CEILING)
        quantity = steps * component.round_up_to
    return quantity


def credits_of(amount_micros: int) -> int | float:
    """Micros as a JSON number of credits, for people to read."""
    return number(to_credits(amount_micros))
