"""up and down: handed to the checkout's runtime, or a sentence where there is none."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.unit.sdk.cli.conftest import Museway

COMMANDS = "infra.local.commands"


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    made: list[object] = []

    def up(port: int, state: Path | None, detach: bool) -> int:
        made.append((port, state, detach))
        return 0

    def down() -> int:
        made.append("down")
        return 3

    monkeypatch.setitem(sys.modules, COMMANDS, SimpleNamespace(up=up, down=down))
    return made


def test_up_passes_its_options_and_down_its_exit_status(museway: Museway, calls: list[object]) -> None:
    assert museway("up").exit_code == 0
    assert museway("up", "--port", "8400", "--state", "s", "--detach").exit_code == 0
    assert museway("down").exit_code == 3
    assert calls == [(0, None, False), (8400, Path("s"), True), "down"]


def test_a_port_that_is_none_is_refused(museway: Museway, calls: list[object]) -> None:
    assert museway("up", "--port", "70000").exit_code == 2
    assert calls == []


def test_without_a_checkout_both_say_so(museway: Museway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, COMMANDS, None)
    for command in ("up", "down"):
        result = museway(command)
        assert result.exit_code == 1
        assert "There is no Museway checkout here" in result.stderr
        assert "make setup" in result.stderr


def test_a_checkout_that_lacks_a_package_says_which(museway: Museway, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> None:
        raise ModuleNotFoundError("No module named 'ministack'", name="ministack")

    monkeypatch.setattr("museway.cli._checkout.import_module", missing)
    assert "lacks the package 'ministack'" in museway("up").stderr
