"""route; routers list, show, save, delete, dry-run; run without a model."""

import json

import pytest

from tests.unit.sdk.cli.conftest import Museway
from tests.unit.sdk.fake_gateway import REHEARSAL, ROUTE, ROUTER, FakeGateway


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway(lists={"/v1/routers": [ROUTER]})


def test_route(museway: Museway, gateway: FakeGateway) -> None:
    options = ["--mode", "image", "--prefer", "price", "--max-usd", "0.05", "--exclude-providers", "fal,openai"]
    result = museway("route", "prompt=a fox", *options, "num_images=2")
    assert gateway.body("/v1/route") == {
        "mode": "image",
        "prefer": "price",
        "max_price_micros": 50_000,
        "exclude_providers": ["fal", "openai"],
        "inputs": {"prompt": "a fox", "num_images": 2},
    }
    assert result.stdout == (
        "model    provider   price_micros  quality  seconds  health  kept  reason\n"
        "p-image  replicate  5000          fast     5        closed  True  By price.\n"
    )
    assert json.loads(museway("route", "router/drafts", "--json").stdout) == ROUTE


@pytest.mark.parametrize("command", ["run", "estimate", "route"])
def test_what_is_wanted_is_said_alike(museway: Museway, gateway: FakeGateway, command: str) -> None:
    options = ["--capabilities", "image-gen,image-edit", "--quality-min", "pro", "--providers", "fal,kie"]
    museway(command, "prompt=a fox", *options, "--allow-platform-key", "--json")
    body = gateway.body({"run": "/v1/media/generate"}.get(command, f"/v1/{command}"))
    body.pop("kind", None)
    assert body == {
        "capabilities": ["image-gen", "image-edit"],
        "quality_min": "pro",
        "providers": ["fal", "kie"],
        "allow_platform_key": True,
        "inputs": {"prompt": "a fox"},
    }


def test_run_by_mode(museway: Museway, gateway: FakeGateway) -> None:
    museway("run", "prompt=a fox", "--mode", "image", "--prefer", "quality", "--json")
    assert gateway.body("/v1/media/generate") == {
        "mode": "image",
        "prefer": "quality",
        "inputs": {"prompt": "a fox"},
        "kind": "auto",
    }


def test_routers_are_listed_and_shown(museway: Museway, gateway: FakeGateway) -> None:
    assert museway("routers", "list").stdout == (
        "name    version  mode   prefer  quality_min  changed_at\ndrafts  1        image  price\n"
    )
    assert "version       3\n" in museway("routers", "show", "drafts", "--version", "3").stdout
    assert gateway.requests[-1].url.params["version"] == "3"


def test_a_router_is_saved_changed_and_deleted(museway: Museway, gateway: FakeGateway) -> None:
    options = ["--capabilities", "image-gen,image-edit", "--models", "p-image", "--fallback-order", "p-image"]
    made = museway("routers", "save", "drafts", *options, "--json")
    wish = {"capabilities": ["image-gen", "image-edit"], "models": ["p-image"], "fallback_order": ["p-image"]}
    assert gateway.body("/v1/routers") == {"name": "drafts", **wish}
    assert json.loads(made.stdout)["version"] == 1
    assert "version       2\n" in museway("routers", "save", "drafts", "--mode", "image", "--change").stdout
    assert json.loads(gateway.sent("PUT", "/v1/routers/drafts")[0].content) == {"mode": "image"}
    museway("routers", "delete", "drafts")
    assert gateway.sent("DELETE", "/v1/routers/drafts")


def test_a_dry_run(museway: Museway, gateway: FakeGateway) -> None:
    shown = museway("routers", "dry-run", "drafts", "--limit", "2").stdout
    assert gateway.body("/v1/routers/drafts/dry-run") == {"limit": 2}
    assert shown == (
        "generation  was           micros  would be  micros  note\n"
        "gen_2       nano-banana   39000   p-image   5000    not known: seed\n"
        "gen_1       openai/tts-1  15                        It was for something else than the router is.\n"
        "\n"
        "served    1 of 2, 1 otherwise\n"
        "was       $0.039 (3.9 credits, 39000 micros)\n"
        "would be  $0.005 (0.5 credits, 5000 micros)\n"
    )
    assert json.loads(museway("routers", "dry-run", "drafts", "--json").stdout) == REHEARSAL
