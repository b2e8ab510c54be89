"""One local system for the whole suite, beside any that runs: its own folder, ports and state."""

from collections.abc import Iterator

import pytest

from infra.local.console import Console
from infra.local.layout import ROOT, Layout
from infra.local.system import running
from tests.e2e.support import Local, Sandbox


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What misbehaving providers are asked for begins before all else and is looked at last.

    Meanwhile breakers may be open: a test that means one provider says so.
    """
    items.sort(key=lambda item: item.path.name == "test_faults.py" and (1, -1)[item.name == "test_all_begin"])


@pytest.fixture(scope="session")
def local() -> Iterator[Local]:
    """The system, ready; its logs stay in `.museway/e2e/logs`. What all tests leave behind keeps every promise."""
    with running(Layout(ROOT / ".museway" / "e2e"), Console()) as description:
        made = Local(description)
        yield made
        assert made.violations() == []


@pytest.fixture(scope="session")
def sandbox(local: Local) -> Sandbox:
    """The controls of the providers that the system calls."""
    return Sandbox(str(local.description["sandbox_url"]))
