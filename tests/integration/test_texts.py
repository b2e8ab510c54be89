"""A text is delivered like any other output: whole, in the drive, and shown where it is short."""

from typing import Any

import pytest

from gateway import jobs, outputs, tables
from gateway.provider import Finished, MediaBytes
from tests.integration.world import CLIENT, GRANTED_MICROS, PROJECT, World


def written(museway: World, *contents: bytes, **inputs: Any) -> dict[str, Any]:
    """The end of a generation whose provider answers with these texts."""
    museway.provider.submit = lambda _: Finished(tuple(MediaBytes(one, "text/plain") for one in contents))
    generation_id = museway.generate(num_images=len(contents), **inputs)
    jobs.find(generation_id).change([tables.Generation.kind.set("text")])
    museway.settle_down()
    return museway.generation(generation_id)


def in_drive(drive_path: str) -> Any:
    return CLIENT("s3").get_object(Bucket="drive", Key=f"projects/{PROJECT}/{drive_path}")


def test_a_text_is_delivered(museway: World) -> None:
    shown = written(museway, "A fox \u2013 \u72d0.\n".encode())
    [output] = shown["outputs"]
    assert shown["status"] == "completed"
    assert output["text"] == "A fox \u2013 \u72d0.\n"
    assert (output["media_type"], output["bytes"]) == ("text/plain", 15)
    assert output["drive_path"] == f"media/{shown['generation_id']}-0.txt"
    assert output["url"]
    nothing = ("width", "height", "duration_seconds", "thumbnail_url", "optimized_url")
    assert [output[name] for name in nothing] == [None] * len(nothing)
    stored = in_drive(output["drive_path"])
    assert stored["Body"].read() == output["text"].encode()
    assert stored["ContentType"] == "text/plain; charset=utf-8"


def test_media_show_no_text(museway: World) -> None:
    generation_id = museway.generate()
    museway.settle_down()
    assert museway.generation(generation_id)["outputs"][0]["text"] is None


@pytest.mark.parametrize("letter", ["x", "\u72d0", "\x01"])
def test_what_is_long_is_at_its_url_alone(museway: World, letter: str) -> None:
    """In the store every letter outside ASCII is written with six, so that many fit in less."""
    most = outputs.TEXT_BYTES_SHOWN_MAX
    fitting = letter * ((most - 2) // (1 if letter == "x" else 6))
    shown = written(museway, (fitting + letter).encode(), fitting.encode())
    assert [output["text"] for output in shown["outputs"]] == [None, fitting]
    assert shown["outputs"][0]["bytes"] == len((fitting + letter).encode())


def test_several_texts_share_the_room(museway: World) -> None:
    half = b"x" * (outputs.TEXT_BYTES_SHOWN_MAX // 2)
    shown = written(museway, half, half, b"short")
    assert [bool(output["text"]) for output in shown["outputs"]] == [True, False, True]


@pytest.mark.parametrize("content", [b"\xff\xfe", b"A fox \xe7\x8b", b"  \n", b"", b"A\0fox"])
def test_what_is_no_text_is_not_delivered(museway: World, content: bytes) -> None:
    shown = written(museway, content)
    assert (shown["status"], shown["error"]["code"], shown["billed_micros"]) == ("failed", "provider_error", 0)
    assert museway.totals().available_micros == GRANTED_MICROS


def test_one_usable_text_of_two(museway: World) -> None:
    shown = written(museway, b"\xff", b"A fox.")
    assert [output["text"] for output in shown["outputs"]] == ["A fox."]


def test_what_is_withheld_at_once_fails_and_is_not_tried_elsewhere(museway: World) -> None:
    museway.provider.script = "withhold_at_once"
    generation_id = museway.generate()
    museway.settle_down()
    shown = museway.generation(generation_id)
    assert (shown["status"], shown["error"]["code"]) == ("failed", "moderated_output")
    assert [attempt["status"] for attempt in shown["attempts"]] == ["failed"]
    assert len(museway.provider.paid) == 1
    assert museway.totals().available_micros == GRANTED_MICROS
    assert museway.violations(at_rest=True) == []
