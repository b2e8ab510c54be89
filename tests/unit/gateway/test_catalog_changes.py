"""What differs between two catalogs, in words; nothing that differs goes unsaid."""

import copy
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.catalog.changes import Change, changes
from gateway.catalog.compiling import compile_documents
from tests.unit.gateway.fox import OFFER, ROW, TIERS, Changed, book, compiled, family, rows, second_offer, setting
from tests.unit.gateway.said import TODAY, said


def test_a_catalog_and_itself() -> None:
    assert changes(compiled(), copy.deepcopy(compiled()), TODAY) == []


def test_models_that_come_and_go() -> None:
    two = {"a.yaml": family(), "b.yaml": family(model_id="fox-2")}
    more = compile_documents(two, None)
    assert changes(compiled(), more, TODAY) == [
        Change("fox-2", "models", "new model fox-2 (from $0.1 per second of video)")
    ]
    assert changes(more, compiled(), TODAY) == [Change("fox-2", "models", "removed model fox-2", breaking=True)]


def test_a_new_model_names_its_lowest_price_and_when_it_starts() -> None:
    cheaper = setting("price_books", 0, "rows", 1, "rate", to="0.05")
    priced = {"a.yaml": family(), "b.yaml": family(rows(*TIERS), cheaper, model_id="fox-2")}
    (found,) = changes(compiled(), compile_documents(priced, None), TODAY)
    assert found.sentence == "new model fox-2 (from $0.05 per second of video)"
    (found,) = changes(compiled(), compile_documents(priced, None), date(2025, 12, 1))
    assert found.sentence == "new model fox-2 (from $0.05 per second of video, as of 2026-01-01)"


def test_a_model_that_will_end_names_its_successor() -> None:
    end = setting(*OFFER, "sunset_at", to="2026-12-24")
    successor = setting("successor", to="fox-2")
    other = family(model_id="fox-2")

    def both(*changed: Changed) -> dict[str, Any]:
        return compile_documents({"a.yaml": family(*changed), "b.yaml": other}, None)

    assert changes(both(), both(end, successor), TODAY) == [
        Change("fox-1", "offers", "fox-1: now ends on 2026-12-24, successor fox-2", breaking=True)
    ]
    assert [one.sentence for one in changes(both(end, successor), both(), TODAY)] == [
        "fox-1: no longer ends on 2026-12-24",
        "fox-1: successor: fox-2 -> none",
    ]
    later = setting(*OFFER, "sunset_at", to="2027-12-24")
    assert changes(both(end, successor), both(later, successor), TODAY) == [
        Change("fox-1", "offers", "fox-1: ends on 2027-12-24 instead of 2026-12-24, successor fox-2")
    ]
    assert changes(both(later, successor), both(end, successor), TODAY)[0].breaking


def test_offers_that_come_go_and_end() -> None:
    assert said(second_offer) == [("new offer fox-1@openai-2", False)]
    assert said(old=(second_offer,)) == [("offer fox-1@openai-2 is gone", False)]
    end = setting(*OFFER, "sunset_at", to="2026-12-24")
    assert said(second_offer, end, old=(second_offer,)) == [("offer fox-1@fal: sunset_at: none -> 2026-12-24", False)]
    constants = setting(*OFFER, "request", to={"constants": {"quality": "high"}})
    assert said(constants) == [('offer fox-1@fal: request: none -> {"constants": {"quality": "high"}}', False)]


def test_families() -> None:
    def labelled(**fields: Any) -> dict[str, Any]:
        return compile_documents({"fox.yaml": family() | fields}, None)

    plain, label = labelled(), labelled(variant_required=True)
    assert [one.sentence for one in changes(plain, label, TODAY)] == ["fox is now the label of fox-1"]
    (gone,) = changes(label, plain, TODAY)
    assert (gone.sentence, gone.breaking) == ("fox is no longer the label of a family", True)


def test_what_has_no_words_of_its_own_is_said_by_its_name() -> None:
    assert said(setting("name", to="Vixen")) == [("name: Fox -> Vixen", False)]
    assert said(setting("estimated_time_seconds", to=60)) == [("estimated_time_seconds: 30 -> 60", False)]


# Nothing goes unsaid.

WHOLE = compiled(
    rows(*TIERS),
    book("2027-01-01"),
    book("2026-06-01"),
    second_offer,
    setting(*ROW, "round_up_to", to=60),
    setting(*OFFER, "sunset_at", to="2026-12-24"),
    setting(*OFFER, "request", to={"rename": {"tier": "quality"}, "cases": [{"when": {"tier": "low"}}]}),
    setting("meters", "words", to={"input": "tier", "values": {"low": 1, "high": 2}}),
    setting("inputs", "shots", to={"type": "objects", "entries": {"text": {"max_length": 9}}, "max_items": 6}),
    setting("inputs", "size", to={"type": "size", "presets": {"square": [512, 512]}, "minimum": 64, "maximum": 2048}),
    setting("inputs", "tier", "aliases", to={"fast": "low"}),
    setting("fields", to={"style_name": "style"}),
    setting("unpriced", to=["hd"]),
)  # fmt: skip
OPTIONAL = {
    "default", "enum", "minimum", "maximum", "max_length", "max_items", "aliases", "required", "round_up_to", "when",
    "request", "rename", "successor", "sunset_at", "video_audio", "rules", "sources", "fields", "description",
    "unpriced",
}  # fmt: skip
Place = tuple[str | int, ...]


def places(item: Any, path: Place = ()) -> Iterator[Place]:
    """Every leaf, and every key that may be left out."""
    entries = item.items() if isinstance(item, dict) else enumerate(item) if isinstance(item, list) else ()
    for key, value in entries:
        if not isinstance(value, dict | list) or key in OPTIONAL:
            yield (*path, key)
        yield from places(value, (*path, key))


LEAVES = [place for place in places(WHOLE["models"][0]) if place != ("id",)]


def other(value: Any) -> Any:
    """A value of the same type that is not this one."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    try:
        return value.replace(value[:10], str(date.fromisoformat(value[:10]) + timedelta(days=3)))
    except ValueError:
        pass
    return f"{value}1" if value.replace(".", "").isdigit() else f"{value}-other"


@given(place=st.sampled_from(LEAVES), leave_out=st.booleans(), data=st.data())
def test_whatever_differs_under_a_model_is_said(place: Place, leave_out: bool, data: st.DataObject) -> None:
    changed = copy.deepcopy(WHOLE)
    *parents, last = place
    item: Any = changed["models"][0]
    for part in parents:
        item = item[part]
    if isinstance(item[last], dict | list) or (leave_out and last in OPTIONAL):
        del item[last]
    else:
        item[last] = other(item[last])
    for old, new in ((WHOLE, changed), (changed, WHOLE)):
        found = changes(old, new, data.draw(st.dates(date(2025, 1, 1), date(2028, 1, 1))))
        assert found
        assert all(one.about == "fox-1" and one.sentence.startswith("fox-1: ") for one in found)
        assert len({one.sentence for one in found}) == len(found)


# A book's version follows from its rows and the meters, and is not spoken of beside them.
WRITTEN = [place for place in LEAVES if place[-1] != "version"]


@given(st.lists(st.sampled_from(WRITTEN), min_size=2, max_size=5, unique_by=lambda place: place[0]))
def test_what_differs_in_several_parts_is_said_of_each(chosen: list[Place]) -> None:
    changed = copy.deepcopy(WHOLE)
    for *parents, last in chosen:
        item: Any = changed["models"][0]
        for part in parents:
            item = item[part]
        if not isinstance(item[last], dict | list):
            item[last] = other(item[last])
        else:
            del item[last]
    parts = {one.part for one in changes(WHOLE, changed, TODAY)}
    assert {str(place[0]) for place in chosen} <= parts


@given(st.sampled_from([compiled(), WHOLE]), st.dates())
def test_nothing_is_said_where_nothing_differs(catalog: dict[str, Any], today: date) -> None:
    assert changes(catalog, copy.deepcopy(catalog), today) == []
