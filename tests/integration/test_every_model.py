"""Every model of the catalog, by every offer and for every generation type, from the request to the bill.

The real handlers and the real adapters, over HTTP against the sandbox, which renders what was asked for; only AWS, the
clock and the operator's secret are stand-ins. Requests are the smallest that the catalog takes (`tests.samples`).
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest

from gateway import aws, catalog, ledger, providers, tables, transport
from gateway.provider import Accepted, PollOutcome, Provider, Running, Submission, SubmitOutcome
from gateway.providers import ApiKey
from infra.sandbox.addresses import base_urls
from infra.sandbox.providers import PROVIDERS
from infra.sandbox.serving import served_sandbox
from museway.records import verify
from tests.integration import world as outside
from tests.integration.sandbox.support import Received, SandboxControl, WebhookReceiver, until, webhook_receiver
from tests.integration.world import COMPILED, PROJECT, World
from tests.samples import Sample, sample_requests
from tests.trials import MEDIA, PLACEHOLDERS, Trial, check_media, once_by_offer, placed, trials
from tests.unit.gateway.loopback import answer, serving

SNAPSHOT = catalog.from_compiled("shipped", COMPILED)
CLOCK_STARTS = outside.Clock().now()
GRANTED_MICROS = outside.GRANTED_MICROS + 90_000_000
WAIT_SECONDS = 30.0

PROVIDER = providers.provider
"""Makes adapters of what the published catalog describes, before any world puts its own in the place."""

ALIVE = [model for model in SNAPSHOT.models.values() if model.live_offers(CLOCK_STARTS)]
RETIRED = [model for model in SNAPSHOT.models.values() if not model.live_offers(CLOCK_STARTS)]
TRIALS = trials(ALIVE, CLOCK_STARTS)

Objects = dict[tuple[str, str], bytes]
"""By bucket and key."""


@dataclass
class Awaited:
    """A real adapter in virtual time, which stands still while the sandbox works.

    What the sandbox calls back with comes through the world's own door, a virtual second after the submission. What it
    has put into a bucket lies in the world's when a job is found done: what stands for AWS is called by one thread.
    """

    adapter: Provider
    world: World
    webhooks: WebhookReceiver
    objects: Objects

    @property
    def name(self) -> str:
        return self.adapter.name

    def submit(self, submission: Submission) -> SubmitOutcome:
        outcome = self.adapter.submit(submission)
        if isinstance(outcome, Accepted) and submission.webhook_url:
            [received] = self.webhooks.wait_for(1)
            self.world.clock.after(1, lambda: self._call_back(received))
        return outcome

    def poll(self, reference: Mapping[str, str]) -> PollOutcome:
        outcomes: list[PollOutcome] = []

        def is_over() -> bool:
            outcomes.append(self.adapter.poll(reference))
            return not isinstance(outcomes[-1], Running)

        until(is_over, "the sandbox ends the job", WAIT_SECONDS)
        while self.objects:
            (bucket, key), content = self.objects.popitem()
            aws.client("s3").put_object(Bucket=bucket, Key=key, Body=content)
        return outcomes[-1]

    def cancel(self, reference: Mapping[str, str]) -> bool:
        return self.adapter.cancel(reference)

    def webhook_reference(self, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        return self.adapter.webhook_reference(headers, body)

    def _call_back(self, received: Received) -> None:
        status, _, _ = self.world.request(
            "POST", received.path, received.body.decode(), key=None, headers=received.headers
        )
        assert status == 200, f"the callback is answered with {status}"


@dataclass
class Studio:
    """A world whose provider is the sandbox."""

    world: World
    control: SandboxControl
    media_url: str

    def asked(self, sample: Sample) -> dict[str, Any]:
        """Its request, its media where they are served."""
        return placed(sample, {name: f"{self.media_url}/{name}" for name, _ in MEDIA.values()})


@pytest.fixture(scope="module")
def objects() -> Objects:
    """What the sandbox has put into buckets, and nobody has fetched."""
    return {}


@pytest.fixture(scope="module")
def sandbox_url(objects: Objects) -> Iterator[str]:
    def put_object(bucket: str, key: str, content: bytes, _media_type: str) -> None:
        objects[bucket, key] = content

    # Almost at once: what is charged by its time must take some.
    with served_sandbox(job_seconds=0.01, put_object=put_object) as url:
        yield url


@pytest.fixture(scope="module")
def media_url() -> Iterator[str]:
    """Where the source media are: real files on a server of this machine."""
    made = {f"/{name}": order.render() for name, order in MEDIA.values()}
    answers = {path: answer(one.content, content_type=one.media_type) for path, one in made.items()}
    with serving(lambda path, connection: connection.sendall(answers[path])) as server:
        yield server.url().rstrip("/")


class OperatorsKeys:
    """The operator's secret, with a key for whoever is asked for."""

    def read(self) -> Mapping[str, ApiKey]:
        return {name: ApiKey(f"sandbox-{name}") for name in (*PROVIDERS, "kie_webhook")}


@contextmanager
def _real_providers(world: World, webhooks: WebhookReceiver, objects: Objects) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(providers, "_keys", OperatorsKeys())
        monkeypatch.setattr(providers, "provider", lambda name: Awaited(PROVIDER(name), world, webhooks, objects))
        # The wire itself, and with it the guard's check of addresses.
        monkeypatch.setattr(transport, "_replacement", None)
        yield


@pytest.fixture
def studio(sandbox_url: str, media_url: str, objects: Objects) -> Iterator[Studio]:
    control = SandboxControl(sandbox_url)
    control.reset()
    with webhook_receiver() as webhooks:
        environment = {
            "PUBLIC_URL": webhooks.url,
            "PROVIDER_BASE_URLS": json.dumps(base_urls(sandbox_url, PROVIDERS)),
            "FAL_JWKS_URL": f"{sandbox_url}/fal/.well-known/jwks.json",
            "URL_ALLOWED_HOSTS": ",".join(urlsplit(url).netloc for url in (sandbox_url, media_url)),
        }
        with outside.world(environment, in_memory=True) as world, _real_providers(world, webhooks, objects):
            ledger.grant(PROJECT, GRANTED_MICROS - outside.GRANTED_MICROS, "for dear ones")
            yield Studio(world, control, media_url)
    control.close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each offer once, by one door and then the other; with `--whole` every generation type by both."""
    if "trial" in metafunc.fixturenames:
        asked = TRIALS if metafunc.config.getoption("--whole") else once_by_offer(TRIALS)
        metafunc.parametrize("trial", asked, ids=str)


def test_a_request_is_made_delivered_and_billed(studio: Studio, trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    """Estimate, submit, run to the end; then everything that was promised on the way."""
    sample = trial.sample
    world, body = studio.world, studio.asked(sample)
    # The others are out of order.
    monkeypatch.setattr(catalog.Offer, "serves", lambda offer, _inputs: offer.offer_id == trial.offer.offer_id)
    status, estimate, _ = world.request("POST", "/v1/estimate", body)
    assert status == 200, estimate
    assert world.totals().held_micros == 0

    path = "/v1/media/generate" if sample.is_native else "/v1/generate/media"
    status, accepted, _ = world.request("POST", path, body)
    assert status == 202, accepted
    assert accepted["warnings"] == estimate["warnings"]
    assert all("is served until" in warning for warning in accepted["warnings"])
    assert accepted["estimated_cost_micros"] == world.totals().held_micros == estimate["maximum_micros"]

    world.settle_down()
    shown = world.generation(accepted["generation_id"])
    assert (shown["status"], shown["error"]) == ("completed", None)
    assert [call["provider"] for call in studio.control.calls(paid=True)] == [trial.offer.provider]
    check_media(trial, shown["outputs"])
    check_bill(world, sample, estimate, shown)
    assert world.violations(at_rest=True) == []


def check_bill(world: World, sample: Sample, estimate: dict[str, Any], shown: dict[str, Any]) -> None:
    """What inputs fix is billed as it was said; what the provider counts is billed by its report, up to the hold."""
    billed_micros = shown["billed_micros"]
    attempt = tables.Attempt.find(shown["generation_id"], 1)
    assert attempt is not None
    usage = attempt.usage or {}
    if any(sample.model.meters[line["meter"]].usage for line in estimate["lines"]):
        assert 0 < billed_micros <= estimate["maximum_micros"]
        assert billed_micros == by_report(sample.model, estimate["lines"], usage)
    else:
        assert billed_micros == estimate["expected_micros"] == estimate["maximum_micros"] > 0
        assert estimate["assumptions"] == []
    [record] = world.request("GET", "/v1/records")[1]["items"]
    assert record["amount_micros"] == billed_micros
    assert record["price_book_version"] == estimate["price_book_version"]
    assert list(verify([record])) == []
    assert world.totals() == ledger.Totals(GRANTED_MICROS, GRANTED_MICROS - billed_micros, 0, billed_micros)


def by_report(model: catalog.Model, lines: list[dict[str, Any]], usage: Mapping[str, Any]) -> int:
    """Micros of the rates times what the provider counted; what it does not count is as the lines say."""
    total_usd = Decimal(0)
    for line in lines:
        meter = model.meters[line["meter"]]
        quantity = Decimal(str(usage.get(meter.usage, 0))) / meter.divide_by if meter.usage else line["quantity"]
        total_usd += Decimal(line["rate"]) * Decimal(quantity)
    return int((total_usd * 1_000_000).to_integral_value(ROUND_HALF_UP))


@pytest.mark.parametrize("model", RETIRED, ids=lambda model: model.model_id)
def test_what_nobody_serves_is_refused_with_its_successor(studio: Studio, model: catalog.Model) -> None:
    for sample in sample_requests(model, PLACEHOLDERS):
        body = studio.asked(sample)
        for path in ("/v1/estimate", "/v1/generate/media"):
            status, answered, _ = studio.world.request("POST", path, body)
            assert (status, answered["error"]) == (410, "model_retired"), answered
            successor = SNAPSHOT.model(answered["successor"])
            assert successor.live_offers(CLOCK_STARTS)
            assert successor.kind == model.kind
            assert answered["price_micros"] > 0
    assert studio.world.request("GET", "/v1/generations")[1]["items"] == []
    assert studio.world.totals() == ledger.Totals(GRANTED_MICROS, GRANTED_MICROS, 0, 0)
    assert studio.control.calls() == []
    assert studio.world.violations(at_rest=True) == []


def test_what_an_offer_cannot_serve_is_not_sent_to_it(studio: Studio) -> None:
    """Three images are no thing of a provider that makes one; the other offer fails, and nobody else is asked."""
    studio.control.arm("refuse", "fal")
    body = {"model": "nano-banana", "prompt": "a fox", "num_images": 3}
    status, accepted, _ = studio.world.request("POST", "/v1/generate/media", body)
    assert status == 202, accepted
    studio.world.settle_down()
    shown = studio.world.generation(accepted["generation_id"])
    assert (shown["status"], shown["error"]["code"]) == ("failed", "provider_auth")
    assert {call["provider"] for call in studio.control.calls()} == {"fal"}


def test_every_offer_is_here() -> None:
    """There is a sample for each, of those that one must wish for with more than the least."""
    assert {trial.offer.offer_id for trial in TRIALS} == {
        one.offer_id for model in ALIVE for one in model.live_offers(CLOCK_STARTS)
    }


def test_every_model_is_here() -> None:
    samples = [trial.sample for trial in TRIALS]
    tried = {sample.model.model_id for sample in samples if not sample.is_native}
    assert tried | {model.model_id for model in RETIRED} == set(SNAPSHOT.models)
    assert {sample.model.model_id for sample in samples if sample.is_native} == {one for one in tried if "/" in one}
