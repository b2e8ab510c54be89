"""Layers: unpacked once for all workers, read-only in effect as /opt is, instead of once for each.

Without this every worker unpacks its own copy, 65 MB for most functions and 230 MB for the one with the media
libraries: half of a cold start's time, and gigabytes of disk in a burst.
"""

import importlib
import os
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

# Where the worker's program looks for unpacked layers.
_FOLDERS_VARIABLE = "_LAMBDA_LAYERS_DIRS"


def install() -> None:
    """Give each new worker the shared folders of its layers."""
    runtime: Any = importlib.import_module("ministack.core.lambda_runtime")
    service: Any = importlib.import_module("ministack.services.lambda_svc")
    shelf = Shelf(service._resolve_layer_zip)
    spawn = runtime.Worker._spawn

    def spawn_with_shared_layers(worker: Any) -> None:
        config = worker.config
        worker.config = without_layers(config, shelf.folders_of(config.get("Layers") or []))
        try:
            spawn(worker)
        finally:
            worker.config = config

    runtime.Worker._spawn = spawn_with_shared_layers


class Shelf:
    """The unpacked layers of this emulator, by their version's ARN."""

    def __init__(self, content_of: Callable[[Any], bytes | None]) -> None:
        self._content_of = content_of
        self._folder = Path(tempfile.gettempdir()) / "layers"
        self._unpacking = threading.Lock()

    def folders_of(self, layers: Iterable[Any]) -> list[Path]:
        """The folders of a function's layers, in its order. Raises RuntimeError for one that cannot be unpacked."""
        with self._unpacking:
            return [folder for layer in layers if (folder := self._folder_of(layer)) is not None]

    def _folder_of(self, layer: Any) -> Path | None:
        arn = layer if isinstance(layer, str) else str(layer.get("Arn", ""))
        folder = self._folder / arn.replace(":", "_").replace("/", "_")
        if folder.is_dir():
            return folder
        content = self._content_of(layer)
        if not content:
            return None
        self._folder.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder) as scratch:
            packed, unpacked = Path(scratch, "layer.zip"), Path(scratch, "layer")
            packed.write_bytes(content)
            try:
                with zipfile.ZipFile(packed) as archive:
                    archive.extractall(unpacked)
            except (OSError, zipfile.BadZipFile) as error:
                raise RuntimeError(f"Failed to extract layer {arn}") from error
            unpacked.rename(folder)
        return folder


def without_layers(config: dict[str, Any], folders: list[Path]) -> dict[str, Any]:
    """A function's configuration that names unpacked folders in place of its layers."""
    if not folders:
        return config
    environment = config.get("Environment") or {}
    named = {_FOLDERS_VARIABLE: os.pathsep.join(map(str, folders))}
    return {
        **config,
        "Layers": [],
        "Environment": {**environment, "Variables": {**environment.get("Variables", {}), **named}},
    }
