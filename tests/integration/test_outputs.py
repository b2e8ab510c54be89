"""Bringing outputs home: how many, in which order, from where, and for how long."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from gateway import outputs, transport
from gateway.provider import Finished, MediaUrl
from tests.integration.world import CLIENT, GRANTED_MICROS, PROJECT, World, files, media_file

PRICE_MICROS = 39_000


@pytest.fixture
def fetched(museway: World) -> Iterator[list[str]]:
    """The paths that are fetched, in order."""
    asked: list[str] = []

    def noted(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return files(request)

    with transport.use(httpx.MockTransport(noted)):
        yield asked


def naming(museway: World, *named: MediaUrl) -> Callable[[Any], Any]:
    """The provider finishes with these outputs."""
    delivering = museway.provider.poll

    def poll(reference: Any) -> Any:
        outcome = delivering(reference)
        return Finished(named) if isinstance(outcome, Finished) else outcome

    museway.provider.poll = poll  # type: ignore[method-assign]
    return poll


def url(path: str, **more: Any) -> MediaUrl:
    return MediaUrl(f"http://files.test/{path}", **more)


def ended(museway: World, **inputs: Any) -> dict[str, Any]:
    generation_id = museway.generate(**inputs)
    museway.settle_down()
    return museway.generation(generation_id)


def test_no_more_is_delivered_than_was_asked_and_paid_for(museway: World, fetched: list[str]) -> None:
    """Two were ordered and five made: two come, and what is held is what is billed."""
    museway.provider.outputs = 5
    shown = ended(museway, num_images=2)
    assert (len(shown["outputs"]), shown["billed_micros"]) == (2, 2 * PRICE_MICROS)
    assert fetched == ["/0.png", "/1.png"]
    [record] = museway.request("GET", "/v1/records")[1]["items"]
    assert (record["amount_micros"], record["loss_micros"]) == (2 * PRICE_MICROS, 0)
    assert museway.violations(at_rest=True) == []


def test_what_is_priced_by_the_second_is_one(museway: World, fetched: list[str]) -> None:
    museway.provider.outputs, museway.provider.extension = 3, "mp4"
    body = {"model": "kuaishou/kling-v3-t2v", "prompt": "x", "duration": 3}
    status, accepted, _ = museway.request("POST", "/v1/generate/media", body)
    assert status == 202
    museway.settle_down()
    [output] = museway.generation(accepted["generation_id"])["outputs"]
    assert (output["media_type"], fetched) == ("video/mp4", ["/0.mp4"])


def test_an_unusable_output_is_made_up_for_by_one_too_many(museway: World) -> None:
    naming(museway, url("0.html"), url("1.png"), url("2.png"))
    shown = ended(museway, num_images=2)
    assert (len(shown["outputs"]), shown["billed_micros"]) == (2, 2 * PRICE_MICROS)


def test_a_list_without_end_is_read_no_further_than_any_model_makes(museway: World, fetched: list[str]) -> None:
    naming(museway, *(url(f"{number}.gone") for number in range(10_000)))
    shown = ended(museway)
    assert (shown["status"], shown["error"]["code"]) == ("failed", "expired_output")
    assert len(fetched) == 2 * outputs.OUTPUTS_MAX * len(shown["attempts"])


def test_what_expires_first_is_fetched_first_and_all_come_in_their_order(museway: World, fetched: list[str]) -> None:
    naming(
        museway,
        url("0.png"),
        url("1.png", expires_at_seconds=2_000_000_000.0),
        url("2.png", expires_at_seconds=1_900_000_000.0),
    )
    body = {"model": "nano-banana", "inputs": {"prompt": "x", "num_images": 3}, "output_path": "fox.png"}
    _, accepted, _ = museway.request("POST", "/v1/media/generate", body)
    museway.settle_down()
    assert fetched == ["/2.png", "/1.png", "/0.png"]
    shown = museway.generation(accepted["generation_id"])
    assert [one["drive_path"] for one in shown["outputs"]] == ["fox.png", "fox-1.png", "fox-2.png"]


@pytest.mark.parametrize("place", ["http://169.254.169.254/latest/meta-data/", "https://127.0.0.1/x.png", "file:///x"])
def test_an_output_in_the_private_network_is_not_fetched(museway: World, place: str) -> None:
    naming(museway, MediaUrl(place))
    assert_undelivered(museway, "an address that nothing is fetched from")


def test_an_output_that_redirects_into_the_private_network_is_not_fetched(museway: World) -> None:
    asked: list[str] = []

    def redirecting(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(302, headers={"location": "http://169.254.169.254/latest/meta-data/"})

    with transport.use(httpx.MockTransport(redirecting)):
        shown = assert_undelivered(museway, "an address that nothing is fetched from")
    assert [one.partition("?")[0] for one in asked] == ["http://files.test/0.png"] * len(shown["attempts"])


def test_an_output_that_drips_ends_with_its_time(museway: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the time is over: a file that comes too slowly once would do so each time."""
    monkeypatch.setattr(outputs, "FETCH_SECONDS", 0)
    with transport.use(httpx.MockTransport(lambda _: httpx.Response(200, stream=Dripping()))):
        shown = assert_undelivered(museway, "came too slowly")
    assert museway.machine.transitions.count("Collect") == len(shown["attempts"])


class Dripping(httpx.SyncByteStream):
    """A body that breaks off, as one does whose deadline has passed."""

    def __iter__(self) -> Iterator[bytes]:
        yield b"\x89PNG"
        raise httpx.ReadTimeout("deadline")


def assert_undelivered(museway: World, words: str) -> dict[str, Any]:
    """It fails, uncharged, after each of its offers was tried once."""
    shown = ended(museway)
    assert (shown["status"], shown["error"]["code"], shown["billed_micros"]) == ("failed", "provider_error", 0)
    assert words in shown["error"]["message"]
    assert museway.totals().available_micros == GRANTED_MICROS
    assert museway.violations(at_rest=True) == []
    return shown


def test_fresh_urls_are_asked_for_once(museway: World) -> None:
    museway.provider.script = "expire"
    shown = ended(museway)
    assert shown["status"] == "completed"
    # Seen finished, looked at to collect, and asked again when the first URL had expired.
    assert list(museway.provider.looks.values()) == [3]


def test_a_video_has_a_rendition_that_plays_while_it_loads(museway: World) -> None:
    museway.provider.extension = "mp4"
    data, _ = media_file("mp4")
    shown = ended(museway, model="kuaishou/kling-v3-t2v", duration=5)
    [output] = shown["outputs"]
    is_fast = data.index(b"moov") < data.index(b"mdat")
    key = f"projects/{PROJECT}/{output['drive_path']}.optimized.mp4"
    assert (output["optimized_url"] is None) == is_fast
    if not is_fast:
        found = CLIENT("s3").get_object(Bucket="drive", Key=key)
        stored = found["Body"].read()
        assert (found["ContentType"], stored.index(b"moov") < stored.index(b"mdat")) == ("video/mp4", True)


def test_of_a_providers_metrics_callers_see_numbers_and_words(museway: World) -> None:
    """Whatever a provider puts beside its output; what it tells in sentences is not for everybody."""
    told: dict[str, Any] = {
        "inference_time": 1.5,
        "request_id": "req_7:a/b",
        "note": "what only we were told",
        "nan": float("nan"),
        "infinite": float("inf"),
        "huge": 10**400,
        "list": [1],
        "usage": {"tokens": 7, "deep": {"of": {"no": 1}}},
        "a name of words": 1,
        **{f"n{number}": number for number in range(1000)},
    }
    museway.provider.script = "deliver_at_once"
    delivering = museway.provider.submit
    museway.provider.submit = lambda one: replace(delivering(one), metrics=told)  # type: ignore[method-assign]
    shown = ended(museway)["meta"]["metrics"]
    assert {name: shown[name] for name in list(shown)[:3]} == {
        "inference_time": 1.5,
        "request_id": "req_7:a/b",
        "usage": {"tokens": 7, "deep": {}},
    }
    assert len(shown) < 32
