"""House rules that no linter of ours can state. A list of exceptions below may shrink, never grow."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from infra import manifest

ROOT = Path(__file__).parents[2]
SOURCES = ("layers", "functions", "infra")
SKIPPED = {"node_modules", "__pycache__", "cdk.out"}

FUNCTION_LINES_MAX = 60
FILE_LINES_MAX = 400
HANDLER_LINES_MAX = 60
"""Lines with code on them: docstrings, comments and empty lines are free. Handlers count as they stand."""

LONG_FUNCTIONS: dict[str, int] = {}
LONG_FILES: dict[str, int] = {}
"""What is longer for now, `path::name` -> lines: fails when it grows, and when the entry is no longer needed."""

READS_THE_ENVIRONMENT = {
    "layers/core/python/gateway/config.py": "the functions' settings",
    "layers/sdk/python/museway/_settings.py": "MUSEWAY_URL, MUSEWAY_API_KEY",
    "layers/sdk/python/museway/cli/_context.py": "whether the two are set",
    "infra/interpreters.py": "PATH, and where Python versions are kept",
    "infra/local/": "passes a small environment on to what it starts",
}

IN_INTEGRATION = {
    "advance": "test_crashes.py",
    "alerts": "test_alerts.py",
    "api": "test_refusals.py",
    "api.requests": "test_refusals.py",
    "archive": "test_exports.py",
    "audit": "test_reconciler.py",
    "auth": "test_refusals.py",
    "aws": "test_generation.py",
    "callbacks": "test_crashes.py",
    "catalog_views": "test_reading.py",
    "closing": "test_crashes.py",
    "cloudformation": "test_operator.py",
    "daily_exports": "test_daily_export.py",
    "downloads": "test_exports.py",
    "drive": "test_refusals.py",
    "durations": "test_durations.py",
    "events": "test_alerts.py",
    "health": "test_health.py",
    "jobs": "test_crashes.py",
    "keys": "test_keys.py",
    "ledger": "test_crashes.py",
    "margins": "test_provider_prices.py",
    "operator": "test_refusals.py",
    "outputs": "test_generation.py",
    "projects": "test_settings.py",
    "provider_keys": "test_provider_keys.py",
    "providers.checking": "test_provider_keys.py",
    "reconcile": "test_crashes.py",
    "records": "test_generation.py",
    "reports": "test_reports.py",
    "routers": "test_routers.py",
    "spending": "test_limits_of_spending.py",
    "submission": "test_generation.py",
    "tables": "test_crashes.py",
    "views": "test_openapi.py",
}
"""Modules of the gateway that are nothing without a store: what drives them. Packages cover their modules."""


def python_files(*folders: str) -> list[Path]:
    found = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return sorted(path for path in found if not SKIPPED & set(path.parts))


def text_files() -> Iterator[tuple[Path, str]]:
    """Every text that is kept: not what is built, installed or locked."""
    ignored = {line.strip().rstrip("/") for line in (ROOT / ".gitignore").read_text().splitlines()} | SKIPPED
    pending = [ROOT]
    while pending:
        for path in sorted(pending.pop().iterdir()):
            if path.name in ignored or path.name == ".git" or path.match("*.egg-info"):
                continue
            if path.is_dir():
                pending.append(path)
                continue
            try:
                yield path, path.read_text()
            except UnicodeDecodeError:
                continue


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def code_lines(path: Path) -> frozenset[int]:
    """The numbers of the lines that hold code."""
    layout = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text()).readline)
    code = {line for token in tokens if token.type not in layout for line in range(token.start[0], token.end[0] + 1)}
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            code -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return frozenset(code)


def functions_of(path: Path) -> Iterator[tuple[str, int]]:
    """Each function of a file and its lines of code."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
            yield f"{name_of(path)}::{node.name}", len(code_lines(path).intersection(lines))


def beyond(found: dict[str, int], most: int, known: dict[str, int]) -> list[str]:
    """What is longer than it may be, and exceptions that nothing needs any more."""
    grown = [f"{name}: {lines} lines" for name, lines in found.items() if lines > max(most, known.get(name, 0))]
    return grown + [f"{name}: no longer an exception" for name in known if found.get(name, 0) <= most]


def test_functions_are_short() -> None:
    found = dict(item for path in python_files(*SOURCES) for item in functions_of(path))
    assert beyond(found, FUNCTION_LINES_MAX, LONG_FUNCTIONS) == []


def test_files_have_one_subject() -> None:
    found = {name_of(path): len(code_lines(path)) for path in python_files(*SOURCES)}
    assert beyond(found, FILE_LINES_MAX, LONG_FILES) == []


def test_handlers_only_translate() -> None:
    found = {name_of(path): len(path.read_text().splitlines()) for path in ROOT.glob("functions/*/handler.py")}
    assert beyond(found, HANDLER_LINES_MAX, {}) == []


def test_every_function_of_the_manifest_has_its_folder_and_no_folder_is_left_over() -> None:
    folders = {path.name for path in (ROOT / "functions").iterdir() if path.is_dir() and path.name not in SKIPPED}
    assert folders == {function.name for function in manifest.FUNCTIONS}


@pytest.mark.parametrize("name", sorted(function.name for function in manifest.FUNCTIONS))
def test_a_handler_says_what_it_is_for(name: str) -> None:
    tree = tree_of(ROOT / "functions" / name / "handler.py")
    assert ast.get_docstring(tree)
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assigned = {target.id for node in tree.body if isinstance(node, ast.Assign) for target in named(node)}
    assert "handler" in defined | assigned


def named(node: ast.Assign) -> list[ast.Name]:
    return [target for target in node.targets if isinstance(target, ast.Name)]


def test_every_module_of_the_gateway_is_tested() -> None:
    core = ROOT / "layers/core/python/gateway"
    tests = {path.stem for path in (ROOT / "tests/unit/gateway").glob("test_*.py")}
    untested = []
    for path in python_files("layers/core/python/gateway"):
        module = ".".join(part for part in path.relative_to(core).with_suffix("").parts if part != "__init__")
        package = module.partition(".")[0]
        # A package's own test covers its modules; providers are each their own subject.
        covered = {module.replace(".", "_")} | ({package} if package != "providers" else set())
        has_unit_test = any(f"test_{one}" in tests for one in covered)
        if module and not has_unit_test and not {module, package} & set(IN_INTEGRATION):
            untested.append(module)
    # `provider` is types alone, tested by every adapter.
    assert untested == ["provider"]


@pytest.mark.parametrize("name", sorted(set(IN_INTEGRATION.values())))
def test_what_is_said_to_be_tested_in_integration_is(name: str) -> None:
    assert (ROOT / "tests/integration" / name).is_file()


def test_the_environment_is_read_where_settings_are() -> None:
    readers = set()
    for path in python_files(*SOURCES):
        for node in ast.walk(tree_of(path)):
            attribute = node.attr if isinstance(node, ast.Attribute) else None
            imported = {alias.name for alias in node.names} if isinstance(node, ast.ImportFrom) else set()
            if {"environ", "getenv"} & {attribute, *imported}:
                readers.add(name_of(path))
    assert [name for name in sorted(readers) if not name.startswith(tuple(READS_THE_ENVIRONMENT))] == []
    assert [name for name in READS_THE_ENVIRONMENT if not any(reader.startswith(name) for reader in readers)] == []


def test_whoever_catches_everything_raises_it_again_or_says_why_not() -> None:
    silent = []
    for path in python_files(*SOURCES):
        lines = path.read_text().splitlines()
        for node in ast.walk(tree_of(path)):
            if not isinstance(node, ast.ExceptHandler) or not catches_everything(node):
                continue
            raises = any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
            # The comment may stand before, beside or below the `except`.
            around = lines[node.lineno - 2 : node.body[0].lineno]
            if not raises and not any(re.search(r"#(?! ?noqa)", line) for line in around):
                silent.append(f"{name_of(path)}:{node.lineno}")
    assert silent == []


def catches_everything(node: ast.ExceptHandler) -> bool:
    if node.type is None:
        return True
    caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
    return any(isinstance(kind, ast.Name) and kind.id in {"Exception", "BaseException"} for kind in caught)


LEDGER = ("ledger/accounts", "ledger/counters", "ledger/transfers", "spending")


@pytest.mark.parametrize(
    "name", ["money", "pricing/__init__", "pricing/meters", "fx/__init__", "fx/ecb", "records", *LEDGER]
)
def test_no_float_touches_money(name: str) -> None:
    found = []
    for node in ast.walk(tree_of(ROOT / f"layers/core/python/gateway/{name}.py")):
        literal = isinstance(node, ast.Constant) and isinstance(node.value, float)
        call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"float", "round"}
        if literal or call:
            found.append(ast.unparse(node))
    # The edge to JSON, for people to read.
    assert found == (["float(value)"] if name == "money" else [])


# Written so that they do not find themselves.
UNWANTED = {
    "a note to do something": re.compile(r"\b(?:TO[D]O|FIX[M]E|X[X]X)\b"),
    "a path of somebody's machine": re.compile(r"(?<![\w.])/(?:work|home|root|Users)/\w"),
}


@pytest.mark.parametrize("what", UNWANTED)
def test_nothing_is_left_lying_about(what: str) -> None:
    found = [
        f"{name_of(path)}:{number}"
        for path, text in text_files()
        for number, line in enumerate(text.splitlines(), 1)
        if UNWANTED[what].search(line)
    ]
    assert found == []


def test_the_locks_name_no_private_registry() -> None:
    hosts = set(re.findall(r'"resolved": "https?://([^/"]+)', (ROOT / "infra/package-lock.json").read_text()))
    assert hosts <= {"registry.npmjs.org"}
    for lock in [ROOT / "requirements.lock", *(ROOT / "layers").glob("*/requirements.lock")]:
        assert "://" not in lock.read_text()


def test_the_readme_maps_every_top_level_folder() -> None:
    ignored = {line.strip().rstrip("/") for line in (ROOT / ".gitignore").read_text().splitlines()} | SKIPPED
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")} - ignored
    readme = (ROOT / "README.md").read_text()
    assert [name for name in sorted(folders) if f"{name}/" not in readme] == []
