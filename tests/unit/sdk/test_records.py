"""Bills recomputed offline: every valid record passes, and no change of any field does."""

import json
from copy import deepcopy
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from museway.records import UnreadableRecords, read, verify
from tests.unit.billing_records import decimal_text, fx, record, records, signed

Path = tuple[str | int, ...]
# A busy machine is no failure.
patient = settings(deadline=None)
# What is computed from other fields, so that a forger who renews the digest is found all the same.
DERIVED = {"subtotal", "subtotal_micros", "amount_micros", "loss_micros", "credits", "amount", "amount_minor"}


def fields_of(made: dict[str, Any]) -> list[str]:
    return [difference.field for difference in verify([made])]


def paths_of(value: Any, prefix: Path = ()) -> list[Path]:
    """The paths to every leaf."""
    items: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    if not items:
        return [prefix]
    return [path for key, inner in items for path in paths_of(inner, (*prefix, key))]


def at(value: Any, path: Path) -> Any:
    for key in path:
        value = value[key]
    return value


def changed(made: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    copy = deepcopy(made)
    at(copy, path[:-1])[path[-1]] = value
    return copy


def name_of(path: Path) -> str:
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).removeprefix(".")


def test_the_seeds_example_is_right() -> None:
    made = record()
    assert (made["amount_micros"], made["credits"]) == (672_000, "67.2")
    assert verify([made]) == []


@patient
@given(records())
def test_every_valid_record_is_right_also_after_a_trip_through_json(made: dict[str, Any]) -> None:
    assert verify([made]) == []
    assert verify(read(json.dumps(made, ensure_ascii=False))) == []


_values: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats()
    | st.text(max_size=8)
    | st.just([])
    | st.just({})
    | st.integers(0, 10**9).map(str)
)


@patient
@given(records(), st.data())
def test_any_change_of_one_field_is_found(made: dict[str, Any], data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(paths_of(made)))
    value = data.draw(_values.filter(lambda value: repr(value) != repr(at(made, path))))
    assert verify([changed(made, path, value)])


@patient
@given(records(), st.data())
def test_a_removed_or_added_field_is_found_at_any_depth(made: dict[str, Any], data: st.DataObject) -> None:
    path = data.draw(st.sampled_from([path for path in paths_of(made) if isinstance(path[-1], str)]))
    copy = deepcopy(made)
    del at(copy, path[:-1])[path[-1]]
    assert verify([copy])
    assert verify([changed(made, (*path[:-1], "extra"), None)])


@patient
@given(records(), st.data(), st.integers(1, 10**6))
def test_a_forged_figure_under_a_renewed_digest_is_found(made: dict[str, Any], data: st.DataObject, more: int) -> None:
    derived = [path for path in paths_of(made) if path[-1] in DERIVED and path[0] != "provider_cost"]
    path = data.draw(st.sampled_from([path for path in derived if at(made, path) is not None]))
    old = at(made, path)
    new = old + more if isinstance(old, int) else decimal_text(Fraction(old) + more)
    assert name_of(path) in fields_of(signed(changed(made, path, new)))


@patient
@given(records())
def test_arbitrary_precision_is_exact(made: dict[str, Any]) -> None:
    # 60 digits times 60 digits: a context of the usual 28 digits would round.
    long = "0." + "1" * 57 + "7"
    copy = record([(long, long), (made["lines"][0]["quantity"], long)])
    assert verify([copy]) == []


@pytest.mark.parametrize(
    ("micros", "options"),
    [
        (1, {"lines": [("1", "0.0000005")]}),
        (0, {"lines": [("1", "0.00000049")]}),
        (1, {"lines": [("1", "0.00000149")]}),
        (739_200, {"margin_bps": 1_000}),
        (33_600, {"byok": True, "platform_fee_bps": 500, "margin_bps": 1_000}),
        (0, {"byok": True, "platform_fee_bps": 0}),
        (0, {"lines": []}),
    ],
)
def test_one_rounding_half_up_margin_and_byok_fee(micros: int, options: dict[str, Any]) -> None:
    made = record(**options)
    assert made["amount_micros"] == micros
    assert verify([made]) == []
    assert fields_of(signed(made | {"amount_micros": micros + 1, "credits": decimal_of(micros + 1)})) == [
        "amount_micros"
    ]


def decimal_of(micros: int) -> str:
    return decimal_text(Fraction(micros, 10_000))


@pytest.mark.parametrize(
    ("held_micros", "amount_micros", "loss_micros"),
    [(700_000, 672_000, 0), (672_000, 672_000, 0), (500_000, 500_000, 172_000)],
)
def test_what_goes_beyond_the_hold_is_the_operators_loss(
    held_micros: int, amount_micros: int, loss_micros: int
) -> None:
    made = record(held_micros=held_micros)
    assert (made["amount_micros"], made["loss_micros"]) == (amount_micros, loss_micros)
    assert verify([made]) == []
    charged_all = {"amount_micros": amount_micros + 1, "credits": decimal_of(amount_micros + 1)}
    assert fields_of(signed(made | charged_all)) == ["amount_micros"]
    assert fields_of(signed(made | {"loss_micros": loss_micros + 1})) == ["loss_micros"]


def test_a_hold_that_is_not_what_was_charged_is_found() -> None:
    made = record(held_micros=500_000)
    assert fields_of(signed(made | {"held_micros": 500_001})) == ["amount_micros", "loss_micros"]
    assert fields_of(signed(record() | {"held_micros": 0})) == ["amount_micros", "loss_micros"]


@pytest.mark.parametrize(("minor_digits", "amount_minor"), [(0, 1), (2, 62), (3, 619)])
def test_fx_is_recomputed_in_the_currencys_smallest_unit(minor_digits: int, amount_minor: int) -> None:
    made = record(fx=fx("EUR", "0.9215", minor_digits))
    assert made["fx"]["amount_minor"] == amount_minor
    assert verify([made]) == []
    for change in ({"amount_minor": amount_minor + 1}, {"rate": "4"}, {"minor_digits": minor_digits + 1}):
        assert fields_of(signed(made | {"fx": made["fx"] | change})) == ["fx.amount_minor"]


def test_a_record_without_a_rate_says_why() -> None:
    made = record(fx=fx("EUR", None))
    assert made["fx"]["rate"] is None
    assert verify([made]) == []


@pytest.mark.parametrize(
    ("currency", "change", "field"),
    [
        (fx("EUR", None), {"reason": None}, "reason"),
        (fx("EUR", None), {"reason": ""}, "reason"),
        (fx("EUR", None), {"as_of": "2026-11-20"}, "as_of"),
        (fx("EUR", None), {"amount_minor": 62}, "amount_minor"),
        (fx("EUR", "0.9"), {"reason": "no rate"}, "reason"),
        (fx("EUR", "0.9"), {"as_of": None}, "as_of"),
        (fx("EUR", "0.9"), {"as_of": "2026-02-30"}, "as_of"),
        (fx("EUR", "0.9"), {"as_of": "20261120"}, "as_of"),
        (fx("EUR", "0.9"), {"amount_minor": None}, "amount_minor"),
        (fx("EUR", "0.9"), {"minor_digits": -1}, "minor_digits"),
        (fx("EUR", "0.9"), {"minor_digits": 5}, "minor_digits"),
        (fx("EUR", "0.9"), {"base": "EUR"}, "base"),
        (fx("EUR", "0.9"), {"quote": "eur"}, "quote"),
        (fx("EUR", "0.9"), {"source": None}, "source"),
    ],
)
def test_an_fx_that_contradicts_itself_is_found(currency: dict[str, Any], change: dict[str, Any], field: str) -> None:
    made = record(fx=currency)
    assert fields_of(signed(made | {"fx": made["fx"] | change})) == [f"fx.{field}"]


def test_a_difference_says_where_and_what() -> None:
    made = signed(record() | {"amount_micros": 700_000, "credits": "70"})
    (difference,) = verify([record(number=2), made])
    assert str(difference) == "record 2 gen_1: amount_micros should be 672000, is 700000"
    assert (difference.position, difference.expected, difference.found) == (2, "672000", "700000")


FULL = record([("8", "0.084"), ("1200", "0.0000125")], margin_bps=500, held_micros=600_000, fx=fx("EUR", "0.8643"))


def test_one_more_in_any_figure_is_found_and_the_figure_or_the_digest_named() -> None:
    for path in paths_of(FULL):
        value = at(FULL, path)
        digits = [n for n, char in enumerate(str(value)) if char.isdigit()]
        for place in digits:
            digit = str((int(str(value)[place]) + 1) % 10)
            text = f"{str(value)[:place]}{digit}{str(value)[place + 1 :]}"
            found = fields_of(changed(FULL, path, text if isinstance(value, str) else int(text)))
            assert {name_of(path), "digest"} & set(found), (path, text)


def test_no_change_of_a_single_byte_goes_unnoticed() -> None:
    line = json.dumps(FULL, ensure_ascii=False).encode()
    assert found_in(line) == []
    for place in range(len(line)):
        for bit in (1, 32):
            assert found_in(line[:place] + bytes([line[place] ^ bit]) + line[place + 1 :]), place


def found_in(line: bytes) -> list[object]:
    """The differences, or why the line cannot be read."""
    try:
        return list(verify(read(line.decode())))
    except ValueError as error:
        return [error]


def test_a_generation_or_a_record_id_billed_twice_is_found() -> None:
    first, second = record(number=1), record(number=2)
    assert verify([first, second]) == []
    assert [(d.position, d.field) for d in verify([first, second, first])] == [
        (3, "generation_id"),
        (3, "record_id"),
    ]
    again = signed(second | {"generation_id": first["generation_id"]})
    assert [(d.position, d.field) for d in verify([first, again])] == [(2, "generation_id")]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("quantity", "8.0"),
        ("quantity", "08"),
        ("quantity", "8e0"),
        ("quantity", "-8"),
        ("quantity", "8" * 61),
        ("quantity", 8),
        ("quantity", "NaN"),
        ("quantity", "٨"),
        ("quantity", ""),
        ("quantity", "8\n"),
        ("rate", ".084"),
        ("rate", None),
        ("amount", "0.6720"),
        ("unit", None),
        ("row_id", 1),
        ("meter", []),
    ],
)
def test_a_malformed_value_in_a_line_is_reported(field: str, value: object) -> None:
    made = record()
    assert f"lines[0].{field}" in fields_of(signed(changed(made, ("lines", 0, field), value)))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("lines", None),
        ("lines", {}),
        ("byok", 0),
        ("byok", "false"),
        ("amount_micros", True),
        ("amount_micros", "672000"),
        ("amount_micros", -1),
        ("amount_micros", 10**30),
        ("margin_bps", "0"),
        ("platform_fee_bps", -1),
        ("subtotal", None),
        ("subtotal_micros", None),
        ("credits", 67.2),
        ("generation_id", None),
        ("record_id", 5),
        ("session_id", 5),
        ("model", None),
        ("inputs_priced", None),
        ("fx", []),
        ("fx", {}),
        ("fx", "none"),
        ("held_micros", None),
        ("held_micros", -1),
        ("loss_micros", "0"),
        ("provider_cost", {}),
        ("provider_cost", {"amount_micros": -1, "basis": "x"}),
        ("provider_cost", {"amount_micros": 1, "basis": 2}),
        ("created_at", "2026-13-41T00:00:00Z"),
        ("created_at", "2026-11-21 03:45:00"),
        ("digest", None),
        ("digest", "sha256:00"),
    ],
)
def test_a_malformed_value_in_a_record_is_reported(field: str, value: object) -> None:
    found = fields_of(signed(record() | {field: value}) | ({field: value} if field == "digest" else {}))
    assert any(name == field or name.startswith(f"{field}.") for name in found)


def test_provider_cost_may_be_null() -> None:
    assert verify([signed(record() | {"provider_cost": None})]) == []


@pytest.mark.parametrize("made", [None, [], "x", {}, {"lines": [1, None, {}]}, {1: 2}, {"model": "\ud800"}])
def test_what_is_no_record_is_reported_and_never_crashes(made: object) -> None:
    assert verify([made])


@pytest.mark.parametrize("number", ["0.5", "8.0", "1e3"])
def test_a_float_anywhere_is_a_difference(number: str) -> None:
    text = json.dumps(record()).replace('"duration": 8', f'"duration": {number}')
    (made,) = read(text)
    assert isinstance(made["inputs_priced"]["duration"], Decimal)
    assert {"inputs_priced.duration", "digest"} <= set(fields_of(made))
    assert "inputs_priced.duration" in fields_of(json.loads(text))


def test_reads_lines_documents_and_single_records() -> None:
    first, second = record(number=1), record(number=2, lines=[("1", "0.04")])
    lines = f"\ufeff{json.dumps(first, ensure_ascii=False)}\r\n\n{json.dumps(second)}\n"
    assert read(lines) == [first, second]
    assert read(json.dumps({"items": [first, second], "next_cursor": None}, indent=2)) == [first, second]
    assert read(json.dumps(first, indent=2)) == [first]
    assert read("") == read("\n\n") == []


def test_a_line_separator_inside_a_string_does_not_end_a_record() -> None:
    made = signed(record() | {"inputs_priced": {"prompt": "a\u2028b\u0085c"}})
    text = json.dumps(made, ensure_ascii=False)
    assert verify(read(f"{text}\n{json.dumps(record(number=2))}")) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hello", "line 1 is not JSON"),
        ("{}\n{", "line 2 is not JSON"),
        ("{}\n5", "line 2 is not a JSON object"),
        ("[]", "line 1 is not a JSON object"),
        ('{"items": [1]}', "item 1 is not a JSON object"),
        ('{"a": NaN}', "NaN"),
        ('{"amount_micros": 1, "amount_micros": 2}', "'amount_micros' is given twice"),
        ('{"a": ' + "9" * 5000 + "}", "not JSON"),
        ("[" * 200_000, "not JSON"),
    ],
)
def test_unreadable_text_says_where(text: str, message: str) -> None:
    with pytest.raises(UnreadableRecords, match=message.replace("(", r"\(")):
        read(text)
