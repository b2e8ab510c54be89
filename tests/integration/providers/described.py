"""What tests of described providers share: the adapter that the shipped catalog describes, at the sandbox."""

from gateway.provider import Provider
from gateway.providers import ApiKey, Description
from gateway.providers.http import adapter
from tests.unit.gateway.shipped import COMPILED


def described(provider: str, base_url: str) -> Provider:
    """The adapter of a provider's description, reached elsewhere."""
    found = COMPILED["providers"][provider]
    description = Description(provider, found["name"], base_url, found.get("wire", {}), found.get("wires", {}))
    return adapter(description, lambda: ApiKey("sandbox-key"))
