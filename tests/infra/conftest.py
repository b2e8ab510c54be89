"""Synthesizes each stage once for the whole suite; jsii's start is what takes the time."""

import json
import os
import sys
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

# jsii takes the first `node` of PATH: the one of the virtual environment.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

import aws_cdk as cdk

from infra.application import application
from infra.bundle import Bundle
from infra.settings import HOST, Settings, for_stage

Resource = dict[str, Any]


@dataclass(frozen=True)
class Template:
    """A synthesized stack."""

    settings: Settings
    path: Path

    @cached_property
    def body(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.path.read_text())
        return content

    def of_type(self, kind: str) -> dict[str, Resource]:
        """Resources of a type by logical id."""
        return {name: item for name, item in self.body["Resources"].items() if item["Type"] == kind}

    def only(self, kind: str, containing: str = "") -> Resource:
        """The one resource of a type whose logical id contains a text."""
        found = [item for name, item in self.of_type(kind).items() if containing in name]
        assert len(found) == 1, f"{len(found)} of {kind} with '{containing}' in their id"
        return found[0]

    def function(self, name: str) -> Resource:
        """A Lambda function by its name in the manifest."""
        wanted = f"museway-{self.settings.stage}-{name}"
        return next(
            item
            for item in self.of_type("AWS::Lambda::Function").values()
            if item["Properties"]["FunctionName"] == wanted
        )


def synthesize(settings: Settings, folder: Path) -> Template:
    """Synthesize a stage; raises when cdk-nag finds an error. Code is built for this machine, whatever the
    stage: the builds for Lambda's are tested by themselves."""
    app = cdk.App(outdir=str(folder))
    application(settings, app, Bundle(HOST)).synth()
    return Template(settings, folder / f"museway-{settings.stage}.template.json")


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return synthesize(for_stage("local", {"public_url": "http://127.0.0.1:8787"}.get), tmp_path_factory.mktemp("local"))


@pytest.fixture(scope="session")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return synthesize(for_stage("prod"), tmp_path_factory.mktemp("prod"))


@pytest.fixture(scope="session", params=["local", "prod"])
def stage(request: pytest.FixtureRequest) -> Template:
    """Each stage in turn."""
    template: Template = request.getfixturevalue(request.param)
    return template


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The layers for this machine, unpacked, by name."""
    folders = {}
    for name in ("core", "vendor", "media"):
        folders[name] = tmp_path_factory.mktemp(name)
        with zipfile.ZipFile(Bundle(HOST).layer(name).path) as archive:
            archive.extractall(folders[name])
    return folders
