"""The API's description is what the handlers are, and real answers have the shapes that it promises."""

import json

import pytest

from gateway import daily_exports, downloads, keys, reports
from infra import openapi
from infra.answers import ANSWERS, Group, Records
from tests.integration.world import PROJECT, World


def test_the_served_document_is_up_to_date() -> None:
    assert openapi.PATH.read_text() == openapi.text(), "run `make openapi`"


def test_every_reference_resolves() -> None:
    document = openapi.document()
    names = {part.split('"')[0] for part in json.dumps(document).split('"#/components/schemas/')[1:]}
    assert names <= set(document["components"]["schemas"])


@pytest.mark.moto
def test_real_answers_have_the_described_shapes(museway: World, monkeypatch: pytest.MonkeyPatch) -> None:
    generation_id = museway.generate(session_id="s", metadata={"a": "b"}, loop=True)
    museway.settle_down()
    limit = {"day_micros": 5_000_000}
    key_id = keys.create(PROJECT, "old", spending_limit=limit, expires_at="2027-01-31T00:00:00Z")["key_id"]
    museway.clock.sleep(2 * 86_400)
    daily_exports.run(lambda: 900)
    monkeypatch.setattr(downloads, "INLINE_BYTES_MAX", 0)
    requests = {
        ("POST", "/v1/generate/media"): {"model": "nano-banana", "prompt": "x"},
        ("POST", "/v1/media/generate"): {"model": "nano-banana", "inputs": {"prompt": "x"}},
        ("POST", "/v1/generate/media:batch"): {"requests": [{"model": "nano-banana", "prompt": "x"}, {"model": "?"}]},
        ("POST", "/v1/estimate"): {"model": "kuaishou/kling-v3-t2v", "prompt": "x", "sound": True},
        ("POST", "/v1/upload/media"): {"files": [{"filename": "a.png", "content_type": "image/png", "bytes": 5}]},
        ("POST", "/v1/drive/sign"): {"drive_path": museway.generation(generation_id)["outputs"][0]["drive_path"]},
        ("POST", "/v1/keys"): {"name": "render farm", "scopes": ["generate"], "spending_limit": limit},
        ("PATCH", "/v1/keys/{key_id}"): {"name": "older", "spending_limit": {"total_micros": 7}},
        ("PUT", "/v1/providers/{provider}/key"): {"key": "a-key-of-its-own"},
        ("PUT", "/v1/settings"): {"currency": "EUR", "spending_limit": limit, "alerts": {"balance_low_micros": 1}},
    }
    for (method, path), (status, model) in ANSWERS.items():
        shown = museway.generate() if path.endswith("/cancel") else generation_id
        concrete = path.replace("{generation_id}", shown).replace("{model_id}", "kuaishou/kling-v3-i2v")
        concrete = concrete.replace("{key_id}", key_id)
        concrete = concrete.replace("{session_id}", "s").replace("{provider}", "fal")
        answered, body, headers = museway.request(method, concrete, requests.get((method, path)))
        assert answered == status, (path, body)
        model.model_validate(body)
        assert headers["x-request-id"]
        assert float(headers["x-gateway-overhead-ms"]) >= 0


def test_groups_of_records_have_the_described_shape(museway: World) -> None:
    museway.generate()
    museway.settle_down()
    for group_by in reports.GROUPS:
        _, body, _ = museway.request("GET", f"/v1/records?group_by={group_by}")
        shape = Records.model_validate(body)
        assert [type(item) for item in shape.items] == [Group]
        assert shape.totals is not None


@pytest.mark.parametrize("path", ["/openapi.json", "/v1/models", "/v1/pricing", "/health"])
def test_public_routes_need_no_key(museway: World, path: str) -> None:
    assert museway.request("GET", path, key=None)[0] == 200


def test_a_form_header_on_a_json_body_is_no_obstacle(museway: World) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    status, body, _ = museway.request("POST", "/v1/estimate", {"model": "nano-banana", "prompt": "x"}, headers=headers)
    assert (status, body["expected_micros"]) == (200, 39_000)
