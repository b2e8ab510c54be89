"""A project's own keys at providers: tested on save, shown by their last four alone, and used for that project only."""

import json
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from gateway import health, keys, operator, provider_keys, providers, tables, transport
from gateway.errors import Unavailable
from gateway.providers import ApiKey
from infra import manifest
from museway.records import verify
from tests.integration.test_refusals import refused
from tests.integration.world import PROJECT, World, files, world

OWN, OTHER, PLATFORM = "own-canary-7f3a-1111", "own-canary-9b2c-2222", "platform-canary-33"
"""Secrets whose every appearance outside a provider's call is a leak."""
SECRETS = (OWN, OTHER, PLATFORM)
REAL = providers.provider


class Outside:
    """The providers as HTTP sees them: what was sent with which key, and what is answered."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, str]] = []
        """Method, address and key of each call to a provider."""
        self.check = httpx.Response(200, json={"code": 200, "data": 5})
        self.submit_statuses: dict[str, int] = {}
        """By key, what a submission is answered instead of 200."""
        self.job_statuses: dict[str, int] = {}
        """The same of what is asked about a job."""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        host, path = request.url.host, request.url.path
        if host == "files.test":
            return files(request)
        key = request.headers.get("authorization", "").split(" ")[-1]
        self.sent.append((request.method, f"{host}{path}", key))
        if host != "queue.fal.run":
            return self.check
        if request.method == "POST":
            return self._answer(self.submit_statuses.get(key), {"request_id": "job-1"})
        finished = {"images": [{"url": "http://files.test/1.png"}]}
        told = {"status": "COMPLETED"} if path.endswith("/status") else finished
        return self._answer(self.job_statuses.get(key), told)

    def keys(self, method: str) -> list[str]:
        """The keys of the calls to fal by one method, each once, in their order."""
        return list(dict.fromkeys(key for how, to, key in self.sent if how == method and to.startswith("queue.fal")))

    @staticmethod
    def _answer(status: int | None, told: Mapping[str, Any]) -> httpx.Response:
        return httpx.Response(200, json=told) if status is None else httpx.Response(status, json={"detail": "no"})


def rivalled(compiled: dict[str, Any]) -> None:
    """Put an offer of another provider before each model's own."""
    for model in compiled["models"]:
        offer = model["offers"][0]
        model["offers"].insert(0, offer | {"provider": "replicate", "offer_id": f"{model['id']}@replicate"})


def ours_alone(compiled: dict[str, Any]) -> None:
    """No offer can be called on a project's own account."""
    for model in compiled["models"]:
        for offer in model["offers"]:
            offer["own_accounts"] = False


CHANGES = {"rival first": rivalled, "ours alone": ours_alone}


@pytest.fixture
def outside() -> Iterator[Outside]:
    made = Outside()
    with transport.use(httpx.MockTransport(made)):
        yield made


@pytest.fixture
def museway(request: pytest.FixtureRequest) -> Iterator[World]:
    """A world whose providers are the real adapters, over a wire of our own."""
    in_memory = request.node.get_closest_marker("moto") is None
    changed = CHANGES.get(getattr(request, "param", ""))
    options: dict[str, Any] = {"models": ["nano-banana"], "in_memory": in_memory, "changed": changed}
    with world(**options) as made, pytest.MonkeyPatch.context() as monkeypatch:
        provider_keys.forget()
        providers.forget()
        monkeypatch.setattr(providers, "provider", REAL)
        monkeypatch.setattr(providers, "api_key", lambda _name: ApiKey(PLATFORM))
        change_plan(platform_fee_bps=1_000, margin_bps=500)
        for secret in SECRETS:
            made.overheard.add(secret)
        yield made
        for table in manifest.TABLES:
            assert not [item for item in made._items(table.name) if any(one in str(item) for one in SECRETS)]
    provider_keys.forget()
    providers.forget()


@pytest.fixture
def wired(museway: World, outside: Outside) -> tuple[World, Outside]:
    return museway, outside


def change_plan(**bps: int) -> None:
    project = tables.Project.find(PROJECT)
    assert project
    project.change([getattr(tables.Project, name).set(value) for name, value in bps.items()])


def save(museway: World, provider: str = "fal", key: str = OWN, **how: Any) -> dict[str, Any]:
    status, answer, _ = museway.request("PUT", f"/v1/providers/{provider}/key", {"key": key} | how)
    assert status == 200, answer
    return answer


def has_keys(museway: World) -> dict[str, Any]:
    listed = museway.request("GET", "/v1/providers")[1]["items"]
    return {item["provider"]: item["key"] for item in listed if item["key"]}


class TestSaving:
    @pytest.mark.moto
    def test_a_good_key_is_tested_saved_and_never_shown_again(self, wired: tuple[World, Outside]) -> None:
        museway, outside = wired
        shown = {"last_four": "1111", "tested": True, "saved_at": "2026-11-21T00:00:00.000000Z"}
        assert save(museway, "openai", f"{OWN}\n") == {"provider": "openai", **shown, "warnings": []}
        assert outside.sent == [("GET", "api.openai.com/v1/models", OWN)]
        assert museway.request("GET", "/v1/providers/openai/key")[1] == {"provider": "openai", **shown}
        assert has_keys(museway) == {"openai": shown}
        assert provider_keys.current(PROJECT, "openai") == ApiKey(OWN)
        assert OWN not in str(museway._items("projects"))

    @pytest.mark.parametrize("status", [401, 403])
    def test_one_that_the_provider_refuses_is_refused(self, wired: tuple[World, Outside], status: int) -> None:
        museway, outside = wired
        outside.check = httpx.Response(status, json={"error": f"bad key {OWN}"})
        got, answer = refused(museway, "PUT", "/v1/providers/openai/key", {"key": OWN})
        assert (got, answer["error"], answer["field"]) == (400, "provider_key_rejected", "key")
        assert OWN not in json.dumps(answer)

    @pytest.mark.parametrize(
        ("provider", "answer"),
        [
            ("openai", httpx.Response(500)),
            ("openai", httpx.Response(404)),
            ("openai", httpx.Response(302, headers={"location": "http://elsewhere.test"})),
            ("kie", httpx.Response(200, json={"code": 500})),
            ("kie", httpx.Response(200, text="<html>")),
        ],
    )
    def test_a_provider_that_does_not_say_keeps_all_as_it_was(
        self, wired: tuple[World, Outside], provider: str, answer: httpx.Response
    ) -> None:
        museway, outside = wired
        outside.check = answer
        status, told, _ = museway.request("PUT", f"/v1/providers/{provider}/key", {"key": OWN})
        assert (status, told["error"]) == (503, "provider_unavailable")
        assert has_keys(museway) == {}
        assert len(outside.sent) == 1

    def test_a_status_in_the_body_counts(self, wired: tuple[World, Outside]) -> None:
        museway, outside = wired
        outside.check = httpx.Response(200, json={"code": 401, "msg": "no"})
        assert refused(museway, "PUT", "/v1/providers/kie/key", {"key": OWN})[1]["error"] == "provider_key_rejected"
        outside.check = httpx.Response(200, json={"code": 200, "data": 7})
        assert save(museway, "kie")["tested"] is True
        assert outside.sent[-1] == ("GET", "api.kie.ai/api/v1/chat/credit", OWN)

    def test_without_a_call_to_ask_by_it_is_saved_untested_and_says_so(self, wired: tuple[World, Outside]) -> None:
        museway, outside = wired
        saved = save(museway, "fal")
        assert (saved["tested"], saved["warnings"]) == (
            False,
            ["fal.ai has no call to test a key by; it was saved untested."],
        )
        assert outside.sent == []

    def test_unasked_it_is_saved_without_a_call(self, wired: tuple[World, Outside]) -> None:
        museway, outside = wired
        saved = save(museway, "openai", test=False)
        assert (saved["tested"], saved["warnings"], outside.sent) == (False, [], [])

    def test_a_second_replaces_the_first_and_a_deleted_one_is_gone(self, wired: tuple[World, Outside]) -> None:
        museway, _ = wired
        save(museway, "fal")
        save(museway, "replicate", test=False)
        save(museway, "fal", OTHER)
        assert provider_keys.current(PROJECT, "fal") == ApiKey(OTHER)
        assert museway.request("DELETE", "/v1/providers/fal/key")[1]["last_four"] == "2222"
        assert provider_keys.current(PROJECT, "fal") is None
        assert set(has_keys(museway)) == {"replicate"}
        for method in ("GET", "DELETE"):
            assert refused(museway, method, "/v1/providers/fal/key")[0] == 404
        assert "ciphertext" not in str([one for one in museway._items("projects") if "#fal" in one["pk"]["S"]])

    @pytest.mark.parametrize(
        "key", ["short", "x" * 4097, "with\nline-break", "emoji-🔑-emoji", " " * 20, "", 7, None, ["x" * 20]]
    )
    def test_what_can_be_no_key(self, wired: tuple[World, Outside], key: Any) -> None:
        museway, outside = wired
        status, answer = refused(museway, "PUT", "/v1/providers/openai/key", {"key": key})
        assert (status, answer["field"], outside.sent) == (422, "key", [])
        assert not isinstance(key, str) or len(key) < 5 or key not in json.dumps(answer, ensure_ascii=False)

    def test_an_unknown_provider(self, wired: tuple[World, Outside]) -> None:
        assert refused(wired[0], "PUT", "/v1/providers/nobody/key", {"key": OWN})[0] == 404

    def test_it_takes_the_scope_and_stays_in_its_project(self, wired: tuple[World, Outside]) -> None:
        museway, _ = wired
        save(museway)
        reader = keys.create(PROJECT, "reader", scopes=["read"])["api_key"]
        operator.perform({"action": "project.create", "project_id": "other", "name": "Other"})
        stranger = keys.create("other", "theirs", scopes=["read", "secrets:write"])["api_key"]
        for method, body in (("PUT", {"key": OWN}), ("DELETE", None)):
            assert refused(museway, method, "/v1/providers/fal/key", body, key=reader)[1]["scope"] == "secrets:write"
            if method == "DELETE":
                assert refused(museway, method, "/v1/providers/fal/key", key=stranger)[0] == 404
        assert museway.request("GET", "/v1/providers/fal/key", key=reader)[0] == 200
        assert refused(museway, "GET", "/v1/providers/fal/key", key=stranger)[0] == 404
        assert not any(one["key"] for one in museway.request("GET", "/v1/providers", key=stranger)[1]["items"])

    @pytest.mark.moto
    @pytest.mark.parametrize("place", [("other", "fal"), (PROJECT, "replicate")])
    def test_in_anothers_place_it_cannot_be_opened(self, wired: tuple[World, Outside], place: tuple[str, str]) -> None:
        museway, _ = wired
        save(museway)
        kept = tables.ProviderKey.find(PROJECT, "fal")
        assert kept
        moved = tables.ProviderKey.of(*place)
        moved.ciphertext = kept.ciphertext
        moved.insert()
        assert provider_keys.current(*place) is None
        assert provider_keys.current(PROJECT, "fal") == ApiKey(OWN)

    def test_keys_that_are_saved_at_the_same_time_are_both_listed(
        self, wired: tuple[World, Outside], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        museway, _ = wired
        once = tables.Project.find

        def overtaken(project_id: str) -> Any:
            found = once(project_id)
            monkeypatch.setattr(tables.Project, "find", once)
            provider_keys.save(PROJECT, "replicate", OTHER, test=False)
            return found

        monkeypatch.setattr(tables.Project, "find", overtaken)
        save(museway)
        assert set(has_keys(museway)) == {"fal", "replicate"}

    def test_a_listing_that_others_keep_changing_is_left_to_them(
        self, wired: tuple[World, Outside], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fails(_transaction: Any) -> None:
            raise tables.ConditionFailed(frozenset({"project"}))

        monkeypatch.setattr(tables.Transaction, "commit", fails)
        with pytest.raises(Unavailable):
            provider_keys.save(PROJECT, "fal", OWN, test=False)

    def test_what_was_opened_is_kept_a_while_and_within_bounds(
        self, wired: tuple[World, Outside], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        museway, _ = wired
        save(museway)
        decrypted = museway.faults.calls.count("Decrypt")
        for _ in range(3):
            assert provider_keys.current(PROJECT, "fal") == ApiKey(OWN)
        assert museway.faults.calls.count("Decrypt") == decrypted + 1
        monkeypatch.setattr(provider_keys, "OPENED_KEPT_SECONDS", 0.0)
        provider_keys.current(PROJECT, "fal")
        assert museway.faults.calls.count("Decrypt") == decrypted + 2
        monkeypatch.setattr(provider_keys, "OPENED_MAX", 1)
        save(museway, "replicate", OTHER, test=False)
        provider_keys.current(PROJECT, "replicate")
        assert len(provider_keys._opened_before) == 1


LIST_MICROS = 39_000
FEE_MICROS, PRICE_MICROS = 3_900, 40_950
"""Of one picture: a tenth of the list price under its own key, else the list price with a margin of a twentieth."""
FOX = {"model": "nano-banana", "prompt": "a fox"}


def record_of(museway: World, generation_id: str) -> dict[str, Any]:
    (record,) = [
        one for one in museway.request("GET", "/v1/records")[1]["items"] if one["generation_id"] == generation_id
    ]
    return record


class TestUse:
    def test_a_call_runs_on_the_projects_account_for_the_fee_alone(self, wired: tuple[World, Outside]) -> None:
        museway, outside = wired
        save(museway)
        estimate = museway.request("POST", "/v1/estimate", FOX)[1]
        assert (estimate["expected_micros"], estimate["maximum_micros"], estimate["byok"]) == (
            FEE_MICROS,
            FEE_MICROS,
            True,
        )
        generation_id = museway.generate()
        assert museway.totals().held_micros == FEE_MICROS
        museway.settle_down()
        shown = museway.generation(generation_id)
        assert (shown["status"], shown["billed_micros"]) == ("completed", FEE_MICROS)
        assert [one["byok"] for one in shown["attempts"]] == [True]
        record = record_of(museway, generation_id)
        assert (record["byok"], record["amount_micros"], record["subtotal_micros"]) == (True, FEE_MICROS, LIST_MICROS)
        assert verify([record]) == []
        assert {key for _, _, key in outside.sent} == {OWN}

    def test_looking_whether_there_is_a_key_takes_no_read(self, wired: tuple[World, Outside]) -> None:
        museway, _ = wired
        counts = []
        for before in (lambda: None, lambda: save(museway)):
            before()
            museway.generate()
            made = len(museway.faults.calls)
            museway.generate()
            counts.append(museway.faults.calls[made:])
        assert counts[0] == counts[1]

    def test_others_are_not_concerned(self, wired: tuple[World, Outside]) -> None:
        museway, outside = wired
        provider_keys.save(PROJECT, "replicate", OWN, test=False)
        operator.perform({"action": "project.create", "project_id": "other", "name": "Other"})
        provider_keys.save("other", "fal", OTHER, test=False)
        generation_id = museway.generate()
        museway.settle_down()
        assert museway.generation(generation_id)["billed_micros"] == PRICE_MICROS
        assert record_of(museway, generation_id)["byok"] is False
        assert {key for _, _, key in outside.sent} == {PLATFORM}

    def test_a_fee_of_nothing_is_billed_as_nothing(self, wired: tuple[World, Outside]) -> None:
        museway, _ = wired
        change_plan(platform_fee_bps=0)
        save(museway)
        generation_id = museway.generate()
        museway.settle_down()
        assert museway.generation(generation_id)["billed_micros"] == 0
        assert verify([record_of(museway, generation_id)]) == []
        assert museway.violations(at_rest=True) == []

    def test_a_batch_runs_on_it_too(self, wired: tuple[World, Outside]) -> None:
        museway, outside = wired
        save(museway)
        body = {"requests": [FOX, FOX | {"allow_platform_key": True}]}
        accepted = museway.request("POST", "/v1/generate/media:batch", body)[1]["items"]
        assert [one["generation"]["estimated_cost_micros"] for one in accepted] == [FEE_MICROS, PRICE_MICROS]
        museway.settle_down()
        assert museway.totals().spent_micros == 2 * FEE_MICROS
        assert outside.keys("POST") == [OWN]

    def test_a_refused_key_never_falls_to_ours(self, wired: tuple[World, Outside]) -> None:
        museway, outside = wired
        save(museway)
        outside.submit_statuses[OWN] = 401
        generation_id = museway.generate()
        museway.settle_down()
        shown = museway.generation(generation_id)
        assert (shown["status"], shown["error"]["code"], shown["billed_micros"]) == ("failed", "provider_auth", 0)
        assert outside.keys("POST") == [OWN]
        assert museway.totals().held_micros == 0

    @pytest.mark.parametrize("door", ["typed", "native"])
    def test_it_falls_to_ours_where_that_was_allowed_and_costs_what_delivered(
        self, wired: tuple[World, Outside], door: str
    ) -> None:
        museway, outside = wired
        save(museway)
        outside.submit_statuses[OWN] = 401
        allowed = {"allow_platform_key": True}
        path, body = ("/v1/generate/media", FOX | allowed)
        if door == "native":
            path, body = "/v1/media/generate", {"model": "nano-banana", "inputs": {"prompt": "a fox"}} | allowed
        accepted = museway.request("POST", path, body)[1]
        assert (accepted["estimated_cost_micros"], museway.totals().held_micros) == (PRICE_MICROS, PRICE_MICROS)
        museway.settle_down()
        shown = museway.generation(accepted["generation_id"])
        assert [(one["status"], one["byok"]) for one in shown["attempts"]] == [("refused", True), ("collected", False)]
        assert shown["billed_micros"] == PRICE_MICROS
        record = record_of(museway, accepted["generation_id"])
        assert (record["byok"], verify([record])) == (False, [])
        assert outside.keys("POST") == [OWN, PLATFORM]

    def test_where_ours_was_not_needed_the_rest_of_the_hold_returns(self, wired: tuple[World, Outside]) -> None:
        museway, outside = wired
        save(museway)
        generation_id = museway.generate(allow_platform_key=True)
        museway.settle_down()
        assert museway.generation(generation_id)["billed_micros"] == FEE_MICROS
        assert (museway.totals().held_micros, museway.totals().spent_micros) == (0, FEE_MICROS)
        assert outside.keys("POST") == [OWN]

    def test_the_ceiling_of_a_price_holds_for_the_dearer_way(self, wired: tuple[World, Outside]) -> None:
        museway, _ = wired
        save(museway)
        ceiling = FOX | {"max_price_micros": FEE_MICROS}
        assert museway.request("POST", "/v1/generate/media", ceiling)[0] == 202
        got, answer, _ = museway.request("POST", "/v1/generate/media", ceiling | {"allow_platform_key": True})
        assert (got, answer["error"], answer["maximum_micros"]) == (400, "price_above_maximum", PRICE_MICROS)

    def test_a_repeat_that_allows_more_is_another_request(self, wired: tuple[World, Outside]) -> None:
        museway, _ = wired
        save(museway)
        for more, expected in (({}, 202), ({}, 202), ({"allow_platform_key": True}, 422)):
            got, answer, _ = museway.request("POST", "/v1/generate/media", FOX | more, headers={"Idempotency-Key": "k"})
            assert got == expected
        assert answer["fields"] == ["allow_platform_key"]


class TestRanking:
    """A rival's offer stands before fal's."""

    @pytest.mark.parametrize("museway", ["rival first"], indirect=True)
    @pytest.mark.parametrize("asked", [FOX, {"mode": "image", "prompt": "a fox"}], ids=["by model", "by mode"])
    def test_own_accounts_come_first_and_alone(self, wired: tuple[World, Outside], asked: dict[str, Any]) -> None:
        museway, outside = wired
        save(museway)
        estimate = museway.request("POST", "/v1/estimate", asked)[1]
        assert (estimate["maximum_micros"], estimate["byok"]) == (FEE_MICROS, True)
        outside.submit_statuses[OWN] = 401
        status, accepted, _ = museway.request("POST", "/v1/generate/media", asked)
        assert status == 202, accepted
        museway.settle_down()
        shown = museway.generation(accepted["generation_id"])
        assert [(one["provider"], one["byok"]) for one in shown["attempts"]] == [("fal", True)]
        assert {key for _, _, key in outside.sent} == {OWN}

    @pytest.mark.parametrize("museway", ["rival first"], indirect=True)
    def test_ours_follow_where_allowed(self, wired: tuple[World, Outside]) -> None:
        museway, outside = wired
        save(museway)
        outside.submit_statuses[OWN] = 401
        generation_id = museway.generate(allow_platform_key=True)
        museway.settle_down()
        shown = museway.generation(generation_id)
        assert [(one["provider"], one["byok"]) for one in shown["attempts"]] == [("fal", True), ("fal", False)]
        assert shown["billed_micros"] == PRICE_MICROS

    @pytest.mark.parametrize("museway", ["ours alone"], indirect=True)
    @pytest.mark.parametrize("asked", [FOX, {"mode": "image", "prompt": "a fox"}], ids=["by model", "by mode"])
    def test_what_only_our_account_can_call_is_ours(self, wired: tuple[World, Outside], asked: dict[str, Any]) -> None:
        museway, outside = wired
        save(museway)
        estimate = museway.request("POST", "/v1/estimate", asked)[1]
        assert (estimate["maximum_micros"], estimate["byok"]) == (PRICE_MICROS, False)
        status, accepted, _ = museway.request("POST", "/v1/generate/media", asked)
        assert status == 202, accepted
        museway.settle_down()
        shown = museway.generation(accepted["generation_id"])
        assert [(one["status"], one["byok"]) for one in shown["attempts"]] == [("collected", False)]
        assert shown["billed_micros"] == PRICE_MICROS
        assert outside.keys("POST") == [PLATFORM]


class TestHealth:
    def test_what_one_account_meets_says_nothing_for_others(
        self, wired: tuple[World, Outside], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        museway, outside = wired
        counted: list[str] = []
        monkeypatch.setattr(health, "count_failure", lambda offer_id, _code: counted.append(offer_id))
        monkeypatch.setattr(health, "count_delivery", lambda offer_id, *_: counted.append(offer_id))
        save(museway)
        museway.generate()
        museway.settle_down()
        outside.submit_statuses[OWN] = 401
        museway.generate()
        museway.settle_down()
        assert counted == []
        museway.generate(allow_platform_key=True)
        museway.settle_down()
        assert counted == ["nano-banana@fal"]

    @pytest.mark.parametrize("museway", ["rival first"], indirect=True)
    def test_the_own_account_comes_first_whatever_ours_has_met(
        self, wired: tuple[World, Outside], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        museway, outside = wired
        save(museway)
        museway.generate(allow_platform_key=True)
        monkeypatch.setattr(health, "of", lambda _offer_id: SimpleNamespace(takes=lambda _generation_id: False))
        museway.settle_down()
        assert outside.keys("POST") == [OWN]

    def test_an_account_that_was_never_told_our_address_is_polled(
        self, wired: tuple[World, Outside], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        museway, _ = wired
        monkeypatch.setattr(providers, "calls_back_by_account", lambda _name: True)
        save(museway)
        museway.generate()
        museway.settle_down()
        assert "Poll" in museway.machine.transitions
        assert museway.clock.seconds < 5


class TestMeanwhile:
    """The key changes while a job is under way."""

    def test_deleted_before_the_submission_it_is_refused_unsent(self, wired: tuple[World, Outside]) -> None:
        museway, outside = wired
        save(museway)
        generation_id = museway.generate()
        provider_keys.delete(PROJECT, "fal")
        museway.settle_down()
        shown = museway.generation(generation_id)
        assert (shown["error"]["code"], shown["billed_micros"], outside.sent) == ("provider_auth", 0, [])
        assert museway.totals().held_micros == 0

    def test_a_rotated_one_is_asked_with_at_once(self, wired: tuple[World, Outside]) -> None:
        museway, outside = wired
        save(museway)
        generation_id = museway.generate()
        begin(museway, generation_id)
        save(museway, key=OTHER)
        outside.job_statuses[OWN] = 401
        museway.settle_down()
        assert museway.generation(generation_id)["status"] == "completed"
        assert outside.keys("POST") == [OWN]
        assert outside.keys("GET")[-1] == OTHER

    def test_without_one_a_job_that_may_run_is_waited_out_and_never_sent_again(
        self, wired: tuple[World, Outside]
    ) -> None:
        museway, outside = wired
        save(museway)
        generation_id = museway.generate(allow_platform_key=True)
        begin(museway, generation_id)
        provider_keys.delete(PROJECT, "fal")
        asked = len(outside.sent)
        museway.settle_down()
        shown = museway.generation(generation_id)
        assert (shown["status"], shown["error"]["code"], shown["billed_micros"]) == ("failed", "provider_lost", 0)
        assert len(outside.sent) == asked
        assert outside.keys("POST") == [OWN]
        assert museway.clock.seconds >= 300

    def test_one_saved_in_time_finds_the_job_again(self, wired: tuple[World, Outside]) -> None:
        museway, outside = wired
        save(museway)
        generation_id = museway.generate()
        begin(museway, generation_id)
        provider_keys.delete(PROJECT, "fal")
        museway.clock.after(60, lambda: save(museway, key=OTHER))
        museway.settle_down()
        assert museway.generation(generation_id)["status"] == "completed"
        assert outside.keys("POST") == [OWN]

    def test_a_key_of_another_account_does_not_know_the_job(self, wired: tuple[World, Outside]) -> None:
        museway, outside = wired
        save(museway)
        generation_id = museway.generate(allow_platform_key=True)
        begin(museway, generation_id)
        save(museway, key=OTHER)
        outside.job_statuses[OTHER] = 404
        museway.settle_down()
        assert museway.generation(generation_id)["error"]["code"] == "provider_lost"
        assert outside.keys("POST") == [OWN]

    def test_one_that_cannot_be_opened_is_as_none(self, wired: tuple[World, Outside]) -> None:
        museway, outside = wired
        save(museway)
        generation_id = museway.generate()
        assert museway.store
        museway.store.sealed.clear()
        museway.settle_down()
        assert museway.generation(generation_id)["error"]["code"] == "provider_auth"
        assert outside.sent == []

    def test_a_cancelled_job_is_stopped_with_the_projects_key(self, wired: tuple[World, Outside]) -> None:
        museway, outside = wired
        save(museway)
        generation_id = museway.generate()
        begin(museway, generation_id)
        assert museway.request("POST", f"/v1/generations/{generation_id}/cancel")[0] == 200
        assert outside.keys("PUT") == [OWN]
        museway.settle_down()


def begin(museway: World, generation_id: str) -> None:
    """Let the generation be submitted, and nothing more."""
    museway._call("submit_attempt", {"generation_id": generation_id, "task_token": "none"})
