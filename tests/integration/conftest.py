from collections.abc import Iterator

import pytest

from tests.integration.world import World, world


@pytest.fixture
def museway() -> Iterator[World]:
    with world() as made:
        yield made
