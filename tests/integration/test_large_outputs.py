"""A file is never held whole in memory: what is larger than the memory comes home, hashed, probed and rewritten."""

import hashlib
from pathlib import Path

import pytest

from tests.integration import large_outputs
from tests.integration.large_outputs import MIB, Bucket


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    with large_outputs.outside(tmp_path) as made:
        yield made


def assert_collected(bucket: Bucket, path: Path, output: dict[str, object]) -> None:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    key = f"/drive/projects/demo/{output['drive_path']}"
    size_bytes = path.stat().st_size
    assert (output["media_type"], output["width"], output["height"]) == ("video/mp4", 640, 360)
    assert (output["bytes"], output["sha256"]) == (size_bytes, sha256)
    assert (bucket.sizes[key], bucket.sha256[key]) == (size_bytes, sha256)
    assert bucket.parts[key] == -(-size_bytes // (32 * MIB))
    assert bucket.sizes[f"{key}.optimized.mp4"] == pytest.approx(size_bytes, rel=0.01)


def test_a_video_larger_than_the_memory(bucket: Bucket, tmp_path: Path) -> None:
    """In proportion: the file is twice what collecting it may take."""
    path = tmp_path / "film.mp4"
    large_outputs.film(path, 96 * MIB)
    assert_collected(bucket, path, large_outputs.collected(bucket, path.name, 48 * MIB, beyond_start=True))


def test_a_video_of_500_mb_in_a_function_of_512_mb(bucket: Bucket, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    if not pytestconfig.getoption("--whole"):
        pytest.skip("writes 2 GB: with --whole")
    path = tmp_path / "film.mp4"
    large_outputs.film(path, 500 * MIB)
    assert_collected(bucket, path, large_outputs.collected(bucket, path.name, 512 * MIB, beyond_start=False))
