"""The reviewed YAML of the catalog, one file per family under `models/` and one per provider under `providers/`.

Read at build, never by a function.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gateway.catalog import checks
from gateway.catalog.compiling import PROVIDERS, BrokenCatalog, compile_documents

MODELS_DIRECTORY = Path(__file__).parent / "models"
PROVIDERS_DIRECTORY = Path(__file__).parent / "providers"
_MERGE = "<<"


@dataclass(frozen=True, order=True)
class SourceFault:
    """What is wrong, and in which line of which file."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


class CatalogError(Exception):
    """What is wrong with the catalog's sources, one line per fault: `file:line: what`."""

    def __init__(self, faults: Iterable[SourceFault]) -> None:
        self.faults = sorted(faults)
        super().__init__("\n".join(map(str, self.faults)))


@dataclass(frozen=True)
class Document:
    """One file: its contents, and the line of each place in it."""

    contents: Any
    lines: Mapping[checks.Path, int]

    def line_of(self, path: checks.Path) -> int:
        """The line of a place, or of the nearest one that contains it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read_documents(directory: Path = MODELS_DIRECTORY) -> tuple[dict[str, Document], list[SourceFault]]:
    """Every family's file in a directory and every provider's, by name, and what is wrong with those that are no YAML.

    Providers are described in its own `providers/`, where it has that, else in the shipped one.
    """
    documents: dict[str, Document] = {}
    faults: list[SourceFault] = []
    own = directory / PROVIDERS
    files = {path.name: path for path in directory.glob("*.yaml")}
    files |= {PROVIDERS + path.name: path for path in (own if own.is_dir() else PROVIDERS_DIRECTORY).glob("*.yaml")}
    for name, path in sorted(files.items()):
        try:
            # libyaml, which PyYAML's wheels carry, reads ten times as fast.
            loader = yaml.CSafeLoader(path.read_text(encoding="utf-8"))
            node = loader.get_single_node()
            # Merging keys changes the nodes, so what is said of them comes first.
            lines, repeated = dict(_lines(node, ())), list(_repeated(node))
            documents[name] = Document(node and loader.construct_document(node), lines)
            faults += [SourceFault(name, line, message) for line, message in repeated]
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            faults.append(SourceFault(name, line, f"is not YAML: {' '.join(str(error.problem).split())}"))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            faults.append(SourceFault(name, 1, f"is not YAML: {' '.join(str(error).split())}"))
    return documents, faults


def compile_catalog(directory: Path = MODELS_DIRECTORY, providers: Collection[str] | None = ()) -> dict[str, Any]:
    """Read, check and compile every file. Raises CatalogError that lists each fault with its file and line.

    `providers` are names that offers may have besides those that are described; None leaves them unchecked.
    """
    documents, found = read_documents(directory)
    if not any(not name.startswith(PROVIDERS) for name in documents):
        raise CatalogError(found or [SourceFault(str(directory), 1, "there is no model")])
    compiled: dict[str, Any] = {}
    try:
        contents = {name: one.contents for name, one in documents.items()}
        compiled = compile_documents(contents, providers, whole=not found)
    except BrokenCatalog as broken:
        found += [
            SourceFault(fault.document, documents[fault.document].line_of(fault.path), fault.message)
            for fault in broken.faults
        ]
    if found:
        raise CatalogError(found)
    return compiled


def _lines(node: yaml.Node | None, path: checks.Path) -> Iterator[tuple[checks.Path, int]]:
    """The line of every place, the last that is given for it. What an anchor shares is found where it is written."""
    if node is None:
        return
    yield path, node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        for number, entry in enumerate(node.value):
            yield from _lines(entry, (*path, number))
    elif isinstance(node, yaml.MappingNode):
        for merged in _merged(node):
            yield from (pair for pair in _lines(merged, path) if pair[0] != path)
        for key, value in node.value:
            if key.value != _MERGE:
                yield from _lines(value, (*path, key.value))
                yield (*path, key.value), key.start_mark.line + 1


def _merged(node: yaml.MappingNode) -> Iterator[yaml.Node]:
    """What `<<` merges into a mapping, the one that wins last: of several, YAML takes the first."""
    for key, value in node.value:
        if key.value == _MERGE:
            yield from reversed(value.value) if isinstance(value, yaml.SequenceNode) else [value]


def _repeated(node: yaml.Node | None) -> Iterator[tuple[int, str]]:
    """Keys that stand twice in one mapping: YAML would silently take the last."""
    seen: set[int] = set()
    pending = [node]
    while pending:
        one = pending.pop()
        if not isinstance(one, yaml.CollectionNode) or id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, yaml.SequenceNode):
            pending += one.value
            continue
        keys: set[str] = set()
        for key, value in one.value:
            pending += [key, value]
            if str(key.value) in keys:
                yield key.start_mark.line + 1, f"the key '{key.value}' stands twice in one place"
            keys.add(str(key.value))
