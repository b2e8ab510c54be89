"""API keys: made once and shown once, never more than their maker, refused the moment they end."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from gateway import auth, ids, keys, operator, tables
from gateway.errors import Unavailable
from gateway.spending import SpendingLimit
from infra import manifest
from tests.chaos import faults
from tests.integration.test_refusals import refused
from tests.integration.world import PROJECT, Crash, Faults, World, world

DOOR = "/v1/keys"
GOOD = {"name": "x"}
LIMIT = {"day_micros": 5_000_000, "month_micros": None, "total_micros": 90_000_000}
SOON = "2026-11-21T01:00:00.000000Z"
"""An hour after a world begins."""


@pytest.fixture
def museway() -> Iterator[World]:
    with world(in_memory=True, models=["nano-banana"]) as made:
        yield made


def make(museway: World, **body: Any) -> dict[str, Any]:
    status, made, _ = museway.request("POST", DOOR, {"name": "render farm"} | body)
    assert status == 201, made
    return made


def ask(museway: World, method: str, path: str, body: Any = None, **how: Any) -> dict[str, Any]:
    status, answer, _ = museway.request(method, path, body, **how)
    assert status == 200, answer
    return answer


def test_a_key_is_made_shown_once_and_opens(museway: World) -> None:
    museway.clock.sleep(1)
    made = make(museway, name=" ci ", scopes=["read", "generate", "read"], spending_limit=LIMIT, expires_at=SOON)
    api_key = made.pop("api_key")
    assert made == {
        "key_id": api_key[3:15],
        "name": "ci",
        "scopes": ["generate", "read"],
        "spending_limit": LIMIT,
        "created_at": "2026-11-21T00:00:01.000000Z",
        "expires_at": SOON,
        "revoked_at": None,
    }
    nothing = {
        "day": {"limit_micros": 5_000_000, "counted_micros": 0},
        "month": {"limit_micros": None, "counted_micros": 0},
        "total": {"limit_micros": 90_000_000, "counted_micros": 0},
    }
    assert ask(museway, "GET", f"{DOOR}/{made['key_id']}", key=api_key) == made | {"counted": nothing}
    assert ask(museway, "GET", DOOR)["items"][0] == made
    stored = json.dumps(museway.dynamodb.scan(TableName="projects")["Items"])
    assert api_key[15:47] not in stored


def test_without_a_word_a_key_has_the_usual_scopes_no_limit_and_no_end(museway: World) -> None:
    made = make(museway)
    assert made["scopes"] == list(auth.DEFAULT_SCOPES)
    assert (made["spending_limit"], made["expires_at"], made["revoked_at"]) == (None, None, None)
    assert make(museway, spending_limit={}, scopes=None, expires_at=None)["spending_limit"] is None


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("2026-11-21T02:00:00+01:00", SOON),
        ("2026-11-21T01:00:00", SOON),
        ("2026-11-21T01:00:00Z", SOON),
        ("2026-11-22", "2026-11-22T00:00:00.000000Z"),
    ],
)
def test_an_end_is_kept_in_utc(museway: World, given: str, kept: str) -> None:
    assert make(museway, expires_at=given)["expires_at"] == kept


def test_a_change_keeps_what_it_does_not_name(museway: World) -> None:
    made = make(museway, spending_limit=LIMIT)
    path = f"{DOOR}/{made['key_id']}"
    made.pop("api_key")
    assert ask(museway, "PATCH", path, {}) == made
    assert ask(museway, "PATCH", path, {"name": "other"}) == made | {"name": "other"}
    changed = ask(museway, "PATCH", path, {"spending_limit": {"total_micros": 7, "day_micros": None}})
    assert changed["spending_limit"] == {"day_micros": None, "month_micros": None, "total_micros": 7}
    assert ask(museway, "PATCH", path, {"spending_limit": {"month_micros": 0}})["spending_limit"] == {
        "day_micros": None, "month_micros": 0, "total_micros": 7,
    }  # fmt: skip
    assert ask(museway, "PATCH", path, {"spending_limit": None}) == made | {"name": "other", "spending_limit": None}
    assert ask(museway, "GET", path)["spending_limit"] is None


def test_parts_of_a_limit_that_are_set_at_the_same_time_are_both_kept(
    museway: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    key_id = make(museway)["key_id"]
    once = tables.ApiKey.find

    def overtaken(asked_id: str) -> Any:
        found = once(asked_id)
        monkeypatch.setattr(tables.ApiKey, "find", once)
        keys.change(PROJECT, key_id, {"spending_limit": {"day_micros": 1}})
        return found

    monkeypatch.setattr(tables.ApiKey, "find", overtaken)
    changed = keys.change(PROJECT, key_id, {"spending_limit": {"month_micros": 2}})
    assert changed["spending_limit"] == {"day_micros": 1, "month_micros": 2, "total_micros": None}


def test_a_key_that_others_keep_changing_is_left_to_them(museway: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables.ApiKey, "change", lambda *_: False)
    with pytest.raises(Unavailable):
        keys.change(PROJECT, museway.key_id, {"name": "x"})


def test_a_limit_travels_with_the_request_and_takes_no_read(museway: World, monkeypatch: pytest.MonkeyPatch) -> None:
    limited = make(museway, spending_limit=LIMIT)
    seen: list[auth.Principal] = []
    original = auth.from_context
    monkeypatch.setattr(auth, "from_context", lambda context: seen.append(original(context)) or seen[-1])
    before = len(museway.faults.calls)
    ask(museway, "GET", "/v1/generations", key=limited["api_key"])
    assert museway.faults.calls[before:] == ["GetItem", "Query"]  # the key, and the list
    ask(museway, "GET", "/v1/generations")
    assert [found.spending_limit for found in seen] == [SpendingLimit(5_000_000, None, 90_000_000), None]
    context = museway._call("authorizer", {"headers": {"authorization": f"Bearer {limited['api_key']}"}})["context"]
    assert all(isinstance(value, str) for value in context.values())


def test_what_a_key_spends_is_counted_and_shown_with_it(museway: World) -> None:
    made = make(museway, scopes=["generate", "read", "billing:read"], spending_limit={"day_micros": 78_000})
    body = {"model": "nano-banana", "prompt": "a fox"}
    for status in (202, 202, 402):
        assert museway.request("POST", "/v1/generate/media", body, key=made["api_key"])[0] == status
    shown = ask(museway, "GET", f"{DOOR}/{made['key_id']}")["counted"]
    assert shown["day"] == {"limit_micros": 78_000, "counted_micros": 78_000}
    assert ask(museway, "GET", "/v1/balance", key=made["api_key"])["limits"] == {"key": shown}
    # Without its limit it is still counted, so that a limit set later knows what came before it.
    path = f"{DOOR}/{made['key_id']}"
    assert ask(museway, "PATCH", path, {"spending_limit": None})["spending_limit"] is None
    assert museway.request("POST", "/v1/generate/media", body, key=made["api_key"])[0] == 202
    ask(museway, "PATCH", path, {"spending_limit": {"total_micros": 120_000}})
    assert museway.request("POST", "/v1/generate/media", body, key=made["api_key"])[0] == 402
    assert ask(museway, "GET", path)["counted"]["total"] == {"limit_micros": 120_000, "counted_micros": 117_000}
    assert museway.violations() == []


def test_a_key_expires_to_the_moment(museway: World) -> None:
    key = make(museway, expires_at=SOON)["api_key"]
    museway.clock.sleep(3599)
    assert museway.request("GET", "/v1/balance", key=key)[0] == 200
    museway.clock.sleep(1)
    status, answer, _ = museway.request("GET", "/v1/balance", key=key)
    assert (status, answer["error"], answer["message"]) == (401, "unauthorized", "This API key has expired.")


def test_a_key_is_revoked_at_once_and_keeps_the_first_time(museway: World) -> None:
    made = make(museway)
    path = f"{DOOR}/{made['key_id']}"
    museway.clock.sleep(5)
    revoked = ask(museway, "DELETE", path)
    assert revoked["revoked_at"] == "2026-11-21T00:00:05.000000Z"
    assert "api_key" not in revoked
    status, answer, _ = museway.request("GET", "/v1/balance", key=made["api_key"])
    assert (status, answer["message"]) == (401, "This API key was revoked.")
    museway.clock.sleep(5)
    assert ask(museway, "DELETE", path) == revoked
    assert ask(museway, "GET", path) == revoked | {"counted": None}


def test_a_key_may_revoke_itself(museway: World) -> None:
    assert ask(museway, "DELETE", f"{DOOR}/{museway.key_id}")["key_id"] == museway.key_id
    assert museway.request("GET", DOOR)[0] == 401


def test_two_who_revoke_at_the_same_time_agree(museway: World, monkeypatch: pytest.MonkeyPatch) -> None:
    key_id = make(museway)["key_id"]
    once = tables.ApiKey.find

    def overtaken(asked_id: str) -> Any:
        found = once(asked_id)
        monkeypatch.setattr(tables.ApiKey, "find", once)
        keys.revoke(PROJECT, key_id)
        museway.clock.sleep(1)
        return found

    monkeypatch.setattr(tables.ApiKey, "find", overtaken)
    assert keys.revoke(PROJECT, key_id)["revoked_at"] == "2026-11-21T00:00:00.000000Z"


def make_one(museway: World) -> None:
    keys.create(PROJECT, "new")


def revoke_one(museway: World) -> None:
    keys.revoke(PROJECT, museway.key_id)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("act", "live"), [(make_one, (1, 2)), (revoke_one, (1, 0))])
def test_a_crash_at_the_write_leaves_all_of_it_or_nothing(act: Any, live: tuple[int, int], when: str) -> None:
    with world(in_memory=True, models=["nano-banana"]) as untouched:
        act(untouched)
        number = untouched.faults.calls.index("TransactWriteItems")
    with world(in_memory=True, models=["nano-banana"], faults=Faults(at=number, when=when)) as museway:
        with pytest.raises(Crash):
            act(museway)
        listed = keys.listed(PROJECT, 100, None)["items"]
        assert len([key for key in listed if key["revoked_at"] is None]) == live[when == "after"]
        assert tables.ListedKey.count_live(PROJECT, ids.timestamp(ids.now())) == live[when == "after"]


def test_keys_are_listed_newest_first_page_by_page(museway: World) -> None:
    made = [museway.key_id]
    for number in range(24):
        if number % 5:  # some at the very same moment
            museway.clock.sleep(1)
        made.append(make(museway, expires_at="2026-11-21T00:00:59Z")["key_id"])
    ask(museway, "DELETE", f"{DOOR}/{made[3]}")
    museway.clock.sleep(60)
    found, cursor, sizes = [], "", []
    while cursor is not None:
        page = ask(museway, "GET", f"{DOOR}?limit=10{cursor and f'&cursor={cursor}'}")
        sizes.append(len(page["items"]))
        found += page["items"]
        cursor = page["next_cursor"]
    assert sizes == [10, 10, 5]
    assert sorted(key["key_id"] for key in found) == sorted(made)
    moments = [key["created_at"] for key in found]
    assert moments == sorted(moments, reverse=True)
    assert [key["key_id"] for key in found if key["revoked_at"]] == [made[3]]


def test_a_cursor_leads_nowhere_but_on_in_ones_own_keys(museway: World) -> None:
    make(museway)
    operator.perform({"action": "project.create", "project_id": "other", "name": "Other"})
    theirs = keys.create("other", "theirs")
    cursor = ask(museway, "GET", f"{DOOR}?limit=1")["next_cursor"]
    seen = {key["key_id"] for key in ask(museway, "GET", f"{DOOR}?cursor={cursor}", key=theirs["api_key"])["items"]}
    assert seen <= {theirs["key_id"]}
    for strange in ("WyJQUk9KRUNUIl0", "W10", "WyJhIiwiYiJd", "%25"):  # ["PROJECT"], [], ["a", "b"], %
        assert museway.request("GET", f"{DOOR}?cursor={strange}")[0] == 422


def test_a_project_has_so_many_live_keys_and_no_more(museway: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert keys.LIVE_KEYS_MAX == 100
    monkeypatch.setattr(keys, "LIVE_KEYS_MAX", 4)
    short = [make(museway, expires_at=SOON)["key_id"] for _ in range(3)]
    got, answer = refused(museway, "POST", DOOR, GOOD)
    assert (got, answer["error"], answer["maximum"]) == (400, "too_many_keys", 4)
    ask(museway, "DELETE", f"{DOOR}/{short[0]}")
    make(museway)
    assert refused(museway, "POST", DOOR, GOOD)[1]["error"] == "too_many_keys"
    museway.clock.sleep(3600)  # what expired does not count
    make(museway)
    make(museway)
    assert refused(museway, "POST", DOOR, GOOD)[1]["error"] == "too_many_keys"
    assert operator.perform({"action": "project.key", "project_id": PROJECT})["api_key"]


class TestRepeats:
    def send(self, museway: World, body: Any, idempotency_key: str = "k", **how: Any) -> Any:
        return museway.request("POST", DOOR, body, headers={"Idempotency-Key": idempotency_key}, **how)

    def test_a_repeat_makes_no_second_key_and_names_the_first(self, museway: World) -> None:
        body = {"name": "ci", "scopes": ["read"], "spending_limit": {"day_micros": 5}, "expires_at": SOON}
        status, made, _ = self.send(museway, body)
        assert status == 201
        same = {"expires_at": "2026-11-21T02:00:00+01:00", "scopes": ["read", "read"], "name": " ci "}
        for again in (body, body | same):
            status, answer, _ = self.send(museway, again)
            assert (status, answer["error"], answer["key_id"]) == (409, "already_created", made["key_id"])
            assert "api_key" not in answer
        assert len(ask(museway, "GET", DOOR)["items"]) == 2

    def test_it_is_a_repeat_however_the_key_fared(self, museway: World, monkeypatch: pytest.MonkeyPatch) -> None:
        body = GOOD | {"expires_at": SOON}
        key_id = self.send(museway, body)[1]["key_id"]
        ask(museway, "PATCH", f"{DOOR}/{key_id}", {"name": "renamed", "spending_limit": {"day_micros": 1}})
        ask(museway, "DELETE", f"{DOOR}/{key_id}")
        museway.clock.sleep(7200)
        monkeypatch.setattr(keys, "LIVE_KEYS_MAX", 0)
        status, answer, _ = self.send(museway, body)
        assert (status, answer["error"], answer["key_id"]) == (409, "already_created", key_id)

    def test_another_body_is_refused_by_its_fields_never_their_values(self, museway: World) -> None:
        self.send(museway, {"name": "secret fox"})
        body = {"name": "hidden fox", "scopes": ["read"], "spending_limit": {"day_micros": 1}, "expires_at": SOON}
        status, answer, _ = self.send(museway, body)
        assert (status, answer["error"]) == (422, "idempotency_key_reused")
        assert answer["fields"] == ["expires_at", "name", "scopes", "spending_limit"]
        assert "fox" not in json.dumps(answer)

    def test_a_refused_request_does_not_use_the_key_up(self, museway: World) -> None:
        assert self.send(museway, {"name": ""})[0] == 422
        assert self.send(museway, GOOD | {"scopes": ["keys:write"], "spending_limit": {"day_micros": 1}})[0] == 400
        assert self.send(museway, GOOD)[0] == 201

    def test_projects_do_not_meet_and_keys_of_one_share(self, museway: World) -> None:
        operator.perform({"action": "project.create", "project_id": "other", "name": "Other"})
        theirs = keys.create("other", "theirs", scopes=auth.SCOPES)["api_key"]
        second = keys.create(PROJECT, "second", scopes=auth.SCOPES)["api_key"]
        first = self.send(museway, GOOD)[1]["key_id"]
        status, made, _ = self.send(museway, GOOD, key=theirs)
        assert status == 201
        assert made["key_id"] != first
        assert self.send(museway, GOOD, key=second)[1]["key_id"] == first

    @pytest.mark.parametrize("idempotency_key", ["", "k" * 256])
    def test_it_has_1_to_255_characters(self, museway: World, idempotency_key: str) -> None:
        status, answer, _ = self.send(museway, GOOD, idempotency_key)
        assert (status, answer["field"]) == (422, "Idempotency-Key")

    def test_one_that_met_another_makes_one_key(self, museway: World, monkeypatch: pytest.MonkeyPatch) -> None:
        once = tables.ApiKey.find
        met: list[dict[str, Any]] = []

        def overtaken(key_id: str) -> Any:
            if key_id == museway.key_id:
                return once(key_id)
            monkeypatch.setattr(tables.ApiKey, "find", once)
            met.append(keys.create(PROJECT, "x", idempotency_key="k"))
            return None

        monkeypatch.setattr(tables.ApiKey, "find", overtaken)
        status, answer, _ = self.send(museway, GOOD)
        assert (status, answer["error"], answer["key_id"]) == (409, "already_created", met[0]["key_id"])
        assert len(keys.listed(PROJECT, 100, None)["items"]) == 2

    @pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k"}])
    def test_a_write_repeated_by_the_client_library_is_no_repeat(self, museway: World, headers: dict[str, str]) -> None:
        """The answer of the transaction is lost, botocore sends it again, and every condition fails on itself."""
        museway.faults.each_of["TransactWriteItems"] = faults.repeated
        status, made, _ = museway.request("POST", DOOR, GOOD, headers=headers)
        assert status == 201
        assert ask(museway, "DELETE", f"{DOOR}/{made['key_id']}")["revoked_at"]
        assert len(keys.listed(PROJECT, 100, None)["items"]) == 2


def test_the_function_calls_no_more_than_it_is_granted(museway: World) -> None:
    [function] = [one for one in manifest.FUNCTIONS if one.name == "projects"]
    granted = {action for grant in function.grants for action in grant.actions.split()}
    before = len(museway.faults.calls)
    key_id = make(museway)["key_id"]
    for method, path, body in (
        ("GET", DOOR, None),
        ("GET", f"{DOOR}/{key_id}", None),
        ("PATCH", f"{DOOR}/{key_id}", {"name": "x"}),
        ("DELETE", f"{DOOR}/{key_id}", None),
        ("GET", "/v1/settings", None),
        ("PUT", "/v1/settings", {"currency": "EUR"}),
    ):
        ask(museway, method, path, body)
    # A transaction needs the actions of its writes.
    assert set(museway.faults.calls[before:]) - {"TransactWriteItems"} <= granted
    assert {"PutItem", "UpdateItem"} <= granted
