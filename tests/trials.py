"""A request for every offer of the catalog, the media that it names, and what must come of it. For every suite."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from gateway.catalog import Model, Offer
from infra.sandbox.render.audio import SpeechOrder
from infra.sandbox.render.image import ImageOrder
from infra.sandbox.render.media import Order
from infra.sandbox.render.video import VideoOrder
from tests.samples import Sample, sample_requests

CLIP_SECONDS = 3.0
MEDIA: dict[str, tuple[str, Order]] = {
    "image": ("fox.jpg", ImageOrder("a fox", 640, 640, "jpeg", 0)),
    "video": ("fox.mp4", VideoOrder("a fox", 640, 360, CLIP_SECONDS, audio=True)),
    "audio": ("fox.mp3", SpeechOrder("A fox, a fox, a fox and one more.", "alloy", "mp3")),
}
PLACEHOLDERS = {kind: f"http://media.test/{name}" for kind, (name, _) in MEDIA.items()}
"""Samples are made when tests are collected, before anybody knows where the media will be."""

SECONDS_OF = {
    "grok-text-to-video-6s": 6.0,  # seed 002, by its name
    "grok-image-to-video": 6.0,
    "kling-2-5-image-to-video-pro": 5.0,
    "veo3-1": 8.0,
    "veo3-1-fast": 8.0,
}
"""Models whose videos have one length, and no input for it."""

SILENT = {("fal", "kling-2-5-image-to-video-pro"), ("kling", "kling-2-5-image-to-video-pro")}
"""Seed 002 calls its audio included; the model that is served under this name makes none."""


@dataclass(frozen=True)
class Trial:
    """A request that is to be served by one offer of its model."""

    sample: Sample
    offer: Offer

    def __str__(self) -> str:
        return f"{self.sample}@{self.offer.provider}"


def placed(sample: Sample, places: Mapping[str, str]) -> dict[str, Any]:
    """A sample's request, its media where they are: a URL for each name of `MEDIA`."""
    urls = {PLACEHOLDERS[kind]: places[name] for kind, (name, _) in MEDIA.items()}
    found: dict[str, Any] = _replaced(sample.body, urls)
    return found


def trials(models: Iterable[Model], now: datetime) -> list[Trial]:
    """Typed requests of every model, native ones of those with a slug, for each offer that serves them.

    Those of one model come side by side, so that the sandbox renders once.
    """
    samples = (
        sample
        for model in models
        for is_native in ((False, True) if "/" in model.model_id else (False,))
        for sample in sample_requests(model, PLACEHOLDERS, is_native=is_native)
    )
    return [
        Trial(sample, offer)
        for sample in samples
        for offer in sample.model.live_offers(now)
        if offer.serves(sample.normalized.inputs)
    ]


def once_by_offer(every: Iterable[Trial]) -> list[Trial]:
    """One for each offer: the first of it by one door, the last by the other."""
    by_offer: dict[str, list[Trial]] = {}
    for trial in every:
        by_offer.setdefault(trial.offer.offer_id, []).append(trial)
    return [found[-(number % 2)] for number, found in enumerate(by_offer.values())]


def check_media(trial: Trial, outputs: list[dict[str, Any]]) -> None:
    """What came is of the promised kind, length and sound."""
    sample, inputs = trial.sample, trial.sample.normalized.inputs
    model = sample.model
    assert outputs
    assert {output["media_type"].partition("/")[0] for output in outputs} == {model.kind}
    assert all(output["url"] and output["bytes"] for output in outputs)
    if model.kind != "video":
        return
    if "motion-control" in model.model_id:
        seconds = CLIP_SECONDS
    else:
        seconds = SECONDS_OF.get(model.model_id) or float(inputs["duration"])
    sounds = {"included": True, "silent": False}.get(str(model.video_audio), sample.has_sound)
    sounds = inputs.get("generate_audio", sounds) and (trial.offer.provider, model.model_id) not in SILENT
    for output in outputs:
        assert output["duration_seconds"] == pytest.approx(seconds, abs=0.2)
        assert output["has_audio"] == sounds
        assert output["thumbnail_url"]


def _replaced(value: Any, urls: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _replaced(one, urls) for name, one in value.items()}
    if isinstance(value, list):
        return [_replaced(one, urls) for one in value]
    return urls.get(value, value) if isinstance(value, str) else value
