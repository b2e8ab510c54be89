"""What changes in prices: rates, rows and books by the day they apply, and the meters behind them. Pure.

A price that a person does not see in the rates - another condition, another meter - counts as breaking,
because it can raise what somebody pays.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from gateway.catalog.changes.sentences import (
    Change,
    changed_keys,
    differences,
    dollars,
    per,
    percent,
    priced,
    shown,
)

Compiled = Mapping[str, Any]
Clause = tuple[str, bool]
"""Words, and whether they break something."""

_RISES_WITH = {"multiply_by": 1, "constant": 1, "seconds_max": 1, "divide_by": -1}
"""Factors of a meter, with the direction in which the quantity grows."""


@dataclass(frozen=True)
class _Pair:
    """One model as it was and as it will be."""

    old: Compiled
    new: Compiled


def price_changes(old: Compiled, new: Compiled, today: date) -> Iterator[Change]:
    """Every difference in a model's price books and meters; `today` tells what applies at once."""
    pair, model_id = _Pair(old, new), new["id"]
    before, after = _books(old), _books(new)
    compared: set[date] = set()
    said: set[str] = set()
    for day in sorted({today, *(day for day in {*before, *after} if day > today)}):
        was, will = _in_force(before, day), _in_force(after, day)
        if was is None or will is None:
            continue
        if was == will:
            compared.add(was)
        since = "at once" if day == today else f"from {day}"
        for clause, breaking in _row_changes(before[was]["rows"], after[will]["rows"], pair):
            if clause not in said:
                said.add(clause)
                yield Change(model_id, "price_books", f"{model_id}: {clause}, {since}", breaking)
    for clause in _book_changes(pair, before, after, compared, today):
        yield Change(model_id, "price_books", f"{model_id}: {clause}")
    for clause, breaking in _meter_changes(old["meters"], new["meters"]):
        yield Change(model_id, "meters", f"{model_id}: {clause}", breaking)


def starting_price(model: Compiled, today: date) -> str:
    """The lowest rate of a model: `from $0.039 per image`."""
    books = _books(model)
    day = _in_force(books, today) or min(books)
    rates = [row["components"][0] for row in books[day]["rows"]]
    later = f", as of {day}" if day > today else ""
    return f"from {priced(min(rates, key=lambda component: Decimal(component['rate'])))}{later}"


def priced_inputs(model: Compiled) -> frozenset[str]:
    """The inputs that some price of a model depends on."""
    conditioned = {name for book in model["price_books"] for row in book["rows"] for name in row.get("when", {})}
    sources = ("input", "length_of", "bytes_of", "count_of", "pixels_of", "seconds_of")
    read = {meter[key] for meter in model["meters"].values() for key in sources if meter.get(key)}
    totals = {meter["total_of"][0] for meter in model["meters"].values() if meter.get("total_of")}
    return frozenset(conditioned | read | totals)


def _books(model: Compiled) -> dict[date, Compiled]:
    return {date.fromisoformat(book["effective_from"][:10]): book for book in model["price_books"]}


def _in_force(books: Mapping[date, Compiled], day: date) -> date | None:
    return max((start for start in books if start <= day), default=None)


def _book_changes(
    pair: _Pair, before: Mapping[date, Compiled], after: Mapping[date, Compiled], compared: set[date], today: date
) -> Iterator[str]:
    for day in sorted({*before, *after}):
        if day not in before:
            replaced = _in_force(after, max(today, min(after)))
            same = replaced is not None and replaced != day and after[day]["rows"] == after[replaced]["rows"]
            starts = f"a price book starts on {day}" if day > today else f"there is a price book of {day}"
            yield starts + (", with the same rates" if same else "")
        elif day not in after:
            yield f"the price book of {day} is withdrawn"
        else:
            yield from _book_itself(before[day], after[day], pair, f"price book of {day}", is_compared=day in compared)


def _book_itself(old: Compiled, new: Compiled, pair: _Pair, name: str, *, is_compared: bool) -> Iterator[str]:
    rest = set(changed_keys(old, new)) - {"effective_from"}
    if "rows" in rest and not is_compared:
        yield f"{name}, which is not in force, has other rows"
    # The version follows from the rows and the meters.
    named_anew = old["rows"] == new["rows"] and pair.old["meters"] == pair.new["meters"]
    for key in sorted(rest - {"rows"} - (set() if named_anew else {"version"})):
        yield from differences(old.get(key), new.get(key), f"{name}: {key}")
    if old["effective_from"] != new["effective_from"]:
        yield f"{name}: starts at {new['effective_from']} instead of {old['effective_from']}"


def _row_changes(was: list[Compiled], will: list[Compiled], pair: _Pair) -> Iterator[Clause]:
    old, new = ({row["row_id"]: row for row in rows} for rows in (was, will))
    gone = [row_id for row_id in old if row_id not in new]
    added = [row_id for row_id in new if row_id not in old]
    for row_id in list(gone):
        renamed = next((one for one in added if _apart_from_name(new[one]) == _apart_from_name(old[row_id])), None)
        if renamed is not None:
            gone.remove(row_id)
            added.remove(renamed)
            yield f"row {row_id} is now called {renamed}", False
    for row_id in gone:
        yield f"row {row_id} is gone (it was {_rates(old[row_id])})", not _beyond(old[row_id], pair.new)
    for row_id in added:
        yield f"new row {row_id}: {_rates(new[row_id])}", not _beyond(new[row_id], pair.old)
    both = [row_id for row_id in old if row_id in new]
    if both != [row_id for row_id in new if row_id in old]:
        yield "the price rows are tried in another order", True
    for row_id in both:
        for clause, breaking in _row_itself(old[row_id], new[row_id]):
            yield f"row {row_id}: {clause}", breaking


def _apart_from_name(row: Compiled) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "row_id"}


def _rates(row: Compiled) -> str:
    return " and ".join(priced(component) for component in row["components"])


def _beyond(row: Compiled, model: Compiled) -> bool:
    """Whether a row is only for choices that a model does not have, and so touches none of its prices."""
    for name, expected in row.get("when", {}).items():
        enum = model["inputs"].get(name, {}).get("enum")
        values = expected if isinstance(expected, list) else [expected]
        if enum and not any(value in enum for value in values):
            return True
    return False


def _row_itself(old: Compiled, new: Compiled) -> Iterator[Clause]:
    if old.get("when", {}) != new.get("when", {}):
        yield f"applies to {shown(new.get('when', {}))} instead of {shown(old.get('when', {}))}", True
    before, after = old["components"], new["components"]
    for number in range(max(len(before), len(after))):
        if number >= len(before):
            yield f"now also {priced(after[number])}", True
        elif number >= len(after):
            yield f"no longer {priced(before[number])}", False
        else:
            prefix = f"{after[number]['meter']}: " if len(after) > 1 else ""
            for clause, breaking in _component(before[number], after[number]):
                yield prefix + clause, breaking
    for key in set(changed_keys(old, new)) - {"row_id", "when", "components"}:
        yield from ((clause, True) for clause in differences(old.get(key), new.get(key), key))


def _component(old: Compiled, new: Compiled) -> Iterator[Clause]:
    rest = set(changed_keys(old, new))
    if "unit" in rest:
        yield f"{priced(old)} -> {priced(new)}", True
    elif "rate" in rest and Decimal(old["rate"]) == Decimal(new["rate"]):
        yield f"the rate is written {new['rate']} instead of {old['rate']}", False
    elif "rate" in rest:
        change = percent(old["rate"], new["rate"])
        clause = f"{dollars(old['rate'])} -> {dollars(new['rate'])} per {per(new['unit'])}{change}"
        yield clause, Decimal(new["rate"]) > Decimal(old["rate"])
    for key in sorted(rest - {"unit", "rate"}):
        words = {"round_up_to": "billed in steps of", "minimum": "billed for at least"}.get(key, f"{key}:")
        yield f"{words} {shown(old.get(key))} -> {shown(new.get(key))}", _bills_more(key, old.get(key), new.get(key))


def _bills_more(key: str, old: Any, new: Any) -> bool:
    """Whether a component's rounding, least quantity or meter can make a bill larger."""
    if key == "round_up_to":
        # A step that divides the former one never rounds higher.
        return new is not None and (old is None or Decimal(str(old)) % Decimal(str(new)) != 0)
    if key == "minimum":
        return new is not None and (old is None or new > old)
    return key != "modality"


def _meter_changes(old: Compiled, new: Compiled) -> Iterator[Clause]:
    for name in changed_keys(old, new):
        if name not in old:
            yield f"new meter {name}", False
        elif name not in new:
            yield f"meter {name} is gone", False
        else:
            for key in changed_keys(old[name], new[name]):
                before, after = old[name].get(key), new[name].get(key)
                for clause in differences(before, after, f"meter {name}: {key}"):
                    yield clause, _counts_more(key, before, after)


def _counts_more(key: str, old: Any, new: Any) -> bool:
    """Whether a meter's change can make its quantity larger."""
    if key in _RISES_WITH:
        # What is not written is the factor 1.
        unwritten = 0 if key == "seconds_max" else 1
        before, after = (unwritten if value is None else value for value in (old, new))
        return bool((after - before) * _RISES_WITH[key] > 0)
    if key == "values" and isinstance(old, Mapping) and isinstance(new, Mapping):
        return any(new[word] > old[word] for word in old if word in new)
    return True
