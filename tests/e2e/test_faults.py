"""Providers that misbehave, against the running system: every generation ends, nothing is paid for twice.

All generations are started first and watched together: what waits for a deadline waits once.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from museway import Client
from tests.e2e.support import Local, Sandbox, finished
from tests.invariants import violations

FAULTS = {
    "accept_then_timeout": {"completed"},
    "lost_webhook": {"completed"},
    "duplicate_webhook": {"completed"},
    "forged_webhook": {"completed"},
    "fail_after_accept": {"failed"},
    "empty_output": {"failed"},
    "never_finish": {"failed"},
    "filtered": {"failed"},
    "refuse": {"failed"},
    "bad_json": {"completed", "failed"},
    "truncated_output": {"completed"},
    "wrong_content_type": {"completed"},
}
REASONS = {
    "fail_after_accept": {"provider_error"},
    "empty_output": {"empty_output"},
    "never_finish": {"provider_lost"},
    "filtered": {"moderated_input", "moderated_output"},
}
TIMES = {"truncated_output": 1}
"""Faults that pass; the others stay."""
RUN = uuid4().hex[:8]
SILENCE = f"silence after the call {RUN}"


def prompt_under(fault: str) -> str:
    """What tells one generation's calls from all others."""
    return SILENCE if fault == "openai" else f"a fox, {RUN}, under {fault}"


@pytest.fixture(scope="module")
def ended(local: Local, sandbox: Sandbox) -> dict[str, dict[str, Any]]:
    """One generation under each fault, and two that time out at a synchronous provider, all ended."""
    submitted = {}
    with Client(url=local.url, api_key=local.api_key) as client, ThreadPoolExecutor(len(FAULTS) + 1) as pool:
        for fault in FAULTS:
            sandbox.arm(fault, "fal", match=f"{RUN}, under {fault}", times=TIMES.get(fault))
            submitted[fault] = client.submit("nano-banana", {"prompt": prompt_under(fault)}).id
        sandbox.arm("accept_then_timeout", "openai", match=SILENCE)
        submitted["openai"] = client.submit("openai/gpt-image-2", {"prompt": SILENCE}).id
        return dict(zip(submitted, pool.map(lambda one: finished(client, one), submitted.values()), strict=True))


@pytest.mark.parametrize("fault", FAULTS)
def test_every_generation_ends_as_it_should(ended: dict[str, dict[str, Any]], fault: str) -> None:
    generation = ended[fault]
    assert generation["status"] in FAULTS[fault], generation
    if generation["status"] == "failed":
        assert generation["billed_micros"] == 0
        assert generation["outputs"] == []
        assert generation["error"]["message"]
    else:
        assert generation["billed_micros"] == 39_000
        assert generation["outputs"][0]["media_type"] == "image/png"
    if fault in REASONS:
        assert generation["error"]["code"] in REASONS[fault]


@pytest.mark.parametrize("fault", [*FAULTS, "openai"])
def test_no_attempt_is_paid_for_twice(ended: dict[str, dict[str, Any]], sandbox: Sandbox, fault: str) -> None:
    paid = [call for call in sandbox.calls() if call["paid"] and call.get("prompt") == prompt_under(fault)]
    assert len(paid) <= len(ended[fault]["attempts"]) == 1


def test_a_synchronous_call_without_an_answer_is_waited_out_and_released(ended: dict[str, dict[str, Any]]) -> None:
    assert ended["openai"]["status"] == "failed"
    assert ended["openai"]["error"]["code"] == "provider_lost"
    assert ended["openai"]["billed_micros"] == 0


def test_the_books_balance_afterwards(ended: dict[str, dict[str, Any]], local: Local) -> None:
    assert ended
    found = violations(local.client("dynamodb"), local.tables["jobs"], local.tables["ledger"])
    ours = [fault for fault in found if any(generation["generation_id"] in fault for generation in ended.values())]
    assert ours == []
