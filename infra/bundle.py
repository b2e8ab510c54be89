"""Builds what is uploaded to Lambda, without Docker: layers and function code as zip files.

Wheels come from the locks, for the machine that runs the functions. Every module gets hash-based bytecode
made by an interpreter of that machine's minor version: Lambda unpacks with other timestamps than ours and
cannot write, so any other bytecode is ignored and each cold start compiles everything again.

A finished zip lies under `.build/`, named by a digest of all that went into it. A second build is a look at
the disk, an interrupted one leaves nothing, and an unchanged tree deploys nothing.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from infra.catalog_source import PATH_IN_CORE, compiled_catalog
from infra.interpreters import interpreter_for
from infra.settings import Target

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / ".build"
KEPT = 8
"""Finished assets of one name that stay on disk."""

AWS_SERVICES = frozenset({"dynamodb", "events", "kms", "s3", "secretsmanager", "stepfunctions", "sts"})
"""Services whose models stay in botocore; it carries some 400, 25 MB, and lists them for the first client."""
_ENDPOINT_NAMES = AWS_SERVICES | {"states"}
_NEVER_RUN = ("*.pyi", "*.pyx", "*.pxd", "*.c", "*.h", "RECORD", "INSTALLER", "REQUESTED")
_BUILD_ONLY = ("gateway/catalog/models", "gateway/catalog/providers", "gateway/catalog/source.py")
"""Read at build and by whoever publishes. The rest is in the layer: `admin` compiles what it is sent itself."""


@dataclass(frozen=True)
class Asset:
    """A zip file and the digest of what it was made from."""

    path: Path
    digest: str


@dataclass(frozen=True)
class Bundle:
    """Builds assets for one target. `bytecode` False leaves it out, for who cannot have the interpreter."""

    target: Target
    bytecode: bool = True

    def layer(self, name: str) -> Asset:
        """The layer `vendor`, `media` or `core`; its packages lie under `python/` in the zip."""
        if name == "core":
            root = ROOT / "layers/core/python"
            modules, compiled = _sources(root, _BUILD_ONLY), compiled_catalog()

            def fill(into: Path) -> None:
                _copy(root, modules, into / "python")
                (into / "python" / PATH_IN_CORE).write_bytes(compiled.contents)

            return self._asset("layer-core", modules, fill, [compiled.digest])
        lock = ROOT / "layers" / name / "requirements.lock"
        return self._asset(f"layer-{name}", [lock], lambda into: _install(lock, into / "python", self.target))

    def function(self, name: str) -> Asset:
        """The code of `functions/<name>`. Raises FileNotFoundError when it has no handler."""
        root = ROOT / "functions" / name
        if not (root / "handler.py").is_file():
            raise FileNotFoundError(f"functions/{name}/handler.py is missing; infra/manifest.py names it.")
        modules = _sources(root)
        return self._asset(f"function-{name}", modules, lambda into: _copy(root, modules, into))

    def _asset(self, name: str, sources: list[Path], fill: Callable[[Path], None], salt: Iterable[str] = ()) -> Asset:
        digest = _digest(sources, [repr(self), _recipe(), *salt])
        finished = BUILD / f"{name}-{digest[:20]}.zip"
        if finished.is_file():
            finished.touch()
        else:
            BUILD.mkdir(exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=BUILD) as scratch:
                tree, packed = Path(scratch) / "tree", Path(scratch) / "asset.zip"
                tree.mkdir()
                fill(tree)
                if self.bytecode:
                    _compile(tree, self.target, "/opt" if name.startswith("layer-") else "/var/task")
                _pack(tree, packed)
                os.replace(packed, finished)
            _forget_old(name)
        return Asset(finished, digest)


def _forget_old(name: str) -> None:
    """Keep the assets of a name that were used last; a day's editing would else fill the disk."""
    assets = sorted(BUILD.glob(f"{name}-{'?' * 20}.zip"), key=lambda path: path.stat().st_mtime)
    for old in assets[:-KEPT]:
        old.unlink(missing_ok=True)


def _digest(sources: Iterable[Path], salt: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for text in salt:
        digest.update(f"{text}\0".encode())
    for file in sources:
        contents = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{file.relative_to(ROOT)}\0{contents}\0".encode())
    return digest.hexdigest()


@cache
def _recipe() -> str:
    """This module's own digest: another way of building makes other assets."""
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()


def _sources(root: Path, leave_out: Iterable[str] = ()) -> list[Path]:
    """The files under a folder in a fixed order, without bytecode and what `leave_out` names."""
    left_out = [root / path for path in leave_out]
    return sorted(
        path
        for path in root.rglob("*")
        if path.is_file()
        and "__pycache__" not in path.parts
        and not any(path == other or other in path.parents for other in left_out)
    )


def _copy(root: Path, files: Iterable[Path], into: Path) -> None:
    for file in files:
        destination = into / file.relative_to(root)
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, destination)


def _install(lock: Path, into: Path, target: Target) -> None:
    """Install a lock's wheels, by hash, and drop what no function reads."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--no-deps", "--target", str(into)]
    command += ["--require-hashes", "--only-binary=:all:", "--requirement", str(lock)]
    if target.platforms:
        tag = f"cp{target.python.replace('.', '')}"
        command += ["--python-version", target.python, "--implementation", "cp"]
        command += [f"--abi={abi}" for abi in (tag, "abi3", "none")]
        command += [f"--platform={name}" for name in target.platforms]
    _run(command, f"The wheels of {lock.relative_to(ROOT)} could not be installed for {target}.")
    _prune(into)


def _prune(packages: Path) -> None:
    for pattern in _NEVER_RUN:
        for path in packages.rglob(pattern):
            path.unlink()
    for folder in (*packages.rglob("tests"), packages / "bin", packages / "boto3/data", packages / "boto3/examples"):
        shutil.rmtree(folder, ignore_errors=True)
    data = packages / "botocore" / "data"
    if data.is_dir():
        for service in data.iterdir():
            if service.is_dir() and service.name not in AWS_SERVICES:
                shutil.rmtree(service)
        for examples in data.rglob("examples-1.json*"):
            examples.unlink()
        _prune_endpoints(data / "endpoints.json")


def _prune_endpoints(path: Path) -> None:
    """Keep our services in the endpoint list, 1.2 MB of JSON that the first client of a process parses."""
    endpoints = json.loads(path.read_text())
    for partition in endpoints["partitions"]:
        partition["services"] = {
            name: value for name, value in partition["services"].items() if name in _ENDPOINT_NAMES
        }
    path.write_text(json.dumps(endpoints, separators=(",", ":")))


def _compile(tree: Path, target: Target, runs_at: str) -> None:
    """Hash-based bytecode beside every module; it names the place where it runs, not the passing one of its build."""
    command = [interpreter_for(target.python), "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    _run([*command, "-s", str(tree), "-p", runs_at, str(tree)], "The modules could not be compiled.")


def _pack(tree: Path, into: Path) -> None:
    """Zip a tree; the same tree gives the same bytes."""
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for path in sorted(path for path in tree.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(str(path.relative_to(tree)), (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())


def _run(command: list[str], complaint: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise RuntimeError(f"{complaint}\n{done.stdout}{done.stderr}")
