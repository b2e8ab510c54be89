"""Every dialect of signed webhooks: the true one passes, anything else is forged."""

import base64
import hashlib
import hmac
import json

import pytest

from gateway import signatures
from gateway.provider import ForgedWebhook

NOW = 1_800_000_000
BODY = json.dumps({"data": {"taskId": "t-1"}}).encode()
SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two bytes, yes").decode()


def mac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def signed(dialect: str, *, at: int = NOW, key: str = SECRET, body: bytes = BODY) -> dict[str, str]:
    """The headers of a callback, built from the providers' own descriptions."""
    match dialect:
        case "standard":
            right = base64.b64encode(mac(base64.b64decode(key[6:]), f"m-1.{at}.".encode() + body)).decode()
            return {"webhook-id": "m-1", "webhook-timestamp": str(at), "webhook-signature": f"v1,AAAA v1,{right}"}
        case "standard_raw":
            right = mac(key[6:].encode(), f"m-1.{at}.".encode() + body).hex()
            return {"webhook-id": "m-1", "webhook-timestamp": str(at), "webhook-signature": f"v3,{right}"}
        case "task_and_time":
            right = base64.b64encode(mac(key[6:].encode(), f"t-1.{at}".encode())).decode()
            return {"x-webhook-timestamp": str(at), "x-webhook-signature": right}
    right = mac(key[6:].encode(), f"{at}.".encode() + body).hex()
    return {"elevenlabs-signature": f"t={at},v0={right}"}


def verify(dialect: str, headers: dict[str, str], body: bytes = BODY, job_id: str = "t-1") -> None:
    signatures.verify(dialect, SECRET, headers, body, job_id, NOW)


DIALECTS = ("standard", "standard_raw", "task_and_time", "time_and_body")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_true_callback_passes(dialect: str) -> None:
    verify(dialect, signed(dialect))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_callback_of_another_key_is_forged(dialect: str) -> None:
    other = "whsec_" + base64.b64encode(b"another secret, that nobody knows").decode()
    with pytest.raises(ForgedWebhook, match="does not verify"):
        verify(dialect, signed(dialect, key=other))


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("late_seconds", [-4000, 4000])
def test_a_callback_of_another_time_is_forged(dialect: str, late_seconds: int) -> None:
    with pytest.raises(ForgedWebhook, match="too old"):
        verify(dialect, signed(dialect, at=NOW + late_seconds))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_little_late_is_not_too_late(dialect: str) -> None:
    verify(dialect, signed(dialect, at=NOW - 299))


@pytest.mark.parametrize("dialect", ["standard", "standard_raw", "time_and_body"])
def test_a_changed_body_is_forged(dialect: str) -> None:
    with pytest.raises(ForgedWebhook):
        verify(dialect, signed(dialect), body=BODY.replace(b"t-1", b"t-2"))


def test_a_signature_of_another_job_is_forged() -> None:
    with pytest.raises(ForgedWebhook):
        verify("task_and_time", signed("task_and_time"), job_id="t-2")


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("gone", [0, 1, 2])
def test_without_a_header_it_is_forged(dialect: str, gone: int) -> None:
    headers = dict(signed(dialect))
    headers.pop(list(headers)[gone % len(headers)])
    with pytest.raises(ForgedWebhook):
        verify(dialect, headers)


@pytest.mark.parametrize("timestamp", ["", "now", "-1", "²", "1e9"])
def test_a_time_that_is_none(timestamp: str) -> None:
    with pytest.raises(ForgedWebhook):
        verify("standard", signed("standard") | {"webhook-timestamp": timestamp})


def test_the_dialects_of_standard_webhooks_are_not_taken_for_each_other() -> None:
    for true, other in (("standard", "standard_raw"), ("standard_raw", "standard")):
        with pytest.raises(ForgedWebhook):
            verify(other, signed(true))


@pytest.mark.parametrize("key", ["", "whsec_", "whsec_%%%", base64.b64encode(b"x").decode()])
def test_what_is_no_key_verifies_nothing(key: str) -> None:
    with pytest.raises(ForgedWebhook):
        signatures.verify("standard", key, signed("standard"), BODY, "t-1", NOW)


def test_what_is_not_signed_needs_nothing() -> None:
    signatures.verify("token", "", {}, b"", "", NOW)
