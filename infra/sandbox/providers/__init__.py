"""The providers whose protocols the sandbox speaks: one file each, one line here."""

from __future__ import annotations

from infra.sandbox.providers.ark import Ark
from infra.sandbox.providers.base import Provider
from infra.sandbox.providers.bedrock import Bedrock
from infra.sandbox.providers.elevenlabs import ElevenLabs
from infra.sandbox.providers.fal import Fal
from infra.sandbox.providers.google import Google
from infra.sandbox.providers.kie import Kie
from infra.sandbox.providers.kling import Kling
from infra.sandbox.providers.openai import OpenAI
from infra.sandbox.providers.replicate import Replicate
from infra.sandbox.providers.wavespeed import WaveSpeed
from infra.sandbox.providers.xai import XAI

PROVIDERS: dict[str, type[Provider]] = {
    provider.name: provider
    for provider in (
        Ark,
        Bedrock,
        ElevenLabs,
        Fal,
        Google,
        Kie,
        Kling,
        OpenAI,
        Replicate,
        WaveSpeed,
        XAI,
    )
}
