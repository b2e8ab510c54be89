"""The command line as a whole: help, errors, exit status."""

import sys

import pytest

from museway import cli
from tests.unit.sdk.cli.conftest import Museway
from tests.unit.sdk.fake_gateway import FakeGateway, refusal

COMMANDS = [
    "run", "models", "pricing", "estimate", "status", "cancel", "batch", "upload", "balance", "records", "verify",
    "up", "down", "admin", "keys", "settings",
]  # fmt: skip


def test_help_lists_every_command_and_how_the_gateway_is_found(museway: Museway) -> None:
    text = museway("--help").stdout
    assert all(f"  {command}" in text for command in COMMANDS)
    assert ".museway/local.json" in text
    assert "MUSEWAY_API_KEY" in text


@pytest.mark.parametrize(
    "command",
    [
        *COMMANDS,
        *("admin project", "admin project create", "admin project grant", "admin project key"),
        *("admin project list", "admin project adjust", "admin project shards", "admin refund", "admin audit"),
        *(f"keys {name}" for name in ("list", "create", "show", "limit", "revoke")),
        *("settings show", "settings set"),
    ],
)
def test_every_command_has_help(museway: Museway, command: str) -> None:
    result = museway(*command.split(), "--help")
    assert result.exit_code == 0
    assert "Usage: museway" in result.stdout


def test_version(museway: Museway) -> None:
    assert museway("--version").stdout == "0.1.0\n"


def test_an_error_is_a_sentence_a_code_and_a_hint_on_stderr(museway: Museway, gateway: FakeGateway) -> None:
    gateway.interruptions = [
        refusal(400, "unknown_model", "No model 'nano'.", nearest=["nano-banana", "sora-2"], field="model")
    ]
    result = museway("run", "nano", "prompt=x")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "error: No model 'nano'. (unknown_model)\n"
        "hint:  Do better.\n"
        "       field: model\n"
        "       nearest: nano-banana, sora-2\n"
        "       request: req_9\n"
    )


def test_control_characters_of_a_server_do_not_reach_the_terminal(museway: Museway, gateway: FakeGateway) -> None:
    gateway.interruptions = [refusal(400, "bad", "\x1b[2Jgone\u202e")]
    assert "error: [2Jgone (bad)" in museway("balance").stderr


def test_a_file_error_is_a_sentence(museway: Museway) -> None:
    result = museway("run", "nano-banana", "-o", "/dev/null/x/film.mp4")
    assert result.exit_code == 1
    assert "error: Not a directory" in result.stderr


def test_usage_errors_exit_2(museway: Museway) -> None:
    assert museway("run").exit_code == 2
    assert museway("nothing").exit_code == 2


def test_the_entry_point_exits_with_the_commands_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["museway", "balance"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 1
    assert "MUSEWAY_URL" in capsys.readouterr().err


def test_without_the_extra_the_entry_point_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("museway.cli.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "typer", None)
    with pytest.raises(SystemExit, match=r"pip install 'museway\[cli\]'"):
        cli.main()


def test_a_broken_pipe_is_not_an_error_message(museway: Museway, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("museway.cli.billing.say_json", broken)
    result = museway("balance", "--json")
    assert (result.exit_code, result.stderr) == (1, "")
