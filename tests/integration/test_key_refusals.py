"""What no key may be, which key may do what, and whose keys are whose: refused by name, with nothing changed.

One world serves the whole table, because nothing in it may change anything.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from gateway import auth, keys, operator
from infra import manifest
from tests.integration.test_refusals import refused
from tests.integration.world import PROJECT, World, world

DOOR = "/v1/keys"


@pytest.fixture(scope="module")
def unchanged() -> Iterator[World]:
    with world(in_memory=True, models=["nano-banana"]) as made:
        operator.perform({"action": "project.create", "project_id": "other", "name": "Other"})
        yield made


GOOD = {"name": "x"}
BAD: dict[str, tuple[Any, int, str]] = {
    "no name": ({}, 422, "name"),
    **{f"name {name!r}"[:30]: ({"name": name}, 422, "name") for name in ("", "  ", "x" * 101, 5, None, True, ["x"])},
    **{
        f"scopes {scopes!r}"[:30]: (GOOD | {"scopes": scopes}, 422, field)
        for scopes, field in (
            ("read", "scopes"), ({}, "scopes"), (5, "scopes"), ([], "scopes"), (["all"], "scopes"),
            (["read", "root"], "scopes"), (["READ"], "scopes"), ([""], "scopes"), ([5], "scopes.0"),
            (["read", None], "scopes.1"), (["read"] * 101, "scopes"), (["x" * 101], "scopes.0"),
        )
    },
    **{
        f"limit {limit!r}": (GOOD | {"spending_limit": limit}, 422, "spending_limit")
        for limit in (5, "5", True, [], [5])
    },
    **{
        f"{part} {micros!r}": (GOOD | {"spending_limit": {part: micros}}, 422, f"spending_limit.{part}")
        for part in ("day_micros", "month_micros", "total_micros")
        for micros in (-1, 10**15 + 1, 1.0, 0.5, "5", True, [], {})
    },
    "limit of a week": (GOOD | {"spending_limit": {"week_micros": 1}}, 422, "spending_limit.week_micros"),
    **{
        f"end {end!r}": (GOOD | {"expires_at": end}, 422, "expires_at")
        for end in (
            "", "tomorrow", "2026-13-01", "2026-11-20T23:59:59Z", "2026-11-21T00:00:00Z", "2026-11-21T00:30:00+01:00",
            "1999-01-01", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", 1_800_000_000, True, [], "9" * 65,
        )
    },
    **{
        f"field {name}": (GOOD | {name: "x"}, 422, name)
        for name in ("project_id", "key_id", "api_key", "secret_sha256", "revoked_at", "created_at", "scope")
    },
    "a limit and keys:write": (
        GOOD | {"scopes": ["read", "keys:write"], "spending_limit": {"day_micros": 1}}, 400, "scopes",
    ),
    "a limit and settings:write": (
        GOOD | {"scopes": ["settings:write"], "spending_limit": {"total_micros": 0}}, 400, "scopes",
    ),
    "a list": ([], 422, "body"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_key_is_refused_and_named(unchanged: World, case: str) -> None:
    body, status, field = BAD[case]
    got, answer = refused(unchanged, "POST", DOOR, body)
    assert (got, answer["error"], answer["field"]) == (status, "invalid_request", field)
    if field == "scopes" and status == 422 and isinstance(body["scopes"], list) and len(body["scopes"]) in {1, 2}:
        assert answer["allowed"] == list(auth.SCOPES)


@pytest.mark.parametrize("lacked", auth.SCOPES)
def test_a_key_gives_no_scope_that_it_lacks(unchanged: World, lacked: str) -> None:
    own = [scope for scope in auth.SCOPES if scope != lacked]
    maker = keys.create(PROJECT, "maker", scopes=own)["api_key"]
    got, answer = refused(unchanged, "POST", DOOR, GOOD | {"scopes": ["read", lacked]}, key=maker)
    assert (got, answer["error"], answer["scope"]) == (403, "forbidden", lacked)


def test_the_usual_scopes_are_given_by_those_alone_who_have_them(unchanged: World) -> None:
    maker = keys.create(PROJECT, "maker", scopes=["keys:write", "read"])["api_key"]
    got, answer = refused(unchanged, "POST", DOOR, GOOD, key=maker)
    assert (got, answer["scope"]) == (403, "generate")
    assert unchanged.request("POST", DOOR, GOOD | {"scopes": ["read"]}, key=maker)[0] == 201


CHANGES: dict[str, tuple[Any, int, str]] = {
    **{f"name {name!r}"[:30]: ({"name": name}, 422, "name") for name in ("", "  ", "x" * 101, 5, None)},
    **{f"limit {limit!r}": ({"spending_limit": limit}, 422, "spending_limit") for limit in (5, "5", [])},
    **{
        f"day {micros!r}": ({"spending_limit": {"day_micros": micros}}, 422, "spending_limit.day_micros")
        for micros in (-1, 10**15 + 1, 1.0, "5", True)
    },
    **{
        f"field {name}": ({name: None}, 422, name)
        for name in ("scopes", "expires_at", "revoked_at", "project_id", "key_id", "api_key")
    },
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_change_that_cannot_be_is_refused_and_named(unchanged: World, case: str) -> None:
    body, status, field = CHANGES[case]
    got, answer = refused(unchanged, "PATCH", f"{DOOR}/{unchanged.key_id}", body)
    assert (got, answer["error"], answer["field"]) == (status, "invalid_request", field)


@pytest.mark.parametrize("scope", ["keys:write", "settings:write"])
def test_a_key_that_could_lift_its_limit_gets_none(unchanged: World, scope: str) -> None:
    key_id = keys.create(PROJECT, "manager", scopes=[scope])["key_id"]
    got, answer = refused(unchanged, "PATCH", f"{DOOR}/{key_id}", {"spending_limit": {"day_micros": 0}})
    assert (got, answer["error"], answer["field"]) == (400, "invalid_request", "spending_limit")
    assert scope in answer["message"]
    assert scope in answer["hint"]


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_a_key_of_another_project_is_not_there(unchanged: World, method: str) -> None:
    theirs = keys.create("other", "theirs", scopes=auth.SCOPES)
    body = {"name": "mine"} if method == "PATCH" else None
    absent_id = "x" * 12
    foreign = refused(unchanged, method, f"{DOOR}/{theirs['key_id']}", body)
    absent = refused(unchanged, method, f"{DOOR}/{absent_id}", body)
    assert foreign[0] == absent[0] == 404
    assert foreign[1]["message"].replace(theirs["key_id"], absent_id) == absent[1]["message"]
    _, own, _ = unchanged.request("GET", DOOR)
    assert theirs["key_id"] not in {item["key_id"] for item in own["items"]}
    assert unchanged.request("GET", DOOR, key=theirs["api_key"])[0] == 200


NEEDS = {
    ("POST", "/v1/generate/media"): "generate",
    ("POST", "/v1/generate/media:batch"): "generate",
    ("POST", "/v1/media/generate"): "generate",
    ("POST", "/v1/generations/{generation_id}/cancel"): "generate",
    ("GET", "/v1/generations"): "read",
    ("GET", "/v1/generations/{generation_id}"): "read",
    ("POST", "/v1/estimate"): "read",
    ("POST", "/v1/route"): "read",
    ("POST", "/v1/routers"): "settings:write",
    ("GET", "/v1/routers"): "read",
    ("GET", "/v1/routers/{name}"): "read",
    ("PUT", "/v1/routers/{name}"): "settings:write",
    ("DELETE", "/v1/routers/{name}"): "settings:write",
    ("POST", "/v1/routers/{name}/dry-run"): "read",
    ("GET", "/v1/balance"): "billing:read",
    ("GET", "/v1/records"): "billing:read",
    ("GET", "/v1/ledger"): "billing:read",
    ("GET", "/v1/sessions/{session_id+}"): "billing:read",
    ("GET", "/v1/records/export"): "billing:read",
    ("GET", "/v1/exports"): "billing:read",
    ("POST", "/v1/upload/media"): "files:write",
    ("POST", "/v1/drive/sign"): "read",
    ("POST", "/v1/keys"): "keys:write",
    ("GET", "/v1/keys"): "read",
    ("GET", "/v1/keys/{key_id}"): "read",
    ("PATCH", "/v1/keys/{key_id}"): "keys:write",
    ("DELETE", "/v1/keys/{key_id}"): "keys:write",
    ("GET", "/v1/providers"): "read",
    ("GET", "/v1/providers/{provider}/key"): "read",
    ("PUT", "/v1/providers/{provider}/key"): "secrets:write",
    ("DELETE", "/v1/providers/{provider}/key"): "secrets:write",
    ("GET", "/v1/settings"): "read",
    ("PUT", "/v1/settings"): "settings:write",
}
"""The one scope that each route needs."""
BODIES: dict[str, Any] = {
    "/v1/generate/media": {"model": "nano-banana", "prompt": "x"},
    "/v1/generate/media:batch": {"requests": [{"model": "nano-banana", "prompt": "x"}]},
    "/v1/media/generate": {"model": "nano-banana", "inputs": {"prompt": "x"}},
    "/v1/estimate": {"model": "nano-banana", "prompt": "x"},
    "/v1/route": {"mode": "image", "inputs": {"prompt": "x"}},
    "/v1/routers": {"name": "drafts", "mode": "image"},
    "/v1/routers/{name}": {"mode": "image"},
    "/v1/routers/{name}/dry-run": {},
    "/v1/upload/media": {"files": [{"filename": "a.png", "content_type": "image/png", "bytes": 5}]},
    "/v1/drive/sign": {"drive_path": "a.png"},
    "/v1/keys": {"name": "x", "scopes": ["keys:write"]},
    "/v1/keys/{key_id}": {"name": "x"},
    "/v1/settings": {},
    "/v1/providers/{provider}/key": {"key": "a key of the project's", "test": False},
}


def test_every_guarded_route_says_which_scope_it_needs() -> None:
    assert set(NEEDS) == {(route.method, route.path) for route in manifest.ROUTES if not route.public_because}
    assert set(NEEDS.values()) <= set(auth.SCOPES)


def test_a_route_opens_with_its_scope_alone_and_with_no_other(unchanged: World) -> None:
    only = {scope: keys.create(PROJECT, scope, scopes=[scope])["api_key"] for scope in auth.SCOPES}
    generation_id = unchanged.generate()
    for (method, path), needed in NEEDS.items():
        for scope, key in only.items():
            key_id = keys.create(PROJECT, "victim")["key_id"] if (scope, "{" in path) == (needed, True) else "x"
            concrete = path.replace("{session_id+}", "s/cost").format(
                generation_id=generation_id, key_id=key_id, name="drafts", provider="fal"
            )
            body = BODIES.get(path) if method != "GET" else None
            raw = unchanged.answer(method, concrete, body, key=key)
            status, answer = raw["statusCode"], raw["body"]
            if scope == needed:
                assert status not in {401, 403}, (method, path, answer)
            else:
                assert (status, json.loads(answer).get("scope")) == (403, needed), (method, path, scope)
