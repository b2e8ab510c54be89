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
AT_ONCE = {"ark", "bedrock", "elevenlabs", "google", "openai", "xai"}
"""Who answers what is asked here with the result itself. It has ended when its answer is read, whatever that says; of
the others' jobs it is known only what they tell. Who has no jobs is not asked about any, and what came in the answer is
not fetched: then nothing is struck."""
CASES: dict[tuple[str, str], tuple[str, str]] = {
    # At once, and as a job.
    (SUBMITTED, "refuse"): (NEXT, NEXT),
    (SUBMITTED, "rate_limit"): (NEXT, NEXT),
    (SUBMITTED, "server_error"): (NOBODY, NOBODY),
    (SUBMITTED, "accept_then_timeout"): (NOBODY, NOBODY),
    (SUBMITTED, "bad_json"): (NEXT, NOBODY),
    (SUBMITTED, "html"): (NEXT, NOBODY),
    (SUBMITTED, "wrong_type"): (NEXT, NOBODY),
    (SUBMITTED, "drip"): (NOBODY, NOBODY),
    (SUBMITTED, "redirect"): (NOBODY, NOBODY),
    (SUBMITTED, "huge_answer"): (NEXT, NOBODY),
    (SUBMITTED, "surplus_outputs"): (FIRST, FIRST),
    (SUBMITTED, "unknown_status"): (FIRST, FIRST),
    (SUBMITTED, "never_finish"): (NOBODY, NOBODY),
    (SUBMITTED, "fail_after_accept"): (NOBODY, NEXT),
    (SUBMITTED, "filtered"): (NOBODY, NOBODY),
    (SUBMITTED, "empty_output"): (NEXT, NEXT),
    (SUBMITTED, "expired_output_url"): (FIRST, NEXT),
    (SUBMITTED, "wrong_content_type"): (FIRST, FIRST),
    (SUBMITTED, "huge_output"): (NEXT, NEXT),
    (SUBMITTED, "truncated_output"): (NEXT, FIRST),  # what has an address is fetched again
    (ASKED, "refuse"): (FIRST, NOBODY),
    (ASKED, "rate_limit"): (FIRST, NOBODY),
    (ASKED, "server_error"): (FIRST, NOBODY),
    (ASKED, "bad_json"): (FIRST, NOBODY),
    (ASKED, "html"): (FIRST, NOBODY),
    (ASKED, "wrong_type"): (FIRST, NOBODY),
    (ASKED, "drip"): (FIRST, FIRST),
    (ASKED, "redirect"): (FIRST, NOBODY),
    (ASKED, "huge_answer"): (FIRST, NOBODY),
    (ASKED, "surplus_outputs"): (FIRST, FIRST),
    (ASKED, "unknown_status"): (FIRST, NOBODY),
    (FETCHED, "refuse"): (FIRST, NEXT),
    (FETCHED, "server_error"): (FIRST, NEXT),
    (FETCHED, "accept_then_timeout"): (FIRST, NEXT),
    (FETCHED, "html"): (FIRST, NEXT),
    (FETCHED, "drip"): (FIRST, NEXT),
    (FETCHED, "redirect"): (FIRST, NEXT),
}
LOST = ("accept_then_timeout", "bad_json", "html", "wrong_type", "drip", "redirect", "huge_answer")
OTHERWISE: dict[tuple[str, str, str], str] = {
    # Kling knows our ids. Its submissions lie under the path at which its jobs are asked about, and are struck as well.
    **{("kling", SUBMITTED, fault): FIRST for fault in LOST},
    ("kling", ASKED, "refuse"): NEXT,
    ("kling", ASKED, "rate_limit"): NEXT,
    # Google says that its own errors are not charged, Bedrock that its model has failed; other 5xx prove nothing.
    ("google", SUBMITTED, "server_error"): NEXT,
    ("google", SUBMITTED, "fail_after_accept"): NEXT,
    ("bedrock", SUBMITTED, "fail_after_accept"): NEXT,
    # The body is the output: half of it is an answer that did not arrive.
    ("elevenlabs", SUBMITTED, "truncated_output"): NOBODY,
}


@dataclass(frozen=True)
class Case:
    provider: str
    struck: str
    fault: str

    def __str__(self) -> str:
        return f"{self.provider}-{self.struck}-{self.fault}"

    @property
    def delivers(self) -> str:
        """Who is to deliver."""
        usual = CASES[self.struck, self.fault][self.provider not in AT_ONCE]
        return OTHERWISE.get((self.provider, self.struck, self.fault), usual)


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
    assert ((FIRST, NEXT)[len(attempts) - 1] if is_delivered else NOBODY) == case.delivers, shown
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
