"""/v1/providers: which there are, and the project's own keys at them."""

from aws_lambda_powertools.event_handler import Response

from gateway import api, errors, provider_keys
from gateway.api.accounts import SaveProviderKey

app = api.resolver()
handler = api.serve(app)
READING = api.errors(errors.Unauthorized, errors.Forbidden, errors.NotFound)
SAVING = READING | api.errors(errors.ProviderKeyRejected, errors.InvalidField, errors.ProviderUnavailable)


@app.get("/v1/providers", summary="List providers", tags=["account"], responses=READING)
def list_providers() -> Response[str]:
    """Every provider, and for which the project has a key of its own."""
    return api.answer(provider_keys.listed(api.principal(app, "read").project_id))


@app.put("/v1/providers/<provider>/key", summary="Save a provider key", tags=["account"], responses=SAVING)
def save_provider_key(provider: str, request: SaveProviderKey) -> Response[str]:
    """Have the project's calls to a provider made on its own account: the provider bills it, we our fee alone."""
    project_id, key = api.principal(app, "secrets:write").project_id, request.key.get_secret_value()
    return api.answer(provider_keys.save(project_id, provider, key, test=request.test))


@app.get("/v1/providers/<provider>/key", summary="One provider key", tags=["account"], responses=READING)
def get_provider_key(provider: str) -> Response[str]:
    """What may be shown of the project's own key; its last four characters, never more."""
    return api.answer(provider_keys.find(api.principal(app, "read").project_id, provider))


@app.delete("/v1/providers/<provider>/key", summary="Delete a provider key", tags=["account"], responses=READING)
def delete_provider_key(provider: str) -> Response[str]:
    """Forget the project's own key, at once and for good. Its jobs that still run are asked about no more."""
    return api.answer(provider_keys.delete(api.principal(app, "secrets:write").project_id, provider))
