"""What differs between two catalogs, in words for people who answer for prices. Pure.

`changes` speaks of every difference under a model; `breaking` marks those that can raise a price, narrow a
limit or take a model away. `prices` and `limits` describe their parts, `sentences` holds the words.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from gateway.catalog.changes import limits
from gateway.catalog.changes.limits import limit_changes
from gateway.catalog.changes.prices import price_changes, priced_inputs, starting_price
from gateway.catalog.changes.sentences import Change, changed_keys, differences, listed, shown

Compiled = Mapping[str, Any]

_DESCRIBED = {"id", "price_books", "meters", "offers", "successor", *limits.PARTS}


def changes(older: Compiled, newer: Compiled, today: date) -> list[Change]:
    """Every difference between two compiled catalogs, model by model; none for a catalog and itself.

    `today` (UTC) tells a price that changes with the publication from one that changes on a later day.
    """
    before, after = ({model["id"]: model for model in one["models"]} for one in (older, newer))
    found: list[Change] = []
    for model_id in sorted({*before, *after}):
        if model_id not in before:
            sentence = f"new model {model_id} ({starting_price(after[model_id], today)})"
            found.append(Change(model_id, "models", sentence))
        elif model_id not in after:
            found.append(Change(model_id, "models", f"removed model {model_id}", breaking=True))
        elif before[model_id] != after[model_id]:
            found += _model_changes(before[model_id], after[model_id], today)
    return found + list(_family_changes(older["families"], newer["families"]))


def _model_changes(old: Compiled, new: Compiled, today: date) -> Iterator[Change]:
    yield from price_changes(old, new, today)
    yield from limit_changes(old, new, priced_inputs(old) | priced_inputs(new))
    yield from _life_changes(old, new)
    yield from _offer_changes(old, new)
    for key in changed_keys(old, new):
        if key not in _DESCRIBED:
            for clause in differences(old.get(key), new.get(key), key):
                yield Change(new["id"], key, f"{new['id']}: {clause}", breaking=key == "kind")


def ends_on(model: Compiled) -> str | None:
    """The day from which no offer serves a model, as ISO text; None while one has no end."""
    ends = [offer.get("sunset_at") for offer in model["offers"]]
    return None if None in ends else max(ends)


def _life_changes(old: Compiled, new: Compiled) -> Iterator[Change]:
    model_id, was, will = new["id"], ends_on(old), ends_on(new)
    successor = f", successor {new['successor']}" if new.get("successor") else ""
    if will is None and was is not None:
        yield Change(model_id, "offers", f"{model_id}: no longer ends on {was}")
    elif was is None and will is not None:
        yield Change(model_id, "offers", f"{model_id}: now ends on {will}{successor}", breaking=True)
    elif was is not None and will is not None and was != will:
        sentence = f"{model_id}: ends on {will} instead of {was}{successor}"
        yield Change(model_id, "offers", sentence, breaking=will < was)
    is_said = successor and will is not None and was != will
    if old.get("successor") != new.get("successor") and not is_said:
        sentence = f"successor: {shown(old.get('successor'))} -> {shown(new.get('successor'))}"
        yield Change(model_id, "successor", f"{model_id}: {sentence}")


def _offer_changes(old: Compiled, new: Compiled) -> Iterator[Change]:
    model_id = new["id"]
    before, after = ({offer["offer_id"]: offer for offer in model["offers"]} for model in (old, new))
    ends = (ends_on(old), ends_on(new))
    clauses = [f"new offer {name}" for name in after if name not in before]
    clauses += [f"offer {name} is gone" for name in before if name not in after]
    both = [name for name in before if name in after]
    if both != [name for name in after if name in before]:
        clauses.append(f"the offers are asked in another order: {listed(after)}")
    for name in both:
        for key in changed_keys(before[name], after[name]):
            was, will = before[name].get(key), after[name].get(key)
            # Said of the model already.
            if key != "sunset_at" or (was, will) != ends:
                clauses += differences(was, will, f"offer {name}: {key}")
    yield from (Change(model_id, "offers", f"{model_id}: {clause}") for clause in clauses)


def _family_changes(old: Compiled, new: Compiled) -> Iterator[Change]:
    for label in sorted(changed_keys(old, new)):
        if label not in new:
            yield Change(label, "families", f"{label} is no longer the label of a family", breaking=True)
        elif label not in old:
            yield Change(label, "families", f"{label} is now the label of {listed(new[label])}")
        else:
            yield Change(label, "families", f"family {label}: {listed(old[label])} -> {listed(new[label])}")


__all__ = ["Change", "changes", "ends_on"]
