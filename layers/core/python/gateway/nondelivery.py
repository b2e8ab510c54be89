"""Why a generation delivered nothing: the closed list of reasons, the only codes that one can end with. Pure.

None of them is ever charged: the hold is released whole, and `billed_micros` is 0. They differ in what comes next.
A provider's own codes stay in its adapter; what it said is in the message alone.
"""

from enum import StrEnum
from typing import Any, Self

MESSAGE_CHARACTERS_MAX = 500


class NonDelivery(StrEnum):
    """Why nothing was delivered; nothing is charged for any of these."""

    meaning: str
    """One sentence for callers."""
    another_offer: bool | None
    """Whether the next offer is tried, if there is one; None where it depends on what the provider said."""

    def __new__(cls, code: str, meaning: str, another_offer: bool | None) -> Self:  # noqa: D102 - see the fields
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        member.another_offer = another_offer
        return member

    # Refused: known not to run.
    PROVIDER_UNAVAILABLE = "provider_unavailable", "No provider could be reached.", True
    PROVIDER_AUTH = "provider_auth", "The provider does not accept this deployment's account for the model.", True
    RATE_LIMITED = "rate_limited", "The provider takes no more calls just now.", True
    # Refused, or accepted and turned down when it ran.
    INVALID_INPUTS = "invalid_inputs", "The provider cannot use these inputs.", None
    MODERATED_INPUT = "moderated_input", "The provider's moderation refused the inputs.", False
    # Accepted, and ended without a result.
    MODERATED_OUTPUT = "moderated_output", "The provider's moderation withheld what was made.", False
    EMPTY_OUTPUT = "empty_output", "The provider finished without an output.", True
    EXPIRED_OUTPUT = "expired_output", "Every output had expired before it could be fetched.", True
    PROVIDER_ERROR = "provider_error", "The provider failed, or what it delivered is of no use.", None
    PROVIDER_LOST = "provider_lost", "The provider gave no result in time, or no longer knows the job.", None
    # Ended by its caller.
    CANCELLED = "cancelled", "It was cancelled by its caller before anything was delivered.", False


def reason(code: str, message: str, *, retryable: bool) -> dict[str, Any]:
    """The error of a generation or an attempt, as it is stored, shown and announced.

    `retryable` says that the same inputs may succeed with another offer, or later. A code that is not on the list
    comes out as `provider_error`.
    """
    listed = next((one for one in NonDelivery if one == code), NonDelivery.PROVIDER_ERROR)
    return {"code": listed.value, "message": message[:MESSAGE_CHARACTERS_MAX], "retryable": retryable}
