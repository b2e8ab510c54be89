"""/v1/keys and /v1/settings: who may speak for a project, and what it may spend."""

from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from gateway import api, errors, keys, projects
from gateway.api.accounts import ChangeKey, ChangeSettings, CreateKey

app = api.resolver()
handler = api.serve(app)
READING = api.errors(errors.Unauthorized, errors.Forbidden, errors.NotFound, errors.InvalidField)
CHANGING = READING | api.errors(errors.BadRequest)
REPEATED = (errors.AlreadyCreated, errors.InvalidField, errors.IdempotencyKeyReused)
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
