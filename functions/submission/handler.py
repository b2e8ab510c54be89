"""POST /v1/generate/media, its batch, and POST /v1/media/generate: generations, typed or native."""

from aws_lambda_powertools.event_handler import Response

from gateway import api, submission
from gateway.api.requests import GenerateMedia, GenerateMediaBatch, MediaGenerate
from gateway.errors import (
    BadRequest,
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
BATCH_REFUSALS = api.errors(Unauthorized, InvalidField, PayloadTooLarge, IdempotencyKeyReused)


@app.post("/v1/generate/media", summary="Generate media (typed request)", tags=["generate"], responses=REFUSALS)
def generate_media(request: GenerateMedia) -> Response[str]:
    """Submit a typed request; it is held to the model's limits, and refused with nothing held."""
    return _submit(request.order())


@app.post("/v1/media/generate", summary="Generate media (native inputs)", tags=["generate"], responses=REFUSALS)
def media_generate(request: MediaGenerate) -> Response[str]:
    """Submit a model's own inputs; what pricing does not read goes to the model as it is."""
    return _submit(request.order())


@app.post("/v1/generate/media:batch", summary="Generate many media", tags=["generate"], responses=BATCH_REFUSALS)
def generate_batch(request: GenerateMediaBatch) -> Response[str]:
    """Submit up to 90 typed requests, each accepted or refused on its own; credits are held for all at once."""
    from gateway.submission import batches  # few containers ever serve one

    principal, key = api.principal(app, "generate"), api.idempotency_key(app)
    outcomes, replayed = batches.submit_batch(principal, request.orders(), key, api.request_id(app))
    return api.answer(batches.batch_view(outcomes, api.base_url(app)), 202, api.REPLAYED if replayed else {})


def _submit(order: submission.Order) -> Response[str]:
    principal, key = api.principal(app, "generate"), api.idempotency_key(app)
    generation, replayed = submission.submit(principal, order, key, api.request_id(app))
    return api.answer(submission.accepted(generation, api.base_url(app)), 202, api.REPLAYED if replayed else {})
