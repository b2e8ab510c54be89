"""models, pricing, estimate."""

import json
from typing import Any

import httpx
import pytest

from tests.unit.sdk.cli.conftest import Museway
from tests.unit.sdk.fake_gateway import ESTIMATE, FakeGateway

MODEL = "kuaishou/kling-v3-i2v"
SHOWN: dict[str, Any] = {
    "id": MODEL,
    "name": "Kling 3.0",
    "status": "ending",
    "sunset_at": "2027-01-06",
    "successor": "kling/next",
    "generation_types": ["text-to-video", "image-to-video"],
    "capabilities": {"video_audio": "toggle_via_sound_param"},
    "estimated_time_seconds": 90,
    "limits": {
        "sources": [{"kind": "image", "counts": {"text-to-video": [0, 0], "image-to-video": [1, 2]}}],
        "rules": [{"code": "no_fast_loop", "message": "A loop runs slowly."}],
    },
    "input_schema": {
        "required": ["prompt"],
        "properties": {
            "prompt": {"type": "string", "maxLength": 2500, "pattern": "x"},
            "duration": {
                "anyOf": [{"type": "integer", "minimum": 3, "maximum": 15}, {"type": "string", "pattern": "^3s?$"}],
                "default": 5,
            },
            "aspect_ratio": {"enum": ["16:9", "1:1"], "description": "Shape"},
            "source_media_urls": {"anyOf": [{"type": "string", "format": "uri"}, {"type": "array", "maxItems": 2}]},
            "seed": {"type": "integer", "minimum": -(10**30), "maximum": 10**30},
        },
    },
    "rate_table": [
        {
            "row_id": "silent", "rate": "0.084", "unit": "video_second", "meter": "output_seconds",
            "when": {"generate_audio": False, "tier": ["a", "b"], "urls": {"count": {"gt": 0}}},
        },
    ],
}  # fmt: skip


def test_models(museway: Museway, gateway: FakeGateway) -> None:
    gateway.lists["/v1/models"] = [
        {"id": MODEL, "kind": "video", "family": "kling-v3", "status": "active", "name": "Kling 3.0"},
        {"id": "nano-banana", "kind": "image", "family": None, "status": "ending", "name": "Nano Banana"},
    ]
    assert museway("models", "--kind", "video", "--q", "kling", "--status", "active").stdout == (
        "id                     kind   family    status  name\n"
        "kuaishou/kling-v3-i2v  video  kling-v3  active  Kling 3.0\n"
        "nano-banana            image            ending  Nano Banana\n"
    )
    assert dict(gateway.requests[-1].url.params) == {"kind": "video", "q": "kling", "status": "active"}
    assert len(json.loads(museway("models", "--json").stdout)["items"]) == 2


def test_one_model(museway: Museway, gateway: FakeGateway) -> None:
    gateway.interruptions = [httpx.Response(200, json=SHOWN)]
    text = museway("models", MODEL).stdout
    assert gateway.requests[-1].url.path == f"/v1/models/{MODEL}"
    assert "status       ending, until 2027-01-06\nsuccessor    kling/next\n" in text
    assert "sources      image: text-to-video 0, image-to-video 1-2\n" in text
    assert "prompt             yes                text of up to 2500 characters\n" in text
    assert "duration                     5        3 to 15\n" in text
    assert "aspect_ratio                          16:9, 1:1                      Shape\n" in text
    assert "source_media_urls                     uri or list of 0-2\n" in text
    assert "seed                                  integer\n" in text
    assert "silent  $0.084  video_second  output_seconds  generate_audio=False, tier=a|b, urls=count gt 0\n" in text
    assert text.endswith("no_fast_loop: A loop runs slowly.\n")
    gateway.interruptions = [httpx.Response(200, json=SHOWN)]
    assert json.loads(museway("models", MODEL, "--json").stdout) == SHOWN


def test_pricing(museway: Museway, gateway: FakeGateway) -> None:
    rows = [
        {**SHOWN["rate_table"][0], "when": {"generate_audio": False}},
        {"row_id": "audio", "rate": "0.112", "unit": "video_second", "meter": "output_seconds", "when": None},
    ]
    gateway.lists["/v1/pricing"] = [{"model": MODEL, "rate_table": rows}]
    assert museway("pricing", "--family", "kling-v3").stdout == (
        "model                  row     rate    unit          meter           when\n"
        "kuaishou/kling-v3-i2v  silent  $0.084  video_second  output_seconds  generate_audio=False\n"
        "kuaishou/kling-v3-i2v  audio   $0.112  video_second  output_seconds\n"
    )
    assert dict(gateway.requests[-1].url.params) == {"family": "kling-v3"}
    assert json.loads(museway("pricing", "--json").stdout)["items"][0]["rate_table"] == rows


@pytest.mark.parametrize(
    ("observed", "said"),
    [
        ({"confidence": "low", "sample_size": 0}, "90 s (low confidence, not observed yet)"),
        ({"confidence": "medium", "sample_size": 7}, "90 s (medium confidence, from 7 runs)"),
    ],
)
def test_estimate(
    museway: Museway, gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch, observed: dict[str, Any], said: str
) -> None:
    for name, value in {**observed, "assumptions": ["It counts 15 s."], "warnings": ["It ends."]}.items():
        monkeypatch.setitem(ESTIMATE, name, value)
    text = museway("estimate", MODEL, "duration=8").stdout
    assert "silent  output_seconds  8         video_second  0.084  0.672\n" in text
    assert "at most      $0.672 (67.2 credits, 672000 micros)\n" in text
    assert f"takes about  {said}\n" in text
    assert "assumes      It counts 15 s.\nnote         It ends.\n" in text
    assert gateway.body("/v1/estimate") == {"model": MODEL, "inputs": {"duration": 8}}
    assert json.loads(museway("estimate", MODEL, "--json").stdout)["maximum_micros"] == 672_000


def test_a_retired_model_names_its_successor(museway: Museway, gateway: FakeGateway) -> None:
    refusal = {"error": "model_retired", "message": "Gone.", "hint": "Use the successor.", "successor": "veo3-1"}
    gateway.interruptions = [httpx.Response(410, json=refusal)]
    result = museway("estimate", "sora-2", "prompt=fox")
    assert result.exit_code == 1
    assert "error: Gone. (model_retired)" in result.stderr
    assert "successor: veo3-1" in result.stderr
