"""What is uploaded: bytecode that Lambda uses, wheels for its machine, everything that handlers import."""

import importlib.util
import json
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from gateway.catalog.source import compile_catalog
from infra import bundle, interpreters, manifest
from infra.bundle import AWS_SERVICES, Bundle
from infra.catalog_source import PATH_IN_CORE
from infra.settings import HOST, LAMBDA

LAYERS = ("core", "vendor", "media")
UNPACKED_BYTES_MAX = 250 * 1024 * 1024
"""Lambda's limit for a function with its layers."""
ELF_AARCH64 = 0xB7


def modules_without_hash_based_bytecode(archive: zipfile.ZipFile) -> list[str]:
    """Modules whose bytecode is missing, of another Python, or bound to a timestamp that Lambda changes."""
    names = set(archive.namelist())
    faulty = []
    for name in names:
        if not name.endswith(".py"):
            continue
        path = Path(name)
        cached = str(path.parent / "__pycache__" / f"{path.stem}.{sys.implementation.cache_tag}.pyc")
        if cached not in names:
            faulty.append(name)
            continue
        head = archive.read(cached)[:8]
        (flags,) = struct.unpack("<I", head[4:8])
        # PEP 552: bit 0 says hash-based, bit 1 that the source is checked all the same.
        if head[:4] != importlib.util.MAGIC_NUMBER or flags != 0b01:
            faulty.append(name)
    return faulty


class TestBytecode:
    @pytest.mark.parametrize("name", LAYERS)
    def test_every_module_of_a_layer_has_it(self, name: str) -> None:
        with zipfile.ZipFile(Bundle(HOST).layer(name).path) as archive:
            assert len(archive.namelist()) > 10
            assert modules_without_hash_based_bytecode(archive) == []

    @pytest.mark.parametrize("function", manifest.FUNCTIONS, ids=lambda function: function.name)
    def test_every_module_of_a_function_has_it(self, function: manifest.Function) -> None:
        with zipfile.ZipFile(Bundle(HOST).function(function.name).path) as archive:
            assert "handler.py" in archive.namelist()
            assert modules_without_hash_based_bytecode(archive) == []


class TestImports:
    @pytest.mark.parametrize("function", manifest.FUNCTIONS, ids=lambda function: function.name)
    def test_the_layers_alone_import_the_handler(self, unpacked: dict[str, Path], function: manifest.Function) -> None:
        """No site-packages: what is not in a layer is not there. Nor is an environment, so nothing reads it early."""
        folders = [
            str(Path(bundle.ROOT) / "functions" / function.name),
            *(str(unpacked[name] / "python") for name in function.layers),
        ]
        assert self.run(folders, "import handler; assert callable(handler.handler)") == ""

    def test_the_layers_alone_import_every_module_of_the_gateway(self, unpacked: dict[str, Path]) -> None:
        """Also those that are loaded when they are first asked for."""
        root = unpacked["core"] / "python"
        names = [
            str(path.relative_to(root).with_suffix("")).replace("/", ".").removesuffix(".__init__")
            for path in sorted(root.rglob("*.py"))
        ]
        assert "gateway.providers.fal" in names
        folders = [str(unpacked[name] / "python") for name in LAYERS]
        assert self.run(folders, "\n".join(f"import {name}" for name in names)) == ""

    @staticmethod
    def run(folders: list[str], statements: str) -> str:
        """Import in a bare interpreter; what it complained of."""
        script = f"import sys; sys.path[:0] = {folders!r}; sys.dont_write_bytecode = True\n{statements}"
        command = [sys.executable, "-I", "-S", "-c", script]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env={}, timeout=60)
        return done.stderr if done.returncode else ""


class TestLayers:
    @pytest.mark.parametrize("name", ["vendor", "media"])
    def test_wheels_are_for_lambdas_machine(self, name: str) -> None:
        asset = Bundle(LAMBDA, bytecode=False).layer(name)
        with zipfile.ZipFile(asset.path) as archive:
            libraries = [entry for entry in archive.namelist() if entry.endswith(".so") or ".so." in entry]
            machines = {struct.unpack("<H", archive.read(entry)[18:20])[0] for entry in libraries}
            extensions = {entry for entry in libraries if "cpython-" in entry and "cpython-312-aarch64" not in entry}
        assert libraries
        assert machines == {ELF_AARCH64}
        assert not extensions

    def test_together_they_fit_into_lambda(self) -> None:
        size_bytes = 0
        for name in LAYERS:
            with zipfile.ZipFile(Bundle(HOST).layer(name).path) as archive:
                size_bytes += sum(entry.file_size for entry in archive.infolist())
        assert size_bytes < UNPACKED_BYTES_MAX

    def test_botocore_carries_our_services_only(self, unpacked: dict[str, Path]) -> None:
        data = unpacked["vendor"] / "python/botocore/data"
        assert {path.name for path in data.iterdir() if path.is_dir()} == AWS_SERVICES

    def test_clients_of_our_services_can_be_made_from_the_layer(self, unpacked: dict[str, Path]) -> None:
        script = f"""
import os, sys
sys.path.insert(0, {str(unpacked["vendor"] / "python")!r})
import boto3
for service in {sorted(AWS_SERVICES)!r}:
    address = boto3.client(
        service, region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="x"
    ).meta.endpoint_url
    assert address.startswith("https://") and "eu-central-1.amazonaws.com" in address, address
"""
        done = subprocess.run([sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def test_the_core_layer_carries_the_compiled_catalog_and_not_its_sources(self) -> None:
        with zipfile.ZipFile(Bundle(HOST).layer("core").path) as archive:
            names = archive.namelist()
            compiled = json.loads(archive.read(f"python/{PATH_IN_CORE}"))
        assert compiled == json.loads(json.dumps(compile_catalog()))
        assert not [name for name in names if name.endswith(".yaml") or "catalog/source" in name]
        # The operator's function compiles what it is sent.
        compiles = {f"python/gateway/catalog/{name}.py" for name in ("compiling", "checks", "shapes/__init__")}
        assert compiles <= set(names)


class TestBuilding:
    """Over a tree of its own."""

    @pytest.fixture(autouse=True)
    def tree(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setattr(bundle, "ROOT", tmp_path)
        monkeypatch.setattr(bundle, "BUILD", tmp_path / ".build")
        folder = tmp_path / "functions/echo"
        folder.mkdir(parents=True)
        (folder / "handler.py").write_text("def handler(event, context):\n    return event\n")
        return folder

    def test_an_unchanged_tree_is_built_once(self, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        first = Bundle(HOST).function("echo")
        monkeypatch.setattr(bundle, "_pack", lambda *_: pytest.fail("built again"))
        (tree / "__pycache__").mkdir()
        (tree / "__pycache__/handler.pyc").write_bytes(b"left by a test run")
        (tree / "handler.py").touch()
        assert Bundle(HOST).function("echo") == first

    def test_building_again_gives_the_same_bytes(self, tree: Path) -> None:
        asset = Bundle(HOST).function("echo")
        contents = asset.path.read_bytes()
        asset.path.unlink()
        assert Bundle(HOST).function("echo").path.read_bytes() == contents

    def test_a_change_gives_another_asset(self, tree: Path) -> None:
        first = Bundle(HOST).function("echo")
        (tree / "handler.py").write_text("def handler(event, context):\n    return None\n")
        assert Bundle(HOST).function("echo").digest != first.digest
        assert Bundle(HOST, bytecode=False).function("echo").digest != first.digest

    def test_an_interrupted_build_leaves_nothing(
        self, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as broken:

            def stop(*_: object) -> None:
                raise KeyboardInterrupt

            broken.setattr(bundle, "_pack", stop)
            with pytest.raises(KeyboardInterrupt):
                Bundle(HOST).function("echo")
        assert not [*(tmp_path / ".build").iterdir()]
        assert Bundle(HOST).function("echo").path.is_file()

    def test_a_module_that_does_not_compile_is_named(self, tree: Path) -> None:
        (tree / "handler.py").write_text("def handler(:\n")
        with pytest.raises(RuntimeError, match=r"handler\.py"):
            Bundle(HOST).function("echo")

    def test_a_missing_function_is_named(self) -> None:
        with pytest.raises(FileNotFoundError, match=r"functions/nothing/handler\.py"):
            Bundle(HOST).function("nothing")


class TestInterpreters:
    def test_this_one_serves_its_own_version(self) -> None:
        assert interpreters.interpreter_for(HOST.python) == sys.executable

    def test_without_one_it_says_what_to_do(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(interpreters, "_output", lambda _: "")
        with pytest.raises(RuntimeError, match=r"uv python install 3\.99.*bytecode=false"):
            interpreters.interpreter_for("3.99")
