"""Every error the client raises, as one tree.

    MusewayError                  .code .message .hint .status .request_id .generation_id .fields
    ├── NotConfigured             no URL or API key was given
    ├── ConnectionFailed          no answer came (retried already)
    ├── WaitTimeout               wait(timeout=...) ran out; the generation goes on      .generation
    ├── GenerationFailed          the generation ended without a result; nothing billed  .generation
    ├── InvalidRequest            400, 422                                               .field .allowed
    │   └── UnknownModel          400  unknown_model                                     .nearest
    ├── AuthenticationError       401, 403
    ├── InsufficientCredits       402                                    .needed_micros .available_micros
    ├── SpendingLimitReached      402  spending_limit_reached        .scope .period .limit_micros .counted_micros
    ├── NotFound                  404
    ├── AlreadyCreated            409  already_created                                   .key_id
    ├── AlreadyFinished           409  already_finished
    ├── ModelRetired              410  model_retired                  .successor .price_difference_micros
    ├── PayloadTooLarge           413
    ├── RateLimited               429 (retried already)                            .retry_after_seconds
    └── ServerError               5xx (503 was retried already)

An answer with another status is a plain `MusewayError` with the server's own code.
"""

from collections.abc import Mapping
from typing import Any

__all__ = [
    "AlreadyCreated",
    "AlreadyFinished",
    "AuthenticationError",
    "ConnectionFailed",
    "GenerationFailed",
    "InsufficientCredits",
    "InvalidRequest",
    "ModelRetired",
    "MusewayError",
    "NotConfigured",
    "NotFound",
    "PayloadTooLarge",
    "RateLimited",
    "ServerError",
    "SpendingLimitReached",
    "UnknownModel",
    "WaitTimeout",
]


class MusewayError(Exception):
    """Something a caller can act on.

    `code` is stable and snake_case, `message` one sentence, `hint` what to do. `status` is the HTTP status
    where there was an answer, `request_id` finds that answer in the server's logs, `generation_id` names the
    generation where one had been accepted before the error (it may still run, and still be billed), and
    `fields` holds whatever else the server said.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        hint: str = "",
        status: int | None = None,
        request_id: str | None = None,
        generation_id: str | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.hint = hint
        self.status = status
        self.request_id = request_id
        self.generation_id = generation_id
        self.fields = dict(fields or {})

    def __str__(self) -> str:
        return f"{self.message} [{self.code}]" + (f" {self.hint}" if self.hint else "")

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword-only arguments defeat the default, and an error that cannot be pickled hangs a process pool.
        return _revive, (type(self), dict(vars(self)))


def _revive(cls: type[MusewayError], state: dict[str, Any]) -> MusewayError:
    error = cls(state["message"], code=state["code"])
    vars(error).update(state)
    return error


class NotConfigured(MusewayError):
    """No usable URL or API key: raised at the first call, before anything is sent."""


class ConnectionFailed(MusewayError):
    """No complete answer arrived, after every retry. What was asked may have been done all the same."""


class WaitTimeout(MusewayError):
    """The wait ran out; the generation goes on. `generation` is its last known status."""

    @property
    def generation(self) -> dict[str, Any]:
        """The last status seen, as `GET /v1/generations/{id}` answers it."""
        return dict(self.fields.get("generation") or {})


class GenerationFailed(MusewayError):
    """The generation failed or was cancelled, and cost nothing.

    `code` is the typed reason (`moderated_output`, `provider_error`, `cancelled`, ...). Most reasons are
    deterministic: look at the code and the inputs before trying again.
    """

    @property
    def generation(self) -> dict[str, Any]:
        """The final status, as `GET /v1/generations/{id}` answers it."""
        return dict(self.fields.get("generation") or {})

    @property
    def retryable(self) -> bool:
        """Whether the same inputs may succeed another time, as far as the gateway knows."""
        reason = self.generation.get("error")
        return isinstance(reason, dict) and reason.get("retryable") is True


class InvalidRequest(MusewayError):
    """The request cannot be served as it stands; nothing was held."""

    @property
    def field(self) -> str | None:
        """The field to change, where one is to blame."""
        return self.fields.get("field")

    @property
    def allowed(self) -> Any:
        """What that field accepts, where it can be listed."""
        return self.fields.get("allowed")


class UnknownModel(InvalidRequest):
    """No model of that id is registered."""

    @property
    def nearest(self) -> list[str]:
        """Registered ids that look like it, best first."""
        return list(self.fields.get("nearest") or [])


class ModelRetired(MusewayError):
    """No provider serves the model any more; nothing was held."""

    @property
    def successor(self) -> str | None:
        """The model to use instead, where there is one."""
        return self.fields.get("successor")

    @property
    def price_difference_micros(self) -> int | None:
        """What the same call costs more with the successor (less, when negative), where it takes that call."""
        return self.fields.get("price_difference_micros")


class AuthenticationError(MusewayError):
    """The API key is missing, unknown, expired or revoked (401), or lacks the scope for this call (403)."""


class InsufficientCredits(MusewayError):
    """The balance does not cover the call's maximum; nothing was held."""

    @property
    def needed_micros(self) -> int | None:
        """What the call could cost at most, in micros of a US dollar."""
        return self.fields.get("needed_micros")

    @property
    def available_micros(self) -> int | None:
        """What the project had available, in micros of a US dollar."""
        return self.fields.get("available_micros")


class SpendingLimitReached(MusewayError):
    """A limit of the key or of its project leaves no room for the call's maximum; nothing was held."""

    @property
    def scope(self) -> str | None:
        """Whose limit it is: `key` or `project`."""
        return self.fields.get("scope")

    @property
    def period(self) -> str | None:
        """What it limits: a `day` or a `month` (UTC), or the `total`."""
        return self.fields.get("period")

    @property
    def limit_micros(self) -> int | None:
        """The limit, in micros of a US dollar."""
        return self.fields.get("limit_micros")

    @property
    def counted_micros(self) -> int | None:
        """What is held and spent under it, in micros of a US dollar."""
        return self.fields.get("counted_micros")

    @property
    def needed_micros(self) -> int | None:
        """What the call could cost at most, in micros of a US dollar."""
        return self.fields.get("needed_micros")


class AlreadyFinished(MusewayError):
    """There is nothing to cancel any more: the generation has ended, or its provider has delivered."""


class NotFound(MusewayError):
    """No such thing in the key's project."""


class AlreadyCreated(MusewayError):
    """The key was made before, by a call whose answer got lost; its secret is not kept, so it cannot be shown again.

    Revoke it and make another.
    """

    @property
    def key_id(self) -> str | None:
        """The key that was made."""
        return self.fields.get("key_id")


class PayloadTooLarge(MusewayError):
    """The request's body is over the gateway's limit; upload files and pass their URLs."""


class RateLimited(MusewayError):
    """Too many requests, and the retries are used up."""

    @property
    def retry_after_seconds(self) -> float | None:
        """How long the server asked to wait, where it said."""
        return self.fields.get("retry_after_seconds")


class ServerError(MusewayError):
    """The gateway, or the file store behind it, failed to answer properly."""
