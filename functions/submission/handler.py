"""POST /v1/generate/media, its batch, and POST /v1/media/generate: generations, typed or native."""

from typing import Any

from aws_lambda_powertools.event_handler import Response

from gateway import api, submission
from gateway.api.requests import GenerateMedia, GenerateMediaBatch, MediaGenerate
from gateway.errors import (
    BadRequest,
    GatewayError,
    IdempotencyKeyReused,
    InsufficientCredits,
    InvalidField,
    ModelRetired,
    PayloadTooLarge,
    SourceRefused,
    SpendingLimitReached,
    Unauthorized,
    UnknownModel,
)

app = api.resolver()
handler = api.serve(app)
REFUSALS = api.errors(
    *(UnknownModel, BadRequest, SourceRefused, PayloadTooLarge, InvalidField),
    *(Unauthorized, InsufficientCredits, SpendingLimitReached, ModelRetired, IdempotencyKeyReused),
)


@app.post("/v1/generate/media", summary="Generate media (typed request)", tags=["generate"], responses=REFUSALS)
def generate_media(request: GenerateMedia) -> Response[str]:
    """Submit a typed request; it is held to the model's limits, and refused with nothing held."""
    return _submit(request.order())


@app.post("/v1/media/generate", summary="Generate media (native inputs)", tags=["generate"], responses=REFUSALS)
def media_generate(request: MediaGenerate) -> Response[str]:
    """Submit a model's own inputs; what pricing does not read goes to the model as it is."""
    return _submit(request.order())


@app.post(
    "/v1/generate/media:batch",
    summary="Generate many media",
    tags=["generate"],
    responses=api.errors(Unauthorized, InvalidField, PayloadTooLarge, IdempotencyKeyReused),
)
def generate_batch(request: GenerateMediaBatch) -> Response[str]:
    """Submit up to 90 typed requests, each accepted or refused on its own; credits are held for all at once."""
    principal = api.principal(app, "generate")
    outcomes = submission.submit_batch(principal, request.orders(), api.idempotency_key(app), api.request_id(app))
    items = [_outcome(number, outcome) for number, outcome in enumerate(outcomes)]
    refused = sum(item["error"] is not None for item in items)
    return api.answer({"accepted": len(items) - refused, "refused": refused, "items": items}, 202)


def _submit(order: submission.Order) -> Response[str]:
    principal = api.principal(app, "generate")
    generation, replayed = submission.submit(principal, order, api.idempotency_key(app), api.request_id(app))
    headers = {"Idempotent-Replayed": "true"} if replayed else {}
    return api.answer(submission.accepted(generation, _status_url(generation.generation_id)), 202, headers)


def _outcome(number: int, outcome: submission.Outcome) -> dict[str, Any]:
    if isinstance(outcome, GatewayError):
        return {"index": number, "status": outcome.status, "generation": None, "error": outcome.body()}
    generation = submission.accepted(outcome, _status_url(outcome.generation_id))
    return {"index": number, "status": 202, "generation": generation, "error": None}


def _status_url(generation_id: str) -> str:
    return f"{api.base_url(app)}/v1/generations/{generation_id}"
