"""providers, providers key set, show, delete: a key comes from stdin, and only its end is ever printed."""

import json

import httpx
import pytest

from tests.unit.sdk.cli.conftest import Museway
from tests.unit.sdk.fake_gateway import FakeGateway

SECRET = "sk-canary-of-the-test-1234"
SHOWN = {"provider": "fal", "last_four": "1234", "tested": True, "saved_at": "2026-11-21T00:00:00Z"}
SAID = "provider  fal\nkey       ...1234\ntested    yes\nsaved     2026-11-21T00:00:00Z\n"


@pytest.fixture
def gateway() -> FakeGateway:
    own = {name: value for name, value in SHOWN.items() if name != "provider"}
    items = [{"provider": "fal", "name": "fal.ai", "key": own}, {"provider": "kie", "name": "Kie.ai", "key": None}]
    return FakeGateway(lists={"/v1/providers": items})


def answered(gateway: FakeGateway, **more: object) -> None:
    gateway.interruptions.append(httpx.Response(200, json=SHOWN | more))


def test_they_are_listed(museway: Museway) -> None:
    assert museway("providers").stdout == (
        "provider  name    own key  tested  saved_at\n"
        "fal       fal.ai  ...1234  yes     2026-11-21T00:00:00Z\n"
        "kie       Kie.ai\n"
    )
    assert json.loads(museway("providers", "--json").stdout)["items"][0]["key"]["last_four"] == "1234"


def test_a_key_is_read_from_stdin_and_not_shown(museway: Museway, gateway: FakeGateway) -> None:
    answered(gateway, warnings=["It was saved untested."])
    result = museway("providers", "key", "set", "fal", stdin=f"{SECRET}\n")
    (sent,) = gateway.sent("PUT", "/v1/providers/fal/key")
    assert json.loads(sent.content) == {"key": SECRET, "test": True}
    assert result.stdout == SAID
    assert result.stderr == "warning: It was saved untested.\n"
    assert SECRET not in result.output


def test_it_is_no_argument(museway: Museway, gateway: FakeGateway) -> None:
    assert museway("providers", "key", "set", "fal", SECRET).exit_code == 2
    assert gateway.requests == []


def test_without_a_key_nothing_is_sent(museway: Museway, gateway: FakeGateway) -> None:
    result = museway("providers", "key", "set", "fal", stdin=" \n")
    assert (result.exit_code, gateway.requests) == (1, [])
    assert "No key was given." in result.stderr


def test_one_is_saved_unasked(museway: Museway, gateway: FakeGateway) -> None:
    answered(gateway)
    museway("providers", "key", "set", "fal", "--no-test", stdin=SECRET)
    assert json.loads(gateway.requests[0].content)["test"] is False


@pytest.mark.parametrize(("command", "method"), [("show", "GET"), ("delete", "DELETE")])
def test_one_is_shown_and_deleted(museway: Museway, gateway: FakeGateway, command: str, method: str) -> None:
    answered(gateway)
    assert museway("providers", "key", command, "fal").stdout == SAID
    assert [(one.method, one.url.path) for one in gateway.requests] == [(method, "/v1/providers/fal/key")]


def test_a_name_is_one_part_of_the_path(gateway: FakeGateway) -> None:
    answered(gateway)
    with gateway.client() as client:
        client.delete_provider_key("../keys?x")
    assert gateway.requests[-1].url.raw_path == b"/v1/providers/..%2Fkeys%3Fx/key"
