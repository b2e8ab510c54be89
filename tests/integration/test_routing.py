"""Requests that name no model: chosen, explained, followed by others where that is safe, billed as who delivered."""

from collections.abc import Iterator
from typing import Any

import pytest

from gateway import health, ledger, tables
from gateway.breaker import OfferHealth
from gateway.provider import Refused
from tests.integration.test_refusals import refused
from tests.integration.world import World, world

MODELS = ("nano-banana", "google/nano-banana", "p-image", "flux-2", "gpt-image-2", "imagen-4", "kuaishou/kling-v3-t2v")
FOX = {"mode": "image", "prompt": "a fox"}
PNG, TOO_DEAR = "https://example.com/a.png", "It may cost 39000 micros; 30000 are the most that was allowed."
BY_PRICE = FOX | {"prefer": "price"}
DEAREST = FOX | {"models": ["nano-banana", "p-image", "flux-2"], "prefer": "quality"}
"""Nano Banana is 39,000 micros, FLUX.2 30,000, P-Image 5,000."""


def dearest_first(compiled: dict[str, Any]) -> None:
    """Nano Banana is of the highest quality, so that cheaper ones may follow it; each model has one offer."""
    for model in compiled["models"]:
        model["offers"] = model["offers"][:1]
        if model["id"] == "nano-banana":
            model["quality"] = "ultra"


@pytest.fixture
def museway() -> Iterator[World]:
    with world(in_memory=True, models=MODELS, changed=dearest_first) as made:
        yield made


def submit(museway: World, body: dict[str, Any], path: str = "/v1/generate/media", **options: Any) -> dict[str, Any]:
    status, answer, _ = museway.request("POST", path, body, **options)
    assert status == 202, answer
    return answer


def ended(museway: World, answer: dict[str, Any]) -> dict[str, Any]:
    museway.settle_down()
    return museway.generation(answer["generation_id"])


def routed(museway: World, body: dict[str, Any]) -> tuple[list[str], dict[str, str]]:
    """The models that were kept, best first, and why each other one was dropped."""
    status, answer, _ = museway.request("POST", "/v1/route", body)
    assert status == 200, answer
    found = answer["candidates"]
    kept = [one["model"] for one in found if one["kept"]]
    return kept, {one["model"]: one["reason"] for one in found if not one["kept"]}


def test_modes_are_public_and_say_what_they_require(museway: World) -> None:
    status, answer, _ = museway.request("GET", "/v1/modes", key=None)
    assert status == 200
    modes = {one["mode"]: one for one in answer["items"]}
    assert modes["image"]["capabilities"] == ["image-gen"]
    assert (modes["image"]["models"], modes["video"]["models"], modes["chat"]["models"]) == (5, 1, 0)


def test_a_route_explains_and_starts_nothing(museway: World) -> None:
    before = museway.totals()
    kept, dropped = routed(museway, BY_PRICE)
    assert kept == ["p-image", "flux-2", "google/nano-banana", "nano-banana", "gpt-image-2"]
    assert dropped == {"imagen-4": "It is no longer served since 2026-08-17."}
    assert museway.totals() == before
    assert not museway.provider.submissions


@pytest.mark.parametrize(
    ("more", "dropped"),
    [
        ({"num_images": 3}, {"p-image": "It does not use 'num_images'.", "flux-2": "It does not use 'num_images'."}),
        ({"source_media_urls": [PNG]}, {"p-image": "This model takes no image as source; 1 given."}),
        ({"quality": "ultra"}, {"p-image": "It does not use 'quality'.", "flux-2": "It does not use 'quality'."}),
        ({"exclude_providers": ["fal"]}, {"nano-banana": "The provider fal was excluded."}),
        ({"max_price_micros": 30_000}, {"nano-banana": TOO_DEAR}),
        ({"quality_min": "standard"}, {"p-image": "Its quality is fast; standard is the least that was asked for."}),
        ({"prompt": "x" * 6_000}, {}),
    ],
)  # fmt: skip
def test_limits_of_the_actual_inputs_decide(museway: World, more: dict[str, Any], dropped: dict[str, str]) -> None:
    kept, reasons = routed(museway, BY_PRICE | more)
    assert {model: reasons.get(model) for model in dropped} == dropped
    assert not set(kept) & set(dropped)
    assert set(reasons) >= ({"nano-banana"} if more.get("prompt") else set())


def test_sound_is_satisfied_by_what_a_model_does_anyway(museway: World) -> None:
    video = {"mode": "video", "prompt": "rain", "inputs": None}
    assert routed(museway, video | {"sound": True})[0] == ["kuaishou/kling-v3-t2v"]
    assert routed(museway, FOX | {"quality": "standard", "models": ["flux-2", "p-image"]})[0] == ["flux-2"]


def test_the_best_is_quoted_held_and_billed_and_the_receipt_says_why(museway: World) -> None:
    answer = submit(museway, BY_PRICE)
    assert (answer["model"], answer["estimated_cost_micros"]) == ("p-image", 5_000)
    done = ended(museway, answer)
    assert (done["status"], done["model"], done["billed_micros"]) == ("completed", "p-image", 5_000)
    told = done["routing"]
    assert (told["mode"], told["capabilities"], told["prefer"]) == ("image", ["image-gen"], "price")
    assert [one["model"] for one in told["candidates"]] == ["p-image"]
    assert told["candidates"][0]["reason"] == "By price: 5000 micros."
    assert told["others"] == {"viable": 4, "dropped": 1}


def test_another_model_follows_a_refusal_and_is_billed_at_its_own_price(museway: World) -> None:
    museway.provider.script = "turn_away, deliver"
    answer = submit(museway, DEAREST)
    assert (answer["model"], answer["estimated_cost_micros"]) == ("nano-banana", 39_000)
    done = ended(museway, answer)
    assert (done["status"], done["model"], done["billed_micros"]) == ("completed", "flux-2", 30_000)
    assert [one["model"] for one in done["attempts"]] == ["nano-banana", "flux-2"]
    record = tables.Record.find(answer["generation_id"]).body
    assert (record["model"], record["offer"], record["amount_micros"]) == ("flux-2", "flux-2@fal", 30_000)
    assert (record["held_micros"], record["loss_micros"]) == (39_000, 0)
    assert record["price_book_version"] != tables.Order.find(answer["generation_id"]).quote["price_book_version"]
    assert museway.events[-1]["model"] == "flux-2"
    replayed = museway.request("GET", "/v1/generations")[1]["items"][0]
    assert replayed["model"] == "flux-2"
    assert museway.totals().held_micros == 0


def test_each_that_follows_has_its_own_request_and_is_paid_once(museway: World) -> None:
    museway.provider.script = "fail, turn_away, deliver"
    answer = submit(museway, DEAREST)
    done = ended(museway, answer)
    assert [one["model"] for one in done["attempts"]] == ["nano-banana", "flux-2", "p-image"]
    assert len(museway.provider.paid) == 2
    sent = [one.endpoint for one in museway.provider.submissions.values()]
    assert sent == ["fal-ai/nano-banana", "fal-ai/flux-2-pro", "prunaai/p-image"]


@pytest.mark.parametrize("script", ["lose_answer", "never_finish"])
def test_what_may_be_running_is_never_followed(museway: World, script: str) -> None:
    museway.provider.script, museway.provider.loses_webhooks = script, True
    done = ended(museway, submit(museway, DEAREST))
    assert (done["status"], done["error"]["code"], done["billed_micros"]) == ("failed", "provider_lost", 0)
    assert len(done["attempts"]) == 1
    assert len(museway.provider.paid) == 1


@pytest.mark.parametrize(
    ("code", "attempts"),
    [("invalid_inputs", ["nano-banana", "flux-2", "p-image"]), ("moderated_input", ["nano-banana"])],
)
def test_what_one_model_finds_wrong_another_may_take_but_moderation_is_final(
    museway: World, code: Any, attempts: list[str]
) -> None:
    museway.provider.script = "refuse"
    museway.provider.refusal = Refused(code, "no", retryable=False)
    done = ended(museway, submit(museway, DEAREST))
    assert (done["status"], done["error"]["code"]) == ("failed", code)
    assert [one["model"] for one in done["attempts"]] == attempts
    assert museway.totals().spent_micros == 0


def test_a_named_model_is_followed_by_no_other(museway: World) -> None:
    museway.provider.script = "turn_away"
    done = ended(museway, submit(museway, {"model": "nano-banana", "prompt": "a fox"}))
    assert (done["status"], len(done["attempts"]), done["routing"]) == ("failed", 1, None)


def test_nothing_dearer_than_the_hold_follows(museway: World) -> None:
    museway.provider.script = "turn_away"
    done = ended(museway, submit(museway, BY_PRICE | {"max_price_micros": 60_000}))
    assert [one["model"] for one in done["attempts"]] == ["p-image"]


def test_the_same_endpoint_under_another_name_is_no_other_chance(museway: World) -> None:
    museway.provider.script = "turn_away"
    names = {"models": ["nano-banana", "google/nano-banana"], "prefer": "quality"}
    done = ended(museway, submit(museway, FOX | names))
    assert [one["model"] for one in done["attempts"]] == ["nano-banana"]


def test_an_offer_that_is_down_is_left_alone_where_there_is_another(
    museway: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "snapshot", lambda: {"p-image@replicate": OfferHealth("open")})
    assert submit(museway, BY_PRICE)["model"] == "flux-2"
    assert "failed too often" in routed(museway, BY_PRICE)[1]["p-image"]
    done = ended(museway, submit(museway, {"model": "p-image", "prompt": "a fox"}))
    assert (done["status"], done["attempts"][0]["offer"]) == ("completed", "p-image@replicate")


def test_some_requests_find_out_whether_an_offer_works_again(museway: World, monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"p-image@replicate": OfferHealth("half_open", probe_share=0.5)}
    monkeypatch.setattr(health, "snapshot", lambda: known)
    chosen = {submit(museway, BY_PRICE)["model"] for _ in range(40)}
    assert chosen == {"p-image", "flux-2"}
    kept, _ = routed(museway, BY_PRICE)
    assert kept[-1] == "p-image"
    museway.settle_down()


REFUSED: dict[str, tuple[dict[str, Any], int, str, str]] = {
    "nothing named": ({"prompt": "x"}, 422, "invalid_request", "model"),
    "both named": (FOX | {"model": "nano-banana"}, 422, "invalid_request", "mode"),
    "no capabilities": ({"prompt": "x", "capabilities": []}, 422, "invalid_request", "model"),
    "an unknown mode": (FOX | {"mode": "painting"}, 400, "unknown_mode", "mode"),
    "an unknown preference": (FOX | {"prefer": "luck"}, 422, "invalid_request", "prefer"),
    "an unknown tier": (FOX | {"quality_min": "best"}, 422, "invalid_request", "quality_min"),
    "modes that no model has together": (FOX | {"mode": "chat+image"}, 400, "no_viable_model", "model"),
    "a capability that nobody has": ({"capabilities": ["levitation"], "prompt": "x"}, 400, "no_viable_model", "model"),
    "a price that nobody has": (FOX | {"max_price_micros": 1}, 400, "no_viable_model", "model"),
    "a named model without its provider": (
        {"model": "p-image", "prompt": "x", "exclude_providers": ["replicate"]}, 400, "no_viable_model", "model",
    ),
    "an unknown router": ({"model": "router/none", "prompt": "x"}, 400, "unknown_model", "model"),
    "a router and more": ({"model": "router/none", "prompt": "x", "prefer": "price"}, 422, "invalid_request", "prefer"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_routed_is_refused_with_nothing_held(museway: World, case: str) -> None:
    body, status, code, field = REFUSED[case]
    before = museway.totals()
    got, answer = refused(museway, "POST", "/v1/generate/media", body)
    assert (got, answer["error"], answer.get("field")) == (status, code, field), answer
    assert museway.totals() == before
    assert ledger.account_of("demo").shard_count == 1


def test_the_refusal_says_why_of_each(museway: World) -> None:
    _, answer = refused(museway, "POST", "/v1/generate/media", FOX | {"max_price_micros": 1})
    reasons = {one["model"]: one["reason"] for one in answer["reasons"]}
    assert reasons["p-image"] == "It may cost 5000 micros; 1 are the most that was allowed."
    assert reasons["imagen-4"].startswith("It is no longer served")


def test_an_unsafe_source_is_refused_as_such(museway: World) -> None:
    body = FOX | {"source_media_urls": ["http://169.254.169.254/a.png"]}
    got, answer = refused(museway, "POST", "/v1/generate/media", body)
    assert (got, answer["error"], answer["field"]) == (400, "unsafe_url", "source_media_urls")


def test_a_native_request_is_routed_by_common_fields_but_has_no_answer_to_point_into(museway: World) -> None:
    body = {"mode": "image", "prefer": "price", "inputs": {"prompt": "a fox"}, "output_path": "renders/fox.png"}
    done = ended(museway, submit(museway, body, "/v1/media/generate"))
    assert (done["model"], done["outputs"][0]["drive_path"]) == ("p-image", "renders/fox.png")
    got, answer = refused(museway, "POST", "/v1/media/generate", body | {"output_url_path": "a.b"})
    assert (got, answer["field"]) == (400, "output_url_path")


def test_a_repeat_under_its_key_is_the_first_and_another_wish_is_not(museway: World) -> None:
    headers = {"Idempotency-Key": "k"}
    first = submit(museway, BY_PRICE, headers=headers)
    museway.provider.script = "turn_away, deliver"
    ended(museway, first)
    assert submit(museway, BY_PRICE, headers=headers) == first
    got, answer = refused(museway, "POST", "/v1/generate/media", FOX | {"prefer": "speed"}, headers=headers)
    assert (got, answer["error"], answer["fields"]) == (422, "idempotency_key_reused", ["prefer"])


def test_an_estimate_and_a_batch_choose_alike(museway: World) -> None:
    _, estimate, _ = museway.request("POST", "/v1/estimate", BY_PRICE)
    assert (estimate["model"], estimate["maximum_micros"]) == ("p-image", 5_000)
    _, answer, _ = museway.request(
        "POST", "/v1/generate/media:batch", {"requests": [BY_PRICE, DEAREST, {"prompt": "x"}]}
    )
    assert [one["generation"] and one["generation"]["model"] for one in answer["items"]] == [
        "p-image",
        "nano-banana",
        None,
    ]
    assert answer["items"][2]["error"]["field"] == "model"
    museway.settle_down()
