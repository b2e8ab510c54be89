"""Providers that misbehave, against the running system: every generation ends, nothing is paid for twice.

Each fault strikes a call that one provider alone may serve, and one by mode, which others may serve after it. All are
begun before any other test of the suite and looked at after them (`conftest.py`): what waits for a deadline does so
meanwhile.
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
SAFE_TO_FOLLOW = {"fail_after_accept", "empty_output", "refuse"}
"""Faults after which it is known that the first provider owes nothing any more: the next one delivers."""
TIMES = {"truncated_output": 1}
"""Faults that pass; the others stay."""
RUN = uuid4().hex[:8]
ALONE = {"providers": ["fal"]}
BY_MODE = {"mode": "image", "models": ["nano-banana"], "prefer": "price"}
"""One model, so that its price is known; a mode, so that whatever serves it may follow."""
SILENCE = f"silence after the call {RUN}"


def prompt_under(fault: str, by: str = "alone") -> str:
    """What tells one generation's calls from all others."""
    return SILENCE if fault == "openai" else f"a fox, {RUN}, {by} under {fault}"


def mode(fault: str) -> str:
    """The name of the call by mode under a fault."""
    return f"{fault}, by mode"


@pytest.fixture(scope="session")
def begun(local: Local, sandbox: Sandbox) -> dict[str, str]:
    """Two generations under each fault, and one that times out at a synchronous provider: their ids."""
    submitted = {}
    with Client(url=local.url, api_key=local.api_key) as client:
        best = client.route(prompt="a fox", **BY_MODE)["candidates"][0]
        for fault in FAULTS:
            for provider, by in (("fal", "alone"), (best["provider"], "by mode")):
                sandbox.arm(fault, provider, match=prompt_under(fault, by), times=TIMES.get(fault))
            alone = client.submit("nano-banana", prompt=prompt_under(fault), **ALONE)
            by_mode = client.submit(prompt=prompt_under(fault, "by mode"), **BY_MODE)
            submitted |= {fault: alone.id, mode(fault): by_mode.id}
        sandbox.arm("accept_then_timeout", "openai", match=SILENCE)
        submitted["openai"] = client.submit("openai/gpt-image-2", {"prompt": SILENCE}).id
    return submitted


@pytest.fixture(scope="session")
def ended(local: Local, begun: dict[str, str]) -> dict[str, dict[str, Any]]:
    """What became of them."""
    with Client(url=local.url, api_key=local.api_key) as client, ThreadPoolExecutor(len(begun)) as pool:
        return dict(zip(begun, pool.map(lambda one: finished(client, one), begun.values()), strict=True))


def test_all_begin(begun: dict[str, str]) -> None:
    """The first test of all."""
    assert len(begun) == 2 * len(FAULTS) + 1


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


@pytest.mark.parametrize("fault", FAULTS)
def test_the_next_provider_delivers_where_that_is_safe(ended: dict[str, dict[str, Any]], fault: str) -> None:
    generation = ended[mode(fault)]
    first, *following = generation["attempts"]
    assert first["provider"] == generation["routing"]["candidates"][0]["provider"]
    if fault in SAFE_TO_FOLLOW:
        assert generation["status"] == "completed"
        assert following[-1]["provider"] != first["provider"]
    else:
        assert generation["status"] in FAULTS[fault]
        assert following == []
    assert generation["billed_micros"] == (39_000 if generation["status"] == "completed" else 0)


@pytest.mark.parametrize("fault", [*FAULTS, "openai"])
def test_no_attempt_is_paid_for_twice(ended: dict[str, dict[str, Any]], sandbox: Sandbox, fault: str) -> None:
    paid = [call for call in sandbox.calls() if call["paid"] and call.get("prompt") == prompt_under(fault)]
    assert len(paid) <= len(ended[fault]["attempts"]) == 1


@pytest.mark.parametrize("fault", FAULTS)
def test_no_provider_is_paid_twice_for_a_call_that_others_may_serve(
    ended: dict[str, dict[str, Any]], sandbox: Sandbox, fault: str
) -> None:
    calls = [call for call in sandbox.calls() if call["paid"] and call.get("prompt") == prompt_under(fault, "by mode")]
    paid = [call["provider"] for call in calls]
    assert sorted(set(paid)) == sorted(paid)
    assert set(paid) <= {attempt["provider"] for attempt in ended[mode(fault)]["attempts"]}


def test_a_synchronous_call_without_an_answer_is_waited_out_and_released(ended: dict[str, dict[str, Any]]) -> None:
    assert ended["openai"]["status"] == "failed"
    assert ended["openai"]["error"]["code"] == "provider_lost"
    assert ended["openai"]["billed_micros"] == 0


def test_the_books_balance_afterwards(ended: dict[str, dict[str, Any]], local: Local) -> None:
    assert ended
    found = violations(local.client("dynamodb"), local.tables["jobs"], local.tables["ledger"])
    ours = [fault for fault in found if any(generation["generation_id"] in fault for generation in ended.values())]
    assert ours == []
