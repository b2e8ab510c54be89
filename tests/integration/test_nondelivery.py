"""What is charged when nothing (good) comes out: every line of that table, from door to event."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gateway import closing, ledger
from gateway.nondelivery import NonDelivery
from gateway.provider import Failed, Refused
from tests.integration.world import GRANTED_MICROS, PROJECT, World, world

PRICE_MICROS = 39_000
BODY = {"model": "nano-banana", "prompt": "a fox"}

Given = Callable[[World], None]


@pytest.fixture
def museway() -> Iterator[World]:
    with world(in_memory=True, models={"nano-banana"}) as made:
        yield made


def refused(code: str, *, retryable: bool) -> Given:
    """The provider turns the submission down."""

    def given(museway: World) -> None:
        museway.provider.script = "refuse"
        museway.provider.refusal = Refused(NonDelivery(code), "what the provider said", retryable=retryable)

    return given


def failed(code: str, *, retryable: bool) -> Given:
    """The provider takes the job, and it ends without a result."""

    def given(museway: World) -> None:
        museway.provider.script = "fail"
        museway.provider.failure = Failed(NonDelivery(code), "what the provider said", retryable=retryable)

    return given


def provider_has(**facts: Any) -> Given:
    def given(museway: World) -> None:
        for name, value in facts.items():
            assert hasattr(museway.provider, name)
            setattr(museway.provider, name, value)

    return given


LINES: dict[str, tuple[Given, str, bool, bool]] = {
    # what happens: (how, the code, retryable, whether the provider was paid)
    "refused: unavailable": (refused("provider_unavailable", retryable=True), "provider_unavailable", True, False),
    "refused: our account": (refused("provider_auth", retryable=True), "provider_auth", True, False),
    "refused: our rate": (refused("rate_limited", retryable=True), "rate_limited", True, False),
    "refused: the inputs": (refused("invalid_inputs", retryable=False), "invalid_inputs", False, False),
    "refused: moderation": (refused("moderated_input", retryable=False), "moderated_input", False, False),
    "failed": (failed("provider_error", retryable=True), "provider_error", True, True),
    "inputs found unusable": (failed("invalid_inputs", retryable=False), "invalid_inputs", False, True),
    "inputs filtered late": (failed("moderated_input", retryable=False), "moderated_input", False, True),
    "filtered": (failed("moderated_output", retryable=False), "moderated_output", False, True),
    "filtered in the answer": (provider_has(script="withhold_at_once"), "moderated_output", False, True),
    "empty": (provider_has(script="deliver_nothing"), "empty_output", True, True),
    "empty in the answer": (provider_has(script="deliver_at_once", outputs=0), "empty_output", True, True),
    "every output expired": (provider_has(extension="gone", outputs=2), "expired_output", True, True),
    "the result expired": (failed("expired_output", retryable=True), "expired_output", True, True),
    "no media": (provider_has(extension="html"), "provider_error", True, True),
    "forgotten": (failed("provider_lost", retryable=False), "provider_lost", False, True),
    "never finished": (provider_has(script="never_finish"), "provider_lost", False, True),
    "outcome unknown": (provider_has(script="lose_answer", loses_webhooks=True), "provider_lost", False, True),
}


@pytest.mark.parametrize("line", LINES)
def test_what_was_not_delivered_is_not_charged(museway: World, line: str) -> None:
    given, code, retryable, is_paid = LINES[line]
    given(museway)
    generation_id = museway.generate()
    museway.settle_down()
    assert museway.generation(generation_id)["attempts"][-1]["error"]["code"] == code
    assert len(museway.provider.paid) == is_paid
    assert_uncharged(museway, generation_id, "failed", code, retryable=retryable)


def assert_uncharged(museway: World, generation_id: str, status: str, code: str, *, retryable: bool) -> None:
    shown = museway.generation(generation_id)
    assert (shown["status"], shown["error"]["code"], shown["error"]["retryable"]) == (status, code, retryable)
    assert set(shown["error"]) == {"code", "message", "retryable"}
    assert (shown["billed_micros"], shown["billed_usd"], shown["outputs"]) == (0, 0, [])
    totals = museway.totals()
    assert (totals.available_micros, totals.held_micros, totals.spent_micros) == (GRANTED_MICROS, 0, 0)
    assert entries(museway, generation_id) == {"hold": PRICE_MICROS, "release": PRICE_MICROS}
    [event] = museway.events
    told = {name: event[name] for name in ("generation_id", "project_id", "status", "billed_micros", "error")}
    assert told == {
        "generation_id": generation_id,
        "project_id": PROJECT,
        "status": status,
        "billed_micros": 0,
        "error": shown["error"],
    }
    assert museway.request("GET", "/v1/records")[1]["items"] == []
    assert museway.violations(at_rest=True) == []


def entries(museway: World, generation_id: str) -> dict[str, int]:
    """The ledger's movements of a generation, by type."""
    items = museway.request("GET", "/v1/ledger")[1]["items"]
    found = [entry for entry in items if entry["generation_id"] == generation_id]
    by_type = {entry["type"]: entry["amount_micros"] for entry in found}
    assert len(by_type) == len(found)
    return by_type


def test_every_code_has_its_line() -> None:
    assert {code for _, code, _, _ in LINES.values()} | {"cancelled"} == set(NonDelivery)


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"num_images": 9}, 400, "invalid_request"),
        (
            {"generation_type": "image-to-image", "source_media_urls": ["http://169.254.169.254/x.png"]},
            400,
            "unsafe_url",
        ),
        ({"max_price_micros": PRICE_MICROS - 1}, 400, "price_above_maximum"),
        ({"model": "no such model"}, 400, "unknown_model"),
        ({}, 402, "insufficient_credits"),
    ],
)
def test_what_is_rejected_before_submit_holds_nothing(
    museway: World, changes: dict[str, Any], status: int, code: str
) -> None:
    if status == 402:
        ledger.adjust(PROJECT, 1 - GRANTED_MICROS, "x", "almost all")
    before = museway.totals()
    answered, body, _ = museway.request("POST", "/v1/generate/media", BODY | changes)
    assert (answered, body["error"]) == (status, code)
    assert museway.totals() == before
    assert museway.violations() == []


def test_some_of_n_outputs_are_charged_as_such(museway: World) -> None:
    museway.provider.outputs = 3
    generation_id = museway.generate(num_images=4)
    museway.settle_down()
    shown = museway.generation(generation_id)
    assert (shown["status"], shown["error"], shown["billed_micros"]) == ("completed", None, 3 * PRICE_MICROS)
    assert entries(museway, generation_id) == {"hold": 4 * PRICE_MICROS, "settle": 3 * PRICE_MICROS}
    [event] = museway.events
    assert (event["status"], event["error"], event["billed_micros"]) == ("completed", None, 3 * PRICE_MICROS)
    assert museway.totals().spent_micros == 3 * PRICE_MICROS
    assert museway.violations(at_rest=True) == []


def test_what_is_cancelled_before_it_was_delivered_is_not_charged(museway: World) -> None:
    generation_id = museway.generate()
    museway.clock.after(3, lambda: closing.cancel(PROJECT, generation_id))
    museway.settle_down()
    assert_uncharged(museway, generation_id, "cancelled", "cancelled", retryable=False)


def test_a_providers_private_code_is_told_to_nobody(museway: World) -> None:
    museway.provider.script = "fail"
    museway.provider.failure = Failed("nsfw_policy_7", "what the provider said", retryable=False)
    generation_id = museway.generate()
    museway.settle_down()
    assert_uncharged(museway, generation_id, "failed", "provider_error", retryable=False)
    assert museway.generation(generation_id)["error"]["message"] == "what the provider said"


def test_what_is_withheld_when_its_urls_are_read_again_is_not_to_be_retried(museway: World) -> None:
    """The job was done; by the time its outputs are fetched the provider says that they are filtered."""
    delivering, asked = museway.provider.poll, []

    def poll(reference: Any) -> Any:
        outcome = delivering(reference)
        asked.append(outcome)
        withheld = Failed(NonDelivery.MODERATED_OUTPUT, "what the provider said", retryable=False)
        return outcome if len(asked) == 1 else withheld

    museway.provider.poll = poll  # type: ignore[method-assign]
    generation_id = museway.generate()
    museway.settle_down()
    assert_uncharged(museway, generation_id, "failed", "moderated_output", retryable=False)
