"""/v1/keys, /v1/settings and /v1/providers: who may speak for a project, what it may spend, and on whose accounts."""

from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from gateway import api, errors, keys, projects, provider_keys
from gateway.api.accounts import ChangeKey, ChangeSettings, CreateKey, SaveProviderKey

app = api.resolver()
handler = api.serve(app)
READING = api.errors(errors.Unauthorized, errors.Forbidden, errors.NotFound, errors.InvalidField)
CHANGING = READING | api.errors(errors.BadRequest)
REPEATED = (errors.AlreadyCreated, errors.InvalidField, errors.IdempotencyKeyReused)
SAVING = READING | api.errors(errors.ProviderKeyRejected, errors.ProviderUnavailable)
MAKING = READING | api.errors(errors.BadRequest, errors.TooManyKeys, *REPEATED)


@app.post("/v1/keys", summary="Make an API key", tags=["account"], responses=MAKING)
def create_key(request: CreateKey) -> Response[str]:
    """A key with scopes of your own. Its `api_key` is shown this once: a repeat is answered 409 with the `key_id`."""
    maker, key = api.principal(app, "keys:write"), api.idempotency_key(app)
    return api.answer(keys.create(maker.project_id, **request.model_dump(), maker=maker, idempotency_key=key), 201)


@app.get("/v1/keys", summary="List API keys", tags=["account"], responses=READING)
def list_keys(limit: Annotated[int, Query()] = 100, cursor: Annotated[str | None, Query()] = None) -> Response[str]:
    """The project's keys, newest first, with those that expired or were revoked."""
    return api.answer(keys.listed(api.principal(app, "read").project_id, limit, cursor))


@app.get("/v1/keys/<key_id>", summary="One API key", tags=["account"], responses=READING)
def get_key(key_id: str) -> Response[str]:
    """A key's name, scopes and limit, and what is counted under it; never the key itself."""
    return api.answer(keys.detail(api.principal(app, "read").project_id, key_id))


@app.patch("/v1/keys/<key_id>", summary="Change an API key", tags=["account"], responses=CHANGING)
def change_key(key_id: str, request: ChangeKey) -> Response[str]:
    """Change the name or parts of the limit: what is not named stays, null takes a limit off."""
    return api.answer(keys.change(api.principal(app, "keys:write").project_id, key_id, request.named()))


@app.delete("/v1/keys/<key_id>", summary="Revoke an API key", tags=["account"], responses=READING)
def revoke_key(key_id: str) -> Response[str]:
    """Refuse a key from now on, for good. Revoking again keeps the first time."""
    return api.answer(keys.revoke(api.principal(app, "keys:write").project_id, key_id))


@app.get("/v1/settings", summary="The project's settings", tags=["account"], responses=READING)
def get_settings() -> Response[str]:
    """The currency, the spending limit, and when the project is told."""
    return api.answer(projects.settings(api.principal(app, "read").project_id))


@app.put("/v1/settings", summary="Change the project's settings", tags=["account"], responses=READING)
def change_settings(request: ChangeSettings) -> Response[str]:
    """Change what is named, also single parts of an object; null sets a field back."""
    return api.answer(projects.change_settings(api.principal(app, "settings:write").project_id, request.named()))


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
