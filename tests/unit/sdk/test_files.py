"""Which inputs are local files."""

from pathlib import Path
from typing import Any

import pytest

from museway import errors
from museway._files import LocalFile, media_type, with_files_replaced


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.png").write_bytes(b"png")
    (tmp_path / "secret.pem").write_bytes(b"private")
    return tmp_path


def replaced(inputs: dict[str, Any]) -> dict[str, Any]:
    return with_files_replaced(inputs, lambda file: f"<{file.filename}>")


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({"image_url": "a.png"}, {"image_url": "<a.png>"}),
        ({"IMAGE_URLS": ["a.png", "b.png"]}, {"IMAGE_URLS": ["<a.png>", "b.png"]}),
        ({"source_media_urls": "a.png"}, {"source_media_urls": "<a.png>"}),
        ({"elements": [{"frontal_image_url": "a.png"}]}, {"elements": [{"frontal_image_url": "<a.png>"}]}),
        ({"anything": Path("a.png")}, {"anything": "<a.png>"}),
        ({"deep": {"er": (Path("a.png"),)}}, {"deep": {"er": ["<a.png>"]}}),
        ({"prompt": "a.png", "n": 3}, {"prompt": "a.png", "n": 3}),
        ({"image_url": "https://x.test/a.png"}, {"image_url": "https://x.test/a.png"}),
        ({"image_url": "data:image/png;base64,AA"}, {"image_url": "data:image/png;base64,AA"}),
        ({"image_url": "\0"}, {"image_url": "\0"}),
        ({"image_url": "x" * 10_000}, {"image_url": "x" * 10_000}),
        ({"image_url": ""}, {"image_url": ""}),
    ],
)
def test_a_path_or_an_existing_file_where_a_url_is_expected(inputs: dict[str, Any], expected: dict[str, Any]) -> None:
    assert replaced(inputs) == expected


def test_a_string_cannot_send_away_a_file_that_is_not_media() -> None:
    with pytest.raises(errors.InvalidRequest) as caught:
        replaced({"image_url": "secret.pem"})
    assert (caught.value.code, caught.value.field) == ("not_media", "image_url")
    assert replaced({"image_url": Path("secret.pem")}) == {"image_url": "<secret.pem>"}


def test_a_path_without_a_file_is_refused() -> None:
    with pytest.raises(errors.InvalidRequest) as caught:
        replaced({"image_url": Path("none.png")})
    assert caught.value.code == "file_not_found"


def test_a_file_is_described(folder: Path) -> None:
    found: list[LocalFile] = []
    with_files_replaced({"x": Path("a.png")}, lambda file: found.append(file) or "")  # type: ignore[func-returns-value]
    assert found == [LocalFile(Path("a.png"), "a.png", "image/png", 3)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.WEBP", "image/webp"), ("a.m4a", "audio/mp4"), ("a.mov", "video/quicktime"), ("a.txt", "text/plain"),
     ("a", "application/octet-stream")],
)  # fmt: skip
def test_media_types(name: str, expected: str) -> None:
    assert media_type(name) == expected
