"""A generation from door to bill, along each of its paths, in virtual time."""

from collections.abc import Mapping
from typing import Any

import boto3

from gateway import jobs, tables
from tests.integration.world import GRANTED_MICROS, World

PRICE_MICROS = 39_000


def test_a_delivered_generation_is_billed_once_and_exactly(museway: World) -> None:
    generation_id = museway.generate()
    assert museway.totals().held_micros == PRICE_MICROS

    museway.settle_down()

    shown = museway.generation(generation_id)
    assert shown["status"] == "completed"
    assert shown["billed_micros"] == PRICE_MICROS
    assert (shown["outputs"][0]["width"], shown["outputs"][0]["height"]) == (64, 36)
    assert museway.totals().available_micros == GRANTED_MICROS - PRICE_MICROS
    assert museway.violations(at_rest=True) == []
    _, records, _ = museway.request("GET", "/v1/records")
    assert [record["generation_id"] for record in records["items"]] == [generation_id]
    key = f"projects/demo/{shown['outputs'][0]['drive_path']}"
    assert boto3.client("s3").head_object(Bucket="drive", Key=key)["ContentType"] == "image/png"


def test_a_webhook_brings_a_generation_home_in_few_transitions(museway: World) -> None:
    museway.provider.seconds = 5.0
    museway.generate()
    museway.settle_down()
    assert len(museway.machine.transitions) <= 9
    assert museway.machine.transitions.count("Poll") == 1


def test_a_lost_webhook_costs_a_few_transitions_and_nothing_else(museway: World) -> None:
    museway.provider.loses_webhooks = True
    museway.generate()
    museway.settle_down()
    assert museway.violations(at_rest=True) == []
    assert len(museway.machine.transitions) <= 12
    assert museway.machine.transitions.count("Poll") + museway.machine.transitions.count("retry") <= 2


def test_outputs_that_come_inside_the_answer_are_kept(museway: World) -> None:
    museway.provider.script = "deliver_at_once"
    museway.provider.outputs = 2
    generation_id = museway.generate("openai/gpt-image-2", n=2)
    museway.settle_down()
    shown = museway.generation(generation_id)
    assert len(shown["outputs"]) == 2
    assert shown["billed_micros"] == 2 * 53_000
    assert museway.violations(at_rest=True) == []


def test_only_delivered_outputs_are_billed(museway: World) -> None:
    museway.provider.outputs = 3
    generation_id = museway.generate(num_images=4)
    assert museway.totals().held_micros == 4 * PRICE_MICROS
    museway.settle_down()
    assert museway.generation(generation_id)["billed_micros"] == 3 * PRICE_MICROS
    assert museway.totals().held_micros == 0
    assert museway.violations(at_rest=True) == []


def test_a_job_that_never_finishes_is_cancelled_at_the_provider(museway: World) -> None:
    museway.provider.script = "never_finish"
    museway.generate()
    museway.settle_down()
    assert museway.provider.cancelled == museway.provider.paid


def test_a_lost_answer_is_found_again_by_the_webhook(museway: World) -> None:
    museway.provider.script = "lose_answer"
    generation_id = museway.generate()
    museway.settle_down()
    assert museway.generation(generation_id)["status"] == "completed"
    assert len(museway.provider.paid) == 1
    assert museway.violations(at_rest=True) == []


def test_a_lost_answer_that_nobody_tells_of_is_waited_out_and_never_sent_again(museway: World) -> None:
    museway.provider.script = "lose_answer"
    museway.provider.loses_webhooks = True
    generation_id = museway.generate()
    museway.settle_down()
    assert museway.generation(generation_id)["error"]["code"] == "provider_lost"
    assert museway.clock.seconds >= 300
    assert len(museway.provider.paid) == 1
    assert museway.violations(at_rest=True) == []


def test_a_lost_answer_is_found_where_the_provider_can_be_asked_by_our_own_id(museway: World) -> None:
    museway.provider.script, museway.provider.loses_webhooks, museway.provider.finds = "lose_answer", True, True
    generation_id = museway.generate()
    museway.settle_down()
    assert museway.generation(generation_id)["status"] == "completed"
    assert museway.clock.seconds < 60
    assert len(museway.provider.paid) == 1
    assert museway.violations(at_rest=True) == []


def test_a_job_is_asked_about_though_its_webhook_named_it_as_it_was_looked_up(museway: World) -> None:
    museway.provider.script, museway.provider.loses_webhooks, museway.provider.finds = "lose_answer", True, True
    generation_id, finding, polling = museway.generate(), museway.provider.find, museway.provider.poll
    asked: list[Mapping[str, str]] = []

    def overtaken(attempt_id: str, endpoint: str) -> Mapping[str, str]:
        found, attempt = finding(attempt_id, endpoint), tables.Attempt.find(generation_id, 1)
        assert attempt is not None
        jobs.learn(attempt, found)
        return found

    def noted(reference: Mapping[str, str]) -> Any:
        asked.append(reference)
        return polling(reference)

    museway.provider.find, museway.provider.poll = overtaken, noted  # type: ignore[method-assign]
    museway.settle_down()
    assert museway.generation(generation_id)["status"] == "completed"
    assert all(asked)


def test_output_url_path_points_at_an_unusual_answer(museway: World) -> None:
    status, body, _ = museway.request(
        "POST",
        "/v1/media/generate",
        {
            "model": "nano-banana",
            "inputs": {"prompt": "x"},
            "output_url_path": "strange[0].place",
            "output_path": "a/b.png",
        },
    )
    assert status == 202
    museway.settle_down()
    # The scripted provider's answer holds nothing there.
    assert museway.generation(body["generation_id"])["error"]["code"] == "empty_output"


def test_output_path_names_the_file(museway: World) -> None:
    body = {"model": "nano-banana", "inputs": {"prompt": "x", "num_images": 2}, "output_path": "renders/fox.png"}
    _, accepted, _ = museway.request("POST", "/v1/media/generate", body)
    museway.provider.outputs = 2
    museway.settle_down()
    shown = museway.generation(accepted["generation_id"])
    assert [output["drive_path"] for output in shown["outputs"]] == ["renders/fox.png", "renders/fox-1.png"]
