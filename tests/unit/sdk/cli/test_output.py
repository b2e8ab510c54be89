"""Printing amounts and progress."""

import io
import sys

import pytest

from museway.cli._output import money, progress_bar, say_error, shifted
from museway.errors import MusewayError


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (672_000, "$0.672 (67.2 credits, 672000 micros)"),
        (1, "$0.000001 (0.0001 credits, 1 micros)"),
        (0, "$0 (0 credits, 0 micros)"),
        (10_000_000, "$10 (1000 credits, 10000000 micros)"),
        (-10_000, "$-0.01 (-1 credits, -10000 micros)"),
    ],
)
def test_amounts_are_exact(micros: int, text: str) -> None:
    assert money(micros) == text


def test_no_amount_is_rounded() -> None:
    assert shifted(123456789012345678901234567890, 6) == "123456789012345678901234.56789"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_bar_is_drawn_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    with progress_bar("m", is_shown=True) as follow:
        assert follow is None
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress_bar("m", is_shown=False) as follow:
        assert follow is None
    monkeypatch.setenv("TERM", "xterm")
    with progress_bar("a [b] model", is_shown=True) as follow:
        assert follow is not None
        follow({"status": "processing", "progress": 40})
        follow({"status": "completed", "progress": None})
    assert "a [b] model" in terminal.getvalue()


def test_limits_are_said_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    fields = {"field": "duration", "allowed": {"minimum": 3, "maximum": None, "side": [1, 2]}, "nearest": []}
    say_error(MusewayError("No.", code="no", fields=fields))
    assert capsys.readouterr().err == "error: No. (no)\n       field: duration\n       allowed: minimum 3, side 1, 2\n"
