"""The key of a provider's webhooks goes by way of the jobs table, from who may read API keys to who may not."""

from gateway.tables.jobs import SigningKey
from tests.integration.world import World


def test_a_key_is_noted_and_found(museway: World) -> None:
    assert SigningKey.of("replicate") is None
    for key in ("whsec_b25l", "whsec_dHdv"):
        SigningKey.note("replicate", key)
        found = SigningKey.of("replicate")
        assert found is not None
        assert found.key == key
    assert SigningKey.of("other") is None


def test_generations_go_on_beside_it(museway: World) -> None:
    SigningKey.note("replicate", "whsec_b25l")
    generation_id = museway.generate()
    museway.settle_down()
    assert museway.generation(generation_id)["status"] == "completed"
    assert museway.violations(at_rest=True) == []
