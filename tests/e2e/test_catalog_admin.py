"""Prices are operated on the running system: published, refused, rolled back, and functions follow by themselves."""

import base64
import json
import shutil
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.catalog.source import MODELS_DIRECTORY
from tests.e2e.support import Local

MODEL, FILE = "elevenlabs/music", "elevenlabs-music.yaml"
RATE, RISEN = "0.01", "0.0125"
FOLLOWS_SECONDS_MAX = 75
"""A minute, and what a busy machine takes."""


class Operator:
    """A person at a command line, with the YAML in a folder of their own and this system as the default."""

    def __init__(self, local: Local, folder: Path) -> None:
        self.local, self.folder, self.models = local, folder, folder / "models"
        shutil.copytree(MODELS_DIRECTORY, self.models)
        (folder / ".museway").mkdir()
        (folder / ".museway/local.json").write_text(json.dumps(local.description))

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        program = Path(sys.executable).with_name("museway")
        command = [str(program), "admin", "catalog", *words]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=120, check=False)

    def asked(self, *words: str) -> dict[str, Any]:
        done = self.run(*words, "--json")
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    def edit(self, old: str, new: str) -> None:
        path = self.models / FILE
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def listed(self) -> tuple[str, str]:
        """The version and the model's rate, as anybody sees them."""
        answer = httpx.get(f"{self.local.url}/v1/pricing", timeout=30).raise_for_status().json()
        (rates,) = (item["rate_table"] for item in answer["items"] if item["model"] == MODEL)
        return answer["catalog_version"], rates[0]["rate"]

    def wait_until(self, version: str) -> float:
        """Wait until every container that answers has the version; the seconds it took."""
        started = time.monotonic()
        while any(self.listed()[0] != version for _ in range(3)):
            assert time.monotonic() < started + FOLLOWS_SECONDS_MAX, self.listed()
            time.sleep(1)
        return time.monotonic() - started


@pytest.fixture
def operator(local: Local, tmp_path: Path) -> Iterator[Operator]:
    """The operator; whatever happens, the catalog that was current is so again at the end."""
    made = Operator(local, tmp_path)
    version, _ = made.listed()
    yield made
    made.run("rollback", version)
    made.wait_until(version)


def test_a_price_is_published_and_rolled_back_without_a_deployment(operator: Operator) -> None:
    before, rate = operator.listed()
    assert rate == RATE
    operator.edit(f'rate: "{RATE}"', f'rate: "{RISEN}"')
    change = f"{MODEL}: row minute: $0.01 -> $0.0125 per second of audio (+25.0 %), at once"

    diff = operator.run("diff", "--directory", "models")
    assert diff.stdout == f"! {change}\n"
    published = operator.asked("publish", "--directory", "models")
    assert (published["previous_version"], published["catalog_version"] != before) == (before, True)
    assert [one["sentence"] for one in published["changes"]] == [change]
    operator.wait_until(published["catalog_version"])
    assert operator.listed()[1] == RISEN

    (newest, *_) = operator.asked("versions")["items"]
    assert (newest["version"], newest["replaced"], newest["current"]) == (published["catalog_version"], before, True)

    rolled = operator.asked("rollback")
    assert (rolled["from_version"], rolled["to_version"]) == (published["catalog_version"], before)
    assert [one["breaking"] for one in rolled["changes"]] == [False]
    operator.wait_until(before)
    assert operator.listed() == (before, RATE)


def test_a_broken_catalog_is_refused_at_both_doors_and_changes_nothing(operator: Operator) -> None:
    before, versions = operator.listed(), operator.asked("versions")
    sound = operator.run("check", "--directory", "models")
    assert (sound.returncode, "No fault." in sound.stdout) == (0, True)

    operator.edit(f'rate: "{RATE}"', f"rate: {RATE}")
    lines = (operator.models / FILE).read_text().splitlines()
    (number,) = (number for number, line in enumerate(lines, 1) if f"rate: {RATE}" in line)
    refused = operator.run("publish", "--directory", "models")
    assert refused.returncode == 1
    assert f"models/{FILE}:{number}: " in refused.stderr

    # Sent past the local check, it is refused by the function.
    answer = operator.local.operate(action="catalog.publish", documents=packed({FILE: {"family": "x", "models": []}}))
    assert answer["error"] == "broken_catalog"
    assert answer["faults"][0]["document"] == FILE
    assert operator.asked("versions") == versions
    assert operator.listed() == before


def packed(documents: dict[str, Any]) -> str:
    return base64.b64encode(zlib.compress(json.dumps(documents).encode())).decode()
