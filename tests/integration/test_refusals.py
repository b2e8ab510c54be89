"""Bad input: every request that must be refused, what it is answered, and that it leaves no trace.

One world serves the whole table, because nothing in it may change anything.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from gateway import auth, keys, operator
from tests.integration.world import PROJECT, World, world

TYPED, NATIVE, ESTIMATE = "/v1/generate/media", "/v1/media/generate", "/v1/estimate"
FOX = {"model": "nano-banana", "prompt": "a fox"}
NATIVE_FOX = {"model": "nano-banana", "inputs": {"prompt": "a fox"}}
EDIT = FOX | {"generation_type": "image-to-image"}
PRICE_MICROS = 39_000


@pytest.fixture(scope="module")
def unchanged() -> Iterator[World]:
    with world(in_memory=True) as made:
        operator.perform({"action": "project.create", "project_id": "poor", "name": "Poor"})
        operator.perform({"action": "project.grant", "project_id": "poor", "amount_micros": 38_999, "grant_id": "1"})
        yield made


def tables(museway: World) -> dict[str, list[str]]:
    """Every item of every table, as stored."""
    museway.faults.active, before = False, museway.faults.active
    scans = {
        name: museway.dynamodb.get_paginator("scan").paginate(TableName=name)
        for name in ("catalog", "projects", "jobs", "ledger")
    }
    found = {
        name: sorted(json.dumps(item, sort_keys=True, default=repr) for page in pages for item in page["Items"])
        for name, pages in scans.items()
    }
    museway.faults.active = before
    return found


def refused(museway: World, method: str, path: str, body: Any = None, **how: Any) -> tuple[int, dict[str, Any]]:
    """Send it; whatever the refusal, it has the contract's shape and changed nothing."""
    before = tables(museway)
    started = (len(museway.machine.executions), len(museway.provider.paid))
    status, answer, headers = museway.request(method, path, body, **how)
    assert tables(museway) == before
    assert (len(museway.machine.executions), len(museway.provider.paid)) == started
    assert 400 <= status < 500, answer
    for name in ("error", "message", "hint", "request_id"):
        assert isinstance(answer[name], str), name
        assert answer[name], name
    assert answer["message"].endswith(".")
    assert answer["request_id"] == headers["x-request-id"]
    assert float(headers["x-gateway-overhead-ms"]) >= 0
    assert "Traceback" not in json.dumps(answer)
    return status, answer


def without(body: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != name}


KLING = {"model": "kuaishou/kling-v3-t2v", "prompt": "a fox"}
TYPED_REFUSALS: dict[str, tuple[Any, int, str, str | None]] = {
    "no model": (without(FOX, "model"), 422, "invalid_request", "model"),
    "model is a number": (FOX | {"model": 5}, 422, "invalid_request", "model"),
    "model is empty": (FOX | {"model": ""}, 422, "invalid_request", "model"),
    "model is endless": (FOX | {"model": "m" * 201}, 422, "invalid_request", "model"),
    "unknown model": (FOX | {"model": "nano-bananna"}, 400, "unknown_model", "model"),
    "family label": (FOX | {"model": "seedance-2-fast"}, 400, "variant_required", None),
    "no prompt": (without(FOX, "prompt"), 422, "invalid_request", "prompt"),
    "prompt is empty": (FOX | {"prompt": ""}, 422, "invalid_request", "prompt"),
    "prompt is a number": (FOX | {"prompt": 7}, 422, "invalid_request", "prompt"),
    "prompt is a list": (FOX | {"prompt": ["a", "fox"]}, 422, "invalid_request", "prompt"),
    "prompt is too long": (FOX | {"prompt": "x" * 5001}, 400, "prompt_too_long", "prompt"),
    "aspect ratio unknown": (FOX | {"aspect_ratio": "7:5"}, 400, "invalid_request", "aspect_ratio"),
    "aspect ratio is a number": (FOX | {"aspect_ratio": 1.5}, 422, "invalid_request", "aspect_ratio"),
    "seed is text": (FOX | {"seed": "lucky"}, 422, "invalid_request", "seed"),
    "sound is text": (KLING | {"sound": "loud"}, 422, "invalid_request", "sound"),
    "duration too long": (KLING | {"duration": 16}, 400, "invalid_request", "duration"),
    "duration too short": (KLING | {"duration": "2s"}, 400, "invalid_request", "duration"),
    "duration negative": (KLING | {"duration": -5}, 400, "invalid_request", "duration"),
    "duration not whole": (KLING | {"duration": 5.5}, 422, "invalid_request", "duration"),
    "duration is a word": (KLING | {"duration": "long"}, 422, "invalid_request", "duration"),
    "duration is a list": (KLING | {"duration": [5]}, 422, "invalid_request", "duration"),
    "too many images": (FOX | {"num_images": 5}, 400, "invalid_request", "num_images"),
    "no image at all": (FOX | {"num_images": 0}, 400, "invalid_request", "num_images"),
    "generation type unknown": (FOX | {"generation_type": "text-to-smell"}, 400, "invalid_request", "generation_type"),
    "source for text only": (
        FOX | {"source_media_urls": "http://files.test/a.png", "generation_type": "text-to-image"},
        400, "too_many_images", "source_media_urls",
    ),
    "source missing": (EDIT, 400, "source_media_required", "source_media_urls"),
    "sources too many": (
        EDIT | {"source_media_urls": ["http://files.test/a.png"] * 11}, 400, "too_many_images", "source_media_urls",
    ),
    "source of a wrong kind": (
        EDIT | {"source_media_urls": ["http://files.test/a.mp4"]}, 400, "too_many_videos", "source_media_urls",
    ),
    "source is empty": (EDIT | {"source_media_urls": [""]}, 422, "invalid_request", "source_media_urls"),
    "source is a number": (EDIT | {"source_media_urls": [5]}, 422, "invalid_request", "source_media_urls"),
    "source is an object": (EDIT | {"source_media_urls": {}}, 422, "invalid_request", "source_media_urls"),
    "high resolution without an aspect": (
        {"model": "gpt-image-2", "prompt": "a fox", "resolution": "4K"},
        400, "aspect_ratio_incompatible_with_high_res", "aspect_ratio",
    ),
    "metadata is a list": (FOX | {"metadata": []}, 422, "invalid_request", "metadata"),
    "metadata holds a number": (FOX | {"metadata": {"a": 1}}, 422, "invalid_request", "metadata.a"),
    "session is a number": (FOX | {"session_id": 5}, 422, "invalid_request", "session_id"),
    "session is endless": (FOX | {"session_id": "s" * 201}, 422, "invalid_request", "session_id"),
    "price limit negative": (FOX | {"max_price_micros": -1}, 422, "invalid_request", "max_price_micros"),
    "price limit broken": (FOX | {"max_price_micros": 1.5}, 422, "invalid_request", "max_price_micros"),
    "price limit is true": (FOX | {"max_price_micros": True}, 422, "invalid_request", "max_price_micros"),
    "price limit is text": (FOX | {"max_price_micros": "1"}, 422, "invalid_request", "max_price_micros"),
}  # fmt: skip


@pytest.mark.parametrize("door", [TYPED, ESTIMATE])
@pytest.mark.parametrize("case", TYPED_REFUSALS)
def test_a_typed_request_is_refused(unchanged: World, case: str, door: str) -> None:
    body, status, code, field = TYPED_REFUSALS[case]
    got, answer = refused(unchanged, "POST", door, body)
    assert (got, answer["error"], answer.get("field")) == (status, code, field)


NATIVE_REFUSALS: dict[str, tuple[Any, int, str, str | None]] = {
    "no model": (without(NATIVE_FOX, "model"), 422, "invalid_request", "model"),
    "unknown model": (NATIVE_FOX | {"model": "nano-bananna"}, 400, "unknown_model", "model"),
    "family label": (NATIVE_FOX | {"model": "seedance-2-fast"}, 400, "variant_required", None),
    "inputs are a list": (NATIVE_FOX | {"inputs": []}, 422, "invalid_request", "inputs"),
    "inputs are text": (NATIVE_FOX | {"inputs": "a fox"}, 422, "invalid_request", "inputs"),
    "no prompt": (NATIVE_FOX | {"inputs": {}}, 422, "invalid_request", "inputs.prompt"),
    "prompt is a number": (NATIVE_FOX | {"inputs": {"prompt": 5}}, 422, "invalid_request", "inputs.prompt"),
    "prompt is nothing": (NATIVE_FOX | {"inputs": {"prompt": None}}, 422, "invalid_request", "inputs.prompt"),
    "priced input out of range": (
        NATIVE_FOX | {"inputs": {"prompt": "x", "num_images": 5}}, 400, "invalid_request", "inputs.num_images",
    ),
    "priced input ill-typed": (
        NATIVE_FOX | {"inputs": {"prompt": "x", "num_images": "many"}}, 422, "invalid_request", "inputs.num_images",
    ),
    "media are numbers": (
        NATIVE_FOX | {"inputs": {"prompt": "x", "image_urls": [1]}}, 422, "invalid_request", "inputs.image_urls",
    ),
}  # fmt: skip


@pytest.mark.parametrize("door", [NATIVE, ESTIMATE])
@pytest.mark.parametrize("case", NATIVE_REFUSALS)
def test_a_native_request_is_refused(unchanged: World, case: str, door: str) -> None:
    body, status, code, field = NATIVE_REFUSALS[case]
    got, answer = refused(unchanged, "POST", door, body)
    assert (got, answer["error"], answer.get("field")) == (status, code, field)


SUBMIT_REFUSALS: dict[str, tuple[dict[str, Any], int, str]] = {
    "kind of another model": ({"kind": "video"}, 400, "kind"),
    "kind unknown": ({"kind": "film"}, 422, "kind"),
    "unknown field": ({"output": "a.png"}, 422, "output"),
    "path climbs": ({"output_path": "../x"}, 400, "output_path"),
    "path climbs inside": ({"output_path": "a/../../x"}, 400, "output_path"),
    "path is absolute": ({"output_path": "/abs"}, 400, "output_path"),
    "path has a backslash": ({"output_path": "a\\b.png"}, 400, "output_path"),
    "path has a line break": ({"output_path": "a\nb.png"}, 400, "output_path"),
    "path ends in a line break": ({"output_path": "a.png\n"}, 400, "output_path"),
    "path has an empty part": ({"output_path": "a//b.png"}, 400, "output_path"),
    "path has a dot part": ({"output_path": "a/./b.png"}, 400, "output_path"),
    "path is hidden": ({"output_path": ".hidden"}, 400, "output_path"),
    "path is empty": ({"output_path": ""}, 400, "output_path"),
    "path is long": ({"output_path": "a" * 600}, 422, "output_path"),
    "path is a number": ({"output_path": 5}, 422, "output_path"),
    "pointer is no JMESPath": ({"output_url_path": "[[["}, 400, "output_url_path"),
    "pointer is long": ({"output_url_path": "a" * 201}, 422, "output_url_path"),
}


@pytest.mark.parametrize("case", SUBMIT_REFUSALS)
def test_what_only_a_native_submit_has_is_checked_before_anything_is_held(unchanged: World, case: str) -> None:
    extra, status, field = SUBMIT_REFUSALS[case]
    got, answer = refused(unchanged, "POST", NATIVE, NATIVE_FOX | extra)
    assert (got, answer["error"], answer["field"]) == (status, "invalid_request", field)


SOURCES = {
    "http://127.0.0.1/a.png": "unsafe_url",
    "https://127.0.0.1/a.png": "unsafe_url",
    "https://127.1/a.png": "unsafe_url",
    "https://0x7f000001/a.png": "unsafe_url",
    "https://10.0.0.1/a.png": "unsafe_url",
    "https://192.168.1.1/a.png": "unsafe_url",
    "https://169.254.169.254/latest/meta-data/a.png": "unsafe_url",
    "https://[::1]/a.png": "unsafe_url",
    "https://[::ffff:10.0.0.1]/a.png": "unsafe_url",
    "https://localhost/a.png": "unsafe_url",
    "https://metadata.google.internal/a.png": "unsafe_url",
    "https://user:word@example.com/a.png": "unsafe_url",
    "https://example.com:22/a.png": "unsafe_url",
    "http://files.test:8080/a.png": "unsafe_url",
    "ftp://files.test/a.png": "unsafe_url",
    "file:///etc/passwd.png": "unsafe_url",
    "a.png": "unsafe_url",
    "http://files.test/gone.jpg": "source_unreachable",
    "http://files.test/broken.png": "source_unreachable",
    "http://files.test/huge.png": "source_too_large",
    "http://files.test/a.html": "source_not_media",
}


@pytest.mark.parametrize("url", SOURCES)
def test_a_source_is_fetched_and_judged_before_anything_is_held(unchanged: World, url: str) -> None:
    good = "http://files.test/good.png"
    for door, body, field in (
        (TYPED, EDIT | {"source_media_urls": [good, url]}, "source_media_urls"),
        (NATIVE, NATIVE_FOX | {"inputs": {"prompt": "x", "image_urls": [good, url]}}, "inputs.image_urls"),
    ):
        got, answer = refused(unchanged, "POST", door, body)
        assert (got, answer["error"], answer["field"]) == (400, SOURCES[url], field)
        assert answer["url_index"] == 1


def test_a_source_is_what_it_holds_and_not_what_it_is_called(unchanged: World) -> None:
    body = {"model": "nano-banana", "inputs": {"prompt": "x", "image_urls": ["http://files.test/a.mp4"]}}
    got, answer = refused(unchanged, "POST", NATIVE, body)
    assert (got, answer["error"], answer["field"]) == (400, "source_not_media", "inputs.image_urls")


BODIES = {
    "nothing": "",
    "none": None,
    "cut off": '{"model": "nano-banana", "prompt": ',
    "no JSON": "model=nano-banana&prompt=fox",
    "a list": "[]",
    "text": '"a fox"',
    "a number": "5",
    "null": "null",
    "NaN": '{"model": "nano-banana", "prompt": "x", "seed": NaN}',
    "Infinity among unknown inputs": '{"model": "nano-banana", "inputs": {"prompt": "x", "guidance": Infinity}}',
    "half a character": '{"model": "nano-banana", "prompt": "\\ud83e", "inputs": {"prompt": "\\ud83e"}}',
    "a number without end": '{"model": "nano-banana", "prompt": "x", "seed": ' + "9" * 5000 + "}",
    "nested without end": "[" * 200_000,
    "objects without end": '{"a":' * 100_000,
}


@pytest.mark.parametrize("door", [TYPED, NATIVE, ESTIMATE])
@pytest.mark.parametrize("case", BODIES)
def test_a_body_that_is_no_readable_object_is_refused(unchanged: World, case: str, door: str) -> None:
    got, answer = refused(unchanged, "POST", door, BODIES[case])
    assert (got, answer["error"], answer["field"]) == (422, "invalid_request", "body")


@pytest.mark.parametrize("door", [TYPED, NATIVE, ESTIMATE])
def test_a_body_of_more_than_a_megabyte_is_refused_by_its_bytes(unchanged: World, door: str) -> None:
    for prompt in ("x" * 1_000_000, "ü" * 500_000):
        got, answer = refused(unchanged, "POST", door, json.dumps({"prompt": prompt}, ensure_ascii=False))
        assert (got, answer["error"]) == (413, "payload_too_large")


@pytest.mark.parametrize("door", [TYPED, NATIVE])
def test_a_request_too_large_to_be_kept_is_refused(unchanged: World, door: str) -> None:
    many = {f"unknown{number}": number for number in range(20_000)}
    body = FOX | many if door == TYPED else {"model": "nano-banana", "inputs": {"prompt": "x"} | many}
    got, answer = refused(unchanged, "POST", door, body)
    assert (got, answer["error"]) == (413, "payload_too_large")


GUARDED = [
    ("POST", TYPED, FOX),
    ("POST", NATIVE, NATIVE_FOX),
    ("POST", ESTIMATE, FOX),
    ("GET", "/v1/generations", None),
    ("GET", "/v1/generations/gen_x", None),
    ("GET", "/v1/balance", None),
    ("GET", "/v1/records", None),
    ("GET", "/v1/ledger", None),
    ("POST", "/v1/upload/media", {"files": [{"filename": "a.png", "content_type": "image/png", "bytes": 5}]}),
    ("POST", "/v1/drive/sign", {"drive_path": "a.png"}),
    ("POST", "/v1/keys", {"name": "x"}),
    ("GET", "/v1/keys", None),
    ("GET", "/v1/keys/x", None),
    ("PATCH", "/v1/keys/x", {"name": "x"}),
    ("DELETE", "/v1/keys/x", None),
    ("GET", "/v1/settings", None),
    ("PUT", "/v1/settings", {"currency": "EUR"}),
]


@pytest.mark.parametrize(("method", "path", "body"), GUARDED)
def test_only_a_live_key_opens(unchanged: World, method: str, path: str, body: Any) -> None:
    right = unchanged.api_key
    old = keys.create(PROJECT, "old")
    keys.revoke(PROJECT, old["key_id"])
    revoked = old["api_key"]
    strange = auth.PREFIX + "x" * 44
    unknown = strange + auth._checksum("x" * 44)
    mistyped = right[:-1] + ("a" if right[-1] != "a" else "b")
    other_secret = right[:20] + ("a" if right[20] != "a" else "b") + right[21:-6]
    wrong_secret = other_secret + auth._checksum(other_secret.removeprefix(auth.PREFIX))
    headers: list[dict[str, str]] = [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": right},
        {"Authorization": f"Basic {right}"},
        {"Authorization": "Bearer sk-live-of-somebody-else"},
        *({"Authorization": f"Bearer {key}"} for key in (revoked, unknown, mistyped, wrong_secret, right + "x")),
    ]
    for sent in headers:
        got, answer = refused(unchanged, method, path, body, key=None, headers=sent)
        assert (got, answer["error"]) == (401, "unauthorized"), sent
        assert right not in json.dumps(answer)
    if method == "POST":  # who may not ask learns nothing of what could be asked
        assert refused(unchanged, method, path, "no JSON", key=None)[0] == 401


@pytest.mark.parametrize(("method", "path", "body"), GUARDED)
def test_a_key_without_the_scope_is_told_which(unchanged: World, method: str, path: str, body: Any) -> None:
    key = keys.create(PROJECT, "narrow", scopes=["workflows:write"])["api_key"]
    got, answer = refused(unchanged, method, path, body, key=key)
    assert (got, answer["error"]) == (403, "forbidden")
    assert answer["scope"] in auth.SCOPES


@pytest.mark.parametrize(("door", "body"), [(TYPED, FOX), (NATIVE, NATIVE_FOX)])
def test_without_credits_the_answer_says_what_is_needed_and_what_is_there(
    unchanged: World, door: str, body: Any
) -> None:
    key = keys.create("poor", "key")["api_key"]
    got, answer = refused(unchanged, "POST", door, body, key=key)
    assert (got, answer["error"]) == (402, "insufficient_credits")
    assert (answer["needed_micros"], answer["available_micros"]) == (PRICE_MICROS, 38_999)
    assert (answer["needed_credits"], answer["available_credits"]) == (3.9, 3.8999)


@pytest.mark.parametrize(("door", "body"), [(TYPED, FOX), (NATIVE, NATIVE_FOX)])
def test_a_price_above_the_callers_own_maximum_is_refused(unchanged: World, door: str, body: Any) -> None:
    got, answer = refused(unchanged, "POST", door, body | {"max_price_micros": PRICE_MICROS - 1})
    assert (got, answer["error"], answer["field"]) == (400, "price_above_maximum", "max_price_micros")
    assert answer["maximum_micros"] == PRICE_MICROS


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_an_idempotency_key_has_1_to_255_characters(unchanged: World, key: str) -> None:
    got, answer = refused(unchanged, "POST", TYPED, FOX, headers={"Idempotency-Key": key})
    assert (got, answer["field"]) == (422, "Idempotency-Key")


def test_an_unknown_model_comes_with_the_nearest(unchanged: World) -> None:
    _, answer = refused(unchanged, "POST", TYPED, FOX | {"model": "kuaishou/kling-v3-tv2"})
    assert answer["nearest"][0] == "kuaishou/kling-v3-t2v"
    got, answer = refused(unchanged, "GET", "/v1/models/kuaishou/kling-v3-tv2", key=None)
    assert (got, answer["error"], answer["nearest"][0]) == (404, "not_found", "kuaishou/kling-v3-t2v")


def test_a_family_label_comes_with_its_variants(unchanged: World) -> None:
    _, answer = refused(unchanged, "POST", TYPED, FOX | {"model": "seedance-2-fast"})
    expected = ["480p", "720p", "480p-video-ref", "720p-video-ref"]
    assert answer["available_variants"] == [f"seedance-2-fast-{one}" for one in expected]


def test_a_generation_of_another_project_is_not_there(unchanged: World) -> None:
    generation_id = unchanged.generate()
    key = keys.create("poor", "key")["api_key"]
    foreign = refused(unchanged, "GET", f"/v1/generations/{generation_id}", key=key)
    absent = refused(unchanged, "GET", f"/v1/generations/{generation_id[:-1]}0", key=key)
    assert foreign[0] == absent[0] == 404
    assert foreign[1]["error"] == absent[1]["error"] == "not_found"
    assert foreign[1]["message"].replace(generation_id, "") == absent[1]["message"].replace(
        f"{generation_id[:-1]}0", ""
    )
    _, listed, _ = unchanged.request("GET", "/v1/generations", key=key)
    assert listed["items"] == []


QUERIES = {
    "/v1/generations/GENERATION?wait=26": "wait",
    "/v1/generations/GENERATION?wait=-1": "wait",
    "/v1/generations/GENERATION?wait=nan": "wait",
    "/v1/generations/GENERATION?wait=inf": "wait",
    "/v1/generations/GENERATION?wait=soon": "wait",
    **{
        f"/v1/{listing}?{query}": field
        for listing in ("generations", "records", "ledger", "keys")
        for query, field in {
            "limit=0": "limit",
            "limit=101": "limit",
            "limit=-1": "limit",
            "limit=1.5": "limit",
            "limit=all": "limit",
            "cursor=": "cursor",
            "cursor=%%%": "cursor",
            "cursor=abc": "cursor",
            "cursor=MTI": "cursor",  # 12
            "cursor=eyJhIjoxfQ": "cursor",  # {"a": 1}
            "cursor=WyJhIiwiYiJd": "cursor",  # ["a", "b"]
            "cursor=WyJhIiwiYiIsM10": "cursor",  # ["a", "b", 3]
            "cursor=WyJhIiwiYiIsIiJd": "cursor",  # ["a", "b", ""]
            "cursor=kżół": "cursor",
        }.items()
    },
    **{
        f"/v1/{listing}?{query}": field
        for listing in ("records", "ledger")
        for query, field in {
            "since=yesterday": "since",
            "until=2026-13-01": "until",
            "since=2027-01-01&until=2026-01-01": "until",
        }.items()
    },
}


@pytest.mark.parametrize("path", QUERIES)
def test_a_query_out_of_range_is_refused(unchanged: World, path: str) -> None:
    got, answer = refused(unchanged, "GET", path)
    assert (got, answer["error"], answer["field"]) == (422, "invalid_request", QUERIES[path])


DRIVE = {
    "no files": ("/v1/upload/media", {"files": []}, 422, "files"),
    "files missing": ("/v1/upload/media", {}, 422, "files"),
    "no media": (
        "/v1/upload/media", {"files": [{"filename": "a.exe", "content_type": "text/html", "bytes": 5}]},
        400, "content_type",
    ),
    "a line break in the type": (
        "/v1/upload/media", {"files": [{"filename": "a.png", "content_type": "image/png\n", "bytes": 5}]},
        400, "content_type",
    ),
    "no bytes": (
        "/v1/upload/media", {"files": [{"filename": "a.png", "content_type": "image/png", "bytes": 0}]}, 400, "bytes",
    ),
    "too many bytes": (
        "/v1/upload/media", {"files": [{"filename": "a.png", "content_type": "image/png", "bytes": 100_000_001}]},
        400, "bytes",
    ),
    "bytes missing": (
        "/v1/upload/media", {"files": [{"filename": "a.png", "content_type": "image/png"}]}, 422, "files.0.bytes",
    ),
    "sign a climbing path": ("/v1/drive/sign", {"drive_path": "../poor/a.png"}, 400, "drive_path"),
    "sign for too long": ("/v1/drive/sign", {"drive_path": "a.png", "ttl_seconds": 21_601}, 422, "ttl_seconds"),
    "sign for no time": ("/v1/drive/sign", {"drive_path": "a.png", "ttl_seconds": 0}, 422, "ttl_seconds"),
}  # fmt: skip


@pytest.mark.parametrize("case", DRIVE)
def test_the_drive_refuses(unchanged: World, case: str) -> None:
    path, body, status, field = DRIVE[case]
    got, answer = refused(unchanged, "POST", path, body)
    assert (got, answer["field"]) == (status, field)


def test_an_unknown_route_is_answered_in_the_same_shape(unchanged: World) -> None:
    import importlib

    for function in ("submission", "generations", "pricing", "billing", "drive", "projects", "callbacks", "docs"):
        event = {
            "version": "2.0", "rawPath": "/v1/nothing", "rawQueryString": "", "headers": {}, "body": None,
            "isBase64Encoded": False, "queryStringParameters": None, "pathParameters": {},
            "requestContext": {"http": {"method": "GET", "path": "/v1/nothing"}, "stage": "$default", "requestId": "r"},
        }  # fmt: skip
        answer = importlib.import_module(f"functions.{function}.handler").handler(event, None)
        body = json.loads(answer["body"])
        assert (answer["statusCode"], body["error"], body["request_id"]) == (404, "not_found", "r")
        assert body["message"]
        assert body["hint"]
