"""What changes in what a model takes: inputs, source media, rules, generation types. Pure."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from gateway.catalog.changes.sentences import Change, changed_keys, differences, listed, shown, span

Compiled = Mapping[str, Any]
Clause = tuple[str, bool]
"""Words, and whether they break something."""

PARTS = (
    "inputs", "fields", "unpriced", "sources", "rules", "references", "generation_types", "modes", "capabilities",
)  # fmt: skip
"""The keys of a compiled model that this module speaks of."""

_BYTES_PER_MB = 1_000_000
_RANGES = {("minimum", "maximum"): "", ("min_items", "max_items"): " entries"}
_UNITS = {"seconds": " s", "size": " px per side"}


def limit_changes(old: Compiled, new: Compiled, priced: frozenset[str]) -> Iterator[Change]:
    """Every difference in what a model takes. A default breaks where a price depends on it (`priced`)."""
    describe: dict[str, Callable[[Any, Any], Iterator[Clause]]] = {
        "inputs": lambda before, after: _inputs(before or {}, after or {}, priced),
        "fields": lambda before, after: _named(before or {}, after or {}, "typed field"),
        "unpriced": lambda before, after: _refused(before or [], after or []),
        "sources": lambda before, after: _sources(before or [], after or []),
        "rules": lambda before, after: _rules(before or [], after or []),
        "references": lambda before, after: _references(before or [], after or []),
        "generation_types": lambda before, after: _choices("generation types", before or [], after or []),
        "modes": lambda before, after: _choices("modes", before or [], after or []),
        "capabilities": lambda before, after: _named(before or {}, after or {}, "capability"),
    }
    for part in PARTS:
        if old.get(part) != new.get(part):
            for clause, breaking in describe[part](old.get(part), new.get(part)):
                yield Change(new["id"], part, f"{new['id']}: {clause}", breaking)


def _inputs(old: Compiled, new: Compiled, priced: frozenset[str], within: str = "") -> Iterator[Clause]:
    for name in changed_keys(old, new):
        called = f"{within}{name}"
        if name not in old:
            required = bool(new[name].get("required"))
            yield f"new input {called}" + (", which is required" if required else ""), required
        elif name not in new:
            yield f"input {called} is gone", True
        else:
            for clause, breaking in _input(called, old[name], new[name], priced):
                yield f"{called}: {clause}", breaking


def _input(name: str, old: Compiled, new: Compiled, priced: frozenset[str]) -> Iterator[Clause]:
    rest = dict.fromkeys(changed_keys(old, new))
    for (low, high), unit in _RANGES.items():
        if low in rest or high in rest:
            yield _range(old, new, low, high, unit or _UNITS.get(new.get("type", ""), ""))
            rest.pop(low, None)
            rest.pop(high, None)
    for key in rest:
        before, after = old.get(key), new.get(key)
        if key == "enum":
            yield from _enum(before or [], after or [])
        elif key == "max_length":
            yield f"{_characters(before)} -> {_characters(after)}", _is_narrower(before, after)
        elif key == "media" and before and after:
            yield from _media(before, after)
        elif key == "entries":
            yield from _inputs(before or {}, after or {}, priced, within=f"{name}.")
        elif key == "required":
            yield ("now required", True) if after else ("no longer required", False)
        elif key == "default":
            yield f"default {shown(before)} -> {shown(after)}", name in priced
        else:
            breaking = key not in {"description", "aliases", "presets"} or _loses(before, after)
            yield from ((clause, breaking) for clause in differences(before, after, key))


def _range(old: Compiled, new: Compiled, low: str, high: str, unit: str) -> Clause:
    narrower = _is_narrower(old.get(high), new.get(high)) or _is_narrower(_minus(old.get(low)), _minus(new.get(low)))
    was, will = (span(spec.get(low), spec.get(high), unit) for spec in (old, new))
    return f"{was} -> {will}", narrower


def _minus(value: Any) -> Any:
    return None if value is None else -value


def _is_narrower(old: Any, new: Any) -> bool:
    """Whether an upper bound came down; None is no bound."""
    return new is not None and (old is None or new < old)


def _characters(most: int | None) -> str:
    return "any length" if most is None else f"{most:,} characters"


def _enum(old: list[Any], new: list[Any]) -> Iterator[Clause]:
    if not old:
        yield f"now one of {listed(new)}", True
    elif not new:
        yield f"now anything, not only {listed(old)}", False
    else:
        yield from _choices("", old, new)


def _choices(what: str, old: list[Any], new: list[Any]) -> Iterator[Clause]:
    prefix = f"{what}: " if what else ""
    added = [value for value in new if value not in old]
    gone = [value for value in old if value not in new]
    if added:
        yield f"{prefix}now also {listed(added)}", False
    if gone:
        yield f"{prefix}no longer {listed(gone)}", True
    if not added and not gone:
        yield f"{prefix}in another order: {listed(new)}", False


def _media(old: Compiled, new: Compiled) -> Iterator[Clause]:
    units = {"side_min_px": " px per side", "seconds_max": " s a file", "total_seconds_max": " s in all"}
    for key in changed_keys(old, new):
        before, after = old.get(key), new.get(key)
        if key == "formats":
            yield from _choices("formats", before or [], after or [])
        elif key == "bytes_max" and before and after:
            yield f"{_megabytes(before)} -> {_megabytes(after)} a file", after < before
        elif key == "side_min_px":
            yield (
                f"{span(before, None, units[key])} -> {span(after, None, units[key])}",
                _is_narrower(_minus(before), _minus(after)),
            )
        elif key in units:
            yield f"{span(None, before, units[key])} -> {span(None, after, units[key])}", _is_narrower(before, after)
        else:
            yield from ((clause, True) for clause in differences(before, after, f"media.{key}"))


def _megabytes(count: int) -> str:
    return f"{count / _BYTES_PER_MB:g} MB" if count >= _BYTES_PER_MB else f"{count:,} bytes"


def _loses(old: Any, new: Any) -> bool:
    """Whether some name that a caller may use is gone or means something else."""
    if not isinstance(old, Mapping):
        return False
    return not isinstance(new, Mapping) or any(new.get(word) != meant for word, meant in old.items())


def _named(old: Compiled, new: Compiled, what: str) -> Iterator[Clause]:
    for name in changed_keys(old, new):
        if name not in old:
            yield f"new {what} {name}: {shown(new[name])}", False
        elif name not in new:
            yield f"{what} {name} is gone", True
        else:
            yield f"{what} {name}: {shown(old[name])} -> {shown(new[name])}", new[name] is not True


def _sources(old: list[Compiled], new: list[Compiled]) -> Iterator[Clause]:
    before, after = ({source["kind"]: source for source in sources} for sources in (old, new))
    if len(before) < len(old) or len(after) < len(new) or _same_but_ordered(before, after, old, new):
        yield from ((clause, True) for clause in differences(old, new, "sources"))
        return
    for kind in dict.fromkeys([*before, *after]):
        was, will = before.get(kind, {}), after.get(kind, {})
        counts_were, counts_are = was.get("counts", {}), will.get("counts", {})
        for name in changed_keys(counts_were, counts_are):
            (low, high), (new_low, new_high) = counts_were.get(name, (0, 0)), counts_are.get(name, (0, 0))
            clause = f"{kind} sources of {name}: {low}-{high} -> {new_low}-{new_high}"
            yield clause, new_low > low or new_high < high
        if was and will:
            rest = {key for key in changed_keys(was, will) if key != "counts"}
            for key in sorted(rest):
                yield from ((clause, True) for clause in differences(was.get(key), will.get(key), f"{kind} sources"))
        elif not was:
            yield f"{kind} sources are taken", False
        else:
            yield f"{kind} sources are no longer taken", True


def _same_but_ordered(before: Compiled, after: Compiled, old: list[Compiled], new: list[Compiled]) -> bool:
    return before == after and old != new


def _rules(old: list[Compiled], new: list[Compiled]) -> Iterator[Clause]:
    def held(rule: Compiled) -> tuple[Any, Any]:
        return rule.get("when"), rule.get("require")

    kept = [held(rule) for rule in old]
    added = [rule for rule in new if rule not in old]
    gone = [rule for rule in old if rule not in new]
    for rule in added:
        yield f'new rule {rule["code"]}: "{rule["message"]}"', held(rule) not in kept
    for rule in gone:
        yield f'rule {rule["code"]} is gone: "{rule["message"]}"', False
    if not added and not gone:
        yield "the rules are in another order", False


def _refused(old: list[str], new: list[str]) -> Iterator[Clause]:
    for name in new:
        if name not in old:
            yield f"{name} is refused from now on, because no price covers it", True
    for name in old:
        if name not in new:
            yield f"{name} is no longer refused", False
    if set(old) == set(new):
        yield "what is refused is listed in another order", False


def _references(old: list[Compiled], new: list[Compiled]) -> Iterator[Clause]:
    added = [one for one in new if one not in old]
    for one in added:
        yield f"names in {one.get('text')} must be those of {one.get('entries')}: {shown(one)}", True
    gone = [one for one in old if one not in new]
    for one in gone:
        yield f"names in {one.get('text')} are no longer held against {one.get('entries')}", False
    if not added and not gone:
        yield "the references are in another order", False
