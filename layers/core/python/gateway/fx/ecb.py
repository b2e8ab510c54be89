"""The European Central Bank's documents of reference rates, read as what they are: input from outside.

`eurofxref-daily.xml` holds the last publication, `eurofxref-hist-90d.xml` those of the last 90 days, newest first.
Both are `<gesmes:Envelope><Cube><Cube time="2026-11-20"><Cube currency="USD" rate="1.1587"/>...`: how much of a
currency one euro is. The daily one pads its rates with zeros (`395.10`), the other does not (`395.1`).
Source: https://www.ecb.europa.eu/stats/policy_and_exchange_rates/euro_reference_exchange_rates
"""

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from xml.parsers import expat

BYTES_MAX = 1024 * 1024
"""The document of 90 days is a tenth of it."""

_ENVELOPE = "http://www.gesmes.org/xml/2002-08-01 Envelope"
_CUBE = "http://www.ecb.int/vocabulary/2002-08-01/eurofxref Cube"
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_RATE = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")


def parse(document: bytes) -> dict[date, dict[str, Decimal]]:
    """The rates of each date in a document: how much of each currency one euro is, the euro itself included.

    Raises ValueError that says what is wrong. One doubtful rate refuses the whole document: nobody could tell what
    else in it is wrong.
    """
    if len(document) > BYTES_MAX:
        raise ValueError(f"The document is larger than {BYTES_MAX} bytes.")
    reader = _Reader()
    # The encoding is given, so that no declaration in the document chooses it.
    parser = expat.ParserCreate("UTF-8", " ")
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    try:
        parser.Parse(document, True)
    except expat.ExpatError as error:
        raise ValueError(f"The document is no XML: {error}.") from None
    if not reader.found:
        raise ValueError("The document has no rates.")
    for day, rates in reader.found.items():
        if "USD" not in rates:
            raise ValueError(f"{day} has no rate of the US dollar.")
    return reader.found


class _Reader:
    """Takes rates from where the format has them, and refuses them anywhere else."""

    def __init__(self) -> None:
        self.found: dict[date, dict[str, Decimal]] = {}
        self._open: list[str] = []
        self._rates: dict[str, Decimal] = {}

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        self._open.append(name)
        if self._open[0] != _ENVELOPE:
            raise ValueError("The document is no envelope of reference rates.")
        if name != _CUBE:
            return
        depth = len(self._open)
        if self._open[1:] != [_CUBE] * (depth - 1) or depth > 4:
            raise ValueError("A Cube is where none belongs.")
        if depth == 3:
            self._begin_day(attributes.get("time", ""))
        elif depth == 4:
            self._add(attributes.get("currency", ""), attributes.get("rate", ""))

    def end(self, _name: str) -> None:
        self._open.pop()

    def _begin_day(self, text: str) -> None:
        if not _DAY.fullmatch(text):
            raise ValueError(f"'{text[:20]}' is no date.")
        day = date.fromisoformat(text)
        if day in self.found:
            raise ValueError(f"{day} comes twice.")
        self._rates = self.found[day] = {"EUR": Decimal(1)}

    def _add(self, currency: str, text: str) -> None:
        if not _CURRENCY.fullmatch(currency):
            raise ValueError(f"'{currency[:20]}' is no currency.")
        if currency in self._rates:
            raise ValueError(f"{currency} comes twice on one date.")
        rate = Decimal(text) if _RATE.fullmatch(text) else Decimal(0)
        if not rate:
            raise ValueError(f"'{text[:20]}' is no rate of {currency}.")
        self._rates[currency] = rate


def _refuse_doctype(*_: object) -> None:
    # Called before the first declaration in it is read, so no entity is ever defined.
    raise ValueError("The document declares a DOCTYPE; the ECB's have none.")
