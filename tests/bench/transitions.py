"""What the state machine goes through for a video that takes 90 seconds: the deployed definition, in virtual time."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway import catalog, ledger
from infra.settings import for_stage
from tests.bench.measuring import Figure, Section, most
from tests.integration.world import COMPILED, PROJECT, World, world
from tests.samples import Sample, sample_requests

VIDEO_SECONDS = 90.0
WEBHOOK_BUDGET = 9
LOST_BUDGET = 12
POLLS_BUDGET = 2


@dataclass(frozen=True)
class Way:
    """What one generation went through."""

    transitions: int
    polls: int
    """Invocations of the function that polls; each asks the provider until its window ends."""


def section() -> Section:
    """Transitions and polls, the webhook having come or been lost."""
    stage = for_stage("prod")
    environment = {
        "POLL_WINDOW_SECONDS": f"{stage.poll_window_seconds:g}",
        "PROVIDER_TIMEOUT_SECONDS": f"{stage.provider_timeout_seconds:g}",
        "DEADLINE_SECONDS_MAX": str(stage.deadline_seconds_max),
    }
    with world(environment) as museway:
        samples = _samples(museway)
        figures = [
            figure
            for name, loses, budget in (("webhook", False, WEBHOOK_BUDGET), ("webhook lost", True, LOST_BUDGET))
            for figure in _figures(name, [_way(museway, sample, loses) for sample in samples], budget)
        ]
    return Section(
        "State machine",
        "Every video model that needs no source, with production's settings and a provider that takes 90 s, whatever "
        "the model's typical time: where that is shorter, the machine begins to poll before the webhook comes.",
        figures,
    )


def _figures(name: str, ways: Sequence[Way], budget: int) -> list[Figure]:
    over = f"{len(ways)} models"
    return [
        most(f"Transitions of a 90 s video, {name}", [way.transitions for way in ways], over, budget),
        most(f"Polls of a 90 s video, {name}", [way.polls for way in ways], over, POLLS_BUDGET),
    ]


def _samples(museway: World) -> list[Sample]:
    """The first request of each video model that is served and takes none but words."""
    ledger.grant(PROJECT, 10**12, "bench")
    museway.provider.seconds = VIDEO_SECONDS
    museway.provider.extension = "mp4"
    models = catalog.from_compiled("bench", COMPILED).models.values()
    served = [model for model in models if model.kind == "video" and model.live_offers(museway.clock.now())]
    firsts = [sample_requests(model)[0] for model in served]
    return [sample for sample in firsts if not sample.normalized.media]


def _way(museway: World, sample: Sample, loses_webhook: bool) -> Way:
    museway.provider.loses_webhooks = loses_webhook
    museway.machine.transitions.clear()
    status, answer, _ = museway.request("POST", "/v1/generate/media", sample.body)
    if status != 202:
        raise RuntimeError(f"{sample}: {answer}")
    museway.settle_down()
    shown = museway.generation(answer["generation_id"])
    if shown["status"] != "completed":
        raise RuntimeError(f"{sample}: {shown}")
    names = museway.machine.transitions
    return Way(len(names), names.count("Poll") + names.count("retry"))
