"""A provider's description: what is held against it before it is published."""

from copy import deepcopy
from typing import Any

import pytest
import yaml

from gateway.catalog.compiling import BrokenCatalog, compile_documents
from gateway.catalog.source import PROVIDERS_DIRECTORY
from tests.unit.gateway.fox import family

ARK, KIE, FAL = (
    yaml.safe_load((PROVIDERS_DIRECTORY / f"{name}.yaml").read_text(encoding="utf-8")) for name in ("ark", "kie", "fal")
)


def faults(described: dict[str, Any], name: str = "kie") -> list[tuple[tuple[Any, ...], str]]:
    """Where a description of a provider is wrong, and what is."""
    try:
        compile_documents({"fox.yaml": family(), f"providers/{name}.yaml": described}, None)
    except BrokenCatalog as broken:
        return [(fault.path, fault.message) for fault in broken.faults if fault.document == f"providers/{name}.yaml"]
    return []


def changed(described: dict[str, Any], *path: str, to: Any = None) -> dict[str, Any]:
    """A description with something else at a place; None: nothing."""
    made = deepcopy(described)
    place = made
    for name in path[:-1]:
        place = place[name]
    if to is None:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    return made


def test_the_shipped_ones_are_right() -> None:
    assert [faults(KIE), faults(ARK, "ark"), faults(FAL, "fal")] == [[], [], []]


@pytest.mark.parametrize(
    ("described", "path", "message"),
    [
        (changed(KIE, "wire", "poll"), ("wire",), "a job with a reference needs `poll` and `state`"),
        (changed(KIE, "wire", "state"), ("wire",), "a job with a reference needs `poll` and `state`"),
        (changed(KIE, "wire", "submit", "reference"), ("wire",), "one without has neither"),
        (changed(KIE, "wire", "usage", to={"words": "data.words"}), ("wire",), "'words' is not one of the quantities"),
        (changed(KIE, "wire", "outputs", "at"), ("wire", "outputs"), "`at` says where the outputs are"),
        (changed(KIE, "wire", "outputs", "form", to="body"), ("wire", "outputs"), "unless the body is the output"),
        (changed(KIE, "wire", "state", "at", to="data."), ("wire", "state", "at"), "is no JMESPath"),
        (changed(KIE, "wire", "error", "reasons", to={"bad_luck": ["x"]}), ("wire", "error", "reasons"), "bad_luck"),
        (changed(KIE, "wire", "webhook", "dialect", to="morse"), ("wire", "webhook", "dialect"), "'token'"),
        (changed(KIE, "wire", "cost", to={"at": "data.cost", "usd": "a dime"}), ("wire", "cost", "usd"), "pattern"),
        (changed(KIE, "wire"), (), "needs either `wire` or `wires`"),
        (changed(KIE, "adapter", to="fal"), (), "and no other, needs either `wire` or `wires`"),
        (changed(KIE, "adapter", to="kie"), ("adapter",), "'bedrock'"),
        (changed(KIE, "base_url", to="http://api.kie.ai"), ("base_url",), "pattern"),
        (changed(KIE, "source", to=""), ("source",), "at least 1"),
        (changed(KIE, "colour", to="red"), ("colour",), "not permitted"),
    ],
)
def test_what_is_wrong_is_found_at_its_place(described: dict[str, Any], path: tuple[str, ...], message: str) -> None:
    found = faults(described)
    assert [where[: len(path)] for where, _ in found] == [path] * len(found) != []
    assert any(message in said for _, said in found), found


def test_a_search_for_jobs_needs_jobs() -> None:
    at_once = changed(changed(changed(KIE, "wire", "submit", "reference"), "wire", "poll"), "wire", "state")
    assert faults(at_once) == []
    [(path, message)] = faults(changed(at_once, "wire", "find", to={"path": "/jobs/{attempt_id}"}))
    assert (path, "`find` asks for a job, and there are none" in message) == (("wire",), True)


def test_one_wire_alone_is_called_back() -> None:
    [(_, message)] = faults(changed(ARK, "wires", "images/", "webhook", to={"dialect": "token"}), "ark")
    assert "`webhook` stands in one of the `wires`" in message


def test_whoever_calls_back_an_account_signs() -> None:
    unsigned = changed(changed(KIE, "wire", "webhook", to={"dialect": "token"}), "account_webhooks", to=True)
    assert any("whoever calls back an account signs" in message for _, message in faults(unsigned))


def test_a_file_is_called_as_its_provider() -> None:
    assert any("kie" in message for _, message in faults(KIE, "kye"))
