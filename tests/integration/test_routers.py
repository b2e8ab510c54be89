"""Saved routers: versions, use in the place of a model, and what they would have made of past requests."""

from collections.abc import Iterator
from typing import Any

import pytest

from gateway import keys, operator, routers, tables
from gateway.errors import UnknownModel
from tests.integration.test_refusals import refused
from tests.integration.test_routing import dearest_first
from tests.integration.world import PROJECT, World, world

MODELS = ("nano-banana", "p-image", "flux-2", "kuaishou/kling-v3-t2v", "kuaishou/kling-v3-pro-t2v", "openai/tts-1")
DRAFTS = {"name": "drafts", "mode": "image", "prefer": "price"}


@pytest.fixture
def museway() -> Iterator[World]:
    with world(in_memory=True, models=MODELS, changed=dearest_first) as made:
        yield made


def ask(museway: World, method: str, path: str, body: Any = None, expected: int = 200, **how: Any) -> dict[str, Any]:
    status, answer, _ = museway.request(method, path, body, **how)
    assert status == expected, answer
    return answer


def save(museway: World, **wish: Any) -> dict[str, Any]:
    return ask(museway, "POST", "/v1/routers", DRAFTS | wish, 201)


def test_a_router_is_saved_listed_changed_and_deleted(museway: World) -> None:
    made = save(museway, exclude_providers=["openai"])
    assert (made["version"], made["model"], made["exclude_providers"]) == (1, "router/drafts", ["openai"])
    assert ask(museway, "GET", "/v1/routers")["items"] == [made]
    changed = ask(museway, "PUT", "/v1/routers/drafts", {"capabilities": ["image-gen"], "max_price_micros": 7})
    assert (changed["version"], changed["mode"], changed["prefer"]) == (2, None, "balanced")
    assert ask(museway, "GET", "/v1/routers/drafts") == changed
    assert ask(museway, "GET", "/v1/routers/drafts?version=1")["exclude_providers"] == ["openai"]
    assert ask(museway, "DELETE", "/v1/routers/drafts")["version"] == 2
    assert ask(museway, "GET", "/v1/routers")["items"] == []
    assert refused(museway, "GET", "/v1/routers/drafts")[0] == 404
    assert refused(museway, "POST", "/v1/generate/media", {"model": "router/drafts", "prompt": "x"})[0] == 400
    assert ask(museway, "GET", "/v1/routers/drafts?version=2")["max_price_micros"] == 7
    assert save(museway)["version"] == 3


def test_the_same_again_changes_nothing_and_another_one_is_refused(museway: World) -> None:
    made = save(museway)
    assert save(museway) == made
    assert ask(museway, "PUT", "/v1/routers/drafts", {"mode": "image", "prefer": "price"}) == made
    status, answer = refused(museway, "POST", "/v1/routers", DRAFTS | {"prefer": "speed"})
    assert (status, answer["error"]) == (409, "router_exists")


def test_an_idempotency_key_makes_one_router_and_answers_as_it_did(museway: World) -> None:
    headers, body = {"idempotency-key": "drafts-1"}, DRAFTS | {"exclude_providers": ["openai"]}
    status, made, first = museway.request("POST", "/v1/routers", body, headers=headers)
    assert (status, "idempotent-replayed" in {name.lower() for name in first}) == (201, False)
    ask(museway, "PUT", "/v1/routers/drafts", {"mode": "video"})
    ask(museway, "DELETE", "/v1/routers/drafts")
    status, again, repeated = museway.request("POST", "/v1/routers", body, headers=headers)
    assert (status, again, repeated["Idempotent-Replayed"]) == (201, made, "true")
    assert ask(museway, "GET", "/v1/routers")["items"] == [], "it was answered, not made"
    for change, field in (({"name": "more"}, "name"), ({"prefer": "speed"}, "prefer")):
        status, refusal, _ = museway.request("POST", "/v1/routers", body | change, headers=headers)
        assert (status, refusal["error"], refusal["fields"]) == (422, "idempotency_key_reused", [field])
    assert save(museway)["version"] == 3


def test_a_first_answer_is_given_again_though_its_model_is_gone(
    museway: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = {"idempotency-key": "drafts-1"}
    _, made, _ = museway.request("POST", "/v1/routers", DRAFTS, headers=headers)

    def gone(_wish: object) -> None:
        raise UnknownModel("It is gone.")

    monkeypatch.setattr(routers, "_check", gone)
    assert museway.request("POST", "/v1/routers", DRAFTS, headers=headers)[:2] == (201, made)
    assert museway.request("POST", "/v1/routers", DRAFTS | {"name": "more"})[1]["error"] == "unknown_model"


def test_of_two_under_one_key_at_once_both_are_answered_with_the_one_router(
    museway: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = {"idempotency-key": "drafts-1"}
    _, made, _ = museway.request("POST", "/v1/routers", DRAFTS, headers=headers)
    real, stale = tables.RouterRequest.stored, [None]
    monkeypatch.setattr(tables.RouterRequest, "stored", lambda self: stale.pop() if stale else real(self))
    real_find, unseen = tables.Router.find, [None]
    monkeypatch.setattr(tables.Router, "find", lambda *key: unseen.pop() if unseen else real_find(*key))
    status, again, headers = museway.request("POST", "/v1/routers", DRAFTS, headers=headers)
    assert (status, again, headers["Idempotent-Replayed"]) == (201, made, "true")


def test_of_two_that_change_it_at_once_both_make_a_version(museway: World, monkeypatch: pytest.MonkeyPatch) -> None:
    save(museway)
    real, stale = tables.Router.find, tables.Router.find(PROJECT, "drafts")
    answers = [stale]
    monkeypatch.setattr(tables.Router, "find", lambda *key: answers.pop() if answers else real(*key))
    ask(museway, "PUT", "/v1/routers/drafts", {"mode": "video"})
    answers.append(stale)
    assert ask(museway, "PUT", "/v1/routers/drafts", {"mode": "speech"})["version"] == 3
    assert routers.version_of(PROJECT, "drafts", 2).wish.mode == "video"


REFUSED: dict[str, tuple[dict[str, Any], int, str, str]] = {
    "no name": ({"mode": "image"}, 422, "invalid_request", "name"),
    "a name of no kind": (DRAFTS | {"name": "My Drafts/1"}, 422, "invalid_request", "name"),
    "nothing asked for": ({"name": "x", "prefer": "price"}, 400, "invalid_request", "mode"),
    "an unknown mode": (DRAFTS | {"mode": "x"}, 400, "unknown_mode", "mode"),
    "an unknown model": (DRAFTS | {"models": ["nano-bananas"]}, 400, "unknown_model", "model"),
    "a field of no router": (DRAFTS | {"model": "nano-banana"}, 422, "invalid_request", "model"),
    "an unknown preference": (DRAFTS | {"prefer": "luck"}, 422, "invalid_request", "prefer"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_router_is_refused(museway: World, case: str) -> None:
    body, status, code, field = REFUSED[case]
    got, answer = refused(museway, "POST", "/v1/routers", body)
    assert (got, answer["error"], answer["field"]) == (status, code, field)


def test_a_project_has_only_so_many(museway: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routers, "ROUTERS_MAX", 1)
    save(museway)
    status, answer = refused(museway, "POST", "/v1/routers", DRAFTS | {"name": "more"})
    assert (status, answer["error"], answer["maximum"]) == (400, "too_many_routers", 1)


def test_another_projects_router_is_not_there(museway: World) -> None:
    operator.perform({"action": "project.create", "project_id": "other", "name": "Other"})
    theirs = keys.create("other", "theirs", scopes=["read", "settings:write", "generate"])["api_key"]
    save(museway)
    assert refused(museway, "GET", "/v1/routers/drafts", key=theirs)[0] == 404
    assert refused(museway, "POST", "/v1/route", {"model": "router/drafts", "prompt": "x"}, key=theirs)[0] == 400
    assert ask(museway, "GET", "/v1/routers", key=theirs)["items"] == []


def test_a_generation_names_the_version_that_chose_for_it(museway: World) -> None:
    save(museway)
    request = {"model": "router/drafts", "prompt": "a fox"}
    answer = ask(museway, "POST", "/v1/generate/media", request, 202, headers={"Idempotency-Key": "k"})
    assert answer["model"] == "p-image"
    ask(museway, "PUT", "/v1/routers/drafts", {"mode": "image", "fallback_order": ["nano-banana"]})
    assert ask(museway, "POST", "/v1/generate/media", request, 202, headers={"Idempotency-Key": "k"}) == answer
    assert ask(museway, "POST", "/v1/estimate", request)["model"] == "nano-banana"
    told = museway.generation(answer["generation_id"])["routing"]
    assert (told["router"], told["prefer"]) == ({"name": "drafts", "version": 1}, "price")
    museway.settle_down()


def test_a_routers_ceiling_and_the_requests_own_are_both_kept(museway: World) -> None:
    save(museway, max_price_micros=30_000)
    request = {"model": "router/drafts", "prompt": "a fox"}
    found = ask(museway, "POST", "/v1/route", request)["candidates"]
    assert [one["model"] for one in found if one["kept"]] == ["p-image", "flux-2"]
    found = ask(museway, "POST", "/v1/route", request | {"max_price_micros": 5_000})["candidates"]
    assert [one["model"] for one in found if one["kept"]] == ["p-image"]
    native = ask(museway, "POST", "/v1/media/generate", {"model": "router/drafts", "inputs": {"prompt": "x"}}, 202)
    assert native["model"] == "p-image"
    museway.settle_down()


def test_a_dry_run_says_what_would_have_been(museway: World) -> None:
    museway.generate(seed=5)
    museway.clock.sleep(1)
    museway.generate("openai/tts-1", prompt="A fox.")
    museway.clock.sleep(1)
    museway.generate("kuaishou/kling-v3-pro-t2v", duration=10)
    museway.settle_down()
    before = museway.totals()
    save(museway)
    told = ask(museway, "POST", "/v1/routers/drafts/dry-run", {})
    assert museway.totals() == before
    assert [one["was"]["model"] for one in told["items"]] == [
        "kuaishou/kling-v3-pro-t2v",
        "openai/tts-1",
        "nano-banana",
    ]
    image = told["items"][2]
    assert (image["was"]["price_micros"], image["chosen"]["model"], image["chosen"]["price_micros"]) == (
        39_000,
        "p-image",
        5_000,
    )
    assert (image["changed"], image["unknown"]) == (True, ["seed"])
    assert told["items"][0]["chosen"] is None
    assert told["totals"] == {"requests": 3, "served": 1, "changed": 1, "was_micros": 39_000, "would_be_micros": 5_000}
    ask(museway, "PUT", "/v1/routers/drafts", {"mode": "video", "prefer": "price"})
    video = ask(museway, "POST", "/v1/routers/drafts/dry-run", {"limit": 1})["items"][0]
    estimate = ask(museway, "POST", "/v1/estimate", {"model": "kuaishou/kling-v3-t2v", "prompt": "x", "duration": 10})
    assert video["chosen"]["model"] == "kuaishou/kling-v3-t2v"
    assert video["chosen"]["price_micros"] == estimate["expected_micros"] < video["was"]["price_micros"]
    old = ask(museway, "POST", "/v1/routers/drafts/dry-run", {"version": 1})
    assert old["router"] == {"name": "drafts", "version": 1}
    assert old["totals"] == told["totals"]
    ask(museway, "PUT", "/v1/routers/drafts", {"mode": "speech"})
    spoken = ask(museway, "POST", "/v1/routers/drafts/dry-run", {})["items"][1]
    assert (spoken["changed"], spoken["chosen"]["price_micros"]) == (False, spoken["was"]["price_micros"])
