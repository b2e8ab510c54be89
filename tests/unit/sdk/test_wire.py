"""Reading answers: every status and code becomes its typed error."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from museway import errors
from museway._wire import Accepted, Answer, billed, error_of, result_of, retry_after_seconds


def _refusal(status: int, **content: object) -> Answer:
    return Answer(status, {"x-request-id": "req_1"}, json.dumps(content).encode())


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "invalid_request", errors.InvalidRequest),
        (400, "aspect_ratio_incompatible_with_high_res", errors.InvalidRequest),
        (400, "unknown_model", errors.UnknownModel),
        (401, "unauthorized", errors.AuthenticationError),
        (402, "insufficient_credits", errors.InsufficientCredits),
        (402, "spending_limit_reached", errors.SpendingLimitReached),
        (403, "forbidden", errors.AuthenticationError),
        (404, "not_found", errors.NotFound),
        (409, "already_finished", errors.AlreadyFinished),
        (409, "hold_released", errors.MusewayError),
        (410, "model_retired", errors.ModelRetired),
        (413, "payload_too_large", errors.PayloadTooLarge),
        (422, "idempotency_key_reused", errors.InvalidRequest),
        (429, "rate_limited", errors.RateLimited),
        (500, "internal_error", errors.ServerError),
        (503, "unavailable", errors.ServerError),
    ],
)
def test_status_and_code_choose_the_error(status: int, code: str, kind: type[errors.MusewayError]) -> None:
    error = error_of(_refusal(status, error=code, message="Because.", hint="Do this.", request_id="req_2"))
    assert type(error) is kind
    assert (error.code, error.message, error.hint) == (code, "Because.", "Do this.")
    assert (error.status, error.request_id) == (status, "req_2")


def test_the_fields_that_explain_an_error_are_attributes() -> None:
    invalid = error_of(_refusal(400, error="invalid_request", field="duration", allowed=["5s", "10s"], unit="s"))
    assert isinstance(invalid, errors.InvalidRequest)
    assert (invalid.field, invalid.allowed, invalid.fields["unit"]) == ("duration", ["5s", "10s"], "s")
    unknown = error_of(_refusal(400, error="unknown_model", nearest=["nano-banana"]))
    assert isinstance(unknown, errors.UnknownModel)
    assert unknown.nearest == ["nano-banana"]
    poor = error_of(_refusal(402, error="insufficient_credits", needed_micros=5, available_micros=3))
    assert isinstance(poor, errors.InsufficientCredits)
    assert (poor.needed_micros, poor.available_micros) == (5, 3)
    told = {"scope": "key", "period": "day", "limit_micros": 7, "counted_micros": 4, "needed_micros": 5}
    limited = error_of(_refusal(402, error="spending_limit_reached", **told))
    assert isinstance(limited, errors.SpendingLimitReached)
    assert told == {name: getattr(limited, name) for name in told}


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"message": "Forbidden"}', b'{"error": {"a": 1}}'])
def test_an_answer_from_something_before_the_gateway_is_an_error_all_the_same(body: bytes) -> None:
    error = error_of(Answer(502, {"x-request-id": "req_1"}, body))
    assert type(error) is errors.ServerError
    assert (error.code, error.request_id) == ("http_502", "req_1")
    assert error.message


@pytest.mark.parametrize(("value", "seconds"), [("7", 7.0), ("", None), ("soon", None), ("-1", None), ("²", None)])
def test_retry_after_in_seconds(value: str, seconds: float | None) -> None:
    assert retry_after_seconds(Answer(429, {"retry-after": value})) == seconds


def test_retry_after_as_a_date() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    seconds = retry_after_seconds(Answer(429, {"retry-after": later}))
    assert seconds is not None
    assert 25 < seconds <= 30
    assert retry_after_seconds(Answer(429, {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"})) == 0


def test_money_is_an_integer_and_a_float_only_for_people() -> None:
    assert billed(672_000) == {"billed_micros": 672_000, "billed_usd": 0.672}
    assert billed(1) == {"billed_micros": 1, "billed_usd": 0.000001}


def test_a_result_without_outputs_has_no_file() -> None:
    status = {
        "model": "m",
        "kind": "audio",
        "billed_micros": 0,
        "outputs": None,
        "meta": None,
        "request_id": "r",
    }
    result = result_of(Accepted("gen_1"), status)
    assert (result["drive_path"], result["output_url"], result["request_id"]) == (None, None, "r")
