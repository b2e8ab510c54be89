"""batch."""

import json
from pathlib import Path

import pytest

from tests.unit.sdk.cli.conftest import Museway
from tests.unit.sdk.fake_gateway import FakeGateway

PATH = "/v1/generate/media:batch"


def test_a_line_for_each_and_success_when_all_were_accepted(
    museway: Museway, gateway: FakeGateway, tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(b"png")
    lines = [{"model": "nano-banana", "prompt": "a\u2028fox"}, {"model": "nano-banana", "image_url": "a.png"}]
    written = "\r\n\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
    (tmp_path / "calls.jsonl").write_text(written, "utf-8", newline="")
    result = museway("batch", "calls.jsonl")
    assert result.exit_code == 0
    assert result.stdout == (
        "1  accepted  gen_1  $0.672 (67.2 credits, 672000 micros)\n"
        "3  accepted  gen_2  $0.672 (67.2 credits, 672000 micros)\n"
    )
    assert gateway.body(PATH)["requests"] == [lines[0], lines[1] | {"image_url": "https://files.test/uploads/a.png"}]


def test_a_refused_line_is_told_and_exits_1(museway: Museway, gateway: FakeGateway) -> None:
    error = {
        "error": "invalid_request",
        "message": "Too many.",
        "hint": "Fewer.",
        "field": "num_images",
        "allowed": [1],
    }
    gateway.refusals = {0: (400, error), 1: (402, {"error": "insufficient_credits", "message": "No.", "hint": ""})}
    stdin = '{"model": "a"}\n{"model": "b"}\n{"model": "c"}\n'
    result = museway("batch", "-", stdin=stdin)
    assert (result.exit_code, result.stderr) == (1, "")
    assert result.stdout == (
        "1  refused   Too many. (invalid_request, num_images)\n"
        "2  refused   No. (insufficient_credits)\n"
        "3  accepted  gen_1  $0.672 (67.2 credits, 672000 micros)\n"
    )
    told = museway("batch", "-", "--json", stdin=stdin)
    assert told.exit_code == 1
    first, second, third = json.loads(told.stdout)
    assert first == {"line": 1, "status": 400, "generation": None, "error": error}
    assert (second["status"], second["error"]["error"]) == (402, "insufficient_credits")
    assert (third["line"], third["generation"]["model"], third["error"]) == (3, "c", None)


@pytest.mark.parametrize("content", [b"", b"\n \n", b"[1]", b'{"model": "a"}\nno json', b"\xff\xfe"])
def test_what_is_no_batch_is_said_before_anything_is_sent(
    museway: Museway, gateway: FakeGateway, content: bytes
) -> None:
    result = museway("batch", "-", stdin=content)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "invalid_argument" in result.stderr
    assert ("Line 2" in result.stderr) == (b"no json" in content)
    assert gateway.requests == []


def test_a_file_that_is_not_there_is_a_sentence(museway: Museway) -> None:
    result = museway("batch", "none.jsonl")
    assert result.exit_code == 1
    assert "error: No such file or directory: none.jsonl" in result.stderr
