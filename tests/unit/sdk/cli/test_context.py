"""Which gateway a command speaks to."""

from collections.abc import Callable
from pathlib import Path

import pytest

from museway.cli._context import local_system
from tests.unit.sdk.cli.conftest import Museway
from tests.unit.sdk.fake_gateway import FakeGateway

Write = Callable[..., Path]


def hosts(gateway: FakeGateway) -> list[str]:
    return [request.url.netloc.decode() for request in gateway.requests]


def test_the_local_system_is_used_when_the_environment_names_none(
    museway: Museway, gateway: FakeGateway, local_file: Write
) -> None:
    local_file()
    assert museway("balance").exit_code == 0
    assert hosts(gateway) == ["127.0.0.1:8400"]


def test_it_is_found_from_a_folder_below(
    museway: Museway, gateway: FakeGateway, local_file: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = local_file().parent.parent / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert museway("balance").exit_code == 0
    assert hosts(gateway) == ["127.0.0.1:8400"]


def test_either_variable_leaves_the_local_system_out(
    museway: Museway, gateway: FakeGateway, local_file: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    local_file()
    monkeypatch.setenv("MUSEWAY_API_KEY", "mw_of_production")
    result = museway("balance")
    assert (result.exit_code, gateway.requests) == (1, [])
    assert "MUSEWAY_URL" in result.stderr


@pytest.mark.parametrize(
    "content",
    [
        {"url": "https://elsewhere.test"},
        {"url": "http://127.0.0.1.elsewhere.test"},
        {"aws_endpoint_url": "http://10.0.0.1:4566"},
        {"url": ""},
    ],
)
def test_a_file_that_names_another_machine_is_refused(
    museway: Museway, gateway: FakeGateway, local_file: Write, content: dict[str, str]
) -> None:
    local_file(**content)
    result = museway("balance")
    assert (result.exit_code, gateway.requests) == (1, [])
    assert "local_file_unusable" in result.stderr


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"url": 1}'])
def test_a_damaged_file_says_so(museway: Museway, local_file: Write, text: str) -> None:
    local_file().write_text(text)
    result = museway("balance")
    assert result.exit_code == 1
    assert "is damaged" in result.stderr


def test_the_key_is_not_shown(museway: Museway, local_file: Write) -> None:
    local_file()
    assert "mw_test" not in repr(local_system())
