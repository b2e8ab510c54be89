"""Every refusal that a caller can meet, as one tree.

    GatewayError
    ├── BadRequest                    400  invalid_request (and the catalog's own codes)
    │   ├── UnknownModel              400  unknown_model
    │   ├── VariantRequired           400  variant_required
    │   ├── PriceAboveMaximum         400  price_above_maximum
    │   ├── ProviderKeyRejected       400  provider_key_rejected
    │   ├── NoViableModel             400  no_viable_model
    │   ├── TooManyKeys               400  too_many_keys
    │   ├── TooManyRouters            400  too_many_routers
    │   ├── TooManyRecords            400  too_many_records, too_many_groups
    │   └── SourceRefused             400  unsafe_url, source_unreachable, source_too_large | _small | _long,
    │                                      source_not_media
    ├── Unauthorized                  401  unauthorized
    ├── InsufficientCredits           402  insufficient_credits
    ├── SpendingLimitReached          402  spending_limit_reached
    ├── Forbidden                     403  forbidden
    ├── NotFound                      404  not_found
    ├── Conflict                      409  idempotency_in_progress
    │   └── AlreadyFinished           409  already_finished
    ├── AlreadyCreated                409  already_created
    ├── ModelRetired                  410  model_retired
    ├── PayloadTooLarge               413  payload_too_large
    ├── IdempotencyKeyReused          422  idempotency_key_reused
    ├── InvalidField                  422  invalid_request
    └── Unavailable                   503  unavailable
        └── ProviderUnavailable       503  provider_unavailable

`code` and `status` live on the class; `gateway.api` is the only place that renders them.
"""

from typing import Any, ClassVar


class GatewayError(Exception):
    """A refusal with a stable `code`, an HTTP `status`, one sentence, a hint and fields of its own."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    hint: ClassVar[str] = "Try again; if it happens again, report the request_id."

    def __init__(self, message: str, *, hint: str | None = None, code: str | None = None, **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.error_code = code or self.code
        self.error_hint = hint or self.hint
        self.fields = fields

    def body(self) -> dict[str, Any]:
        """The contract's error object, without the request id (which the edge adds)."""
        return {"error": self.error_code, "message": self.message, "hint": self.error_hint, **self.fields}


class BadRequest(GatewayError):
    """The request cannot be served as it stands; `field` names what to change where there is one."""

    code = "invalid_request"
    status = 400
    hint = "Change the named field; GET /v1/models/{id} shows what the model accepts."


class UnknownModel(BadRequest):
    """No model of that id; `nearest` lists ids that look like it."""

    code = "unknown_model"
    hint = "GET /v1/models lists every model."


class VariantRequired(BadRequest):
    """A family label where a concrete model is needed (seed 002); `available_variants` lists them."""

    code = "variant_required"


class PriceAboveMaximum(BadRequest):
    """The quote is above the caller's own `max_price_micros`."""

    code = "price_above_maximum"
    hint = "Raise max_price_micros, or choose a cheaper model, duration or tier."


class ProviderKeyRejected(BadRequest):
    """The provider does not take the key that was to be saved; nothing was changed."""

    code = "provider_key_rejected"
    hint = "Check that it was copied whole and is live; `test: false` saves it unasked."


class NoViableModel(BadRequest):
    """No model, or no provider of the one named, can serve the request; `reasons` says why of each that was close."""

    code = "no_viable_model"
    hint = "Ask for less: POST /v1/route shows every candidate with its reason."


class TooManyKeys(BadRequest):
    """The project has as many live keys as it may have."""

    code = "too_many_keys"
    hint = "Revoke keys that are no longer used; GET /v1/keys lists them."


class TooManyRouters(BadRequest):
    """The project has as many saved routers as it may have."""

    code = "too_many_routers"
    hint = "Delete routers that are no longer used; GET /v1/routers lists them."


class TooManyRecords(BadRequest):
    """More records (or groups of them) than one answer can be made of; `maximum` says how many can."""

    code = "too_many_records"
    hint = "Narrow since and until, or take whole days from GET /v1/exports."


class SourceRefused(BadRequest):
    """A URL given as input that is unsafe, unreachable, too large or not media; the raiser names the code."""

    code = "unsafe_url"
    hint = "Give a public https URL of an image, video or audio file, or upload the file with POST /v1/upload/media."


class Unauthorized(GatewayError):
    """No key, or one that is unknown, mistyped, expired or revoked."""

    code = "unauthorized"
    status = 401
    hint = "Send `Authorization: Bearer mw_...` with a live API key."


class InsufficientCredits(GatewayError):
    """The project's available balance does not cover the quote's maximum."""

    code = "insufficient_credits"
    status = 402
    hint = "Have the operator grant credits, or choose a cheaper model, duration or tier."


class SpendingLimitReached(GatewayError):
    """The key's or the project's own limit for a day, a month or in all leaves no room for the quote's maximum."""

    code = "spending_limit_reached"
    status = 402
    hint = "Wait for the next period, have the limit raised, or choose a cheaper model, duration or tier."


class Forbidden(GatewayError):
    """The key lacks the scope that this call needs."""

    code = "forbidden"
    status = 403
    hint = "Use a key with the named scope."


class NotFound(GatewayError):
    """No such thing in the caller's project."""

    code = "not_found"
    status = 404
    hint = "Check the id; things of other projects are not shown."


class Conflict(GatewayError):
    """Something else is under way under the same name; trying again shortly is right."""

    code = "idempotency_in_progress"
    status = 409
    hint = "Wait a second and send the same request again."


class AlreadyFinished(Conflict):
    """The generation has ended, or its provider has delivered: there is nothing left to cancel."""

    code = "already_finished"
    hint = "Read its status; what was delivered is charged, what was not is not."


class AlreadyCreated(GatewayError):
    """The Idempotency-Key has made a key before, whose secret was shown then and is not kept; `key_id` names it."""

    code = "already_created"
    status = 409
    hint = "If the api_key did not arrive, revoke this key and make another under a new Idempotency-Key."


class ModelRetired(GatewayError):
    """No provider serves the model any more; `successor` names what to use instead, and what that costs."""

    code = "model_retired"
    status = 410
    hint = "Use the successor; GET /v1/models/{id} shows what it accepts."


class PayloadTooLarge(GatewayError):
    """The body is over the limit for JSON requests."""

    code = "payload_too_large"
    status = 413
    hint = "Upload files with POST /v1/upload/media and pass their URLs."


class IdempotencyKeyReused(GatewayError):
    """The Idempotency-Key belongs to another body; `fields` names what differs, never values."""

    code = "idempotency_key_reused"
    status = 422
    hint = "Use a new Idempotency-Key for a new request."


class InvalidField(GatewayError):
    """A field that is missing or of the wrong type; `field` names it."""

    code = "invalid_request"
    status = 422
    hint = "Correct the named field; /docs shows the request's schema."


class Unavailable(GatewayError):
    """A dependency did not answer; nothing was held."""

    code = "unavailable"
    status = 503
    hint = "Try again in a moment with the same Idempotency-Key."


class ProviderUnavailable(Unavailable):
    """A provider could not be asked about a key; nothing was changed."""

    code = "provider_unavailable"
    hint = "Try again in a moment, or save the key unasked with `test: false`."
