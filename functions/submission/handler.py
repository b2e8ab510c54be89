"""POST /v1/generate/media and POST /v1/media/generate: one generation, typed or native."""

from aws_lambda_powertools.event_handler import Response

from gateway import api, submission
from gateway.api.requests import GenerateMedia, MediaGenerate
from gateway.errors import (
    BadRequest,
    IdempotencyKeyReused,
    InsufficientCredits,
    InvalidField,
    ModelRetired,
    PayloadTooLarge,
    SourceRefused,
    Unauthorized,
    UnknownModel,
)

app = api.resolver()
handler = api.serve(app)
REFUSALS = api.errors(
    *(UnknownModel, BadRequest, SourceRefused, PayloadTooLarge, InvalidField),
    *(Unauthorized, InsufficientCredits, ModelRetired, IdempotencyKeyReused),
)


@app.post("/v1/generate/media", summary="Generate media (typed request)", tags=["generate"], responses=REFUSALS)
def generate_media(request: GenerateMedia) -> Response[str]:
    """Submit a typed request; it is held to the model's limits, and refused with nothing held."""
    return _submit(request.order())


@app.post("/v1/media/generate", summary="Generate media (native inputs)", tags=["generate"], responses=REFUSALS)
def media_generate(request: MediaGenerate) -> Response[str]:
    """Submit a model's own inputs; what pricing does not read goes to the model as it is."""
    return _submit(request.order())


def _submit(order: submission.Order) -> Response[str]:
    principal = api.principal(app, "generate")
    key = api.header(app, "idempotency-key")
    if key is not None and not 1 <= len(key) <= 255:
        raise InvalidField("Idempotency-Key must have 1 to 255 characters.", field="Idempotency-Key")
    generation, replayed = submission.submit(principal, order, key, api.request_id(app))
    status_url = f"{api.base_url(app)}/v1/generations/{generation.generation_id}"
    headers = {"Idempotent-Replayed": "true"} if replayed else {}
    return api.answer(submission.accepted(generation, status_url), 202, headers)
