from collections.abc import Iterator

import pytest

from gateway import ids, providers, transport
from tests.integration.world import World, world

SEAMS = ((ids, "now"), (providers, "provider"), (providers, "api_key"), (transport, "_replacement"))


@pytest.fixture(autouse=True)
def nothing_stays_replaced() -> Iterator[None]:
    """What a test puts in the place of time, wire and providers is gone after it."""
    before = [getattr(*seam) for seam in SEAMS]
    yield
    assert [getattr(*seam) for seam in SEAMS] == before


@pytest.fixture
def museway(request: pytest.FixtureRequest) -> Iterator[World]:
    """A world over the store in memory, ten times as quick; over moto where a test is marked so."""
    with world(in_memory=request.node.get_closest_marker("moto") is None) as made:
        yield made
