"""The reviewed YAML of the catalog, one file per family under `models/`; read at build, never by a function."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gateway.catalog import checks
from gateway.catalog.compiling import BrokenCatalog, compile_documents

MODELS_DIRECTORY = Path(__file__).parent / "models"


class CatalogError(Exception):
    """What is wrong with the catalog's sources, one line per fault: `file:line: what`."""


@dataclass(frozen=True)
class Document:
    """One family file: its contents, and the line of each place in it."""

    contents: Any
    lines: Mapping[checks.Path, int]

    def line_of(self, path: checks.Path) -> int:
        """The line of a place, or of the nearest one that contains it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read_documents(directory: Path = MODELS_DIRECTORY) -> dict[str, Document]:
    """Every family file by its name. Raises CatalogError for what is not YAML."""
    documents: dict[str, Document] = {}
    faults: list[str] = []
    for path in sorted(directory.glob("*.yaml")):
        try:
            text = path.read_text(encoding="utf-8")
            documents[path.name] = Document(yaml.safe_load(text), dict(_lines(yaml.compose(text), ())))
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            faults.append(f"{path.name}:{line}: is not YAML: {' '.join(str(error.problem).split())}")
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            faults.append(f"{path.name}:1: is not YAML: {' '.join(str(error).split())}")
    if faults:
        raise CatalogError("\n".join(faults))
    return documents


def compile_catalog(directory: Path = MODELS_DIRECTORY, providers: Collection[str] | None = None) -> dict[str, Any]:
    """Read, check and compile every family file. Raises CatalogError that lists each fault with its file and line.

    `providers` are the names that offers may have; None leaves them unchecked.
    """
    documents = read_documents(directory)
    if not documents:
        raise CatalogError(f"no model in {directory}")
    try:
        return compile_documents({name: one.contents for name, one in documents.items()}, providers)
    except BrokenCatalog as broken:
        lines = (
            f"{fault.document}:{documents[fault.document].line_of(fault.path)}: {fault.message}"
            for fault in broken.faults
        )
        raise CatalogError("\n".join(lines)) from None


def _lines(node: yaml.Node | None, path: checks.Path) -> Iterator[tuple[checks.Path, int]]:
    """The line of every place. What an anchor shares is found where it is written."""
    if node is None:
        return
    yield path, node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        for number, entry in enumerate(node.value):
            yield from _lines(entry, (*path, number))
    elif isinstance(node, yaml.MappingNode):
        merged = [value for key, value in node.value if key.value == "<<"]
        for one in merged:
            yield from (pair for pair in _lines(one, path) if pair[0] != path)
        for key, value in node.value:
            if key.value != "<<":
                yield from _lines(value, (*path, key.value))
                yield (*path, key.value), key.start_mark.line + 1
