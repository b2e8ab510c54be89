from collections.abc import Iterator

import pytest

from tests.integration.world import World, world


@pytest.fixture
def museway(request: pytest.FixtureRequest) -> Iterator[World]:
    """A world over the store in memory, ten times as quick; over moto where a test is marked so."""
    with world(in_memory=request.node.get_closest_marker("moto") is None) as made:
        yield made
