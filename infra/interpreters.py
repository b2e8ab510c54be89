"""Finds a Python of a given minor version, to compile what will run under it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path


@cache
def interpreter_for(version: str) -> str:
    """A Python of a minor version (`3.12`), fetched by uv when the machine has none.

    Raises RuntimeError that says how to get one, or how to deploy without.
    """
    for candidate in _candidates(version):
        if _version_of(candidate) == version:
            return candidate
    raise RuntimeError(
        f"Bytecode for Lambda needs Python {version}, and this machine has none and could not fetch one. "
        f"Install it (`uv python install {version}`, or your system's package) so that `python{version}` is on PATH, "
        "or pass `-c bytecode=false` to deploy without: cold starts then take about twice as long."
    )


def _candidates(version: str) -> Iterator[str]:
    yield sys.executable
    if found := shutil.which(f"python{version}"):
        yield found
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from (str(path) for path in sorted(pyenv.glob(f"versions/{version}.*/bin/python")))
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if uv:
        if found := _output([uv, "python", "find", version]):
            yield found
        _output([uv, "python", "install", "--quiet", version])
        if found := _output([uv, "python", "find", version]):
            yield found


def _version_of(python: str) -> str:
    return _output([python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"])


def _output(command: list[str]) -> str:
    """What a command prints, or nothing when it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
