"""The European Central Bank's documents are read exactly, and anything else in their place is refused."""

from datetime import date
from decimal import Decimal

import pytest

from gateway.fx import ecb

FRIDAY = date(2026, 11, 20)
HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01" xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">
	<gesmes:subject>Reference rates</gesmes:subject>
	<gesmes:Sender>
		<gesmes:name>European Central Bank</gesmes:name>
	</gesmes:Sender>
"""
DAILY = f"""{HEAD}	<Cube>
		<Cube time='2026-11-20'>
			<Cube currency='USD' rate='1.1346'/>
			<Cube currency='JPY' rate='178.20'/>
			<Cube currency='GBP' rate='0.85730'/></Cube>
	</Cube>
</gesmes:Envelope>"""
HISTORY = (
    f"{HEAD}<Cube>"
    '<Cube time="2026-11-20"><Cube currency="USD" rate="1.1346"/><Cube currency="JPY" rate="178.2"/></Cube>'
    '<Cube time="2026-11-19"><Cube currency="USD" rate="1.13"/></Cube></Cube></gesmes:Envelope>'
)


def of(cubes: str, envelope: str = "gesmes:Envelope") -> bytes:
    """A document with other cubes, or another root."""
    return f"{HEAD}{cubes}</gesmes:Envelope>".replace("gesmes:Envelope", envelope).encode()


def with_rates(rates: str, day: str = "2026-11-20") -> bytes:
    return of(f"<Cube><Cube time='{day}'>{rates}</Cube></Cube>")


def rate(currency: str, text: str) -> str:
    return f"<Cube currency='{currency}' rate='{text}'/>"


USD = rate("USD", "1.1346")


def test_the_daily_document() -> None:
    expected = {"EUR": "1", "USD": "1.1346", "JPY": "178.2", "GBP": "0.8573"}
    assert ecb.parse(DAILY.encode()) == {FRIDAY: {currency: Decimal(text) for currency, text in expected.items()}}


def test_the_document_of_90_days() -> None:
    found = ecb.parse(HISTORY.encode())
    assert list(found) == [FRIDAY, date(2026, 11, 19)]
    assert found[FRIDAY]["JPY"] == Decimal("178.2")
    assert found[date(2026, 11, 19)] == {"EUR": 1, "USD": Decimal("1.13")}


def test_what_else_a_document_may_say_is_passed_over() -> None:
    more = rate("XYZ", "12").replace("/>", " obs='A'/>")
    document = HEAD + f"<!-- new --><note><Cubes/></note><Cube><Cube time='2026-11-20'>{USD}{more}</Cube></Cube>"
    assert ecb.parse(f"{document}</gesmes:Envelope>".encode())[FRIDAY]["XYZ"] == 12


BOMB = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (DAILY.replace("<gesmes:Envelope", f'<!DOCTYPE x [<!ENTITY e0 "ha">{BOMB}]><gesmes:Envelope', 1), "DOCTYPE"),
        (DAILY.replace("<gesmes:Env", '<!DOCTYPE x SYSTEM "file:///etc/passwd"><gesmes:Env', 1), "DOCTYPE"),
        (DAILY.replace("1.1346", "&e;"), "undefined entity"),
        (DAILY.replace("1.1346", "&#x31;.1"), None),
        (DAILY.replace("</gesmes:Envelope>", ""), "no XML"),
        (DAILY + "<more/>", "no XML"),
        (DAILY.replace("gesmes.org/xml", "gesmes.example/xml"), "no envelope"),
        (DAILY.replace('eurofxref"', 'other"'), "no rates"),
        ("<html><body>Service unavailable</body></html>", "no envelope"),
        ("", "no XML"),
        (HEAD + "</gesmes:Envelope>", "no rates"),
        (HEAD + "<Cube/></gesmes:Envelope>", "no rates"),
    ],
)
def test_documents_that_are_something_else(document: str, reason: str | None) -> None:
    if reason is None:
        assert ecb.parse(document.encode())[FRIDAY]["USD"] == Decimal("1.1")
        return
    with pytest.raises(ValueError, match=reason):
        ecb.parse(document.encode())


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (with_rates(rate("JPY", "178.2")), "2026-11-20 has no rate of the US dollar"),
        (with_rates(""), "no rate of the US dollar"),
        (with_rates(USD + USD), "USD comes twice"),
        (with_rates(USD + rate("EUR", "1")), "EUR comes twice"),
        (with_rates(USD + rate("usd", "1")), "'usd' is no currency"),
        (with_rates(USD + "<Cube rate='1'/>"), "'' is no currency"),
        (with_rates(USD + "<Cube currency='JPY'/>"), "'' is no rate of JPY"),
        (with_rates(USD + rate("JPY", "1") + "<Cube/>"), "'' is no currency"),
        (with_rates(USD, day="20261120"), "no date"),
        (with_rates(USD, day="2026-11-31"), "day"),
        (of(f"<Cube><Cube>{USD}</Cube></Cube>"), "'' is no date"),
        (of(f"<Cube><Cube time='2026-11-20'>{USD}</Cube><Cube time='2026-11-20'>{USD}</Cube></Cube>"), "comes twice"),
        (with_rates(f"<Cube currency='USD' rate='1.1'>{rate('JPY', '2')}</Cube>"), "where none belongs"),
        (of(f"<note><Cube><Cube time='2026-11-20'>{USD}</Cube></Cube></note>"), "where none belongs"),
    ],
)
def test_rates_that_are_not_where_or_what_they_should_be(document: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        ecb.parse(document)


@pytest.mark.parametrize(
    "text",
    [
        "0",
        "0.0000",
        "-1.1",
        "+1.1",
        "NaN",
        "Infinity",
        "1e5",
        "1,1",
        "1_000",
        " 1.1",
        "1.",
        ".5",
        "",
        "N/A",
        "١",
        "1" * 10,
    ],
)
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(ValueError, match="is no rate of USD"):
        ecb.parse(with_rates(rate("USD", text)))


def test_a_document_may_not_be_huge() -> None:
    padded = DAILY.encode() + b" " * (ecb.BYTES_MAX - len(DAILY.encode()))
    assert FRIDAY in ecb.parse(padded)
    with pytest.raises(ValueError, match="larger than"):
        ecb.parse(padded + b" ")


def test_no_declaration_chooses_another_encoding() -> None:
    document = DAILY.replace("UTF-8", "ISO-8859-1").replace("Bank<", "Bänk<")
    assert FRIDAY in ecb.parse(document.encode())
    with pytest.raises(ValueError, match="no XML"):
        ecb.parse(document.encode("latin-1"))
