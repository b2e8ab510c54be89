"""Each fault of the sandbox at each provider that is offered, when a second, healthy offer stands behind it.

The generation ends: delivered by the first, by the next where that is safe, or failed and released. Nothing is paid
for twice, and nothing of what a provider says or is told in secret is heard by anybody (`overheard`).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from gateway import jobs
from gateway.nondelivery import NonDelivery
from infra.sandbox.faults import MOMENTS
from infra.sandbox.providers import PROVIDERS
from infra.sandbox.serving import served_sandbox
from tests.integration.sandbox.support import SandboxControl
from tests.integration.sandboxed import OFFERING, kind_of, ordered, others, sandboxed
from tests.integration.world import GRANTED_MICROS, World

FIRST, NEXT, NOBODY = "first", "next", "nobody"
"""Who delivered."""
SUBMITTED, ASKED, FETCHED = "submitted", "asked", "fetched"
"""What the fault strikes: the submission and its job, every call about the job, every download."""
CASES: dict[tuple[str, str], set[str]] = {
    # A provider that answers with the result itself has ended when its answer is read; a job that may run has not.
    (SUBMITTED, "refuse"): {NEXT},
    (SUBMITTED, "rate_limit"): {NEXT},
    (SUBMITTED, "server_error"): {NOBODY, NEXT},
    (SUBMITTED, "accept_then_timeout"): {NOBODY},
    (SUBMITTED, "bad_json"): {NOBODY, NEXT},
    (SUBMITTED, "html"): {NOBODY, NEXT},
    (SUBMITTED, "wrong_type"): {NOBODY, NEXT},
    (SUBMITTED, "drip"): {NOBODY},
    (SUBMITTED, "redirect"): {NOBODY},
    (SUBMITTED, "huge_answer"): {NOBODY, NEXT},
    (SUBMITTED, "surplus_outputs"): {FIRST},
    (SUBMITTED, "unknown_status"): {FIRST},
    (SUBMITTED, "never_finish"): {NOBODY},
    (SUBMITTED, "fail_after_accept"): {NOBODY, NEXT},
    (SUBMITTED, "filtered"): {NOBODY},
    (SUBMITTED, "empty_output"): {NEXT},
    (SUBMITTED, "expired_output_url"): {NEXT, FIRST},
    (SUBMITTED, "wrong_content_type"): {FIRST},
    (SUBMITTED, "huge_output"): {NEXT},
    # Fetched again; of base64 useless; and where the body is the output, an answer that did not arrive.
    (SUBMITTED, "truncated_output"): {FIRST, NEXT, NOBODY},
    # Of who has no jobs nothing is asked, and of who has no URLs nothing is fetched.
    (ASKED, "refuse"): {NOBODY, FIRST},
    (ASKED, "rate_limit"): {NOBODY, FIRST},
    (ASKED, "server_error"): {NOBODY, FIRST},
    (ASKED, "bad_json"): {NOBODY, FIRST},
    (ASKED, "html"): {NOBODY, FIRST},
    (ASKED, "wrong_type"): {NOBODY, FIRST},
    (ASKED, "drip"): {NOBODY, FIRST},
    (ASKED, "redirect"): {NOBODY, FIRST},
    (ASKED, "huge_answer"): {NOBODY, FIRST},
    (ASKED, "surplus_outputs"): {FIRST},
    (ASKED, "unknown_status"): {NOBODY, FIRST},
    (FETCHED, "refuse"): {NEXT, FIRST},
    (FETCHED, "server_error"): {NEXT, FIRST},
    (FETCHED, "accept_then_timeout"): {NEXT, FIRST},
    (FETCHED, "html"): {NEXT, FIRST},
    (FETCHED, "drip"): {NEXT, FIRST},
    (FETCHED, "redirect"): {NEXT, FIRST},
}


@dataclass(frozen=True)
class Case:
    provider: str
    struck: str
    fault: str

    def __str__(self) -> str:
        return f"{self.provider}-{self.struck}-{self.fault}"


EVERY = [Case(provider, *case) for provider in OFFERING for case in CASES]
SAMPLE = [Case(OFFERING[number % len(OFFERING)], *case) for number, case in enumerate(CASES)]
"""Each fault once, at one provider after the other."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" in metafunc.fixturenames:
        metafunc.parametrize("case", EVERY if metafunc.config.getoption("--whole") else SAMPLE, ids=str)


@pytest.fixture(scope="module")
def sandbox_url() -> Iterator[str]:
    with served_sandbox(job_seconds=0.02) as url:
        yield url


@pytest.fixture(scope="module")
def second(sandbox_url: str) -> dict[str, str]:
    """Who stands behind each provider; both have rendered by then what they will be asked for."""
    behind = {one: others(kind_of(one), one)[0] for one in OFFERING}
    with sandboxed(sandbox_url, patience_seconds=60.0, pace=0.5) as museway:
        generations = [ordered(museway, one) for one in OFFERING]
        generations += [ordered(museway, one, other) for one, other in behind.items()]
        museway.settle_down()
        ended = [museway.generation(one) for one in generations]
        assert [one for one in ended if one["status"] != "completed"] == []
    return behind


@pytest.fixture
def control(sandbox_url: str) -> Iterator[SandboxControl]:
    control = SandboxControl(sandbox_url)
    control.reset()
    yield control
    control.reset()
    control.close()


@pytest.fixture
def museway(sandbox_url: str) -> Iterator[World]:
    with sandboxed(sandbox_url) as made:
        yield made


def test_it_ends_right_under_every_fault(
    museway: World, control: SandboxControl, second: dict[str, str], case: Case
) -> None:
    arm(control, case)
    generation_id = ordered(museway, case.provider, second[case.provider])
    held_micros = museway.totals().held_micros
    museway.settle_down()

    shown = museway.generation(generation_id)
    attempts = shown["attempts"]
    is_delivered = shown["status"] == jobs.COMPLETED
    assert ((FIRST, NEXT)[len(attempts) - 1] if is_delivered else NOBODY) in CASES[case.struck, case.fault], shown
    if is_delivered:
        assert shown["billed_micros"] == held_micros
        assert len(shown["outputs"]) == 1
    else:
        assert (shown["billed_micros"], museway.totals().available_micros) == (0, GRANTED_MICROS)
        assert shown["error"]["code"] in set(NonDelivery)
        assert shown["error"]["message"]
    # Sent once, and to the next only when it was known what had become of the first.
    paid = [call["provider"] for call in control.calls(paid=True)]
    assert all(paid.count(attempt["provider"]) <= 1 for attempt in attempts)
    assert set(paid) <= {attempt["provider"] for attempt in attempts}
    assert [one["status"] for one in attempts[:-1] if one["status"] not in {jobs.REFUSED, jobs.ATTEMPT_FAILED}] == []
    assert museway.violations(at_rest=True) == []


def arm(control: SandboxControl, case: Case) -> None:
    """Switch the fault on: once for a submission, for every call about a job, and for every download."""
    match = {ASKED: PROVIDERS[case.provider].queue_calls_from, FETCHED: "/files/"}.get(case.struck)
    # A drip takes all the patience there is, each time.
    times = 1 if match is None else 4 if case.fault == "drip" else None
    control.arm(case.fault, case.provider, times=times, match=match, seconds=0.1)


def test_every_fault_that_a_provider_can_have_is_here() -> None:
    webhooks = {"lost_webhook", "duplicate_webhook", "forged_webhook"}
    assert {fault for _, fault in CASES} | webhooks | {"slow"} == set(MOMENTS)
    assert {case.provider for case in SAMPLE} == set(OFFERING)
