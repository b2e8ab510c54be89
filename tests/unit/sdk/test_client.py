"""The client's calls against a gateway of the contract's shapes, blocking and async."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from museway import errors
from museway.client import AsyncClient, AsyncGeneration, Client, Generation
from tests.unit.sdk.fake_gateway import API_KEY, URL, FakeGateway, refusal

MODEL = "kuaishou/kling-v3-i2v"


def test_run_answers_exactly_the_seeds_dictionary(gateway: FakeGateway, client: Client) -> None:
    result = client.run(MODEL, {"prompt": "spin", "duration": 5}, duration=8)

    assert result.pop("meta") == {
        "metrics": {"inference_time": 12.4},
        "generation_id": "gen_1",
        "outputs": [
            {"url": result["output_url"], "drive_path": "media/gen_1.mp4", "width": 1280},
        ],
    }
    assert result == {
        "model": MODEL,
        "kind": "video",
        "drive_path": "media/gen_1.mp4",
        "output_url": "https://files.test/media/gen_1.mp4?signed=1",
        "request_id": "req_1",
        "billed_micros": 672_000,
        "billed_usd": 0.672,
    }
    assert gateway.body("/v1/media/generate") == {
        "model": MODEL,
        "inputs": {"prompt": "spin", "duration": 8},
        "kind": "auto",
    }


def test_run_passes_where_the_output_is_and_goes_and_echoes_an_explicit_kind(
    gateway: FakeGateway, client: Client
) -> None:
    result = client.run(MODEL, output_path="a/b.mp4", output_url_path="outputs[0].url", kind="image")

    assert result["kind"] == "image"
    assert gateway.body("/v1/media/generate") == {
        "model": MODEL,
        "inputs": {},
        "kind": "image",
        "output_path": "a/b.mp4",
        "output_url_path": "outputs[0].url",
    }


def test_each_logical_call_has_a_key_of_its_own(gateway: FakeGateway, client: Client) -> None:
    assert client.submit(MODEL).id != client.submit(MODEL).id
    first, second = gateway.sent("POST", "/v1/media/generate")
    assert first.headers["idempotency-key"] != second.headers["idempotency-key"]


def test_inputs_are_not_changed(gateway: FakeGateway, client: Client, tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    picture.write_bytes(b"png")
    inputs = {"image_url": str(picture), "nested": [{"x": picture}]}
    client.submit(MODEL, inputs, duration=3)
    assert inputs == {"image_url": str(picture), "nested": [{"x": picture}]}


def test_local_files_are_uploaded_once_and_replaced_by_their_urls(
    gateway: FakeGateway, client: Client, tmp_path: Path
) -> None:
    picture, sound = tmp_path / "a.png", tmp_path / "b.bin"
    picture.write_bytes(b"png")
    sound.write_bytes(b"sound")
    client.run(MODEL, image_url=str(picture), source_media_urls=[str(picture), "https://x.test/y.png"], track=sound)

    assert gateway.files["uploads/a.png"] == b"png"
    assert gateway.files["uploads/b.bin"] == b"sound"
    assert gateway.body("/v1/upload/media")["files"] == [
        {"filename": "a.png", "content_type": "image/png", "bytes": 3},
        {"filename": "b.bin", "content_type": "application/octet-stream", "bytes": 5},
    ]
    put = gateway.sent("PUT", "/uploads/a.png")
    assert [request.headers["x-amz-meta-project"] for request in put] == ["p"]
    assert gateway.body("/v1/media/generate")["inputs"] == {
        "image_url": "https://files.test/uploads/a.png",
        "source_media_urls": ["https://files.test/uploads/a.png", "https://x.test/y.png"],
        "track": "https://files.test/uploads/b.bin",
    }


def test_inputs_that_json_cannot_say_are_refused_before_anything_is_sent(gateway: FakeGateway, client: Client) -> None:
    for value in (float("nan"), object()):
        with pytest.raises(errors.InvalidRequest) as caught:
            client.run(MODEL, prompt=value)
        assert caught.value.code == "not_json"
    assert gateway.requests == []


def test_status_answers_at_once_and_raises_for_no_state(gateway: FakeGateway, client: Client) -> None:
    gateway.failure = {"code": "provider_error", "message": "It broke.", "retryable": True}
    generation = client.submit(MODEL)
    assert generation.accepted["estimated_cost_micros"] == 672_000
    assert generation.status()["status"] == "processing"
    assert "wait" not in gateway.requests[-1].url.params
    gateway.clock.seconds += 60
    assert generation.status()["status"] == "failed"
    assert repr(generation) == "Generation(id='gen_1')"


def test_wait_holds_the_answer_and_shortens_the_hold_to_what_remains(gateway: FakeGateway, client: Client) -> None:
    gateway.work_seconds = 1000
    with pytest.raises(errors.WaitTimeout) as caught:
        client.submit(MODEL).wait(timeout=60.5)

    waits = [request.url.params["wait"] for request in gateway.sent("GET", "/v1/generations/gen_1")]
    assert waits[:3] == ["25", "25", "10"]
    assert gateway.clock.seconds == pytest.approx(1060.5)
    assert caught.value.code == "wait_timeout"
    assert caught.value.generation_id == "gen_1"
    assert caught.value.generation["status"] == "processing"


def test_wait_asks_once_a_second_at_most_when_the_answer_is_not_held(gateway: FakeGateway, client: Client) -> None:
    gateway.holds_answers = False
    assert client.submit(MODEL).wait()["status"] == "completed"
    assert gateway.clock.pauses == [1.0] * 10


def test_progress_is_reported_with_each_status(gateway: FakeGateway, client: Client) -> None:
    seen: list[dict[str, Any]] = []
    result = client.submit(MODEL).result(on_progress=seen.append)
    assert [status["progress"] for status in seen] == [30, 60, 90, 100]
    assert result["billed_micros"] == 672_000


def test_a_failed_generation_raises_its_typed_reason(gateway: FakeGateway, client: Client) -> None:
    gateway.failure = {"code": "moderated_output", "message": "The filter took it.", "retryable": False}
    with pytest.raises(errors.GenerationFailed) as caught:
        client.run(MODEL)
    error = caught.value
    assert (error.code, error.message, error.request_id) == (
        "moderated_output",
        "The filter took it.",
        "req_1",
    )
    assert error.generation["status"] == "failed"
    assert error.generation_id == "gen_1"
    assert error.hint
    assert not error.retryable


def test_a_cancelled_generation_raises(gateway: FakeGateway, client: Client) -> None:
    gateway.final_state = "cancelled"
    with pytest.raises(errors.GenerationFailed) as caught:
        client.run(MODEL)
    assert caught.value.code == "cancelled"


def test_an_error_while_waiting_names_the_generation(gateway: FakeGateway, client: Client) -> None:
    generation = client.submit(MODEL)
    gateway.interruptions = [refusal(500, "internal_error")]
    with pytest.raises(errors.ServerError) as caught:
        generation.wait()
    assert caught.value.generation_id == "gen_1"
    assert client.generation("gen_1").result()["drive_path"] == "media/gen_1.mp4"


def test_a_foreign_generation_is_not_found_and_its_id_is_quoted(gateway: FakeGateway, client: Client) -> None:
    with pytest.raises(errors.NotFound):
        client.generation("a/../b?c").status()
    assert gateway.requests[0].url.raw_path == b"/v1/generations/a%2F..%2Fb%3Fc"


def test_estimate_sends_the_native_request(gateway: FakeGateway, client: Client) -> None:
    assert client.estimate(MODEL, {"duration": 5}, duration=8)["maximum_micros"] == 672_000
    assert gateway.body("/v1/estimate") == {"model": MODEL, "inputs": {"duration": 8}}


def test_lists_are_read_to_the_last_page(gateway: FakeGateway, client: Client) -> None:
    gateway.lists["/v1/records"] = [{"record_id": str(n)} for n in range(7)]
    gateway.page_size = 3
    assert client.records(since="2026-11-01") == gateway.lists["/v1/records"]
    queries = [dict(request.url.params) for request in gateway.requests]
    assert queries == [
        {"limit": "100", "since": "2026-11-01"},
        {"limit": "100", "since": "2026-11-01", "cursor": "3"},
        {"limit": "100", "since": "2026-11-01", "cursor": "6"},
    ]


def test_a_cursor_that_comes_back_is_an_error_and_no_endless_loop(gateway: FakeGateway, client: Client) -> None:
    gateway.interruptions = [
        refusal(200, "", items=[], next_cursor="1"),
        refusal(200, "", items=[], next_cursor="1"),
    ]
    with pytest.raises(errors.ServerError) as caught:
        client.records()
    assert caught.value.code == "malformed_answer"


def test_models_pricing_and_health_need_no_key(gateway: FakeGateway) -> None:
    gateway.lists = {"/v1/models": [{"id": MODEL}], "/v1/pricing": [{"model": MODEL}]}
    client = gateway.client(api_key=None)
    assert client.models(kind="video", q=None, supports_sound=True) == [{"id": MODEL}]
    assert dict(gateway.requests[0].url.params) == {"kind": "video", "supports_sound": "true"}
    assert client.pricing(kind="video") == [{"model": MODEL}]
    assert dict(gateway.requests[1].url.params) == {"kind": "video"}
    assert client.health()["status"] == "ok"
    assert all("authorization" not in request.headers for request in gateway.requests)


def test_one_model_is_found_by_its_id_with_slashes(gateway: FakeGateway) -> None:
    gateway.interruptions = [httpx.Response(200, json={"id": MODEL})]
    assert gateway.client(api_key=None).model(MODEL) == {"id": MODEL}
    assert gateway.requests[-1].url.path == f"/v1/models/{MODEL}"


def test_balance(client: Client) -> None:
    assert client.balance()["available_micros"] == 9_328_000


def test_upload_of_bytes_and_files(gateway: FakeGateway, client: Client, tmp_path: Path) -> None:
    stored = client.upload(b"abc", "voice.mp3")
    assert stored == {"url": "https://files.test/uploads/voice.mp3", "drive_path": "uploads/voice.mp3"}
    (tmp_path / "x.png").write_bytes(b"x" * 700_000)
    client.upload(str(tmp_path / "x.png"), filename="renamed.png")
    assert len(gateway.files["uploads/renamed.png"]) == 700_000
    assert all(request.headers["idempotency-key"] for request in gateway.sent("POST", "/v1/upload/media"))
    with pytest.raises(errors.InvalidRequest) as caught:
        client.upload(b"abc")
    assert caught.value.field == "filename"


def test_a_refused_upload_raises(gateway: FakeGateway, client: Client) -> None:
    original = gateway._file
    gateway._file = lambda request: original(request) and refusal(403, "x")  # type: ignore[method-assign]
    with pytest.raises(errors.ServerError) as caught:
        client.upload(b"abc", "a.png")
    assert caught.value.code == "upload_failed"


def test_download_to_a_file_and_into_a_directory(gateway: FakeGateway, client: Client, tmp_path: Path) -> None:
    result = client.run(MODEL)
    assert client.download(result, tmp_path / "new" / "film.mp4").read_bytes() == b"the film"
    assert client.download(result["meta"]["outputs"][0], tmp_path) == tmp_path / "gen_1.mp4"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["film.mp4", "gen_1.mp4", "new"]


def test_download_renews_a_signed_url_that_has_expired(gateway: FakeGateway, client: Client, tmp_path: Path) -> None:
    result = client.run(MODEL)
    gateway.expired.add(result["output_url"])
    assert client.download(result, tmp_path / "film.mp4").read_bytes() == b"the film"


def test_a_download_that_fails_leaves_nothing(gateway: FakeGateway, client: Client, tmp_path: Path) -> None:
    with pytest.raises(errors.NotFound) as caught:
        client.download({"output_url": "https://files.test/none.mp4"}, tmp_path / "x.mp4")
    assert caught.value.code == "download_failed"
    with pytest.raises(errors.InvalidRequest):
        client.download({}, tmp_path / "x.mp4")
    assert list(tmp_path.iterdir()) == []


def test_the_environment_is_read_at_the_first_call(monkeypatch: pytest.MonkeyPatch, gateway: FakeGateway) -> None:
    client = gateway.client(url=None, api_key=None)
    monkeypatch.setenv("MUSEWAY_URL", f"{URL}/")
    monkeypatch.setenv("MUSEWAY_API_KEY", API_KEY)
    assert client.balance()
    assert str(gateway.requests[0].url) == f"{URL}/v1/balance"
    assert API_KEY not in repr(client)


def test_a_missing_key_or_url_says_what_to_set(gateway: FakeGateway) -> None:
    with pytest.raises(errors.NotConfigured, match="MUSEWAY_API_KEY"):
        gateway.client(api_key=None).balance()
    with pytest.raises(errors.NotConfigured, match="MUSEWAY_URL"):
        gateway.client(url=None).balance()
    assert gateway.requests == []


def test_a_client_goes_on_after_close(gateway: FakeGateway) -> None:
    with gateway.client() as client:
        client.balance()
    client.close()


LIMIT = {"day_micros": 5_000_000}


def test_a_key_is_made_changed_and_revoked(gateway: FakeGateway, client: Client) -> None:
    made = client.create_key("ci", scopes=["read"], spending_limit=LIMIT, expires_at="2027-01-31T00:00:00Z")
    assert (made["api_key"], made["name"]) == ("mw_secret", "ci")
    assert gateway.body("/v1/keys") == {
        "name": "ci", "scopes": ["read"], "spending_limit": LIMIT, "expires_at": "2027-01-31T00:00:00Z",
    }  # fmt: skip
    key_id = made["key_id"]
    assert client.key(key_id)["spending_limit"] == LIMIT
    assert client.change_key(key_id, spending_limit=None)["spending_limit"] is None
    (sent,) = gateway.sent("PATCH", f"/v1/keys/{key_id}")
    assert json.loads(sent.content) == {"spending_limit": None}
    assert client.revoke_key(key_id)["revoked_at"]
    (listed,) = client.keys()
    assert listed["key_id"] == key_id


def test_a_new_key_asks_for_no_more_than_was_named(gateway: FakeGateway, client: Client) -> None:
    client.create_key("ci")
    assert gateway.body("/v1/keys") == {"name": "ci"}


def test_keys_come_from_all_pages(gateway: FakeGateway, client: Client) -> None:
    gateway.page_size = 2
    made = [client.create_key(f"{number}")["key_id"] for number in range(5)]
    listed = client.keys()
    assert [key["key_id"] for key in listed] == made[::-1]


def test_the_id_of_a_key_leads_to_no_other_route(gateway: FakeGateway, client: Client) -> None:
    with pytest.raises(errors.NotFound):
        client.revoke_key("../settings?x")
    assert gateway.requests[-1].url.raw_path == b"/v1/keys/..%2Fsettings%3Fx"


def test_a_key_whose_answer_was_lost_is_named(gateway: FakeGateway, client: Client) -> None:
    lost = httpx.ReadError("reset", request=httpx.Request("POST", URL))
    gateway.interruptions = [lost, refusal(409, "already_created", key_id="key_1")]
    with pytest.raises(errors.AlreadyCreated) as caught:
        client.create_key("ci")
    assert caught.value.key_id == "key_1"
    first, second = gateway.sent("POST", "/v1/keys")
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


def test_settings_are_read_and_changed(gateway: FakeGateway, client: Client) -> None:
    assert client.settings()["currency"] == "USD"
    changed = client.change_settings(currency="EUR", spending_limit=None, alerts={"limit_near_percent": 90})
    assert changed["currency"] == "EUR"
    (sent,) = gateway.sent("PUT", "/v1/settings")
    assert json.loads(sent.content) == {
        "currency": "EUR", "spending_limit": None, "alerts": {"limit_near_percent": 90},
    }  # fmt: skip


async def _account(client: AsyncClient) -> list[dict[str, Any]]:
    made = await client.create_key("ci", scopes=["read"])
    key_id = made["key_id"]
    return [
        made,
        *await client.keys(),
        await client.key(key_id),
        await client.change_key(key_id, name="other"),
        await client.revoke_key(key_id),
        await client.settings(),
        await client.change_settings(currency="EUR"),
    ]


def test_the_async_client_does_the_same_with_keys_and_settings(gateway: FakeGateway) -> None:
    made, listed, shown, changed, revoked, settings, set_ = asyncio.run(_account(gateway.async_client()))
    assert made.pop("api_key") == "mw_secret"
    assert made == listed == shown
    assert changed["name"] == revoked["name"] == "other"
    assert revoked["revoked_at"]
    assert (settings["currency"], set_["currency"]) == ("USD", "EUR")


async def _everything(client: AsyncClient, folder: Path) -> list[Any]:
    picture = folder / "a.png"
    picture.write_bytes(b"x" * 300_000)
    seen: list[dict[str, Any]] = []
    async with client:
        result = await client.run(MODEL, image_url=str(picture))
        generation = await client.submit(MODEL, duration=8)
        early = await generation.status()
        final = await generation.wait(timeout=60)
        again = await client.generation(generation.id).result(on_progress=seen.append)
        saved = await client.download(result, folder / "film.mp4")
        answers = [
            await client.estimate(MODEL),
            await client.models(kind="video"),
            await client.pricing(),
            await client.records(),
            await client.balance(),
            await client.health(),
            await client.upload(b"abc", "b.png"),
        ]
    assert saved.read_bytes() == b"the film"
    assert (early["status"], final["status"], len(seen)) == ("processing", "completed", 1)
    assert again["billed_micros"] == result["billed_micros"]
    return [result, *answers]


def test_the_async_client_does_the_same(gateway: FakeGateway, tmp_path: Path) -> None:
    gateway.lists = {"/v1/models": [{"id": MODEL}], "/v1/pricing": [], "/v1/records": []}
    result, *answers = asyncio.run(_everything(gateway.async_client(), tmp_path))
    assert result["drive_path"] == "media/gen_1.mp4"
    assert len(gateway.files["uploads/a.png"]) == 300_000
    assert answers[1] == [{"id": MODEL}]
    sent = [json.loads(request.content) for request in gateway.sent("POST", "/v1/media/generate")]
    assert sent[0]["inputs"] == {"image_url": "https://files.test/uploads/a.png"}


def test_a_batch_answers_a_generation_or_an_error_for_each_in_order(
    gateway: FakeGateway, client: Client, tmp_path: Path
) -> None:
    picture = tmp_path / "a.png"
    picture.write_bytes(b"png")
    limited = {"error": "spending_limit_reached", "message": "No room.", "hint": "Wait.", "period": "day"}
    gateway.refusals = {1: (402, limited), 3: (400, {"error": "unknown_model", "message": "x", "nearest": [MODEL]})}
    requests = [{"model": MODEL, "image_url": str(picture)}, {"model": MODEL}, {"model": MODEL, "seed": 1}, {}]
    first, second, third, fourth = client.batch(requests)

    assert isinstance(first, Generation)
    assert isinstance(third, Generation)
    assert (first.id, third.id, first.accepted["estimated_cost_micros"]) == ("gen_1", "gen_2", 672_000)
    assert first.result()["billed_micros"] == 672_000
    assert isinstance(second, errors.SpendingLimitReached)
    assert (second.status, second.period, second.hint, second.request_id) == (402, "day", "Wait.", "req_1")
    assert isinstance(fourth, errors.UnknownModel)
    assert fourth.nearest == [MODEL]
    sent = gateway.body("/v1/generate/media:batch")["requests"]
    assert sent[0] == {"model": MODEL, "image_url": "https://files.test/uploads/a.png"}
    assert sent[1:] == requests[1:]
    assert requests[0]["image_url"] == str(picture)


def test_a_batch_goes_under_one_key_also_when_it_is_sent_again(gateway: FakeGateway, client: Client) -> None:
    gateway.interruptions = [httpx.ReadTimeout("lost"), refusal(503, "unavailable")]
    client.batch([{"model": MODEL}, {"model": MODEL}])
    keys = {request.headers["idempotency-key"] for request in gateway.sent("POST", "/v1/generate/media:batch")}
    assert len(keys) == 1
    assert len(gateway.accepted) == 2


def test_what_concerns_a_whole_batch_is_raised(gateway: FakeGateway, client: Client) -> None:
    gateway.interruptions = [refusal(422, "invalid_request", field="requests")]
    with pytest.raises(errors.InvalidRequest) as caught:
        client.batch([])
    assert caught.value.field == "requests"
    for content in ({"items": []}, {"items": [7]}, {"items": [{"generation": None, "error": None}]}):
        gateway.interruptions = [httpx.Response(202, json=content)]
        with pytest.raises(errors.ServerError) as broken:
            client.batch([{"model": MODEL}])
        assert broken.value.code == "malformed_answer"


def test_many_local_files_of_a_batch_are_uploaded_in_parts(
    gateway: FakeGateway, client: Client, tmp_path: Path
) -> None:
    requests = []
    for number in range(45):
        (tmp_path / f"{number}.png").write_bytes(b"png")
        requests.append({"model": MODEL, "source_media_urls": [str(tmp_path / f"{number}.png")]})
    client.batch(requests)
    uploads = [len(json.loads(request.content)["files"]) for request in gateway.sent("POST", "/v1/upload/media")]
    assert uploads == [20, 20, 5]
    sent = gateway.body("/v1/generate/media:batch")["requests"]
    assert [one["source_media_urls"] for one in sent] == [[f"https://files.test/uploads/{n}.png"] for n in range(45)]


def test_cancelling_answers_the_final_state_and_waiting_then_fails(gateway: FakeGateway, client: Client) -> None:
    generation = client.submit(MODEL)
    assert (generation.cancel()["status"], gateway.requests[-1].url.path) == (
        "cancelled",
        "/v1/generations/gen_1/cancel",
    )
    with pytest.raises(errors.GenerationFailed) as caught:
        generation.wait()
    assert (caught.value.code, caught.value.generation_id, caught.value.retryable) == ("cancelled", "gen_1", False)
    assert "Nothing was charged" in caught.value.hint


def test_what_has_ended_cannot_be_cancelled(gateway: FakeGateway, client: Client) -> None:
    generation = client.submit(MODEL)
    generation.wait()
    with pytest.raises(errors.AlreadyFinished) as caught:
        client.cancel(generation.id)
    assert (caught.value.code, caught.value.status, caught.value.generation_id) == ("already_finished", 409, "gen_1")
    assert caught.value.fields["status"] == "completed"
    with pytest.raises(errors.NotFound):
        client.cancel("gen_2")


async def _many_and_cancelled(client: AsyncClient) -> list[Any]:
    async with client:
        first, second = await client.batch([{"model": MODEL}, {"model": MODEL}])
        assert isinstance(first, AsyncGeneration)
        return [second, await first.cancel(), await client.cancel(first.id)]


def test_the_async_client_batches_and_cancels_like_the_other(gateway: FakeGateway) -> None:
    gateway.refusals = {1: (402, {"error": "insufficient_credits", "message": "No."})}
    error, *cancelled = asyncio.run(_many_and_cancelled(gateway.async_client()))
    assert isinstance(error, errors.InsufficientCredits)
    assert [one["status"] for one in cancelled] == ["cancelled", "cancelled"]


def test_the_async_client_retries_and_raises_like_the_other(gateway: FakeGateway) -> None:
    gateway.interruptions = [
        refusal(503, "unavailable"),
        refusal(402, "insufficient_credits", needed_micros=5),
    ]
    with pytest.raises(errors.InsufficientCredits) as caught:
        asyncio.run(gateway.async_client().run(MODEL))
    assert caught.value.needed_micros == 5
    assert gateway.clock.pauses == [0.5]


def test_one_async_client_serves_several_event_loops(gateway: FakeGateway) -> None:
    client = gateway.async_client()
    for _ in range(2):
        assert asyncio.run(client.run(MODEL))["kind"] == "video"
    asyncio.run(client.close())


def test_an_unused_async_client_closes() -> None:
    asyncio.run(AsyncClient().close())
