"""The demo's sums and checks."""

import io
import wave
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.console import Console as RichConsole

from infra.local import demo
from infra.local.console import Console
from infra.local.problems import LocalProblem


def piece(name: str, micros: int) -> demo.Piece:
    return demo.Piece({"billed_micros": micros}, Path(name), 1.25)


def balance(available: int, held: int = 0) -> dict[str, Any]:
    return {"available_micros": available, "held_micros": held}


@pytest.fixture
def console() -> Console:
    return Console(RichConsole(file=io.StringIO(), width=100))


@pytest.mark.parametrize(
    ("micros", "text"), [(39_000, "3.9"), (990, "0.099"), (560_000, "56"), (1, "0.0001"), (0, "0")]
)
def test_credits_are_exact(micros: int, text: str) -> None:
    assert demo.credits_of(micros) == text


def test_the_bill_has_each_piece_and_the_sum() -> None:
    shown = io.StringIO()
    RichConsole(file=shown, width=100).print(demo.bill([piece("a.png", 39_000), piece("b.mp3", 990)], ["x", "y"]))
    lines = [line.split() for line in shown.getvalue().splitlines() if line.strip()]
    assert lines[2:] == [
        ["a.png", "x", "1.2", "s", "3.9", "39,000"],
        ["b.mp3", "y", "1.2", "s", "0.099", "990"],
        ["sum", "3.999", "39,990"],
    ]


def test_the_three_figures_must_agree(console: Console) -> None:
    demo.report(console, balance(1000), balance(600), 400, 400)


@pytest.mark.parametrize(
    ("after", "charged", "recomputed"),
    [(balance(601), 400, 400), (balance(600), 401, 400), (balance(600), 400, 399), (balance(600, held=1), 400, 400)],
)
def test_a_micro_of_difference_fails(console: Console, after: dict[str, Any], charged: int, recomputed: int) -> None:
    with pytest.raises(LocalProblem, match="do not agree"):
        demo.report(console, balance(1000), after, charged, recomputed)


@pytest.mark.parametrize("size", [(1600, 900), (1344, 768)])
def test_a_wide_image_passes(tmp_path: Path, size: tuple[int, int]) -> None:
    Image.new("RGB", size).save(tmp_path / "a.png")
    assert "16:9" in demo.check_image(tmp_path / "a.png")


def test_a_square_image_does_not(tmp_path: Path) -> None:
    Image.new("RGB", (900, 900)).save(tmp_path / "a.png")
    with pytest.raises(LocalProblem, match="not 16:9"):
        demo.check_image(tmp_path / "a.png")


def sound(path: Path, seconds: float) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(int(seconds * 8000) * 2))
    return path


def test_speech_must_last(tmp_path: Path) -> None:
    assert demo.check_speech(sound(tmp_path / "long.wav", 2)) == "2.0 s of sound"
    with pytest.raises(LocalProblem, match="only"):
        demo.check_speech(sound(tmp_path / "short.wav", 0.1))


def test_a_video_without_a_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LocalProblem, match="lacks its picture or its sound"):
        demo.check_video(sound(tmp_path / "a.wav", 5))


def test_records_that_do_not_add_up_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LocalProblem, match="do not add up"):
        demo.check_records([{"amount_micros": 1}], tmp_path / "records.jsonl")
