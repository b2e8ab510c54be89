"""Where the local system keeps its files: all of them under one folder, `.museway` of the checkout by default."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Layout:
    """The files of one local system. Two systems with different folders do not touch each other."""

    folder: Path

    @classmethod
    def of_checkout(cls) -> "Layout":
        """The place of the checkout's own system, which `museway` commands find."""
        return cls(ROOT / ".museway")

    @property
    def logs(self) -> Path:
        """One log per process, and `functions/` with one per Lambda function."""
        return self.folder / "logs"

    @property
    def temporary(self) -> Path:
        """TMPDIR of the emulator: its Lambda workers unpack their code here."""
        return self.folder / "tmp"

    @property
    def cloud_assembly(self) -> Path:
        """What `cdk synth` writes."""
        return self.folder / "cdk.out"

    @property
    def description(self) -> Path:
        """local.json: how to reach the system. Exists while it is ready."""
        return self.folder / "local.json"

    @property
    def processes(self) -> Path:
        """processes.json: what was started, from the first process on."""
        return self.folder / "processes.json"

    @property
    def lock(self) -> Path:
        """Held by the `up` that is starting or watching."""
        return self.folder / "up.lock"

    def create(self) -> None:
        """Make the folder; only its owner may look into it, for the key inside."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def empty(self) -> None:
        """Remove a former run's logs and temporary files, and make their folders."""
        for folder in (self.logs, self.temporary):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)


def write_json(path: Path, content: Any) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
        file.write("\n")
    draft.replace(path)


def read_json(path: Path) -> Any:
    """The file's content, or None when it is missing or damaged."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
