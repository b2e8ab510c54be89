"""The faults of the fox, as `gateway.catalog.compiling` finds them."""

import pytest

from gateway.catalog.compiling import BrokenCatalog, compile_documents
from tests.unit.gateway.fox import Changed, family


def faults(*changed: Changed) -> list[str]:
    """What is wrong with the changed fox; there must be something."""
    with pytest.raises(BrokenCatalog) as caught:
        compile_documents({"fox.yaml": family(*changed)}, {"fal", "openai"})
    return [fault.message for fault in caught.value.faults]
