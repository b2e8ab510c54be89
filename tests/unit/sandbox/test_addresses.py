"""Every provider that the sandbox speaks has an address there, under the path of its own base URL."""

from infra.sandbox.addresses import base_urls
from infra.sandbox.providers import PROVIDERS

URL = "http://127.0.0.1:4570"


def test_every_provider_has_its_address() -> None:
    found = base_urls(URL, PROVIDERS)
    assert set(found) == set(PROVIDERS)
    assert all(url == f"{URL}/{name}" or url.startswith(f"{URL}/{name}/") for name, url in found.items())


def test_the_path_is_the_providers_own() -> None:
    assert base_urls(URL, ["fal", "openai", "kie"]) == {
        "fal": f"{URL}/fal",
        "openai": f"{URL}/openai/v1",
        "kie": f"{URL}/kie/api/v1",
    }
